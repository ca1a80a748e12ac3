"""A wall clock set by tests, for child processes; their boot clock is not changed."""

from pathlib import Path

LIBRARY = next((str(path) for path in Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1")), None)
"""Library of libfaketime, if installed."""


class WallClock:
    """A wall clock, correct until it is set."""

    def __init__(self, folder: Path) -> None:
        """Create it, with a folder of its own: a worker may read that whole folder."""
        folder.mkdir(exist_ok=True)
        self._file = folder / "time"
        self.set("+0")

    def set(self, time: str) -> None:
        """Set the clock: `+0` is correct, `-1d` a day late.

        The file is never empty: a process would end on that.
        """
        fresh = self._file.with_suffix(".new")
        fresh.write_text(f"{time}\n")
        fresh.replace(self._file)

    def environment(self) -> dict[str, str]:
        """Return the environment that gives a process this clock; it reads changes within a second."""
        assert LIBRARY is not None, "libfaketime is not installed"
        return {
            "LD_PRELOAD": LIBRARY,
            # Also not of CLOCK_BOOTTIME. Its old name, without the prefix, would not reach a fork server that
            # is started anew: `kept_environment` drops it.
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "FAKETIME_DISABLE_SHM": "1",  # a process killed while it holds the semaphore stops all others
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_CACHE_DURATION": "1",
            # For old C libraries; makes every thread switch ten times as expensive.
            "FAKETIME_FORCE_MONOTONIC_FIX": "0",
        }
