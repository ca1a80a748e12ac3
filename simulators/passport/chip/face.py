"""Invented faces for DG2: drawn by Pillow if installed, else a mosaic by this module."""

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from importlib import import_module
from importlib.util import find_spec
from random import Random

from simulators.errors import SimulatorError

WIDTH, HEIGHT = 240, 320
"""Size of the picture in pixels."""

_DC_SYMBOLS = bytes(range(12))
_MARKER = 0xFF


class ImageFormat(StrEnum):
    """Image formats of DG2 (ISO/IEC 19794-5, table 13)."""

    JPEG = "jpeg"
    JPEG_2000 = "jpeg2000"

    @property
    def data_type(self) -> int:
        """Code of the format in the image information."""
        return list(ImageFormat).index(self)


@dataclass(frozen=True, slots=True)
class _Look:
    background: int
    skin: int
    hair: int
    eyes: int

    @classmethod
    def of(cls, seed: str) -> "_Look":
        chance = Random(seed)
        return cls(
            chance.randint(200, 235), chance.randint(110, 190), chance.randint(20, 90), chance.randint(10, 60)
        )

    def shade(self, x: float, y: float) -> int:
        """Return the grey level of a point, both coordinates from 0 to 1."""

        def within(cx: float, cy: float, rx: float, ry: float) -> bool:
            return ((x - cx) / rx) ** 2 + ((y - cy) / ry) ** 2 <= 1

        if within(0.38, 0.45, 0.05, 0.025) or within(0.62, 0.45, 0.05, 0.025):
            return self.eyes
        if within(0.5, 0.67, 0.1, 0.02) or within(0.5, 0.56, 0.03, 0.03):
            return self.skin - 50
        if within(0.5, 0.52, 0.25, 0.3):
            return self.skin
        if within(0.5, 0.42, 0.31, 0.32):
            return self.hair
        return self.hair + 20 if within(0.5, 1.05, 0.48, 0.25) else self.background


@lru_cache(maxsize=64)
def draw_face(seed: str, image_format: ImageFormat = ImageFormat.JPEG) -> bytes:
    """Draw the picture of an invented person; it is the same for the same seed.

    Raises SimulatorError for JPEG 2000 if no Pillow that can write it is installed.
    """
    look = _Look.of(seed)
    if find_spec("PIL") is not None:
        return _by_pillow(look, image_format)
    if image_format is ImageFormat.JPEG_2000:
        raise SimulatorError.without("simulators", "a face in JPEG 2000 requires Pillow")
    return mosaic(look.shade, WIDTH, HEIGHT)


def _by_pillow(look: _Look, image_format: ImageFormat) -> bytes:
    image_module = import_module("PIL.Image")
    # Drawn at half the size, which is four times as fast, and tinted: issuers have colour images.
    columns, rows = WIDTH // 2, HEIGHT // 2
    greys = bytes(look.shade(x / columns, y / rows) for y in range(rows) for x in range(columns))
    grey = image_module.frombytes("L", (columns, rows), greys).resize((WIDTH, HEIGHT))
    warm = [grey.point(lambda value, by=by: min(255, int(value * by))) for by in (1.1, 0.95, 0.85)]
    out = io.BytesIO()
    try:
        if image_format is ImageFormat.JPEG:
            image_module.merge("RGB", warm).save(out, "JPEG", quality=88)
        else:
            image_module.merge("RGB", warm).save(out, "JPEG2000", quality_mode="rates", quality_layers=[20])
    except (OSError, KeyError) as error:
        raise SimulatorError(f"this Pillow cannot write {image_format}: {error}") from error
    return out.getvalue()


def mosaic(shade: Callable[[float, float], int], width: int, height: int) -> bytes:
    """Encode a baseline JPEG (ISO/IEC 10918-1) in grey, each block of 8 by 8 pixels of one shade.

    A uniform block has only its first coefficient, so two small Huffman tables suffice: twelve 4-bit codes
    for the size of the difference to the previous block, one 1-bit code for the end of the block.
    """
    columns, rows = -(-width // 8), -(-height // 8)
    bits: list[str] = []
    before = 0
    for row in range(rows):
        for column in range(columns):
            value = 8 * (shade((column + 0.5) / columns, (row + 0.5) / rows) - 128) // 8
            bits.append(_difference(value - before) + "0")
            before = value
    stream = "".join(bits)
    stream += "1" * (-len(stream) % 8)
    entropy = bytes(int(stream[at : at + 8], 2) for at in range(0, len(stream), 8))
    return b"".join((
        b"\xff\xd8",
        _segment(0xE0, b"JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00"),
        _segment(0xDB, b"\x00" + b"\x08" * 64),
        _segment(0xC0, b"\x08" + height.to_bytes(2, "big") + width.to_bytes(2, "big") + b"\x01\x01\x11\x00"),
        _segment(0xC4, b"\x00" + _lengths([0, 0, 0, len(_DC_SYMBOLS)]) + _DC_SYMBOLS),
        _segment(0xC4, b"\x10" + _lengths([1]) + b"\x00"),
        _segment(0xDA, b"\x01\x01\x00\x00\x3f\x00"),
        entropy.replace(bytes([_MARKER]), bytes([_MARKER, 0])),
        b"\xff\xd9",
    ))  # fmt: skip


def _difference(value: int) -> str:
    size = abs(value).bit_length()
    amount = value if value > 0 else value + (1 << size) - 1
    return f"{size:04b}" + (f"{amount:0{size}b}" if size else "")


def _segment(marker: int, content: bytes) -> bytes:
    return bytes([_MARKER, marker]) + (len(content) + 2).to_bytes(2, "big") + content


def _lengths(counts: Sequence[int]) -> bytes:
    return bytes(counts) + bytes(16 - len(counts))
