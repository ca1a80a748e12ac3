"""Self-test of a reader with a specimen: a document of Utopia is checked, any other is not reported."""

import asyncio
from typing import Any

import pytest

from drivers.observation import Observation, Outcome
from drivers.passport import specimen
from drivers.passport.observations import DocumentPlaced, FrameFault, ReadFailed, ReadTrigger
from drivers.passport.read_result import document_read, parse_mrz
from drivers.registry import load_driver
from drivers.self_test import SelfTestContext, SelfTestLevel, SelfTestStep
from simulators.specimens import ERIKSSON_LINES

PASSPORT = ERIKSSON_LINES["TD3"]
OTHER = tuple(line.replace("UTO", "KEN") for line in PASSPORT)
MISREAD = (PASSPORT[0], PASSPORT[1].replace("740812", "740813"))


def read(lines: Any) -> Observation:
    lines = tuple(lines)
    return document_read(lines, parse_mrz(lines), ReadTrigger.SWIPE, b"")


async def tried(*observations: Observation) -> list[SelfTestStep]:
    queue: asyncio.Queue[Observation] = asyncio.Queue()
    for each in observations:
        queue.put_nowait(each)
    return [
        step async for step in specimen.specimen_steps(SelfTestContext(SelfTestLevel.INTERACTIVE, queue.get))
    ]


async def test_specimen_is_read_well() -> None:
    steps = await tried(DocumentPlaced(trigger=ReadTrigger.INSERT), read(PASSPORT))

    assert [(step.name, step.outcome) for step in steps] == [
        ("specimen.read", Outcome.SUCCESSFUL),
        ("specimen.check_digits", Outcome.SUCCESSFUL),
    ]


async def test_misread_specimen_is_reported() -> None:
    assert (await tried(read(MISREAD)))[-1].outcome is Outcome.FAILED


async def test_other_document_is_not_reported() -> None:
    (step,) = await tried(read(OTHER))

    assert (step.name, step.outcome) == ("specimen.read", Outcome.ABORTED)
    assert not any(word in step.model_dump_json() for word in ("ERIKSSON", "KEN", "L898902C3"))


async def test_no_read_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(specimen, "TIMEOUT_S", 0.02)
    for observation in (ReadFailed(fault=FrameFault.CUT, size_bytes=9), read(("HELLO",)), None):
        (step,) = await tried(*([observation] if observation else []))
        assert step.outcome is Outcome.FAILED
        assert step.action == "clean"


@pytest.mark.parametrize(
    "name", ["mrz-serial", "mrz-hid", "mrz-wedge", "ocr-scanner", "desko", "document-bridge"]
)
def test_every_document_reader_has_self_test(name: str) -> None:
    assert SelfTestLevel.INTERACTIVE in load_driver(name).self_test_levels
