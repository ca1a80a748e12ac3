"""Frames between worker and daemon: any fragmentation gives the same frames; malformed bytes close it."""

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


def arrive(connection: FrameConnection, received: bytes) -> None:
    """Feed bytes as the event loop does: into the connection's buffer, as much as fits."""
    while received:
        free = connection.get_buffer(-1)
        count = min(len(free), len(received))
        free[:count] = received[:count]
        connection.buffer_updated(count)
        received = received[count:]


@given(FRAMES, st.data())
def test_frames_survive_any_fragmentation(
    sent: list[tuple[FrameType, dict[str, object], bytes]], data: st.DataObject
) -> None:
    received = b"".join(encode_frame(*one) for one in sent)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(received)), max_size=8)))
    got: list[tuple[FrameType, dict[str, object], bytes]] = []
    connection = FrameConnection(lambda *one: got.append(one), lambda: None)
    for start, end in zip([0, *cuts], [*cuts, len(received)], strict=True):
        arrive(connection, received[start:end])
    assert got == sent


def test_image_arrives_whole_and_buffer_shrinks() -> None:
    sent = [
        (FrameType.BLOB, {"role": "page"}, bytes(size)) for size in (3, 2_000_000, 40_000, 70_000, 0, 33_000)
    ]
    got: list[object] = []
    connection = FrameConnection(lambda *one: got.append(one), lambda: None)
    arrive(connection, b"".join(encode_frame(*one) for one in sent))
    assert got == sent
    assert len(connection.get_buffer(-1)) == READ_BUFFER_BYTES


@pytest.mark.parametrize(
    "received",
    [
        (MAX_FRAME_BYTES + 1).to_bytes(4, "big") + b"\x01\x00\x00",
        (3).to_bytes(4, "big") + b"\x01\x00\x09",
    ],
)
def test_what_is_no_frame_is_refused(received: bytes) -> None:
    connection = FrameConnection(lambda *_: None, lambda: None)
    with pytest.raises(FrameError):
        arrive(connection, received)
