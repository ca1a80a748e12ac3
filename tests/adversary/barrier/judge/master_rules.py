"""Invariant of one master a board: another one is noticed, and nothing moves until an acknowledgement.

Its number is that of the protocol sheet: 28.
"""

from adversary.barrier.judge.case import Case
from adversary.barrier.judge.commands_rules import is_reopening
from adversary.barrier.judge.records import Truth
from adversary.barrier.judge.steps import Steps

LONGEST_S = 1.0
EPSILON_S = 0.005
OVERDUE_S = 0.3
"""Time after the latest end of a pulse until a reading shows that its relay is stuck, in seconds."""


def judge(case: Case) -> None:
    """Judge all rules of this file."""
    if case.facts.is_silent:
        return
    for foreign in (one for one in case.truths if one.what == "foreign"):
        seen_s = foreign.at_s + 0.8
        if not case.healthy(foreign.at_s - 0.3, seen_s + 0.2) and not case.reachable(
            foreign.at_s, seen_s + 0.2
        ):
            continue
        if _closes_unread(case, foreign) or _is_within_pulse(case, foreign) or _opens_unread(case, foreign):
            continue  # closed by the gateway too, before it could read the relay
        if _is_released_unread(case, foreign):
            continue
        alarms = [
            one
            for one in case.events
            if one.type == "barrier.alarm" and foreign.at_s <= one.at_s <= seen_s + 0.5
            and str(one.data.get("kind")) in ("other_master", "relay_stuck")
        ]  # fmt: skip
        if not alarms and not _is_shown(case, "other_master", foreign.at_s):
            case.blame(
                28, "other master unseen", seen_s, "an output that another switched raises no alarm", foreign
            )
        acknowledged_s = min(
            (
                answers[0].at_s
                for name, answers in case.answers.items()
                for command in case.commands
                if command.id == name and command.verb == "acknowledge" and answers[0].state == "done"
                and answers[0].at_s > seen_s
            ),
            default=case.end_s,
        )  # fmt: skip
        if _is_unread_since(case, foreign.details["relay"], foreign.at_s):
            continue  # closed by the gateway, and not read as open since: all it can report is a stuck relay
        for action in case.actions:
            if action.energises and action.contact != "stop" and seen_s < action.at_s < acknowledged_s:
                if action.contact == "open" and case.signal("presence", action.door).ever(
                    action.at_s - 3, action.at_s
                ):
                    continue  # reopening is always allowed
                text = f"{action.contact} after another master switched an output, before an acknowledgement"
                case.blame(28, "other master", action.at_s, text, foreign, action.wire)
                break


def _closes_unread(case: Case, foreign: Truth) -> bool:
    """Return True if the gateway closes the relay, too, before a reading could show it closed by another."""
    relay = foreign.details["relay"]
    for action in case.actions:
        if not action.energises or case.role(relay) != (action.door, action.contact):
            continue
        # A stop or a reopening may already wait for the line while the relays are read.
        waits = action.contact == "stop" or is_reopening(case, action)
        until_s = action.at_s - (case.facts.answer_s if waits else 0.0)
        read = any(
            foreign.at_s <= one.asked_s and one.at_s <= until_s and one.values.get(relay)
            for one in case.relay_readings
        )
        if foreign.at_s <= action.at_s <= foreign.at_s + LONGEST_S and not read:
            return True
    return False


def _is_within_pulse(case: Case, foreign: Truth) -> bool:
    """Return True if a pulse of the gateway keeps the relay closed, and its end opens it as always."""
    steps = case.relays.get(foreign.details["relay"], Steps())
    return any(
        from_s < foreign.at_s - EPSILON_S and foreign.at_s < to_s <= from_s + case.facts.pulse_s + 0.1
        for from_s, to_s in steps.spans(end_s=case.end_s)
    )


def _opens_unread(case: Case, foreign: Truth) -> bool:
    """Return True if a relay that had just opened looks like one that opens late, but before it is stuck."""
    relay, facts = foreign.details["relay"], case.facts
    spans = list(case.relays.get(relay, Steps()).spans(end_s=case.end_s))
    before = [from_s for from_s, to_s in spans if from_s > 0 and to_s < foreign.at_s]
    opened_s = min((to_s for _, to_s in spans if to_s > foreign.at_s), default=case.end_s)
    watchdog_s = facts.watchdog_s if facts.ends_pulse == "watchdog" else 0.0
    stuck_s = max(before, default=-1e9) + facts.pulse_s + watchdog_s + OVERDUE_S
    return opened_s <= stuck_s and _is_unread_since(case, relay, foreign.at_s)


def _is_released_unread(case: Case, foreign: Truth) -> bool:
    """Return True if a release of the gateway opens the relay within a poll, before a reading shows it."""
    relay = foreign.details["relay"]
    spans = case.relays.get(relay, Steps()).spans(end_s=case.end_s)
    closed_s = next((from_s for from_s, to_s in spans if to_s > foreign.at_s), None)
    release = next(
        (
            one for one in case.actions
            if case.role(relay) == (one.door, one.contact) and not one.energises and one.wire.arrived
            and closed_s is not None and one.at_s > max(closed_s, foreign.at_s)
        ),
        None,
    )  # fmt: skip
    if closed_s is None or release is None:
        return False
    read = any(
        closed_s <= one.asked_s and one.at_s <= release.at_s and one.values.get(relay)
        for one in case.relay_readings
    )
    until_s = closed_s + case.facts.poll_s + case.slack_s(closed_s, release.at_s)
    return not read and release.at_s <= until_s + EPSILON_S


def _is_unread_since(case: Case, relay: int, at_s: float) -> bool:
    """Return True if a relay was not read as open since the gateway closed it last, until a time.

    Without an answer to the pulse, a reading proves nothing until the pulse is certainly over.
    """
    steps = case.relays.get(relay, Steps())
    closed = [
        (from_s, to_s) for from_s, to_s in steps.spans(end_s=case.end_s) if 0 < from_s < at_s - EPSILON_S
    ]
    if not closed:
        return False
    from_s, opened_s = closed[-1]
    if case.is_abnormal(from_s - 0.3, opened_s):
        opened_s = max(opened_s, from_s + LONGEST_S + case.facts.pulse_s)
    return not any(
        opened_s <= one.asked_s and one.at_s <= at_s and one.values.get(relay) is False
        for one in case.relay_readings
    )


def _is_shown(case: Case, condition: str, at_s: float) -> bool:
    """Return True if the last state until then shows a condition that a person has not acknowledged."""
    states = [one for one in case.events if one.type == "barrier.state" and one.at_s <= at_s]
    return bool(states) and condition in map(str, states[-1].data.get("conditions", ()))
