"""A picture as a camera gave it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Shot:
    """A picture as it came, and when its first byte did, by CLOCK_BOOTTIME."""

    content: bytes
    begun_ns: int
