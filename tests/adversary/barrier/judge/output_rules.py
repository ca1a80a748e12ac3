"""Invariants of writes to outputs: none without a reason, none on old, implausible or cancelled grounds.

Numbers are those of the protocol sheet: 1, 5, 10, 11, 13, 20, 21, 24.
"""

from itertools import pairwise

from adversary.barrier.judge.case import Action, Case
from adversary.barrier.judge.closings import closings
from adversary.barrier.judge.commands_rules import explain, is_reopening
from adversary.barrier.judge.emergency_rules import acknowledgements, latches
from adversary.barrier.judge.records import Command, DoorFacts

FRESH_S = 0.5
STALL_S = 0.3
LATE_S = 0.02
APART_S = 2.0
QUEUE_S = 0.3
"""Time that a reopening may wait for the line after it was counted, in seconds."""
KEPT_S = 8.0
"""Time for which a stop may be repeated, also by a next process, in seconds."""
CALM_S = 6.0
"""Time without any event after which a release has no reason, in seconds."""
DELIVERED_S = 0.1
"""Time after a stall within which the frames that an adapter has kept arrive, in seconds."""
QUICK_S = 0.36
"""Longest time from one reading's request to the next one's answer before a closing, in seconds."""
LIMITS = {"open": ("open_limit", "closed_limit"), "closed": ("closed_limit", "open_limit")}


def judge(case: Case) -> None:
    """Judge all rules of this file."""
    moves = [one for one in case.actions if one.energises and one.contact in ("open", "close")]
    asked = [(action, command) for action, command in explain(case, moves) if command is not None]
    _configuration(case)
    _unasked_stops(case)
    _unasked_releases(case)
    for action, command in asked:
        if case.counts(action):
            _opening(case, action)
            _pending_in_emergency(case, action, command)
            _too_soon(case, action, moves)
        if case.counts(action) and action.contact == "close":
            _open_at_start(case, action)
            _quick_reading(case, action)
    for door in case.facts.doors:
        _first_reading(case, door)
    _emergency_sensed(case)
    _told_as_read(case)


def _configuration(case: Case) -> None:
    for wire, request in case.requests:
        if request is not None and request.configures:
            case.blame(5, "configures", wire.at_s, "a setting of the board is written", wire)


def _unasked_stops(case: Case) -> None:
    for action in case.actions:
        if action.contact != "stop" or not action.energises or not case.counts(action):
            continue
        from_s = action.at_s - KEPT_S
        stopped = any(one.verb == "stop" and from_s <= one.at_s <= action.at_s for one in case.commands)
        if stopped or case.stalled(action.at_s):
            continue
        if not case.signal("presence", action.door).ever(action.at_s - 15.0, action.at_s):
            text = "a stop is written without a command, and without anybody in the way"
            case.blame(20, "stops unasked", action.at_s, text, action.wire)


def _unasked_releases(case: Case) -> None:
    """A release needs a pulse, a stop, an emergency, or somebody in the way of a door."""
    if case.facts.is_silent:  # it cannot be read: its relays are opened again and again
        return
    energised = [one.at_s for one in case.actions if one.energises]
    for action in case.actions:
        from_s, at_s = action.at_s - CALM_S, action.at_s
        if action.kind != "off" or not case.healthy(from_s, at_s) or from_s < case.start_s:
            continue
        closed = any(steps.ever(from_s, at_s - 0.001) for steps in case.relays.values())
        present = any(case.signal("presence", door).ever(from_s - 9, at_s) for door in case.doors)
        latched = any(began_s <= at_s and from_s <= ended_s for began_s, ended_s in latches(case))
        stopped = any(one.verb == "stop" and from_s <= one.at_s <= at_s for one in case.commands)
        emergency = case.signal("emergency").ever(from_s, at_s)
        if closed or present or latched or stopped or emergency:
            continue
        if not any(from_s <= when_s < at_s for when_s in energised):
            case.blame(20, "releases unasked", at_s, "relays are released without a reason", action.wire)


def _opening(case: Case, action: Action) -> None:
    """An opening needs plausible inputs that were read just now."""
    if action.contact != "open" or is_reopening(case, action):
        return
    at_s, door = action.at_s, action.door
    extra_s = STALL_S if case.stalled(at_s) else 0.0
    before = [
        one.asked_s for one in case.readings
        if (door, "open_limit") in one.values and case.place(one.wire) < case.place(action.wire)
    ]  # fmt: skip
    if not before or at_s - max(before) > FRESH_S + 0.05 + extra_s:
        age = f"{at_s - max(before):.2f} s old" if before else "never read"
        case.blame(24, "opens on old inputs", at_s, f"open with limits that are {age}", action.wire)
    if case.facts.open_in_fault:
        return
    if all(case.signal(name, door).throughout(at_s - 0.8, at_s) for name in LIMITS["open"]):
        case.blame(13, "both limits", at_s, "open with both limits made", action.wire)
    names = ("open_limit", "closed_limit", "presence")
    if any(case.changes_read(door, name, at_s - 1.0, at_s) > 5 for name in names):
        case.blame(13, "chatter", at_s, "open while a contact chatters", action.wire)


def _pending_in_emergency(case: Case, action: Action, command: Command) -> None:
    if is_reopening(case, action):
        return
    grace_s = STALL_S if case.stalled(action.at_s) else 0.0  # a frame that an adapter keeps is taken back
    for from_s, to_s in latches(case):
        slow = case.is_slow(command.at_s, action.at_s)
        if slow or not case.alive.throughout(command.at_s - LATE_S, action.at_s):
            continue  # it may have been received after the emergency
        if command.at_s < from_s - LATE_S and from_s + grace_s <= action.at_s < to_s:
            text = f"{action.contact} of before an emergency is written {action.at_s - from_s:.2f} s after it"
            case.blame(11, "outlives an emergency", action.at_s, text, command, action.wire)


def _too_soon(case: Case, action: Action, moves: list[Action]) -> None:
    """A command follows a reopening, and the start of a process, by as much as another command."""
    if case.stalled(action.at_s):
        return
    started_s = max(one.at_s for one in case.lives if one.what == "started" and one.at_s <= action.at_s)
    if action.at_s - started_s < APART_S - LATE_S:
        text = f"{action.contact} {action.at_s - started_s:.2f} s after the start"
        case.blame(21, "too soon after the start", action.at_s, text, action.wire)
    reopenings = [
        one for one in moves
        if one.wire is not action.wire and one.at_s <= action.at_s
        and action.at_s - _written_s(case, one) < APART_S - QUEUE_S
        # A silent board is written to again, which closes no contact anew.
        and (one.closed_s > 0 or not case.facts.is_silent)
        and is_reopening(case, one) and case.counts(one)
        and case.life_at(one.at_s) == case.life_at(action.at_s)
    ]  # fmt: skip
    if reopenings:
        text = f"{action.contact} {action.at_s - reopenings[-1].at_s:.2f} s after a reopening"
        wires = (reopenings[-1].wire, action.wire)
        case.blame(21, "too soon after a reopening", action.at_s, text, *wires)


def _written_s(case: Case, action: Action) -> float:
    """Return the earliest time at which the host may have written a frame: an adapter may have kept it."""
    stalls_s = [
        one.at_s for one in case.troubles
        if one.name == "stall" and one.at_s <= action.at_s <= one.until_s + DELIVERED_S
    ]  # fmt: skip
    return min([action.at_s, *stalls_s])


def _open_at_start(case: Case, close: Action) -> None:
    """A barrier that was open when the process began may be open for an emergency."""
    began_s = max(one.at_s for one in case.lives if one.what == "started" and one.at_s <= close.at_s)
    if any(began_s < at_s <= close.at_s for at_s in acknowledgements(case)) or case.stalled(close.at_s):
        return
    known: dict[tuple[str, str], bool] = {}
    wanted = {(door, name): name == "closed_limit" for door in case.doors for name in LIMITS["open"]}
    for reading in case.readings:
        if began_s <= reading.asked_s and reading.at_s <= close.at_s:
            known |= {key: value for key, value in reading.values.items() if key in wanted}
            if known == wanted:
                return
    text = "close of a barrier that was open at the start, without an acknowledgement"
    case.blame(24, "open at the start", close.at_s, text, close.wire)


def _quick_reading(case: Case, close: Action) -> None:
    """A closing needs a reading that followed the one before quickly."""
    near = [
        one for one in case.readings
        if (close.door, "presence") in one.values and close.at_s - 3.0 <= one.at_s <= close.at_s
    ]  # fmt: skip
    if len(near) < 2 or case.stalled(close.at_s) or not case.reachable(near[-2].asked_s, close.at_s):
        return
    took_s = near[-1].at_s - near[-2].asked_s
    if took_s > QUICK_S and not case.is_abnormal(near[-2].asked_s, close.at_s):
        text = f"close after a reading that took {took_s:.2f} s"
        case.blame(10, "slow reading", close.at_s, text, near[-2].wire, near[-1].wire, close.wire)


def _first_reading(case: Case, door: DoorFacts) -> None:
    """The first reading that shows somebody in the way of a closing door is answered by a write."""
    seen = [one for one in case.readings if (door.name, "presence") in one.values]
    writes = [
        wire.at_s for wire, request in case.requests
        if wire.board == case.facts.relays_on and request is not None and request.writes
    ]  # fmt: skip
    for closing in closings(case, door):
        within = [one for one in seen if closing.action.at_s <= one.asked_s and one.at_s <= closing.to_s]
        first = next((n for n, one in enumerate(within) if one.values[door.name, "presence"]), None)
        if first is None or first + 1 >= len(within):
            continue
        reading, after = within[first], within[first + 1]
        limits = [case.signal(name, door.name) for name in LIMITS["open"]]
        if not all(limit.throughout(reading.asked_s - 0.1, after.at_s, False) for limit in limits):
            continue
        if not case.signal("presence", door.name).throughout(reading.asked_s, after.at_s):
            continue
        if any(case.signal(name).ever(closing.from_s, after.at_s) for name in ("emergency", "key_switch")):
            continue
        stopped = any(
            one.verb == "stop" and closing.action.at_s <= one.at_s <= after.at_s for one in case.commands
        )
        if stopped or case.is_leased(closing.from_s, after.at_s):
            continue
        if not case.healthy(closing.action.at_s - 0.5, after.at_s):
            continue
        if not any(reading.at_s - LATE_S <= at_s <= after.asked_s + LATE_S for at_s in writes):
            text = "somebody is in the way of a closing door, and the inputs are read again first"
            case.blame(10, "no write after the reading", after.asked_s, text, reading.wire, after.wire)


def _emergency_sensed(case: Case) -> None:
    cleared = acknowledgements(case)
    for event in case.events:
        if event.type != "barrier.state" or event.data.get("state") != "emergency_open":
            continue
        read_s = max(
            (
                one.at_s for one in case.readings
                if one.values.get(("", "emergency")) and one.at_s <= event.at_s + LATE_S
            ),
            default=None,
        )  # fmt: skip
        if read_s is None or any(read_s + 0.3 < at_s < event.at_s - 0.3 for at_s in cleared):
            text = "an emergency is told, and its input was not read as active"
            case.blame(1, "emergency told, not sensed", event.at_s, text, event)


def _told_as_read(case: Case) -> None:
    """An end that is told agrees with the last two readings of both limits."""
    for event in case.events:
        slow = case.is_slow(event.at_s - 1.0, event.at_s)
        if event.type != "barrier.state" or event.data.get("stale") or slow or case.stalled(event.at_s):
            continue
        for door in event.data.get("doors", ()):
            names = LIMITS.get(str(door.get("state")))
            if names is None or case.is_abnormal(event.at_s - 1.0, event.at_s):
                continue
            name = door.get("door", "")
            seen = [
                one for one in case.readings
                if (name, names[0]) in one.values and event.at_s - 1.0 <= one.at_s <= event.at_s
            ][-2:]  # fmt: skip
            wrong = [
                one for one in seen
                if not one.values[name, names[0]] or one.values.get((name, names[1]), False)
            ]  # fmt: skip
            spans = [case.life_at(before.at_s) == case.life_at(event.at_s) for before, _ in pairwise(seen)]
            if len(wrong) == 2 and all(spans):
                text = f"{door['state']} is told, and was read otherwise twice"
                case.blame(1, "told against readings", event.at_s, text, *(one.wire for one in seen), event)
