"""Wiren Board's relay modules with six relays and seven inputs (WB-MR6C), which cannot time a pulse.

Source: the maker's wiki and its public template of this model: holding register 8 is the safe mode time-out
in seconds (0: off); without a request for so long, each output whose register from 938 is 1 takes the state
in its register from 930, and the others stay as they are. Register 6 says whether relays are restored after
power. Inputs 1 to 6 are discrete inputs 0 to 5, input 0 is discrete input 7, and there is none at 6.
Registers 9 to 14 and 16 are the modes of inputs 1 to 6 and 0: in most of them an input drives outputs.
Register 128 is its address, 200 its model; the rest
of its map is omitted. An input in mode 0 toggles the output of its number, in mode 1 the output follows it;
other modes have no effect here.
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
INPUT_MODES, INPUT_0_MODE, SAFE_STATES, IN_SAFE_MODE = 9, 16, 930, 938
RELAYS = 6
INPUT_0, INPUT_0_ADDRESS = 6, 7
"""Channel of input 0 here, after inputs 1 to 6, and its address on the bus."""
BUTTON, SWITCH, ALL_OFF, NO_CONTROL = range(4)
"""Modes of inputs."""


class WirenBoard(ModbusBoard):
    """The module with factory settings: no safe mode, relays off after power."""

    model: ClassVar[str] = "wirenboard-6"

    def __init__(self, unit: int, timeline: Timeline, log: WireLog, *, baud: int = 9600) -> None:
        super().__init__(unit, 6, 7, timeline, log, baud)
        self._settings = {RESTORE: 0, SAFE_MODE_TIMEOUT: 0, INPUT_0_MODE: ALL_OFF}
        for first, value, count in (
            (INPUT_MODES, BUTTON, RELAYS),
            (SAFE_STATES, 0, RELAYS),
            (IN_SAFE_MODE, 0, RELAYS),
        ):
            self._settings |= dict.fromkeys(range(first, first + count), value)
        self._plate = {ADDRESS: unit} | {SIGNATURE + n: ord(letter) for n, letter in enumerate("WBMR6C")}
        self._before_cut = list(self.relays.coils)
        self._safe_mode: TimerHandle | None = None

    def set_up(self, watchdog_s: int = 1) -> None:
        """Set it up for a barrier: its safe mode opens relays, and no input drives one."""
        self._settings |= {SAFE_MODE_TIMEOUT: watchdog_s, INPUT_0_MODE: NO_CONTROL}
        self._settings |= dict.fromkeys(range(INPUT_MODES, INPUT_MODES + RELAYS), NO_CONTROL)
        self._settings |= dict.fromkeys(range(IN_SAFE_MODE, IN_SAFE_MODE + RELAYS), 1)
        self.on_request()

    def on_input_changed(self, channel: int, closed: bool) -> None:
        """Switch the output of the input's number, in modes that do so."""
        mode = self._settings.get(INPUT_MODES + channel, NO_CONTROL) if channel < RELAYS else NO_CONTROL
        if not self.is_powered or mode not in (BUTTON, SWITCH) or (mode == BUTTON and not closed):
            return
        on = closed if mode == SWITCH else not self.relays.coils[channel]
        self.relays.set(channel, on, Cause.INPUT)

    def plan_request(self, request: Request) -> BoardOperation:
        """See `ModbusBoard`."""
        match request:
            case Read(Function.READ_COILS):
                return self.read_relays(request)
            case Read(Function.READ_DISCRETE_INPUTS):
                if request.address == INPUT_0_ADDRESS:
                    return self.read_inputs(request, INPUT_0_ADDRESS - INPUT_0)
                if request.address + request.count > INPUT_0:
                    raise ModbusRefusal(ExceptionCode.ILLEGAL_DATA_ADDRESS)
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
            self._safe_mode = self.timeline.call_at(self.timeline.now_s + timeout_s, self._enter_safe_mode)

    def _enter_safe_mode(self) -> None:
        for relay in range(RELAYS):
            if self._settings[IN_SAFE_MODE + relay]:
                self.relays.set(relay, bool(self._settings[SAFE_STATES + relay]), Cause.WATCHDOG)

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
