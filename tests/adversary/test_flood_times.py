"""Judgement of floods: what the disk of the machine delays is told apart from what a flood delays."""

import os
import time
from pathlib import Path

import pytest
from support.brokers.disk_stalls import STALL_S, DiskStalls
from support.brokers.flooded_post import Times, judge_times


def test_slow_sync_is_a_stall(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.fdatasync
    slow = [time.sleep]

    def fdatasync(file: int) -> None:
        if slow:
            slow.pop()(2 * STALL_S)
        real(file)

    monkeypatch.setattr(os, "fdatasync", fdatasync)
    began_s = time.monotonic()
    with DiskStalls(tmp_path) as stalls:
        while slow:
            time.sleep(0.001)
    assert stalls.overlap(began_s, time.monotonic())
    assert not stalls.overlap(began_s - 1, began_s)


def test_only_late_events_of_a_stall_are_left_out(tmp_path: Path) -> None:
    stalls, times = DiskStalls(tmp_path, [(10.0, 10.3)]), Times()
    times.add_event(9.9, 10.31, stalls)  # late, in the stall
    times.add_event(10.35, 10.65, stalls)  # late, after it
    times.add_event(9.99, 10.01, stalls)  # soon enough
    assert [round(ms) for ms in times.stalled_ms] == [410]
    assert [round(ms) for ms in times.event_ms] == [300, 20]


def test_disk_that_stalls_often_is_no_excuse() -> None:
    rest, flood = Times(event_ms=[2.0] * 100, stop_ms=[2.0]), Times(event_ms=[2.0] * 100, stop_ms=[2.0])
    judge_times(rest, flood)
    flood.stalled_ms = [300.0] * 4
    with pytest.raises(AssertionError, match="disk"):
        judge_times(rest, flood)


def test_late_events_without_a_stall_fail() -> None:
    rest, flood = Times(event_ms=[2.0] * 100, stop_ms=[2.0]), Times(event_ms=[2.0] * 97, stop_ms=[2.0])
    flood.event_ms += [51.0] * 3
    with pytest.raises(AssertionError):
        judge_times(rest, flood)
