"""Sensor of a camera: numbered pictures of the view, timed by a clock that may be wrong."""

import asyncio
import functools
import threading
import time
from dataclasses import dataclass, replace

from PIL import Image

from simulators.camera.frame_stamp import FrameStamp
from simulators.camera.scene import View, jpeg, picture


@dataclass(frozen=True)
class Exposure:
    """One picture, and its stamp."""

    image: Image.Image
    stamp: FrameStamp

    @functools.cached_property
    def jpeg(self) -> bytes:
        """Return it as a file."""
        return jpeg(self.image)


class Sensor:
    """One camera's sensor. `view` may be changed, or replaced for a while, at any time."""

    def __init__(self, view: View, size: tuple[int, int] = (640, 360), camera: int = 0) -> None:
        self.view = view
        self.size = size
        self.camera = camera & 0xFF
        self.clock_off_s = 0.0
        """Seconds by which the camera's clock is ahead."""
        self.exposure_count = 0
        self._last: Exposure | None = None
        self._one_at_a_time = threading.Lock()
        self._frozen_until_s = 0.0

    def now_ms(self) -> int:
        """Return the time of the camera's clock, in milliseconds since 1970."""
        return int((time.time() + self.clock_off_s) * 1000)

    def frame(self) -> tuple[Image.Image, FrameStamp]:
        """Take a picture now, not encoded."""
        with self._one_at_a_time:
            stamp = FrameStamp(self.exposure_count, time.time_ns() // 1_000_000, self.camera)
            self.exposure_count += 1
        return picture(self.view, self.size, stamp, self.now_ms()), stamp

    def expose(self) -> Exposure:
        """Take a picture now, or repeat the last one while the sensor is frozen."""
        if self._last is not None and time.monotonic() < self._frozen_until_s:
            return self._last
        image, stamp = self.frame()
        self._last = Exposure(image, stamp)
        return self._last

    def freeze(self, for_s: float) -> None:
        """Repeat the present picture for some seconds."""
        self.expose()
        self._frozen_until_s = time.monotonic() + for_s

    def thaw(self) -> None:
        """Take new pictures again."""
        self._frozen_until_s = 0.0

    def set_view(self, view: View, for_s: float | None = None) -> None:
        """Change the view: for some seconds, or permanently."""
        before, self.view = self.view, view
        if for_s is not None:
            asyncio.get_running_loop().call_later(for_s, self._restore_view, view, before)

    def _restore_view(self, view: View, before: View) -> None:
        if self.view is view:
            self.view = replace(before)
