"""Unsafe barrier configurations: each is refused with line, key and remedy.

Rule: a cut wire reads as the dangerous condition. A board has one master.
"""

import copy
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from support.gateway.post_files import gateway_section

from drivers.barrier.board_settings import BoardBarrierSettings
from gateway.config import ConfigError, ConfigIssue, Post, load
from gateway.config.errors import format_key

Table = dict[str, Any]
BARRIER, OTHER = "lane-1/barrier", "lane-2/barrier"


def no(at: int) -> Table:
    return {"input": at, "contact": "no"}


def nc(at: int) -> Table:
    return {"input": at, "contact": "nc"}


WAVESHARE = {"model": "waveshare-8", "port": "tcp://192.0.2.7"}
BOOM = {
    "driver": "modbus-barrier",
    "emergency": nc(5),
    "key_switch": nc(6),
    "controller_ok": no(7),
    "board": WAVESHARE,
    "doors": [
        {
            "open": 0,
            "close": 1,
            "stop": 2,
            "open_limit": no(0),
            "closed_limit": no(1),
            "entry_side": no(2),
            "exit_side": no(3),
            "presence": nc(4),
        }
    ],
}
SMALL = {
    "driver": "modbus-barrier",
    "emergency": nc(2),
    "board": WAVESHARE,
    "doors": [{"open": 0, "open_limit": no(0), "closed_limit": no(1)}],
}
"""A boom that its own controller closes."""
E_GATE = {
    "driver": "modbus-barrier",
    "emergency": nc(6),
    "board": WAVESHARE,
    "doors": [
        {
            "name": name,
            "open": first,
            "close": first + 1,
            "open_limit": no(3 * at),
            "closed_limit": no(3 * at + 1),
            "presence": nc(3 * at + 2),
        }
        for at, (name, first) in enumerate((("first", 0), ("second", 2)))
    ],
}
GENERIC = {"model": "generic", "port": "tcp://192.0.2.7", "pulse_address": 0x200}
WATCHED = {"model": "generic", "port": "tcp://192.0.2.7", "watchdog_address": 300}
GPIO = {
    "model": "gpio",
    "chip": "/dev/gpiochip0",
    "outputs": [17],
    "inputs": [5, 6, 13],
    "bias": "pull-up",
    "released_on_kill": True,
}
AT_GPIO = SMALL | {"driver": "gpio-barrier", "board": GPIO}
NUMATO = {
    "model": "numato",
    "port": "usb:2A19:0C02:1",
    "relays": 4,
    "inputs": 4,
    "inputs_open_when_cut": True,
    "time_relay_s": 1.0,
}
AT_NUMATO = SMALL | {"driver": "serial-relay", "board": NUMATO}
LCUS = {"model": "lcus", "port": "/dev/serial/by-id/x", "relays": 4, "time_relay_s": 1.0}
AT_LCUS = SMALL | {"driver": "serial-relay", "board": LCUS, "inputs_from": WAVESHARE}
RTU = WAVESHARE | {"port": "/dev/serial/by-id/rs485"}


def but(table: Table, *path: str | int, **changed: Any) -> Table:
    """Return a copy with the keys at `path` changed; None removes a key."""
    result = copy.deepcopy(table)
    place: Any = result
    for part in path:
        place = place[part]
    place.update(changed)
    for name in [name for name, value in changed.items() if value is None]:
        del place[name]
    return result


def text_of(value: Any) -> str:
    """Write a value as TOML."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {text_of(inner)}" for key, inner in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(text_of, value)) + "]"
    return repr(value) if isinstance(value, float) else json.dumps(value)


def write_tables(head: str, table: Table) -> str:
    """Write a table as lines, tables inside it after its own keys."""
    lines = [head]
    inner = {key: value for key, value in table.items() if key in ("board", "inputs_from", "doors")}
    lines += [f"{key} = {text_of(value)}" for key, value in table.items() if key not in inner]
    for key, value in inner.items():
        name = head.strip("[]")
        tables = value if isinstance(value, list) else [value]
        heads = f"[[{name}.{key}]]" if isinstance(value, list) else f"[{name}.{key}]"
        lines += [write_tables(heads, each) for each in tables]
    return "\n".join(lines)


def post_text(devices: dict[str, Table], name: str = "gw-1") -> str:
    head = gateway_section(profile="training").replace('"gw-1"', f'"{name}"')
    tables = [write_tables(f'[device."{position}"]', table) for position, table in devices.items()]
    return "\n".join([head, '[broker]\nhost = "127.0.0.1"', *tables, ""])


@dataclass(frozen=True)
class Unsafe:
    """A configuration that must be refused, and the wrong key."""

    name: str
    barrier: Table
    key: str
    others: dict[str, Table] | None = None

    @property
    def devices(self) -> dict[str, Table]:
        return {BARRIER: self.barrier, **(self.others or {})}


def second(table: Table, driver: str | None = None) -> dict[str, Table]:
    return {OTHER: table if driver is None else table | {"driver": driver}}


BARE_NUMBERS = [
    Unsafe(f"{key} as a bare number", but(BOOM, **{key: number}), key)
    for key, number in (("emergency", 5), ("key_switch", 6), ("controller_ok", 7))
] + [
    Unsafe(f"{key} as a bare number", but(BOOM, "doors", 0, **{key: number}), f"doors[0].{key}")
    for key, number in (
        ("open_limit", 0),
        ("closed_limit", 1),
        ("entry_side", 2),
        ("exit_side", 3),
        ("presence", 4),
    )
]
BARE_NUMBERS += [Unsafe("local_button as a bare number", but(SMALL, local_button=3), "local_button")]
CUT_WIRES = [
    Unsafe("presence clear when cut", but(BOOM, "doors", 0, presence=no(4)), "doors[0].presence"),
    Unsafe(
        "presence clear when cut, without close",
        but(BOOM, "doors", 0, presence=no(4), close=None),
        "doors[0].presence",
    ),
    Unsafe("presence of second door", but(E_GATE, "doors", 1, presence=no(5)), "doors[1].presence"),
    Unsafe("open when cut", but(BOOM, "doors", 0, open_limit=nc(0)), "doors[0].open_limit"),
    Unsafe("closed when cut", but(BOOM, "doors", 0, closed_limit=nc(1)), "doors[0].closed_limit"),
    Unsafe(
        "first door closed when cut", but(E_GATE, "doors", 0, closed_limit=nc(1)), "doors[0].closed_limit"
    ),
    Unsafe(
        "second door closed when cut", but(E_GATE, "doors", 1, closed_limit=nc(4)), "doors[1].closed_limit"
    ),
    Unsafe("second door open when cut", but(E_GATE, "doors", 1, open_limit=nc(3)), "doors[1].open_limit"),
    Unsafe("key switch not turned when cut", but(BOOM, key_switch=no(6)), "key_switch"),
    Unsafe("controller ready when cut", but(BOOM, controller_ok=nc(7)), "controller_ok"),
    Unsafe("button pressed when cut", but(SMALL, local_button=nc(3)), "local_button"),
    Unsafe("no emergency when cut", but(BOOM, emergency=no(5)), "emergency"),
    Unsafe("GPIO pulled up, active high", but(AT_GPIO, "board", inputs_active="high"), "board.inputs_active"),
    Unsafe("GPIO pulled down, active low", but(AT_GPIO, "board", bias="pull-down"), "board.bias"),
    Unsafe("GPIO floats by default", but(AT_GPIO, "board", bias=None), "board"),
    Unsafe("GPIO floats", but(AT_GPIO, "board", bias="disabled"), "board.bias"),
    Unsafe("GPIO as it is", but(AT_GPIO, "board", bias="as-is"), "board.bias"),
    Unsafe(
        "GPIO inputs of another board float",
        AT_LCUS | {"inputs_from": but(GPIO, bias="as-is", outputs=None)},
        "inputs_from.bias",
    ),
    Unsafe("Numato floats", but(AT_NUMATO, "board", inputs_open_when_cut=None), "board"),
    Unsafe(
        "Numato floats, to ground",
        but(AT_NUMATO, "board", inputs_open_when_cut=None, closed_level=0),
        "board",
    ),
    Unsafe(
        "Numato inputs of another board float",
        AT_LCUS | {"inputs_from": but(NUMATO, inputs_open_when_cut=None)},
        "inputs_from",
    ),
]
MISSING = [
    Unsafe(
        "two doors without emergency",
        but(E_GATE, emergency=None, no_emergency_input=True),
        "no_emergency_input",
    ),
    Unsafe(
        "close without emergency", but(BOOM, emergency=None, no_emergency_input=True), "no_emergency_input"
    ),
    Unsafe("close without presence", but(BOOM, "doors", 0, presence=None), "doors[0].close"),
    Unsafe("two doors opened in a fault", but(E_GATE, open_in_fault=True), "open_in_fault"),
    Unsafe("one of two doors stops", but(E_GATE, "doors", 1, stop=4), "doors[0]"),
]
TIMES = [
    Unsafe(
        "unit longer than pulse", BOOM | {"board": GENERIC | {"pulse_unit_s": 0.5}, "pulse_s": 0.1}, "pulse_s"
    ),
    Unsafe(
        "pulse between units", BOOM | {"board": GENERIC | {"pulse_unit_s": 0.3}, "pulse_s": 0.5}, "pulse_s"
    ),
    Unsafe("Waveshare pulse between units", BOOM | {"pulse_s": 0.25}, "pulse_s"),
    Unsafe(
        "tiny unit in a coil",
        BOOM | {"board": GENERIC | {"pulse_unit_s": 0.00001, "pulse_write": "coil"}},
        "board.pulse_unit_s",
    ),
    Unsafe(
        "tiny unit in a register",
        BOOM | {"board": GENERIC | {"pulse_unit_s": 0.000001}},
        "board.pulse_unit_s",
    ),
    Unsafe(
        "start longer than opening", BOOM | {"start_timeout_s": 15, "close_timeout_s": 20}, "start_timeout_s"
    ),
    Unsafe("start longer than both", E_GATE | {"start_timeout_s": 15}, "start_timeout_s"),
    Unsafe(
        "start longer than closing",
        BOOM | {"start_timeout_s": 9, "open_timeout_s": 20, "close_timeout_s": 8},
        "start_timeout_s",
    ),
    Unsafe(
        "opening ends at once", E_GATE | {"start_timeout_s": 0.005, "open_timeout_s": 0.01}, "start_timeout_s"
    ),
    Unsafe(
        "watchdog shorter than polling",
        BOOM | {"board": WATCHED | {"watchdog_s": 0.3, "watchdog_unit_s": 0.1}},
        "board.watchdog_s",
    ),
    Unsafe(
        "watchdog shorter than its unit",
        BOOM | {"board": WATCHED | {"watchdog_unit_s": 5}},
        "board.watchdog_unit_s",
    ),
    Unsafe(
        "time relay shorter than a pulse",
        but(AT_NUMATO, "board", time_relay_s=0.4),
        "board.time_relay_s",
    ),
    Unsafe(
        "time relay shorter than a long pulse",
        AT_LCUS | {"board": LCUS | {"time_relay_s": 0.9}, "pulse_s": 1.0},
        "board.time_relay_s",
    ),
    Unsafe(
        "time relay of GPIO shorter than a pulse",
        but(AT_GPIO, "board", time_relay_s=0.1),
        "board.time_relay_s",
    ),
    Unsafe(
        "answer slower than a stop",
        BOOM | {"board": WAVESHARE | {"response_timeout_s": 0.5}},
        "board",
    ),
    Unsafe(
        "answer of the inputs slower than a stop",
        AT_LCUS | {"inputs_from": WAVESHARE | {"response_timeout_s": 0.5}},
        "inputs_from",
    ),
    Unsafe(
        "module slower than a stop",
        but(AT_NUMATO, "board", response_timeout_s=0.5),
        "board",
    ),
    Unsafe("line too slow for a stop", BOOM | {"board": RTU | {"baud": 1200}}, "board.baud"),
    Unsafe("inputs on a slow line", AT_LCUS | {"inputs_from": RTU | {"baud": 1200}}, "inputs_from.baud"),
]
NAN = float("nan")
NOT_A_NUMBER = [
    *(
        Unsafe(f"{name} is no number", BOOM | {name: NAN}, name)
        for name, field in BoardBarrierSettings.model_fields.items()
        if field.annotation is float
    ),
    Unsafe(
        "time of the board is no number",
        but(BOOM, "board", response_timeout_s=NAN),
        "board.response_timeout_s",
    ),
    Unsafe(
        "unit of the board is no number",
        BOOM | {"board": GENERIC | {"pulse_unit_s": NAN}},
        "board.pulse_unit_s",
    ),
    Unsafe("watchdog is no number", BOOM | {"board": WATCHED | {"watchdog_s": NAN}}, "board.watchdog_s"),
    Unsafe(
        "unit of the watchdog is no number",
        BOOM | {"board": WATCHED | {"watchdog_unit_s": NAN}},
        "board.watchdog_unit_s",
    ),
    Unsafe("time relay is no number", but(AT_NUMATO, "board", time_relay_s=NAN), "board.time_relay_s"),
]
"""TOML has `nan`, which is neither above nor below a bound, and must be refused by each."""
ADDRESSES = [
    Unsafe(
        "pulses into plain coils",
        BOOM | {"board": GENERIC | {"pulse_address": 0, "pulse_write": "coil"}},
        "board",
    ),
    Unsafe(
        "pulses reach plain coils",
        BOOM | {"board": GENERIC | {"pulse_address": 7, "relay_address": 10, "pulse_write": "coil"}},
        "board",
    ),
    Unsafe("relays past the last address", BOOM | {"board": GENERIC | {"relay_address": 0xFFFC}}, "board"),
    Unsafe("inputs past the last address", BOOM | {"board": GENERIC | {"input_address": 0xFFFC}}, "board"),
    Unsafe("pulses past the last address", BOOM | {"board": GENERIC | {"pulse_address": 0xFFFC}}, "board"),
    Unsafe(
        "input registers past the last address",
        BOOM | {"board": GENERIC | {"input_table": "input-register", "input_address": 0xFFFF, "inputs": 20}},
        "board",
    ),
    Unsafe(
        "pulses into input registers",
        BOOM | {"board": GENERIC | {"input_table": "holding-register", "input_address": 0x201}},
        "board",
    ),
    Unsafe(
        "watchdog among input registers",
        BOOM | {"board": WATCHED | {"input_table": "holding-register", "input_address": 300}},
        "board",
    ),
    Unsafe(
        "pulses into input coils",
        BOOM | {"board": GENERIC | {"input_table": "coils", "input_address": 0x204, "pulse_write": "coil"}},
        "board",
    ),
]
NUMATO_INPUTS = but(NUMATO, port="usb:2a19:0c02:1")
ONE_MASTER = [
    Unsafe("inputs of the same board", BOOM | {"inputs_from": WAVESHARE}, "inputs_from"),
    Unsafe(
        "inputs of the same board, port named",
        BOOM | {"inputs_from": WAVESHARE | {"port": "tcp://192.0.2.7:502"}},
        "inputs_from",
    ),
    Unsafe("inputs of the same module", AT_NUMATO | {"inputs_from": NUMATO_INPUTS}, "inputs_from"),
    Unsafe(
        "inputs on the relays' line", BOOM | {"board": RTU, "inputs_from": RTU | {"unit": 2}}, "inputs_from"
    ),
    Unsafe("inputs of the same lines", AT_GPIO | {"inputs_from": but(GPIO, outputs=None)}, "inputs_from"),
    Unsafe("one board twice", BOOM, "board.port", second(SMALL)),
    Unsafe(
        "one board twice, port named",
        BOOM,
        "board.port",
        second(but(SMALL, "board", port="tcp://192.0.2.7:502")),
    ),
    Unsafe("board by a name", but(BOOM, "board", port="tcp://board.example"), "board.port"),
    Unsafe(
        "inputs by a name", AT_LCUS | {"inputs_from": WAVESHARE | {"port": "tcp://board"}}, "inputs_from.port"
    ),
    Unsafe(
        "one IPv6 address in two spellings",
        but(BOOM, "board", port="tcp://[2001:db8::7]"),
        "board.port",
        second(but(SMALL, "board", port="tcp://[2001:DB8:0::7]:502")),
    ),
    Unsafe(
        "loopback by name and number",
        but(BOOM, "board", port="tcp://localhost:1502"),
        "board.port",
        second(but(SMALL, "board", port="tcp://127.0.0.1:1502")),
    ),
    Unsafe(
        "one line, two units",
        BOOM | {"board": RTU},
        "board.port",
        second(SMALL | {"board": RTU | {"unit": 2}}),
    ),
    Unsafe("one module twice", AT_NUMATO, "board.port", second(AT_NUMATO)),
    Unsafe(
        "one module with and without serial number",
        AT_NUMATO,
        "board.port",
        second(but(AT_NUMATO, "board", port="usb:2A19:0C02")),
    ),
    Unsafe(
        "one module by its number and its path",
        AT_NUMATO,
        "board.port",
        second(but(AT_NUMATO, "board", port="/dev/serial/by-id/usb-Numato_Lab_4-if00")),
    ),
    Unsafe(
        "one port by its path and its number",
        BOOM | {"board": RTU},
        "board.port",
        second(AT_NUMATO),
    ),
    Unsafe(
        "one port by two paths",
        AT_LCUS,
        "board.port",
        second(but(SMALL, board=RTU | {"port": "/dev/serial/by-path/pci-usb-0:2"})),
    ),
    Unsafe(
        "inputs by the path of the module",
        AT_NUMATO | {"inputs_from": RTU},
        "inputs_from.port",
    ),
    Unsafe(
        "one GPIO line in two barriers",
        AT_GPIO,
        "board.chip",
        second(but(AT_GPIO, "board", outputs=[18], inputs=[13, 14, 15])),
    ),
    Unsafe(
        "one GPIO output in two barriers",
        AT_GPIO,
        "board.chip",
        second(but(AT_GPIO, "board", inputs=[20, 21, 22])),
    ),
    Unsafe("relays as another's inputs", BOOM, "inputs_from.port", second(AT_LCUS)),
    Unsafe(
        "inputs shared by two",
        AT_LCUS,
        "inputs_from.port",
        second(but(AT_LCUS, "board", port="/dev/serial/by-id/y")),
    ),
    Unsafe(
        "board at a reader's port",
        BOOM | {"board": RTU},
        "port",
        second({"port": RTU["port"], "framing": "text"}, "mrz-serial"),
    ),
]
UNSAFE = [*BARE_NUMBERS, *CUT_WIRES, *MISSING, *TIMES, *NOT_A_NUMBER, *ADDRESSES, *ONE_MASTER]
SAFE = {
    "boom": BOOM,
    "boom of its controller": SMALL,
    "boom of its controller without emergency": but(SMALL, emergency=None, no_emergency_input=True),
    "e-gate": E_GATE,
    "generic": BOOM | {"board": GENERIC | {"pulse_unit_s": 0.25}},
    "watchdog": BOOM | {"board": WATCHED},
    "GPIO": AT_GPIO,
    "GPIO pulled down": but(AT_GPIO, "board", bias="pull-down", inputs_active="high"),
    "GPIO with own resistors": but(AT_GPIO, "board", bias="as-is", inputs_open_when_cut=True),
    "Numato": AT_NUMATO,
    "LCUS": AT_LCUS,
    "time relay as long as a pulse": AT_LCUS | {"board": LCUS | {"time_relay_s": 0.5}},
    "serial line": BOOM | {"board": RTU | {"baud": 2400}},
    "slow machine": BOOM | {"start_timeout_s": 10, "open_timeout_s": 30, "close_timeout_s": 30},
}

Loader = Callable[..., Post]


@pytest.fixture
def post_of(tmp_path: Path) -> Loader:
    def _load(devices: dict[str, Table]) -> Post:
        file = tmp_path / "busia.toml"
        file.write_text(post_text(devices))
        return load(file, {})

    return _load


def refusal(post_of: Loader, devices: dict[str, Table]) -> ConfigIssue:
    with pytest.raises(ConfigError) as caught:
        post_of(devices)
    return caught.value.issues[0]


@pytest.mark.parametrize("unsafe", UNSAFE, ids=lambda unsafe: unsafe.name)
def test_unsafe_barrier_is_refused(unsafe: Unsafe, post_of: Loader) -> None:
    lines = post_text(unsafe.devices).splitlines()

    issue = refusal(post_of, unsafe.devices)

    position = OTHER if unsafe.others else BARRIER
    assert issue.key_path == f"{format_key(('device', position))}.{unsafe.key}"
    assert issue.line is not None
    named = unsafe.key.rpartition(".")[2].partition("[")[0]
    assert named in lines[issue.line - 1]
    assert issue.text
    assert len(issue.remedy) > 10


@pytest.mark.parametrize("unsafe", BARE_NUMBERS, ids=lambda unsafe: unsafe.name)
def test_bare_number_is_answered_with_its_contact(unsafe: Unsafe, post_of: Loader) -> None:
    """The line to write has the contact that is safe for this signal."""
    signal = unsafe.key.rpartition(".")[2]
    contact = "nc" if signal in ("presence", "emergency", "key_switch") else "no"
    remedy = refusal(post_of, unsafe.devices).remedy
    assert re.search(rf'{{ input = \d, contact = "{contact}" }}', remedy), remedy


@pytest.mark.parametrize("name", SAFE)
def test_safe_barrier_is_accepted(name: str, post_of: Loader) -> None:
    assert len(post_of({BARRIER: SAFE[name]}).devices) == 1


def test_units_of_a_converter_are_accepted(post_of: Loader) -> None:
    assert len(post_of({BARRIER: BOOM, OTHER: but(SMALL, "board", unit=2)}).devices) == 2


@pytest.mark.parametrize(
    ("first", "other"),
    [
        ("/dev/serial/by-id/usb-a", "/dev/serial/by-id/usb-b"),
        ("usb:0403:6001:A", "usb:0403:6001:B"),
        ("/dev/ttyS1", "usb:0403:6001:A"),  # it is in the machine, not on USB
    ],
)
def test_two_ports_of_barriers_are_accepted(post_of: Loader, first: str, other: str) -> None:
    devices = {
        position: but(SMALL, board=RTU | {"port": port})
        for position, port in ((BARRIER, first), (OTHER, other))
    }
    assert len(post_of(devices).devices) == 2


def test_gpio_lines_of_two_barriers_are_accepted(post_of: Loader) -> None:
    apart = but(AT_GPIO, "board", outputs=[18], inputs=[20, 21, 22])
    assert len(post_of({BARRIER: AT_GPIO, OTHER: apart}).devices) == 2


def test_link_to_the_same_port_is_refused(post_of: Loader, tmp_path: Path) -> None:
    port, link = tmp_path / "ttyS4", tmp_path / "by-path"
    port.touch()
    link.symlink_to(port)
    devices = {
        BARRIER: BOOM | {"board": RTU | {"port": str(port)}},
        OTHER: SMALL | {"board": RTU | {"port": str(link), "unit": 2}},
    }
    assert refusal(post_of, devices).key_path.endswith("board.port")
