"""Statements of the safety case, for four configurations."""

from typing import Any

import pytest

from drivers.barrier.board_settings import BoardBarrierSettings
from drivers.barrier.gpio_barrier import GpioBarrierSettings
from drivers.barrier.modbus_barrier import ModbusBarrierSettings
from drivers.barrier.safety.case import build_case
from drivers.barrier.serial_relay import SerialRelaySettings


def no(at: int) -> dict[str, Any]:
    return {"input": at, "contact": "no"}


def nc(at: int) -> dict[str, Any]:
    return {"input": at, "contact": "nc"}


WAVESHARE = {"model": "waveshare-8", "port": "tcp://192.0.2.7"}
LCUS = {"model": "lcus", "port": "/dev/serial/by-id/x", "relays": 4, "time_relay_s": 1.0}
GPIO = {
    "model": "gpio",
    "chip": "/dev/gpiochip0",
    "outputs": [17],
    "inputs": [5, 6, 13],
    "bias": "as-is",
    "inputs_open_when_cut": True,
    "released_on_kill": True,
}
SMALL = {"no_emergency_input": True, "doors": [{"open": 0, "open_limit": no(0), "closed_limit": no(1)}]}
POSTS: dict[str, BoardBarrierSettings] = {
    "boom": ModbusBarrierSettings.model_validate(
        {
            "board": WAVESHARE,
            "emergency": nc(5),
            "key_switch": nc(6),
            "controller_ok": no(7),
            "local_button": no(2),
            "doors": [
                {
                    "open": 0,
                    "close": 1,
                    "stop": 2,
                    "open_limit": no(0),
                    "closed_limit": no(1),
                    "presence": nc(4),
                    "entry_side": no(3),
                }
            ],
        }
    ),
    "gate": ModbusBarrierSettings.model_validate(
        {
            "board": {"model": "wirenboard-6", "port": "tcp://192.0.2.7"},
            "emergency": nc(5),
            "doors": [
                {"name": "first", "open": 0, "open_limit": no(0), "closed_limit": no(1)},
                {
                    "name": "second",
                    "open": 1,
                    "close": 2,
                    "open_limit": no(2),
                    "closed_limit": no(3),
                    "presence": nc(4),
                },
            ],
        }
    ),
    "lcus": SerialRelaySettings.model_validate(SMALL | {"board": LCUS, "inputs_from": WAVESHARE}),
    "gpio": GpioBarrierSettings.model_validate(SMALL | {"board": GPIO}),
}

FORCE = "Force and speed of the door, and stopping for a person: EN 12453 requires it of the machine."
DEAD = "A person in the way of a door that moves while the gateway or the board is dead."
WELDED = "A relay whose contact is welded: a board reports its coils, not its contacts."
DETECTOR = (
    "A presence detector that is shorted, covered or reads clear by a fault of its own: no relay of the "
    "gateway tests it (presence_test)."
)
MOMENT = (
    "A person who leaves the beam of the presence detector for a moment: a closing may begin as soon as it "
    "is clear (clear_s)."
)
NO_DETECTOR = "Detecting people and vehicles: no presence detector is wired to the gateway."
NO_CLOSE = "Closing, and when to close: no close contact is wired to the gateway."
NO_STOP = (
    "Stopping: there is no stop contact. A stop opens all relays, which stops only a machine that moves "
    "while its contact is closed."
)
NO_KEY = "Safety of a person who works inside the machine: no key switch is wired to the gateway."
NO_CONTROLLER = "Noticing a fault of the controller: its ready contact is not wired to the gateway."
EMERGENCY = "Opening in an emergency: the gateway withholds closing, and opens nothing by itself."
NO_EMERGENCY = "Opening in an emergency: the alarm reaches the machine's controller alone."
OWN_BOARD = "the board at this address and unit is this barrier's own, and no other program uses it."
SMALL_RESTS = (FORCE, DEAD, WELDED, NO_DETECTOR, NO_CLOSE, NO_STOP, NO_EMERGENCY, NO_KEY, NO_CONTROLLER)


HUNG = (
    "A driver that hangs is not dead: a contact that it has closed stays closed until the gateway kills it, "
    "after heartbeat_timeout_s of the table supervision."
)
OWN = "Each input has the number and contact of the configuration: operate it, and unplug its wire."
EACH = "Each relay operates only the contact of the configuration."
STATEMENTS: dict[str, tuple[str, float | None, tuple[str, ...], tuple[str, ...]]] = {
    "boom": (
        "The board times each pulse itself: a contact opens at most 0.6 s after it closed.",
        0.9,
        (FORCE, DEAD, WELDED, DETECTOR, MOMENT, EMERGENCY),
        (f"board: {OWN_BOARD}",),
    ),
    "gate": (
        "The board's watchdog opens all relays 1 s after the last request.",
        1.8,
        (
            FORCE,
            DEAD,
            WELDED,
            DETECTOR,
            MOMENT,
            f"Door first: {NO_DETECTOR}",
            f"Door first: {NO_CLOSE}",
            f"Door first: {NO_STOP}",
            f"Door second: {NO_STOP}",
            EMERGENCY,
            NO_KEY,
            NO_CONTROLLER,
        ),
        (
            f"board: {OWN_BOARD}",
            "The relays open by the board's watchdog: pull the gateway's cable during a movement.",
        ),
    ),
    "lcus": (
        "The time relay behind the board opens each contact 1 s after it closed.",
        None,
        SMALL_RESTS,
        ("board: the time relay opens its contact within 1 s.", f"inputs_from: {OWN_BOARD}"),
    ),
    "gpio": (
        "The kernel releases the lines of a dead process: relays open within 0.1 s.",
        0.9,
        SMALL_RESTS,
        (
            "board: the relays open when the gateway's process is killed.",
            "board: each input reads as open when its wire is unplugged.",
        ),
    ),
}
"""By configuration: end of a pulse, time to notice a stuck relay, rest of the machine, declarations."""


@pytest.mark.parametrize("name", STATEMENTS)
def test_case_is_stated(name: str) -> None:
    first, check_s, rests, declared = STATEMENTS[name]
    case = build_case(POSTS[name])
    assert case.board == POSTS[name].board.model  # type: ignore[attr-defined]
    assert case.dead_gateway == (
        first,
        *((HUNG,) if name == "gpio" else ()),
        "No command is stored: after a restart, only releases are written before a new command.",
        "A door that moves at that moment goes on moving: until the gateway runs again, it does not reverse "
        "the door for a person in its way.",
        "An emergency, a forced opening and a maintenance lease stay recorded until a person ends them.",
    )
    assert case.dead_board == (
        "After 3 readings without a response, at most 0.6 s, the barrier is offline and its last state is "
        "marked as stale.",
        "Commands are refused from the first reading that fails, and none is stored.",
        "A stop cannot be sent: only the machine's own stop button and controller stop the door.",
    )
    assert case.relay_check_s == (None if check_s is None else pytest.approx(check_s))
    if check_s is None:  # it cannot be read, so nothing is refused for it
        assert all(answer.refusal is None for fault in case.relays for answer in fault.answers)
    assert case.rests_on_machine == rests
    assert case.to_confirm == (OWN, EACH, *declared)


def test_faults_of_a_boom_are_stated() -> None:
    case = build_case(POSTS["boom"])
    assert [
        (wire.signal, wire.wired.input, wire.cut_reads, wire.short_reads, wire.is_short_noticed)
        for wire in case.wires
    ] == [
        ("open_limit", 0, "not open", "open", True),
        ("closed_limit", 1, "not closed", "closed", True),
        ("presence", 4, "a person in the way", "clear", False),
        ("entry_side", 3, "no person on the entry side", "a person on the entry side", True),
        ("emergency", 5, "an emergency", "no emergency", False),
        ("key_switch", 6, "key switch turned", "key switch not turned", False),
        ("controller_ok", 7, "controller in fault", "controller ready", False),
        ("local_button", 2, "button not pressed", "button pressed", True),
    ]
    assert [(fault.key, fault.relay, fault.text) for fault in case.relays] == [
        (
            ("doors", 0, "open"),
            0,
            "The open contact stays closed: the door opens, and a machine that gives opening priority stays "
            "open.",
        ),
        (
            ("doors", 0, "close"),
            1,
            "The close contact stays closed: the door closes, and may close again after its photocell has "
            "opened it.",
        ),
        (("doors", 0, "stop"), 2, "The stop contact stays closed: the door does not move."),
    ]


def test_faults_of_a_gate_are_stated() -> None:
    case = build_case(POSTS["gate"])
    permitted = {
        wire.key: {answer.command for answer in wire.cut if answer.refusal is None} for wire in case.wires
    }
    assert permitted == {
        ("doors", 0, "open_limit"): {"open first", "open second", "close second"},
        ("doors", 0, "closed_limit"): {"open first"},
        ("doors", 1, "open_limit"): {"open first", "open second", "close second"},
        ("doors", 1, "closed_limit"): {"open second", "close second"},
        ("doors", 1, "presence"): {"open first", "open second"},
        ("emergency",): {"open first", "open second"},
    }
    assert not [wire for wire in case.wires if wire.unsafe_commands]
    assert [fault.key for fault in case.relays] == [
        ("doors", 0, "open"),
        ("doors", 1, "open"),
        ("doors", 1, "close"),
    ]
    assert not [each for fault in case.relays for each in fault.answers if each.refusal is None]


def test_every_value_is_stated() -> None:
    """The page states defaults as well: its signature covers the times by which people are protected."""
    boom = {one.key: one.value for one in build_case(POSTS["boom"]).values}
    tables = ("doors", "emergency", "key_switch", "controller_ok", "local_button", "board", "inputs_from")
    names = set(ModbusBarrierSettings.model_fields) - set(tables)
    assert {key for key in boom if "." not in key} == names
    assert {"pulse_s": "0.5", "open_in_fault": "false", "max_open_s": "60"}.items() <= boom.items()
    board = {key: value for key, value in boom.items() if key.startswith("board.")}
    assert board == {
        "board.model": "waveshare-8",
        "board.port": "tcp://192.0.2.7",
        "board.unit": "1",
        "board.response_timeout_s": "0.2",
    }
    assert all(one.text for one in build_case(POSTS["boom"]).values)

    lcus = {one.key: one.value for one in build_case(POSTS["lcus"]).values}
    assert (lcus["board.time_relay_s"], lcus["inputs_from.port"]) == ("1", "tcp://192.0.2.7")
    gpio = {one.key: one.value for one in build_case(POSTS["gpio"]).values}
    assert (gpio["board.inputs"], gpio["board.released_on_kill"]) == ("5, 6, 13", "true")
    assert "board.time_relay_s" not in gpio, "there is none"


def test_clear_time_is_stated() -> None:
    """The closings of the rehearsal wait for the clear time."""
    plain = POSTS["boom"]
    waits = ModbusBarrierSettings.model_validate(plain.model_dump(exclude_unset=True) | {"clear_s": 60})
    case = build_case(waits)
    assert MOMENT not in case.rests_on_machine
    (side,) = [one for one in case.wires if one.signal == "entry_side"]  # its cut wire prevents nothing
    assert all(answer.refusal is None for answer in side.cut)


def test_tested_detector_is_stated() -> None:
    """Its closing is permitted in the rehearsal, which lets the detector pass its test."""
    plain = POSTS["boom"]
    given = plain.model_dump(exclude_unset=True)
    (door,) = given["doors"]
    tested = given | {"doors": [door | {"presence_test": 3}]}
    case = build_case(ModbusBarrierSettings.model_validate(tested))

    assert DETECTOR not in case.rests_on_machine
    assert any("after its test" in one for one in case.rests_on_machine)
    (relay,) = [one for one in case.relays if one.relay == 3]
    assert all(answer.refusal is not None for answer in relay.answers)
    (side,) = [one for one in case.wires if one.signal == "entry_side"]  # its cut wire prevents nothing
    assert all(answer.refusal is None for answer in side.cut)
