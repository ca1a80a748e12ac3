"""Modbus over TCP: the MBAP header. Pure.

Source: *Modbus Messaging on TCP/IP Implementation Guide* V1.0b, section 3.1.3: transaction, protocol 0,
length of the rest, unit; big-endian. A stream has no other boundary: after a wrong header the rest is lost.
"""

import struct
from collections.abc import Iterator

from simulators.barrier.modbus.framing import CompleteMessage, InvalidBytes
from simulators.barrier.modbus.pdu import PDU_MAX

HEADER = 7


class MbapFraming:
    """The framing of Modbus TCP."""

    name = "modbus-tcp"

    def frame(self, unit: int, pdu: bytes, tag: int) -> bytes:
        """See `Framing`."""
        return struct.pack(">HHHB", tag, 0, len(pdu) + 1, unit) + pdu


class MbapReader:
    """Parser of messages in a stream with arbitrary pieces."""

    def __init__(self) -> None:
        self._held = b""
        self._lost = False

    def feed(self, data: bytes) -> Iterator[CompleteMessage | InvalidBytes]:
        """Yield messages that are complete now. After `InvalidBytes` the stream cannot be parsed."""
        self._held += data
        while not self._lost and len(self._held) >= HEADER:
            tag, protocol, length, unit = struct.unpack(">HHHB", self._held[:HEADER])
            if protocol != 0 or not 2 <= length <= PDU_MAX + 1:
                self._lost = True
                yield InvalidBytes(f"protocol {protocol}, length {length}", self._held)
                return
            end = HEADER + length - 1
            if len(self._held) < end:
                return
            wire, self._held = self._held[:end], self._held[end:]
            yield CompleteMessage(unit, wire[HEADER:], wire, tag)

    @property
    def pending_bytes(self) -> bytes:
        """Return the bytes of an incomplete message."""
        return b"" if self._lost else self._held
