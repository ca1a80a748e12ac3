"""Detection of missing frames in an H.264 stream: decoders conceal losses without an error.

A camera that cannot send its frames drops some, also over TCP, and frames that refer to them are smeared
until the next key frame. Reference frames are numbered (ITU-T H.264, 7.4.3, `frame_num`): a number that is
neither the previous one nor the next is a gap. Losses within a frame are reported by the decoder.
"""

import re

_NAL = re.compile(rb"\x00\x00\x01(?=([\x00-\xff]))")
_EXTENDED = frozenset({100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135})
"""Profiles whose parameter sets have more fields (7.3.2.1.1)."""
KEY_SLICE = 5
SLICE_BYTES = 16
"""Upper bound on the length of the numbers at the start of a slice."""


class BitReader:
    """Reads numbers from a raw byte sequence payload; raises IndexError at its end."""

    def __init__(self, payload: bytes) -> None:
        # 7.4.1: a 3 is inserted where zeros could be mistaken for a start code.
        plain = payload.replace(b"\0\0\3", b"\0\0")
        self._bits = "".join(f"{byte:08b}" for byte in plain)
        self._at = 0

    def read_bits(self, length: int) -> int:
        """Read a number of so many bits."""
        text = self._bits[self._at : self._at + length]
        if len(text) < length:
            raise IndexError
        self._at += length
        return int(text, 2) if text else 0

    def read_golomb(self) -> int:
        """Read an Exp-Golomb number, ue(v) of 9.1."""
        zeros = 0
        while self.read_bits(1) == 0:
            zeros += 1
        return (1 << zeros) - 1 + self.read_bits(zeros)


class FrameNumberTracker:
    """Tracks the numbers of reference frames in one stream."""

    def __init__(self, extradata: bytes | None = None) -> None:
        self.has_gap = False
        """True if frames are missing between the last frame and the one before."""
        self.is_key = False
        """True if the last frame refers to no other."""
        self._length: int | None = None
        """Number of bits of a frame number; None before the first supported parameter set."""
        self._separate_planes = False
        self._last: int | None = None
        if extradata:
            self.feed(extradata)

    def feed(self, packet: bytes) -> None:
        """Inspect the units of one frame (annex B, byte stream)."""
        self.has_gap = self.is_key = False
        for found in _NAL.finditer(packet):
            header, start = found[1][0], found.end() + 1
            try:
                match header & 0x1F:
                    case 7:
                        self._parameters(packet[start : start + 64])
                    case 1 | 5 as kind:
                        self.is_key = kind == KEY_SLICE
                        begin = packet[start : start + SLICE_BYTES]
                        self.has_gap = self._slice(begin, reference=bool(header & 0x60))
                        return
            except IndexError:
                return

    def _slice(self, payload: bytes, *, reference: bool) -> bool:
        if self._length is None:
            return False
        bits = BitReader(payload)
        for _ in range(3):  # first_mb_in_slice, slice_type, pic_parameter_set_id
            bits.read_golomb()
        if self._separate_planes:
            bits.read_bits(2)
        number, last = bits.read_bits(self._length), self._last
        if reference or self.is_key:
            self._last = number
        if self.is_key or last is None:
            return False
        return number not in (last, (last + 1) % (1 << self._length))

    def _parameters(self, payload: bytes) -> None:
        bits = BitReader(payload)
        profile = bits.read_bits(8)
        bits.read_bits(16)
        bits.read_golomb()
        self._length, self._separate_planes = None, False
        if profile in _EXTENDED:
            if bits.read_golomb() == 3:
                self._separate_planes = bool(bits.read_bits(1))
            bits.read_golomb()
            bits.read_golomb()
            bits.read_bits(1)
            if bits.read_bits(1):
                return  # scaling lists: no network camera is known to send any
        length = bits.read_golomb() + 4
        if length <= 16:
            self._length = length
