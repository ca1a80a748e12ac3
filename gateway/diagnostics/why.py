"""Explanation of a device that does not read: findings with remedies, in the order of likely causes.

The first finding is the most likely cause; the following ones may contribute.
"""

from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from pathlib import Path

from drivers.links.link import Action
from gateway.api.models import DeviceView, EventView, Finding, PostView
from gateway.config import ConfigError, ConfigIssue, DeviceSettings, Post, load_sound_parts
from gateway.contract.topics import Position
from gateway.diagnostics.checks.accounts import gateway_account
from gateway.diagnostics.checks.brokers import check_brokers
from gateway.diagnostics.checks.conflicting_services import check_conflicting_services
from gateway.diagnostics.checks.daemon import check_daemon
from gateway.diagnostics.checks.usb import check_usb
from gateway.diagnostics.device import check_device
from gateway.diagnostics.doctor import check_general, config_findings, gateway_problems, run_check
from gateway.diagnostics.findings import make_finding, make_ok_finding, sort_by_severity, unique_findings
from gateway.diagnostics.host import HostView


def explain_device(
    config: Path,
    position: str,
    view: PostView | None = None,
    events: Sequence[EventView] = (),
    host: HostView | None = None,
) -> list[Finding]:
    """Return the reasons for which a device does not read, or one finding `ok`. Passed checks are omitted.

    `view` and `events` come from a running gateway; without them only the machine is checked.
    """
    host = host or HostView()
    try:
        post = load_sound_parts(config)
    except ConfigError as error:
        return list(config_findings(error.issues))
    own = [issue for issue in post.tolerated if _device_of(issue) == position]
    if own:
        return list(config_findings(own))
    # Mistakes of other devices do not concern this one, but keep the file from being applied.
    others = [
        *config_findings(issue for issue in post.tolerated if _device_of(issue) is None),
        *config_findings((issue for issue in post.tolerated if _device_of(issue) is not None), "notice"),
    ]
    device = post.devices.get(Position.parse(position)) if _is_position(position) else None
    if device is None:
        return [_unknown(position, post), *others]
    devices = view.devices if view is not None else ()
    device_view = next((it for it in devices if it.position == position), None)
    findings = unique_findings(_checks(post, config, position, device, view, device_view, events, host))
    bad = [finding for finding in (*findings, *others) if finding.severity != "ok"]
    return (
        bad
        if any(finding.severity != "notice" for finding in bad)
        else [_nothing_wrong(position, device_view), *bad]
    )


def _checks(
    post: Post,
    config: Path,
    position: str,
    device: DeviceSettings,
    view: PostView | None,
    device_view: DeviceView | None,
    events: Sequence[EventView],
    host: HostView,
) -> Iterator[Finding]:
    account = gateway_account(post.gateway.state_dir, host)
    if view is None:
        yield from check_daemon(post.gateway.state_dir, config, host)
    elif device_view is None:
        yield _config_not_applied(position)
    yield from run_check(lambda: check_device(config, position, device, device_view, events, account, host))
    yield from run_check(lambda: check_conflicting_services(host))
    yield from run_check(lambda: check_usb({Position.parse(position): device}, host))
    for check in check_general(post, view, host):
        yield from sort_by_severity(run_check(check))
    if view is None:
        yield from check_brokers(post, host.now())
    else:
        yield from _check_delivery(view)
        yield from gateway_problems(view)


def _check_delivery(view: PostView) -> Iterator[Finding]:
    """Report a disconnected local broker: reads do not reach the counter."""
    for destination in view.report.destinations:
        if destination.name == "local" and not destination.connected:
            yield make_finding(
                "broker_unreachable",
                "error",
                "local",
                "The post's own broker is not connected: reads are queued and do not reach the counter.",
                Action.RESTART,
                "sudo systemctl restart mosquitto; check with: borderpost doctor",
            )


def _device_of(issue: ConfigIssue) -> str | None:
    """Return the position of the device that a mistake concerns; None for another part of the file."""
    match issue.key:
        case ("device", str(position), *_):
            return position
    return None


def _is_position(position: str) -> bool:
    try:
        Position.parse(position)
    except ValueError:
        return False
    return True


def _unknown(position: str, post: Post) -> Finding:
    known = [str(name) for name in post.devices]
    near = get_close_matches(position, known, 1)
    return make_finding(
        "position_not_configured",
        "error",
        position,
        f"No device {position} is configured.",
        Action.CONFIGURE,
        f"Did you mean {near[0]}?" if near else f"Configured are: {', '.join(known)}.",
    )


def _config_not_applied(position: str) -> Finding:
    return make_finding(
        "config_not_applied",
        "error",
        position,
        f"The file has {position}, but the running gateway has not applied it yet: the device is not read.",
        Action.RESTART,
        "sudo systemctl reload borderpost",
    )


def _nothing_wrong(position: str, device_view: DeviceView | None) -> Finding:
    if device_view is None or device_view.last_good_read_at is None:
        return make_ok_finding("ok", position, "No fault found; it has not read anything yet.")
    return make_ok_finding(
        "ok",
        position,
        f"No fault found; its last good read was on {device_view.last_good_read_at:%Y-%m-%d %H:%M:%S} UTC.",
    )
