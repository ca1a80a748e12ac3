"""A cut wire never permits a forbidden movement: any accepted wiring, any one wire, judged by the true state.

The true state of doors, people, emergency and key switch is random. The state machine reads it through the
wires, of which one is cut from some moment on. A permitted movement is compared with the true state.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import settings as limits
from hypothesis import strategies as st
from pydantic import ValidationError

from drivers.barrier.commands import CloseBarrier, OpenBarrier
from drivers.barrier.control.actuation import Actuation, ActuationKind
from drivers.barrier.safety.rehearsal import Rehearsal
from drivers.barrier.wiring import BarrierSettings
from drivers.command import CommandRefusal

STEP_S = 0.2
SIGNALS = ("emergency", "key_switch", "controller_ok", "local_button")
DOOR_SIGNALS = ("open_limit", "closed_limit", "presence", "entry_side", "exit_side")


@dataclass
class DoorTruth:
    """True state of one door."""

    open_limit: bool
    closed_limit: bool
    presence: bool
    entry_side: bool = False
    exit_side: bool = False


@dataclass
class Truth:
    """True state of a barrier at one moment, and a command that a station then gives."""

    doors: list[DoorTruth]
    emergency: bool = False
    key_switch: bool = False
    controller_ok: bool = True
    local_button: bool = False
    command: tuple[str, int] | None = field(default=None)


positions = st.sampled_from([(False, True), (True, False), (True, False), (False, False)])
rarely = st.sampled_from([False, False, False, True])


@st.composite
def wirings(draw: st.DrawFn) -> BarrierSettings:
    """Return any wiring that the settings accept; contacts are drawn freely."""
    contact = st.sampled_from(["no", "nc"])
    number = iter(range(32))

    def wire(*, always: bool = False) -> dict[str, Any] | None:
        if always or draw(st.booleans()):
            return {"input": next(number), "contact": draw(contact)}
        return None

    doors = []
    for at in range(draw(st.integers(1, 2))):
        door: dict[str, Any] = {"name": f"door-{at}", "open": 2 * at}
        door |= {name: wire(always=True) for name in DOOR_SIGNALS[:3]}
        door |= {name: wire() for name in DOOR_SIGNALS[3:]}
        if draw(st.booleans()):
            door["close"] = 2 * at + 1
        doors.append(door)
    given = {"doors": doors, "open_in_fault": draw(st.booleans())} | {name: wire() for name in SIGNALS}
    given["no_emergency_input"] = given["emergency"] is None
    # Most freely drawn wirings are refused, so the usual contacts are tried next to the drawn ones.
    usual = {"presence": "nc", "emergency": "nc", "key_switch": "nc"}
    if draw(st.booleans()):
        for name, wired in [*given.items(), *(item for door in doors for item in door.items())]:
            if isinstance(wired, dict):
                wired["contact"] = usual.get(name, "no")
    try:
        return BarrierSettings.model_validate(given)
    except ValidationError:
        assume(False)
        raise


@st.composite
def timelines(draw: st.DrawFn, doors: int) -> list[Truth]:
    """Return true states, a step apart."""
    verbs = st.tuples(st.sampled_from(["open", "close"]), st.integers(0, doors - 1))
    # Closed and clear at first: a barrier that is found open is not closed before an acknowledgement.
    states = [Truth([DoorTruth(False, True, False) for _ in range(doors)])] * 12
    for _ in range(draw(st.integers(1, 6))):
        state = Truth(
            [DoorTruth(*draw(positions), draw(rarely), draw(rarely), draw(rarely)) for _ in range(doors)],
            emergency=draw(rarely),
            key_switch=draw(rarely),
            controller_ok=not draw(rarely),
            local_button=draw(rarely),
            command=draw(st.none() | verbs),
        )
        states += [state] * draw(st.integers(1, 10))
    return states


def circuits(settings: BarrierSettings, truth: Truth, cut: int | None) -> list[bool]:
    """Return the circuits as the board reads them: a cut wire carries no current."""
    closed = [False] * 32
    for key, wired in settings.inputs():
        signal = str(key[-1])
        active = getattr(truth.doors[int(key[1])] if key[0] == "doors" else truth, signal)
        closed[wired.input] = active == (wired.contact == "no") and wired.input != cut
    return closed


def forbidden(
    settings: BarrierSettings, kind: ActuationKind, door: int, truth: Truth, cut: str, closed: Collection[int]
) -> str | None:
    """Return the reason why the true state forbids a movement, or None.

    `closed`: doors that this gateway has closed. One that no contact can stop is reopened for a person in the
    way even if local control began in the middle of the closing.
    """
    if kind in (ActuationKind.STOP, ActuationKind.RELEASE):
        return None  # these only make the barrier safer
    wired = {str(key[-1]) for key, _ in settings.inputs()}
    is_due = kind is ActuationKind.REOPEN and door in closed and settings.doors[door].stop is None
    if truth.key_switch and "key_switch" in wired and not is_due:
        return "the key switch is turned"
    commanded = kind is not ActuationKind.REOPEN
    if commanded and not truth.controller_ok and "controller_ok" in wired and not settings.open_in_fault:
        return "the controller is in fault"
    if kind is ActuationKind.CLOSE:
        if truth.doors[door].presence:
            return "a person is in the way"
        if truth.emergency:
            return "there is an emergency"
    if kind is not ActuationKind.CLOSE and cut != "emergency" and not truth.emergency:
        # A cut emergency wire is an emergency: then people leave by both doors.
        others = [other for at, other in enumerate(truth.doors) if at != door]
        if any(not other.closed_limit for other in others):
            return "the other door is not closed"
    return None


def requests(settings: BarrierSettings) -> Iterator[OpenBarrier | CloseBarrier]:
    for door in settings.doors:
        yield OpenBarrier(door=door.name)
        yield CloseBarrier(door=door.name)


def written(barrier: Rehearsal, request: OpenBarrier | CloseBarrier) -> list[Actuation]:
    """Return what a command writes, nothing if it is refused."""
    try:
        write = barrier.ask(request)
    except CommandRefusal:
        return []
    return [] if write is None else [write]


def check_cut_wire(data: st.DataObject, settings: BarrierSettings) -> None:
    """Cut one wire at some moment, and compare every permitted movement with the true state."""
    wires = {wired.input: str(key[-1]) for key, wired in settings.inputs()}
    cut = data.draw(st.sampled_from(sorted(wires)), label="cut input")
    states = data.draw(timelines(len(settings.doors)), label="true states")
    cut_from = data.draw(st.integers(0, len(states)), label="cut from")
    barrier = Rehearsal(settings)
    # Long after the start, so that the pause after it is over.
    barrier.sense(settings.decode_inputs(circuits(settings, states[0], None)), 100.0)

    closed: set[int] = set()
    for step, truth in enumerate(states):
        broken = cut if step >= cut_from else None
        signal = wires[cut] if broken is not None else ""
        writes = [*barrier.sense(settings.decode_inputs(circuits(settings, truth, broken)), STEP_S)]
        for request in requests(settings):
            writes += written(barrier.copy(), request)
        for write in writes:
            assert forbidden(settings, write.kind, write.door, truth, signal, closed) is None, (write, signal)
        if truth.command is not None:
            verb, at = truth.command
            name = settings.doors[at].name
            done = written(barrier, OpenBarrier(door=name) if verb == "open" else CloseBarrier(door=name))
            closed.update(one.door for one in done if one.kind is ActuationKind.CLOSE)


@limits(max_examples=60)
@given(data=st.data(), settings=wirings())
def test_cut_wire_permits_nothing_forbidden(data: st.DataObject, settings: BarrierSettings) -> None:
    check_cut_wire(data, settings)


@pytest.mark.thorough
@limits(max_examples=3000)
@given(data=st.data(), settings=wirings())
def test_many_cut_wires_permit_nothing_forbidden(data: st.DataObject, settings: BarrierSettings) -> None:
    check_cut_wire(data, settings)
