"""A second implementation of the U.are.U image: the sheet's format, bit by bit."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

WIDTH = 384
Exchange = Callable[[int], int]
"""Returns the key of that number."""


def stepped(key: int) -> int:
    return ((key & 0x9248144D).bit_count() & 1) << 31 | key >> 1


def stream_byte(key: int) -> int:
    return sum((key >> place & 1) << at for at, place in enumerate((4, 8, 11, 14, 18, 21, 24, 29)))


def noisiness(raw: bytes) -> int:
    rows = np.frombuffer(raw, np.uint8, 2 * WIDTH, 64).reshape(2, WIDTH).astype(int).sum(axis=0)
    return int(((rows - rows.sum() // WIDTH) ** 2).sum() // WIDTH)


def read(raw: bytes, exchange: Exchange) -> NDArray[np.uint8]:
    """Return the scanner's image: 290 rows, inverted, perhaps upside down."""
    lines, number = int.from_bytes(raw[4:6], "little"), raw[6]
    assert lines < 290
    assert len(raw) >= lines * WIDTH + 64
    pairs = [(raw[at], raw[at + 1]) for at in range(16, 46, 2)]
    data = bytearray(raw[64:])
    enciphered = noisiness(raw) >= 5000
    key = exchange(number) if enciphered else 0
    done, image = 0, []
    for flags, count in pairs:
        if done >= lines or count == 0:
            break
        if enciphered:
            if flags & 0x80:
                number += 1
                key = exchange(number)
            start, end = done * WIDTH, (done + count) * WIDTH
            if flags & 0x06 == 0x02:
                for at in range(start, end - 1):
                    data[at] = data[at + 1] ^ stream_byte(key)
                    key = stepped(key)
                data[end - 1] = 0
                key = stepped(key)
            elif flags & 0x06 == 0:
                for _ in range(start, end):
                    key = stepped(key)
        image += [data[row * WIDTH : (row + 1) * WIDTH] for row in range(done, done + count)]
        if not flags & 0x01:
            done += count
    return np.array(image, np.uint8)
