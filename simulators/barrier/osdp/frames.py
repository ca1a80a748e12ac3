"""OSDP frames as far as they can be read without the key: address, sequence, command or reply. Pure.

Source: IEC 60839-11-5 (OSDP 2.1.7), section 5.9: SOM 53, address (its top bit set in replies), length of the
frame, little-endian, control (sequence in bits 0 and 1, 04 CRC rather than checksum, 08 security block), that
block, command or reply, data, check. A mark byte FF may come before. Only the data are ever encrypted.
"""

from collections.abc import Iterator
from dataclasses import dataclass

SOM, MARK = 0x53, 0xFF
SHORTEST, LONGEST = 7, 1440
OUT = 0x68
NAMES = {
    0x60: "POLL", 0x61: "ID", 0x62: "CAP", 0x64: "LSTAT", 0x65: "ISTAT", 0x66: "OSTAT", 0x68: "OUT",
    0x69: "LED", 0x6A: "BUZ", 0x6B: "TEXT", 0x6E: "COMSET", 0x75: "KEYSET", 0x76: "CHLNG", 0x77: "SCRYPT",
}  # fmt: skip
REPLIES = {
    0x40: "ACK", 0x41: "NAK", 0x45: "PDID", 0x46: "PDCAP", 0x48: "LSTATR", 0x49: "ISTATR", 0x4A: "OSTATR",
    0x50: "RAW", 0x53: "KEYPAD", 0x76: "CCRYPT", 0x78: "RMAC_I", 0x79: "BUSY",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class OsdpFrame:
    """One frame; `code` None for invalid bytes."""

    wire: bytes
    address: int | None = None
    sequence: int | None = None
    code: int | None = None
    is_reply: bool = False

    @property
    def name(self) -> str:
        """Name of the command or reply."""
        if self.code is None:
            return "no frame"
        return (REPLIES if self.is_reply else NAMES).get(self.code, f"code {self.code:02x}")


class OsdpReader:
    """Parser of frames in a stream of bytes. It does not verify their checks."""

    def __init__(self) -> None:
        self._held = b""

    def feed(self, data: bytes) -> Iterator[OsdpFrame]:
        """Yield frames that are complete now, and the bytes between them."""
        self._held += data
        while self._held:
            start = self._held.find(SOM)
            noise = self._held[: start if start >= 0 else len(self._held)].rstrip(bytes([MARK]))
            if noise:
                yield OsdpFrame(noise)
            if start < 0:
                self._held = self._held[len(noise) :] if self._held.endswith(bytes([MARK])) else b""
                return
            frame = self._held[start:]
            if len(frame) < 4:
                return
            length = int.from_bytes(frame[2:4], "little")
            if not SHORTEST <= length <= LONGEST:
                yield OsdpFrame(frame[:1])
                self._held = frame[1:]
                continue
            if len(frame) < length:
                return
            yield read_frame(self._held[len(noise) : start] + frame[:length])
            self._held = frame[length:]


def read_frame(wire: bytes) -> OsdpFrame:
    """Parse a whole frame, with or without mark byte."""
    frame = wire.lstrip(bytes([MARK]))
    control = frame[4]
    at = 5 + (frame[5] if control & 0x08 else 0)
    code = frame[at] if at < len(frame) else None
    return OsdpFrame(wire, frame[1] & 0x7F, control & 0x03, code, bool(frame[1] & 0x80))
