"""Bounds of a barrier's configuration: each is accepted at its edge, and refused at its key beyond it."""

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from drivers.barrier.boards.registry import AnyInputBoard, AnyModbusBoard, AnySerialBoard
from drivers.barrier.modbus_barrier import ModbusBarrierSettings
from drivers.barrier.wiring import BarrierSettings

DOOR = {"open": 0, "open_limit": 0, "closed_limit": 1}
SLOW = {"open_timeout_s": 60, "close_timeout_s": 60}
"""Times of a machine so slow that they refuse no other value."""
WAVESHARE = {"model": "waveshare-8", "port": "tcp://192.0.2.7"}
WIRENBOARD = {"model": "wirenboard-6", "port": "tcp://192.0.2.7"}
GENERIC = {"model": "generic", "port": "tcp://192.0.2.7", "pulse_address": 0x200}
WATCHED = {"model": "generic", "port": "tcp://192.0.2.7", "watchdog_address": 300}
NUMATO = {"model": "numato", "port": "usb:2A19:0C02:1", "relays": 4}
LCUS = {"model": "lcus", "port": "/dev/serial/by-id/x", "relays": 4}
GPIO = {"model": "gpio", "chip": "/dev/gpiochip0", "released_on_kill": True}
BOARDS: TypeAdapter[Any] = TypeAdapter(AnyModbusBoard | AnySerialBoard | AnyInputBoard)


def refused_keys(model: Any, given: dict[str, Any]) -> list[tuple[str | int, ...]]:
    """Return the keys that are refused by themselves, not by a rule over several of them."""
    with pytest.raises(ValidationError) as refused:
        model(given)
    return [error["loc"] for error in refused.value.errors() if error["type"] != "value_error"]


def barrier(**given: Any) -> dict[str, Any]:
    return {"no_emergency_input": True, "doors": [DOOR]} | given


@pytest.mark.parametrize(
    ("key", "accepted", "refused"),
    [
        ("poll_s", 0.02, 0.019),
        ("poll_s", 0.2, 0.21),
        ("pulse_s", 0.1, 0.09),
        ("pulse_s", 1.0, 1.01),
        ("start_timeout_s", 0.4, 0),
        ("start_timeout_s", 15, 15.1),
        ("open_timeout_s", 2, 0),
        ("open_timeout_s", 60, 60.1),
        ("close_timeout_s", 2, 0),
        ("close_timeout_s", 60, 60.1),
        ("permit_s", 1, 0.9),
        ("permit_s", 120, 121),
        ("dead_time_s", 0.3, 0.29),
        ("dead_time_s", 5, 5.1),
        ("max_open_s", 0.1, 0),
        ("max_open_s", 86_400, 86_401),
        ("min_interval_s", 2, 1.9),
        ("min_interval_s", 60, 61),
        ("max_per_minute", 1, 0),
        ("max_per_minute", 30, 31),
        ("proof_test_months", 1, 0),
        ("proof_test_months", 12, 13),
    ],
)
def test_time_has_bounds(key: str, accepted: float, refused: float) -> None:
    settings = BarrierSettings.model_validate(barrier(**SLOW | {key: accepted}))
    assert getattr(settings, key) == accepted
    assert (key,) in refused_keys(BarrierSettings.model_validate, barrier(**SLOW | {key: refused}))


@pytest.mark.parametrize("relay", ["open", "close", "stop", "presence_test"])
def test_relay_counts_from_zero(relay: str) -> None:
    """A negative number would be another relay of the board, counted from its last."""
    door = DOOR | {"close": 1, "stop": 2, "presence_test": 3, "presence": {"input": 4, "contact": "nc"}}
    wired = {"emergency": {"input": 5, "contact": "nc"}}
    assert BarrierSettings.model_validate(wired | {"doors": [door]})
    keys = refused_keys(BarrierSettings.model_validate, wired | {"doors": [door | {relay: -1}]})
    assert keys[0] == ("doors", 0, relay)


def test_input_counts_from_zero() -> None:
    door = DOOR | {"open_limit": {"input": -1, "contact": "no"}}
    keys = refused_keys(BarrierSettings.model_validate, barrier(doors=[door]))
    assert keys[0] == ("doors", 0, "open_limit", "input")


def test_barrier_has_one_door_or_two() -> None:
    for number in (0, 3):
        doors = [
            {"name": f"door-{at}", "open": at, "open_limit": 2 * at, "closed_limit": 2 * at + 1}
            for at in range(number)
        ]
        given = {"emergency": {"input": 9, "contact": "nc"}, "doors": doors}
        assert refused_keys(BarrierSettings.model_validate, given) == [("doors",)]


@pytest.mark.parametrize("name", ["First", "first door", "first/door", "../first"])
def test_name_of_a_door_is_plain(name: str) -> None:
    """The name is a part of events and of commands."""
    keys = refused_keys(BarrierSettings.model_validate, barrier(doors=[DOOR | {"name": name}]))
    assert keys[0] == ("doors", 0, "name")


@pytest.mark.parametrize(
    ("doors", "why"),
    [
        ([{}, {"name": "second"}], "two doors have no names, or the same"),
        ([{"name": "first"}, {"name": "first"}], "two doors have no names, or the same"),
        ([{"name": "first"}, {"name": "second", "open": 0}], "relay 0 is used twice"),
        ([{"name": "first"}, {"name": "second", "open_limit": 1}], "input 1 is used twice"),
    ],
)
def test_doors_are_told_apart(doors: list[dict[str, Any]], why: str) -> None:
    second = {"open": 1, "open_limit": 2, "closed_limit": 3}
    given = [DOOR | doors[0], second | doors[1]]
    with pytest.raises(ValidationError, match=why):
        BarrierSettings.model_validate({"emergency": {"input": 4, "contact": "nc"}, "doors": given})


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({}, "wire the fire alarm to an input, or write no_emergency_input = true"),
        (
            {"emergency": {"input": 4, "contact": "nc"}, "no_emergency_input": True},
            "there is an emergency input; remove one",
        ),
    ],
)
def test_emergency_is_wired_or_declared_absent(given: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        BarrierSettings.model_validate({"doors": [DOOR]} | given)


# Boards.


@pytest.mark.parametrize(
    ("board", "key", "accepted", "refused"),
    [
        (WAVESHARE, "unit", 1, 0),
        (WAVESHARE, "unit", 255, 256),
        (WAVESHARE, "response_timeout_s", 0.02, 0.019),
        (WAVESHARE, "response_timeout_s", 0.2, 1.1),
        (NUMATO, "response_timeout_s", 0.2, 1.1),
        (WIRENBOARD, "watchdog_s", 1, 0),
        (WIRENBOARD, "watchdog_s", 10, 11),
        (GENERIC, "name", "x" * 60, "x" * 61),
        (GENERIC, "relays", 0, -1),
        (GENERIC, "relays", 64, 65),
        (GENERIC, "inputs", 1, 0),
        (GENERIC, "inputs", 64, 65),
        (GENERIC, "relay_address", 0, -1),
        (GENERIC, "relay_address", 0xFFFF, 0x10000),
        (GENERIC, "input_address", 0, -1),
        (GENERIC, "input_address", 0xFFFF, 0x10000),
        (GENERIC, "pulse_address", 0, -1),
        (GENERIC, "pulse_address", 0xFFFF, 0x10000),
        (GENERIC, "pulse_unit_s", 0.001, 0),
        (GENERIC, "pulse_unit_s", 0.5, 0.51),
        (WATCHED, "watchdog_address", 0, -1),
        (WATCHED, "watchdog_address", 0xFFFF, 0x10000),
        (WATCHED, "watchdog_unit_s", 0.1, 0),
        (WATCHED, "watchdog_unit_s", 60, 61),
        (WATCHED, "watchdog_s", 0.1, 0),
        (WATCHED, "watchdog_s", 10, 10.1),
        (NUMATO, "relays", 1, 0),
        (NUMATO, "relays", 32, 33),
        (NUMATO, "inputs", 0, -1),
        (NUMATO, "inputs", 8, 9),
        (NUMATO, "response_timeout_s", 0.02, 0.019),
        (NUMATO, "time_relay_s", 0.1, 0),
        (NUMATO, "time_relay_s", 10, 10.1),
        (LCUS, "relays", 1, 0),
        (LCUS, "relays", 8, 9),
        (GPIO, "chip", "/dev/gpiochip1", "gpiochip1"),
        (GPIO, "outputs", tuple(range(64)), tuple(range(65))),
        (GPIO, "inputs", tuple(range(64)), tuple(range(65))),
    ],
)
def test_board_has_bounds(board: dict[str, Any], key: str, accepted: object, refused: object) -> None:
    assert getattr(BOARDS.validate_python(board | {key: accepted}), key) == accepted
    keys = refused_keys(BOARDS.validate_python, board | {key: refused})
    assert key in {place for found in keys for place in found}


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        ({"outputs": [-1], "inputs": [5]}, "offsets count from 0"),
        ({"outputs": [17], "inputs": [-5]}, "offsets count from 0"),
        ({"outputs": [17, 17]}, "line 17 is named twice"),
        ({"outputs": [17], "inputs": [17]}, "line 17 is named twice"),
    ],
)
def test_line_of_gpio_has_one_use(lines: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        BOARDS.validate_python(GPIO | lines)


@pytest.mark.parametrize("port", ["tcp://", "tcp://192.0.2.7:0", "tcp://192.0.2.7:65536", "tcp:192.0.2.7"])
def test_address_of_a_board_is_whole(port: str) -> None:
    with pytest.raises(ValidationError, match="is not an address of a board"):
        BOARDS.validate_python(WAVESHARE | {"port": port})


@pytest.mark.parametrize("port", ["ttyS0", "usb:04034:6001", "usb:0403", "COM1"])
def test_serial_port_of_a_board_is_whole(port: str) -> None:
    with pytest.raises(ValidationError, match="is neither tcp://host:port nor"):
        BOARDS.validate_python(WAVESHARE | {"port": port})


@pytest.mark.parametrize(
    ("wired", "why"),
    [
        ({"doors": [DOOR | {"open": 8}]}, "relay 8 is wired, and the board has relays 0 to 7"),
        ({"doors": [DOOR | {"open_limit": 8}]}, "input 8 is wired, and the board has 8 inputs"),
    ],
)
def test_board_has_what_is_wired(wired: dict[str, Any], why: str) -> None:
    assert ModbusBarrierSettings.model_validate(barrier(board=WAVESHARE, doors=[DOOR | {"open": 7}]))
    with pytest.raises(ValidationError, match=why):
        ModbusBarrierSettings.model_validate(barrier(board=WAVESHARE) | wired)
