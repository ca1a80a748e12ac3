"""RTP packets of H.264 (RFC 6184) and H.265 (RFC 7798) to frames, and detection of lost packets. No I/O.

TCP loses nothing on the way, but a camera that cannot send its packets drops some: their sequence numbers
then have a gap (RFC 3550, section 5.1).
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from drivers.links.rtsp.sdp import START_CODE

MAX_FRAME_BYTES = 16 * 1024 * 1024
"""Upper bound on an encoded frame; a key frame of 4K has one or two megabytes."""
HEADER_BYTES = 12


class FrameTooLargeError(Exception):
    """A frame that exceeds MAX_FRAME_BYTES."""


@dataclass(frozen=True, slots=True)
class EncodedFrame:
    """One frame as a byte stream (annex B)."""

    content: bytes
    time: int
    """Time stamp in units of the track's clock, without the wrap of its 32 bits."""
    received_ns: int
    """Arrival of its last packet, by CLOCK_BOOTTIME."""
    is_damaged: bool
    """True if packets are missing in it, or before it."""


class Depacketiser(ABC):
    """Assembler of the frames of one track."""

    HEADER_BYTES: ClassVar[int]
    """Length of the header of a unit."""
    AGGREGATION: ClassVar[int]
    """Type of a packet with several units."""
    FRAGMENT: ClassVar[int]
    """Type of a packet with a part of a unit."""

    def __init__(self, payload_type: int) -> None:
        self._payload_type = payload_type
        self._parts: list[bytes] = []
        self._size = 0
        self._has_picture = False
        self._is_damaged = False
        self._is_fragment_open = False
        self._time: int | None = None
        """Extended time stamp of the frame under assembly, or of the last one."""
        self._received_ns = 0
        self._source: bytes | None = None
        self._sequence: int | None = None
        self._ended_by_marker = False
        """True if the marker ended a frame, and no packet has come since."""
        self._trusts_marker = True
        """False once a camera has set the marker within a frame."""

    def feed(self, packet: bytes, received_ns: int) -> Iterator[EncodedFrame]:
        """Take one packet and yield the frames that it completes; raises FrameTooLargeError.

        Packets that are not RTP of this track are skipped.
        """
        payload = _payload(packet, self._payload_type)
        if not payload:
            return
        sequence = int.from_bytes(packet[2:4])
        is_lost = self._sequence is not None and sequence != (self._sequence + 1) & 0xFFFF
        is_lost = is_lost or self._source not in (None, packet[8:12])
        self._sequence, self._source = sequence, packet[8:12]
        time = _extended(int.from_bytes(packet[4:8]), self._time)
        if is_lost and self._parts:
            self._is_damaged = True
        if self._ended_by_marker and time == self._time:
            self._trusts_marker, is_lost = False, True
        elif self._parts and time != self._time:
            yield self._finish()
        self._ended_by_marker = False
        if is_lost:
            self._is_damaged = True
            self._is_fragment_open = False
        self._time, self._received_ns = time, received_ns
        self._unpack(payload)
        if self._size > MAX_FRAME_BYTES:
            raise FrameTooLargeError
        # Some cameras mark the packets of parameter sets as well.
        if packet[1] & 0x80 and self._trusts_marker and self._has_picture:
            yield self._finish()
            self._ended_by_marker = True

    def _finish(self) -> EncodedFrame:
        """Return the frame under assembly, and begin the next."""
        assert self._time is not None
        is_damaged = self._is_damaged or self._is_fragment_open
        frame = EncodedFrame(b"".join(self._parts), self._time, self._received_ns, is_damaged)
        self._parts, self._size = [], 0
        self._has_picture = self._is_damaged = self._is_fragment_open = False
        return frame

    def _unpack(self, payload: bytes) -> None:
        kind = self.kind(payload)
        if kind == self.FRAGMENT:
            self._fragment(payload)
            return
        if self._is_fragment_open:
            self._is_damaged, self._is_fragment_open = True, False
        if kind == self.AGGREGATION:
            at = self.HEADER_BYTES
            while at + 2 < len(payload):
                end = at + 2 + int.from_bytes(payload[at : at + 2])
                self._add_unit(payload[at + 2 : end])
                self._is_damaged = self._is_damaged or end > len(payload)
                at = end
        elif kind < self.AGGREGATION:
            self._add_unit(payload)
        else:
            self._is_damaged = True  # interleaved modes, which were not offered

    def _fragment(self, payload: bytes) -> None:
        if len(payload) < self.HEADER_BYTES + 2:
            self._is_damaged = True
            return
        flags = payload[self.HEADER_BYTES]
        content = payload[self.HEADER_BYTES + 1 :]
        if flags & 0x80:
            self._is_damaged = self._is_damaged or self._is_fragment_open
            self._add_unit(self.unit_header(payload) + content)
        elif self._is_fragment_open:
            self._parts.append(content)
            self._size += len(content)
        else:
            self._is_damaged = True  # its beginning is missing
        self._is_fragment_open = not flags & 0x40 and (bool(flags & 0x80) or self._is_fragment_open)

    def _add_unit(self, unit: bytes) -> None:
        if len(unit) <= self.HEADER_BYTES - 1:
            self._is_damaged = True
            return
        self._parts += (START_CODE, unit)
        self._size += len(START_CODE) + len(unit)
        self._has_picture = self._has_picture or self.is_picture(self.kind(unit))

    @staticmethod
    @abstractmethod
    def kind(unit: bytes) -> int:
        """Return the type of a unit or payload."""

    @staticmethod
    @abstractmethod
    def is_picture(kind: int) -> bool:
        """Return True if units of this type are parts of a picture."""

    @staticmethod
    @abstractmethod
    def unit_header(payload: bytes) -> bytes:
        """Return the header of the unit of which a fragment is part."""


class H264Depacketiser(Depacketiser):
    """Assembler of H.264: single units, STAP-A and FU-A (RFC 6184, sections 5.6 to 5.8)."""

    HEADER_BYTES = 1
    AGGREGATION = 24
    FRAGMENT = 28

    @staticmethod
    def kind(unit: bytes) -> int:
        """See `Depacketiser.kind`."""
        return unit[0] & 0x1F

    @staticmethod
    def is_picture(kind: int) -> bool:
        """See `Depacketiser.is_picture`."""
        return 1 <= kind <= 5

    @staticmethod
    def unit_header(payload: bytes) -> bytes:
        """See `Depacketiser.unit_header`."""
        return bytes([payload[0] & 0xE0 | payload[1] & 0x1F])


class H265Depacketiser(Depacketiser):
    """Assembler of H.265: single units, aggregations and fragments (RFC 7798, section 4.4)."""

    HEADER_BYTES = 2
    AGGREGATION = 48
    FRAGMENT = 49

    @staticmethod
    def kind(unit: bytes) -> int:
        """See `Depacketiser.kind`."""
        return unit[0] >> 1 & 0x3F

    @staticmethod
    def is_picture(kind: int) -> bool:
        """See `Depacketiser.is_picture`."""
        return kind < 32

    @staticmethod
    def unit_header(payload: bytes) -> bytes:
        """See `Depacketiser.unit_header`."""
        return bytes([payload[0] & 0x81 | (payload[2] & 0x3F) << 1, payload[1]])


DEPACKETISERS: dict[str, type[Depacketiser]] = {"h264": H264Depacketiser, "hevc": H265Depacketiser}
"""Assemblers by the name of FFmpeg's decoder."""


def _payload(packet: bytes, payload_type: int) -> bytes:
    """Return the payload of an RTP packet (RFC 3550, section 5.1); nothing for another packet."""
    if len(packet) < HEADER_BYTES or packet[0] >> 6 != 2 or packet[1] & 0x7F != payload_type:
        return b""
    begin = HEADER_BYTES + 4 * (packet[0] & 0x0F)
    if packet[0] & 0x10:
        begin += 4 + 4 * int.from_bytes(packet[begin + 2 : begin + 4])
    end = len(packet) - (packet[-1] if packet[0] & 0x20 else 0)
    return packet[begin:end]


def _extended(stamp: int, before: int | None) -> int:
    """Return a time stamp of 32 bits, extended by the one before it."""
    if before is None:
        return stamp
    step = (stamp - before) & 0xFFFFFFFF
    return before + (step - (1 << 32) if step >> 31 else step)
