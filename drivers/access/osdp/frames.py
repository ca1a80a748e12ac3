"""OSDP frames as far as they are readable without the key: sender and message code. Pure.

Source: IEC 60839-11-5 (OSDP 2.2), section 5.9: SOM 53, address (top bit set in replies), total length
(little-endian), control (04: CRC rather than checksum, 08: a security block follows), that block, one byte
with the message code, data, check. Only the data are ever encrypted.
"""

import binascii
from collections.abc import Iterator
from dataclasses import dataclass, field

from drivers.links.link import Direction

SOM = 0x53
POLL, OUT = 0x60, 0x68
ACK, NAK = 0x40, 0x41
REPLY = 0x80
USES_CRC, HAS_BLOCK = 0x04, 0x08
SHORTEST, LONGEST = 7, 1440
COMMANDS = {
    0x60: "POLL", 0x61: "ID", 0x62: "CAP", 0x64: "LSTAT", 0x65: "ISTAT", 0x66: "OSTAT", 0x67: "RSTAT",
    0x68: "OUT", 0x69: "LED", 0x6A: "BUZ", 0x6B: "TEXT", 0x6E: "COMSET", 0x75: "KEYSET", 0x76: "CHLNG",
    0x77: "SCRYPT",
}  # fmt: skip
"""Annex A of that standard, as far as card readers are concerned."""
REPLIES = {
    0x40: "ACK", 0x41: "NAK", 0x45: "PDID", 0x46: "PDCAP", 0x48: "LSTATR", 0x49: "ISTATR", 0x4A: "OSTATR",
    0x4B: "RSTATR", 0x50: "RAW", 0x51: "FMT", 0x53: "KEYPAD", 0x54: "COM", 0x76: "CCRYPT", 0x78: "RMAC_I",
    0x79: "BUSY",
}  # fmt: skip
"""Annex B."""


@dataclass(frozen=True, slots=True)
class OsdpFrame:
    """One valid frame."""

    address: int
    is_reply: bool
    code: int
    wire: bytes = field(repr=False)

    @classmethod
    def parse(cls, frame: bytes) -> "OsdpFrame | None":
        """Parse one whole frame that begins with its SOM; None if it is invalid."""
        if len(frame) < SHORTEST or frame[0] != SOM or int.from_bytes(frame[2:4], "little") != len(frame):
            return None
        address, control = frame[1], frame[4]
        check_bytes = 2 if control & USES_CRC else 1
        body, check = frame[:-check_bytes], frame[-check_bytes:]
        # The CRC is CCITT's with the initial value 1D0F; the checksum makes the sum of all bytes zero.
        if control & USES_CRC:
            sound = binascii.crc_hqx(body, 0x1D0F) == int.from_bytes(check, "little")
        else:
            sound = sum(frame) % 256 == 0
        at = 5 + (frame[5] if control & HAS_BLOCK else 0)
        if not sound or at >= len(body):
            return None
        return cls(address & ~REPLY, bool(address & REPLY), frame[at], frame)


class OsdpFrameReader:
    """Extracts valid frames from a stream of bytes; other bytes are skipped."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Discard pending bytes, before every request: a partial frame would consume the next responses."""
        self._pending = bytearray()

    def feed(self, chunk: bytes) -> Iterator[OsdpFrame]:
        """Take a chunk and yield complete frames."""
        self._pending += chunk
        pending = self._pending
        while (start := pending.find(SOM)) >= 0:
            del pending[:start]
            if len(pending) < 4:
                return
            length = int.from_bytes(pending[2:4], "little")
            is_possible = SHORTEST <= length <= LONGEST
            if is_possible and len(pending) < length:
                return
            frame = OsdpFrame.parse(bytes(pending[:length])) if is_possible else None
            del pending[: 1 if frame is None else length]
            if frame is not None:
                yield frame
        pending.clear()


def describe_osdp(_direction: Direction, chunk: bytes) -> str:
    """Return the names of the frames in a chunk."""
    return ", ".join(
        (REPLIES if frame.is_reply else COMMANDS).get(frame.code, f"code {frame.code:02x}")
        for frame in OsdpFrameReader().feed(chunk)
    )
