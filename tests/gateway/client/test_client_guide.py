"""The guide's example: a whole traveller, with a desk whose devices answer each command by its event."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Self

import pytest
from support.client.events import event
from support.patience import PATIENCE_S

from drivers.barrier.observations import BarrierPassage, BarrierState
from drivers.camera.observations import FaceCaptured
from drivers.passport.observations import DocumentRead
from gateway.client import CommandRejected, LastValue, ReceivedEvent
from gateway.contract.documents.schemas import example
from gateway.contract.topics import Position

GUIDE = Path(__file__).parents[3] / "gateway/client/README.md"
WAITING = {"state": "closed", "open_limit": False, "closed_limit": True, "entry_side": True}


class Desk:
    """Desk at which others read documents, and whose gate refuses once; then the person turns back once."""

    def __init__(self, *_: Any, **__: Any) -> None:
        self._events: asyncio.Queue[ReceivedEvent] = asyncio.Queue()
        self._events.put_nowait(event(DocumentRead, "t-7"))
        self._answers: list[str] = ["refusal", "turned_back", "forward"]

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        pass

    def claim(self, _position: str) -> Any:
        return nullcontext()

    def last_value(self, position: str, _event_type: str) -> LastValue:
        """Return that a person waits."""
        state = BarrierState.model_validate(
            example(BarrierState) | {"state": "closed", "doors": [WAITING], "attachments": ()}
        )
        return LastValue(Position.parse(position), None, state)  # type: ignore[arg-type]

    async def command(
        self, _position: str, verb: str, _arguments: object = None, *, transaction: str
    ) -> None:
        if verb == "capture":
            self._events.put_nowait(event(FaceCaptured, transaction))
        elif (answer := self._answers.pop(0)) == "refusal":
            raise CommandRejected("id", "unsafe", "A permit is still valid.", "Wait until it is done.")
        else:
            for number in range(8, 20):
                self._events.put_nowait(event(DocumentRead, f"t-{number}"))
            self._events.put_nowait(event(BarrierPassage, transaction, direction=answer))

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

    async with asyncio.timeout(PATIENCE_S):
        await example["counter"]("127.0.0.1", 1)

    said = capsys.readouterr().out
    assert "missing: portrait, passage" in said
    assert "missing: nothing" in said
    assert "A permit is still valid." in said


SLEEP = asyncio.sleep


async def no_wait(_s: float) -> None:
    """Wait no second before a button is pressed again."""
    await SLEEP(0)
