"""One device: what the gateway says of it, what is found from outside, what was counted, who has it."""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path

from drivers.driver import Condition
from drivers.links.link import Action, Cause
from gateway.api.models import DeviceView, EventView, Finding
from gateway.config import DeviceSettings
from gateway.diagnostics.checks.accounts import Account
from gateway.diagnostics.checks.counters import look_at_counters
from gateway.diagnostics.device_host_checks import look_from_outside
from gateway.diagnostics.findings import Severity, found, well, worst_first
from gateway.diagnostics.host import Surroundings

QUIET = timedelta(days=1)
"""A device at a counter that has read nothing well for so long may be broken without knowing it."""
EXPLAINED = {
    Cause.PORT_HELD: "port_held",
    Cause.NO_PERMISSION: "no_permission",
    Cause.NO_DEVICE: "no_device",
    Cause.UNPLUGGED: "no_device",
    Cause.AMBIGUOUS: "ambiguous",
    Cause.NO_ANSWER: "no_answer",
}
"""What looking from outside says better than the driver could."""


WORKS = (Condition.DEGRADED, Condition.BUSY, Condition.MAINTENANCE, Condition.STARTING)
"""Conditions of a device that need not be broken."""


def look_at_device(
    config: Path,
    position: str,
    device: DeviceSettings,
    seen: DeviceView | None,
    events: Sequence[EventView],
    account: Account,
    around: Surroundings,
) -> Iterator[Finding]:
    """Look at one position, in the order in which one would; `seen` and `events` are the gateway's own."""
    outside = worst_first(look_from_outside(position, device, seen, account, around))
    if seen is not None:
        yield from _states(seen, {finding.code for finding in outside})
    yield from outside
    if seen is not None:
        yield from look_at_counters(seen, device, events, config)
        yield from _claim(seen, config)
        yield from _last_read(seen, config, around)


def _states(seen: DeviceView, outside: set[str]) -> Iterator[Finding]:
    """What the gateway says of the device, unless it is said better by what was found from outside."""
    for state in (seen.state, seen.beneath):
        if state is None or state.cause is None or EXPLAINED.get(state.cause) in outside:
            continue
        severity: Severity = "warning" if state.state in WORKS else "error"
        yield found(state.cause, severity, seen.position, state.text, state.action, state.how)


def _claim(seen: DeviceView, config: Path) -> Iterator[Finding]:
    if seen.claim is None:
        return
    yield found(
        "claimed",
        "notice",
        seen.position,
        f"{seen.claim.station} has claimed it since {seen.claim.since:%H:%M} UTC: it obeys nobody else.",
        Action.WAIT,
        f"Release it there, or end it on the device's page; all claims: borderpost claims list {config}",
    )


def _last_read(seen: DeviceView, config: Path, around: Surroundings) -> Iterator[Finding]:
    if seen.last_good is None or seen.state.state is not Condition.ONLINE:
        return
    since = around.now() - seen.last_good
    said = f"It last read something well on {seen.last_good:%Y-%m-%d %H:%M:%S} UTC"
    if since > QUIET:
        yield found(
            "quiet",
            "notice",
            seen.position,
            f"{said}, {since.days} days ago.",
            Action.WAIT,
            f"Is it in use? Try it: borderpost check {config} {seen.position} --level interactive",
        )
    else:
        yield well("quiet", seen.position, f"{said}.")
