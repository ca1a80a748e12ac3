"""Format and cipher of a U.are.U scanner's images, against a second implementation of the sheet."""

from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from uru4000_reader import noisiness, read, stepped, stream_byte

from simulators.fingerprint import uru4000_image as image
from simulators.fingerprint.fingers import Finger, render_touch
from simulators.fingerprint.uru4000 import SENSOR
from simulators.fingerprint.uru4000_image import AS_RECORDED, UNENCRYPTED, Block, raw

TOUCH = Finger(5).touch()


def expected(source: NDArray[np.uint8], blocks: tuple[Block, ...], *, turned: bool) -> NDArray[np.uint8]:
    """Return a reader's result: inverted, absent lines replaced by the next, last bytes of blocks 0."""
    lines = 255 - (source[::-1, ::-1] if turned else source)
    image = lines.copy()
    row = 0
    for block in blocks:
        row += block.lines
        if block.flags & 0x01:
            image[row - block.lines : row] = lines[row : row + block.lines]
        elif block.flags & 0x06 == 0x02:
            image[row - 1, -1] = 0
    return image


@given(key=st.integers(0, 2**32 - 1), count=st.integers(1, 5000))
@settings(max_examples=25)
def test_stream_matches_bitwise_register(key: int, count: int) -> None:
    register, bytes_ = key, []
    for _ in range(count):
        bytes_.append(stream_byte(register))
        register = stepped(register)
    assert image.stream(key, count).tolist() == bytes_
    assert image.advance_key(key, count) == register


def test_stream_of_whole_image() -> None:
    register = 0x1234ABCD
    for _ in range(50_000):
        register = stepped(register)
    assert image.advance_key(0x1234ABCD, 50_000) == register
    # A register of 0 stays 0: no cipher, but no failure.
    assert not image.stream(0, 1000).any()


def test_header_layout_is_as_recorded() -> None:
    made = raw(render_touch(TOUCH, SENSOR), AS_RECORDED, Random(1), turned=True)
    assert len(made.data) == 111_040
    assert made.data[:4].hex() == "10408001"
    assert int.from_bytes(made.data[4:6], "little") == 289
    assert made.data[6] == made.first_key
    # The recording of a 4500 has these blocks, then a pair of zeros.
    assert made.data[16:34].hex() == "024800010231010100010231000102740000"


@pytest.mark.parametrize("turned", [True, False])
def test_image_round_trip(turned: bool) -> None:
    made = raw(render_touch(TOUCH, SENSOR), AS_RECORDED, Random(2), turned=turned)
    assert noisiness(made.data) >= 5000
    keys = dict(enumerate(made.keys, made.first_key))
    image = read(made.data, keys.__getitem__)
    assert np.array_equal(image, expected(render_touch(TOUCH, SENSOR), AS_RECORDED, turned=turned))
    whole = render_touch(TOUCH, SENSOR)
    assert (image != 255 - (whole[::-1, ::-1] if turned else whole)).sum() <= 384 + 4


def test_image_without_cipher_is_recognizable() -> None:
    made = raw(render_touch(TOUCH, SENSOR), UNENCRYPTED, Random(3), turned=False)
    assert noisiness(made.data) < 5000
    image = read(made.data, {}.__getitem__)
    assert np.array_equal(image[2:], expected(render_touch(TOUCH, SENSOR), UNENCRYPTED, turned=False)[2:])


blocks_of_an_image = st.lists(
    st.tuples(st.sampled_from([0x00, 0x02, 0x04, 0x80, 0x82]), st.integers(1, 12)), min_size=1, max_size=12
)


@given(pairs=blocks_of_an_image, seed=st.integers(0, 1000))
@settings(max_examples=20)
def test_any_blocks_are_read_back(pairs: list[tuple[int, int]], seed: int) -> None:
    # First an encrypted one, by which readers decide; at the end one that fills up the image.
    rest = 289 - 2 - sum(lines for _, lines in pairs)
    filled = [
        Block(0x02, 2),
        *(Block(*pair) for pair in pairs),
        Block(0x04, rest // 2),
        Block(0x04, rest - rest // 2),
    ]
    source = np.random.default_rng(seed).integers(0, 255, (290, 384), np.uint8)
    made = raw(source[:290], (*filled, Block(0x05, 1)), Random(seed), turned=False)
    keys = dict(enumerate(made.keys, made.first_key))
    assert np.array_equal(
        read(made.data, keys.__getitem__), expected(source, tuple(filled), turned=False)[:289]
    )
