"""A board with a configurable map, for makes that have no module here."""

from typing import ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

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
    registers_answer,
    write_answer,
)
from simulators.barrier.timeline import Timeline, TimerHandle
from simulators.barrier.wirelog import Cause, Effect, WireLog

_INPUTS_BY = {
    "coils": Function.READ_COILS,
    "discrete-inputs": Function.READ_DISCRETE_INPUTS,
    "input-register": Function.READ_INPUT_REGISTERS,
    "holding-register": Function.READ_HOLDING_REGISTERS,
}


class GenericMap(BaseModel):
    """Addresses and functions of such a board."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    relays: int = Field(default=8, ge=0, le=64, description="Number of relays.")
    inputs: int = Field(default=8, ge=0, le=64, description="Number of inputs.")
    relays_at: int = Field(default=0, ge=0, le=0xFF00, description="Address of the first coil.")
    inputs_at: int = Field(default=0, ge=0, le=0xFF00, description="Address of the first input.")
    inputs_as: Literal["discrete-inputs", "coils", "input-register", "holding-register"] = Field(
        default="discrete-inputs",
        description="One bit per input, or all of them in registers of 16, the lowest bit first.",
    )
    pulse_at: int | None = Field(
        default=None,
        ge=0,
        le=0xFF00,
        description="Holding register of the first relay's pulse; the value written is its duration.",
    )
    pulse_unit_s: float = Field(default=0.1, gt=0, description="Seconds per unit of that register.")
    watchdog_at: int | None = Field(
        default=None,
        ge=0,
        le=0xFFFF,
        description="Holding register with the time-out after which relays are released.",
    )
    watchdog_unit_s: float = Field(
        default=1.0, gt=0, description="Seconds per unit of that register; a value of 0 is off."
    )

    @model_validator(mode="after")
    def _coils_apart(self) -> Self:
        apart = (
            self.inputs_at >= self.relays_at + self.relays or self.relays_at >= self.inputs_at + self.inputs
        )
        if self.inputs_as == "coils" and self.relays and self.inputs and not apart:
            raise ValueError("relays and inputs are the same coils: set input_address")
        return self


class Generic(ModbusBoard):
    """The board."""

    model: ClassVar[str] = "generic"

    def __init__(
        self, unit: int, layout: GenericMap, timeline: Timeline, log: WireLog, *, baud: int = 9600
    ) -> None:
        super().__init__(unit, layout.relays, layout.inputs, timeline, log, baud)
        self.map = layout
        self._registers = {} if layout.watchdog_at is None else {layout.watchdog_at: 0}
        self._watchdog: TimerHandle | None = None

    def plan_request(self, request: Request) -> BoardOperation:
        """See `ModbusBoard`."""
        match request:
            case Read():
                return self._read(request)
            case WriteOne(Function.WRITE_SINGLE_COIL):
                return self.write_relay(request, self.map.relays_at)
            case WriteMany(Function.WRITE_MULTIPLE_COILS):
                return self.write_relays(request, self.map.relays_at)
            case WriteOne() if self._pulsed(request.address) is not None:
                return self._pulse(request)
            case WriteOne() | WriteMany() if self._registers:
                return self.configure(
                    request, self._registers, lambda _address, _value: True, self.on_request
                )
            case Identify():
                return self.identify(request)
        raise ModbusRefusal(ExceptionCode.ILLEGAL_FUNCTION)

    def on_request(self) -> None:
        """Restart the watchdog."""
        if self._watchdog:
            self._watchdog.cancel()
            self._watchdog = None
        if any(self._registers.values()):
            (units,) = self._registers.values()
            self._watchdog = self.timeline.call_at(
                self.timeline.now_s + units * self.map.watchdog_unit_s,
                lambda: self.relays.release(Cause.WATCHDOG),
            )

    def _read(self, request: Read) -> BoardOperation:
        first, last = self.map.inputs_at, self.map.inputs_at + self.inputs
        if request.function is _INPUTS_BY[self.map.inputs_as]:
            if not request.of_bits and first <= request.address < first + (self.inputs + 15) // 16:
                return self._read_packed(request)
            if request.of_bits and first <= request.address < last:
                return self.read_inputs(request, first)
        if request.function is Function.READ_COILS:
            return self.read_relays(request, self.map.relays_at)
        if request.function is Function.READ_HOLDING_REGISTERS and self._registers:
            return self.read_registers(request, self._registers)
        if request.function in (_INPUTS_BY[self.map.inputs_as], Function.READ_HOLDING_REGISTERS):
            raise ModbusRefusal(ExceptionCode.ILLEGAL_DATA_ADDRESS)
        raise ModbusRefusal(ExceptionCode.ILLEGAL_FUNCTION)

    def _read_packed(self, request: Read) -> BoardOperation:
        first, words = request.address - self.map.inputs_at, (self.inputs + 15) // 16
        if first + request.count > words:
            raise ModbusRefusal(ExceptionCode.ILLEGAL_DATA_ADDRESS)

        def perform(_number: int) -> bytes:
            packed = sum(self.sense(channel) << channel for channel in range(self.inputs))
            return registers_answer(
                request, [packed >> 16 * (first + n) & 0xFFFF for n in range(request.count)]
            )

        return BoardOperation(Effect.NONE, "read all inputs", perform)

    def _pulsed(self, address: int) -> int | None:
        if self.map.pulse_at is None or not 0 <= address - self.map.pulse_at < len(self.relays):
            return None
        return address - self.map.pulse_at

    def _pulse(self, request: WriteOne) -> BoardOperation:
        relay = self._pulsed(request.address)
        assert relay is not None
        seconds = request.value * self.map.pulse_unit_s
        if not request.value:
            return self.switch(request, {relay: False})

        def perform(number: int) -> bytes:
            self.relays.pulse(relay, True, seconds, number)
            return write_answer(request)

        return BoardOperation(Effect.ENERGISE, f"relay {relay} on for {seconds:.1f} s", perform)
