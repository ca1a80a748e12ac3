"""The platen of a scanner, or its chip: the touch on it, and the image of it."""

from collections.abc import Callable

import numpy as np

from simulators.fingerprint.fingers import Image, Sensor, Touch, render_touch


class Platen:
    """Platen for fingers. Traffic places and lifts them; the scanner senses."""

    def __init__(self, sensor: Sensor) -> None:
        self.sensor = sensor
        self.touch: Touch | None = None
        self.other_touches: tuple[Touch, ...] = ()
        """Other fingers on it at the same time."""
        self.touches = 0
        """Number of touches so far."""
        self.is_dirty = False
        """True if there is grease on it."""
        self.is_stuck = False
        """True if the scanner always detects a touch: a wet glass, a broken contact."""
        self.on_change: Callable[[], None] = lambda: None

    @property
    def is_touched(self) -> bool:
        """True if the scanner detects a finger."""
        return self.touch is not None or self.is_stuck

    def place(self, touch: Touch, *beside: Touch) -> None:
        """Place a finger on it, or several at once, in place of another."""
        self.touch, self.other_touches = touch, beside
        self.touches += 1
        self.on_change()

    def render_ahead(self, touch: Touch | None, *, dirty: bool | None = None) -> None:
        """Render the image of that finger, or of a dirty platen, ahead: the first takes a second."""
        render_touch(touch, self.sensor, dirty=self.is_dirty if dirty is None else dirty)

    def lift(self) -> None:
        """Lift the finger."""
        self.touch, self.other_touches = None, ()
        self.on_change()

    def set_stuck(self, stuck: bool) -> None:
        """Start or end the detection of a finger that is not there."""
        self.is_stuck = stuck
        self.on_change()

    def set_dirty(self, dirty: bool) -> None:
        """Put grease on it, or clean it."""
        self.is_dirty = dirty

    def sense(self) -> Image:
        """Return its present image: rows by columns, ridges dark, oriented like a print on paper."""
        image = render_touch(self.touch, self.sensor, dirty=self.is_dirty)
        for touch in self.other_touches:
            image = np.minimum(image, render_touch(touch, self.sensor, dirty=self.is_dirty))
        return image
