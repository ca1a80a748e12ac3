"""Invariants for people: no closing on anybody, reopening, plausible inputs.

Numbers are those of the protocol sheet: 9, 10, 13, 29.
"""

from itertools import pairwise

from adversary.barrier.judge.case import Action, Case
from adversary.barrier.judge.closings import Closing, closings, held_until_s, is_at_closed_end, seen_s
from adversary.barrier.judge.records import DoorFacts, Event, Truth

FRESH_S = 0.5
STALL_S = 0.3
DEAD_S = 0.3
MARGIN_S = 0.12
AGAIN_S = 2.2
"""Time until a reopening that shows no effect is written again, in seconds."""
REPEATED_S = 0.25
"""Time until a frame of a silent board is repeated: a poll and its requests, in seconds."""
POLL_S = 0.2
"""Longest time between two readings of a boom that is not disturbed, in seconds."""


def judge(case: Case) -> None:
    """Judge all rules of this file."""
    closes = [one for one in case.actions if one.energises and one.contact == "close" and case.counts(one)]
    for close in closes:
        _closed_on_nobody(case, close)
        _clear_for_long(case, close)
        _polled_fast(case, close)
        _plausible(case, close)
    for door in case.facts.doors:
        for closing in closings(case, door):
            _reopened(case, door, closing)
    _faults_shown(case)


def _closed_on_nobody(case: Case, close: Action) -> None:
    at_s, door = close.at_s, close.door
    extra_s = STALL_S if case.stalled(at_s) else 0.0
    presence = case.signal("presence", door)
    if presence.throughout(at_s - FRESH_S - extra_s, at_s):
        case.blame(
            9,
            "closes on a person",
            at_s,
            "close with somebody in the way",
            _since(case, door, at_s),
            close.wire,
        )
        return
    last = case.last_read(door, "presence", at_s - extra_s)
    if last is None or at_s - last[0].asked_s > FRESH_S + 0.05 + extra_s:
        age = "never read" if last is None else f"{at_s - last[0].asked_s:.2f} s old"
        case.blame(
            9,
            "sensing too old",
            at_s,
            f"close with a presence that is {age}",
            last and last[0].wire,
            close.wire,
        )
    elif last[1] and presence.throughout(last[0].asked_s, at_s):
        case.blame(9, "presence was read", at_s, "close though presence was read", last[0].wire, close.wire)


def _clear_for_long(case: Case, close: Action) -> None:
    """No reading may have found somebody in the way within the configured clear time before a closing."""
    since_s = close.at_s - case.facts.clear_s
    for one in case.readings:
        if one.values.get((close.door, "presence")) and since_s < one.asked_s < close.at_s:
            text = f"close {close.at_s - one.asked_s:.2f} s after presence was read"
            if case.facts.clear_s:
                case.blame(9, "clear for too short", close.at_s, text, one.wire, close.wire)
            return


def _polled_fast(case: Case, close: Action) -> None:
    """Closing needs a reading of the presence within one poll: a bus that is too slow forbids it."""
    times = [
        one.asked_s
        for one in case.readings
        if (close.door, "presence") in one.values and close.at_s - 3.0 <= one.asked_s <= close.at_s
    ]
    gaps = [after - before for before, after in pairwise(times)]
    slow = [gap for gap in gaps if gap > 0.29]
    if len(gaps) >= 5 and len(slow) == len(gaps) and case.reachable(close.at_s - 3.0, close.at_s):
        text = f"close though the presence is read every {min(gaps):.2f} s"
        case.blame(10, "polling is slow", close.at_s, text, close.wire)


def _since(case: Case, door: str, at_s: float) -> Truth | None:
    return next(
        (
            one
            for one in reversed(case.truths)
            if one.what == "person" and one.door == door and one.at_s <= at_s
        ),
        None,
    )


def _plausible(case: Case, move: Action) -> None:
    at_s, door = move.at_s, move.door
    both = [case.signal(name, door) for name in ("open_limit", "closed_limit")]
    if all(limit.throughout(at_s - 0.8, at_s) for limit in both):
        read = case.last_read(door, "open_limit", at_s)
        case.blame(13, "both limits", at_s, "close with both limits made", read and read[0].wire, move.wire)
    if any(
        case.changes_read(door, name, at_s - 1.0, at_s) > 5
        for name in ("open_limit", "closed_limit", "presence")
    ):
        case.blame(13, "chatter", at_s, "close while a contact chatters", move.wire)


def _reopened(case: Case, door: DoorFacts, closing: Closing) -> None:
    for from_s, to_s in case.signal("presence", door.name).spans(end_s=case.end_s):
        start_s = case.readable_s(max(from_s, held_until_s(case, door, closing)))
        if start_s >= closing.to_s or to_s - start_s < 0.4 or from_s < 0:
            continue
        if case.signal("emergency").ever(start_s - 1, closing.to_s) or case.signal("key_switch").ever(
            start_s - 1, closing.to_s
        ):
            continue
        start_s = seen_s(case, door, start_s, closing.to_s)
        if start_s >= closing.to_s or to_s - start_s < 0.4:
            continue
        if is_at_closed_end(case, door, closing.from_s, start_s + 0.3):
            continue  # the motor closes it at the closed end, which it has not left
        energised = case.contact(door, "close").ever(start_s - DEAD_S, start_s + 0.2)
        # After a disturbed exchange the contact's state is unknown until it was read or released.
        unknown = any(closing.action.at_s - 0.1 <= at_s <= start_s for at_s in case.awaited)
        limit_s = start_s + 0.2 + MARGIN_S + (DEAD_S if energised or unknown else 0.0)
        limit_s = _excused_s(case, start_s - 0.3, limit_s)
        if case.facts.is_silent:
            limit_s += _until_repeated_s(case, door, start_s, limit_s)
        reacts = [
            one for name in ("open", "stop") if getattr(door, name) is not None
            for one, _ in case.contact(door, name).spans(end_s=case.end_s)
            if start_s - 0.05 <= one <= limit_s
        ]  # fmt: skip
        if reacts or to_s < limit_s or not case.reachable(start_s - 0.3, limit_s):
            continue
        if closing.to_s <= limit_s and not (closing.shut and closing.to_s - start_s > 0.75):
            continue
        if case.contact(door, "stop").at(start_s):
            continue
        new_life = any(
            closing.from_s < life.at_s
            for life in case.lives
            if life.what == "started" and life.at_s <= start_s
        )
        late_s = next(
            (
                one
                for one, _ in case.contact(door, "open").spans(end_s=case.end_s)
                if limit_s < one <= closing.to_s + 0.2
            ),
            None,
        )
        how = f"is reopened {late_s - start_s:.2f} s later" if late_s else "is neither stopped nor reopened"
        shut = ", and shuts" if closing.shut else ""
        person = next(
            (one for one in reversed(case.truths) if one.what == "person" and one.at_s <= start_s + 1e-6),
            None,
        )
        tried = [
            one.wire
            for one in case.actions
            if start_s <= one.at_s <= closing.to_s and one.contact in ("open", "stop")
        ]
        text = f"{door.name or 'the boom'} closes on somebody and {how}{shut}"
        rule = "reopening is late" if late_s else "not reopened"
        if _reacted_before(case, door, closing):
            rule += " again"
        invariant = 29 if new_life else 10
        case.blame(invariant, rule, limit_s, text, closing.action.wire, closing.start, person, *tried[:3])
        return
    _alarmed(case, door, closing)


def _until_repeated_s(case: Case, door: DoorFacts, from_s: float, to_s: float) -> float:
    """Return the time until lost frames of a silent board are repeated: no answer of them is missing.

    A poll later, while the pulse of a stop or reopening lasts; or once it shows no effect.
    """
    lost = [
        one for one in case.actions
        if one.door == door.name and not one.wire.arrived and one.energises
        and from_s <= one.at_s <= to_s + case.facts.pulse_s
    ]  # fmt: skip
    if not lost:
        return 0.0
    polls_s = REPEATED_S * len(lost)
    return polls_s if polls_s <= case.facts.pulse_s else AGAIN_S


def _excused_s(case: Case, from_s: float, limit_s: float) -> float:
    """Return a limit with the time that disturbed exchanges excuse, also those in the time they excuse."""
    excused_s = limit_s
    while (later_s := limit_s + case.slack_s(from_s, excused_s)) > excused_s:
        excused_s = later_s
    return excused_s


def _reacted_before(case: Case, door: DoorFacts, closing: Closing) -> bool:
    """Return whether somebody was in the way before in this movement, which has reached no end since."""
    ends = [
        to_s for name in ("open_limit", "closed_limit")
        for _, to_s in case.signal(name, door.name).spans(end_s=case.end_s) if to_s <= closing.from_s + 0.2
    ]  # fmt: skip
    since_s = max(ends, default=case.start_s)
    return any(
        one.type == "barrier.alarm"
        and "obstruct" in str(one.data.get("kind"))
        and since_s <= one.at_s <= closing.from_s
        for one in case.events
    )


def _alarmed(case: Case, door: DoorFacts, closing: Closing) -> None:
    for from_s, to_s in case.signal("presence", door.name).spans(end_s=case.end_s):
        start_s = from_s
        if not closing.from_s + 0.3 <= from_s <= closing.to_s - 0.05 or to_s - from_s < 0.4:
            continue
        if case.signal("open_limit", door.name).ever(start_s - 0.25, start_s):
            continue
        if is_at_closed_end(case, door, closing.from_s, from_s):
            continue
        if closing.to_s - from_s < POLL_S and not _is_present_read(case, door, from_s, closing.to_s):
            continue  # the closing ended between two readings
        if case.healthy(closing.action.at_s - 0.5, start_s + 1.0):
            said = [
                one for one in case.events
                if one.type == "barrier.alarm" and closing.from_s <= one.at_s <= start_s + 1.0
                and "obstruct" in str(one.data.get("kind"))
            ]  # fmt: skip
            if not said:
                text = "somebody in the way of a closing door raises no alarm"
                case.blame(10, "no alarm", start_s + 1.0, text, closing.action.wire, closing.start)


def _is_present_read(case: Case, door: DoorFacts, from_s: float, to_s: float) -> bool:
    """Return whether a reading asked in this span found somebody in the way."""
    return any(
        one.values.get((door.name, "presence")) and from_s <= one.asked_s <= to_s for one in case.readings
    )


def _faults_shown(case: Case) -> None:
    for door in case.facts.doors:
        limits = [case.signal(name, door.name) for name in ("open_limit", "closed_limit")]
        for from_s, to_s in limits[0].spans(end_s=case.end_s):
            for other_s, end_s in limits[1].spans(end_s=case.end_s):
                start_s, stop_s = max(from_s, other_s), min(to_s, end_s)
                if stop_s - start_s > 1.2 and start_s > 0 and case.healthy(start_s - 0.5, start_s + 1.2):
                    last = _state(case, start_s + 1.1)
                    states = _shown(last, door.name)
                    if last is not None and not states & {
                        "fault",
                        "emergency_open",
                        "maintenance",
                        "unknown",
                    }:
                        text = f"both limits are made, and it is shown as {sorted(states)}"
                        case.blame(13, "fault not shown", start_s + 1.1, text, last)


def _state(case: Case, at_s: float) -> Event | None:
    return next(
        (one for one in reversed(case.events) if one.type == "barrier.state" and one.at_s <= at_s), None
    )


def _shown(event: Event | None, door: str) -> set[str]:
    if event is None:
        return set()
    doors = {str(one.get("state")) for one in event.data.get("doors", ()) if one.get("door", "") == door}
    return doors | {str(event.data.get("state"))}
