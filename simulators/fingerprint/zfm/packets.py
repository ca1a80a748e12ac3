"""Packets of the ZFM protocol: a mark, an address, kind, length, content, a sum.

``EF01 | address u32 | kind u8 | length u16 | content | sum u16``, big-endian; the length counts content and
sum, the sum adds kind, length and content. Source: protocol sheet, section 3.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

MARK = b"\xef\x01"
_HEAD = struct.Struct(">2sIBH")
LONGEST = 2 + 256
"""Maximum length of content and sum, in all modules."""


class Kind(IntEnum):
    """Kinds of packets."""

    COMMAND = 0x01
    DATA = 0x02
    ACKNOWLEDGE = 0x07
    LAST_DATA = 0x08


@dataclass(frozen=True, slots=True)
class Packet:
    """One packet; `sound`: whether its checksum is right."""

    address: int
    kind: int
    content: bytes
    sound: bool = True

    def encode(self) -> bytes:
        """Return its bytes."""
        length = len(self.content) + 2
        total = checksum(self.kind, self.content)
        return _HEAD.pack(MARK, self.address, self.kind, length) + self.content + total.to_bytes(2, "big")


def checksum(kind: int, content: bytes) -> int:
    """Return the checksum of a packet."""
    length = len(content) + 2
    return (kind + (length >> 8) + (length & 0xFF) + sum(content)) & 0xFFFF


class Decoder:
    """Parser of packets in a host's output with arbitrary pieces; invalid bytes are skipped."""

    def __init__(self) -> None:
        self._pending = b""

    def feed(self, data: bytes) -> Iterator[Packet]:
        """Yield the packets that `data` completes."""
        self._pending += data
        while True:
            start = self._pending.find(MARK)
            if start < 0:
                # The last byte may be half a mark.
                self._pending = self._pending[-1:] if self._pending[-1:] == MARK[:1] else b""
                return
            self._pending = self._pending[start:]
            if len(self._pending) < _HEAD.size:
                return
            _, address, kind, length = _HEAD.unpack_from(self._pending)
            if not 2 <= length <= LONGEST:
                self._pending = self._pending[1:]
                continue
            if len(self._pending) < _HEAD.size + length:
                return
            body = self._pending[_HEAD.size : _HEAD.size + length]
            self._pending = self._pending[_HEAD.size + length :]
            content = body[:-2]
            yield Packet(address, kind, content, int.from_bytes(body[-2:], "big") == checksum(kind, content))

    def clear(self) -> None:
        """Discard an incomplete packet."""
        self._pending = b""


def data_packets(address: int, data: bytes, size: int) -> list[bytes]:
    """Return `data` in packets of `size` bytes, the last of its own kind."""
    pieces = [data[at : at + size] for at in range(0, len(data), size)] or [b""]
    kinds = [Kind.DATA] * (len(pieces) - 1) + [Kind.LAST_DATA]
    return [Packet(address, kind, piece).encode() for kind, piece in zip(kinds, pieces, strict=True)]
