"""Framing of Modbus messages: numbered over TCP, with a CRC on a serial line. Pure.

Sources: *Modbus Messaging on TCP/IP Implementation Guide* V1.0b, section 3.1.3; *Modbus over Serial Line
Specification* V1.02, sections 2.5.1 and 6.2.2.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from drivers.links.modbus.pdu import EXCEPTION, PDU_MAX, ModbusRequest

HEADER = 7
CHARACTER_BITS = 11
"""Start, eight data bits, parity or a second stop, stop: a character as the specification counts it."""


class StreamDesynchronised(Exception):  # noqa: N818 - what it is, is for the link to say
    """Bytes that are not a header: the begin of the next message is unknown."""


@dataclass(frozen=True, slots=True)
class TcpMessage:
    """A message over TCP."""

    number: int
    unit: int
    pdu: bytes


def tcp_frame(number: int, unit: int, pdu: bytes) -> bytes:
    """Encode a message; `number` comes back with the response."""
    return struct.pack(">HHHB", number, 0, len(pdu) + 1, unit) + pdu


class TcpMessageReader:
    """Extracts messages from a stream that may be cut anywhere."""

    def __init__(self) -> None:
        self._pending = b""

    def feed(self, chunk: bytes) -> Iterator[TcpMessage]:
        """Take a chunk and yield complete messages; raises StreamDesynchronised."""
        self._pending += chunk
        while len(self._pending) >= HEADER:
            number, protocol, length, unit = struct.unpack(">HHHB", self._pending[:HEADER])
            if protocol != 0 or not 2 <= length <= PDU_MAX + 1:
                raise StreamDesynchronised
            end = HEADER - 1 + length
            if len(self._pending) < end:
                return
            pdu, self._pending = self._pending[HEADER:end], self._pending[end:]
            yield TcpMessage(number, unit, pdu)


def _table() -> tuple[int, ...]:
    entries = []
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = crc >> 1 ^ (0xA001 if crc & 1 else 0)
        entries.append(crc)
    return tuple(entries)


_TABLE = _table()


def crc16(data: bytes) -> bytes:
    """Return the CRC of a frame, low byte first."""
    crc = 0xFFFF
    for byte in data:
        crc = crc >> 8 ^ _TABLE[(crc ^ byte) & 0xFF]
    return crc.to_bytes(2, "little")


def serial_frame(unit: int, pdu: bytes) -> bytes:
    """Encode a message."""
    body = bytes([unit]) + pdu
    return body + crc16(body)


def interframe_gap_s(baud: int) -> float:
    """Return the minimum silence between two frames, in seconds: 3.5 characters, 1.75 ms at high rates."""
    return 1.75e-3 if baud > 19200 else 3.5 * CHARACTER_BITS / baud


def find_serial_responses(received: bytes, unit: int, request: ModbusRequest[object]) -> Iterator[bytes]:
    """Yield PDUs in received bytes that may be a response to this request, exceptions included.

    Not by silence: a USB adapter delivers bytes in blocks, 16 ms apart. A response is recognised by its unit,
    its function, its length, which the request determines, and its CRC. It may begin anywhere, because a line
    that changes direction adds a byte or two of its own.
    """
    function = request.pdu[0]
    for start in range(len(received) - 4):
        if received[start] != unit:
            continue
        for size, said in ((request.response_bytes, function), (2, function | EXCEPTION)):
            frame = received[start : start + 1 + size + 2]
            if frame[1] == said and len(frame) == size + 3 and crc16(frame[:-2]) == frame[-2:]:
                yield frame[1:-2]
