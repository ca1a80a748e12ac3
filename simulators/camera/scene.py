"""Content of pictures: people at a counter, or a lane with or without a vehicle, drawn and invented.

A view is drawn once and kept; a picture of it costs a copy, its stamp and its encoding.
"""

import functools
import io
from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random
from typing import Literal

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageFont

from simulators.camera.frame_stamp import FrameStamp

Place = Literal["counter", "lane"]
Light = Literal["good", "dark", "bright"]
_SKINS = ((241, 206, 178), (214, 168, 132), (162, 114, 82), (104, 70, 50))
_HAIRS = ((40, 30, 26), (92, 64, 40), (150, 120, 74), (120, 120, 122))
_PAINTS = ((150, 28, 30), (36, 66, 120), (214, 214, 210), (58, 60, 62), (40, 92, 60))


@dataclass(frozen=True, slots=True)
class View:
    """The content of a picture."""

    place: Place = "counter"
    people: int = 1
    """Number of faces at the counter."""
    plate: str = ""
    """Plate of the vehicle in the lane; empty: no vehicle."""
    light: Light = "good"
    blurred: bool = False
    caption: int = 0
    """Number of the camera: another one shows other people and another car."""


def picture(view: View, size: tuple[int, int], stamp: FrameStamp, shown_ms: int | None = None) -> Image.Image:
    """Draw a picture of (width, height) pixels; `shown_ms` is the camera's clock, written in it."""
    image = _drawn(view, size).copy()
    stamp.draw(image)
    shown = datetime.fromtimestamp((stamp.at_ms if shown_ms is None else shown_ms) / 1000, UTC)
    text = f"{stamp.number:06}  {shown.isoformat(' ', 'milliseconds')}"
    ImageDraw.Draw(image).text((size[0] // 40, size[1] // 12), text, "white", _font(size[1] // 24))
    return image


def jpeg(image: Image.Image, quality: int = 80) -> bytes:
    """Encode the image as a file."""
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality)
    return file.getvalue()


def plate_close_up(plate: str, width: int = 240) -> Image.Image:
    """Draw the crop of a plate."""
    image = Image.new("RGB", (width, width // 4), "white")
    _plate(ImageDraw.Draw(image), (1, 1, width - 2, width // 4 - 2), plate)
    return image


@functools.lru_cache(maxsize=6)
def _drawn(view: View, size: tuple[int, int]) -> Image.Image:
    # Drawn at 1280 pixels and scaled: edges are smooth, and every size shows the same.
    image = Image.new("RGB", (1280, 720))
    draw = ImageDraw.Draw(image)
    (_counter if view.place == "counter" else _lane)(draw, view)
    # Noise of a sensor: without it a drawing has areas too even for a photograph.
    image = Image.blend(image, _grain(), 0.06)
    if view.blurred:
        image = image.filter(ImageFilter.GaussianBlur(9))
    if view.light != "good":
        image = ImageEnhance.Brightness(image).enhance(0.15 if view.light == "dark" else 2.2)
    return image.resize(size, Image.Resampling.LANCZOS)


@functools.cache
def _grain() -> Image.Image:
    grey = np.random.default_rng(0).normal(128, 12, (720, 1280)).clip(0, 255).astype(np.uint8)
    return Image.fromarray(grey).convert("RGB")


def _counter(draw: ImageDraw.ImageDraw, view: View) -> None:
    draw.rectangle((0, 0, 1280, 720), (188, 196, 200))
    for down in range(0, 720, 4):
        draw.line((0, down, 1280, down), (188 - down // 20, 196 - down // 20, 200 - down // 24), 4)
    for place in range(view.people):
        chance = Random(f"{view.caption}/{place}")
        middle = 1280 * (place + 1) // (view.people + 1) + chance.randint(-20, 20)
        _person(draw, middle, 340 + chance.randint(-15, 15), chance)
    draw.rectangle((0, 655, 1280, 720), (96, 74, 56))


def _person(draw: ImageDraw.ImageDraw, x: int, y: int, chance: Random) -> None:
    """Draw head and shoulders around (x, y), the middle of the face; 80 pixels from eye to eye."""
    skin, hair = chance.choice(_SKINS), chance.choice(_HAIRS)
    shade, light = _toned(skin, 0.72), _toned(skin, 1.12)
    draw.ellipse((x - 240, y + 150, x + 240, y + 620), chance.choice(_PAINTS))
    draw.rectangle((x - 56, y + 80, x + 56, y + 190), shade)
    draw.ellipse((x - 122, y - 168, x + 122, y + 110), hair)
    for side in (-1, 1):
        ear = x + side * 106
        draw.ellipse((ear - 18, y - 20, ear + 18, y + 42), shade)
    draw.ellipse((x - 106, y - 150, x + 106, y + 152), skin)
    draw.chord((x - 112, y - 160, x + 112, y + 30), 200, 340, hair)
    draw.ellipse((x - 66, y - 98, x + 66, y - 52), light)
    for side in (-1, 1):
        eye, cheek = x + side * 42, x + side * 54
        draw.ellipse((cheek - 36, y + 22, cheek + 36, y + 78), light)
        # Eye sockets and brows are darker than their surroundings: software detects a face by that.
        draw.ellipse((eye - 34, y - 36, eye + 34, y + 14), _toned(skin, 0.55))
        draw.ellipse((eye - 20, y - 22, eye + 20, y), (206, 202, 196))
        draw.ellipse((eye - 12, y - 24, eye + 12, y), (44, 32, 26))
        draw.line((eye - 34, y - 40 - side * 3, eye + 34, y - 40 + side * 3), _toned(skin, 0.35), 12)
    draw.rectangle((x - 9, y - 40, x + 9, y + 50), light)
    draw.ellipse((x - 24, y + 42, x + 24, y + 66), shade)
    draw.ellipse((x - 10, y + 40, x + 10, y + 56), light)
    draw.ellipse((x - 42, y + 86, x + 42, y + 112), _toned((160, 72, 70), 0.6 + skin[0] / 600))
    draw.line((x - 42, y + 98, x + 42, y + 98), (70, 30, 32), 5)
    draw.ellipse((x - 34, y + 118, x + 34, y + 142), light)


def _toned(colour: tuple[int, int, int], by: float) -> tuple[int, int, int]:
    red, green, blue = (min(255, int(part * by)) for part in colour)
    return red, green, blue


def _lane(draw: ImageDraw.ImageDraw, view: View) -> None:
    draw.rectangle((0, 0, 1280, 300), (156, 184, 206))
    draw.rectangle((0, 300, 1280, 720), (112, 128, 96))
    draw.polygon([(430, 300), (850, 300), (1240, 720), (40, 720)], (92, 92, 94))
    for left, right in ((430, 40), (850, 1240)):
        draw.line((left, 300, right, 720), "white", 8)
    if view.plate:
        _vehicle(draw, view)


def _vehicle(draw: ImageDraw.ImageDraw, view: View) -> None:
    paint = Random(view.caption).choice(_PAINTS)
    dark = tuple(part // 2 for part in paint)
    for left in (360, 830):
        draw.rounded_rectangle((left, 520, left + 90, 640), 20, (24, 24, 24))
    draw.polygon([(430, 350), (500, 210), (780, 210), (850, 350)], dark)
    draw.polygon([(456, 345), (514, 226), (766, 226), (824, 345)], (44, 58, 68))
    draw.rounded_rectangle((340, 340, 940, 600), 40, paint)
    for left in (370, 810):
        draw.ellipse((left, 400, left + 100, 460), (236, 232, 200))
    draw.rectangle((500, 390, 780, 470), dark)
    _plate(draw, (520, 500, 760, 560), view.plate)


def _plate(draw: ImageDraw.ImageDraw, box: tuple[int, int, int, int], text: str) -> None:
    left, top, right, bottom = box
    draw.rectangle(box, "white", "black", 2)
    font = _font(min(bottom - top, int(1.7 * (right - left) / max(len(text), 1))) * 4 // 5)
    draw.text(((left + right) / 2, (top + bottom) / 2), text, "black", font, anchor="mm")


@functools.cache
def _font(size: int) -> ImageFont.FreeTypeFont:
    font = ImageFont.load_default(max(size, 6))
    assert isinstance(font, ImageFont.FreeTypeFont)
    return font
