"""Budget of one device: observations, failures and image bytes that its worker passes on.

A device that babbles (a faulty reader, a storm of pushes, noise on a line) must not disturb other devices.
Its excess is dropped here, before it reaches the daemon, and counted.
"""

from drivers.driver import BadFrame
from drivers.observation import Observation
from gateway.common.token_bucket import TokenBucket

BURST_S = 20
"""Events that may come at once, in seconds of the sustained rate."""
FAILURES_PER_S, FIRST_FAILURES = 1, 20
"""Failed reads: sustained rate, and how many are passed on at first; the others are only counted."""
BAD_FRAMES_PER_S, FIRST_BAD_FRAMES = 50, 1000
MIB = 1024 * 1024
IMAGE_BYTES_PER_S, FIRST_IMAGE_BYTES = 16 * MIB, 128 * MIB
MAX_IMAGES = 16
"""Upper bound on the images of one event."""
MAX_IMAGES_BYTES = 48 * MIB
"""Upper bound on the images of one event together, in bytes."""
QUIET_S = 10.0
"""Time without an excess after which the device counts as normal again, in seconds."""


class EventBudget:
    """Budget of a device; times are seconds of the event loop's clock."""

    def __init__(self, events_per_s: float, now_s: float) -> None:
        """`events_per_s`: sustained rate of events."""
        self.events_per_s = events_per_s
        self.dropped = 0
        """Number of observations dropped since the device began to babble."""
        self.is_exceeded = False
        """True from the first excess until QUIET_S after the last one."""
        self._events = TokenBucket.full(events_per_s, BURST_S * events_per_s, now_s)
        self._failures = TokenBucket.full(FAILURES_PER_S, FIRST_FAILURES, now_s)
        self._bad_frames = TokenBucket.full(BAD_FRAMES_PER_S, FIRST_BAD_FRAMES, now_s)
        self._image_bytes = TokenBucket.full(IMAGE_BYTES_PER_S, FIRST_IMAGE_BYTES, now_s)
        self._exceeded_s = now_s

    def admit(self, observation: Observation | BadFrame, now_s: float) -> bool:
        """Count an observation; return False if it must be dropped."""
        if self._has_room(observation, now_s):
            return True
        self.is_exceeded = True
        self.dropped += 1
        self._exceeded_s = now_s
        return False

    def settle(self, now_s: float) -> bool:
        """Return True, once, if the device has been quiet for QUIET_S."""
        if not self.is_exceeded or now_s - self._exceeded_s < QUIET_S:
            return False
        self.is_exceeded = False
        self.dropped = 0
        return True

    def _has_room(self, observation: Observation | BadFrame, now_s: float) -> bool:
        if isinstance(observation, BadFrame):
            return self._bad_frames.take(now_s)
        if observation.event_type.endswith("failed") and not self._failures.take(now_s):
            return False
        if observation.attachments and not self._take_bytes(observation, now_s):
            return False
        return self._events.take(now_s)

    def _take_bytes(self, observation: Observation, now_s: float) -> bool:
        size = sum(one.size_bytes for one in observation.attachments)
        if size > MAX_IMAGES_BYTES or len(observation.attachments) > MAX_IMAGES:
            return False
        return self._image_bytes.take(now_s, size)
