"""Modbus messages without their framing: requests read and written, answers, exceptions. Pure.

Source: *Modbus Application Protocol Specification* V1.1b3, sections 4 to 7. A request is parsed as far as all
devices agree; the board interprets its addresses and values, because boards differ there (the value of
function 05 need not be FF00 or 0000).
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

PDU_MAX = 253
BROADCAST = 0


class Function(IntEnum):
    """The functions of relay and input boards."""

    READ_COILS = 0x01
    READ_DISCRETE_INPUTS = 0x02
    READ_HOLDING_REGISTERS = 0x03
    READ_INPUT_REGISTERS = 0x04
    WRITE_SINGLE_COIL = 0x05
    WRITE_SINGLE_REGISTER = 0x06
    WRITE_MULTIPLE_COILS = 0x0F
    WRITE_MULTIPLE_REGISTERS = 0x10
    READ_DEVICE_IDENTIFICATION = 0x2B


class ExceptionCode(IntEnum):
    """Reasons for a refusal."""

    ILLEGAL_FUNCTION = 1
    ILLEGAL_DATA_ADDRESS = 2
    ILLEGAL_DATA_VALUE = 3
    SERVER_DEVICE_FAILURE = 4
    ACKNOWLEDGE = 5
    SERVER_DEVICE_BUSY = 6


class ModbusRefusal(Exception):  # noqa: N818 - an answer, not a fault
    """A refusal with its code."""

    def __init__(self, code: ExceptionCode) -> None:
        super().__init__(code.name.lower().replace("_", " "))
        self.code = code


@dataclass(frozen=True, slots=True)
class Read:
    """Functions 01 to 04."""

    function: Function
    address: int
    count: int

    @property
    def of_bits(self) -> bool:
        """True if it reads bits rather than registers."""
        return self.function <= Function.READ_DISCRETE_INPUTS


@dataclass(frozen=True, slots=True)
class WriteOne:
    """Functions 05 and 06; the value is the received 16 bits."""

    function: Function
    address: int
    value: int


@dataclass(frozen=True, slots=True)
class WriteMany:
    """Functions 0F, values 0 and 1, and 10, values of 16 bits."""

    function: Function
    address: int
    values: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Identify:
    """Function 2B/0E: device identification. `code` 1 basic, 2 regular, 3 extended, 4 one object."""

    code: int
    object_id: int


Request = Read | WriteOne | WriteMany | Identify

_BITS = (Function.READ_COILS, Function.READ_DISCRETE_INPUTS)
_READS = (*_BITS, Function.READ_HOLDING_REGISTERS, Function.READ_INPUT_REGISTERS)
_MEI_IDENTIFICATION = 0x0E
_MOST = {True: 2000, False: 125}
"""Maximum number of bits, or registers, of one read."""
_MOST_WRITTEN = {Function.WRITE_MULTIPLE_COILS: 1968, Function.WRITE_MULTIPLE_REGISTERS: 123}


def pack_bits(bits: Sequence[int]) -> bytes:
    """Pack bits as in Modbus: the first is the lowest of the first byte."""
    packed = bytearray((len(bits) + 7) // 8)
    for index, bit in enumerate(bits):
        packed[index // 8] |= bool(bit) << index % 8
    return bytes(packed)


def unpack_bits(data: bytes, count: int) -> tuple[int, ...]:
    """Return the first `count` bits; the rest is padding."""
    return tuple(data[index // 8] >> index % 8 & 1 for index in range(count))


def read_request(pdu: bytes) -> Request:
    """Parse a request; raise ModbusRefusal, as every device does, if it is invalid."""
    try:
        function = Function(pdu[0])
    except (IndexError, ValueError):
        raise ModbusRefusal(ExceptionCode.ILLEGAL_FUNCTION) from None
    try:
        return _read_request(function, pdu[1:])
    except struct.error:  # too short or too long for its function
        raise ModbusRefusal(ExceptionCode.ILLEGAL_DATA_VALUE) from None


def _read_request(function: Function, data: bytes) -> Request:
    if function in _READS:
        address, count = struct.unpack(">HH", data)
        _check(address, count, _MOST[function in _BITS])
        return Read(function, address, count)
    if function in (Function.WRITE_SINGLE_COIL, Function.WRITE_SINGLE_REGISTER):
        return WriteOne(function, *struct.unpack(">HH", data))
    if function is Function.READ_DEVICE_IDENTIFICATION:
        mei, code, object_id = struct.unpack(">BBB", data)
        if mei != _MEI_IDENTIFICATION:
            raise ModbusRefusal(ExceptionCode.ILLEGAL_FUNCTION)
        return Identify(code, object_id)
    address, count, size = struct.unpack(">HHB", data[:5])
    _check(address, count, _MOST_WRITTEN[function])
    values = data[5:]
    coils = function is Function.WRITE_MULTIPLE_COILS
    if not len(values) == size == ((count + 7) // 8 if coils else count * 2):
        raise ModbusRefusal(ExceptionCode.ILLEGAL_DATA_VALUE)
    written = unpack_bits(values, count) if coils else struct.unpack(f">{count}H", values)
    return WriteMany(function, address, written)


def _check(address: int, count: int, most: int) -> None:
    if not 1 <= count <= most:
        raise ModbusRefusal(ExceptionCode.ILLEGAL_DATA_VALUE)
    if address + count > 0x10000:
        raise ModbusRefusal(ExceptionCode.ILLEGAL_DATA_ADDRESS)


def request_pdu(request: Request) -> bytes:
    """Encode a request as a host sends it."""
    match request:
        case Read(function, address, count):
            return struct.pack(">BHH", function, address, count)
        case WriteOne(function, address, value):
            return struct.pack(">BHH", function, address, value)
        case WriteMany(Function.WRITE_MULTIPLE_COILS as function, address, values):
            packed = pack_bits(values)
            return struct.pack(">BHHB", function, address, len(values), len(packed)) + packed
        case WriteMany(function, address, values):
            count = len(values)
            return struct.pack(f">BHHB{count}H", function, address, count, 2 * count, *values)
        case Identify(code, object_id):
            return bytes([Function.READ_DEVICE_IDENTIFICATION, _MEI_IDENTIFICATION, code, object_id])


def request_size(start: bytes) -> int | None:
    """Return the length of a request's PDU from its first bytes; None if that is not yet known."""
    if not start:
        return None
    if 0x01 <= start[0] <= 0x06:
        return 5
    if start[0] == Function.READ_DEVICE_IDENTIFICATION:
        return 4
    if start[0] in (Function.WRITE_MULTIPLE_COILS, Function.WRITE_MULTIPLE_REGISTERS) and len(start) > 5:
        return 6 + start[5]
    return None


def bits_answer(request: Read, bits: Sequence[int]) -> bytes:
    """Encode the answer to functions 01 and 02."""
    packed = pack_bits(bits)
    return bytes([request.function, len(packed)]) + packed


def registers_answer(request: Read, registers: Sequence[int]) -> bytes:
    """Encode the answer to functions 03 and 04."""
    return struct.pack(f">BB{len(registers)}H", request.function, 2 * len(registers), *registers)


def write_answer(request: WriteOne | WriteMany) -> bytes:
    """Encode the answer to an executed write: it repeats the request, without several values."""
    match request:
        case WriteOne():
            return request_pdu(request)
        case WriteMany(function, address, values):
            return struct.pack(">BHH", function, address, len(values))


def identification_answer(request: Identify, objects: dict[int, str]) -> bytes:
    """Encode the answer to 2B/0E with these objects, which all fit one answer."""
    if request.code == 4:
        if request.object_id not in objects:
            raise ModbusRefusal(ExceptionCode.ILLEGAL_DATA_ADDRESS)
        chosen = {request.object_id: objects[request.object_id]}
    elif 1 <= request.code <= 3:
        chosen = {key: text for key, text in objects.items() if key >= request.object_id} or objects
    else:
        raise ModbusRefusal(ExceptionCode.ILLEGAL_DATA_VALUE)
    # Conformity 81: basic identification, as a stream or object by object. Nothing follows.
    head = bytes([0x2B, _MEI_IDENTIFICATION, request.code, 0x81, 0, 0, len(chosen)])
    return head + b"".join(bytes([key, len(text)]) + text.encode() for key, text in chosen.items())


def exception_answer(function: int, code: int) -> bytes:
    """Encode a refusal."""
    return bytes([function | 0x80, code])


def read_answer(request: Request, pdu: bytes) -> tuple[int, ...]:
    """Return the values of an answer to `request`: bits, registers, or nothing for an executed write.

    For hosts. Raises ModbusRefusal for a refusal and ValueError if it does not answer that request.
    """
    function_code = request_pdu(request)[0]
    if len(pdu) == 2 and pdu[0] == function_code | 0x80:
        raise ModbusRefusal(ExceptionCode(pdu[1]))
    match request:
        case Read(function, _, count):
            size = (count + 7) // 8 if request.of_bits else 2 * count
            if pdu[:2] != bytes([function, size]) or len(pdu) != 2 + size:
                raise ValueError("not the answer to this read")
            data = pdu[2:]
            return unpack_bits(data, count) if request.of_bits else struct.unpack(f">{count}H", data)
        case WriteOne() | WriteMany():
            if pdu != write_answer(request):
                raise ValueError("not the answer to this write")
        case Identify(code):
            if pdu[:3] != bytes([0x2B, _MEI_IDENTIFICATION, code]):
                raise ValueError("not an identification")
    return ()
