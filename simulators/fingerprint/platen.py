"""The glass of a scanner, or its chip: what lies on it, and what it sees."""

from collections.abc import Callable

import numpy as np

from simulators.fingerprint.fingers import Image, Sensor, Touch, render_touch


class Platen:
    """Where fingers are laid. People put and lift them; the scanner asks and is told."""

    def __init__(self, sensor: Sensor) -> None:
        self.sensor = sensor
        self.touch: Touch | None = None
        self.other_touches: tuple[Touch, ...] = ()
        """Other fingers that lie there, too."""
        self.touches = 0
        """How many fingers have been laid here."""
        self.is_dirty = False
        """Whether there is grease on it."""
        self.is_stuck = False
        """Whether the scanner takes it for touched whatever lies there: a wet glass, a broken contact."""
        self.on_change: Callable[[], None] = lambda: None

    @property
    def is_touched(self) -> bool:
        """Whether the scanner feels a finger."""
        return self.touch is not None or self.is_stuck

    def place(self, touch: Touch, *beside: Touch) -> None:
        """Lay a finger on it, or several at once, in the place of another."""
        self.touch, self.other_touches = touch, beside
        self.touches += 1
        self.on_change()

    def render_ahead(self, touch: Touch | None, *, dirty: bool | None = None) -> None:
        """Draw what it sees once that finger lies there, or it is dirty: the first time it takes a second."""
        render_touch(touch, self.sensor, dirty=self.is_dirty if dirty is None else dirty)

    def lift(self) -> None:
        """Take away what lies there."""
        self.touch, self.other_touches = None, ()
        self.on_change()

    def set_stuck(self, stuck: bool) -> None:
        """Begin or cease to feel a finger that is not there."""
        self.is_stuck = stuck
        self.on_change()

    def set_dirty(self, dirty: bool) -> None:
        """Put grease on it, or wipe it."""
        self.is_dirty = dirty

    def sense(self) -> Image:
        """What it sees now: rows by columns, ridges dark, as one looks at a print on paper."""
        image = render_touch(self.touch, self.sensor, dirty=self.is_dirty)
        for touch in self.other_touches:
            image = np.minimum(image, render_touch(touch, self.sensor, dirty=self.is_dirty))
        return image
