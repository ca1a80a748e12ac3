"""How Modbus messages lie on a wire: numbered over TCP, with a check on a serial line. Pure.

Sources: *Modbus Messaging on TCP/IP Implementation Guide* V1.0b, section 3.1.3; *Modbus over Serial Line
Specification* V1.02, sections 2.5.1 and 6.2.2.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from drivers.links.modbus.pdu import EXCEPTION, PDU_MAX, ModbusRequest

HEADER = 7
CHARACTER_BITS = 11
"""Start, eight, parity or a second stop, stop: what the specification counts a character as."""


class StreamDesynchronised(Exception):  # noqa: N818 - what it is, is for the link to say
    """Bytes that are no header: where the next message begins cannot be known."""


@dataclass(frozen=True, slots=True)
class TcpMessage:
    """A message over TCP."""

    number: int
    unit: int
    pdu: bytes


def tcp_frame(number: int, unit: int, pdu: bytes) -> bytes:
    """A message as it is sent; `number` comes back with the answer."""
    return struct.pack(">HHHB", number, 0, len(pdu) + 1, unit) + pdu


class TcpMessageReader:
    """Messages out of a stream that is cut anywhere."""

    def __init__(self) -> None:
        self._held = b""

    def feed(self, chunk: bytes) -> Iterator[TcpMessage]:
        """Messages that are complete now; raises StreamLost."""
        self._held += chunk
        while len(self._held) >= HEADER:
            number, protocol, length, unit = struct.unpack(">HHHB", self._held[:HEADER])
            if protocol != 0 or not 2 <= length <= PDU_MAX + 1:
                raise StreamDesynchronised
            end = HEADER - 1 + length
            if len(self._held) < end:
                return
            pdu, self._held = self._held[HEADER:end], self._held[end:]
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
    """The check of a frame, as it is sent: low byte first."""
    crc = 0xFFFF
    for byte in data:
        crc = crc >> 8 ^ _TABLE[(crc ^ byte) & 0xFF]
    return crc.to_bytes(2, "little")


def serial_frame(unit: int, pdu: bytes) -> bytes:
    """A message as it is sent."""
    body = bytes([unit]) + pdu
    return body + crc16(body)


def interframe_gap_s(baud: int) -> float:
    """How long a line is silent between two frames at least, in seconds: 3.5 characters, 1.75 ms if fast."""
    return 1.75e-3 if baud > 19200 else 3.5 * CHARACTER_BITS / baud


def find_serial_responses(heard: bytes, unit: int, request: ModbusRequest[object]) -> Iterator[bytes]:
    """PDUs in what was heard that may be an answer to this request, refusals included.

    Not by silence: a USB adapter hands bytes over in lumps, 16 ms apart. An answer is known by its unit, its
    function, its length, which the request tells, and its check; it may stand anywhere, because a line that
    is turned around says a byte or two of its own.
    """
    function = request.pdu[0]
    for start in range(len(heard) - 4):
        if heard[start] != unit:
            continue
        for size, said in ((request.response_bytes, function), (2, function | EXCEPTION)):
            frame = heard[start : start + 1 + size + 2]
            if frame[1] == said and len(frame) == size + 3 and crc16(frame[:-2]) == frame[-2:]:
                yield frame[1:-2]
