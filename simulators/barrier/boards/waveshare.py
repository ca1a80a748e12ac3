"""Waveshare's boards with eight relays and eight inputs (Modbus RTU Relay (D), Modbus POE ETH Relay).

Source: the maker's wiki, as the protocol sheet has it (2a). Where it is silent, we chose: a flash of 0 or of
more than 0x7FFF is refused as an illegal value; a command to a relay ends its flash; commands work in every
mode of a relay; a written address or rate applies at once; the parity set beside the rate has no effect. It
executes requests to unit 0, and answers reads.
"""

from typing import ClassVar

from simulators.barrier.boards.modbus_board import OFF, ON, TOGGLE, BoardOperation, ModbusBoard
from simulators.barrier.modbus.pdu import (
    ExceptionCode,
    Function,
    Identify,
    ModbusRefusal,
    Read,
    Request,
    WriteMany,
    WriteOne,
    write_answer,
)
from simulators.barrier.timeline import Timeline
from simulators.barrier.wirelog import Cause, Effect, WireLog

ALL_RELAYS = 0x00FF
FLASH_ON, FLASH_OFF = 0x0200, 0x0400
MODES, BAUD, ADDRESS, VERSION = 0x1000, 0x2000, 0x4000, 0x8000
FLASH_UNIT_S = 0.1
FLASH_MOST = 0x7FFF
BAUDS = (4800, 9600, 19200, 38400, 57600, 115200, 128000, 256000)
"""Rates by the code in the low byte of the register; parity is in the high byte: none, even, odd."""
NORMAL, LINKAGE, FLIP, EDGE = range(4)
"""Modes of a relay: commanded; follows its input; toggled by a closing input; by any change of it."""


class Waveshare(ModbusBoard):
    """The board with eight relays and eight inputs."""

    model: ClassVar[str] = "waveshare-8"

    def __init__(self, unit: int, timeline: Timeline, log: WireLog, *, baud: int = 9600) -> None:
        super().__init__(unit, 8, 8, timeline, log, baud)
        self._version = {VERSION: 100}
        self._modes = {MODES + relay: NORMAL for relay in range(8)}
        self._line = {BAUD: BAUDS.index(baud), ADDRESS: unit}

    @property
    def modes(self) -> tuple[int, ...]:
        """Mode of each relay."""
        return tuple(self._modes.values())

    def answers_broadcast(self, pdu: bytes) -> bool:
        """Return whether it is a read: it answers those for hosts that do not have its address."""
        return 1 <= pdu[0] <= 4

    def on_input_changed(self, channel: int, closed: bool) -> None:
        """Switch the relay of the input in modes that follow it."""
        mode = self._modes[MODES + channel]
        if not self.is_powered or mode == NORMAL or (mode == FLIP and not closed):
            return
        on = closed if mode == LINKAGE else not self.relays.coils[channel]
        self.relays.set(channel, on, Cause.INPUT)

    def plan_request(self, request: Request) -> BoardOperation:
        """See `ModbusBoard`."""
        match request:
            case Read(Function.READ_COILS):
                return self.read_relays(request)
            case Read(Function.READ_DISCRETE_INPUTS):
                return self.read_inputs(request)
            case Read(Function.READ_HOLDING_REGISTERS):
                return self.read_registers(request, self._version | self._modes | self._line)
            case WriteOne(Function.WRITE_SINGLE_COIL):
                return self._write_coil(request)
            case WriteMany(Function.WRITE_MULTIPLE_COILS):
                return self.write_relays(request)
            case WriteOne() if request.address in self._line:
                return self.configure(request, self._line, _allowed_on_the_line, self._take_line)
            case WriteOne() | WriteMany():
                return self.configure(request, self._modes, lambda _address, mode: mode <= EDGE)
            case Identify():
                return self.identify(request)
        raise ModbusRefusal(ExceptionCode.ILLEGAL_FUNCTION)

    def _take_line(self) -> None:
        self.unit = self._line[ADDRESS]
        self.baud = BAUDS[self._line[BAUD] & 0xFF]

    def _write_coil(self, request: WriteOne) -> BoardOperation:
        relay = request.address & 0xFF
        match request.address - relay:
            case 0 if request.address == ALL_RELAYS:
                return self._command(request, range(8))
            case 0 if relay < 8:
                return self._command(request, (relay,))
            case base if base in (FLASH_ON, FLASH_OFF) and relay < 8:
                return self._flash(request, relay, on=base == FLASH_ON)
        raise ModbusRefusal(ExceptionCode.ILLEGAL_DATA_ADDRESS)

    def _command(self, request: WriteOne, relays: range | tuple[int, ...]) -> BoardOperation:
        if request.value in (ON, OFF):
            return self.switch(request, dict.fromkeys(relays, request.value == ON))
        if request.value != TOGGLE:
            raise ModbusRefusal(ExceptionCode.ILLEGAL_DATA_VALUE)

        def perform(number: int) -> bytes:
            for relay in relays:
                self.relays.set(relay, not self.relays.coils[relay], Cause.COMMAND, number)
            return write_answer(request)

        meaning = ", ".join(f"relay {relay} toggled" for relay in relays)
        return BoardOperation(Effect.ENERGISE, meaning, perform)

    def _flash(self, request: WriteOne, relay: int, *, on: bool) -> BoardOperation:
        if not 1 <= request.value <= FLASH_MOST:
            raise ModbusRefusal(ExceptionCode.ILLEGAL_DATA_VALUE)
        seconds = request.value * FLASH_UNIT_S

        def perform(number: int) -> bytes:
            self.relays.pulse(relay, on, seconds, number)
            return write_answer(request)

        return BoardOperation(
            Effect.ENERGISE, f"relay {relay} {'on' if on else 'off'} for {seconds:.1f} s", perform
        )


def _allowed_on_the_line(address: int, value: int) -> bool:
    if address == ADDRESS:
        return 1 <= value <= 0xFF
    return value >> 8 <= 2 and (value & 0xFF) < len(BAUDS)
