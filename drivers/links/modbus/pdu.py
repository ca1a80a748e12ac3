"""Modbus messages without their framing, as seen by a client. Pure.

Source: *Modbus Application Protocol Specification* V1.1b3, sections 4 to 7. The value of function 05 is a
number here: boards with a timed pulse accept more than on and off.
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
    """Functions used with relay and input boards."""

    READ_COILS = 0x01
    READ_INPUTS = 0x02
    READ_HOLDING_REGISTERS = 0x03
    READ_INPUT_REGISTERS = 0x04
    WRITE_COIL = 0x05
    WRITE_REGISTER = 0x06
    WRITE_COILS = 0x0F
    IDENTIFY = 0x2B


_MEANINGS = {
    1: "it does not support the function",
    2: "it has no such address",
    3: "it does not accept the value",
    4: "the execution failed",
    5: "the execution takes longer",
    6: "it is busy with another request",
    8: "its memory is damaged",
    10: "the gateway path to it is not configured",
    11: "it did not respond to the converter before it",
}
_UNKNOWN_THERE = frozenset({1, 2, 3})
_NOTHING_DONE = _UNKNOWN_THERE | {6, 10}
_FOR_NOW = frozenset({5, 6, 11})


class ModbusExceptionResponse(Exception):  # noqa: N818 - an answer, not a fault
    """Exception response of a board."""

    def __init__(self, code: int) -> None:
        super().__init__(f"{_MEANINGS.get(code, 'it gives no reason')} (Modbus exception {code})")
        self.code = code
        self.is_before_execution = code in _NOTHING_DONE
        """True for a code that is given before any execution; other codes report a failed execution."""
        self.is_wrong_board = code in _UNKNOWN_THERE
        """True for a code that the right board never gives for a mandatory address."""
        self.is_temporary = code in _FOR_NOW
        """True if a retry may succeed."""


class ModbusRequest(Protocol[AnswerT_co]):
    """One request to a board."""

    @property
    def pdu(self) -> bytes:
        """The encoded request."""
        ...

    @property
    def response_bytes(self) -> int:
        """Length of the PDU of its response."""
        ...

    @property
    def is_write(self) -> bool:
        """True if the request changes something."""
        ...

    def parse_response(self, answer: bytes) -> AnswerT_co | None:
        """Parse the PDU of a response; None if it does not belong to this request."""
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
        """See `ModbusRequest`."""
        return struct.pack(">BHH", self.function, self.address, self.count)

    @property
    def response_bytes(self) -> int:
        """See `ModbusRequest`."""
        return 2 + (self.count + 7) // 8

    def parse_response(self, answer: bytes) -> tuple[bool, ...] | None:
        """Return the bits in order; padding of the last byte is ignored."""
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
        """See `ModbusRequest`."""
        return struct.pack(">BHH", self.function, self.address, self.count)

    @property
    def response_bytes(self) -> int:
        """See `ModbusRequest`."""
        return 2 + 2 * self.count

    def parse_response(self, answer: bytes) -> tuple[int, ...] | None:
        """Return the registers, 16 bits each."""
        if answer[:2] != bytes([self.function, 2 * self.count]) or len(answer) != self.response_bytes:
            return None
        return struct.unpack(f">{self.count}H", answer[2:])


@dataclass(frozen=True, slots=True)
class WriteSingle:
    """Functions 05 and 06; the value is the one on the line, 16 bits."""

    function: Function
    address: int
    value: int
    response_bytes = 5
    is_write = True

    @property
    def pdu(self) -> bytes:
        """See `ModbusRequest`."""
        return struct.pack(">BHH", self.function, self.address, self.value)

    def parse_response(self, answer: bytes) -> bool | None:
        """Return True when executed: the response repeats the request."""
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
        """See `ModbusRequest`."""
        packed = bytearray((len(self.values) + 7) // 8)
        for n, value in enumerate(self.values):
            packed[n // 8] |= value << n % 8
        return self._head + bytes([len(packed)]) + packed

    @property
    def _head(self) -> bytes:
        return struct.pack(">BHH", Function.WRITE_COILS, self.address, len(self.values))

    def parse_response(self, answer: bytes) -> bool | None:
        """Return True when executed: the response repeats address and count."""
        return True if answer == self._head else None


@dataclass(frozen=True, slots=True)
class Identify:
    """Function 2B/0E, basic: vendor, product and version. The length of its response is not predictable."""

    response_bytes = 0
    is_write = False
    pdu = bytes([Function.IDENTIFY, _IDENTIFICATION, 1, 0])

    def parse_response(self, answer: bytes) -> tuple[str, ...] | None:
        """Return vendor, product and version, as far as given."""
        if answer[:3] != self.pdu[:3] or len(answer) < 7:
            return None
        objects, at = [], 7
        while at + 2 <= len(answer):
            size = answer[at + 1]
            objects.append(answer[at + 2 : at + 2 + size].decode("latin-1"))
            at += 2 + size
        return tuple(objects)


def parse_response(request: ModbusRequest[AnswerT], answer: bytes) -> AnswerT | None:
    """Parse a response; None if it does not belong to this request. Raises ModbusExceptionResponse."""
    if len(answer) == 2 and answer[0] == request.pdu[0] | EXCEPTION:
        raise ModbusExceptionResponse(answer[1])
    return request.parse_response(answer)
