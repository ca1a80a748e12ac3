"""Framing of Modbus messages: numbered over TCP, with a CRC on a serial line. Pure.

Sources: *Modbus Messaging on TCP/IP Implementation Guide* V1.0b, section 3.1.3; *Modbus over Serial Line
Specification* V1.02, sections 2.5.1 and 6.2.2.
"""

import struct
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from drivers.links.modbus.pdu import EXCEPTION, PDU_MAX, ModbusRequest

HEADER = 7
CHARACTER_BITS = 11
"""Start, eight data bits, parity or a second stop, stop: a character as the specification counts it."""


class StreamDesynchronised(Exception):  # noqa: N818 - what it is, is for the link to say
    """Bytes that are not a header: the start of the next message is unknown."""


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
        self._pending = bytearray()

    def feed(self, chunk: bytes) -> Iterator[TcpMessage]:
        """Take a chunk and yield complete messages; raises StreamDesynchronised."""
        self._pending += chunk
        while len(self._pending) >= HEADER:
            number, protocol, length, unit = struct.unpack_from(">HHHB", self._pending)
            if protocol != 0 or not 2 <= length <= PDU_MAX + 1:
                raise StreamDesynchronised
            end = HEADER - 1 + length
            if len(self._pending) < end:
                return
            pdu = bytes(self._pending[HEADER:end])
            del self._pending[:end]
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


class SerialResponseReader:
    """Search for the responses to one request, exceptions included, in bytes that arrive in any chunks.

    Not by silence: a USB adapter delivers bytes in blocks, 16 ms apart. A response is recognised by its unit,
    its function, its length, which the request determines, and its CRC. It may begin anywhere, because a line
    that changes direction adds a byte or two of its own. Every possible begin is tried once.
    """

    def __init__(self, unit: int, request: ModbusRequest[object]) -> None:
        function = request.pdu[0]
        self._sizes = {bytes([unit, function | EXCEPTION]): 1 + 2 + 2}
        """Lengths of the frames by their first bytes."""
        if request.response_bytes:
            self._sizes[bytes([unit, function])] = 1 + request.response_bytes + 2
        self._starts: dict[bytes, deque[int]] = {head: deque() for head in self._sizes}
        """Offsets in the whole stream of frames that may have begun and are not complete."""
        self._pending = bytearray()
        self._offset = 0
        """Offset of the pending bytes in the whole stream."""

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """Take a chunk and yield PDUs that may be a response; each is yielded once."""
        search_from = max(0, len(self._pending) - 1)
        self._pending += chunk
        end = self._offset + len(self._pending)
        for head, size in self._sizes.items():
            starts = self._starts[head]
            at = self._pending.find(head, search_from)
            while at >= 0:
                starts.append(self._offset + at)
                at = self._pending.find(head, at + 1)
            while starts and starts[0] + size <= end:
                at = starts.popleft() - self._offset
                frame = bytes(self._pending[at : at + size])
                if crc16(frame[:-2]) == frame[-2:]:
                    yield frame[1:-2]
        surplus = max(0, len(self._pending) - max(self._sizes.values()))
        del self._pending[:surplus]
        self._offset += surplus
