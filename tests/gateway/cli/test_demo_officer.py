"""Officer of the demo: conditions for opening the barrier."""

import asyncio
from typing import Any, cast

import pytest
from test_rendering import CLOSED_DOOR, document, received

from drivers.barrier.observations import BarrierState, MovementState
from drivers.observation import Observation, Outcome
from gateway.cli._demo.officer import DemoOfficer
from gateway.client import CommandError, LastValue, Workstation
from gateway.contract.topics import Position

WAITED_AT = BarrierState(
    state=MovementState.CLOSED,
    doors=(CLOSED_DOOR.model_copy(update={"presence": False, "entry_side": True}),),
)


IN_ORDER = document().model_copy(update={"overall": Outcome.SUCCESSFUL})


class Desk:
    """Workstation at one barrier that records the commands sent."""

    def __init__(self, standing: Observation | None, error: CommandError | None = None) -> None:
        self.devices = [Position("lane-1", "barrier"), Position("lane-1", "reader")]
        self.asked: list[tuple[str, str, str]] = []
        self._standing = standing
        self._error = error

    def now(self, position: Position, _event_type: str) -> LastValue | None:
        if position.device != "barrier" or self._standing is None:
            return None
        return LastValue(position, cast("Any", None), self._standing)

    async def command(self, position: Position, verb: str, *, transaction: str) -> None:
        self.asked.append((str(position), verb, transaction))
        await asyncio.sleep(0)
        if self._error is not None:
            raise self._error


async def shown(desk: Desk, *documents: Observation) -> list[tuple[str, str, str]]:
    async with DemoOfficer(cast("Workstation", desk)) as officer:
        for read in documents:
            officer.on_event(received(read))
        for _ in range(3):
            await asyncio.sleep(0)
    return desk.asked


async def test_valid_document_opens_barrier_once() -> None:
    assert await shown(Desk(WAITED_AT), IN_ORDER, IN_ORDER) == [("lane-1/barrier", "open", "t")]


@pytest.mark.parametrize(
    "standing",
    [
        None,
        WAITED_AT.model_copy(update={"state": MovementState.EMERGENCY_OPEN}),
        WAITED_AT.model_copy(update={"doors": (CLOSED_DOOR,)}),
    ],
)
async def test_nothing_opens_without_traveller_or_state(
    standing: BarrierState | None,
) -> None:
    assert await shown(Desk(standing), IN_ORDER) == []


async def test_invalid_document_opens_nothing() -> None:
    expired = document().model_copy(update={"overall": Outcome.FAILED})
    assert await shown(Desk(WAITED_AT), expired) == []


async def test_refusal_does_not_end_demo() -> None:
    refused = CommandError("c", "unsafe", "Somebody is in its way.", "Look.")
    assert len(await shown(Desk(WAITED_AT, refused), IN_ORDER)) == 1
