"""Where facts are found: the folders of the kernel, the services of the machine, the clock."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from gateway.common.clock import SystemTime, TimeSource


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class HostView:
    """The machine, as it is looked at. Tests bring folders of their own."""

    sys: Path = Path("/sys")
    proc: Path = Path("/proc")
    dev: Path = Path("/dev")
    run: Path = Path("/run")
    etc: Path = Path("/etc")
    nut: tuple[str, int] = ("127.0.0.1", 3493)
    """Where Network UPS Tools would answer (IANA: nut)."""
    now: Callable[[], datetime] = _now
    clock: TimeSource = field(default_factory=SystemTime)

    def node(self, path: str | Path) -> Path:
        """Where a path under /dev is."""
        path = Path(path)
        return self.dev / path.relative_to("/dev") if path.is_relative_to("/dev") else path


def read_text(file: Path) -> str | None:
    """What a small file says, without white space around it; None where it cannot be read."""
    try:
        return file.read_text(errors="replace").strip()
    except OSError:
        return None


def read_number(file: Path) -> int | None:
    """The decimal number in a file; None where there is none."""
    try:
        return int(read_text(file) or "")
    except ValueError:
        return None
