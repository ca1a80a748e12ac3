"""One device: what the gateway says of it, what is found from outside, what was counted, who has it."""

from collections.abc import Iterator, Sequence
from datetime import timedelta

from drivers.driver import Condition
from drivers.links.link import Action, Cause
from gateway.config import DeviceSettings
from gateway.diagnosis.accounts import Account
from gateway.diagnosis.finding import found, well, worst_first
from gateway.diagnosis.outside import look_from_outside
from gateway.diagnosis.surroundings import Surroundings
from gateway.diagnosis.suspicions import look_at_counters
from gateway.local.views import DeviceView, EventView, Finding

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


def look_at_device(
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
        yield from _state(seen, {finding.code for finding in outside})
    yield from outside
    if seen is not None:
        yield from look_at_counters(seen, device, events)
        yield from _who_has_it(seen)
        yield from _last_read(seen, around)


def _state(seen: DeviceView, outside: set[str]) -> Iterator[Finding]:
    """What the gateway says of the device, unless it is said better by what was found from outside."""
    state = seen.state
    if state.cause is None:
        return
    if EXPLAINED.get(state.cause) in outside:
        return
    severity = "warning" if state.state in (Condition.DEGRADED, Condition.BUSY) else "error"
    yield found(state.cause, severity, seen.position, state.text, state.action, state.how)  # type: ignore[arg-type]


def _who_has_it(seen: DeviceView) -> Iterator[Finding]:
    name = seen.position
    if seen.state.state is Condition.MAINTENANCE and seen.maintenance_until is not None:
        yield found(
            "in_maintenance",
            "warning",
            name,
            f"It is in maintenance until {seen.maintenance_until:%H:%M} UTC: what it reads reaches no "
            f"officer ({seen.withheld} events were kept back).",
            Action.WAIT,
            f"borderpost maintenance {name} off",
        )
    if seen.state.state is Condition.PENDING:
        serial_number = seen.identity.serial_number if seen.identity is not None else None
        yield found(
            "not_accepted",
            "error",
            name,
            f"Another device than {seen.accepted} is plugged in, and waits to be accepted: {serial_number}.",
            Action.CONFIGURE,
            f"borderpost accept {name} {serial_number}; or plug the old one in again",
        )
    if seen.claim is not None:
        yield found(
            "claimed",
            "notice",
            name,
            f"{seen.claim.station} has claimed it since {seen.claim.since:%H:%M} UTC: it obeys nobody else.",
            Action.WAIT,
            f"Release it there; or as a supervisor: borderpost claims steal {name} --reason WHY",
        )


def _last_read(seen: DeviceView, around: Surroundings) -> Iterator[Finding]:
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
            f"Is it in use? Try it: borderpost check {seen.position} --level interactive",
        )
    else:
        yield well("quiet", seen.position, f"{said}.")
