"""Small files that outlive the console process, which ends whenever nobody looks; a new boot forgets them."""

import contextlib
import json
import os
import time
from pathlib import Path
from typing import Any, TypeVar

import structlog
from pydantic import TypeAdapter

log = structlog.get_logger()

EachT = TypeVar("EachT")

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def seconds_since_boot() -> float:
    """Seconds since the boot, suspended or not: no clock that somebody sets."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class BootScopedStore:
    """One such file, as JSON, for this user alone."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._boot = _BOOT_ID.read_text().strip()

    def read(self, shape: TypeAdapter[dict[str, EachT]]) -> dict[str, EachT]:
        """What was kept since this boot, in that shape; empty where nothing was, or nothing readable."""
        try:
            kept = json.loads(self._path.read_bytes())
            if not isinstance(kept, dict) or kept.pop("boot", None) != self._boot:
                return {}
            return shape.validate_python(kept)
        except (OSError, ValueError, RecursionError):  # ValidationError is a ValueError
            return {}

    def write(self, value: dict[str, Any]) -> None:
        """Keep it. A disk that refuses costs people their logins at the next start, and no more."""
        beside = self._path.with_name(f"{self._path.name}.new")
        try:
            with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
                json.dump({"boot": self._boot, **value}, file)
            beside.replace(self._path)
        except OSError as error:
            log.warning("console_not_kept", file=self._path.name, text=error.strerror)
            with contextlib.suppress(OSError):
                beside.unlink(missing_ok=True)
