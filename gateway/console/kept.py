"""Small files that outlive the console process, which ends whenever nobody looks; a new boot forgets them."""

import contextlib
import json
import os
import time
from pathlib import Path
from typing import Any

import structlog

log = structlog.get_logger()

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def boot_s() -> float:
    """Seconds since the boot, suspended or not: no clock that somebody sets."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Kept:
    """One such file, as JSON, for this user alone."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._boot = _BOOT_ID.read_text().strip()

    def read(self) -> dict[str, Any]:
        """What was kept since this boot; empty where nothing was, or where it cannot be read."""
        try:
            kept = json.loads(self._path.read_bytes())
        except (OSError, ValueError):
            return {}
        if not isinstance(kept, dict) or kept.pop("boot", None) != self._boot:
            return {}
        return kept

    def write(self, kept: dict[str, Any]) -> None:
        """Keep it. A disk that refuses costs people their logins at the next start, and no more."""
        beside = self._path.with_name(f"{self._path.name}.new")
        try:
            with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
                json.dump({"boot": self._boot, **kept}, file)
            beside.replace(self._path)
        except OSError as error:
            log.warning("console_not_kept", file=self._path.name, text=error.strerror)
            with contextlib.suppress(OSError):
                beside.unlink(missing_ok=True)
