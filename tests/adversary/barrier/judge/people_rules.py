"""Invariants for people: no closing on anybody, reopening, emergencies, plausible inputs.

Numbers are those of the protocol sheet: 9, 10, 11, 13, 25, 29.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from adversary.barrier.judge.case import SHORTEST_S, Action, Case
from adversary.barrier.judge.records import DoorFacts, Event, Record, Truth

FRESH_S = 0.5
STALL_S = 0.3
DEAD_S = 0.3
EPSILON_S = 0.005
MARGIN_S = 0.12
AGAIN_S = 2.2
"""Time until a reopening that shows no effect is written again, in seconds."""
REPEATED_S = 0.25
"""Time until a frame of a silent board is repeated: a poll and its requests, in seconds."""
LEAVES_S = 0.3
"""Time until a door has left the zone of its limit switch, in seconds."""
FLICKER_S = 0.46
"""Longest flicker of a wire, in seconds."""
STEADY_S = 0.5
"""Time between two readings after which a limit that all of them show made is no flicker, in seconds."""
POLL_S = 0.2
"""Longest time between two readings of a boom that is not disturbed, in seconds."""
GREEN = frozenset({"closed", "opening", "open", "closing", "stopped", "blocked"})


def judge(case: Case) -> None:
    """Judge all rules of this file."""
    closes = [one for one in case.actions if one.energises and one.contact == "close" and case.counts(one)]
    for close in closes:
        _closed_on_nobody(case, close)
        _polled_fast(case, close)
        _plausible(case, close)
    for door in case.facts.doors:
        for closing in closings(case, door):
            _reopened(case, door, closing)
    _emergencies(case, closes)
    if "emergency" not in case.facts.signals:
        _forced_open_stays(case, closes)
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


@dataclass(frozen=True, slots=True)
class Closing:
    """A door that closes because the gateway closed the contact for it."""

    from_s: float
    to_s: float
    shut: bool
    start: Truth
    action: Action


def closings(case: Case, door: DoorFacts) -> Iterator[Closing]:
    """Yield the closings of a door that a frame has caused."""
    motions = [one for one in case.truths if one.door == door.name and one.what in ("motion", "rest", "hit")]
    for n, motion in enumerate(motions):
        if motion.what != "motion" or motion.details.get("towards") != "closing":
            continue
        causes = [
            one for one in case.actions
            if one.door == door.name and one.contact == "close" and one.energises and one.wire.arrived
            and 0 <= motion.at_s - one.at_s <= 2.0
            and not _is_closed_by_hand(case, door, one, motion.at_s)
            and not _is_closed_by_another(case, door, one, motion.at_s)
        ]  # fmt: skip
        if not causes or motion.details.get("by") != "motor":
            continue
        end = next((one for one in motions[n + 1 :] if one.what != "hit"), None)
        to_s = end.at_s if end is not None else case.end_s
        shut = end is not None and end.what == "rest" and end.details.get("position", 1) <= 0.02
        yield Closing(motion.at_s, to_s, shut, motion, causes[-1])


def _is_closed_by_hand(case: Case, door: DoorFacts, close: Action, moved_s: float) -> bool:
    """Return whether it was reopened or stopped since: a hand at the button moves it, or a welded contact.

    A contact that is closed by a frame at that time is neither.
    """
    is_ended = any(
        close.at_s < closed_s < moved_s and opened_s - closed_s >= SHORTEST_S
        for name in ("open", "stop")
        for closed_s, opened_s in case.contact(door, name).spans(end_s=case.end_s)
    )
    is_closed = case.contact(door, "close").at(moved_s) and not _is_close_welded(case, door, moved_s)
    return is_ended and not is_closed


def _is_closed_by_another(case: Case, door: DoorFacts, close: Action, moved_s: float) -> bool:
    """Return whether another master has closed the contact since, after this frame's pulse had ended."""
    contact = case.contact(door, "close")
    return any(
        one.what == "foreign" and one.details["relay"] == door.close
        and close.at_s < one.at_s - EPSILON_S and one.at_s <= moved_s
        and not contact.at(one.at_s - EPSILON_S)
        for one in case.truths
    )  # fmt: skip


def _reopened(case: Case, door: DoorFacts, closing: Closing) -> None:
    for from_s, to_s in case.signal("presence", door.name).spans(end_s=case.end_s):
        start_s = case.readable_s(max(from_s, _held_until_s(case, door, closing)))
        if start_s >= closing.to_s or to_s - start_s < 0.4 or from_s < 0:
            continue
        if case.signal("emergency").ever(start_s - 1, closing.to_s) or case.signal("key_switch").ever(
            start_s - 1, closing.to_s
        ):
            continue
        start_s = _seen_s(case, door, start_s, closing.to_s)
        if start_s >= closing.to_s or to_s - start_s < 0.4:
            continue
        if _is_at_closed_end(case, door, closing.from_s, start_s + 0.3):
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


def _held_until_s(case: Case, door: DoorFacts, closing: Closing) -> float:
    """Return when a door whose motor closes it truly leaves the open end where it is stuck, or the end."""
    from_s = closing.from_s
    truly = _truly_made(case, door, "open-limit")
    is_open = [active for at_s, active in truly if at_s <= from_s][-1:] == [True]
    left_s = next((at_s for at_s, active in truly if at_s > from_s and not active), case.end_s)
    held_s = min(left_s, closing.to_s)
    is_stuck = any(
        one.name == "stuck-boom" and one.details.get("door") == door.name
        and one.at_s <= held_s and from_s <= one.until_s and held_s <= one.until_s + LEAVES_S
        for one in case.troubles
    )  # fmt: skip
    return held_s if is_open and is_stuck else from_s


def _truly_made(case: Case, door: DoorFacts, limit: str) -> list[tuple[float, bool]]:
    """Return when a door has reached a limit and left it, whatever its wire shows."""
    name = f"{door.name}-{limit}" if door.name else limit
    return [
        (one.at_s, bool(one.details["active"]))
        for one in case.truths
        if one.what == "signal" and one.details.get("signal") == name
    ]


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


def _seen_s(case: Case, door: DoorFacts, from_s: float, to_s: float) -> float:
    """Return from when on no bad wire shows a closing door at an end."""
    limits = [case.signal(name, door.name) for name in ("open_limit", "closed_limit")]
    changes_s = sorted(at_s for limit in limits for at_s in limit.times if from_s < at_s < to_s)
    return next((at_s for at_s in (from_s, *changes_s) if not _reads_at_end(case, door, at_s)), to_s)


def _reads_at_end(case: Case, door: DoorFacts, at_s: float) -> bool:
    """Return whether a bad wire shows a closing door at an end, so that nothing is to be seen.

    At the closed end it is guarded until the limit is steady: the readings decide when, because only they
    reach the host, as often as it asks. At both ends at once, no door can be.
    """
    prefix = f"{door.name}-" if door.name else ""
    for limit, other in (("open_limit", "closed_limit"), ("closed_limit", "open_limit")):
        faults = {
            one.name
            for one in case.troubles
            if one.details.get("signal") == prefix + limit.replace("_", "-")
            and one.at_s <= at_s <= one.until_s
        }
        if limit == "closed_limit":
            is_made = "chatter" in faults or (
                "shorted-wire" in faults and case.signal(limit, door.name).throughout(at_s, at_s + 0.3)
            )
            if is_made and _is_read_closed(case, door, at_s):
                return True
            continue
        span_s = at_s - 0.2, at_s + 0.3
        if case.signal(other, door.name).ever(*span_s):
            continue
        if "shorted-wire" in faults and case.signal(limit, door.name).throughout(*span_s):
            return True
        if "chatter" in faults and _is_read(case, door, limit, at_s, at_s + 0.3):
            return True
    return False


def _is_read_closed(case: Case, door: DoorFacts, at_s: float) -> bool:
    """Return whether the reading in which a person is seen from this time on shows the closed limit, steady.

    Not beside the open one. The first reading of a process or connection has no history, so that nothing
    suggests a flicker. One that the host may have given up shows nothing. Numato's inputs are read singly.
    """
    closed, presence = (door.name, "closed_limit"), (door.name, "presence")
    readings = [one for one in case.readings if not one.is_doubtful]
    seen = next((one for one in readings if presence in one.values and one.asked_s >= at_s), None)
    if seen is None:
        return False
    origin = case.life_at(seen.asked_s), seen.wire.connection
    last_s = since_s = None
    for one in reversed(readings[: readings.index(seen) + 1]):
        if closed not in one.values:
            continue
        if (case.life_at(one.asked_s), one.wire.connection) != origin:
            return last_s is not None
        is_open = case.last_read(door.name, "open_limit", one.at_s)
        if not one.values[closed] or is_open is None or is_open[1]:
            break
        last_s, since_s = last_s or one.asked_s, one.asked_s
    return last_s is not None and since_s is not None and last_s - since_s >= STEADY_S - EPSILON_S


def _is_at_closed_end(case: Case, door: DoorFacts, from_s: float, to_s: float) -> bool:
    """Return whether a door was at its closed end all the time: truly, or by its limit but for flickers."""
    truly = _truly_made(case, door, "closed-limit")
    was_closed = [active for at_s, active in truly if at_s <= from_s][-1:] == [True]
    if was_closed and not any(from_s < at_s <= to_s for at_s, _ in truly):
        return True
    name = f"{door.name}-closed-limit" if door.name else "closed-limit"
    flickers_s = [
        one.at_s for one in case.troubles if one.name == "flicker" and one.details.get("signal") == name
    ]
    return all(
        until_s - since_s <= FLICKER_S and any(abs(since_s - at_s) < EPSILON_S for at_s in flickers_s)
        for since_s, until_s in case.signal("closed_limit", door.name).spans(value=False, end_s=case.end_s)
        if since_s <= to_s and until_s > from_s
    )


def _is_read(case: Case, door: DoorFacts, limit: str, from_s: float, to_s: float) -> bool:
    """Return whether every reading found a limit made."""
    values = [
        one.values[door.name, limit]
        for one in case.readings
        if (door.name, limit) in one.values and from_s <= one.asked_s <= to_s
    ]
    return bool(values) and all(values)


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
        if _is_at_closed_end(case, door, closing.from_s, from_s):
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


def acknowledgements(case: Case) -> list[float]:
    """Return the times of the acknowledgements that were accepted."""
    return [
        case.answers[command.id][0].at_s
        for command in case.commands
        if command.verb == "acknowledge"
        and command.id in case.answers
        and case.answers[command.id][0].state == "done"
    ]


def latches(case: Case) -> Iterator[tuple[float, float]]:
    """Yield the spans from an emergency that was read until its acknowledgement at rest."""
    emergency = case.signal("emergency")
    acknowledged = acknowledgements(case)
    until_s = float("-inf")
    for from_s, to_s in emergency.spans(end_s=case.end_s):
        if from_s < 0 or to_s <= until_s:
            continue
        read_s = case.first_read("", "emergency", True, from_s, to_s + 0.05)
        if read_s is None or not case.alive.at(read_s):
            continue
        start_s = max(read_s, until_s)
        ends = [at_s for at_s in acknowledged if at_s > start_s and not emergency.at(at_s)]
        until_s = min(ends, default=case.end_s)
        yield start_s, until_s


def _emergencies(case: Case, closes: list[Action]) -> None:
    for from_s, to_s in latches(case):
        for close in closes:
            # A frame that an adapter keeps is taken back once its answer is missing.
            extra_s = STALL_S if case.stalled(from_s) or case.stalled(close.at_s) else 0.02
            if from_s + extra_s < close.at_s < to_s - 0.02:
                text = "close in an emergency, or before its end was acknowledged"
                case.blame(11, "closes in an emergency", close.at_s, text, close.wire)
        for door in case.facts.doors:
            limit_s = from_s + 0.25 + case.slack_s(from_s - 0.3, from_s + 0.5)
            before_s = from_s - 0.25
            if _is_close_welded(case, door, limit_s):
                continue
            if case.contact(door, "close").throughout(before_s, limit_s) and case.reachable(from_s, limit_s):
                text = "the close contact stays closed when an emergency begins"
                case.blame(11, "not released", limit_s, text, *_pulse_before(case, door, from_s))
            elif case.contact(door, "close").throughout(from_s, limit_s) and case.healthy(
                from_s - 0.1, limit_s
            ):
                text = f"the close contact is closed {limit_s - from_s:.2f} s after the emergency was read"
                case.blame(11, "not released", limit_s, text, *_pulse_before(case, door, from_s))
        green = [
            one for one in case.events
            if one.type == "barrier.state" and from_s + 0.3 < one.at_s < to_s - 0.05
            and str(one.data.get("state")) in GREEN and not one.data.get("stale")
        ]  # fmt: skip
        for event in green[:1]:
            calm = case.life_at(event.at_s) == case.life_at(from_s) and case.healthy(from_s, event.at_s)
            text = f"shown as {event.data['state']} though nobody has acknowledged the emergency"
            case.blame(11 if calm else 25, "emergency is lost", event.at_s, text, event)
    _shut_in_emergency(case)


def _is_close_welded(case: Case, door: DoorFacts, at_s: float) -> bool:
    """Return True if no write could open the door's close contact at that time."""
    return any(
        one.name == "welded-relay"
        and case.role(one.details["relay"]) == (door.name, "close")
        and one.at_s <= at_s <= one.until_s
        for one in case.troubles
    )


def _pulse_before(case: Case, door: DoorFacts, at_s: float) -> list[Record]:
    return [
        one.wire
        for one in case.actions
        if one.door == door.name and one.contact == "close" and at_s - 1.2 <= one.at_s <= at_s
    ]


def _shut_in_emergency(case: Case) -> None:
    """A door that an emergency does not open is an alarm of its own."""
    for from_s, to_s in case.signal("emergency").spans(end_s=case.end_s):
        limit_s = from_s + case.facts.open_s + 5.0
        if from_s < 0 or to_s < limit_s or not case.healthy(from_s - 0.5, limit_s):
            continue
        shut = [
            door.name
            for door in case.facts.doors
            if case.signal("closed_limit", door.name).throughout(from_s, limit_s)
        ]
        if not shut:
            continue
        alarms = [one for one in case.events if one.type == "barrier.alarm" and from_s <= one.at_s <= limit_s]
        kinds = {str(one.data.get("kind")) for one in alarms} - {"emergency"}
        if not any("open" in kind or "start" in kind or "arrive" in kind for kind in kinds):
            text = f"shut for {limit_s - from_s:.0f} s of an emergency, alarms: {sorted(kinds)}"
            case.blame(11, "shut in emergency", limit_s, text, *alarms[:2])


def _forced_open_stays(case: Case, closes: list[Action]) -> None:
    """Without an emergency input, a boom that opens by itself may be open for a fire."""
    acknowledged = acknowledgements(case)
    for door in case.facts.doors:
        for alarm in case.events:
            if alarm.type != "barrier.alarm" or alarm.data.get("kind") != "forced_open":
                continue
            if (alarm.data.get("door") or "") != door.name:
                continue
            until_s = min((at_s for at_s in acknowledged if at_s > alarm.at_s), default=case.end_s)
            for close in closes:
                if close.door == door.name and alarm.at_s < close.at_s < until_s:
                    text = "forced open, perhaps by a fire alarm, and closed without an acknowledgement"
                    case.blame(11, "forced open is closed", close.at_s, text, alarm, close.wire)
                    break


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
