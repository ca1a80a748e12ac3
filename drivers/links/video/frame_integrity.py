"""Detection of incomplete frames in a stream: decoders conceal losses, mostly without an error.

TCP loses nothing on the way, but a camera that cannot send its packets drops some. Their sequence numbers
then have a gap (RFC 3550, section 5.1), which FFmpeg reports only in its log. Some cameras drop whole frames
before they number packets: the frames of an H.264 stream are numbered themselves, and with H.265 the decoder
lacks reference frames, which it logs, too.
"""

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager

import av.logging
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from drivers.links.video.h264 import FrameNumberTracker

_SLICE_OF_H265 = re.compile(rb"\x00\x00\x01([\x00-\x3f])")
"""A unit that is part of a frame, by its header (ITU-T H.265, table 7-1)."""
FRAMES_PER_LOSS = 2
"""Number of frames affected by one loss: the one under assembly, and the one after it."""


class FfmpegLog:
    """Log messages of FFmpeg in one thread."""

    def __init__(self, said: list[tuple[int, str, str]]) -> None:
        self._said = said

    def take_losses(self) -> tuple[bool, bool]:
        """Return if packets, and if frames, were found missing since the last call."""
        said = list(self._said)
        self._said.clear()
        packets = any(name == "rtsp" and text.startswith("RTP: ") for _, name, text in said)
        return packets, any(name == "hevc" and level <= av.logging.ERROR for level, name, _ in said)


@contextmanager
def capture_ffmpeg_log() -> Iterator[FfmpegLog]:
    """Capture FFmpeg's log of this thread.

    Nothing is passed on, because it contains addresses with passwords.
    """
    av.logging.set_level(av.logging.WARNING)
    av.logging.set_skip_repeated(False)
    logging.getLogger("libav").setLevel(logging.CRITICAL + 1)  # of other threads
    with av.logging.Capture() as said:
        yield FfmpegLog(said)


class FrameIntegrity:
    """Integrity of one stream: a loss damages every frame up to the next that has no reference."""

    def __init__(self, codec: VideoCodecContext, overheard: FfmpegLog) -> None:
        self.is_damaged = False
        """True if the last frame is incomplete, or one of its references is."""
        self._codec = codec.name
        self._numbering = FrameNumberTracker(codec.extradata) if codec.name == "h264" else None
        self._overheard = overheard
        self._touched = 0

    def feed_packet(self, packet: "Packet[VideoStream]") -> None:
        """Inspect a packet before it is decoded."""
        self._hear()
        gap, key = False, bool(packet.is_keyframe)
        if self._numbering is not None:
            self._numbering.feed(bytes(packet))
            gap, key = self._numbering.has_gap, self._numbering.is_key
        elif self._codec == "hevc":
            key = _begins_anew(bytes(packet))
        self.is_damaged = gap or bool(self._touched) or packet.is_corrupt or (self.is_damaged and not key)
        self._touched = max(0, self._touched - 1)

    def on_decoded(self, *, whole: bool) -> None:
        """Take the decoder's result for the packet."""
        self.is_damaged = self._hear() or self.is_damaged or not whole

    def _hear(self) -> bool:
        """Return True if the decoder reported a loss."""
        packets_lost, pictures_lost = self._overheard.take_losses()
        if packets_lost:
            self._touched = FRAMES_PER_LOSS
        return pictures_lost


def _begins_anew(packet: bytes) -> bool:
    """Return True if a frame of H.265 and all later ones have no earlier reference.

    IDR and BLA are such frames; a CRA, also a key frame for FFmpeg, may be followed by frames that are not.
    """
    found = _SLICE_OF_H265.search(packet)
    return found is not None and 16 <= found[1][0] >> 1 <= 20
