"""Pictures to H.264, and H.264 to RTP payloads (RFC 6184): single units and fragments."""

import base64
from collections.abc import Iterator
from fractions import Fraction

import av
import numpy as np
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType
from PIL import Image

CLOCK_HZ = 90_000
"""Of the time stamps of video in RTP."""
PAYLOAD_SIZE = 1400
PAYLOAD_TYPE = 96
SPS, PPS, FRAGMENT = 7, 8, 28


class Encoder:
    """Encodes pictures of one size, one by one, without delay."""

    def __init__(
        self, size: tuple[int, int], frames_per_s: float, key_every_s: float, slices: int = 1
    ) -> None:
        self.size = size
        codec = av.CodecContext.create("libx264", "w")
        assert isinstance(codec, VideoCodecContext)
        codec.width, codec.height = size
        codec.pix_fmt = "yuv420p"
        codec.time_base = Fraction(1, CLOCK_HZ)
        codec.framerate = Fraction(frames_per_s).limit_denominator(1000)
        codec.gop_size = max(1, round(frames_per_s * key_every_s))
        codec.thread_count = 1
        codec.options = {
            "preset": "ultrafast",
            "tune": "zerolatency",
            "crf": "23",
            "forced-idr": "1",
            "sc_threshold": "0",
            "x264-params": f"sliced-threads=0:slices={slices}",
        }
        self._codec = codec
        self._begun = False
        black = self.units(Image.new("RGB", size), 0, key=True)
        self.parameters = tuple(unit for unit in black if unit[0] & 31 in (SPS, PPS))
        self._begun = False  # nobody sees that picture: the next one must not need it

    def units(self, image: Image.Image, at: int, *, key: bool = False) -> list[bytes]:
        """The NAL units of a picture; `at` counts CLOCK_HZ. With `key`, and at first, it needs no other."""
        key, self._begun = key or not self._begun, True
        frame = av.VideoFrame.from_ndarray(np.asarray(image), format="rgb24").reformat(format="yuv420p")
        frame.pts = at
        frame.time_base = self._codec.time_base
        frame.pict_type = PictureType.I if key else PictureType.NONE
        stream = b"".join(bytes(packet) for packet in self._codec.encode(frame))
        return [unit.rstrip(b"\0") for unit in stream.split(b"\0\0\1") if unit.strip(b"\0")]

    @property
    def description(self) -> str:
        """The media section of the session's description (RFC 8866)."""
        sets = ",".join(base64.b64encode(unit).decode() for unit in self.parameters)
        profile = self.parameters[0][1:4].hex().upper()
        fmtp = f"packetization-mode=1;profile-level-id={profile};sprop-parameter-sets={sets}"
        return (
            f"m=video 0 RTP/AVP {PAYLOAD_TYPE}\r\na=rtpmap:{PAYLOAD_TYPE} H264/{CLOCK_HZ}\r\n"
            f"a=fmtp:{PAYLOAD_TYPE} {fmtp}\r\n"
        )


def payloads(unit: bytes) -> Iterator[bytes]:
    """A NAL unit as it is put into packets."""
    if len(unit) <= PAYLOAD_SIZE:
        yield unit
        return
    indicator, kind, rest = unit[0] & 0xE0 | FRAGMENT, unit[0] & 0x1F, unit[1:]
    pieces = [rest[at : at + PAYLOAD_SIZE - 2] for at in range(0, len(rest), PAYLOAD_SIZE - 2)]
    for place, piece in enumerate(pieces):
        first, last = place == 0, place == len(pieces) - 1
        yield bytes([indicator, first << 7 | last << 6 | kind]) + piece
