"""Silence of a worker: hung, or without a processor."""

import os
import signal
import subprocess
from collections.abc import Iterator

import pytest
from support.gateway.deliveries import until

from gateway.supervision.processes import silence
from gateway.supervision.processes.silence import MAX_SLOWNESS, WorkerSilence, is_runnable

LIMIT_S, PERIOD_S = 0.6, 0.1


@pytest.fixture
def idle() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["sleep", "1000"]) as process:
        yield process
        process.kill()


def periods_until_hung(*, is_ready: bool, used_s: float, monkeypatch: pytest.MonkeyPatch) -> int:
    """Return after how many periods a silent worker counts as hung; `used_s`: CPU time in each."""
    clock = [0.0]
    monkeypatch.setattr(silence, "cpu_time_s", lambda _pid: clock[0])
    monkeypatch.setattr(silence, "is_runnable", lambda _pid: is_ready)
    worker = WorkerSilence(LIMIT_S)
    worker.watch(1)
    for number in range(1, 1000):
        clock[0] += used_s
        if worker.add(PERIOD_S):
            return number
    raise AssertionError("it never counts as hung")


@pytest.mark.parametrize(
    ("is_ready", "used_s", "periods"),
    [
        pytest.param(False, 0.0, LIMIT_S / PERIOD_S, id="blocked"),
        pytest.param(True, PERIOD_S, LIMIT_S / PERIOD_S, id="endless loop"),
        pytest.param(True, PERIOD_S / 4, 4 * LIMIT_S / PERIOD_S, id="a quarter of a processor"),
        pytest.param(True, 0.0, MAX_SLOWNESS * LIMIT_S / PERIOD_S, id="no processor"),
    ],
)
def test_worker_without_processor_is_not_hung(
    monkeypatch: pytest.MonkeyPatch, is_ready: bool, used_s: float, periods: float
) -> None:
    """The first period is the exception: until it ends, a worker may sleep and owe no heartbeat."""
    hung = periods_until_hung(is_ready=is_ready, used_s=used_s, monkeypatch=monkeypatch)
    assert abs(hung - periods) <= 1.5


async def test_ready_process_waits_for_a_processor(idle: subprocess.Popen[bytes]) -> None:
    assert is_runnable(os.getpid())
    await until(lambda: not is_runnable(idle.pid))
    idle.send_signal(signal.SIGSTOP)
    await until(lambda: not is_runnable(idle.pid))
    idle.kill()
    idle.wait()
    assert not is_runnable(idle.pid)
