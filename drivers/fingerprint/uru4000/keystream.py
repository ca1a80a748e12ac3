"""Keystream of encrypted images: a shift register of 32 bits, eight of which form a byte.

A step shifts the register right and puts the parity of the tapped bits on top. So the register is a window on
one long sequence of bits, s[t+32] = s[t+a] ^ s[t+b] ^ ... over the taps a, b and so on, and each byte is
eight bits of that sequence at fixed distances. Over GF(2) the square of a recurrence has all distances
doubled and holds as well: with distances 2**k times as long, one vectorised step gives 2**k new bits.
"""

import numpy as np
from numpy.typing import NDArray

REGISTER_BITS = 32
TAPS = tuple(bit for bit in range(REGISTER_BITS) if 0x9248144D >> bit & 1)
BYTE_BITS = (4, 8, 11, 14, 18, 21, 24, 29)
"""Bits of the register that form a byte, its lowest bit first."""


def keystream(key: int, size: int) -> NDArray[np.uint8]:
    """Return the first bytes of the stream of a key of 32 bits; about 2 ms for an image."""
    bits = _sequence(key, size + REGISTER_BITS)
    stream = np.zeros(size, np.uint8)
    for place, bit in enumerate(BYTE_BITS):
        stream |= bits[bit : bit + size] << place
    return stream


def _sequence(key: int, size: int) -> NDArray[np.uint8]:
    """Return the first bits of the sequence, one per byte."""
    bits = np.zeros(size, np.uint8)
    known = REGISTER_BITS
    bits[:known] = [key >> bit & 1 for bit in range(known)]
    stride = 1
    while known < size:
        for _ in range(REGISTER_BITS):
            start = known - REGISTER_BITS * stride
            count = min(stride, size - known)
            new = bits[known : known + count]
            for tap in TAPS:
                new ^= bits[start + tap * stride :][:count]
            known += count
        stride *= 2
    return bits
