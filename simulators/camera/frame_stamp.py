"""The stamp in a picture, in cells of black and white: its number and its time.

Two rows of 64 cells along the upper edge, and the same along the lower one: a picture of which a part is
missing, or that is composed of two, cannot be read. Cells are 10 pixels at a width of 640, which JPEG and
H.264 at any usable quality preserve. Bits, from the first: 8 of a mark, 8 of the camera's number, 32 of the
picture's, 48 of its time in milliseconds since 1970, 32 of the CRC-32 of the rest.
"""

import zlib
from dataclasses import dataclass

from PIL import Image

CELLS, ROWS = 64, 2
MARK = 0xB7
GREY = 60
"""Maximum distance of a cell's mean from black or white, of 255."""


class UnreadableError(Exception):
    """The stamp cannot be read: torn, cut, another picture, or too much noise."""


@dataclass(frozen=True, slots=True)
class FrameStamp:
    """One picture of one camera."""

    number: int
    """Counted from 0 when the camera starts."""
    at_ms: int
    """Time of the picture, in milliseconds since 1970, by this machine's clock, not the camera's."""
    camera: int = 0

    def draw(self, image: Image.Image) -> None:
        """Draw it on both edges of an image at least 64 pixels wide."""
        cell = image.width // CELLS
        cells = Image.frombytes("1", (CELLS, ROWS), self._bits()).convert("L")
        strip = cells.resize((CELLS * cell, ROWS * cell), Image.Resampling.NEAREST).convert(image.mode)
        for top in (0, image.height - strip.height):
            image.paste(strip, ((image.width - strip.width) // 2, top))

    def _bits(self) -> bytes:
        stamp = bytes([MARK, self.camera & 0xFF]) + self.number.to_bytes(4) + self.at_ms.to_bytes(6)
        return stamp + zlib.crc32(stamp).to_bytes(4)

    @classmethod
    def read(cls, image: Image.Image) -> "FrameStamp":
        """Read the stamp of `image`; raise UnreadableError if its two edges do not agree clearly."""
        cell = image.width // CELLS
        left = (image.width - CELLS * cell) // 2
        upper, lower = (
            _bits_of(image.crop((left, top, left + CELLS * cell, top + ROWS * cell)))
            for top in (0, image.height - ROWS * cell)
        )
        if upper != lower:
            raise UnreadableError("the upper edge is of another picture than the lower one")
        if upper[0] != MARK or zlib.crc32(upper[:12]) != int.from_bytes(upper[12:]):
            raise UnreadableError("no stamp")
        return cls(int.from_bytes(upper[2:6]), int.from_bytes(upper[6:12]), upper[1])


def _bits_of(strip: Image.Image) -> bytes:
    means = strip.convert("L").resize((CELLS, ROWS), Image.Resampling.BOX).tobytes()
    if any(GREY < mean < 255 - GREY for mean in means):
        raise UnreadableError("neither black nor white")
    return sum((mean > 127) << (127 - place) for place, mean in enumerate(means)).to_bytes(16)
