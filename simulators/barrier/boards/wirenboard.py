"""Wiren Board's relay modules with six relays and seven inputs (WB-MR6C), which cannot time a pulse.

Source: the maker's wiki, as the protocol sheet has it (2a): holding register 8 is the safe mode time-out in
seconds (0: off), after which relays are released without a request; register 6 says whether relays are
restored after power. Register 128 is its address, 200 its model; the rest of its map is omitted.
"""

from typing import ClassVar

from simulators.barrier.boards.modbus_board import BoardOperation, ModbusBoard
from simulators.barrier.modbus.pdu import (
    ExceptionCode,
    Function,
    Identify,
    ModbusRefusal,
    Read,
    Request,
    WriteMany,
    WriteOne,
)
from simulators.barrier.timeline import Timeline, TimerHandle
from simulators.barrier.wirelog import Cause, WireLog

RESTORE, SAFE_MODE_TIMEOUT, ADDRESS, SIGNATURE = 6, 8, 128, 200


class WirenBoard(ModbusBoard):
    """The module with factory settings: no safe mode, relays off after power."""

    model: ClassVar[str] = "wirenboard-6"

    def __init__(self, unit: int, timeline: Timeline, log: WireLog, *, baud: int = 9600) -> None:
        super().__init__(unit, 6, 7, timeline, log, baud)
        self._settings = {RESTORE: 0, SAFE_MODE_TIMEOUT: 0}
        self._plate = {ADDRESS: unit} | {SIGNATURE + n: ord(letter) for n, letter in enumerate("WBMR6C")}
        self._before_cut = list(self.relays.coils)
        self._safe_mode: TimerHandle | None = None

    def plan_request(self, request: Request) -> BoardOperation:
        """See `ModbusBoard`."""
        match request:
            case Read(Function.READ_COILS):
                return self.read_relays(request)
            case Read(Function.READ_DISCRETE_INPUTS):
                return self.read_inputs(request)
            case Read(Function.READ_HOLDING_REGISTERS):
                return self.read_registers(request, self._settings | self._plate)
            case WriteOne(Function.WRITE_SINGLE_COIL):
                return self.write_relay(request)
            case WriteMany(Function.WRITE_MULTIPLE_COILS):
                return self.write_relays(request)
            case WriteOne() | WriteMany():
                return self.configure(request, self._settings, _allowed, self.on_request)
            case Identify():
                return self.identify(request)
        raise ModbusRefusal(ExceptionCode.ILLEGAL_FUNCTION)

    def on_request(self) -> None:
        """Restart its time-out."""
        if self._safe_mode:
            self._safe_mode.cancel()
            self._safe_mode = None
        if timeout_s := self._settings[SAFE_MODE_TIMEOUT]:
            self._safe_mode = self.timeline.call_at(
                self.timeline.now_s + timeout_s, lambda: self.relays.release(Cause.WATCHDOG)
            )

    def on_power_lost(self) -> None:
        """See `ModbusBoard`; it stores the state of the relays."""
        self._before_cut = list(self.relays.coils)
        if self._safe_mode:
            self._safe_mode.cancel()
        super().on_power_lost()

    def on_power_restored(self) -> None:
        """See `ModbusBoard`; it restores the relays if so configured."""
        super().on_power_restored()
        if self._settings[RESTORE]:
            for relay, on in enumerate(self._before_cut):
                self.relays.set(relay, on, Cause.POWER)
        self.on_request()


def _allowed(address: int, value: int) -> bool:
    return value <= 1 if address == RESTORE else True
