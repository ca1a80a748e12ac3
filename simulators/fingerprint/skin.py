"""Quality of prints by condition of skin and platen, as a few numbers each."""

from dataclasses import dataclass
from enum import StrEnum
from random import Random

import numpy as np

from simulators.fingerprint.ridge_flow import Floats


class SkinCondition(StrEnum):
    """Condition of a finger, or of the platen."""

    CLEAN = "clean"
    NOISY = "noisy"
    DRY = "dry"
    WET = "wet"
    PARTIAL = "partial"
    DIRTY = "dirty"
    WORN = "worn"
    """Ridges worn away by years of manual work: a print that no scanner reads."""


@dataclass(frozen=True, slots=True)
class Skin:
    """One condition. Heights are in standard deviations of the ridges, ink from 0 to 1."""

    swelling: float = -0.3
    """Added to the height: above 0 the valleys close, below 0 the ridges thin."""
    steepness: float = 2.2
    """Steepness of the transition from no ink to ink."""
    darkness: float = 0.9
    blotches: float = 0.2
    """Variation of the swelling from place to place, and from ridge to ridge in `breaks`."""
    breaks: float = 0.0
    worn: float = 0.0
    """Share of the skin without ridges."""
    creases: int = 0
    pores: float = 0.5
    """Share of open pores; a square millimetre of ridge has about three."""
    grain: float = 5.0
    """Noise of the sensor, in grey levels: one standard deviation."""
    half_width_mm: float = 8.5
    half_height_mm: float = 11.0
    centre_mm: tuple[float, float] = (0.0, -1.0)
    """Contact area, an ellipse: its half axes, and its middle on the finger, rightwards and upwards."""


SKIN = {
    SkinCondition.CLEAN: Skin(),
    SkinCondition.NOISY: Skin(breaks=1.5, blotches=0.6, darkness=0.6, grain=60.0),
    SkinCondition.DRY: Skin(
        swelling=-1.0, blotches=0.7, breaks=1.3, darkness=0.5, pores=1.0, creases=4, grain=12.0
    ),
    SkinCondition.WET: Skin(swelling=2.1, blotches=1.3, darkness=1.0, pores=0.0),
    SkinCondition.PARTIAL: Skin(half_width_mm=4.0, half_height_mm=4.5, centre_mm=(2.5, 5.0)),
    SkinCondition.DIRTY: Skin(blotches=0.5),
    SkinCondition.WORN: Skin(worn=0.85, blotches=1.1, creases=12, darkness=0.65, pores=1.0, grain=12.0),
}


def render_ink(
    skin: Skin,
    height: Floats,
    right_mm: Floats,
    up_mm: Floats,
    pixel_mm: float,
    noise: np.random.Generator,
    finger: int,
) -> Floats:
    """Return the darkness of each point, 0 to 1. Points are positions on the finger.

    `finger` seeds what is permanent (creases, worn places), `noise` what differs with each touch.
    """
    lasting = Random(f"{finger}/skin")
    if skin.worn:
        # Worn places do not move with the sensor, so they are made of waves over the finger.
        depth = _waves(lasting, right_mm, up_mm, count=12, shortest_mm=2, longest_mm=6)
        height = height * np.clip((depth - np.quantile(depth, skin.worn)) * 2 + 0.2, 0.05, 1)
    level = height + skin.swelling + skin.blotches * _blotches(noise, height.shape, 1.6 / pixel_mm)
    if skin.breaks:
        level = level + skin.breaks * _blotches(noise, height.shape, 0.35 / pixel_mm)
    ink = skin.darkness / (1 + np.exp(-skin.steepness * level))
    for _ in range(skin.creases):
        ink = ink * (1 - _line(lasting, right_mm, up_mm, width_mm=lasting.uniform(0.1, 0.25)))
    if skin.pores:
        # A share of noise peaks, on top of ridges only; the finer the sensor, the smaller the share of its
        # pixels.
        open_ones = noise.random(height.shape, np.float32) < 3 * skin.pores * pixel_mm**2
        ink = np.where(open_ones & (height > 0.6), ink * 0.35, ink)
    right, up = right_mm - skin.centre_mm[0], up_mm - skin.centre_mm[1]
    from_middle = np.hypot(right / skin.half_width_mm, up / skin.half_height_mm)
    ragged = 0.03 * _blotches(noise, height.shape, 0.8 / pixel_mm)
    contact = 1 / (1 + np.exp(np.clip(30 * (from_middle + ragged - 1), -30, 30)))
    return np.asarray(ink * contact, np.float32)


def add_dirt(ink: Floats, residual: Floats, pixel_mm: float) -> Floats:
    """Add grease and dust, which stay on the platen until it is cleaned.

    `residual`: the ridges of the residual print, as heights at each point.
    """
    noise, chance = np.random.default_rng(5), Random(5)
    y, x = np.mgrid[0 : ink.shape[0], 0 : ink.shape[1]].astype(np.float32) * np.float32(pixel_mm)
    cover = np.clip(0.8 + 0.6 * _blotches(noise, ink.shape, 3 / pixel_mm), 0, 0.95)
    fine = _blotches(noise, ink.shape, 0.3 / pixel_mm)
    grease = np.clip(0.45 + 0.3 * np.tanh(residual + 3 * fine), 0, 1)
    for _ in range(6):
        cover = np.maximum(cover, 0.8 * _line(chance, x - 8, y - 8, width_mm=0.5))
    ink = ink * (1 - cover) + grease * cover
    for _ in range(40):
        from_speck = np.hypot(x - chance.uniform(0, 20), y - chance.uniform(0, 20))
        ink = np.maximum(ink, (from_speck < chance.uniform(0.1, 0.35)) * 0.9)
    return ink.astype(np.float32)


def _blotches(noise: np.random.Generator, shape: tuple[int, int], size_px: float) -> Floats:
    """Return smooth noise, deviation about 1, with lumps about `size_px` pixels wide."""
    rows, columns = (int(length / size_px) + 3 for length in shape)
    coarse = noise.standard_normal((rows, columns), np.float32) * 1.5
    for axis, length in enumerate(shape):
        at = np.arange(length, dtype=np.float32) / size_px
        first = at.astype(np.intp)
        share = at - first
        share = (share**2 * (3 - 2 * share)).reshape((-1, 1) if axis == 0 else (1, -1))
        coarse = np.take(coarse, first, axis) * (1 - share) + np.take(coarse, first + 1, axis) * share
    return coarse.astype(np.float32)


def _waves(
    chance: Random, right_mm: Floats, up_mm: Floats, count: int, shortest_mm: float, longest_mm: float
) -> Floats:
    total = np.zeros(right_mm.shape, np.float32)
    for _ in range(count):
        angle, phase = chance.uniform(0, 6.28), chance.uniform(0, 6.28)
        number = 6.28 / chance.uniform(shortest_mm, longest_mm)
        total += np.sin(number * (right_mm * np.cos(angle) + up_mm * np.sin(angle)) + phase).astype(
            np.float32
        )
    return total


def _line(chance: Random, right_mm: Floats, up_mm: Floats, width_mm: float) -> Floats:
    """Return a line at any angle somewhere across the middle, 1 on it, 0 off it."""
    angle, off = chance.uniform(0, 3.14), chance.uniform(-7, 7)
    away = right_mm * np.float32(np.cos(angle)) + up_mm * np.float32(np.sin(angle)) - np.float32(off)
    return np.asarray(np.exp(-((away / np.float32(width_mm)) ** 2)), np.float32)
