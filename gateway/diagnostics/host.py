"""Sources of facts about the machine: the kernel's folders, local services, the clock."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from gateway.common.clock import SystemTime, TimeSource


def _booted() -> datetime:
    """Return the time at which this machine was started, by the present clock."""
    return _now() - timedelta(microseconds=SystemTime().boot_ns() / 1000)


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class HostView:
    """The machine as the checks see it. Tests pass folders of their own."""

    sys: Path = Path("/sys")
    proc: Path = Path("/proc")
    dev: Path = Path("/dev")
    run: Path = Path("/run")
    etc: Path = Path("/etc")
    nut: tuple[str, int] = ("127.0.0.1", 3493)
    """Address of Network UPS Tools (IANA: nut)."""
    now: Callable[[], datetime] = _now
    booted: Callable[[], datetime] = _booted
    clock: TimeSource = field(default_factory=SystemTime)

    def node(self, path: str | Path) -> Path:
        """Return the path of a node below the `dev` of this view."""
        path = Path(path)
        return self.dev / path.relative_to("/dev") if path.is_relative_to("/dev") else path


def read_text(file: Path) -> str | None:
    """Return the text of a small file without surrounding white space; None if it cannot be read."""
    try:
        return file.read_text(errors="replace").strip()
    except OSError:
        return None


def read_number(file: Path) -> int | None:
    """Return the decimal number in a file; None if there is none."""
    try:
        return int(read_text(file) or "")
    except ValueError:
        return None
