"""Framings as pure code: with any bytes in any chunks, no byte is lost and nothing is raised."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.devices.serial_readers import FRAMES

from drivers.links.framing import OTHER_CONTENT, CompleteFrame, DamagedFrame, Frame, Framing
from drivers.passport.framings import (
    LIMIT_BYTES,
    AccessIsFraming,
    ElyctisFraming,
    PlainTextFraming,
    RteFraming,
)
from simulators.specimens import ERIKSSON_LINES

MAKE = {
    "accessis": AccessIsFraming,
    "elyctis": ElyctisFraming,
    "rte": lambda: RteFraming("xor"),
    "text": PlainTextFraming,
}
DOCUMENTS = list(ERIKSSON_LINES.values())
# Bytes with a meaning in one of the framings: noise then looks like frames more often than by chance.
MARKS = [b"\x1c\x02", b"\x03\x1d", b"\x01", b"OU\x02", b"\x03", b"I\x00", b"C\x00\x01", b"\r"]
TEXTS = ["\r".join(lines).encode() for lines in DOCUMENTS]
STREAMS = st.lists(st.binary(max_size=20) | st.sampled_from(MARKS) | st.sampled_from(TEXTS))


def through(framing: Framing, pieces: list[bytes]) -> list[Frame]:
    frames: list[Frame] = []
    for piece in pieces:
        frames += framing.feed(piece)
    return [*frames, *framing.on_silence()]


@pytest.mark.parametrize("name", ["accessis", "elyctis", "rte"])
@settings(max_examples=300)
@given(pieces=STREAMS)
def test_every_byte_is_in_one_frame(name: str, pieces: list[bytes]) -> None:
    framing = MAKE[name]()
    assert b"".join(frame.wire for frame in through(framing, pieces)) == b"".join(pieces)
    assert not framing.has_pending


@pytest.mark.parametrize("name", sorted(MAKE))
@settings(max_examples=200)
@given(pieces=STREAMS, data=st.data())
def test_chunking_does_not_matter(name: str, pieces: list[bytes], data: st.DataObject) -> None:
    whole = b"".join(pieces)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=8)))
    cut = [whole[a:b] for a, b in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
    sound = [frame.payload for frame in through(MAKE[name](), cut) if isinstance(frame, CompleteFrame)]
    assert sound == [f.payload for f in through(MAKE[name](), [whole]) if isinstance(f, CompleteFrame)]


@pytest.mark.parametrize("name", sorted(MAKE))
@pytest.mark.parametrize("lines", DOCUMENTS)
def test_simulator_frame_is_complete(name: str, lines: tuple[str, ...]) -> None:
    (frame,) = through(MAKE[name](), [FRAMES[name](lines)])
    assert isinstance(frame, CompleteFrame)


@pytest.mark.parametrize(
    ("name", "head"),
    [("accessis", b"\x1c\x02"), ("rte", b"\x01\x5a\x00OU\x020"), ("text", b""), ("accessis", b"")],
)
def test_endless_frame_is_given_up(name: str, head: bytes) -> None:
    framing = MAKE[name]()
    given_up = list(framing.feed(head + b"A" * (LIMIT_BYTES + 100)))
    assert given_up
    assert all(isinstance(frame, DamagedFrame) for frame in given_up)


def test_largest_qr_code_is_one_frame() -> None:
    """It has 4,296 letters and digits, as a barcode with a face and a certificate may have."""
    wire = b"\x1e\x021" + b"A" * 4296 + b"\x03\x1f"
    pieces = [wire[at : at + 64] for at in range(0, len(wire), 64)]
    assert through(AccessIsFraming(), pieces) == [DamagedFrame(OTHER_CONTENT, wire)]
