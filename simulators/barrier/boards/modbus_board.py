"""Common behaviour of relay and input boards on a Modbus bus: parse requests, execute them, answer."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from simulators.barrier.boards.relays import RelayBank
from simulators.barrier.modbus.pdu import (
    ExceptionCode,
    Identify,
    ModbusRefusal,
    Read,
    Request,
    WriteMany,
    WriteOne,
    bits_answer,
    identification_answer,
    registers_answer,
    write_answer,
)
from simulators.barrier.timeline import Timeline
from simulators.barrier.wirelog import Cause, Effect, WireLog

ON, OFF, TOGGLE = 0xFF00, 0x0000, 0x5500


@dataclass(frozen=True, slots=True)
class BoardOperation:
    """The planned execution of a request."""

    effect: Effect
    meaning: str
    perform: Callable[[int], bytes]
    """Executes it and returns the answer's PDU; takes the number of the request's frame."""


class ModbusBoard(ABC):
    """One board. Boards keep the state that the data sheet says they keep without power; relays lose it."""

    model: ClassVar[str]

    def __init__(
        self, unit: int, relays: int, inputs: int, timeline: Timeline, log: WireLog, baud: int = 9600
    ) -> None:
        self.unit = unit
        self.baud = baud
        """Baud rate of the board on a serial line."""
        self.relays = RelayBank(unit, relays, timeline, log)
        self.inputs = inputs
        self.timeline = timeline
        self.is_powered = True
        self.sense: Callable[[int], bool] = lambda _channel: False
        """True if the circuit at an input is closed; set by the wiring."""

    @abstractmethod
    def plan_request(self, request: Request) -> BoardOperation:
        """Return the execution of a request; raise ModbusRefusal as the board would."""

    def answers_broadcast(self, pdu: bytes) -> bool:  # noqa: ARG002 - some boards look at it
        """Return whether it answers this broadcast request."""
        return False

    def on_request(self) -> None:  # noqa: B027 - most boards have no watchdog
        """Note a request for this board, which restarts its watchdog, if it has one."""

    def on_input_changed(self, channel: int, closed: bool) -> None:  # noqa: B027 - most boards only tell
        """Handle a circuit at an input that has closed or opened."""

    def on_power_lost(self) -> None:
        """Handle a loss of supply: relays are released."""
        self.is_powered = False
        self.relays.release(Cause.POWER)

    def on_power_restored(self) -> None:
        """Handle the return of the supply."""
        self.is_powered = True

    # Functions common to the boards.

    def identify(self, request: Identify) -> BoardOperation:
        """Refuse device identification: none of these boards supports it."""
        objects = {0: "borderpost simulators", 1: self.model, 2: "SIM"}
        answer = identification_answer(request, objects)
        return BoardOperation(Effect.NONE, "device identification", lambda _number: answer)

    def read_relays(self, request: Read, base: int = 0) -> BoardOperation:
        """Read the coils."""
        found = _slice(self.relays.coils, request, base)
        span = _span("relay", request.address - base, request.count)
        return BoardOperation(Effect.NONE, f"read {span}", lambda _number: bits_answer(request, found()))

    def read_inputs(self, request: Read, base: int = 0) -> BoardOperation:
        """Read the inputs, 1 where the circuit is closed."""
        first = request.address - base
        if not 0 <= first <= first + request.count <= self.inputs:
            raise ModbusRefusal(ExceptionCode.ILLEGAL_DATA_ADDRESS)
        channels = range(first, first + request.count)
        return BoardOperation(
            Effect.NONE,
            f"read {_span('input', first, request.count)}",
            lambda _number: bits_answer(request, [self.sense(channel) for channel in channels]),
        )

    def read_registers(self, request: Read, registers: Mapping[int, int]) -> BoardOperation:
        """Read registers that are all in the table."""
        states = range(request.address, request.address + request.count)
        if not all(address in registers for address in states):
            raise ModbusRefusal(ExceptionCode.ILLEGAL_DATA_ADDRESS)
        return BoardOperation(
            Effect.NONE,
            f"read {_span('register', request.address, request.count)}",
            lambda _number: registers_answer(request, [registers[address] for address in states]),
        )

    def write_relay(self, request: WriteOne, base: int = 0) -> BoardOperation:
        """Execute function 05 with FF00 or 0000."""
        relay = request.address - base
        if not 0 <= relay < len(self.relays):
            raise ModbusRefusal(ExceptionCode.ILLEGAL_DATA_ADDRESS)
        if request.value not in (ON, OFF):
            raise ModbusRefusal(ExceptionCode.ILLEGAL_DATA_VALUE)
        return self.switch(request, {relay: request.value == ON})

    def write_relays(self, request: WriteMany, base: int = 0) -> BoardOperation:
        """Execute function 0F."""
        first = request.address - base
        if not 0 <= first <= first + len(request.values) <= len(self.relays):
            raise ModbusRefusal(ExceptionCode.ILLEGAL_DATA_ADDRESS)
        return self.switch(request, {first + n: bool(value) for n, value in enumerate(request.values)})

    def switch(self, request: WriteOne | WriteMany, states: Mapping[int, bool]) -> BoardOperation:
        """Switch relays on and off."""

        def perform(number: int) -> bytes:
            for relay, on in states.items():
                self.relays.set(relay, on, Cause.COMMAND, number)
            return write_answer(request)

        meaning = ", ".join(f"relay {relay} {'on' if on else 'off'}" for relay, on in states.items())
        return BoardOperation(Effect.ENERGISE if any(states.values()) else Effect.RELEASE, meaning, perform)

    def configure(
        self,
        request: WriteOne | WriteMany,
        registers: dict[int, int],
        allowed: Callable[[int, int], bool],
        then: Callable[[], None] = lambda: None,
    ) -> BoardOperation:
        """Execute functions 06 and 10 into registers that may be written with these values."""
        values = (request.value,) if isinstance(request, WriteOne) else request.values
        written = {request.address + n: value for n, value in enumerate(values)}
        if not all(address in registers for address in written):
            raise ModbusRefusal(ExceptionCode.ILLEGAL_DATA_ADDRESS)
        if not all(allowed(address, value) for address, value in written.items()):
            raise ModbusRefusal(ExceptionCode.ILLEGAL_DATA_VALUE)

        def perform(_number: int) -> bytes:
            registers.update(written)
            then()
            return write_answer(request)

        meaning = ", ".join(f"register 0x{address:04x} := {value}" for address, value in written.items())
        return BoardOperation(Effect.CONFIGURE, meaning, perform)


def _slice(bits: Sequence[bool], request: Read, base: int) -> Callable[[], Sequence[bool]]:
    first = request.address - base
    if not 0 <= first <= first + request.count <= len(bits):
        raise ModbusRefusal(ExceptionCode.ILLEGAL_DATA_ADDRESS)
    return lambda: bits[first : first + request.count]


def _span(what: str, first: int, count: int) -> str:
    return f"{what} {first}" if count == 1 else f"{what}s {first} to {first + count - 1}"
