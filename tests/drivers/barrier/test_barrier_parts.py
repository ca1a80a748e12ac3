"""Rate limit, device state, self-test and wiring of barriers, each alone."""

from typing import Any

import pytest
from barrier_fixture import ONE_DOOR, VirtualBoard

from drivers.barrier.board import PulseEnd
from drivers.barrier.control.rate_limit import ActuationLimiter, MotorContact
from drivers.barrier.device_state import ONLINE_STATUS, device_state
from drivers.barrier.observations import MovementState, StateReason
from drivers.barrier.self_test import input_steps
from drivers.barrier.wiring import BarrierInputs, BarrierSettings, DoorInputs
from drivers.driver import StateCode
from drivers.links.link import Action, Cause
from drivers.self_test import SelfTestStep

SETTINGS = BarrierSettings.model_validate(ONE_DOOR)


def settings(**changed: Any) -> BarrierSettings:
    return BarrierSettings.model_validate(ONE_DOOR | changed)


# Rate limit.


def test_first_movement_waits() -> None:
    """The previous gateway may have moved it a moment ago."""
    limiter = ActuationLimiter(SETTINGS, 100)

    assert limiter.is_new
    assert limiter.is_rate_exceeded(101.9)
    assert not limiter.is_rate_exceeded(102)
    limiter.on_requested(0, MotorContact.OPEN, 102)
    assert not limiter.is_new


def test_movements_are_apart() -> None:
    limiter = ActuationLimiter(settings(min_interval_s=5), 0)
    limiter.on_requested(0, MotorContact.OPEN, 10)

    assert limiter.is_rate_exceeded(14.9)
    assert not limiter.is_rate_exceeded(15)


def test_movements_in_a_minute() -> None:
    limiter = ActuationLimiter(settings(max_per_minute=3), 0)
    for now_s in (10, 20):
        assert not limiter.is_rate_exceeded(now_s)
        limiter.on_requested(0, MotorContact.OPEN, now_s)

    assert limiter.is_rate_exceeded(59.9), "the start counts as one"
    assert not limiter.is_rate_exceeded(60)
    limiter.on_requested(0, MotorContact.OPEN, 60)
    assert limiter.is_rate_exceeded(69.9)
    assert not limiter.is_rate_exceeded(70)


def test_dead_time_between_opposites() -> None:
    limiter = ActuationLimiter(settings(pulse_s=0.5, dead_time_s=0.4), 0)
    assert limiter.is_allowed(0, MotorContact.CLOSE, 10)
    limiter.on_requested(0, MotorContact.OPEN, 10)
    assert limiter.is_allowed(0, MotorContact.OPEN, 10)
    assert limiter.is_allowed(1, MotorContact.CLOSE, 10), "another door"
    assert not limiter.is_allowed(0, MotorContact.CLOSE, 10.8)
    assert limiter.is_allowed(0, MotorContact.CLOSE, 10.91)

    limiter.on_accepted(0, 10.3)
    assert not limiter.is_allowed(0, MotorContact.CLOSE, 11.1)
    assert limiter.is_allowed(0, MotorContact.CLOSE, 11.21)


@pytest.mark.parametrize("how", ["released", "rejected"])
def test_dead_time_after_release(how: str) -> None:
    limiter = ActuationLimiter(settings(pulse_s=1, dead_time_s=0.4), 0)
    limiter.on_requested(0, MotorContact.OPEN, 10)
    if how == "released":
        limiter.on_released(10.2)
        limiter.on_released(10.9)
    else:
        limiter.on_rejected(0, 10.2)
    assert not limiter.is_allowed(0, MotorContact.CLOSE, 10.5)
    assert limiter.is_allowed(0, MotorContact.CLOSE, 10.61)
    limiter.on_rejected(1, 10.2)
    limiter.on_accepted(1, 10.2)
    assert limiter.is_allowed(1, MotorContact.CLOSE, 10.2)


# Device state.


@pytest.mark.parametrize(
    ("why", "cause", "action"),
    [
        (StateReason.EMERGENCY, Cause.EMERGENCY, Action.CALL_SUPPORT),
        (StateReason.EMERGENCY_UNACKNOWLEDGED, Cause.EMERGENCY, Action.CALL_SUPPORT),
        (StateReason.KEY_SWITCH, Cause.MAINTENANCE, Action.WAIT),
        (StateReason.MAINTENANCE_LEASE, Cause.MAINTENANCE, Action.WAIT),
        (StateReason.BOTH_LIMITS, Cause.DEVICE_FAULT, Action.CALL_SUPPORT),
        (StateReason.NO_LIMIT, Cause.DEVICE_FAULT, Action.CALL_SUPPORT),
        (StateReason.CHATTER, Cause.DEVICE_FAULT, Action.CALL_SUPPORT),
        (StateReason.CONTROLLER_FAULT, Cause.DEVICE_FAULT, Action.CALL_SUPPORT),
        (StateReason.RELAY_STUCK, Cause.DEVICE_FAULT, Action.CALL_SUPPORT),
    ],
)
def test_status_of_a_trouble(why: StateReason, cause: Cause, action: Action) -> None:
    """Degraded in every case: in a fault, a person could not acknowledge or end a lease."""
    status = device_state((MovementState.FAULT, why))

    assert (status.state, status.cause, status.action) == (StateCode.DEGRADED, cause, action)
    assert status.text.endswith(".")
    assert status.how


@pytest.mark.parametrize("state", MovementState)
def test_status_of_any_sensed_state(state: MovementState) -> None:
    assert device_state((state, StateReason.LIMIT_SWITCHES)) == ONLINE_STATUS


# Self-test.


def checked(
    took_ms: float = 5, inputs: dict[str, Any] | None = None, **door: bool | None
) -> dict[str, SelfTestStep]:
    quiet = {
        "open_limit": False,
        "closed_limit": True,
        "presence": False,
        "entry_side": False,
        "exit_side": False,
    }
    doors = (DoorInputs(**(quiet | door)),)  # type: ignore[arg-type]
    sensed = BarrierInputs(doors, **({"emergency": False, "controller_ok": True} | (inputs or {})))
    return {step.name: step for step in input_steps(SETTINGS, sensed, took_ms)}


def test_check_of_a_quiet_barrier() -> None:
    steps = checked()

    assert {step.outcome for step in steps.values()} == {"successful"}
    assert {step.action for step in steps.values()} == {"none"}
    names = ["board.answers", ".limits", ".entry_side", ".exit_side", ".presence", "emergency", "controller"]
    assert list(steps) == names


@pytest.mark.parametrize(("took_ms", "outcome"), [(200, "successful"), (200.1, "undetermined")])
def test_check_of_slow_answers(took_ms: float, outcome: str) -> None:
    step = checked(took_ms)["board.answers"]

    assert (step.outcome, step.unit, step.at_most) == (outcome, "ms", 200)
    assert step.measured == pytest.approx(took_ms)
    assert "200 ms" in step.text


@pytest.mark.parametrize(
    ("limits", "outcome", "text"),
    [
        ((True, False), "successful", "is open"),
        ((False, True), "successful", "is closed"),
        ((False, False), "successful", "between its ends"),
        ((True, True), "failed", "Both limit switches"),
    ],
)
def test_check_of_limits(limits: tuple[bool, bool], outcome: str, text: str) -> None:
    step = checked(open_limit=limits[0], closed_limit=limits[1])[".limits"]

    assert step.outcome == outcome
    assert text in step.text
    assert step.action == ("call_support" if outcome == "failed" else "none")
    assert bool(step.how) is (outcome == "failed")


@pytest.mark.parametrize("name", ["entry_side", "exit_side", "presence"])
def test_check_of_covered_photocells(name: str) -> None:
    steps = checked(**{name: True})

    assert {step.name for step in steps.values() if step.outcome == "undetermined"} == {f".{name}"}
    assert steps[f".{name}"].action == "clean"
    assert steps[f".{name}"].how
    assert f".{name}" not in checked(**{name: None})


@pytest.mark.parametrize(("name", "wrong"), [("emergency", True), ("controller_ok", False)])
def test_check_of_emergency_and_controller(name: str, wrong: bool) -> None:
    steps = checked(inputs={name: wrong})

    assert [(step.name, step.action) for step in steps.values() if step.outcome == "failed"] == [
        (name.removesuffix("_ok"), "call_support")
    ]
    assert name.removesuffix("_ok") not in checked(inputs={name: None})


# Wiring.


class Board(VirtualBoard):
    """Properties of a board before it is opened."""

    def __init__(self, **told: Any) -> None:
        for name, value in told.items():
            setattr(self, name, value)


@pytest.mark.parametrize(
    ("told", "why"),
    [
        ({"relays": 3, "release_timeout_s": 1.0, "pulse_end": PulseEnd.WATCHDOG}, None),
        ({"relays": 2}, "relay 2 is wired, and the board has relays 0 to 1"),
        ({"inputs": 8}, None),
        ({"inputs": 7}, "input 7 is wired, and the board has 7 inputs"),
        ({"pulse_end": PulseEnd.NONE}, "nothing opens the board's relays again"),
        ({"release_timeout_s": 1.01}, "could stay closed for 1.01 s"),
    ],
)
def test_objection(told: dict[str, Any], why: str | None) -> None:
    objection = SETTINGS.board_objection(Board(**told))

    assert objection is None if why is None else why in (objection or "")


def test_two_doors_need_two_names() -> None:
    first, second = ({"name": name, "open": at, "open_limit": at, "closed_limit": at + 2} for at, name in
                     enumerate(("first", "second")))  # fmt: skip
    wiring = {"doors": [first, second], "emergency": 4}
    assert [door.name for door in BarrierSettings.model_validate(wiring).doors] == ["first", "second"]
    for names in (("", "second"), ("first", ""), ("first", "first")):
        doors = [door | {"name": name} for door, name in zip((first, second), names, strict=True)]
        with pytest.raises(ValueError, match="two doors need two different names"):
            BarrierSettings.model_validate(wiring | {"doors": doors})
