"""Whether pictures of a stream are whole: decoders paint over what was lost, and mostly say nothing.

Over TCP nothing is lost on the way, but a camera that cannot get rid of its packets leaves some out. Their
numbers have a gap then (RFC 3550, section 5.1, sequence number), of which FFmpeg tells only its log; and
where a camera leaves out whole pictures before it numbers packets, those of an H.264 stream are numbered
themselves, and of H.265 the decoder misses what others are built on, which it logs, too.
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
"""A unit that is part of a picture, by its header (ITU-T H.265, table 7-1)."""
FRAMES_PER_LOSS = 2
"""So many pictures may lack what is missing: the one that was being put together, and the one after it."""


class FfmpegLog:
    """What FFmpeg logs in one thread."""

    def __init__(self, said: list[tuple[int, str, str]]) -> None:
        self._said = said

    def take_losses(self) -> tuple[bool, bool]:
        """Whether packets were found missing since this was last asked, and whether pictures were."""
        said = list(self._said)
        self._said.clear()
        packets = any(name == "rtsp" and text.startswith("RTP: ") for _, name, text in said)
        return packets, any(name == "hevc" and level <= av.logging.ERROR for level, name, _ in said)


@contextmanager
def capture_ffmpeg_log() -> Iterator[FfmpegLog]:
    """Hear what FFmpeg logs in this thread; none of it goes on, for it names addresses with passwords."""
    av.logging.set_level(av.logging.WARNING)
    av.logging.set_skip_repeated(False)
    logging.getLogger("libav").setLevel(logging.CRITICAL + 1)  # of other threads
    with av.logging.Capture() as said:
        yield FfmpegLog(said)


class FrameIntegrity:
    """Follows one stream: what is missing spoils every picture up to the next that is built on no other."""

    def __init__(self, codec: VideoCodecContext, overheard: FfmpegLog) -> None:
        self.is_damaged = False
        """The picture looked at last lacks something, or one that it is built on does."""
        self._codec = codec.name
        self._numbering = FrameNumberTracker(codec.extradata) if codec.name == "h264" else None
        self._overheard = overheard
        self._touched = 0

    def feed_packet(self, packet: "Packet[VideoStream]") -> None:
        """Look at a picture that is to be decoded."""
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
        """The decoder has done with it, and said so much of it."""
        self.is_damaged = self._hear() or self.is_damaged or not whole

    def _hear(self) -> bool:
        """Whether the decoder missed something."""
        packets_lost, pictures_lost = self._overheard.take_losses()
        if packets_lost:
            self._touched = FRAMES_PER_LOSS
        return pictures_lost


def _begins_anew(packet: bytes) -> bool:
    """Whether a picture of H.265 and all after it are built on none before it.

    IDR and BLA are; a CRA, which FFmpeg calls a key too, may have pictures after it that are not.
    """
    found = _SLICE_OF_H265.search(packet)
    return found is not None and 16 <= found[1][0] >> 1 <= 20
