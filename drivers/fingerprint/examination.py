"""Looks at an image block by block: where are ridges, how many prints, what else lies on the glass.

Per block, gradients tell by the orientation certainty level (Lim, Jiang and Yau, *Fingerprint quality and
validity analysis*, ICIP 2002; one of the features of NFIQ 2, too) how much one direction prevails: 0 none,
1 nothing but parallel lines.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivers.fingerprint.raster import Pixels, Raster

BLOCK_IN = 0.032
"""Edge of a block, in inches: 16 pixels at 500 ppi, nearly two ridges."""
CONTRAST = 12.0
"""Standard deviation of the grey values of a block from which something is in it."""
PAPER = 40.0
"""How much darker than the background a block without contrast is that is not background."""
CERTAIN = 0.4
"""Orientation certainty from which a block shows ridges."""
PRINT_IN2 = 0.02
"""The smallest area that is counted as a print, in square inches: 5 by 2.6 mm."""
SECOND = 0.3
"""A print that has less than this share of the largest one is a part of it, or noise."""
WIDEST_IN = 1.05
"""No finger is wider, in inches: two that touch are one area."""
FINGER_IN = 0.7
"""How wide a finger is, in inches, where several touch."""

Grid = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class View:
    """What is to be seen in one image; areas are shares of the whole picture, 0 to 1."""

    prints: int
    """How many separate prints."""
    area: float
    """How much shows ridges of a print."""
    clarity: float
    """The same, each block weighted by how certain the direction of its ridges is."""
    grey: float
    """Mean grey of the prints or, without any, of what else is there: 0 black to 255 white."""
    right_of_centre: float
    """How far their middle is right of the picture's, in widths of the picture: -0.5 to 0.5."""
    below_centre: float
    """How far it is below, in heights of the picture: -0.5 to 0.5."""
    dirt: float
    """How much is neither background nor a print nor close to one."""


def examine(raster: Raster) -> View:
    """Look at an image of at least one block; about 5 ms for one finger at 500 ppi."""
    block_px = max(8, round(BLOCK_IN * raster.resolution_ppi))
    grey, contrast, certainty = _blocks(raster.pixels, block_px)
    if grey.size == 0:
        return View(0, 0.0, 0.0, 255.0, 0.0, 0.0, 0.0)
    background = float(np.quantile(grey, 0.95))
    busy = contrast > CONTRAST
    inches = block_px / raster.resolution_ppi
    areas = _areas(_without_specks(busy & (certainty > CERTAIN)), inches)
    ridges = np.zeros_like(busy)
    for area in areas:
        ridges |= area
    other = (busy | (grey < background - PAPER)) & ~_grown(_grown(ridges))
    looked_at = ridges if areas else other
    rows, columns = np.nonzero(looked_at)
    height, width = ridges.shape
    anything = bool(looked_at.any())
    return View(
        prints=sum(_fingers_in(area, inches) for area in areas),
        area=float(ridges.mean()),
        clarity=float((certainty * ridges).mean()),
        grey=float(grey[looked_at].mean()) if anything else background,
        right_of_centre=float((columns.mean() + 0.5) / width - 0.5) if anything else 0.0,
        below_centre=float((rows.mean() + 0.5) / height - 0.5) if anything else 0.0,
        dirt=float(other.mean()),
    )


def _blocks(pixels: Pixels, block_px: int) -> tuple[Grid, Grid, Grid]:
    """Of each whole block: mean grey, standard deviation, orientation certainty."""
    rows, columns = pixels.shape[0] // block_px, pixels.shape[1] // block_px
    if rows == 0 or columns == 0:
        nothing: Grid = np.zeros((0, 0))
        return nothing, nothing, nothing
    image = pixels[: rows * block_px, : columns * block_px].astype(np.float64)

    def mean(values: Any) -> Grid:
        return np.asarray(values.reshape(rows, block_px, columns, block_px).mean(axis=(1, 3)))

    down, across = np.gradient(image)
    grey = mean(image)
    contrast = np.sqrt(np.maximum(mean(image * image) - grey * grey, 0.0))
    # The certainty is 1 - smaller / larger eigenvalue of the covariance of the gradients.
    xx, yy, xy = mean(across * across), mean(down * down), mean(across * down)
    spread = np.sqrt((xx - yy) ** 2 + 4 * xy * xy)
    larger = xx + yy + spread
    smaller = xx + yy - spread
    certainty = 1 - np.divide(smaller, larger, out=np.ones_like(larger), where=larger > 1e-9)
    return grey, contrast, certainty


def _grown(mask: Mask) -> Mask:
    """The blocks of a mask and all that touch them."""
    padded = np.pad(mask, 1)
    height, width = mask.shape
    grown = np.zeros_like(mask)
    for down in range(3):
        for across in range(3):
            grown |= padded[down : down + height, across : across + width]
    return grown


def _without_specks(mask: Mask) -> Mask:
    """A mask without blocks that have fewer than three neighbours in it."""
    padded = np.pad(mask, 1).astype(np.int8)
    height, width = mask.shape
    neighbours = (
        sum(padded[down : down + height, across : across + width] for down in range(3) for across in range(3))
        - mask
    )
    return np.asarray(mask & (neighbours >= 3))


def _areas(ridges: Mask, block_in: float) -> list[Mask]:
    """The prints: connected areas that are large enough, those above each other being one finger's."""
    left = {(int(row), int(column)) for row, column in zip(*np.nonzero(ridges), strict=True)}
    found: list[set[tuple[int, int]]] = []
    while left:
        area = {left.pop()}
        waiting = list(area)
        while waiting:
            row, column = waiting.pop()
            touching = {(row + down, column + across) for down in (-1, 0, 1) for across in (-1, 0, 1)} & left
            left -= touching
            area |= touching
            waiting += touching
        found.append(area)
    largest = max(map(len, found), default=0)
    least = max(PRINT_IN2 / block_in**2, SECOND * largest)
    prints: list[Mask] = []
    for area in sorted(found, key=len, reverse=True):
        if len(area) < least:
            break
        mask = np.zeros_like(ridges)
        mask[tuple(np.array(list(area)).T)] = True
        above = next((other for other in prints if _above_each_other(other, mask)), None)
        if above is None:
            prints.append(mask)
        else:
            above |= mask
    return prints


def _above_each_other(one: Mask, other: Mask) -> bool:
    """Whether two areas share most of the columns of the narrower one: a crease parts a finger so."""
    columns, others = one.any(axis=0), other.any(axis=0)
    return int((columns & others).sum()) * 2 > min(int(columns.sum()), int(others.sum()))


def _fingers_in(area: Mask, block_in: float) -> int:
    """How many fingers an area is: fingers that touch make one."""
    columns = np.nonzero(area.any(axis=0))[0]
    width_in = float(columns[-1] - columns[0] + 1) * block_in
    return 1 if width_in <= WIDEST_IN else round(width_in / FINGER_IN)
