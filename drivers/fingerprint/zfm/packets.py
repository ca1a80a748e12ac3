"""Packets of the ZFM-20 protocol, and how they are found among other bytes. Pure.

Source: user manuals of the ZFM-70 (Zhian) and the R503 1.2 (Grow), "serial communication protocol":
``EF 01 | address, 4 bytes | identifier | length, 2 | content | checksum, 2``, big-endian; length counts
content and checksum, the checksum is the sum of identifier, length and content. Nothing is escaped: a header
may stand in the middle of an image, so only the length tells where a packet ends.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

from drivers.links.framing import CHECK_BYTE, INCOMPLETE, NOISE, OTHER_CONTENT, DamagedFrame

HEADER = b"\xef\x01"
ADDRESS = 0xFFFFFFFF
"""Every module's own until it is set to another one."""
READY = b"\x55"
"""What a module sends, alone, when it has power and has started."""
BEFORE_LENGTH, BEFORE_CONTENT = 7, 9
LONGEST = 256 + 2
"""The greatest length field: 256 bytes of an image, and the checksum."""


class PacketKind(IntEnum):
    """What a packet is."""

    COMMAND = 0x01
    DATA = 0x02
    ACK = 0x07
    LAST_DATA = 0x08


@dataclass(frozen=True, slots=True)
class Packet:
    """One sound packet."""

    kind: PacketKind
    content: bytes
    wire: bytes


def encode_packet(kind: PacketKind, content: bytes, address: int = ADDRESS) -> bytes:
    """The bytes of a packet."""
    body = bytes([kind]) + (len(content) + 2).to_bytes(2, "big") + content
    return HEADER + address.to_bytes(4, "big") + body + (sum(body) & 0xFFFF).to_bytes(2, "big")


class PacketReader:
    """Takes bytes as they come and gives the packets of one module; what is none is given up, in order."""

    def __init__(self, address: int = ADDRESS) -> None:
        self._address = address.to_bytes(4, "big")
        self._buffer = b""

    @property
    def has_pending(self) -> bool:
        """Whether bytes wait for the rest of their packet."""
        return bool(self._buffer)

    def feed(self, chunk: bytes) -> Iterator[Packet | DamagedFrame]:
        """Take a chunk and yield what is complete."""
        self._buffer += chunk
        yield from self._complete()

    def on_silence(self) -> Iterator[Packet | DamagedFrame]:
        """Nothing more came: what began like a packet is none, but what follows its header may be one."""
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
            if not 2 <= length <= LONGEST or kind not in tuple(PacketKind):
                yield self._give_up(NOISE, 1 + self._next_header())
                continue
            end = BEFORE_CONTENT + length
            if len(self._buffer) < end:
                return
            if sum(self._buffer[BEFORE_LENGTH - 1 : end - 2]) & 0xFFFF != int.from_bytes(
                self._buffer[end - 2 : end], "big"
            ):
                # It may be no packet at all, and a sound one may begin inside of it.
                yield self._give_up(CHECK_BYTE, 1 + self._next_header(end))
                continue
            wire, self._buffer = self._buffer[:end], self._buffer[end:]
            if wire[2:6] == self._address:
                yield Packet(PacketKind(kind), wire[BEFORE_CONTENT:-2], wire)
            else:
                yield DamagedFrame(OTHER_CONTENT, wire)

    def _next_header(self, within: int | None = None) -> int:
        """How many bytes after the first lie before what may be a header; all of `within` if none is."""
        rest = self._buffer[1:within]
        at = rest.find(HEADER)
        if at < 0:
            at = len(rest) - 1 if rest.endswith(HEADER[:1]) else len(rest)
        return at

    def _give_up(self, fault: str, count: int) -> DamagedFrame:
        wire, self._buffer = self._buffer[:count], self._buffer[count:]
        return DamagedFrame(fault, wire)
