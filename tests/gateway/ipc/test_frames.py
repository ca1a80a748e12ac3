"""Frames between worker and daemon: whatever the pieces, the same frames; nonsense ends the corridor."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.ipc.frames import (
    MAX_FRAME_BYTES,
    READ_BUFFER_BYTES,
    FrameConnection,
    FrameError,
    FrameType,
    encode_frame,
)

FRAMES = st.lists(
    st.tuples(
        st.sampled_from(FrameType),
        st.dictionaries(st.text(min_size=1, max_size=8), st.integers() | st.text(max_size=20), max_size=3),
        st.binary(max_size=200),
    ),
    max_size=8,
)


def arrive(corridor: FrameConnection, wire: bytes) -> None:
    """As the event loop reads: into the corridor's own buffer, as much as it has room for."""
    while wire:
        room = corridor.get_buffer(-1)
        count = min(len(room), len(wire))
        room[:count] = wire[:count]
        corridor.buffer_updated(count)
        wire = wire[count:]


@given(FRAMES, st.data())
def test_frames_arrive_as_sent_whatever_the_pieces(
    sent: list[tuple[FrameType, dict[str, object], bytes]], data: st.DataObject
) -> None:
    wire = b"".join(encode_frame(*one) for one in sent)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(wire)), max_size=8)))
    got: list[tuple[FrameType, dict[str, object], bytes]] = []
    corridor = FrameConnection(lambda *one: got.append(one), lambda: None)
    for start, end in zip([0, *cuts], [*cuts, len(wire)], strict=True):
        arrive(corridor, wire[start:end])
    assert got == sent


def test_images_come_whole_and_leave_no_room_behind() -> None:
    sent = [
        (FrameType.BLOB, {"role": "page"}, bytes(size)) for size in (3, 2_000_000, 40_000, 70_000, 0, 33_000)
    ]
    got: list[object] = []
    corridor = FrameConnection(lambda *one: got.append(one), lambda: None)
    arrive(corridor, b"".join(encode_frame(*one) for one in sent))
    assert got == sent
    assert len(corridor.get_buffer(-1)) == READ_BUFFER_BYTES


@pytest.mark.parametrize(
    "wire",
    [
        (MAX_FRAME_BYTES + 1).to_bytes(4, "big") + b"\x01\x00\x00",
        (3).to_bytes(4, "big") + b"\x01\x00\x09",
    ],
)
def test_what_is_no_frame_is_refused(wire: bytes) -> None:
    corridor = FrameConnection(lambda *_: None, lambda: None)
    with pytest.raises(FrameError):
        arrive(corridor, wire)
