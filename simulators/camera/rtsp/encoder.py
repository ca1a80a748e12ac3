"""Pictures to units of a video codec, by one of FFmpeg's encoders, and units to payloads of RTP packets."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import ClassVar

import av
import numpy as np
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType
from PIL import Image

CLOCK_HZ = 90_000
"""Rate of video time stamps in RTP."""
PAYLOAD_SIZE = 1400
PAYLOAD_TYPE = 96


class Encoder(ABC):
    """Encoder of pictures of one size, one by one, without delay."""

    LIBRARY: ClassVar[str]
    """Name of FFmpeg's encoder."""
    PARAMETERS: ClassVar[Sequence[int]]
    """Kinds of the parameter set units, in their order."""

    def __init__(
        self, size: tuple[int, int], frames_per_s: float, key_every_s: float, slices: int = 1
    ) -> None:
        self.size = size
        codec = av.CodecContext.create(self.LIBRARY, "w")
        assert isinstance(codec, VideoCodecContext)
        codec.width, codec.height = size
        codec.pix_fmt = "yuv420p"
        codec.time_base = Fraction(1, CLOCK_HZ)
        codec.framerate = Fraction(frames_per_s).limit_denominator(1000)
        codec.gop_size = max(1, round(frames_per_s * key_every_s))
        codec.thread_count = 1
        codec.options = {"preset": "ultrafast", "tune": "zerolatency", "crf": "23", "forced-idr": "1"}
        codec.options = codec.options | self.options(slices)
        self._codec = codec
        self._started = False
        black = self.units(Image.new("RGB", size), 0, key=True)
        self.parameters = tuple(unit for unit in black if self.kind(unit) in self.PARAMETERS)
        self._started = False  # no client gets that picture: the next one must not refer to it

    def units(self, image: Image.Image, at: int, *, key: bool = False) -> list[bytes]:
        """Return the NAL units of a picture.

        `at` counts CLOCK_HZ. With `key`, and first, it refers to no other.
        """
        key, self._started = key or not self._started, True
        frame = av.VideoFrame.from_ndarray(np.asarray(image), format="rgb24").reformat(format="yuv420p")
        frame.pts = at
        frame.time_base = self._codec.time_base
        frame.pict_type = PictureType.I if key else PictureType.NONE
        stream = b"".join(bytes(packet) for packet in self._codec.encode(frame))
        return [unit.rstrip(b"\0") for unit in stream.split(b"\0\0\1") if unit.strip(b"\0")]

    def is_key(self, units: Sequence[bytes]) -> bool:
        """Return whether a picture of these units refers to none before it."""
        return self.kind(units[0]) == self.PARAMETERS[0]

    @property
    @abstractmethod
    def description(self) -> str:
        """The media section of the session's description (RFC 8866)."""

    @abstractmethod
    def options(self, slices: int) -> dict[str, str]:
        """Return the encoder's options for this number of slices."""

    @abstractmethod
    def kind(self, unit: bytes) -> int:
        """Return the kind of a NAL unit."""

    @abstractmethod
    def payloads(self, unit: bytes) -> Iterator[bytes]:
        """Yield the payloads of a NAL unit."""

    def _fragments(self, header: bytes, kind: int, rest: bytes) -> Iterator[bytes]:
        """Yield the fragments of a unit that is too long for one packet, marked as first or last."""
        step = PAYLOAD_SIZE - len(header) - 1
        for at in range(0, len(rest), step):
            first, last = at == 0, at + step >= len(rest)
            yield header + bytes([first << 7 | last << 6 | kind]) + rest[at : at + step]
