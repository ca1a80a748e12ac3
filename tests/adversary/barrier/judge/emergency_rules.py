"""Invariants of emergencies: no closing in one, release, an alarm for a shut door, a record that lasts.

Numbers are those of the protocol sheet: 11, 25.
"""

from collections.abc import Iterator

from adversary.barrier.judge.case import Action, Case
from adversary.barrier.judge.closings import is_close_welded
from adversary.barrier.judge.records import DoorFacts, Record

STALL_S = 0.3
GREEN = frozenset({"closed", "opening", "open", "closing", "stopped", "blocked"})


def judge(case: Case) -> None:
    """Judge all rules of this file."""
    closes = [one for one in case.actions if one.energises and one.contact == "close" and case.counts(one)]
    _emergencies(case, closes)
    if "emergency" not in case.facts.signals:
        _forced_open_stays(case, closes)


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
            if is_close_welded(case, door, limit_s):
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
