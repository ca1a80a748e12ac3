"""Invariants of what is told: states from sensing, loss of the link, open time, passages, forced opening.

Numbers are those of the protocol sheet: 1, 15, 16, 18, 22, 24.
"""

from itertools import pairwise

from adversary.barrier.judge.case import OPEN_STATES, Case
from adversary.barrier.judge.emergency_rules import latches
from adversary.barrier.judge.records import Event

LIMITS = {"open": "open_limit", "closed": "closed_limit"}
AGE_S = 0.6
SHOWN_S = 1.2
"""Time after which a change of a signal must be shown, in seconds."""


def judge(case: Case) -> None:
    """Judge all rules of this file."""
    _sensed(case)
    _answers_are_true(case)
    _current(case)
    _stopped(case)
    _lost_link(case)
    _open_too_long(case)
    _tailgating(case)
    _forced_open(case)


def _sensed(case: Case) -> None:
    for event in case.events:
        if event.type != "barrier.state" or event.data.get("stale"):
            continue
        for door in event.data.get("doors", ()):
            signal = LIMITS.get(str(door.get("state")))
            if signal is None:
                continue
            slack_s = AGE_S + case.slack_s(event.at_s - 1, event.at_s) + _paused_s(case, event.at_s)
            if not case.signal(signal, door.get("door", "")).ever(event.at_s - slack_s, event.at_s):
                text = f"{door['state']} is told, and its limit was not made for {slack_s:.1f} s"
                case.blame(1, "told, not sensed", event.at_s, text, event)
        first = not any(
            reading.at_s <= event.at_s and reading.at_s >= _life_began_s(case, event.at_s)
            for reading in case.readings
        )
        if first and str(event.data.get("state")) in LIMITS:
            case.blame(24, "told before reading", event.at_s, "a state before both limits are read", event)


def _paused_s(case: Case, at_s: float) -> float:
    """Return the time that a pause of the process or of the adapter accounts for."""
    pauses = [
        one.until_s - one.at_s
        for one in case.troubles
        if one.name == "stall" and one.at_s <= at_s <= one.until_s + 1
    ]
    for life in case.lives:
        if life.what == "frozen" and life.at_s <= at_s:
            thawed_s = min(
                (one.at_s for one in case.lives if one.what != "slow" and one.at_s > life.at_s), default=at_s
            )
            if at_s <= thawed_s + 1:
                pauses.append(min(thawed_s, at_s) - life.at_s)
    return sum(pauses)


def _life_began_s(case: Case, at_s: float) -> float:
    return max(
        (life.at_s for life in case.lives if life.what == "started" and life.at_s <= at_s), default=0.0
    )


def _answers_are_true(case: Case) -> None:
    for command in case.commands:
        for answer in case.answers.get(command.id, [])[:1]:
            signal = LIMITS.get(str(answer.result.get("state"))) if answer.state == "done" else None
            if command.verb not in ("open", "close") or signal is None:
                continue
            door = str(command.arguments.get("door", ""))
            slack_s = AGE_S + case.slack_s(answer.at_s - 1, answer.at_s) + _paused_s(case, answer.at_s)
            if not case.signal(signal, door).ever(answer.at_s - slack_s, answer.at_s):
                text = f"answered as done, {answer.result['state']}, and its limit is not made"
                case.blame(1, "answer, not sensed", answer.at_s, text, command, answer)


def _current(case: Case) -> None:
    """Require the retained state to follow the limits, or to be withdrawn."""
    for door in case.facts.doors:
        for shown, name in LIMITS.items():
            for from_s, to_s in case.signal(name, door.name).spans(value=False, end_s=case.end_s):
                check_s = from_s + 1.2
                if to_s < check_s or from_s < 0 or not case.healthy(from_s - 0.5, check_s):
                    continue
                last = next((one for one in reversed(case.retained_states) if one.at_s <= check_s), None)
                states = {
                    str(one.get("state"))
                    for one in ((last.data or {}) if last else {}).get("doors", ())
                    if one.get("door", "") == door.name
                }
                if shown in states:
                    text = f"{shown} stands, and its limit was left {check_s - from_s:.1f} s ago"
                    case.blame(1, "stands, not sensed", check_s, text, last)


def _stopped(case: Case) -> None:
    """Require that no door is shown at rest while local control or an alarm may move it."""
    for name in ("key_switch", "emergency"):
        for from_s, to_s in case.signal(name).spans(end_s=case.end_s):
            check_s = max(from_s, case.start_s) + SHOWN_S
            while check_s < to_s:
                if case.healthy(check_s - SHOWN_S, check_s):
                    last = next((one for one in reversed(case.retained_states) if one.at_s <= check_s), None)
                    states = {str(one.get("state")) for one in ((last and last.data) or {}).get("doors", ())}
                    if "stopped" in states:
                        text = f"a door is shown as stopped while {name} may move it"
                        case.blame(1, "stopped, not sensed", check_s, text, last)
                        break
                check_s += 0.5


def _lost_link(case: Case) -> None:
    for trouble in case.troubles:
        whole = trouble.name in ("silence", "unplug") or (
            trouble.name == "power-cut" and trouble.details.get("of", "all") != "controllers"
        )
        if case.facts.is_silent and trouble.name == "silence" and not trouble.details.get("on_inputs"):
            continue
        lost_s = trouble.at_s + 3.0
        if (
            not whole
            or trouble.until_s < lost_s + 0.3
            or not case.alive.throughout(trouble.at_s - 0.5, lost_s)
        ):
            continue
        if not case.is_open(trouble.at_s - 0.1) or any(
            trouble.at_s - 0.5 < one.at_s < lost_s for one in case.lives
        ):
            continue
        device = next((one for one in reversed(case.devices) if one.at_s <= lost_s), None)
        if device is not None and device.state in OPEN_STATES:
            text = f"{device.state} {lost_s - trouble.at_s:.0f} s after the board was lost"
            case.blame(18, "loss unnoticed", lost_s, text, trouble, device)
        retained = next((one for one in reversed(case.retained_states) if one.at_s <= lost_s), None)
        if retained is not None and retained.data is not None and not retained.data.get("stale"):
            text = "the last state still stands as current after the board was lost"
            case.blame(18, "old state stands", lost_s, text, trouble, retained)
        for command in case.commands:
            if not lost_s < command.at_s < min(trouble.until_s - 1.0, case.end_s - 1.0):
                continue
            answer = next(iter(case.answers.get(command.id, [])), None)
            fast = answer is not None and answer.at_s - command.at_s <= 0.7
            alive = case.alive.throughout(command.at_s, command.at_s + 0.7)
            if alive and case.life_at(command.at_s) and not fast:
                case.blame(
                    18, "not refused fast", command.at_s, "a command waits for a lost board", command, answer
                )


def _alarms(case: Case, kind: str, from_s: float, to_s: float) -> list[Event]:
    return [
        one for one in case.events
        if one.type == "barrier.alarm" and kind in str(one.data.get("kind")) and from_s <= one.at_s <= to_s
    ]  # fmt: skip


def _open_too_long(case: Case) -> None:
    for door in case.facts.doors:
        for from_s, to_s in case.signal("open_limit", door.name).spans(end_s=case.end_s):
            due_s = from_s + case.facts.max_open_s
            if from_s < 0 or to_s < due_s + 1.5 or not case.healthy(from_s - 0.5, due_s + 1.5):
                continue
            if case.signal("emergency").ever(from_s, due_s + 1) or case.signal("key_switch").ever(
                from_s, due_s + 1
            ):
                continue
            if case.is_leased(from_s, due_s + 1):
                continue
            if not _alarms(case, "too_long", from_s, due_s + 1.5):
                text = f"open for {case.facts.max_open_s:g} s without an alarm"
                case.blame(15, "open too long", due_s + 1.5, text)


def _tailgating(case: Case) -> None:
    for door in case.facts.doors:
        passages = [
            one
            for one in case.truths
            if one.what == "passage" and one.details.get("door", one.door) == door.name
        ]
        for first, second in pairwise(passages):
            if (
                first.details.get("wrong_way")
                or second.details.get("wrong_way")
                or second.at_s - first.at_s < 1.0
            ):
                continue
            opened = [
                one.at_s
                for one in case.actions
                if one.door == door.name and one.contact == "open" and one.energises
            ]
            before = [at_s for at_s in opened if at_s < first.at_s]
            recent = [at_s for at_s in opened if first.at_s - 4 < at_s < second.at_s]
            if not before or recent[1:] or any(at_s > first.at_s for at_s in recent):
                continue  # the second may have a permit of its own
            if not case.healthy(before[-1] - 0.5, second.at_s + 2.0):
                continue
            if any(
                one.what in ("person", "turned-back") and before[-1] - 5 < one.at_s < second.at_s
                for one in case.truths
            ):
                continue
            if case.signal("emergency").ever(before[-1], second.at_s) or case.signal("key_switch").ever(
                before[-1], second.at_s
            ):
                continue
            said = [
                one
                for one in case.events
                if one.type == "barrier.passage"
                and one.at_s <= second.at_s + 2.0
                and one.at_s > second.at_s - 2.0
            ]
            if not _alarms(case, "tailgating", first.at_s - 1, second.at_s + 2.0):
                case.blame(
                    16,
                    "tailgating",
                    second.at_s + 2.0,
                    "a second passage on one opening without an alarm",
                    first,
                    second,
                    *said,
                )


def _forced_open(case: Case) -> None:
    for door in case.facts.doors:
        closed = case.signal("closed_limit", door.name)
        for from_s, to_s in closed.spans(value=False, end_s=case.end_s):
            if from_s < 0 or to_s - from_s < 0.6 or not closed.throughout(from_s - 1.0, from_s - 0.001):
                continue
            asked = any(
                one.door == door.name and one.contact == "open" and one.energises
                and from_s - case.facts.start_s - 12.0 <= one.at_s <= from_s + 0.05
                for one in case.actions
            )  # fmt: skip
            hands_off = any(
                case.signal(name).ever(from_s - 1, from_s + 1.3) for name in ("emergency", "key_switch")
            ) or case.is_leased(from_s - 1, from_s + 1.3)
            unready = "controller_ok" in case.facts.signals and case.signal("controller_ok").ever(
                from_s - 1, from_s + 1, False
            )
            if asked or hands_off or unready or not case.healthy(from_s - 1.0, from_s + 1.3):
                continue
            latched = any(at_s <= from_s <= end_s for at_s, end_s in latches(case))
            if not latched and not _alarms(case, "forced", from_s, from_s + 1.3):
                cause = [
                    one
                    for one in case.truths
                    if one.what in ("motion", "button") and from_s - 1 <= one.at_s <= from_s
                ]
                case.blame(
                    22, "forced open", from_s + 1.3, "it has opened by itself, and no alarm says so", *cause
                )
