"""Why a device does not read: from what was found to the remedy, in the order in which one would look.

The first sentence is the cause as far as it is known; what comes after may have a part in it.
"""

from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from pathlib import Path

from drivers.links.link import Action
from gateway.api.models import DeviceView, EventView, Finding, PostView
from gateway.config import ConfigError, DeviceSettings, Post, load
from gateway.contract.topics import Position
from gateway.diagnostics.checks.accounts import gateway_account
from gateway.diagnostics.checks.brokers import look_at_brokers
from gateway.diagnostics.checks.conflicting_services import look_at_rivals
from gateway.diagnostics.checks.daemon import look_at_gateway
from gateway.diagnostics.checks.usb import look_at_usb
from gateway.diagnostics.device import look_at_device
from gateway.diagnostics.doctor import general, looked, problems, wrong_config
from gateway.diagnostics.findings import distinct, found, well, worst_first
from gateway.diagnostics.host import Surroundings


def why(
    config: Path,
    position: str,
    view: PostView | None = None,
    events: Sequence[EventView] = (),
    around: Surroundings | None = None,
) -> list[Finding]:
    """Say why a device is not reading, or that nothing is wrong; nothing that is well is told otherwise.

    `view` and `events` are what a running gateway tells; without, the machine is looked at all the same.
    """
    around = around or Surroundings()
    try:
        post = load(config)
    except ConfigError as error:
        return list(wrong_config(error))
    device = post.devices.get(Position.parse(position)) if _is_position(position) else None
    if device is None:
        return [_unknown(position, post)]
    seen = next((it for it in view.devices if it.position == position), None) if view is not None else None
    told = distinct(_looks(post, config, position, device, view, seen, events, around))
    bad = [finding for finding in told if finding.severity != "ok"]
    return bad if any(finding.severity != "notice" for finding in bad) else [_well(position, seen), *bad]


def _looks(
    post: Post,
    config: Path,
    position: str,
    device: DeviceSettings,
    view: PostView | None,
    seen: DeviceView | None,
    events: Sequence[EventView],
    around: Surroundings,
) -> Iterator[Finding]:
    account = gateway_account(post.gateway.state_dir, around)
    if view is None:
        yield from look_at_gateway(post.gateway.state_dir, config, around)
    elif seen is None:
        yield _not_taken_over(position)
    yield from looked(lambda: look_at_device(config, position, device, seen, events, account, around))
    yield from looked(lambda: look_at_rivals(around))
    yield from looked(lambda: look_at_usb({Position.parse(position): device}, around))
    for look in general(post, view, around):
        yield from worst_first(looked(look))
    if view is None:
        yield from look_at_brokers(post, around.now())
    else:
        yield from _not_delivered(view)
        yield from problems(view)


def _not_delivered(view: PostView) -> Iterator[Finding]:
    """What it reads may reach nobody."""
    for destination in view.report.destinations:
        if destination.name == "local" and not destination.connected:
            yield found(
                "broker_unreachable",
                "error",
                "local",
                "The post's own broker is not connected: what is read waits, and reaches no counter.",
                Action.RESTART,
                "sudo systemctl restart mosquitto; see: borderpost doctor",
            )


def _is_position(position: str) -> bool:
    try:
        Position.parse(position)
    except ValueError:
        return False
    return True


def _unknown(position: str, post: Post) -> Finding:
    known = [str(name) for name in post.devices]
    near = get_close_matches(position, known, 1)
    return found(
        "not_configured",
        "error",
        position,
        f"No device {position} is configured.",
        Action.CONFIGURE,
        f"Did you mean {near[0]}?" if near else f"Configured are: {', '.join(known)}.",
    )


def _not_taken_over(position: str) -> Finding:
    return found(
        "not_taken_over",
        "error",
        position,
        f"The file has {position}, and the running gateway does not know it yet.",
        Action.RESTART,
        "sudo systemctl reload borderpost",
    )


def _well(position: str, seen: DeviceView | None) -> Finding:
    if seen is None or seen.last_good is None:
        return well("well", position, "Nothing is wrong with it; it has not read anything yet.")
    return well(
        "well",
        position,
        f"Nothing is wrong with it: it last read well on {seen.last_good:%Y-%m-%d %H:%M:%S} UTC.",
    )
