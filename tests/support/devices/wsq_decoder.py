"""Independent WSQ decoder, written from the FBI's specification (IAFIS-IC-0110), to check our encoding.

It shares nothing with the library that encodes: that one lifts and convolves, this one writes a step of the
wavelet transform as a matrix and inverts it.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import IntEnum
from functools import cache

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
BANDS = 64


class Marker(IntEnum):
    """Type of a segment."""

    START = 0xFFA0
    END = 0xFFA1
    FRAME = 0xFFA2
    BLOCK = 0xFFA3
    TRANSFORM = 0xFFA4
    QUANTISATION = 0xFFA5
    HUFFMAN = 0xFFA6
    COMMENT = 0xFFA8


@dataclass
class Area:
    """A part of the frequency plane: its split (none: a subband), and its place in its parent.

    The low half comes first; in a part that is itself a high half, the frequencies run the other way round.
    """

    parts: tuple["Area", ...] = ()
    right: bool = False
    below: bool = False
    zero: bool = False
    """True for the highest frequencies, four subbands that are never sent."""
    shape: tuple[int, int] = (0, 0)
    values: Floats = field(default_factory=lambda: np.zeros((0, 0)))

    def measure(self, height: int, width: int) -> Iterator["Area"]:
        """Set the size of every part; yield the subbands in order of their numbers."""
        self.shape = (height, width)
        if not self.parts:
            if not self.zero:
                yield self
            return
        rows, columns = _halves(height, self.below), _halves(width, self.right)
        for part in self.parts:
            yield from part.measure(rows[part.below], columns[part.right])

    def joined(self, low: Floats, high: Floats) -> Floats:
        """Return the inverse transform of all its parts."""
        height, width = self.shape
        if not self.parts:
            return np.zeros(self.shape) if self.zero else self.values
        upper, lower = (
            np.hstack([part.joined(low, high) for part in self.parts if part.below is below])
            for below in (False, True)
        )
        plane = np.vstack([upper, lower])
        return (
            _synthesis(height, self.below, low.tobytes(), high.tobytes())
            @ plane
            @ _synthesis(width, self.right, low.tobytes(), high.tobytes()).T
        )


def _halves(length: int, turned: bool) -> tuple[int, int]:
    """Return the sizes of both halves: the low one has the extra sample."""
    low, high = (length + 1) // 2, length // 2
    return (high, low) if turned else (low, high)


def _four(*parts: Area) -> tuple[Area, ...]:
    for number, part in enumerate(parts):
        part.right, part.below = bool(number & 1), bool(number & 2)
    return parts


def _split(depth: int) -> Area:
    """Split into four, `depth` times."""
    return Area(_four(*(_split(depth - 1) for _ in range(4)))) if depth else Area()


def plane() -> Area:
    """Return the 64 subbands: 0 to 18, 19 to 34, 35 to 50 and 51 in the quarter of the lowest frequencies."""
    lowest = Area(_four(Area(_four(_split(1), Area(), Area(), Area())), _split(1), _split(1), _split(1)))
    low = Area(_four(lowest, _split(2), _split(2), Area()))
    return Area(_four(low, _split(1), _split(1), Area(zero=True)))


@cache
def _synthesis(length: int, turned: bool, low_taps: bytes, high_taps: bytes) -> Floats:
    """Return the matrix that makes samples of a low and a high half (turned: of a high and a low one)."""
    low, high = np.frombuffer(low_taps), np.frombuffer(high_taps)
    analysis = np.zeros((length, length))
    halves = [(range(0, length, 2), low), (range(1, length, 2), high)]
    row = 0
    for centres, taps in reversed(halves) if turned else halves:
        for centre in centres:
            for tap, factor in enumerate(taps, start=centre - len(taps) // 2):
                analysis[row, _mirrored(tap, length)] += factor
            row += 1
    return np.linalg.inv(analysis)


def _mirrored(index: int, length: int) -> int:
    """Return the index in the signal extended by its mirror image, the last sample not repeated."""
    if length == 1:
        return 0
    period = 2 * (length - 1)
    index %= period
    return min(index, period - index)


def decoded(data: bytes) -> tuple[NDArray[np.uint8], bytes]:
    """Return the pixels of a WSQ file, and its comment."""
    taps: tuple[Floats, Floats] | None = None
    steps: list[tuple[float, float]] = []
    centre = 0.0
    tables: dict[int, dict[tuple[int, int], int]] = {}
    comment = b""
    coefficients: list[int] = []
    assert _u16(data, 0) == Marker.START
    at = 2
    while (marker := _u16(data, at)) != Marker.END:
        length = _u16(data, at + 2)
        body = data[at + 4 : at + 2 + length]
        at += 2 + length
        match marker:
            case Marker.COMMENT:
                comment = body
            case Marker.TRANSFORM:
                taps = _taps(body)
            case Marker.QUANTISATION:
                centre = _scaled(body[:3])
                steps = [
                    (_scaled(body[3 + 6 * n : 6 + 6 * n]), _scaled(body[6 + 6 * n : 9 + 6 * n]))
                    for n in range(BANDS)
                ]
            case Marker.HUFFMAN:
                tables |= _tables(body)
            case Marker.FRAME:
                height, width = struct.unpack(">HH", body[2:6])
                shift, scale = _scaled(body[6:9]), _scaled(body[9:12])
            case Marker.BLOCK:
                end = at
                while not (data[end] == 0xFF and data[end + 1] != 0):
                    end += 1
                coefficients += _coefficients(data[at:end].replace(b"\xff\x00", b"\xff"), tables[body[0]])
                at = end
            case _:
                raise AssertionError(f"marker {marker:04X}")
    assert taps is not None
    whole = plane()
    left = iter(coefficients)
    for band, (step, zero) in zip(whole.measure(height, width), steps, strict=False):
        count = band.shape[0] * band.shape[1]
        found = np.fromiter((next(left) for _ in range(count if step else 0)), float)
        values = np.where(found > 0, step * (found - centre) + zero / 2, step * (found + centre) - zero / 2)
        band.values = np.where(found == 0, 0, values).reshape(band.shape) if step else np.zeros(band.shape)
    # The last block may be padded; no other data may remain.
    assert all(value == 0 for value in left)
    picture = whole.joined(*taps) * scale + shift
    return np.clip(np.floor(picture + 0.5), 0, 255).astype(np.uint8), comment


def _u16(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 2], "big")


def _scaled(data: bytes) -> float:
    """Parse a number: digits, and how many of them are after the decimal point."""
    return float(int.from_bytes(data[1:], "big")) / float(10 ** data[0])


def _taps(body: bytes) -> tuple[Floats, Floats]:
    """Parse the two filters: each is sent from its middle on."""
    found = []
    at = 2
    for size in body[:2]:
        half = []
        for _ in range((size + 1) // 2):
            half.append((-1) ** body[at] * _scaled(body[at + 1 : at + 6]))
            at += 6
        found.append(np.array([*half[:0:-1], *half]))
    return found[0], found[1]


def _tables(body: bytes) -> dict[int, dict[tuple[int, int], int]]:
    """Parse Huffman tables: code length and code to symbol."""
    found = {}
    while body:
        counts, symbols = body[1:17], iter(body[17:])
        table, code = {}, 0
        for length, count in enumerate(counts, start=1):
            for _ in range(count):
                table[length, code] = next(symbols)
                code += 1
            code <<= 1
        found[body[0]] = table
        body = body[17 + sum(counts) :]
    return found


def _coefficients(data: bytes, table: dict[tuple[int, int], int]) -> list[int]:
    """Decode the quantised coefficients of one block."""
    bits = int.from_bytes(data, "big")
    left = len(data) * 8

    def take(count: int) -> int:
        nonlocal left
        left -= count
        return bits >> left & ((1 << count) - 1)

    found: list[int] = []
    while left:
        length, code = 0, 0
        while (length, code) not in table:
            if not left or length == 16:
                return found  # padding of the last byte
            code, length = code << 1 | take(1), length + 1
        match table[length, code]:
            case run if run <= 100:
                found += [0] * run
            case 101:
                found.append(take(8))
            case 102:
                found.append(-take(8))
            case 103:
                found.append(take(16))
            case 104:
                found.append(-take(16))
            case 105:
                found += [0] * take(8)
            case 106:
                found += [0] * take(16)
            case symbol:
                found.append(symbol - 180)
    return found
