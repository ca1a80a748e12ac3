"""A short torture run, and tests of its oracle, which must find each kind of fault."""

import asyncio
import dataclasses
import os
import signal
import subprocess
import sys
import termios
import time
from collections import Counter
from pathlib import Path

import pytest
from support.patience import PATIENCE_S
from support.process.wall_clock import WallClock, clock_fault
from torture import schedule
from torture.chaos import FaultInjector, SentEvent, Snapshot
from torture.oracle import RunEvidence, evaluate
from torture.post import Disturbance, post_in, reader_line
from torture.run import delivered, run
from torture.schedule import Fault, calms, plan
from torture.soak import Sample, verdict
from torture.subscribers import Arrival

from gateway.common.process import kept_environment

RECORD, TRAVELLER = "lane-1/reader/record", "lane-1/reader/traveller"


@pytest.mark.timeout(420)
@pytest.mark.parametrize(
    ("seconds", "seed", "kills", "outages"),
    [
        # A seed with thirteen kinds of faults.
        pytest.param(45, 20262238, 7, 2, marks=pytest.mark.long(60)),
        pytest.param(90, 20261124, 15, 3, marks=[pytest.mark.thorough, pytest.mark.long(100)]),
    ],
)
async def test_guarantees_hold_under_faults(
    seconds: float, seed: int, kills: int, outages: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kills, outages, full disks, clock steps and reloads, and a calm in which nothing may be missing."""
    monkeypatch.setattr(schedule, "CALM_EVERY_S", min(schedule.CALM_EVERY_S, seconds - 3))
    result = await run(seconds, seed, folder=tmp_path)
    assert not result.verdict.breaches, "\n".join(result.lines())
    assert result.kills >= kills
    assert result.outages >= outages
    # Some lines, so that the run proves something. A quiet machine gives 3,000. On a busy one the gateway is
    # away for most of a run: 358 lines beside 24 runnable processes of higher priority.
    given = result.verdict.figures["lines given to devices"]
    assert given > 200
    assert result.verdict.figures["records committed"] > given / 2


async def test_late_flush_loses_no_line(tmp_path: Path) -> None:
    line = reader_line(tmp_path / "reader")
    line.replug()
    host = os.open(line.path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    try:
        sending = asyncio.create_task(line.send(b"say 1\n"))
        await asyncio.sleep(0.3)  # a busy machine is at work between open(2) and tcflush(3)
        termios.tcflush(host, termios.TCIFLUSH)
        assert await asyncio.wait_for(sending, PATIENCE_S)
        assert os.read(host, 100) == b"say 1\n"
    finally:
        os.close(host)
        await line.close()


async def test_stop_during_start_not_judged(tmp_path: Path) -> None:
    async with post_in(tmp_path, faked_clock=False) as post:
        injector = FaultInjector(post, 1)
        await post.start()
        await injector.run([Fault(0.0, "stop-gateway", draw=0.9)])
        assert injector.done["stop-gateway"] == 1
        assert not injector.exits
        await post.ready()
        await injector.run([Fault(0.0, "stop-gateway", draw=0.9)])
        assert injector.exits == {0: 1}


async def test_start_awaited_before_last_stop(tmp_path: Path) -> None:
    """An outbox is empty too while the gateway still starts."""
    async with post_in(tmp_path, faked_clock=False) as post:
        await post.start()
        await post.ready()
        await post.end(signal.SIGKILL)
        await post.start()
        assert post.process is not None
        post.process.send_signal(signal.SIGSTOP)
        waiting = asyncio.create_task(delivered(post))
        done, _ = await asyncio.wait([waiting], timeout=3)
        assert not done
        post.process.send_signal(signal.SIGCONT)
        assert await waiting is not None
        assert await post.end(signal.SIGTERM) == 0


def test_new_fork_server_has_boot_clock(tmp_path: Path) -> None:
    if fault := clock_fault():
        pytest.skip(fault)
    clock = WallClock(tmp_path / "clock")
    clock.set("-1d")
    probe = "import time; print(time.time(), time.clock_gettime(time.CLOCK_BOOTTIME))"
    before_s = time.clock_gettime(time.CLOCK_BOOTTIME)
    said = subprocess.run(
        [sys.executable, "-c", probe],
        env=kept_environment(os.environ | clock.environment()),
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    assert float(said[0]) < time.time() - 80_000
    assert before_s <= float(said[1]) <= time.clock_gettime(time.CLOCK_BOOTTIME)


def test_seed_repeats_schedule() -> None:
    assert plan(7, 600) == plan(7, 600)
    assert plan(7, 600) != plan(8, 600)


@pytest.mark.parametrize("seed", range(20))
def test_schedule_has_faults_outside_calms(seed: int) -> None:
    faults = plan(seed, 600)
    assert sum(fault.kills for fault in faults) >= 120
    assert sum(fault.outage for fault in faults) >= 25
    for fault in faults:
        for start, end in calms(600):
            assert fault.at_s + fault.lasts_s <= start or fault.at_s >= end
    kinds = Counter(fault.kind for seed in range(5) for fault in plan(seed, 600))
    assert len(kinds) == 21


def arrival(seq: int, *, at: float = 0.0, stream: str = RECORD, **more: object) -> Arrival:
    fields: dict[str, object] = {
        "at": at or seq + 0.1,
        "born": float(seq),
        "epoch": "e1",
        "stream": stream,
        "seq": seq,
        "id": f"id-{seq:03}",
        "number": seq,
        "durable": True,
    }
    return Arrival(**(fields | more))  # type: ignore[arg-type]


@pytest.fixture
def clean_run() -> RunEvidence:
    """Return evidence of a clean run: ten records and ten travellers arrived at both ends."""
    came = [arrival(n) for n in range(1, 11)]
    came += [arrival(n, stream=TRAVELLER, id=f"t-{n:03}", number=100 + n) for n in range(1, 11)]
    return RunEvidence(
        given=[SentEvent(a.number, a.born, "lane-1/reader", a.stream.rpartition("/")[2]) for a in came],
        desk=list(came),
        headquarters=list(came),
        snapshots=[Snapshot(20.0, heads={("e1", RECORD): 10, ("e1", TRAVELLER): 10})],
        disturbances=[],
        log=[],
    )


def test_clean_run_has_no_breaches(clean_run: RunEvidence) -> None:
    assert evaluate(clean_run).breaches == []


@pytest.mark.parametrize("end", ["desk", "headquarters"])
def test_missing_record_is_found(clean_run: RunEvidence, end: str) -> None:
    del getattr(clean_run, end)[4]
    assert any("never came" in text for text in evaluate(clean_run).breaches)


def test_missing_last_record_is_found(clean_run: RunEvidence) -> None:
    del clean_run.headquarters[9], clean_run.desk[9]
    assert any("never came" in text for text in evaluate(clean_run).breaches)


def test_record_lost_with_broker_counted_apart(clean_run: RunEvidence) -> None:
    del clean_run.desk[4]
    clean_run.disturbances.append(Disturbance("local-killed", 5.5, 6.0))
    found = evaluate(clean_run)
    assert found.breaches == []
    assert found.excused.total() == 1


def test_damaged_outbox_must_be_reported(clean_run: RunEvidence) -> None:
    del clean_run.headquarters[4], clean_run.desk[4]
    clean_run.disturbances.append(Disturbance("corrupt", 5.0, 6.0))
    clean_run.snapshots.insert(
        0, Snapshot(5.5, waiting={("e1", RECORD, 5): "id-005"}, corrupted="the WAL: cut off")
    )
    assert any("silently" in text for text in evaluate(clean_run).breaches)
    clean_run.log.append((5.9, {"event": "outbox_commits_lost"}))
    assert evaluate(clean_run).breaches == []


def test_last_damage_counts(clean_run: RunEvidence) -> None:
    """A record that survived an unnoticed damage was lost with the next, which was reported."""
    del clean_run.desk[4]
    waiting = {("e1", RECORD, 5): "id-005"}
    clean_run.snapshots[:0] = [Snapshot(at, waiting=waiting, corrupted="cut off") for at in (5.5, 9.5)]
    assert any("never came" in text for text in evaluate(clean_run).breaches)
    clean_run.log.append((9.9, {"event": "outbox_commits_lost"}))
    assert evaluate(clean_run).breaches == []


def test_report_comes_after_damages_of_an_unread_outbox(clean_run: RunEvidence) -> None:
    """With a full disk the gateway opened no outbox between two damages: its first report is of both."""
    del clean_run.headquarters[4]
    lost = {("e1", RECORD, 5): "id-005"}
    clean_run.snapshots.insert(0, Snapshot(5.5, waiting=lost, corrupted="cut off"))
    clean_run.snapshots.insert(1, Snapshot(9.5, unreadable="malformed", corrupted="overwritten"))
    assert any("silently" in text for text in evaluate(clean_run).breaches)
    clean_run.log.append((9.9, {"event": "outbox_commits_lost"}))
    assert evaluate(clean_run).breaches == []
    clean_run.snapshots[1] = dataclasses.replace(clean_run.snapshots[1], unreadable="")
    assert any("silently" in text for text in evaluate(clean_run).breaches)


@pytest.mark.parametrize("end", ["desk", "headquarters"])
def test_repetition_allowed_two_ids_not(clean_run: RunEvidence, end: str) -> None:
    came = getattr(clean_run, end)
    came.append(dataclasses.replace(came[3], at=30.0))
    assert evaluate(clean_run).breaches == []
    came.append(dataclasses.replace(came[3], at=31.0, id="id-999"))
    assert any("under different ids" in text for text in evaluate(clean_run).breaches)
    assert any("given to 2 different events" in text for text in evaluate(clean_run).breaches)


@pytest.mark.parametrize("end", ["desk", "headquarters"])
def test_wrong_order_is_found(clean_run: RunEvidence, end: str) -> None:
    came = getattr(clean_run, end)
    came[2], came[3] = came[3], came[2]
    assert any("came after" in text for text in evaluate(clean_run).breaches)


@pytest.mark.parametrize("end", ["desk", "headquarters"])
def test_late_traveller_is_found(clean_run: RunEvidence, end: str) -> None:
    came = getattr(clean_run, end)
    came[-1] = dataclasses.replace(came[-1], at=came[-1].born + 11)
    assert any("came late" in text for text in evaluate(clean_run).breaches)
    frozen = "local-frozen" if end == "desk" else "hq-frozen"
    clean_run.disturbances.append(Disturbance(frozen, came[-1].born, came[-1].born + 11))
    assert evaluate(clean_run).breaches == []


def test_loss_before_commit_needs_a_reason(clean_run: RunEvidence) -> None:
    clean_run.given.append(SentEvent(500, 15.0, "lane-1/reader", "record"))
    assert any("vanished" in text for text in evaluate(clean_run).breaches)
    clean_run.disturbances.append(Disturbance("worker", 15.2, 15.3, "lane-2/reader"))
    assert any("vanished" in text for text in evaluate(clean_run).breaches)
    clean_run.disturbances.append(Disturbance("worker", 15.2, 15.3, "lane-1/reader"))
    assert evaluate(clean_run).breaches == []


def test_loss_on_failing_disk_needs_an_end(clean_run: RunEvidence) -> None:
    """Records that the disk did not take are lost if the gateway ends before it takes them, however late."""
    clean_run.given.append(SentEvent(500, 15.0, "lane-1/reader", "record"))
    clean_run.log.append((14.5, {"event": "outbox_write_failing"}))
    clean_run.disturbances.append(Disturbance("disk", 14.0, 17.0))
    assert any("vanished" in text for text in evaluate(clean_run).breaches)
    clean_run.disturbances.append(Disturbance("gateway", 19.0, 20.0))
    assert evaluate(clean_run).breaches == []
    clean_run.log.append((18.5, {"event": "outbox_recovered"}))
    assert any("vanished" in text for text in evaluate(clean_run).breaches)


def test_full_disk_without_fault_is_found(clean_run: RunEvidence) -> None:
    clean_run.log.append((15.0, {"event": "problem_raised", "cause": "disk_full"}))
    assert any("nothing was wrong with the disk" in text for text in evaluate(clean_run).breaches)
    clean_run.disturbances.append(Disturbance("disk", 14.0, 14.5))
    assert evaluate(clean_run).breaches == []


def test_missing_traveller_without_fault_is_found(clean_run: RunEvidence) -> None:
    clean_run.given.append(SentEvent(500, 40.0, "lane-1/reader", "traveller"))
    assert sum("nothing was wrong" in text for text in evaluate(clean_run).breaches) == 2


@pytest.mark.parametrize("cause", ["worker_violation", "forbidden_call"])
def test_wrongly_ended_worker_is_found(clean_run: RunEvidence, cause: str) -> None:
    clean_run.log.append((15.0, {"event": "worker_ended", "cause": "worker_crashed"}))
    assert evaluate(clean_run).breaches == []
    clean_run.log.append((15.0, {"event": "worker_ended", "cause": cause}))
    assert any(cause in text for text in evaluate(clean_run).breaches)


def test_missing_event_in_calm_is_found(clean_run: RunEvidence) -> None:
    clean_run.calms.append((0.0, 20.0))
    assert evaluate(clean_run).figures["events in calms, all of them in time"] == 6
    del clean_run.desk[8]
    clean_run.disturbances.append(Disturbance("local-killed", 9.0, 9.5))
    assert any("in a calm" in text for text in evaluate(clean_run).breaches)


def test_growing_soak_is_found() -> None:
    flat = [Sample(at * 10.0, "daemon", 1, 40_000 + at % 3 * 100, 9_000, 20) for at in range(40)]
    assert verdict(flat, 60)[1]
    assert not verdict([dataclasses.replace(s, descriptors=20 + int(s.at) // 100) for s in flat], 60)[1]
    leaking = [
        dataclasses.replace(s, pss=s.pss + int(s.at) * 20, anonymous=9_000 + int(s.at) * 20) for s in flat
    ]
    assert not verdict(leaking, 60)[1]
    assert not verdict([dataclasses.replace(s, pid=int(s.at)) for s in flat], 60)[1]
