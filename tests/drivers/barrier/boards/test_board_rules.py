"""Rules between a barrier and its boards: the bound of each, its key, and its text with the remedy."""

from typing import Any

import pytest
from pydantic import TypeAdapter

from drivers.barrier.board import BoardSettings
from drivers.barrier.boards.registry import AnyInputBoard, AnyModbusBoard, AnySerialBoard
from drivers.barrier.safety.board_rules import board_addresses, board_violations
from drivers.barrier.wiring import BarrierSettings

BOARDS: TypeAdapter[BoardSettings] = TypeAdapter(AnyModbusBoard | AnySerialBoard | AnyInputBoard)
TCP, RTU = "tcp://192.0.2.7", "/dev/rs485"
WAVESHARE = {"model": "waveshare-8", "port": TCP}
GENERIC = {"model": "generic", "port": TCP, "pulse_address": 0x200}
WATCHED = {"model": "generic", "port": TCP, "watchdog_address": 300}
GPIO = {
    "model": "gpio",
    "chip": "/dev/gpiochip0",
    "outputs": [17],
    "inputs": [5, 6],
    "released_on_kill": True,
}
NUMATO = {"model": "numato", "port": "usb:2A19:0C02:1", "relays": 4, "inputs": 4, "time_relay_s": 1.0}
LOOK_UP = "look the unit up in the board's manual"
SAME = (
    "are the same addresses, so a write to one would change the other or close a relay without an end; "
    "correct the addresses by the board's manual"
)
INPUTS_AND_PULSES, RELAYS_AND_PULSES = (
    f"the inputs and the pulses {SAME}",
    f"the relays and the pulses {SAME}",
)
READS_CLOSED = (
    'an input whose wire is cut reads as a closed circuit; write bias = "pull-up" with inputs_active = '
    '"low", or "pull-down" with "high"'
)


def board(table: dict[str, Any]) -> BoardSettings:
    return BOARDS.validate_python(table)


def found(
    first: dict[str, Any], other: dict[str, Any] | None = None, **barrier: Any
) -> list[tuple[str, str]]:
    """Return key and text of every violation."""
    wired = {"open": 0, "open_limit": 0, "closed_limit": 1}
    settings = BarrierSettings.model_validate({"no_emergency_input": True, "doors": [wired]} | barrier)
    violations = board_violations(settings, board(first), None if other is None else board(other))
    return [(".".join(map(str, each.key)), each.text) for each in violations]


def instead(pulse_s: str, unit_s: str) -> str:
    return (
        f"the board would close the relay for {pulse_s} s instead, so open and close contacts could be "
        f"closed at the same time; write a multiple of {unit_s}, the board's unit"
    )


def too_many(pulse_s: str, most: int) -> tuple[str, str]:
    return (
        "board.pulse_unit_s",
        f"a pulse of {pulse_s} s has more than {most} of these units, which the board cannot hold; {LOOK_UP}",
    )


def last(part: str, address: int) -> str:
    return (
        f"the {part} end at address {address}, and Modbus has none after 65535; correct the address or the "
        "number"
    )


@pytest.mark.parametrize(
    ("first", "barrier", "violations"),
    [
        (WAVESHARE, {"pulse_s": 0.5}, []),
        (WAVESHARE, {"pulse_s": 0.45}, [("pulse_s", instead("0.4", "0.1"))]),
        (GENERIC | {"pulse_unit_s": 0.25}, {"pulse_s": 0.5}, []),
        (GENERIC | {"pulse_unit_s": 0.25}, {"pulse_s": 0.6}, [("pulse_s", instead("0.5", "0.25"))]),
        (GENERIC | {"pulse_unit_s": 0.5}, {"pulse_s": 0.2}, [("pulse_s", instead("0.5", "0.5"))]),
        (GENERIC | {"pulse_unit_s": 0.00001}, {"pulse_s": 0.5}, []),
        (GENERIC | {"pulse_unit_s": 0.00001}, {"pulse_s": 0.65535}, []),
        (GENERIC | {"pulse_unit_s": 0.00001}, {"pulse_s": 0.65536}, [too_many("0.65536", 65535)]),
        (GENERIC | {"pulse_unit_s": 0.00001, "pulse_write": "coil"}, {"pulse_s": 0.32767}, []),
        (
            GENERIC | {"pulse_unit_s": 0.00001, "pulse_write": "coil"},
            {"pulse_s": 0.5},
            [too_many("0.5", 32767)],
        ),
        (
            GENERIC | {"pulse_unit_s": 0.00001, "pulse_write": "coil"},
            {"pulse_s": 0.32768},
            [too_many("0.32768", 32767)],
        ),
        (WATCHED, {"pulse_s": 0.45}, []),
    ],
)
def test_pulse_is_a_number_of_units(
    first: dict[str, Any], barrier: dict[str, Any], violations: list[tuple[str, str]]
) -> None:
    assert found(first, **barrier) == violations


@pytest.mark.parametrize(
    ("time_relay_s", "pulse_s", "violations"),
    [
        (0.5, 0.5, []),
        (1.0, 0.5, []),
        (
            0.4,
            0.5,
            [
                (
                    "board.time_relay_s",
                    "the time relay would open each contact before its pulse of 0.5 s ends, so that of a "
                    "stop may be too short; set it to 0.5 at least, or write a shorter pulse_s",
                )
            ],
        ),
    ],
)
def test_time_relay_lets_a_pulse_last(
    time_relay_s: float, pulse_s: float, violations: list[tuple[str, str]]
) -> None:
    module = NUMATO | {"time_relay_s": time_relay_s, "inputs_open_when_cut": True}
    assert found(module, pulse_s=pulse_s) == violations


@pytest.mark.parametrize(
    ("changes", "violations"),
    [
        ({"input_address": 65528}, []),
        ({"input_address": 65529}, [("board", last("inputs", 65536))]),
        ({"relay_address": 65528}, []),
        ({"relay_address": 65529}, [("board", last("relays", 65536))]),
        ({"pulse_address": 65529}, [("board", last("pulses", 65536))]),
        # Sixteen inputs are one register.
        ({"input_table": "input-register", "inputs": 16, "input_address": 65535}, []),
        (
            {"input_table": "input-register", "inputs": 17, "input_address": 65535},
            [("board", last("inputs", 65536))],
        ),
        # Of the same table, one part begins where the other one ends.
        ({"pulse_write": "coil", "pulse_address": 8}, []),
        ({"pulse_write": "coil", "pulse_address": 7}, [("board", RELAYS_AND_PULSES)]),
        ({"pulse_write": "coil", "pulse_address": 0, "relay_address": 8}, []),
        ({"pulse_write": "coil", "pulse_address": 1, "relay_address": 8}, [("board", RELAYS_AND_PULSES)]),
        ({"pulse_write": "register", "pulse_address": 7}, []),
        ({"input_table": "holding-register", "pulse_address": 0}, [("board", INPUTS_AND_PULSES)]),
        ({"input_table": "holding-register", "pulse_address": 1}, []),
        ({"input_table": "coils", "input_address": 0x208, "pulse_write": "coil"}, []),
    ],
)
def test_parts_of_a_map_are_apart(changes: dict[str, Any], violations: list[tuple[str, str]]) -> None:
    assert found(GENERIC | changes) == violations


@pytest.mark.parametrize(
    ("changes", "violations"),
    [
        ({}, []),
        ({"watchdog_s": 0.4, "watchdog_unit_s": 0.1}, []),
        (
            {"watchdog_s": 0.39, "watchdog_unit_s": 0.1},
            [
                (
                    "board.watchdog_s",
                    "the board would open its relays between two polls, so the contact of a stop may be too "
                    "short; write at least 0.4, twice poll_s",
                )
            ],
        ),
        (
            {"watchdog_s": 1.0, "watchdog_unit_s": 1.5},
            [
                (
                    "board.watchdog_unit_s",
                    f"the board cannot be set to 1 s in units of 1.5 s; {LOOK_UP}",
                )
            ],
        ),
        (
            {"input_table": "holding-register", "input_address": 300},
            [("board", f"the inputs and the watchdog {SAME}")],
        ),
        ({"input_table": "holding-register", "input_address": 301}, []),
        # A board of inputs alone has neither pulses nor a watchdog.
        ({"relays": 0, "watchdog_s": 0.1, "watchdog_unit_s": 9}, []),
    ],
)
def test_watchdog_outlasts_two_polls(changes: dict[str, Any], violations: list[tuple[str, str]]) -> None:
    assert found(WATCHED | changes, poll_s=0.2) == violations


@pytest.mark.parametrize(
    ("changes", "violations"),
    [
        ({"bias": "pull-up", "inputs_active": "low"}, []),
        ({"bias": "pull-down", "inputs_active": "high"}, []),
        (
            {"bias": "pull-down", "inputs_active": "low"},
            [("board.inputs_active", f'with bias = "pull-down" and inputs_active = "low", {READS_CLOSED}')],
        ),
        (
            {"bias": "pull-down"},
            [("board.bias", f'with bias = "pull-down" and inputs_active = "low", {READS_CLOSED}')],
        ),
        ({"bias": "as-is", "inputs_open_when_cut": True}, []),
        (
            {"bias": "as-is"},
            [
                (
                    "board.bias",
                    "without a resistor, an input whose wire is cut floats and may read as anything; write "
                    'bias = "pull-up", or wire resistors, unplug each wire to test them, and write '
                    "inputs_open_when_cut = true",
                )
            ],
        ),
    ],
)
def test_cut_wire_of_a_line_reads_open(changes: dict[str, Any], violations: list[tuple[str, str]]) -> None:
    assert found(GPIO | changes) == violations
    assert found(GPIO | changes | {"inputs": []}) == []


def test_inputs_of_a_module_have_resistors() -> None:
    text = (
        "an input of this module without a resistor floats, so a cut wire may read as anything; wire a "
        "resistor to each input, unplug its wire to test it, and write inputs_open_when_cut = true"
    )
    assert found(NUMATO) == [("board.inputs_open_when_cut", text)]
    assert found(WAVESHARE, NUMATO) == [("inputs_from.inputs_open_when_cut", text)]
    assert found(NUMATO | {"inputs_open_when_cut": True}) == []
    assert found(NUMATO | {"inputs": 0}) == []


def test_slow_line_is_refused() -> None:
    text = (
        "a stop would take longer than 0.2 s on this line; set board and file to a faster rate, 9600 if the "
        "board has it"
    )
    slow = WAVESHARE | {"port": RTU, "baud": 1200}
    assert found(slow | {"baud": 2400}, poll_s=0.2) == []
    assert found(slow, poll_s=0.2) == [("board.baud", text)]
    assert found(WAVESHARE, slow, poll_s=0.2) == [("inputs_from.baud", text)]


def test_board_is_named_by_its_address() -> None:
    text = (
        "a name may lead to the board of another barrier, which would move instead; write the board's IP "
        "address, as in tcp://192.168.10.21"
    )
    assert found(WAVESHARE | {"port": "tcp://board.example:502"}) == [("board.port", text)]
    assert found(WAVESHARE | {"port": "tcp://192.0.2.8:502"}) == []


def test_second_board_is_another_one() -> None:
    text = (
        "this is the board of the relays itself, or on its line, so inputs would have two numbers; remove "
        "the table, or name another board"
    )
    inputs = {"model": "generic", "port": TCP, "relays": 0}
    assert found(WAVESHARE, inputs) == [("inputs_from", text)]
    assert found(WAVESHARE, inputs | {"unit": 2}) == []
    assert found(WAVESHARE | {"port": RTU}, inputs | {"port": RTU, "unit": 2}) == [("inputs_from", text)]


@pytest.mark.parametrize(
    ("table", "addresses"),
    [
        (GPIO, ("/dev/gpiochip0 line 17", "/dev/gpiochip0 line 5", "/dev/gpiochip0 line 6")),
        (WAVESHARE, ("tcp://192.0.2.7:502 unit 1",)),
        (WAVESHARE | {"port": "tcp://192.0.2.7:1502", "unit": 3}, ("tcp://192.0.2.7:1502 unit 3",)),
        (WAVESHARE | {"port": RTU, "unit": 3}, (RTU,)),
        (NUMATO, ("usb:2A19:0C02:1",)),
    ],
)
def test_board_has_addresses(table: dict[str, Any], addresses: tuple[str, ...]) -> None:
    assert board_addresses(board(table)) == addresses
