"""Pages of invented documents, drawn for each light by Pillow.

In infrared light the background vanishes and only carbon ink stays: the zone, if it is printed with B900 ink,
and the photo. In ultraviolet light security paper is dark, with fibres that glow; copier paper is bright.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib.util import find_spec
from random import Random
from typing import TYPE_CHECKING, Literal

from simulators.errors import SimulatorError
from simulators.mrz import format_of
from simulators.passport.chip.face import ImageFormat
from simulators.passport.chip.face import draw_face as face_drawn

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw

Light = Literal["visible", "infrared", "ultraviolet"]
Area = Literal["page", "face"]
SIZES_MM = {"TD1": (85.6, 54.0), "TD2": (105.0, 74.0), "TD3": (125.0, 88.0)}
"""Width and height of a card, a larger card and a passport's page (Doc 9303-4 to -6)."""
COMMENT_BYTES = 65533


@dataclass(frozen=True, slots=True)
class Page:
    """One page on the glass. Without `lines` it is the side of a card that has no zone."""

    lines: tuple[str, ...]
    dull_paper: bool = True
    """False: paper with optical brightener, which security printers do not use."""
    b900_ink: bool = True
    """False: a zone printed with ink that is invisible in infrared light."""
    is_washed: bool = False
    """True: detergent makes the whole page bright in ultraviolet light, but not its photo and its zone."""
    photo_fault: Literal["", "glued", "dyed"] = ""
    """`glued`: on paper that is bright in ultraviolet light. `dyed`: it vanishes in infrared light."""
    face: str | None = None
    """Seed of the portrait, so that it is that of the chip; None: one of the page's own."""

    @property
    def seed(self) -> str:
        """Seed of the drawing; the same page always looks the same."""
        return "\n".join(self.lines)

    @property
    def is_bright(self) -> bool:
        """True if the page is bright in ultraviolet light."""
        return self.is_washed or not self.dull_paper

    @property
    def has_bright_photo(self) -> bool:
        """True if the photo is bright in ultraviolet light."""
        return self.photo_fault == "glued" or not self.dull_paper

    def photocopy(self) -> "Page":
        """Return the same page made with a colour copier."""
        return replace(self, dull_paper=False, b900_ink=False)


@dataclass(frozen=True, slots=True)
class PageAppearance:
    """Image format of pages."""

    dpi: int = 150
    png: bool = False
    size_bytes: int | None = None
    """JPEG only: exact size; comments fill the image up, to the size of a larger sensor's image."""


@lru_cache(maxsize=32)
def draw_page(
    page: Page, light: Light, area: Area = "page", look: PageAppearance = PageAppearance()
) -> bytes:
    """Draw a page, or its photo, in a light; raise SimulatorError without Pillow."""
    if find_spec("PIL") is None:
        raise SimulatorError.without("simulators", "drawing pages requires Pillow")
    image = _page(page, light, look.dpi)
    if area == "face":
        image = image.crop(_photo_box(image.size))
    out = io.BytesIO()
    if look.png:
        image.save(out, "PNG", compress_level=1)
        return out.getvalue()
    # The page's text is also a comment in the image: a simulated server that examines it does no OCR.
    image.save(out, "JPEG", quality=88, comment="\n".join(page.lines) or "no zone")
    return _padded(out.getvalue(), look.size_bytes, page.seed + light)


def _padded(jpeg: bytes, size: int | None, seed: str) -> bytes:
    missing = 0 if size is None else size - len(jpeg)
    comments = bytearray()
    noise = Random(seed)
    while missing >= 4:
        # The last comment must not be smaller than an empty one.
        length = missing if missing <= COMMENT_BYTES + 2 else min(COMMENT_BYTES + 2, missing - 4)
        comments += b"\xff\xfe" + (length - 2).to_bytes(2, "big") + noise.randbytes(length - 4)
        missing -= length
    return jpeg[:2] + bytes(comments) + jpeg[2:]


def _page(page: Page, light: Light, dpi: int) -> "Image":
    from PIL import Image, ImageDraw

    width_mm, height_mm = SIZES_MM.get(
        str(format_of(page.lines) or "TD1").replace("MRV-A", "TD3"), SIZES_MM["TD1"]
    )
    size = round(width_mm * dpi / 25.4), round(height_mm * dpi / 25.4)
    backgrounds = {
        "visible": (226, 232, 219),
        "infrared": (238, 238, 238),
        "ultraviolet": (196, 206, 246) if page.is_bright else (16, 14, 34),
    }
    image = Image.new("RGB", size, backgrounds[light])
    draw = ImageDraw.Draw(image)
    chance = Random(page.seed)
    match light:
        case "visible":
            _guilloche(draw, size, (170, 190, 200))
            _words(draw, size, (40, 40, 60))
            image.paste(_photo(page, size), _photo_box(size)[:2])
            if page.photo_fault == "glued":
                draw.rectangle(_photo_box(size), outline=(120, 118, 110), width=2)
            _zone(draw, page.lines, size, (24, 24, 24))
        case "infrared":
            if page.photo_fault != "dyed":
                image.paste(_photo(page, size).convert("L").convert("RGB"), _photo_box(size)[:2])
            if page.b900_ink:
                _zone(draw, page.lines, size, (30, 30, 30))
        case "ultraviolet":
            if page.dull_paper:
                _guilloche(draw, size, (40, 90, 40))
            _fibres(draw, size, chance)
            if page.photo_fault == "glued":
                draw.rectangle(_photo_box(size), fill=(196, 206, 246))
            _zone(draw, page.lines, size, (8, 8, 16))
    return image


def _photo_box(size: tuple[int, int]) -> tuple[int, int, int, int]:
    width, height = size
    return round(width * 0.04), round(height * 0.16), round(width * 0.30), round(height * 0.66)


def _photo(page: Page, size: tuple[int, int]) -> "Image":
    from PIL import Image

    left, top, right, bottom = _photo_box(size)
    with Image.open(io.BytesIO(face_drawn(page.face or page.seed, ImageFormat.JPEG))) as face:
        return face.resize((right - left, bottom - top))


def _guilloche(draw: "ImageDraw", size: tuple[int, int], colour: tuple[int, int, int]) -> None:
    from math import sin

    width, height = size
    for start in range(0, height, max(6, height // 14)):
        points = [(x, start + sin(x / width * 18 + start) * height * 0.03) for x in range(0, width, 6)]
        draw.line(points, fill=colour)


def _words(draw: "ImageDraw", size: tuple[int, int], colour: tuple[int, int, int]) -> None:
    from PIL import ImageFont

    width, height = size
    draw.text(
        (width * 0.04, height * 0.03),
        "UTOPIA  SPECIMEN",
        fill=colour,
        font=ImageFont.load_default(height * 0.08),
    )
    for row in range(5):
        y = height * (0.18 + row * 0.09)
        draw.line([(width * 0.34, y), (width * (0.9 - row * 0.07), y)], fill=colour, width=2)


def _fibres(draw: "ImageDraw", size: tuple[int, int], chance: Random) -> None:
    width, height = size
    for _ in range(30):
        x, y = chance.uniform(0, width), chance.uniform(0, height * 0.75)
        colour = chance.choice(((230, 60, 60), (60, 90, 255), (220, 220, 80)))
        draw.line([(x, y), (x + chance.uniform(-12, 12), y + chance.uniform(-8, 8))], fill=colour)


def _zone(
    draw: "ImageDraw", lines: Sequence[str], size: tuple[int, int], colour: tuple[int, int, int]
) -> None:
    """Draw the zone in cells of one width, as in OCR-B."""
    from PIL import ImageFont

    if not lines:
        return
    width, height = size
    cell = width * 0.92 / max(map(len, lines))
    font = ImageFont.load_default(cell * 1.35)
    for row, line in enumerate(lines):
        y = height * (0.97 - 0.085 * (len(lines) - row))
        for column, letter in enumerate(line):
            draw.text((width * 0.04 + column * cell, y), letter, fill=colour, font=font)
