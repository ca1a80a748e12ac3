"""Block-wise analysis of an image: ridges, number of prints, and residue on the platen.

Per block, the orientation certainty level of the gradients (Lim, Jiang and Yau, *Fingerprint quality and
validity analysis*, ICIP 2002; one of the features of NFIQ 2, too) is the degree to which one direction
prevails: 0 none, 1 only parallel lines.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivers.fingerprint.raster import Raster

BLOCK_IN = 0.032
"""Edge of a block, in inches: 16 pixels at 500 ppi, nearly two ridges."""
SMOOTH_PPI = 400
"""Resolution from which single pixels are noise, and are smoothed, in pixels per inch."""
CONTRAST = 12.0
"""Standard deviation of the grey values from which a block is not empty."""
PAPER = 40.0
"""Difference to the background from which a block without contrast is not background, in grey levels."""
MIN_ORIENTATION_CERTAINTY = 0.4
"""Orientation certainty from which a block has ridges."""
TANGLED = 40.0
"""Contrast from which a block without a direction is no print: grease, dust, latent prints."""
GRAIN = 25.0
"""Mean difference of pixels to their neighbours, in grey levels, from which a picture is only noise."""
PRINT_IN2 = 0.02
"""Smallest area that counts as a print, in square inches: 5 by 2.6 mm."""
SECOND = 0.3
"""Share of the largest print below which another area is a part of it, or noise."""
WIDEST_IN = 1.05
"""Upper bound on the width of a finger, in inches: two that touch are one area."""
FINGER_IN = 0.7
"""Usual width of a finger, in inches, where several touch."""

Grid = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class ImageAnalysis:
    """Analysis of one image; areas are shares of the whole picture, 0 to 1."""

    prints: int
    """Number of separate prints."""
    area: float
    """Share with ridges of a print."""
    clarity: float
    """The same, each block weighted by the orientation certainty of its ridges."""
    grey: float
    """Mean grey of the prints or, without any, of the other content: 0 black to 255 white."""
    right_of_centre: float
    """Distance of their centre to the right of the picture's, in widths of the picture: -0.5 to 0.5."""
    below_centre: float
    """Distance of their centre below the picture's, in heights of the picture: -0.5 to 0.5."""
    dirt: float
    """Share that is neither background nor a print nor connected with one."""
    tangle: float
    """Share that is as dark as ridges and has no direction; 0 in a picture that is too noisy."""


def analyse_image(raster: Raster) -> ImageAnalysis:
    """Analyse an image; about 5 ms for one finger at 500 ppi."""
    block_px = max(8, round(BLOCK_IN * raster.resolution_ppi))
    image = raster.pixels.astype(np.float32)
    smooth = _smoothed(image)
    fine = raster.resolution_ppi >= SMOOTH_PPI
    grey, contrast, certainty = found = _blocks(smooth if fine else image, block_px)
    if grey.size == 0:
        return ImageAnalysis(0, 0.0, 0.0, 255.0, 0.0, 0.0, 0.0, 0.0)
    background = float(np.quantile(grey, 0.95))
    occupied = (contrast > CONTRAST) | (grey < background - PAPER)
    ridges = _without_specks((contrast > CONTRAST) & (certainty > MIN_ORIENTATION_CERTAINTY))
    inches = block_px / raster.resolution_ppi
    fingers = _fingers(_areas(ridges), occupied, inches)
    prints = np.zeros_like(ridges)
    for finger in fingers:
        prints |= finger
    # Areas connected with a print belong to the finger, even where its ridges are not visible.
    others = [area for area in _areas(occupied) if not (area & _grown(prints)).any()]
    dirt = np.logical_or.reduce(others) if others else np.zeros_like(prints)
    looked_at = prints if fingers else dirt
    rows, columns = np.nonzero(looked_at)
    height, width = prints.shape
    anything = bool(looked_at.any())
    return ImageAnalysis(
        prints=sum(_side_by_side(finger, inches) for finger in fingers),
        area=float(prints.mean()),
        clarity=float((certainty * prints).mean()),
        grey=float(grey[looked_at].mean()) if anything else background,
        right_of_centre=float((columns.mean() + 0.5) / width - 0.5) if anything else 0.0,
        below_centre=float((rows.mean() + 0.5) / height - 0.5) if anything else 0.0,
        dirt=float(dirt.mean()),
        tangle=0.0
        if _grain(image, smooth) > GRAIN
        else _tangle(*(found if fine else _blocks(smooth, block_px))),
    )


def _grain(image: Any, smooth: Any) -> float:
    return float(np.abs(image - smooth).mean())


def _tangle(_grey: Grid, contrast: Grid, certainty: Grid) -> float:
    return float(((contrast > TANGLED) & (certainty < MIN_ORIENTATION_CERTAINTY)).mean())


def _blocks(image: Any, block_px: int) -> tuple[Grid, Grid, Grid]:
    """Return mean grey, standard deviation and orientation certainty of each whole block."""
    rows, columns = image.shape[0] // block_px, image.shape[1] // block_px
    if rows == 0 or columns == 0:
        nothing: Grid = np.zeros((0, 0))
        return nothing, nothing, nothing
    image = image[: rows * block_px, : columns * block_px]

    def mean(values: Any) -> Grid:
        return np.asarray(values.reshape(rows, block_px, columns, block_px).mean(axis=(1, 3)), float)

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


def _smoothed(image: Any) -> Any:
    """Remove the noise of single pixels: each becomes the mean of its neighbours, weighted 1 2 1."""
    for axis in (0, 1):
        padded = np.pad(image, [(1, 1) if axis == each else (0, 0) for each in (0, 1)], mode="edge")
        length = image.shape[axis]
        before, here, after = (padded.take(range(shift, shift + length), axis) for shift in range(3))
        image = (before + 2 * here + after) / 4
    return image


def _grown(mask: Mask) -> Mask:
    """Return the blocks of a mask and all that touch them."""
    padded = np.pad(mask, 1)
    height, width = mask.shape
    grown = np.zeros_like(mask)
    for down in range(3):
        for across in range(3):
            grown |= padded[down : down + height, across : across + width]
    return grown


def _without_specks(mask: Mask) -> Mask:
    """Remove blocks that have fewer than three neighbours in the mask."""
    padded = np.pad(mask, 1).astype(np.int8)
    height, width = mask.shape
    neighbours = (
        sum(padded[down : down + height, across : across + width] for down in range(3) for across in range(3))
        - mask
    )
    return np.asarray(mask & (neighbours >= 3))


def _areas(mask: Mask) -> list[Mask]:
    """Return the connected areas of a mask, the largest first."""
    left = {(int(row), int(column)) for row, column in zip(*np.nonzero(mask), strict=True)}
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
    areas = []
    for blocks in sorted(found, key=len, reverse=True):
        area_mask = np.zeros_like(mask)
        area_mask[tuple(np.array(sorted(blocks)).T)] = True
        areas.append(area_mask)
    return areas


def _fingers(areas: list[Mask], occupied: Mask, block_in: float) -> list[Mask]:
    """Return the areas of ridges that are prints; areas with no gap between them are of one finger."""
    largest = int(areas[0].sum()) if areas else 0
    least = max(PRINT_IN2 / block_in**2, SECOND * largest)
    fingers: list[Mask] = []
    for area in areas:
        if area.sum() < least:
            break
        same = next((finger for finger in fingers if not _apart(finger, area, occupied)), None)
        if same is None:
            fingers.append(area)
        else:
            same |= area
    return fingers


def _apart(one: Mask, other: Mask, occupied: Mask) -> bool:
    """Return True if a straight line, more or less upright, separates two areas and crosses nothing.

    Creases, scars and wet or worn patches divide a print, too, but not from one end to the other.
    """
    rows = np.nonzero((one | other).any(axis=1))[0]
    rows = np.arange(rows[0], rows[-1] + 1)
    middle = (rows - rows.mean())[:, None]
    first, last = sorted(float(np.nonzero(area)[1].mean()) for area in (one, other))
    starts = np.arange(round(first), round(last) + 1)[None, :]
    left, right = (one, other) if np.nonzero(one)[1].mean() < np.nonzero(other)[1].mean() else (other, one)
    width = one.shape[1]
    for slope in np.linspace(-0.6, 0.6, 13):
        columns = np.rint(starts + slope * middle).astype(int)
        inside = (columns >= 0) & (columns < width)
        free = ~(occupied[rows[:, None], columns.clip(0, width - 1)] & inside).any(axis=0)
        for line in columns[:, free].T:
            across = np.arange(width)[None, :]
            if (
                not (left[rows] & (across > line[:, None])).any()
                and not (right[rows] & (across < line[:, None])).any()
            ):
                return True
    return False


def _side_by_side(area: Mask, block_in: float) -> int:
    """Return the number of fingers of an area: fingers that touch make one."""
    columns = np.nonzero(area.any(axis=0))[0]
    width_in = float(columns[-1] - columns[0] + 1) * block_in
    return 1 if width_in <= WIDEST_IN else round(width_in / FINGER_IN)
