"""A wall clock set by tests, for child processes; their boot clock is not changed."""

import functools
import os
import subprocess
import sys
import tempfile
import time
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


@functools.cache
def clock_fault() -> str:
    """Return why the wall clock of a process cannot be set here, or ""; its boot clock must be right."""
    if LIBRARY is None:
        return "libfaketime is not installed"
    probe = "import time; time.sleep(0.001); print(time.time(), time.clock_gettime(time.CLOCK_BOOTTIME))"
    with tempfile.TemporaryDirectory() as folder:
        clock = WallClock(Path(folder) / "clock")
        clock.set("+1d")
        done = subprocess.run(
            [sys.executable, "-S", "-c", probe],
            capture_output=True,
            text=True,
            env=os.environ | clock.environment(),
            check=False,
        )
    if done.returncode:
        # Release 0.9.10, as in Ubuntu 24.04: clock_nanosleep(2) fails with EINVAL. Debian 13's is mended.
        return f"time.sleep fails under this libfaketime: {done.stderr.strip().rpartition(chr(10))[2]}"
    unix_s, boot_s = map(float, done.stdout.split())
    if abs(unix_s - time.time() - 86_400) > 60:
        return "libfaketime does not change the clock"
    if abs(boot_s - time.clock_gettime(time.CLOCK_BOOTTIME)) > 60:
        return "libfaketime changes the boot clock"
    return ""
