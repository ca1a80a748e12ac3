"""Frames between worker and daemon: whatever the pieces, the same frames; nonsense ends the corridor."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.corridor import LIMIT_BYTES, BrokenCorridorError, Corridor, Kind, frame

FRAMES = st.lists(
    st.tuples(
        st.sampled_from(Kind),
        st.dictionaries(st.text(min_size=1, max_size=8), st.integers() | st.text(max_size=20), max_size=3),
        st.binary(max_size=200),
    ),
    max_size=8,
)


@given(FRAMES, st.data())
def test_frames_arrive_as_sent_whatever_the_pieces(
    sent: list[tuple[Kind, dict[str, object], bytes]], data: st.DataObject
) -> None:
    wire = b"".join(frame(*one) for one in sent)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(wire)), max_size=8)))
    got: list[tuple[Kind, dict[str, object], bytes]] = []
    corridor = Corridor(lambda *one: got.append(one), lambda: None)
    for start, end in zip([0, *cuts], [*cuts, len(wire)], strict=True):
        corridor.data_received(wire[start:end])
    assert got == sent


@pytest.mark.parametrize(
    "wire",
    [
        (LIMIT_BYTES + 1).to_bytes(4, "big") + b"\x01\x00\x00",
        (3).to_bytes(4, "big") + b"\x01\x00\x09",
    ],
)
def test_what_is_no_frame_is_refused(wire: bytes) -> None:
    corridor = Corridor(lambda *_: None, lambda: None)
    with pytest.raises(BrokenCorridorError):
        corridor.data_received(wire)
