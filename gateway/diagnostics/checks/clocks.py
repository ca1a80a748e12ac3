"""Checks of the clock: synchronized, and later than the release of this software and than the newest data."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import gateway.common.version
from drivers.links.link import Action
from gateway.api.models import Finding, PostView
from gateway.contract.envelope import ClockStatus
from gateway.diagnostics.checks.certificates import set_clock_command
from gateway.diagnostics.findings import make_finding, make_ok_finding
from gateway.diagnostics.host import HostView, read_number, read_text

CLOCK_TOLERANCE = timedelta(minutes=5)
"""Tolerated difference between the clock and a moment that is certainly past."""


def check_clock(state_dir: Path, view: PostView | None, host: HostView) -> Iterator[Finding]:
    """Check the system clock and the clock of the board."""
    now = host.now()
    for since, what in _known_past_times(state_dir, view):
        if now < since - CLOCK_TOLERANCE:
            yield make_finding(
                "clock_wrong",
                "error",
                "clock",
                f"The clock shows {now:%Y-%m-%d %H:%M} UTC, but {what} on {since:%Y-%m-%d}: it is wrong, "
                "and so are the times in events and in the audit.",
                Action.CONFIGURE,
                f"{set_clock_command()}; if this returns after every power cut, replace the battery "
                "of the board.",
            )
            return
    seconds = read_number(host.sys / "class/rtc/rtc0/since_epoch")
    # hwclock(8): the last line of adjtime has LOCAL if the board keeps local time.
    local = (read_text(host.etc / "adjtime") or "").endswith("LOCAL")
    if (
        seconds is not None
        and not local
        and abs(off := now - datetime.fromtimestamp(seconds, UTC)) > CLOCK_TOLERANCE
    ):
        yield make_finding(
            "clock_rtc",
            "warning",
            "clock",
            f"The clock of the board differs from the system clock by {abs(off)}: "
            "after a power cut the time is wrong.",
            Action.REPLACE,
            "sudo hwclock --systohc; if it differs again tomorrow, replace the battery of the board.",
        )
    if host.clock.clock_status() is ClockStatus.SYNCED:
        yield make_ok_finding(
            "clock_unsynced", "clock", f"The clock is synchronized: {now:%Y-%m-%d %H:%M} UTC."
        )
        return
    yield make_finding(
        "clock_unsynced",
        "warning",
        "clock",
        f"The clock is not synchronized: {now:%Y-%m-%d %H:%M} UTC. Times in events will drift.",
        Action.CONFIGURE,
        "sudo timedatectl set-ntp true; timedatectl timesync-status shows which server responds.",
    )


def _known_past_times(state_dir: Path, view: PostView | None) -> Iterator[tuple[datetime, str]]:
    """Yield moments that are certainly past, each with a description of what happened then."""
    yield _written(Path(gateway.common.version.__file__)), "this software was installed"
    if view is not None:
        yield view.report.since, "the gateway was started"
    for file in (state_dir / "outbox", state_dir):
        try:
            yield _written(file), f"{file} was written"
        except OSError:
            continue  # The gateway never ran here, or we may not read the directory.


def _written(file: Path) -> datetime:
    return datetime.fromtimestamp(file.stat().st_mtime, UTC)
