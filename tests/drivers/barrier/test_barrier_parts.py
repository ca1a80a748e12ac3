"""Rate limit, relays, pace, record, device state, self-test and wiring of barriers, each alone."""

import json
from typing import Any

import pytest
from barrier_fixture import ONE_DOOR, VirtualBoard

from drivers.barrier.board import PulseEnd
from drivers.barrier.control.doors.presence_check import MAX_MISSED_PASSAGES, PresenceCheck
from drivers.barrier.control.latches import (
    Latches,
    Lease,
    RecordClock,
    read_movements,
    read_record,
    write_record,
)
from drivers.barrier.control.rate_limit import MINUTE_S, ActuationLimiter
from drivers.barrier.control.relays import RelayFault, RelayLedger
from drivers.barrier.control.sensing_pace import SensingPace
from drivers.barrier.device_state import ONLINE_STATUS, device_state
from drivers.barrier.observations import CONDITIONS_BY_GRAVITY, StateReason
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

    assert limiter.is_rate_exceeded(101.9)
    assert not limiter.is_rate_exceeded(102)


def test_movements_are_apart() -> None:
    limiter = ActuationLimiter(settings(min_interval_s=5), 0)
    limiter.on_movement(10)

    assert limiter.is_rate_exceeded(14.9)
    assert not limiter.is_rate_exceeded(15)


def test_movements_in_a_minute() -> None:
    limiter = ActuationLimiter(settings(max_per_minute=3), 0)
    for now_s in (10, 20):
        assert not limiter.is_rate_exceeded(now_s)
        limiter.on_movement(now_s)

    assert limiter.is_rate_exceeded(59.9), "the start counts as one"
    assert not limiter.is_rate_exceeded(60)
    limiter.on_movement(60)
    assert limiter.is_rate_exceeded(69.9)
    assert not limiter.is_rate_exceeded(70)


def test_rate_continues_after_a_lost_link() -> None:
    moved_s: list[float] = []
    ActuationLimiter(settings(max_per_minute=2), 0, moved_s).on_movement(10)
    limiter = ActuationLimiter(settings(max_per_minute=2), 20, moved_s)

    assert limiter.is_rate_exceeded(59.9)
    assert not limiter.is_rate_exceeded(60)


def test_rate_continues_in_the_next_process() -> None:
    limiter = ActuationLimiter(settings(max_per_minute=3), 20, [], [10, 15])

    assert limiter.is_rate_exceeded(69.9), "the start counts as one"
    assert not limiter.is_rate_exceeded(70)


# Relays.


def test_relay_is_open_once_read() -> None:
    """The end of a pulse by the clock alone proves nothing."""
    relays = RelayLedger([0, 1], longest_s=0.5)
    assert relays.is_open_for(1, 0.3, 10)
    relays.on_pulse(1, 10)
    relays.on_pulse(1, 10.1, acknowledged=True)
    assert not relays.is_open_for(1, 0.3, 100)
    assert relays.is_open_for(0, 0.3, 100), "another relay"
    assert relays.on_reading([False, False], 100, 100.1) == {}
    assert not relays.is_open_for(1, 0.3, 100.3)
    assert relays.is_open_for(1, 0.3, 100.4)


def test_unacknowledged_pulse_may_come_late() -> None:
    relays = RelayLedger([0], longest_s=0.5)
    relays.on_pulse(0, 10)
    relays.on_reading([False], 10.5, 10.5)
    assert relays.open_since_s(0) is None
    relays.on_reading([False], 10.7, 10.7)
    assert relays.open_since_s(0) == 10.7


def test_acknowledged_release_opens_all() -> None:
    relays = RelayLedger([0, 1], longest_s=0.5)
    relays.on_pulse(0, 10)
    relays.on_released(10.2)
    relays.on_released(10.9)
    assert relays.open_since_s(0) == 10.2
    assert relays.open_since_s(1) == float("-inf")


def test_withdrawn_pulse_changes_nothing() -> None:
    relays = RelayLedger([0], longest_s=0.5)
    before_s = relays.open_since_s(0)
    relays.on_pulse(0, 10)
    relays.on_withdrawn(0, before_s)
    assert relays.open_since_s(0) == before_s


@pytest.mark.parametrize(
    ("asked_s", "fault"), [(10.4, None), (10.6, None), (10.61, RelayFault.STUCK), (60, RelayFault.STUCK)]
)
def test_relay_closed_after_its_pulse_is_stuck(asked_s: float, fault: RelayFault | None) -> None:
    relays = RelayLedger([0], longest_s=0.5)
    relays.on_pulse(0, 10, acknowledged=True)

    assert relays.on_reading([True], asked_s, asked_s).get(0) is fault


def test_relay_closed_without_a_pulse_is_foreign() -> None:
    relays = RelayLedger([0, 1], longest_s=0.5)
    assert relays.on_reading([False, True], 10, 10) == {1: RelayFault.FOREIGN}
    assert not relays.is_open_for(1, 0.3, 10)
    assert relays.on_reading([False, False], 11, 11) == {}
    relays.on_pulse(0, 12)
    relays.on_released(12.3)
    assert relays.on_reading([True, False], 12.2, 12.4) == {}, "it was asked for before the release"


# Pace of sensing.


@pytest.mark.parametrize(
    ("took_s", "pause_s", "slow"),
    [(0.02, 0.2, False), (0.14, 0.2, False), (0.15, 0.3, True), (0.3, 0.3, True)],
)
def test_measured_pace(took_s: float, pause_s: float, slow: bool) -> None:
    pace = SensingPace()
    for turn in range(10):
        pace.on_reading(10 + turn * pause_s, 10 + turn * pause_s + took_s)

    assert pace.is_slow is slow


def test_single_stall_is_not_slow() -> None:
    pace = SensingPace()
    for asked_s in (10, 10.2, 11.0, 11.2, 11.4):
        pace.on_reading(asked_s, asked_s + 0.01)
        assert not pace.is_slow


def test_slow_board_must_be_quick_for_a_while() -> None:
    pace = SensingPace()
    for asked_s in (10, 11, 12):
        pace.on_reading(asked_s, asked_s + 0.01)
    assert pace.is_slow
    for turn in range(1, 6):
        assert pace.is_slow
        pace.on_reading(12 + turn * 0.2, 12.01 + turn * 0.2)
    assert not pace.is_slow


# Record of latches.

CLOCK = RecordClock(now_s=100, boot_s=5000, boot_id="first")


def test_record_of_latches() -> None:
    latches = Latches(emergency=True, other_master=True, lease=Lease("works-1", 160))
    written = write_record(latches, CLOCK)

    assert read_record(written, CLOCK) == latches
    assert read_record(None, CLOCK) == Latches()


@pytest.mark.parametrize(
    ("clock", "until_s"),
    [
        (RecordClock(now_s=3, boot_s=5020, boot_id="first"), 43),
        (RecordClock(now_s=3, boot_s=5060, boot_id="first"), None),
        (RecordClock(now_s=3, boot_s=9, boot_id="second"), 63),
    ],
)
def test_lease_over_restart_and_power_cut(clock: RecordClock, until_s: float | None) -> None:
    """The time without power is unknown: the lease does not get shorter by it."""
    lease = read_record(write_record(Latches(lease=Lease("works-1", 160)), CLOCK), clock).lease

    assert (lease and lease.until_s) == until_s


@pytest.mark.parametrize(
    "text",
    ["", "{", "null", "[]", "{}", '{"emergency": 0, "forced_open": false, "other_master": false}', "\0" * 40],
)
def test_unreadable_record_is_latched(text: str) -> None:
    assert read_record(text, CLOCK) == Latches(record_lost=True)


@pytest.mark.parametrize("name", ["emergency", "forced_open", "other_master", "record_lost"])
@pytest.mark.parametrize("value", [0, None, "false", []])
def test_flag_of_another_type_is_latched(name: str, value: object) -> None:
    record = json.loads(write_record(Latches(), CLOCK)) | {name: value}
    assert read_record(json.dumps(record), CLOCK) == Latches(record_lost=True)


@pytest.mark.parametrize(
    ("clock", "movements_s"),
    [
        (RecordClock(now_s=3, boot_s=5020, boot_id="first"), [-57, -27]),
        (RecordClock(now_s=3, boot_s=5055, boot_id="first"), [-62]),
        (RecordClock(now_s=3, boot_s=4985, boot_id="first"), [-22]),  # one is of later than now
        (RecordClock(now_s=3, boot_s=5020, boot_id="second"), []),
    ],
)
def test_movements_over_restart_and_power_cut(clock: RecordClock, movements_s: list[float]) -> None:
    """Those of the last minute, by the clock of the next process; those before a power cut are unknown."""
    written = write_record(Latches(), CLOCK, [30, 60, 90])

    assert read_record(written, clock) == Latches()
    assert read_movements(written, clock) == [at_s for at_s in movements_s if clock.now_s - at_s < MINUTE_S]


@pytest.mark.parametrize(
    "text",
    [None, "", "{", "[]", "{}", '{"movements": 3}', '{"movements": {"boot_id": "first", "boot_s": ["x"]}}'],
)
def test_unreadable_movements_are_none(text: str | None) -> None:
    assert read_movements(text, CLOCK) == []


def test_record_without_movements_is_read() -> None:
    """One of an earlier version."""
    record = json.loads(write_record(Latches(emergency=True), CLOCK, [99]))
    del record["movements"]
    assert read_record(json.dumps(record), CLOCK) == Latches(emergency=True)
    assert read_movements(json.dumps(record), CLOCK) == []


def test_record_has_milliseconds() -> None:
    clock = RecordClock(now_s=100.1234, boot_s=5000.1234, boot_id="first")
    record = json.loads(write_record(Latches(lease=Lease("bench-1", 160)), clock))
    assert record["lease"] == {
        "holder": "bench-1",
        "remaining_s": 59.877,
        "boot_s": 5000.123,
        "boot_id": "first",
    }


@pytest.mark.parametrize("field", ["remaining_s", "boot_s"])
def test_impossible_lease_is_latched(field: str) -> None:
    record = json.loads(write_record(Latches(lease=Lease("works-1", 160)), CLOCK))
    for value in (float("nan"), float("inf"), 1e12, "soon", None):
        record["lease"][field] = value
        assert read_record(json.dumps(record), CLOCK).record_lost


# Device state.


@pytest.mark.parametrize("why", CONDITIONS_BY_GRAVITY)
def test_status_of_a_condition(why: StateReason) -> None:
    """Degraded in every case: in a fault, a person could not acknowledge or end a lease."""
    status = device_state((why,))

    assert status.state is StateCode.DEGRADED
    assert status.cause
    assert status.action is not Action.NONE
    assert status.text.endswith(".")
    assert status.how


def test_status_without_a_condition() -> None:
    assert device_state(()) == ONLINE_STATUS


def test_status_names_every_condition() -> None:
    status = device_state((StateReason.EMERGENCY, StateReason.CHATTER, StateReason.KEY_SWITCH))

    assert (status.cause, status.action) == (Cause.EMERGENCY, Action.CALL_SUPPORT)
    for part in ("emergency input", "changes more often", "key switch"):
        assert part in status.text


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
        with pytest.raises(ValueError, match="two doors have no names, or the same"):
            BarrierSettings.model_validate(wiring | {"doors": doors})


# Presence detector.


def test_detector_is_trusted_until_it_misses_passages_in_a_row() -> None:
    (wiring,) = SETTINGS.doors
    check = PresenceCheck(wiring)
    now_s = 10.0

    def see(**active: bool) -> bool:
        nonlocal now_s
        now_s += 1
        seen = DoorInputs(open_limit=True, closed_limit=False, **{"presence": False} | active)
        return check.on_inputs(seen, now_s, is_open=True)

    def miss() -> bool:
        assert not see(entry_side=True, exit_side=False)
        return see(entry_side=False, exit_side=True)

    see(presence=True)
    assert [miss() for _ in range(MAX_MISSED_PASSAGES - 1)] == [False] * (MAX_MISSED_PASSAGES - 1)
    assert check.is_tested
    assert miss()
    assert not check.is_tested


def test_acknowledgement_keeps_a_lease() -> None:
    lease = Lease("technician", 500)
    latched = Latches(emergency=True, forced_open=True, other_master=True, record_lost=True, lease=lease)
    assert latched.acknowledged(is_presence_tested=True) == Latches(lease=lease)
