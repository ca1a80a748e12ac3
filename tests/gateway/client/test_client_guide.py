"""The guide's example: a whole traveller, with a desk whose devices answer each command by its event."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Self

import pytest
from support.client.events import event

from drivers.barrier.observations import BarrierPassage
from drivers.camera.observations import FaceCaptured
from drivers.passport.observations import DocumentRead
from gateway.client import CommandRejected, ReceivedEvent

GUIDE = Path(__file__).parents[3] / "gateway/client/README.md"
ANSWERS = {"capture": FaceCaptured, "open": BarrierPassage}


class Desk:
    """Desk at which one document is read; the gate refuses once, as one with an unused permit does."""

    def __init__(self, *_: Any, **__: Any) -> None:
        self._events: asyncio.Queue[ReceivedEvent] = asyncio.Queue()
        self._events.put_nowait(event(DocumentRead, "t-7"))
        self._refusals = ["open"]

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        pass

    def claim(self, _position: str) -> Any:
        return nullcontext()

    async def command(
        self, _position: str, verb: str, _arguments: object = None, *, transaction: str
    ) -> None:
        if verb in self._refusals:
            self._refusals.remove(verb)
            raise CommandRejected("id", "unsafe", "A permit is still valid.", "Wait until it is done.")
        self._events.put_nowait(event(ANSWERS[verb], transaction))

    def __aiter__(self) -> AsyncIterator[ReceivedEvent]:
        return self._all()

    async def _all(self) -> AsyncIterator[ReceivedEvent]:
        while True:
            yield await self._events.get()


async def test_example_serves_whole_traveller(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    block = re.search(r"```python\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    assert block is not None
    example: dict[str, Any] = {"__name__": "example"}
    exec(block[1], example)
    example["Workstation"] = Desk
    monkeypatch.setattr(asyncio, "sleep", no_wait)

    await example["counter"]("127.0.0.1", 1)

    said = capsys.readouterr().out
    assert "missing: portrait, passage" in said
    assert "missing: nothing" in said
    assert "A permit is still valid." in said


SLEEP = asyncio.sleep


async def no_wait(_s: float) -> None:
    """Wait no second before a button is pressed again."""
    await SLEEP(0)
