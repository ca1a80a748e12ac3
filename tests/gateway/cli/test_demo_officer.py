"""Officer of the demo: conditions for opening the barrier."""

import asyncio
from typing import Any, cast

import pytest
from test_rendering import CLOSED_DOOR, document, received

from drivers.barrier.observations import BarrierState, MovementState
from drivers.observation import Observation, Outcome
from gateway.cli._demo.officer import DemoOfficer
from gateway.client import CommandError, DeviceStatus, LastValue, Workstation
from gateway.contract.commands import DeviceClaim
from gateway.contract.states import DeviceState
from gateway.contract.topics import Position

USABLE = ("camera", "finger")
WAITING_BARRIER = BarrierState(
    state=MovementState.CLOSED,
    doors=(CLOSED_DOOR.model_copy(update={"presence": False, "entry_side": True}),),
)


GOOD_DOCUMENT = document().model_copy(update={"overall_outcome": Outcome.SUCCESSFUL})


class FakeWorkstation:
    """Workstation at one barrier that records the commands sent."""

    def __init__(
        self, last_value: Observation | None, error: CommandError | None = None, holder: str | None = None
    ) -> None:
        self.devices = [Position("lane-1", name) for name in ("barrier", "reader", *USABLE)]
        self.commands: list[tuple[str, str, str]] = []
        self._value = last_value
        self._error = error
        claim = {"holder": holder, "since": "2026-11-23T08:15:30Z", "lease_s": 30, "session": "s"}
        self._claim = None if holder is None else DeviceClaim.model_validate(claim)

    def status(self, position: Position) -> DeviceStatus:
        state = {"state": "online", "usable": True, "since": "2026-11-23T08:15:30Z", "session": "s"}
        shown = DeviceState.model_validate(state) if position.device in USABLE else None
        return DeviceStatus(position, shown, None, gateway_online=True, claim=self._claim)

    def last_value(self, position: Position, _event_type: str) -> LastValue | None:
        if position.device != "barrier" or self._value is None:
            return None
        return LastValue(position, cast("Any", None), self._value)

    async def command(self, position: Position, verb: str, _request: object, *, transaction: str) -> None:
        self.commands.append((str(position), verb, transaction))
        await asyncio.sleep(0)
        if self._error is not None:
            raise self._error


async def commands_after(workstation: FakeWorkstation, *documents: Observation) -> list[tuple[str, str, str]]:
    async with DemoOfficer(cast("Workstation", workstation)) as officer:
        for read in documents:
            officer.on_event(received(read))
        for _ in range(3):
            await asyncio.sleep(0)
    return workstation.commands


async def test_valid_document_is_served_once() -> None:
    assert await commands_after(FakeWorkstation(WAITING_BARRIER), GOOD_DOCUMENT, GOOD_DOCUMENT) == [
        ("lane-1/barrier", "open", "t"),
        ("lane-1/finger", "capture", "t"),
        ("lane-1/camera", "capture", "t"),
    ]


@pytest.mark.parametrize(("holder", "commands"), [("counter", 0), ("officer", 3)])
async def test_lane_of_another_station_is_left_to_it(holder: str, commands: int) -> None:
    workstation = FakeWorkstation(WAITING_BARRIER, holder=holder)
    assert len(await commands_after(workstation, GOOD_DOCUMENT)) == commands


@pytest.mark.parametrize(
    "last_value",
    [
        None,
        WAITING_BARRIER.model_copy(update={"state": MovementState.EMERGENCY_OPEN}),
        WAITING_BARRIER.model_copy(update={"doors": (CLOSED_DOOR,)}),
    ],
)
async def test_nothing_opens_without_traveller_or_state(
    last_value: BarrierState | None,
) -> None:
    commands = await commands_after(FakeWorkstation(last_value), GOOD_DOCUMENT)
    assert "open" not in [verb for _, verb, _ in commands]


async def test_invalid_document_opens_nothing() -> None:
    expired = document().model_copy(update={"overall_outcome": Outcome.FAILED})
    assert await commands_after(FakeWorkstation(WAITING_BARRIER), expired) == []


async def test_refusal_does_not_end_demo() -> None:
    refused = CommandError("c", "unsafe", "The lane is obstructed.", "Look.")
    assert len(await commands_after(FakeWorkstation(WAITING_BARRIER, refused), GOOD_DOCUMENT)) == 3
