"""A device whose worker takes a whole processor for minutes: named in its state, and counted."""

import pytest
from support.gateway.workers import WorkerFixture, worker_fixture

from drivers.driver import StateCode
from drivers.links.link import Action, Cause
from gateway.supervision.processes import cpu_usage
from gateway.supervision.processes.cpu_usage import PERIODS, CpuUsage
from gateway.supervision.supervisor import WorkerLimits

__all__ = ["worker_fixture"]

READER = "lane-1/reader"
QUICK = WorkerLimits(heartbeat_timeout_s=15, stop_timeout_s=2, cpu_period_s=0.05)


async def test_busy_worker_is_named(worker_fixture: WorkerFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    # A busy machine gives a worker less than a whole processor.
    monkeypatch.setattr(cpu_usage, "EXCESSIVE_SHARE", 0.02)
    wire = await worker_fixture.device(READER, limits=QUICK, heartbeat_interval_s=0.05)
    await worker_fixture.notebook.state(StateCode.ONLINE, READER)
    await wire.send(b"work 60\n")
    named = await worker_fixture.notebook.state(StateCode.DEGRADED, READER)
    assert (named.cause, named.action) == (Cause.CPU_EXCEEDED, Action.CALL_SUPPORT)
    assert worker_fixture.devices[READER].reported.cpu.total_s > 0
    await worker_fixture.devices[READER].restart()
    await worker_fixture.notebook.state(StateCode.ONLINE, READER)


@pytest.fixture
def usage(monkeypatch: pytest.MonkeyPatch) -> tuple[CpuUsage, list[float]]:
    """Return a usage, and the CPU clock of its process."""
    clock = [0.0]
    monkeypatch.setattr(cpu_usage, "cpu_time_s", lambda _pid: clock[0])
    watched = CpuUsage(period_s=30)
    watched.watch(1, 0)
    return watched, clock


def test_use_must_last_for_periods(usage: tuple[CpuUsage, list[float]]) -> None:
    watched, clock = usage
    changes = []
    shares = [1.0] * (PERIODS - 1) + [0.5] + [1.0] * PERIODS + [0.1] * (PERIODS - 1) + [1.0] + [0.1] * PERIODS
    for number, share in enumerate(shares, start=1):
        clock[0] += 30 * share
        if watched.update(30 * number):
            changes.append((number, watched.is_excessive))
    assert changes == [(2 * PERIODS, True), (len(shares), False)]
    assert watched.total_s == pytest.approx(30 * sum(shares))


def test_new_process_starts_afresh(usage: tuple[CpuUsage, list[float]]) -> None:
    watched, clock = usage
    for number in range(1, PERIODS + 1):
        clock[0] += 30
        watched.update(30 * number)
    assert watched.is_excessive
    clock[0] = 0
    watched.watch(2, 30 * PERIODS)
    assert not watched.is_excessive
    assert watched.total_s == 30 * PERIODS
