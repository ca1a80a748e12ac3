"""Character files and templates in a format of our own, and a real comparison of them.

The formats of real modules are their makers' secret; hosts only move them as bytes. Ours:

- A *character file*, 256 bytes: ``"BP"``, a version, a reserved byte, the side of a square, the share of it
  that shows ridges (0 to 255), then the square's bits, row by row, the first in the highest bit: ridge or
  valley, every 0.2 mm around the sensor's middle. The rest is zeros.
- A *template*: the module's number of character files per finger, two or six; missing ones are zeros.

Two character files are compared by correlating the squares for every shift and for rotations up to 24
degrees; the best position counts, if the squares overlap there by two fifths. Of 30 fingers, two touches of
one gave 0.39 to 0.7, two fingers 0.21 in the middle and 0.40 at most.
"""

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

FILE_BYTES = 256
MAGIC, VERSION = b"BP", 1
SIDE, PITCH_MM = 44, 0.2
FINE = 2
"""Factor of the resolution at which squares are compared."""
TURNS_DEG = range(-24, 25, 4)
LEAST_OVERLAP = 0.4
_SIZE = 144
"""Size of the transforms: enough for every shift that still overlaps."""
LEAST_CONTRAST, LEAST_SHOWN = 1.0, 0.4
"""Minimum contrast, of 16 greys, and minimum share of the square. Below, an image has too few features."""
LEAST_RIDGED = 0.64
"""Share of what is seen that comes as often as ridges do; clean prints have 0.87, dry and worn ones under
0.5."""
RIDGES_MM = (0.36, 0.65)
"""From ridge to ridge."""

Floats = NDArray[np.float32]
Waves = NDArray[np.complexfloating[Any, Any]]


@dataclass(frozen=True, slots=True)
class Characters:
    """Result of an image: the character file, or the cause of its absence."""

    file: bytes = b""
    cause: str = ""


def characters(image: NDArray[Any], ppi: int) -> Characters:
    """Compute the character file of an image with 16 greys, 0 darkest. Cause: `few-features` or `messy`."""
    pixels_mm = ppi / 25.4
    grey = image.astype(np.float32)
    fine = _smooth(_smooth(grey, 0.14 * pixels_mm), 0.14 * pixels_mm)
    ridges = fine - _smooth(fine, 0.9 * pixels_mm)
    contrast = np.sqrt(_smooth(ridges**2, 1.2 * pixels_mm))
    at = _grid(image.shape, pixels_mm)
    shown = float((contrast[at] > LEAST_CONTRAST).mean())
    bits = ridges[at] < 0
    if shown < LEAST_SHOWN:
        return Characters(cause="few-features")
    if _ridged(bits) < LEAST_RIDGED:
        return Characters(cause="messy")
    head = MAGIC + bytes([VERSION, 0, SIDE, round(shown * 255)])
    return Characters((head + np.packbits(bits).tobytes()).ljust(FILE_BYTES, b"\0"))


def _ridged(bits: NDArray[np.bool_]) -> float:
    """Return the share of ridges in a square, as against lines, lumps and noise of other widths."""
    power = np.abs(np.fft.fft2(np.where(bits, 1.0, -1.0))) ** 2
    along = np.fft.fftfreq(SIDE, PITCH_MM)
    often = np.hypot(along[:, None], along[None])
    ridges = (often > 1 / RIDGES_MM[1]) & (often < 1 / RIDGES_MM[0])
    return float(power[ridges].sum() / power.sum())


def _grid(shape: tuple[int, ...], pixels_mm: float) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    off = (np.arange(SIDE) - (SIDE - 1) / 2) * PITCH_MM * pixels_mm
    rows, columns = (
        np.clip(np.rint((length - 1) / 2 + off), 0, length - 1).astype(np.intp) for length in shape
    )
    return np.ix_(rows, columns)


def _smooth(values: Floats, width: float) -> Floats:
    """Return the mean over a square of an odd number of pixels, about `width`."""
    size = int(width) | 1
    for axis in (0, 1):
        before = [(size // 2 + 1, size // 2) if along == axis else (0, 0) for along in (0, 1)]
        total = np.cumsum(np.pad(values, before, mode="edge"), axis=axis, dtype=np.float64)
        count = values.shape[axis]
        ahead = np.take(total, np.arange(size, size + count), axis)
        values = ((ahead - np.take(total, np.arange(count), axis)) / size).astype(np.float32)
    return values


def files_in(template: bytes) -> list[bytes]:
    """Return the character files of a template, without empty places."""
    pieces = (template[at : at + FILE_BYTES] for at in range(0, len(template), FILE_BYTES))
    return [piece for piece in pieces if len(piece) == FILE_BYTES and piece.startswith(MAGIC)]


def similarity(one: bytes, other: bytes) -> float:
    """Return the best similarity of two templates, or character files: 1 for the same touch, 0 for none."""
    scores = [_compared(first, second) for first in files_in(one) for second in files_in(other)]
    return max(scores, default=0.0)


@lru_cache(maxsize=256)
def _compared(one: bytes, other: bytes) -> float:
    together = np.fft.irfft2(_turned(one) * np.conj(_transformed(other)), (_SIZE, _SIZE), axes=(1, 2))
    return max(0.0, float((together / _overlaps()).max()))


@lru_cache(maxsize=16)
def _turned(file: bytes) -> Waves:
    return np.fft.rfft2(_rotations(_square(file)), (_SIZE, _SIZE), axes=(1, 2))


@lru_cache(maxsize=1024)
def _transformed(file: bytes) -> Waves:
    return np.fft.rfft2(_square(file), (_SIZE, _SIZE))


@lru_cache(maxsize=1)
def _overlaps() -> Floats:
    """Return the number of overlapping points for each rotation and shift; infinity if too few."""
    whole = np.ones((SIDE * FINE, SIDE * FINE), np.float32)
    turned = np.fft.rfft2(_rotations(whole), (_SIZE, _SIZE), axes=(1, 2))
    overlaps = np.fft.irfft2(
        turned * np.conj(np.fft.rfft2(whole, (_SIZE, _SIZE))), (_SIZE, _SIZE), axes=(1, 2)
    )
    return np.where(overlaps < LEAST_OVERLAP * whole.size, np.inf, overlaps).astype(np.float32)


def _square(file: bytes) -> Floats:
    """Return ridges as 1, valleys as -1, with the waves between, at the finer resolution."""
    bits = np.unpackbits(np.frombuffer(file, np.uint8, offset=6), count=SIDE * SIDE)
    coarse = np.fft.rfft2((bits.reshape(SIDE, SIDE) * 2.0 - 1.0).astype(np.float32))
    fine = np.zeros((SIDE * FINE, SIDE * FINE // 2 + 1), coarse.dtype)
    fine[: SIDE // 2, : SIDE // 2] = coarse[: SIDE // 2, : SIDE // 2]
    fine[-SIDE // 2 :, : SIDE // 2] = coarse[SIDE // 2 :, : SIDE // 2]
    return np.fft.irfft2(fine * FINE**2, (SIDE * FINE, SIDE * FINE)).astype(np.float32)


def _rotations(square: Floats) -> Floats:
    """Return the square rotated by each angle about its middle; points from outside are 0."""
    length = square.shape[0]
    middle = (length - 1) / 2
    down, right = np.mgrid[0:length, 0:length] - middle
    turned = []
    for degrees in TURNS_DEG:
        angle = math.radians(degrees)
        x = math.cos(angle) * right + math.sin(angle) * down + middle
        y = math.cos(angle) * down - math.sin(angle) * right + middle
        inside = (x >= 0) & (x <= length - 1) & (y >= 0) & (y <= length - 1)
        left = np.clip(x.astype(np.intp), 0, length - 2)
        top = np.clip(y.astype(np.intp), 0, length - 2)
        x, y = x - left, y - top
        above = square[top, left] * (1 - x) + square[top, left + 1] * x
        below = square[top + 1, left] * (1 - x) + square[top + 1, left + 1] * x
        turned.append(np.where(inside, above * (1 - y) + below * y, 0))
    return np.array(turned, np.float32)
