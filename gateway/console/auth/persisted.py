"""Small files that outlive the console process, which ends without clients; they are void after a reboot."""

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
    """Return seconds since boot, suspend included: a clock that cannot be set."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class BootScopedStore:
    """JSON file that is valid until the next boot, readable by this user alone."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._boot = _BOOT_ID.read_text().strip()

    def read(self, shape: TypeAdapter[dict[str, EachT]]) -> dict[str, EachT]:
        """Return the entries written since boot, in that shape; empty if there are none, or none readable."""
        try:
            kept = json.loads(self._path.read_bytes())
            if not isinstance(kept, dict) or kept.pop("boot", None) != self._boot:
                return {}
            return shape.validate_python(kept)
        except (OSError, ValueError, RecursionError):  # ValidationError is a ValueError.
            return {}

    def write(self, value: dict[str, Any]) -> None:
        """Write the entries. If that fails, users must log in again after the next start.

        Nothing else is lost.
        """
        beside = self._path.with_name(f"{self._path.name}.new")
        try:
            with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
                json.dump({"boot": self._boot, **value}, file)
            beside.replace(self._path)
        except OSError as error:
            log.warning("console_not_kept", file=self._path.name, text=error.strerror)
            with contextlib.suppress(OSError):
                beside.unlink(missing_ok=True)
