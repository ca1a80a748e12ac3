"""A wall clock that tests set, of processes that start under it; their boot clock stays what it is."""

from pathlib import Path

LIBRARY = next((str(path) for path in Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1")), None)
"""libfaketime's, where it is installed."""


class WallClock:
    """It is right until it is set."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.set("+0")

    def set(self, time: str) -> None:
        """`+0` is right, `-1d` a day late. A process that found its file empty would end: it never is."""
        fresh = self._file.with_suffix(".new")
        fresh.write_text(f"{time}\n")
        fresh.replace(self._file)

    def environment(self) -> dict[str, str]:
        """What makes this a process's clock, from a second after it is set."""
        assert LIBRARY is not None, "libfaketime is not installed"
        return {
            "LD_PRELOAD": LIBRARY,
            "DONT_FAKE_MONOTONIC": "1",  # of CLOCK_BOOTTIME too
            "FAKETIME_DISABLE_SHM": "1",  # a process killed while it holds the semaphore stops all others
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_CACHE_DURATION": "1",
            # For C libraries of old; makes every switch between threads ten times as dear.
            "FAKETIME_FORCE_MONOTONIC_FIX": "0",
        }
