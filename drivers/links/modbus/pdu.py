"""Modbus messages without their framing, as a host says and understands them. Pure.

Source: *Modbus Application Protocol Specification* V1.1b3, sections 4 to 7. The value of function 05 is a
number here: boards with a timed pulse take more than on and off.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol, TypeVar

AnswerT = TypeVar("AnswerT")
AnswerT_co = TypeVar("AnswerT_co", covariant=True)
PDU_MAX = 253
ON, OFF = 0xFF00, 0x0000
EXCEPTION = 0x80
_IDENTIFICATION = 0x0E


class Function(IntEnum):
    """The functions that relay and input boards are spoken to with."""

    READ_COILS = 0x01
    READ_INPUTS = 0x02
    READ_HOLDING_REGISTERS = 0x03
    READ_INPUT_REGISTERS = 0x04
    WRITE_COIL = 0x05
    WRITE_REGISTER = 0x06
    WRITE_COILS = 0x0F
    IDENTIFY = 0x2B


_MEANINGS = {
    1: "it does not know the function",
    2: "it has no such address",
    3: "it does not take the value",
    4: "it failed in doing it",
    5: "it is still at it",
    6: "it is busy with another command",
    8: "its memory is damaged",
    10: "the way to it is not configured",
    11: "it did not answer the converter before it",
}
_UNKNOWN_THERE = frozenset({1, 2, 3})
_NOTHING_DONE = _UNKNOWN_THERE | {6, 10}
_FOR_NOW = frozenset({5, 6, 11})


class ModbusExceptionResponse(Exception):  # noqa: N818 - an answer, not a fault
    """The board answered with an exception."""

    def __init__(self, code: int) -> None:
        super().__init__(f"{_MEANINGS.get(code, 'it does not say why')} (Modbus exception {code})")
        self.code = code
        self.is_before_execution = code in _NOTHING_DONE
        """Whether that code is given before anything is done; others tell of what went wrong in doing it."""
        self.is_wrong_board = code in _UNKNOWN_THERE
        """Whether a board that is asked for what it must have would not say that."""
        self.is_temporary = code in _FOR_NOW
        """Whether it may well answer the next time."""


class ModbusRequest(Protocol[AnswerT_co]):
    """What a board can be asked."""

    @property
    def pdu(self) -> bytes:
        """It, as it is sent."""
        ...

    @property
    def response_bytes(self) -> int:
        """How long the PDU of its answer is."""
        ...

    @property
    def is_write(self) -> bool:
        """Whether it asks for more than to be told something."""
        ...

    def parse_response(self, answer: bytes) -> AnswerT_co | None:
        """What the PDU of an answer says; None if it does not answer this."""
        ...


@dataclass(frozen=True, slots=True)
class ReadBits:
    """Functions 01 and 02."""

    function: Function
    address: int
    count: int
    is_write = False

    @property
    def pdu(self) -> bytes:
        """See `Request`."""
        return struct.pack(">BHH", self.function, self.address, self.count)

    @property
    def response_bytes(self) -> int:
        """See `Request`."""
        return 2 + (self.count + 7) // 8

    def parse_response(self, answer: bytes) -> tuple[bool, ...] | None:
        """The bits in their order; what fills up the last byte is not looked at."""
        if (
            answer[:2] != bytes([self.function, self.response_bytes - 2])
            or len(answer) != self.response_bytes
        ):
            return None
        return tuple(bool(answer[2 + n // 8] >> n % 8 & 1) for n in range(self.count))


@dataclass(frozen=True, slots=True)
class ReadRegisters:
    """Functions 03 and 04."""

    function: Function
    address: int
    count: int
    is_write = False

    @property
    def pdu(self) -> bytes:
        """See `Request`."""
        return struct.pack(">BHH", self.function, self.address, self.count)

    @property
    def response_bytes(self) -> int:
        """See `Request`."""
        return 2 + 2 * self.count

    def parse_response(self, answer: bytes) -> tuple[int, ...] | None:
        """The registers, 16 bits each."""
        if answer[:2] != bytes([self.function, 2 * self.count]) or len(answer) != self.response_bytes:
            return None
        return struct.unpack(f">{self.count}H", answer[2:])


@dataclass(frozen=True, slots=True)
class WriteSingle:
    """Functions 05 and 06; the value is what stands on the wire, 16 bits."""

    function: Function
    address: int
    value: int
    response_bytes = 5
    is_write = True

    @property
    def pdu(self) -> bytes:
        """See `Request`."""
        return struct.pack(">BHH", self.function, self.address, self.value)

    def parse_response(self, answer: bytes) -> bool | None:
        """Whether it is done: the answer repeats the request."""
        return True if answer == self.pdu else None


@dataclass(frozen=True, slots=True)
class WriteCoils:
    """Function 0F."""

    address: int
    values: Sequence[bool]
    response_bytes = 5
    is_write = True

    @property
    def pdu(self) -> bytes:
        """See `Request`."""
        packed = bytearray((len(self.values) + 7) // 8)
        for n, value in enumerate(self.values):
            packed[n // 8] |= value << n % 8
        return self._head + bytes([len(packed)]) + packed

    @property
    def _head(self) -> bytes:
        return struct.pack(">BHH", Function.WRITE_COILS, self.address, len(self.values))

    def parse_response(self, answer: bytes) -> bool | None:
        """Whether it is done: the answer repeats address and count."""
        return True if answer == self._head else None


@dataclass(frozen=True, slots=True)
class Identify:
    """Function 2B/0E, basic: maker, product and version. Its answer has no length that could be foretold."""

    response_bytes = 0
    is_write = False
    pdu = bytes([Function.IDENTIFY, _IDENTIFICATION, 1, 0])

    def parse_response(self, answer: bytes) -> tuple[str, ...] | None:
        """Maker, product and version, as far as it tells."""
        if answer[:3] != self.pdu[:3] or len(answer) < 7:
            return None
        objects, at = [], 7
        while at + 2 <= len(answer):
            size = answer[at + 1]
            objects.append(answer[at + 2 : at + 2 + size].decode("latin-1"))
            at += 2 + size
        return tuple(objects)


def parse_response(request: ModbusRequest[AnswerT], answer: bytes) -> AnswerT | None:
    """What an answer says; None if it is none to this request. Raises ModbusRefused."""
    if len(answer) == 2 and answer[0] == request.pdu[0] | EXCEPTION:
        raise ModbusExceptionResponse(answer[1])
    return request.parse_response(answer)
