"""Invariants of relays: pulses end, opposite contacts, one door at a time.

Numbers are those of the protocol sheet: 7, 8, 17.
"""

from adversary.barrier.judge.case import SHORTEST_S, Action, Case
from adversary.barrier.judge.records import Contact, DoorFacts

DEAD_S = 0.3
LONGEST_S = 1.0
EPSILON_S = 0.005
ON_ITS_WAY_S = 0.035
"""Time that the releases of eight relays take at a start, at 9,600 Bd, in seconds."""
STEADY_S = 0.5
"""Time for which a limit switch is made until it is no flicker, in seconds."""


def judge(case: Case) -> None:
    """Judge all rules of this file."""
    _frames(case)
    _pulses_end(case)
    for door in case.facts.doors:
        _opposites(case, door)
    if len(case.facts.doors) == 2:
        _one_door(case)


def _frames(case: Case) -> None:
    for action in case.actions:
        if action.kind in ("toggle", "pulse-off"):
            case.blame(7, "toggles", action.at_s, f"{action.kind} of {action.contact}", action.wire)
        if action.seconds is not None and action.seconds > LONGEST_S + EPSILON_S:
            case.blame(7, "long pulse", action.at_s, f"a pulse of {action.seconds:.1f} s", action.wire)
        if action.kind == "on" and case.facts.ends_pulse == "board":
            text = "closed without a time, though the board can time it"
            case.blame(7, "pulse has no end", action.at_s, text, action.wire)


def _pulses_end(case: Case) -> None:
    for relay, steps in case.relays.items():
        door, contact = case.role(relay)
        for from_s, to_s in steps.spans(end_s=case.end_s):
            causes = [
                record.cause
                for record in steps.records
                if isinstance(record, Contact) and record.at_s in (from_s, to_s)
            ]
            if not contact or "welded" in causes or "input" in causes or _foreign(case, relay, from_s, to_s):
                continue
            limit_s = max(LONGEST_S, case.facts.pulse_s) + 0.1
            calm = case.healthy(from_s - 0.2, min(to_s, from_s + limit_s))
            if not calm and case.facts.ends_pulse == "watchdog":
                limit_s += case.facts.watchdog_s
            elif not calm and case.facts.ends_pulse == "time-relay":
                limit_s = _time_to_release(case, from_s, to_s, limit_s)
            # Each pulse begins the time anew when it is executed.
            executed_s = (
                case.executed_s(one) for one in case.actions
                if one.door == door and one.contact == contact and one.energises and one.wire.arrived
            )  # fmt: skip
            limit_s += max((at_s - from_s for at_s in executed_s if from_s < at_s < to_s), default=0.0)
            if to_s - from_s > limit_s + EPSILON_S:
                text = f"{contact} of {door or 'the boom'} is closed for {to_s - from_s:.1f} s"
                ends = [one for one in steps.records if one is not None and one.at_s in (from_s, to_s)]
                lives = [life for life in case.lives if from_s - 0.5 <= life.at_s <= to_s]
                case.blame(7, "relay stays closed", from_s + limit_s, text, *ends, *lives[:4])


def _foreign(case: Case, relay: int, from_s: float, to_s: float) -> bool:
    """Return whether another master switched this relay."""
    return any(
        one.what == "foreign" and one.details["relay"] == relay and from_s - 0.1 <= one.at_s <= to_s
        for one in case.truths
    )


def _time_to_release(case: Case, from_s: float, to_s: float, limit_s: float) -> float:
    """Return the longest time for a board behind a time relay: 3 s of a link that works."""
    at_s = from_s
    while at_s + 3.0 < to_s:
        if case.reachable(at_s, at_s + 3.0) and not case.slack_s(at_s, at_s + 3.0):
            return at_s + 3.0 - from_s
        at_s += 0.25
    return max(limit_s, to_s - from_s)


def _opposites(case: Case, door: DoorFacts) -> None:
    if door.close is None:
        return
    for name, other in (("open", "close"), ("close", "open")):
        others = case.contact(door, other)
        for from_s, _to_s in case.contact(door, name).spans(end_s=case.end_s):
            if from_s < 0 or any(
                _welded(case, relay, from_s) or _foreign(case, relay, from_s - 2.0, from_s)
                for relay in (door.open, door.close)
            ):
                continue
            ended_s = max(
                (end_s for start_s, end_s in others.spans(end_s=case.end_s + 1) if start_s < from_s),
                default=None,
            )
            if ended_s is None or from_s - ended_s >= DEAD_S - EPSILON_S:
                continue
            both = ended_s > from_s
            if case.facts.is_silent and (
                _is_release_lost(case, door, other, from_s)
                if both
                else from_s - ended_s >= DEAD_S - EPSILON_S - _held_s(case, ended_s, from_s)
                or _is_release_lost(case, door, other, from_s)
            ):
                continue  # no acknowledgement tells that frames are held or lost
            text = (
                f"{name} closes while {other} is closed"
                if both
                else f"{name} closes {from_s - ended_s:.2f} s after {other} has opened"
            )
            near = [one for one in case.actions if from_s - 1.5 <= one.at_s <= from_s + 0.01]
            rule = "both contacts" if both else "dead time"
            case.blame(8, rule, from_s, text, *(one.wire for one in near[-5:]))


def _held_s(case: Case, ended_s: float, from_s: float) -> float:
    """Return by how much the time between two frames may have shrunk on their way, in seconds.

    An adapter that stalls delivers them at once. A slow board executes the first one late.
    """
    if case.stalled(from_s) or case.stalled(ended_s):
        return DEAD_S
    delays_s = [
        float(one.details.get("delay_s", 0.0))
        for one in case.troubles
        if one.name == "slow-bus" and one.at_s <= ended_s <= one.until_s + 0.3
    ]
    if any(one.what == "started" and 0 <= ended_s - one.at_s <= 0.1 for one in case.lives):
        delays_s.append(ON_ITS_WAY_S)
    return max(delays_s, default=0.0)


def _is_release_lost(case: Case, door: DoorFacts, contact: str, at_s: float) -> bool:
    """Return whether a frame that opens this contact was lost just before, but for the dead time since.

    A later one may have opened it.
    """
    return any(
        one.door == door.name and one.contact == contact and not one.energises and not one.wire.arrived
        and at_s - 2.0 <= one.at_s <= at_s - DEAD_S + EPSILON_S
        for one in case.actions
    )  # fmt: skip


def _welded(case: Case, relay: int, at_s: float) -> bool:
    """Return whether the contact of a relay was welded then, or just before."""
    return any(
        one.name == "welded-relay" and one.details["relay"] == relay and one.at_s <= at_s <= one.until_s + 1
        for one in case.troubles
    )


def _emergency(case: Case, at_s: float) -> bool:
    """Return whether an emergency has just opened the doors, or does."""
    return case.signal("emergency").ever(at_s - case.facts.open_s - 2.0, at_s)


def _one_door(case: Case) -> None:
    grants: dict[str, Action] = {}
    for action in sorted(
        (one for one in case.actions if one.contact == "open" and one.energises), key=lambda a: a.at_s
    ):
        if not action.wire.arrived:
            continue
        for other in case.doors:
            grant = grants.get(other)
            if other == action.door or grant is None or _emergency(case, action.at_s):
                continue
            if not _is_over(case, grant, action.at_s) and not _is_shown_over(case, grant, action.at_s):
                text = f"{action.door} is opened while the grant of {other} stands"
                case.blame(17, "second grant", action.at_s, text, grant.wire, action.wire)
        if _may_open(case, action):
            grants[action.door] = action
    first, second = (_truly(case, name) for name in case.doors)
    for from_s, to_s in _both(first, second, case.end_s):
        if _emergency(case, from_s) or _outside(case, from_s) or _is_hidden(case, from_s):
            continue
        if to_s - from_s > 0.05:
            moved = [one for one in case.truths if one.what == "motion" and from_s - 10 <= one.at_s <= from_s]
            text = f"both doors are away from closed for {to_s - from_s:.1f} s"
            case.blame(17, "both doors open", from_s, text, *moved[-3:], *(g.wire for g in grants.values()))


def _outside(case: Case, at_s: float) -> bool:
    """Return whether something else than the gateway moved a door, so that both are open from then on.

    The door that has left last was moved, or the other one when the opening of the last was written already.
    """
    if any(one.name in ("power-cut", "fire") and at_s - 30 <= one.at_s <= at_s for one in case.troubles):
        return True  # the machine does what it does
    last = next((name for name in case.doors if any(when_s == at_s for when_s, _ in _truly(case, name))), "")
    return any(
        _is_moved(case, door, at_s - (20.0 if door == last else case.facts.start_s + 2.0), at_s)
        for door in case.doors
    )


def _is_moved(case: Case, door: str, from_s: float, to_s: float) -> bool:
    """Return whether a hand, a button, another master or a welded contact has moved a door."""
    relays = {case.doors[door].open, case.doors[door].close}
    return any(
        from_s <= one.at_s <= to_s
        and (
            (one.what == "motion" and one.door == door and one.details.get("by") in ("hand", "spring"))
            or (one.what == "button" and one.door == door)
            or (one.what == "foreign" and one.details["relay"] in relays)
        )
        for one in case.truths
    ) or any(
        one.at_s <= to_s and from_s <= one.until_s
        and (
            (one.name in ("lift", "button") and one.details.get("door") == door)
            or (one.name == "welded-relay" and one.details["relay"] in relays)
        )
        for one in case.troubles
    )  # fmt: skip


def _may_open(case: Case, action: Action) -> bool:
    """Return whether the frame of an opening has reached the machine.

    A board may hang up instead of executing it, and an adapter may deliver it and its release at once.
    """
    if action.closed_s:
        return action.closed_s >= SHORTEST_S
    contact = case.contact(case.doors[action.door], "open")
    return not action.refused and contact.ever(action.at_s, action.at_s + 1.0)  # closed before


def _truly(case: Case, door: str) -> list[tuple[float, bool]]:
    """Return when a door was truly at its closed limit, and not."""
    return [
        (one.at_s, bool(one.details["active"]))
        for one in case.truths
        if one.what == "signal" and one.details.get("signal") == f"{door}-closed-limit"
    ]


def _is_over(case: Case, grant: Action, at_s: float) -> bool:
    """Return whether a grant has ended: the door has opened and closed again, or was stopped."""
    changes = [
        (when_s, closed) for when_s, closed in _truly(case, grant.door) if grant.at_s <= when_s <= at_s
    ]
    earlier = [closed for when_s, closed in _truly(case, grant.door) if when_s < grant.at_s]
    left = any(not closed for _, closed in changes) or (bool(earlier) and not earlier[-1])
    if left and changes and changes[-1][1]:
        return True
    door = case.doors[grant.door]
    stopped = case.contact(door, "stop").ever(grant.at_s, at_s)
    jam = any(
        one.name == "power-cut" and grant.at_s <= one.until_s and one.at_s <= at_s for one in case.troubles
    )
    before = [closed for when_s, closed in _truly(case, grant.door) if when_s <= at_s]
    rests = not before or before[-1]
    never_left = not left and rests and at_s - grant.at_s > case.facts.start_s + 10.0
    return never_left or ((stopped or jam) and rests)


def _is_shown_closed(case: Case, door: str, at_s: float) -> bool:
    """Return whether a shorted wire showed a door steadily closed at its last reading.

    Of two shorted limits, the wire of the open one may have been mended.
    """
    read = case.last_read(door, "closed_limit", at_s)
    if read is None:
        return False
    span_s = read[0].asked_s - STEADY_S, read[0].asked_s
    return (
        any(
            (
                (one.name == "shorted-wire" and one.details.get("signal") == f"{door}-closed-limit")
                or (one.name == "both-limits" and one.details.get("door") == door)
            )
            and one.at_s <= span_s[0] and span_s[1] <= one.until_s
            for one in case.troubles
        )
        and case.signal("closed_limit", door).throughout(*span_s)
        and case.signal("open_limit", door).throughout(*span_s, False)
    )  # fmt: skip


def _is_shown_over(case: Case, grant: Action, at_s: float) -> bool:
    """Return whether the wires show that a door has left its closed end since its grant, and is back."""
    has_left = case.signal("closed_limit", grant.door).ever(grant.at_s, at_s, False)
    return has_left and _is_shown_closed(case, grant.door, at_s)


def _is_hidden(case: Case, at_s: float) -> bool:
    """Return whether the door that leaves its closed end was opened while the other one was shown closed."""
    last = next((name for name in case.doors if any(when_s == at_s for when_s, _ in _truly(case, name))), "")
    openings_s = [
        one.at_s for one in case.actions
        if one.door == last and one.contact == "open" and one.energises and one.wire.arrived
        and at_s - case.facts.start_s - 2.0 <= one.at_s <= at_s
    ]  # fmt: skip
    return bool(openings_s) and all(
        _is_shown_closed(case, door, openings_s[-1]) for door in case.doors if door != last
    )


def _both(
    first: list[tuple[float, bool]], second: list[tuple[float, bool]], end_s: float
) -> list[tuple[float, float]]:
    found, closed = [], [True, True]
    since_s: float | None = None
    for at_s, which, value in sorted([(t, 0, v) for t, v in first] + [(t, 1, v) for t, v in second]):
        closed[which] = value
        if not any(closed) and since_s is None:
            since_s = at_s
        elif any(closed) and since_s is not None:
            found.append((since_s, at_s))
            since_s = None
    if since_s is not None:
        found.append((since_s, end_s))
    return found
