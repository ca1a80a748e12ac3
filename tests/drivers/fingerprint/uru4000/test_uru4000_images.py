"""Images of U.are.U scanners: decoding of all blocks, and refusal of malformed images."""

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.devices.uru4000_images import WIDTH, Rows, encrypted, hidden_by, image_of, lost, stepped

from drivers.driver import BadFrame
from drivers.fingerprint.uru4000.challenge import challenge_response
from drivers.fingerprint.uru4000.image import (
    HEAD_BYTES,
    IMAGE_BYTES,
    MOST_ROWS,
    RawImage,
    key_of,
    key_request,
    parse,
)
from drivers.fingerprint.uru4000.keystream import keystream

KEY, OTHER_KEY = 0x1F4C93E7, 0x8000_0001


def picture(rows: int, seed: int = 1) -> Rows:
    """Return a picture like a print on paper: neighbours differ, without noise for the detection."""
    wave = 128 + 90 * np.sin(np.arange(rows * WIDTH) / 9 + np.random.default_rng(seed).random())
    return wave.astype(np.uint8).reshape(rows, WIDTH)


def frame_of(raw: bytes) -> RawImage:
    frame = parse(raw)
    assert isinstance(frame, RawImage), frame
    return frame


@pytest.mark.parametrize("key", [0, 1, 0xFFFFFFFF, KEY])
def test_keystream_of_a_shift_register(key: int) -> None:
    expected, state = [], key
    for _ in range(3000):
        expected.append(hidden_by(state))
        state = stepped(state)
    assert keystream(key, 3000).tolist() == expected


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize(
    "blocks",
    [
        [(0x02, 12)],
        [(0x02, 5), (0x00, 1), (0x02, 6)],
        [(0x02, 5), (0x06, 1), (0x02, 6)],
        [(0x00, 3), (0x02, 9)],
        [(0x02, 4), (0x04, 4), (0x02, 4)],
    ],
    ids=["one", "a clear row", "key stands", "clear first", "clear, and the key stands"],
)
def test_encrypted_image_is_decrypted(blocks: list[tuple[int, int]], turned: bool) -> None:
    wanted = picture(12)
    laid = wanted[::-1, ::-1] if turned else wanted
    frame = frame_of(image_of(encrypted(255 - laid, blocks, [KEY]), blocks))
    found = frame.decode_pixels([KEY], turned=turned)
    assert np.array_equal(found[::-1, ::-1] if turned else found, lost(laid, blocks))


def test_another_key_can_begin_anywhere() -> None:
    blocks = [(0x02, 4), (0x82, 4), (0x00, 1), (0x82, 3)]
    wanted = picture(12)
    frame = frame_of(image_of(encrypted(255 - wanted, blocks, [KEY, OTHER_KEY, KEY]), blocks, key_number=254))
    assert frame.key_numbers == (254, 255, 0)
    assert np.array_equal(frame.decode_pixels([KEY, OTHER_KEY, KEY], turned=False), lost(wanted, blocks))


def test_absent_row_is_replaced_by_the_next() -> None:
    blocks = [(0x02, 5), (0x01, 1), (0x00, 1), (0x02, 5)]
    sent = picture(11)
    frame = frame_of(image_of(encrypted(255 - sent, blocks, [KEY]), blocks))
    found = frame.decode_pixels([KEY], turned=False)
    assert found.shape == (12, WIDTH)
    assert np.array_equal(found[5], found[6])
    assert np.array_equal(found[6], sent[5])


def test_encryption_is_detected_by_variance() -> None:
    blocks = [(0x02, 12)]
    clear = 255 - picture(12)
    assert not frame_of(image_of(np.full((12, WIDTH), 20, np.uint8), blocks)).is_encrypted
    assert frame_of(image_of(encrypted(clear, blocks, [KEY]), blocks)).is_encrypted
    frame = frame_of(image_of(clear, blocks))
    assert np.array_equal(frame.decode_pixels([], turned=False), picture(12)), (
        "without a key it is left as it is"
    )


def test_blocks_after_the_last_row_are_ignored() -> None:
    blocks = [(0x02, 12), (0x00, 0), (0x10, 64), (0x80, 1), (0xC4, 122)]
    frame = frame_of(image_of(encrypted(255 - picture(12), blocks[:1], [KEY]), blocks))
    assert frame.key_numbers == (0,)
    assert frame.decode_pixels([KEY], turned=False).shape == (12, WIDTH)


def test_a_key_is_hidden_by_its_seed() -> None:
    assert key_request(5, 0x51EA2124).hex() == "052421ea51"
    assert key_of((KEY ^ 0x51EA2124).to_bytes(4, "little"), 0x51EA2124) == KEY


def test_challenge_response_of_the_recording() -> None:
    # Recording uru4000-msv2, packets 17 and 18.
    challenge = bytes.fromhex("4dae5a0b1247a86c9fbf29fdcc178a74")
    assert challenge_response(challenge).hex() == "329351371e4adfb1f35f09f329c6ab46"


WHOLE = image_of(np.zeros((4, WIDTH), np.uint8), [(0x02, 1), (0x01, 1), (0x00, 3)])


@pytest.mark.parametrize(
    ("raw", "fault"),
    [
        (b"", "empty image"),
        (WHOLE[:20], "image cut short"),
        (WHOLE[:-1], "image cut short"),
        (WHOLE[:4] + b"\x00\x00" + WHOLE[6:], "wrong number of rows"),
        (WHOLE[:4] + b"\x22\x01" + WHOLE[6:], "wrong number of rows"),
        (WHOLE[:4] + b"\x03\x00" + WHOLE[6:], None),
        (WHOLE[:16] + bytes(30) + WHOLE[46:], "blocks do not make up the rows"),
        (
            image_of(np.zeros((200, WIDTH), np.uint8), [(0x01, 200), (0x00, 200)]),
            "more rows than the sensor has",
        ),
    ],
)
def test_malformed_image_names_its_fault(raw: bytes, fault: str | None) -> None:
    found = parse(raw)
    assert (found.fault if isinstance(found, BadFrame) else None) == fault


def test_bad_frame_has_the_header_only() -> None:
    found = parse(WHOLE[:-1])
    assert isinstance(found, BadFrame)
    assert found.wire == WHOLE[:HEAD_BYTES]


@given(
    st.lists(st.tuples(st.integers(0, 255), st.integers(0, 255)), max_size=15),
    st.integers(0, 400),
    st.integers(0, 300),
    st.lists(st.tuples(st.integers(0, HEAD_BYTES - 1), st.integers(0, 255)), max_size=3),
)
def test_any_bytes_give_an_image_or_a_bad_frame(
    blocks: list[tuple[int, int]], said: int, sent: int, changed: list[tuple[int, int]]
) -> None:
    raw = bytearray(image_of(np.zeros((sent, WIDTH), np.uint8), blocks))
    raw[4:6] = said.to_bytes(2, "little")
    for at, value in changed:
        raw[at] = value
    match parse(bytes(raw)):
        case RawImage() as frame:
            assert isinstance(frame.is_encrypted, bool)
            found = frame.decode_pixels([KEY] * len(frame.key_numbers), turned=True)
            assert 0 < len(found) <= MOST_ROWS
        case bad:
            assert isinstance(bad, BadFrame)


def test_an_image_is_readable_in_time() -> None:
    raw = np.random.default_rng(1).integers(0, 256, IMAGE_BYTES, np.uint8).tobytes()
    raw = image_of(np.zeros((0, WIDTH), np.uint8), [(0x02, 255), (0x02, 34)])[:HEAD_BYTES] + raw[HEAD_BYTES:]
    raw = raw[:4] + (289).to_bytes(2, "little") + raw[6:]
    taken_s = []
    for _ in range(5):
        before = time.thread_time()
        frame = frame_of(raw)
        assert frame.is_encrypted
        frame.decode_pixels([KEY], turned=True)
        taken_s.append(time.thread_time() - before)
    assert min(taken_s) < 0.06
