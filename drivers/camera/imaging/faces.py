"""Detection of faces: number, position, and distance of the eyes. Needs OpenCV, the extra `hints`.

Haar cascades, included in OpenCV 4 (not in 5); they find upright frontal faces, with a rare false finding. No
face is identified.
"""

import math
import threading
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Grey = NDArray[np.uint8]
SEARCHED_PX = 640
"""Width of the picture that is searched; a face that is found is then examined in full resolution."""
FACE_LEAST = 40
"""Smallest face, in pixels of the searched picture."""
NEIGHBOURS = 5
"""Number of findings that must agree."""
_ONE_AT_A_TIME = threading.Lock()
"""Lock: cascades store intermediate results in themselves."""


@dataclass(frozen=True, slots=True)
class Face:
    """One face, in pixels of its picture."""

    left: int
    top: int
    width: int
    """Width of the square around it."""
    eye_distance: float | None
    """Distance of the centres of both eyes, where both were found."""
    roll_deg: float | None
    """Angle of the line between the eyes to the horizontal."""


def is_installed() -> bool:
    """Return True if OpenCV is installed."""
    return find_spec("cv2") is not None


def detect_faces(grey: Grey) -> tuple[Face, ...]:
    """Return every face, the largest first."""
    scale = max(1.0, grey.shape[1] / SEARCHED_PX)
    small = _resized(grey, round(grey.shape[1] / scale), max(1, round(grey.shape[0] / scale)))
    with _ONE_AT_A_TIME:
        squares = _detected("haarcascade_frontalface_default.xml", small, FACE_LEAST)
        faces = [_looked_at(grey, *(round(side * scale) for side in square[:3])) for square in squares]
    return tuple(sorted(faces, key=lambda face: -face.width))


def _looked_at(grey: Grey, left: int, top: int, width: int) -> Face:
    """Find the eyes: the two largest ones in the upper half of the face, on either side of its middle."""
    upper = grey[top : top + round(width * 0.6), left : left + width]
    small = _resized(upper, 240, max(1, round(240 * upper.shape[0] / upper.shape[1])))
    scale = upper.shape[1] / 240
    eyes = _detected("haarcascade_eye.xml", small, 24)
    middles = sorted(
        ((x + w / 2) * scale, (y + h / 2) * scale) for x, y, w, h in sorted(eyes, key=lambda eye: -eye[2])[:2]
    )
    if len(middles) < 2 or not middles[0][0] < width / 2 < middles[1][0]:
        return Face(left, top, width, None, None)
    (ax, ay), (bx, by) = middles
    return Face(left, top, width, math.hypot(bx - ax, by - ay), math.degrees(math.atan2(by - ay, bx - ax)))


def _resized(grey: Grey, width: int, height: int) -> Grey:
    if (width, height) == grey.shape[::-1]:
        return grey
    return np.asarray(Image.fromarray(grey).resize((width, height), Image.Resampling.BILINEAR))


def _detected(cascade: str, grey: Grey, least: int) -> list[tuple[int, int, int, int]]:
    squares = _cascade(cascade).detectMultiScale(grey, 1.1, NEIGHBOURS, minSize=(least, least))
    return [(int(x), int(y), int(w), int(h)) for x, y, w, h in squares]


@cache
def _cascade(name: str) -> Any:
    import cv2
    import cv2.data

    cv2.setNumThreads(1)  # OpenCV must not use all cores of the machine
    return cv2.CascadeClassifier(cv2.data.haarcascades + name)
