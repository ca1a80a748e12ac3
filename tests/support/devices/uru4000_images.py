"""Image data of a U.are.U scanner, written from the protocol sheet: header, blocks, encryption."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

WIDTH = 384
Rows = NDArray[np.uint8]
Blocks = Sequence[tuple[int, int]]
"""Flags and number of rows of each block."""


def stepped(key: int) -> int:
    return ((key & 0x9248144D).bit_count() & 1) << 31 | key >> 1


def hidden_by(key: int) -> int:
    return sum((key >> bit & 1) << place for place, bit in enumerate((4, 8, 11, 14, 18, 21, 24, 29)))


def encrypted(rows: Rows, blocks: Blocks, keys: Sequence[int]) -> Rows:
    """Return rows as sent. The first byte of an encrypted block has no meaning, its last pixel is lost."""
    sent = rows.copy().reshape(-1)
    left = list(keys)
    key, at = left.pop(0), 0
    for flags, count in blocks:
        if flags & 0x80:
            key = left.pop(0)
        size = count * WIDTH
        block = sent[at : at + size]
        clear = block.tolist()
        cipher = [0xA5]
        if not flags & 0x04:
            for value in clear:
                cipher.append(value ^ hidden_by(key))
                key = stepped(key)
        if flags & 0x06 == 0x02:
            block[:] = cipher[:-1]
        if not flags & 0x01:
            at += size
    return sent.reshape(-1, WIDTH)


def image_of(rows: Rows, blocks: Blocks, key_number: int = 0) -> bytes:
    """Return a whole image: header and rows, as sent."""
    head = bytearray(64)
    head[:4] = b"\x10\x40\x80\x01"
    head[4:6] = len(rows).to_bytes(2, "little")
    head[6] = key_number
    for place, (flags, count) in enumerate(blocks):
        head[16 + 2 * place : 18 + 2 * place] = bytes((flags, count))
    return bytes(head) + rows.tobytes()


def lost(picture: Rows, blocks: Blocks) -> Rows:
    """Return a picture without the pixels that encryption loses: the last one of each encrypted block."""
    kept = picture.copy()
    row = 0
    for flags, count in blocks:
        row += count
        if flags & 0x06 == 0x02:
            kept[row - 1, -1] = 255
    return kept
