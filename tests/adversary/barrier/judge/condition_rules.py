"""Invariants of attribution and conditions: each answer and permit of a command, no condition hidden.

Numbers are those of the protocol sheet: 20, 30. Audit and authorisation themselves are the daemon's.
"""

from collections.abc import Iterator

from adversary.barrier.judge.case import Case
from adversary.barrier.judge.emergency_rules import latches
from adversary.barrier.judge.records import Device, RetainedState

SETTLE_S = 1.2
"""Time for which a condition holds before it must be shown, in seconds."""
SINGLE = {"key_switch": "key_switch", "emergency": "emergency"}
"""Condition of each signal of the lane that is a condition while it is active."""
WORDS = {
    "emergency": "emergency",
    "emergency_unacknowledged": "emergency",
    "key_switch": "key switch",
    "both_limits": "Both limit switches",
    "controller_fault": "controller",
}
"""Word of the device's text for each condition."""


def judge(case: Case) -> None:
    """Judge all rules of this file."""
    _answers_belong_to_commands(case)
    _permits_belong_to_commands(case)
    _conditions_shown(case)


def _answers_belong_to_commands(case: Case) -> None:
    sent = {command.id for command in case.commands}
    for name, answers in case.answers.items():
        if name not in sent:
            case.blame(
                20, "answer to no command", answers[0].at_s, "an answer belongs to no command", *answers
            )


def _permits_belong_to_commands(case: Case) -> None:
    for event in case.events:
        if event.type != "barrier.passage" or not event.data.get("permitted"):
            continue
        door = str(event.data.get("door", ""))
        granted = [
            one for one in case.commands
            if one.verb == "open" and one.transaction == event.transaction and one.at_s <= event.at_s
            and str(one.arguments.get("door", "")) == door
        ]  # fmt: skip
        if not granted:
            text = f"a permitted passage belongs to no command to open: {event.transaction}"
            case.blame(20, "permit of no command", event.at_s, text, event)


def _conditions_shown(case: Case) -> None:
    """Require conditions that the wires show steadily in the retained state and in the device's text."""
    shown: RetainedState | None = None
    device: Device | None = None
    states, devices = list(case.retained_states), list(case.devices)
    at_s = case.start_s + SETTLE_S
    latched = list(latches(case))
    while at_s < case.end_s:
        while states and states[0].at_s <= at_s:
            shown = states.pop(0)
        while devices and devices[0].at_s <= at_s:
            device = devices.pop(0)
        if case.healthy(at_s - SETTLE_S, at_s) and shown is not None and shown.data is not None:
            told = {str(one) for one in shown.data.get("conditions", ())}
            for condition in _conditions(case, at_s, latched):
                text = device.text if device is not None else ""
                if condition not in told:
                    said = f"{condition} is not among the conditions {sorted(told)}"
                    case.blame(30, "condition hidden", at_s, said, shown)
                elif WORDS[condition].lower() not in text.lower():
                    case.blame(
                        30, "not in the text", at_s, f"{condition} is not in the device's text", device
                    )
        at_s += 0.5


def _conditions(case: Case, at_s: float, latched: list[tuple[float, float]]) -> Iterator[str]:
    from_s = at_s - SETTLE_S
    for name, condition in SINGLE.items():
        if case.signal(name).throughout(from_s, at_s):
            yield condition
    calm = case.signal("emergency").throughout(from_s, at_s, False)
    if calm and any(began_s < from_s and at_s < ended_s for began_s, ended_s in latched):
        yield "emergency_unacknowledged"
    wired = "controller_ok" in case.facts.signals
    if wired and case.signal("controller_ok").throughout(from_s, at_s, False):
        yield "controller_fault"
    for door in case.facts.doors:
        limits = [case.signal(name, door.name) for name in ("open_limit", "closed_limit")]
        if all(limit.throughout(from_s, at_s) for limit in limits):
            yield "both_limits"
