"""Framings for any protocol: lines, and frames with a length; cut, damaged, and among other bytes."""

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.links.framing import (
    CHECK_BYTE,
    INCOMPLETE,
    NOISE,
    TOO_LONG,
    CompleteFrame,
    DamagedFrame,
    Frame,
    Framing,
    LengthPrefixed,
    LineFraming,
)

MARK = b"\xa5\x5a"


class MarkedLength(LengthPrefixed):
    """Mark, length of the content in two bytes, content, and its sum in one."""

    def __init__(self) -> None:
        super().__init__(MARK, header_bytes=4)

    def frame_bytes(self, header: bytes) -> int | None:
        length = int.from_bytes(header[2:4], "big")
        return 4 + length + 1 if length <= 200 else None

    def check_frame(self, wire: bytes) -> Frame:
        content = wire[4:-1]
        if sum(content) & 0xFF != wire[-1]:
            return DamagedFrame(CHECK_BYTE, wire)
        return CompleteFrame(content, wire)


def counted(content: bytes) -> bytes:
    return MARK + len(content).to_bytes(2, "big") + content + bytes([sum(content) & 0xFF])


def fed(framing: Framing, chunks: Iterable[bytes]) -> list[Frame]:
    found = [frame for chunk in chunks for frame in framing.feed(chunk)]
    found += framing.on_silence()
    assert not framing.has_pending
    return found


def contents(frames: Iterable[Frame]) -> list[bytes]:
    return [frame.payload for frame in frames if isinstance(frame, CompleteFrame)]


def in_bytes(stream: bytes) -> list[bytes]:
    return [stream[at : at + 1] for at in range(len(stream))]


WITH_MARK = b"12" + MARK + b"\x00\x01" + MARK[:1]
"""Content that looks like the begin of a frame."""


@pytest.mark.parametrize("split", [in_bytes, lambda stream: [stream]])
def test_content_may_contain_the_mark(split) -> None:
    stream = counted(WITH_MARK) + counted(b"") + counted(MARK)
    assert fed(MarkedLength(), split(stream)) == [
        CompleteFrame(content, counted(content)) for content in (WITH_MARK, b"", MARK)
    ]


LONG = b"12" + MARK + b"\x00\x02" + bytes(range(30, 60))


@pytest.mark.parametrize("at", range(1, len(counted(LONG))))
def test_cut_frame_costs_only_itself(at: int) -> None:
    """This holds also if the next frame follows without a silence."""
    cut, whole = counted(LONG)[:at], counted(b"whole")
    framing = MarkedLength()
    before = fed(framing, [cut])
    assert contents(before) == []
    assert contents(fed(framing, [whole])) == [b"whole"]
    assert b"whole" in contents(fed(MarkedLength(), [cut + whole]))


def test_faults_are_named() -> None:
    wrong = counted(b"123")[:-1] + b"\x00"
    assert fed(MarkedLength(), [b"\x00\x00", wrong, counted(b"4"), MARK + b"\xff\xff"]) == [
        DamagedFrame(NOISE, b"\x00\x00"),
        DamagedFrame(CHECK_BYTE, wrong),
        CompleteFrame(b"4", counted(b"4")),
        DamagedFrame(NOISE, MARK + b"\xff\xff"),
    ]


@given(st.lists(st.one_of(st.binary(max_size=9), st.just(MARK), st.just(counted(WITH_MARK))), max_size=12))
def test_every_byte_is_in_one_frame(parts: list[bytes]) -> None:
    stream = b"".join(parts)
    for framing in (MarkedLength(), MarkedLength()):
        assert b"".join(frame.wire for frame in fed(framing, in_bytes(stream))) == stream
    assert b"".join(frame.wire for frame in fed(MarkedLength(), [stream])) == stream


@given(st.lists(st.binary(max_size=20).filter(lambda noise: MARK[:1] not in noise), max_size=5))
def test_noise_without_marks_costs_no_frame(noises: list[bytes]) -> None:
    chunks = [part for noise in noises for part in (noise, counted(b"read"))]
    assert contents(fed(MarkedLength(), chunks)) == [b"read"] * len(noises)


@pytest.mark.parametrize("end", [b"\r", b"\n", b"\r\n"])
def test_line_ends_by_any_of_both(end: bytes) -> None:
    stream = b"W 23.4" + end + b"W 7.0" + end
    assert contents(fed(LineFraming(), in_bytes(stream))) == [b"W 23.4", b"W 7.0"]
    assert contents(fed(LineFraming(), [stream])) == [b"W 23.4", b"W 7.0"]


@pytest.mark.parametrize("at", range(1, 6))
def test_line_without_end_is_no_line(at: int) -> None:
    """`W 23` would be a weight."""
    framing = LineFraming()
    assert fed(framing, [b"W 23.4"[:at]]) == [DamagedFrame(INCOMPLETE, b"W 23.4"[:at])]
    assert contents(fed(framing, [b"W 23.4\n"])) == [b"W 23.4"]


def test_too_long_line_is_given_up() -> None:
    framing = LineFraming(limit_bytes=8)
    assert list(framing.feed(b"123456789")) == [DamagedFrame(TOO_LONG, b"123456789")]
    assert list(framing.feed(b"x" * 9 + b"\n12345678\n")) == [
        DamagedFrame(TOO_LONG, b"x" * 9 + b"\n"),
        CompleteFrame(b"12345678", b"12345678\n"),
    ]
