"""One device: what the gateway says of it, what is found from outside, what was counted, who has it."""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path

from drivers.driver import StateCode
from drivers.links.link import Action, Cause
from gateway.api.models import DeviceView, EventView, Finding
from gateway.config import DeviceSettings
from gateway.diagnostics.checks.accounts import Account
from gateway.diagnostics.checks.counters import check_counters
from gateway.diagnostics.device_host_checks import check_from_host
from gateway.diagnostics.findings import Severity, make_finding, make_ok_finding, sort_by_severity
from gateway.diagnostics.host import HostView

NO_READS_AFTER = timedelta(days=1)
"""A device at a counter that has read nothing well for so long may be broken without knowing it."""
EXPLAINED_CAUSES = {
    Cause.PORT_HELD: "port_held",
    Cause.NO_PERMISSION: "no_permission",
    Cause.NO_DEVICE: "no_device",
    Cause.UNPLUGGED: "no_device",
    Cause.ADDRESS_AMBIGUOUS: "ambiguous",
    Cause.NO_RESPONSE: "no_answer",
}
"""What looking from outside says better than the driver could."""


WORKING_STATES = (StateCode.DEGRADED, StateCode.BUSY, StateCode.MAINTENANCE, StateCode.STARTING)
"""Conditions of a device that need not be broken."""


def check_device(
    config: Path,
    position: str,
    device: DeviceSettings,
    view: DeviceView | None,
    events: Sequence[EventView],
    account: Account,
    host: HostView,
) -> Iterator[Finding]:
    """Look at one position, in the order in which one would; `seen` and `events` are the gateway's own."""
    outside = sort_by_severity(check_from_host(position, device, view, account, host))
    if view is not None:
        yield from _states(view, {finding.code for finding in outside})
    yield from outside
    if view is not None:
        yield from check_counters(view, device, events, config)
        yield from _claim(view, config)
        yield from _last_read(view, config, host)


def _states(seen: DeviceView, outside: set[str]) -> Iterator[Finding]:
    """What the gateway says of the device, unless it is said better by what was found from outside."""
    for state in (seen.state, seen.actual_state):
        if state is None or state.cause is None or EXPLAINED_CAUSES.get(state.cause) in outside:
            continue
        severity: Severity = "warning" if state.state in WORKING_STATES else "error"
        yield make_finding(state.cause, severity, seen.position, state.text, state.action, state.how)


def _claim(seen: DeviceView, config: Path) -> Iterator[Finding]:
    if seen.claim is None:
        return
    yield make_finding(
        "claimed",
        "notice",
        seen.position,
        f"{seen.claim.station} has claimed it since {seen.claim.since:%H:%M} UTC: it obeys nobody else.",
        Action.WAIT,
        f"Release it there, or end it on the device's page; all claims: borderpost claims list {config}",
    )


def _last_read(seen: DeviceView, config: Path, host: HostView) -> Iterator[Finding]:
    if seen.last_good_read_at is None or seen.state.state is not StateCode.ONLINE:
        return
    since = host.now() - seen.last_good_read_at
    said = f"It last read something well on {seen.last_good_read_at:%Y-%m-%d %H:%M:%S} UTC"
    if since > NO_READS_AFTER:
        yield make_finding(
            "quiet",
            "notice",
            seen.position,
            f"{said}, {since.days} days ago.",
            Action.WAIT,
            f"Is it in use? Try it: borderpost check {config} {seen.position} --level interactive",
        )
    else:
        yield make_ok_finding("quiet", seen.position, f"{said}.")
