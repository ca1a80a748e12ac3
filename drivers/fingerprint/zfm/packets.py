"""Packets of the ZFM-20 protocol, and their detection among other bytes. Pure.

Source: user manuals of the ZFM-70 (Zhian) and the R503 1.2 (Grow), "serial communication protocol": ``EF 01 |
address, 4 bytes | identifier | length, 2 | content | checksum, 2``, big-endian; length counts content and
checksum, the checksum is the sum of identifier, length and content. Nothing is escaped: an image may contain
a header, so only the length determines the end of a packet.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

from drivers.links.framing import CHECK_BYTE, INCOMPLETE, NOISE, OTHER_CONTENT, DamagedFrame

HEADER = b"\xef\x01"
ADDRESS = 0xFFFFFFFF
"""Factory address of every module."""
READY = b"\x55"
"""Byte that a module sends after power-up, when it has started."""
BEFORE_LENGTH, BEFORE_CONTENT = 7, 9
LONGEST = 256 + 2
"""Largest length field: 256 bytes of an image, and the checksum."""


class PacketKind(IntEnum):
    """Kind of a packet."""

    COMMAND = 0x01
    DATA = 0x02
    ACK = 0x07
    LAST_DATA = 0x08


@dataclass(frozen=True, slots=True)
class Packet:
    """One valid packet."""

    kind: PacketKind
    content: bytes
    wire: bytes


def encode_packet(kind: PacketKind, content: bytes, address: int = ADDRESS) -> bytes:
    """Encode a packet."""
    body = bytes([kind]) + (len(content) + 2).to_bytes(2, "big") + content
    return HEADER + address.to_bytes(4, "big") + body + (sum(body) & 0xFFFF).to_bytes(2, "big")


_KINDS = frozenset(PacketKind)


class PacketReader:
    """Decoder of a byte stream into the packets of one module and damaged frames, in order."""

    def __init__(self, address: int = ADDRESS) -> None:
        self._address = address.to_bytes(4, "big")
        self._buffer = bytearray()

    @property
    def has_pending(self) -> bool:
        """True if the start of an incomplete packet is buffered."""
        return bool(self._buffer)

    def feed(self, chunk: bytes) -> Iterator[Packet | DamagedFrame]:
        """Process a chunk and yield what is complete."""
        self._buffer += chunk
        yield from self._complete()

    def on_silence(self) -> Iterator[Packet | DamagedFrame]:
        """End an incomplete packet after a silence: it is damaged; a packet may begin after its header."""
        while self._buffer:
            yield self._give_up(
                INCOMPLETE if self._buffer.startswith(HEADER) else NOISE, 1 + self._next_header()
            )
            yield from self._complete()

    def _complete(self) -> Iterator[Packet | DamagedFrame]:
        while self._buffer:
            if not HEADER.startswith(self._buffer[:2]):
                yield self._give_up(NOISE, 1 + self._next_header())
                continue
            if len(self._buffer) < BEFORE_CONTENT:
                return
            length = int.from_bytes(self._buffer[BEFORE_LENGTH:BEFORE_CONTENT], "big")
            kind = self._buffer[BEFORE_LENGTH - 1]
            if not 2 <= length <= LONGEST or kind not in _KINDS:
                yield self._give_up(NOISE, 1 + self._next_header())
                continue
            end = BEFORE_CONTENT + length
            if len(self._buffer) < end:
                return
            if sum(self._buffer[BEFORE_LENGTH - 1 : end - 2]) & 0xFFFF != int.from_bytes(
                self._buffer[end - 2 : end], "big"
            ):
                # It may not be a packet at all, and a valid one may begin inside it.
                yield self._give_up(CHECK_BYTE, 1 + self._next_header(end))
                continue
            wire = self._take(end)
            if wire[2:6] == self._address:
                yield Packet(PacketKind(kind), wire[BEFORE_CONTENT:-2], wire)
            else:
                yield DamagedFrame(OTHER_CONTENT, wire)

    def _next_header(self, within: int | None = None) -> int:
        """Return the number of bytes from the second one to the next possible header.

        All of `within` if none.
        """
        end = len(self._buffer) if within is None else within
        at = self._buffer.find(HEADER, 1, end)
        if at < 0:
            at = end - 1 if end > 1 and self._buffer[end - 1] == HEADER[0] else end
        return at - 1

    def _give_up(self, fault: str, count: int) -> DamagedFrame:
        return DamagedFrame(fault, self._take(count))

    def _take(self, count: int) -> bytes:
        """Remove bytes from the front of the buffer."""
        taken = bytes(self._buffer[:count])
        del self._buffer[:count]
        return taken
