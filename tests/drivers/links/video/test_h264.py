"""Missing reference frames of an H.264 stream are detected, up to the next key frame."""

from fractions import Fraction

import av
import numpy as np
import pytest

from drivers.links.video.h264 import FrameNumberTracker


def stream(profile: str, pictures: int = 40, key_every: int = 20) -> list[bytes]:
    """Return frames of a real encoder, in byte-stream format."""
    codec = av.CodecContext.create("libx264", "w")
    codec.width, codec.height, codec.pix_fmt = 64, 48, "yuv420p"
    codec.time_base, codec.framerate = Fraction(1, 25), Fraction(25)
    codec.options = {"profile": profile, "tune": "zerolatency", "g": str(key_every), "sc_threshold": "0"}
    packets = []
    for number in range(pictures):
        shade = np.full((72, 64), number * 5 % 256, np.uint8)
        picture = av.VideoFrame.from_ndarray(shade, "yuv420p")
        picture.pts = number
        packets += [bytes(packet) for packet in codec.encode(picture)]
    return packets


@pytest.mark.parametrize("profile", ["baseline", "main", "high"])
def test_missing_frame_is_detected_at_next(profile: str) -> None:
    packets = stream(profile)
    whole = FrameNumberTracker()
    for number, packet in enumerate(packets):
        whole.feed(packet)
        assert (whole.has_gap, whole.is_key) == (False, number % 20 == 0)
    for lost in range(1, 39):
        numbering = FrameNumberTracker(packets[0])
        seen = []
        for number, packet in enumerate(packets):
            if number != lost:
                numbering.feed(packet)
                seen += [number] if numbering.has_gap else []
        expected = [] if lost + 1 in (20, 40) else [lost + 1]  # a key frame has no references
        assert seen == expected, lost


def test_any_bytes_are_accepted() -> None:
    numbering = FrameNumberTracker(b"\0\0\1\x67")
    for packet in (b"", b"\0\0\1", b"\0\0\1\x41", b"\0\0\1\x67\xff" + bytes(60), b"\0\0\1\x65" + bytes(20)):
        numbering.feed(packet)
        assert not numbering.has_gap
