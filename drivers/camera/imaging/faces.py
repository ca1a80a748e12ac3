"""Faces in a picture: how many, where, and how far apart the eyes are. Needs OpenCV, the extra `hints`.

Haar cascades, which OpenCV 4 brings along (5 does not); they find upright faces that look this way, and now
and then one where there is none. Nothing more is made of them: whose face it is, nobody asks.
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
"""Faces are looked for in a picture of this width; one that is found is then looked at in full."""
FACE_LEAST = 40
"""No smaller face is looked for, in pixels of the picture that is searched."""
NEIGHBOURS = 5
"""How many findings must agree."""
_ONE_AT_A_TIME = threading.Lock()
"""Cascades keep what they work on in themselves."""


@dataclass(frozen=True, slots=True)
class Face:
    """One face, in pixels of the picture it was found in."""

    left: int
    top: int
    width: int
    """Of the square around it."""
    eye_distance: float | None
    """Between the middles of both eyes, where both were found."""
    roll_deg: float | None
    """How far the line between the eyes is from level."""


def is_installed() -> bool:
    """Whether faces can be found here."""
    return find_spec("cv2") is not None


def detect_faces(grey: Grey) -> tuple[Face, ...]:
    """Every face, the largest first."""
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

    cv2.setNumThreads(1)  # a camera shall not take the machine for itself
    return cv2.CascadeClassifier(cv2.data.haarcascades + name)
