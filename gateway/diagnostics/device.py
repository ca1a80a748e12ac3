"""Checks of one device: state in the gateway, state on the machine, counters, claim, last read."""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path

from drivers.driver import StateCode
from drivers.links.link import Action, Cause
from gateway.api.models import DeviceView, EventView, Finding
from gateway.config import DeviceSettings
from gateway.diagnostics.checks.accounts import Account
from gateway.diagnostics.checks.barrier_tests import check_barrier_tests
from gateway.diagnostics.checks.counters import check_counters
from gateway.diagnostics.device_host_checks import check_from_host
from gateway.diagnostics.findings import Severity, make_finding, make_ok_finding, sort_by_severity
from gateway.diagnostics.host import HostView

NO_READS_AFTER = timedelta(days=1)
"""Time without a good read after which a device at a counter may be broken without having reported it."""
EXPLAINED_CAUSES = {
    Cause.PORT_HELD: "port_held",
    Cause.NO_PERMISSION: "no_permission",
    Cause.NO_DEVICE: "no_device",
    Cause.UNPLUGGED: "no_device",
    Cause.ADDRESS_AMBIGUOUS: "address_ambiguous",
    Cause.NO_RESPONSE: "no_response",
}
"""Causes for which the check of the machine gives a better explanation than the driver."""


WORKING_STATES = (StateCode.DEGRADED, StateCode.BUSY, StateCode.MAINTENANCE, StateCode.STARTING)
"""States of a device that need not mean a fault."""


def check_device(
    config: Path,
    position: str,
    device: DeviceSettings,
    view: DeviceView | None,
    events: Sequence[EventView],
    account: Account,
    host: HostView,
) -> Iterator[Finding]:
    """Check one position in the order of likely causes; `view` and `events` come from the running gateway."""
    outside = sort_by_severity(check_from_host(position, device, view, account, host))
    if view is not None:
        yield from _states(view, {finding.code for finding in outside})
    yield from outside
    if view is not None:
        yield from check_barrier_tests(view, device, host.now(), config, host.booted())
        yield from check_counters(view, device, events, config)
        yield from _claim(view, config)
        yield from _last_read(view, config, host)


def _states(view: DeviceView, outside: set[str]) -> Iterator[Finding]:
    """Report the state in the gateway, unless the check of the machine explains its cause better."""
    for state in (view.state, view.actual_state):
        if state is None or state.cause is None or EXPLAINED_CAUSES.get(state.cause) in outside:
            continue
        severity: Severity = "warning" if state.state in WORKING_STATES else "error"
        yield make_finding(state.cause, severity, view.position, state.text, state.action, state.how)


def _claim(view: DeviceView, config: Path) -> Iterator[Finding]:
    if view.claim is None:
        return
    yield make_finding(
        "claimed",
        "notice",
        view.position,
        f"{view.claim.station} has claimed it since {view.claim.since:%H:%M} UTC: commands of other "
        "stations are refused.",
        Action.WAIT,
        "Release it there, or revoke the claim on the device's page; all claims: borderpost claims "
        f"list {config}",
    )


def _last_read(view: DeviceView, config: Path, host: HostView) -> Iterator[Finding]:
    if view.last_good_read_at is None or view.state.state is not StateCode.ONLINE:
        return
    since = host.now() - view.last_good_read_at
    text = f"Its last good read was on {view.last_good_read_at:%Y-%m-%d %H:%M:%S} UTC"
    if since > NO_READS_AFTER:
        yield make_finding(
            "no_recent_reads",
            "notice",
            view.position,
            f"{text}, {since.days} days ago.",
            Action.WAIT,
            f"If it is in use, test it: borderpost check {config} {view.position} --level interactive",
        )
    else:
        yield make_ok_finding("no_recent_reads", view.position, f"{text}.")
