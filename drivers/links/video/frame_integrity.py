"""Detection of incomplete frames in a stream: decoders conceal losses, mostly without an error.

Gaps in the numbers of packets are found where these are assembled (`drivers/links/rtsp/packets.py`). Some
cameras drop whole frames before they number packets: the frames of an H.264 stream are numbered themselves,
and with H.265 the decoder lacks reference frames, which FFmpeg reports only in its log.
"""

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager

import av.logging
from av.video.codeccontext import VideoCodecContext

from drivers.links.rtsp.packets import EncodedFrame
from drivers.links.video.h264 import FrameNumberTracker

_SLICE_OF_H265 = re.compile(rb"\x00\x00\x01([\x00-\x3f])")
"""A unit that is part of a frame, by its header (ITU-T H.265, table 7-1)."""


class FfmpegLog:
    """Log messages of FFmpeg in one thread."""

    def __init__(self, said: list[tuple[int, str, str]]) -> None:
        self._said = said

    def take_losses(self) -> bool:
        """Return True if the decoder missed frames since the last call."""
        said = list(self._said)
        self._said.clear()
        return any(name == "hevc" and level <= av.logging.ERROR for level, name, _ in said)


@contextmanager
def capture_ffmpeg_log() -> Iterator[FfmpegLog]:
    """Capture FFmpeg's log of this thread.

    Nothing is passed on: a decoder writes a line for every error in a stream.
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

    def feed_frame(self, frame: EncodedFrame) -> None:
        """Inspect a frame before it is decoded."""
        gap, key = False, False
        if self._numbering is not None:
            self._numbering.feed(frame.content)
            gap, key = self._numbering.has_gap, self._numbering.is_key
        elif self._codec == "hevc":
            key = _begins_anew(frame.content)
        self.is_damaged = gap or frame.is_damaged or (self.is_damaged and not key)

    def on_decoded(self, *, whole: bool) -> None:
        """Take the decoder's result for the frame."""
        self.is_damaged = self._overheard.take_losses() or self.is_damaged or not whole


def _begins_anew(packet: bytes) -> bool:
    """Return True if a frame of H.265 and all later ones have no earlier reference.

    IDR and BLA are such frames; a CRA, also a key frame for FFmpeg, may be followed by frames that are not.
    """
    found = _SLICE_OF_H265.search(packet)
    return found is not None and 16 <= found[1][0] >> 1 <= 20
