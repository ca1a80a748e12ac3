"""Safety rules between a barrier and its boards: levels of cut wires, pulses, register maps, line speed.

Sources: Modbus Application Protocol V1.1b3, 4.3 (addresses 0 to 65535); Linux, "GPIO character device
userspace API" (bias of a line); Numato Lab, "USB GPIO Module" user guide (inputs without resistors float).
"""

from collections.abc import Iterator

from drivers.barrier.board import BoardSettings
from drivers.barrier.boards.generic import GenericSettings
from drivers.barrier.boards.gpio import GpioBoardSettings
from drivers.barrier.boards.modbus_board import ModbusBoardSettings
from drivers.barrier.boards.numato import NumatoSettings
from drivers.barrier.boards.waveshare import FLASH_MOST, FLASH_UNIT_S, WaveshareSettings
from drivers.barrier.safety.violations import Violation
from drivers.barrier.wiring import BarrierSettings
from drivers.links.address import (
    are_named_differently,
    canonical_address,
    is_numeric_host,
    is_same_address,
)
from drivers.links.modbus.link import TCP_PORT
from drivers.links.tcp import TCP_ADDRESS

LAST_ADDRESS = 0xFFFF
COIL_MOST, REGISTER_MOST = 0x7FFF, 0xFFFF
"""Largest time that a coil's value and a register can hold, in units of the board."""
EXCHANGE_BITS = 2 * 8 * 11
"""Bits of a command and its response on a serial line: eight bytes each, of eleven bits."""
NAME_ALIKE = (
    "name both ports in the same way: usb:VID:PID:SERIAL, /dev/serial/by-id/... or /dev/serial/by-path/..."
)


def board_violations(
    barrier: BarrierSettings, board: BoardSettings, inputs_from: BoardSettings | None
) -> Iterator[Violation]:
    """Find the combinations of a barrier and its boards that are not safe."""
    yield from _pulse_time(barrier, board)
    yield from _time_relay(barrier, board)
    for key, each in (("board", board), ("inputs_from", inputs_from)):
        match each:
            case GenericSettings():
                yield from _register_map(key, each, barrier.poll_s)
            case GpioBoardSettings() if each.inputs:
                yield from _gpio_levels(key, each)
            case NumatoSettings(inputs_open_when_cut=False) if each.inputs:
                yield Violation(
                    (key, "inputs_open_when_cut"),
                    "an input of this module without a resistor floats, so a cut wire may read as anything; "
                    "wire a resistor to each input, unplug its wire to test it, and write "
                    "inputs_open_when_cut = true",
                )
        if isinstance(each, ModbusBoardSettings):
            yield from _host(key, each) if each.is_tcp else _line_speed(key, each, barrier.poll_s)
    if inputs_from is not None:
        ours, theirs = board_addresses(board), board_addresses(inputs_from)
        if any(is_same_address(our, their) for our in ours for their in theirs):
            yield Violation(
                ("inputs_from",),
                "this is the board of the relays itself, or on its line, so inputs would have two numbers; "
                "remove the table, or name another board",
            )
        elif are_named_differently(serial_port(board), serial_port(inputs_from)):
            yield Violation(
                ("inputs_from", "port"),
                f"this may be the port of the relays, which is named as {serial_port(board)}; {NAME_ALIKE}",
            )


def serial_port(board: BoardSettings | None) -> str:
    """Return the serial port of a board as it is configured; empty for a board without one."""
    port = str(getattr(board, "port", ""))
    return "" if port.startswith("tcp:") else port


def board_addresses(board: BoardSettings) -> tuple[str, ...]:
    """Return canonical addresses of what only one program may use: a board, a port, or GPIO lines."""
    match board:
        case GpioBoardSettings():
            chip = canonical_address(board.chip)
            return tuple(f"{chip} line {line}" for line in (*board.outputs, *board.inputs))
        case ModbusBoardSettings(is_tcp=True):
            return (f"{canonical_address(board.port, TCP_PORT)} unit {board.unit}",)
        case _:
            return (canonical_address(str(getattr(board, "port", ""))),)


def _pulse_time(barrier: BarrierSettings, board: BoardSettings) -> Iterator[Violation]:
    """Require that the board can time the pulse exactly: dead times and checks of relays count on it."""
    match board:
        case WaveshareSettings():
            unit_s, most = FLASH_UNIT_S, FLASH_MOST
        case GenericSettings(pulse_address=int()):
            unit_s = board.pulse_unit_s
            most = COIL_MOST if board.pulse_write == "coil" else REGISTER_MOST
        case _:
            return
    units = round(barrier.pulse_s / unit_s)
    if units > most:
        yield Violation(
            ("board", "pulse_unit_s"),
            f"a pulse of {barrier.pulse_s:g} s has more than {most} of these units, which the board cannot "
            "hold; look the unit up in the board's manual",
        )
    elif units < 1 or abs(units * unit_s - barrier.pulse_s) > 1e-6:
        yield Violation(
            ("pulse_s",),
            f"the board would close the relay for {max(1, units) * unit_s:g} s instead, so open and close "
            f"contacts could be closed at the same time; write a multiple of {unit_s:g}, the board's unit",
        )


def _time_relay(barrier: BarrierSettings, board: BoardSettings) -> Iterator[Violation]:
    """Require that a time relay lets each pulse last: a machine ignores a contact that is too short."""
    time_relay_s = getattr(board, "time_relay_s", None)
    if time_relay_s is not None and time_relay_s < barrier.pulse_s:
        yield Violation(
            ("board", "time_relay_s"),
            f"the time relay would open each contact before its pulse of {barrier.pulse_s:g} s ends, so that "
            f"of a stop may be too short; set it to {barrier.pulse_s:g} at least, or write a shorter pulse_s",
        )


def _register_map(key: str, board: GenericSettings, poll_s: float) -> Iterator[Violation]:
    """Require that the parts of a map end before the last address, and do not overlap."""
    words = (board.inputs + 15) // 16 if board.input_table.endswith("register") else board.inputs
    pulse_table = "coils" if board.pulse_write == "coil" else "holding-register"
    parts: list[tuple[str, str, int, int]] = [("inputs", board.input_table, board.input_address, words)]
    if board.relays:
        parts.append(("relays", "coils", board.relay_address, board.relays))
    if board.relays and board.pulse_address is not None:
        parts.append(("pulses", pulse_table, board.pulse_address, board.relays))
    if board.relays and board.watchdog_address is not None:
        parts.append(("watchdog", "holding-register", board.watchdog_address, 1))
    for at, (name, table, first, count) in enumerate(parts):
        if first + count - 1 > LAST_ADDRESS:
            yield Violation(
                (key,),
                f"the {name} end at address {first + count - 1}, and Modbus has none after {LAST_ADDRESS}; "
                "correct the address or the number",
            )
        for other, other_table, start, size in parts[at + 1 :]:
            if table == other_table and first < start + size and start < first + count:
                yield Violation(
                    (key,),
                    f"the {name} and the {other} are the same addresses, so a write to one would change the "
                    "other or close a relay without an end; correct the addresses by the board's manual",
                )
    if board.relays and board.watchdog_address is not None:
        if board.watchdog_unit_s > board.watchdog_s:
            yield Violation(
                (key, "watchdog_unit_s"),
                f"the board cannot be set to {board.watchdog_s:g} s in units of {board.watchdog_unit_s:g} s; "
                "look the unit up in the board's manual",
            )
        if board.watchdog_s < 2 * poll_s:
            yield Violation(
                (key, "watchdog_s"),
                "the board would open its relays between two polls, so the contact of a stop may be too "
                f"short; write at least {2 * poll_s:g}, twice poll_s",
            )


def _gpio_levels(key: str, board: GpioBoardSettings) -> Iterator[Violation]:
    """Require that the level of a cut wire is that of an open circuit."""
    safe = {"low": "pull-up", "high": "pull-down"}
    if board.bias == safe[board.inputs_active]:
        return
    if board.bias in safe.values():
        wrong = "inputs_active" if "inputs_active" in board.model_fields_set else "bias"
        yield Violation(
            (key, wrong),
            f'with bias = "{board.bias}" and inputs_active = "{board.inputs_active}", an input whose wire is '
            'cut reads as a closed circuit; write bias = "pull-up" with inputs_active = "low", or '
            '"pull-down" with "high"',
        )
    elif not board.inputs_open_when_cut:
        yield Violation(
            (key, "bias"),
            "without a resistor, an input whose wire is cut floats and may read as anything; write "
            f'bias = "{safe[board.inputs_active]}", or wire resistors, unplug each wire to test them, and '
            "write inputs_open_when_cut = true",
        )


def _host(key: str, board: ModbusBoardSettings) -> Iterator[Violation]:
    """Require an address that no name server can change, and that can be compared with other barriers'."""
    found = TCP_ADDRESS.fullmatch(board.port)
    if found is not None and not is_numeric_host(found["host"]):
        yield Violation(
            (key, "port"),
            "a name may lead to the board of another barrier, which would move instead; write the board's IP "
            "address, as in tcp://192.168.10.21",
        )


def _line_speed(key: str, board: ModbusBoardSettings, poll_s: float) -> Iterator[Violation]:
    """Require that a stop, behind one running request, is on the wire within one poll."""
    if 2 * EXCHANGE_BITS / board.baud > poll_s:
        yield Violation(
            (key, "baud"),
            f"a stop would take longer than {poll_s:g} s on this line; set board and file to a faster rate, "
            "9600 if the board has it",
        )
