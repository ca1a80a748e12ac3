"""Image format of the scanner: a header that describes the rows, and the rows, possibly encrypted.

Offset 4: u16 number of rows sent; 6: number of the key; 16: fifteen blocks of rows, flags and length each;
64: rows of 384 bytes. All little-endian. The other fields of the header are unknown, and the blocks after
those that make up the rows have no meaning.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from drivers.driver import BadFrame
from drivers.fingerprint.raster import Pixels
from drivers.fingerprint.uru4000.keystream import keystream

WIDTH_PX = 384
MOST_ROWS = 290
HEAD_BYTES = 64
IMAGE_BYTES = HEAD_BYTES + MOST_ROWS * WIDTH_PX
"""Requested size of an image; images are shorter."""
BLOCKS = 15
KEY_CHANGES, KEY_UNCHANGED, ENCRYPTED, ABSENT = 0x80, 0x04, 0x02, 0x01
"""Flags of a block. The rows of an absent one were not sent: the rows that follow replace them."""
NOISE = 5000
"""Variance of the first two rows' sum from which they count as encrypted; 10,849 and 11,240 were measured."""


@dataclass(frozen=True, slots=True)
class Block:
    """Consecutive rows with the same flags."""

    flags: int
    rows: int


@dataclass(frozen=True, slots=True)
class RawImage:
    """A well-formed image, not decrypted yet."""

    key_number: int
    blocks: tuple[Block, ...]
    """Blocks that make up the image, 290 rows at most."""
    rows: Pixels
    """Bytes in the order of transmission, row by row."""

    @property
    def is_encrypted(self) -> bool:
        """True if the rows look encrypted: clear images have the flag, too."""
        total = self.rows[:2].astype(np.int64).sum(axis=0)
        return (
            len(self.rows) >= 2 and int(((total - total.sum() // WIDTH_PX) ** 2).sum()) // WIDTH_PX >= NOISE
        )

    @property
    def key_numbers(self) -> tuple[int, ...]:
        """Numbers of the required keys, in their order."""
        changes = sum(bool(block.flags & KEY_CHANGES) for block in self.blocks)
        return tuple(self.key_number + change & 0xFF for change in range(changes + 1))

    def decode_pixels(self, keys: Sequence[int], *, turned: bool) -> Pixels:
        """Decode the image to a print on paper; `keys` belong to `key_numbers`, none for a clear image."""
        rows = _decrypted(self, keys) if keys else self.rows
        whole = np.concatenate([rows[start:end] for _, start, end in _spans(self.blocks)])
        dark_on_light = 255 - whole
        return np.ascontiguousarray(dark_on_light[::-1, ::-1]) if turned else dark_on_light


def parse(raw: bytes) -> RawImage | BadFrame:
    """Parse the bytes from the scanner. Never raises: malformed bytes give a BadFrame, without their rows."""
    if not raw:
        return BadFrame("empty image", b"")
    head = raw[:HEAD_BYTES]
    sent = int.from_bytes(head[4:6], "little")
    if not 0 < sent < MOST_ROWS:
        return BadFrame("wrong number of rows", head)
    if len(raw) < HEAD_BYTES + sent * WIDTH_PX:
        return BadFrame("image cut short", head)
    blocks = tuple(_blocks(head[16 : 16 + 2 * BLOCKS], sent))
    if sum(block.rows for block in blocks if not block.flags & ABSENT) != sent:
        return BadFrame("blocks do not make up the rows", head)
    if sum(block.rows for block in blocks) > MOST_ROWS:
        return BadFrame("more rows than the sensor has", head)
    rows = np.frombuffer(raw, np.uint8, sent * WIDTH_PX, HEAD_BYTES).reshape(sent, WIDTH_PX)
    return RawImage(head[6], blocks, rows)


def _blocks(table: bytes, sent: int) -> Iterator[Block]:
    """Yield the blocks up to the last row sent.

    None is longer than the remaining rows, not even an absent one.
    """
    left = sent
    for flags, rows in zip(table[::2], table[1::2], strict=True):
        if left == 0 or rows == 0:
            return
        block = Block(flags, min(rows, left))
        yield block
        if not flags & ABSENT:
            left -= block.rows


def _spans(blocks: Sequence[Block]) -> Iterator[tuple[Block, int, int]]:
    """Yield each block with the rows sent that belong to it, or replace it."""
    row = 0
    for block in blocks:
        yield block, row, row + block.rows
        if not block.flags & ABSENT:
            row += block.rows


def _decrypted(frame: RawImage, keys: Sequence[int]) -> Pixels:
    """Decrypt the rows. The keystream continues over clear blocks, except with the flag KEY_UNCHANGED."""
    clear = frame.rows.copy()
    following = iter(keys)
    stream, at = keystream(next(following), IMAGE_BYTES), 0
    for block, start, end in _spans(frame.blocks):
        if block.flags & KEY_CHANGES:
            stream, at = keystream(next(following), IMAGE_BYTES), 0
        size = block.rows * WIDTH_PX
        if block.flags & (ENCRYPTED | KEY_UNCHANGED) == ENCRYPTED:
            # A byte is hidden in the next one; the last one of a block is therefore unknown.
            hidden = clear[start:end].reshape(-1)
            hidden[:-1] = hidden[1:] ^ stream[at : at + size - 1]
            hidden[-1] = 0
        if not block.flags & KEY_UNCHANGED:
            at += size
    return clear


def key_request(number: int, seed: int) -> bytes:
    """Build the request for a key of 32 bits; the response is hidden by the seed, of 32 bits as well."""
    return bytes((number,)) + seed.to_bytes(4, "little")


def key_of(answer: bytes, seed: int) -> int:
    """Return the key of a response."""
    return int.from_bytes(answer[:4], "little") ^ seed
