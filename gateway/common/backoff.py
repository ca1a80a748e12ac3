"""Wait before the next attempt: doubling, with jitter.

All posts of a region lose the same broker at once and must not come back in step; after M. Brooker,
"Exponential Backoff And Jitter" (AWS architecture blog, 2015).
"""

import random
from dataclasses import dataclass, field


@dataclass
class Backoff:
    """Waits in seconds: the first between half of `first_s` and `first_s`, none above `max_s`."""

    first_s: float
    max_s: float
    attempts: int = field(default=0, init=False)

    def next_s(self) -> float:
        """Return the wait before the next attempt, in seconds."""
        ceiling = min(self.max_s, self.first_s * 2 ** min(self.attempts, 30))
        self.attempts += 1
        return random.uniform(self.first_s / 2, ceiling)

    def reset(self) -> None:
        """Start again with short waits after a success."""
        self.attempts = 0
