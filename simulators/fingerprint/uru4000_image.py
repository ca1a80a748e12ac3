"""Format of a U.are.U scanner's image: inverted, rotated, in blocks of lines, encrypted.

Layout and cipher: protocol sheet, section 2; both were checked against recordings of two scanners.

- Lines of 384 bytes. The line of a block that is marked "not present" is missing: readers repeat the next.
- Cipher: a byte stream from a 32-bit shift register. In each block the bytes are shifted by one place, so
  that the block's last byte is lost; clear lines step the register too, unless marked otherwise.
"""

import struct
from dataclasses import dataclass
from functools import reduce
from random import Random

import numpy as np
from numpy.typing import NDArray

WIDTH, HEIGHT = 384, 290
HEADER = 64
CHANGE_KEY, NO_KEY_UPDATE, ENCRYPTED, NOT_PRESENT = 0x80, 0x04, 0x02, 0x01
FRAME = 8
TAPS = (0, 2, 3, 6, 10, 12, 19, 22, 25, 28, 31)
"""Taps of the shift register: mask 0x9248144D."""
STREAM_BITS = (4, 8, 11, 14, 18, 21, 24, 29)
"""Bits of the register that make the byte, the lowest first."""

Bytes = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Block:
    """Consecutive lines of one treatment."""

    flags: int
    lines: int


AS_RECORDED = (
    Block(ENCRYPTED, 72),
    Block(0, 1),
    Block(ENCRYPTED, 49),
    Block(NOT_PRESENT, 1),
    Block(0, 1),
    Block(ENCRYPTED, 49),
    Block(0, 1),
    Block(ENCRYPTED, 116),
)
"""The blocks of a 4500: 289 lines sent, 290 shown."""
UNENCRYPTED = (Block(0, 170), Block(NOT_PRESENT, 1), Block(0, 119))


def register_bits(key: int, count: int) -> Bytes:
    """Return the bits that pass through the register: the key's own 32, lowest first, then those shifted in.

    A step of the register is a linear recurrence; so is every 2^k-th step of it, with the same taps. So ever
    longer runs of bits can be made at once.
    """
    bits = np.zeros(max(count, 32) * 2 + 64, np.uint8)
    bits[:32] = [key >> place & 1 for place in range(32)]
    known, step = 32, 1
    while known < count:
        if known >= 64 * step:
            step *= 2
        bits[known : known + step] = reduce(
            np.bitwise_xor,
            (bits[known + (tap - 32) * step : known + (tap - 32) * step + step] for tap in TAPS),
        )
        known += step
    return bits[:count]


def stream(key: int, count: int) -> Bytes:
    """Return the first `count` bytes of the cipher's stream."""
    bits = register_bits(key, count + 32)
    return reduce(
        np.bitwise_or, (bits[place : place + count] << at for at, place in enumerate(STREAM_BITS))
    ).astype(np.uint8)


def advance_key(key: int, count: int) -> int:
    """Return the register after `count` steps."""
    bits = register_bits(key, count + 32)[count:]
    return int(np.packbits(bits, bitorder="little").view("<u4")[0])


@dataclass(frozen=True, slots=True)
class Raw:
    """An image as sent, and its keys."""

    data: bytes
    first_key: int
    """Number of the image's first key."""
    keys: tuple[int, ...]
    """The keys, from that number on."""


def raw(image: Bytes, blocks: tuple[Block, ...], chance: Random, *, turned: bool) -> Raw:
    """Encode an image of 290 rows by 384 columns, ridges dark. `turned`: the sensor is upside down."""
    lines = 255 - image
    if turned:
        lines = lines[::-1, ::-1].copy()
    if not any(block.flags & ENCRYPTED for block in blocks):
        # Readers detect a cipher by the noise of the first lines; these show the dark frame of the glass.
        lines[:2] = FRAME
    first_key = chance.randrange(200)
    keys = [chance.getrandbits(32)]
    key, row, sent = keys[0], 0, bytearray()
    for block in blocks:
        if block.flags & CHANGE_KEY:
            keys.append(key := chance.getrandbits(32))
        if not block.flags & NOT_PRESENT:
            plain = np.ascontiguousarray(lines[row : row + block.lines]).ravel()
            match block.flags & (ENCRYPTED | NO_KEY_UPDATE):
                case 0x02:
                    enciphered = np.empty_like(plain)
                    enciphered[0] = chance.randrange(256)
                    enciphered[1:] = plain[:-1] ^ stream(key, plain.size - 1)
                    sent += enciphered.tobytes()
                    key = advance_key(key, plain.size)
                case 0x00:
                    sent += plain.tobytes()
                    key = advance_key(key, plain.size)
                case _:
                    sent += plain.tobytes()
        elif not block.flags & NO_KEY_UPDATE:
            key = advance_key(key, block.lines * WIDTH)
        row += block.lines
    return Raw(_header(len(sent) // WIDTH, first_key, blocks, chance) + bytes(sent), first_key, tuple(keys))


def _header(lines: int, key: int, blocks: tuple[Block, ...], chance: Random) -> bytes:
    pairs = b"".join(bytes([block.flags, block.lines]) for block in blocks) + bytes(2)
    # After the end of the list the scanner's memory shows: readers must ignore it.
    rest = chance.randbytes(HEADER - 16 - len(pairs))
    return struct.pack("<HHHB", 0x4010, WIDTH, lines, key) + chance.randbytes(9) + pairs + rest
