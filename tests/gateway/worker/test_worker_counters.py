"""Counters of a worker: attempts and times of chip reads, none of which is a bad read."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from virtual_worker import run_worker

from drivers.driver import Driver, Family, Identity
from drivers.links.settings import Settings
from drivers.observation import Observation
from drivers.passport.chip_result import ChipResult
from drivers.passport.observations import ChipRead


def counters_after(*observations: Observation) -> dict[str, Any]:
    """Run a worker whose device makes these observations; return its counters."""

    class Scripted(Driver[Settings]):
        family = Family.PASSPORT_READER
        settings_model = Settings
        observation_types = (ChipRead,)

        async def open(self) -> Identity:
            return Identity(model="reader")

        async def watch(self) -> AsyncIterator[Observation]:
            for observation in observations:
                yield observation
            await asyncio.Event().wait()

    return run_worker(Scripted, hours=0.1).counters


def chip_read(attempts: int, duration_ms: float, commands: int = 94) -> ChipRead:
    return ChipRead(chip=ChipResult(checks=(), commands=commands, attempts=attempts, duration_ms=duration_ms))


def test_chip_reads_are_counted() -> None:
    counters = counters_after(chip_read(1, 2000.4), chip_read(4, 5000))

    assert (counters["chip_reads"], counters["chip_attempts"], counters["chip_ms"]) == (2, 5, 7000)
    assert (counters["good_reads"], counters["bad_reads"]) == (2, 0)


def test_chip_that_was_sent_nothing_is_not_counted() -> None:
    assert counters_after(chip_read(1, 3, commands=0))["chip_reads"] == 0
