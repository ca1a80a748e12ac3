"""Invariants of a reader's outputs, from its frames, contacts and the answers to commands.

A reader shows no position and no presence, so nothing of doors is judged: the machine's own controller has
them. Numbers are those of the protocol sheet: 1, 2, 3, 4, 6, 7, 14.
"""

from adversary.barrier.judge.case import Case
from adversary.barrier.judge.protocols import NOTHING, RelayAction, Request
from adversary.barrier.judge.records import Answer, Command, LaneFacts, Record, Violation, Wire

STALL_S = 0.3
LATE_S = 0.02
ANSWER_S = 2.0
"""Time after its deadline within which a command is answered, in seconds."""
TIMER_S = 0.1


def judge_pulses(facts: LaneFacts, records: list[Record]) -> list[Violation]:
    """Return all violations in the records of one reader, in order of time."""
    case = Case(facts, sorted(records, key=lambda record: record.at_s))
    used: dict[str, Wire] = {}
    for wire, request in case.requests:
        for action in (request or NOTHING).actions:
            _frame(case, wire, request or NOTHING, action, used)
    _contacts(case)
    for command in case.commands:
        _answered(case, command, used.get(command.id))
    return sorted(case.violations, key=lambda violation: violation.at_s)


def _frame(case: Case, wire: Wire, request: Request, action: RelayAction, used: dict[str, Wire]) -> None:
    longest_s = case.facts.boards[wire.board].map["longest_s"].get(action.relay, 0.0)
    if len(request.actions) != 1 or action.kind != "pulse":
        case.blame(7, "not a pulse", wire.at_s, f"{action.kind} of output {action.relay}", wire)
    elif (action.seconds or 1e9) > longest_s + 1e-6:
        case.blame(7, "long pulse", wire.at_s, f"a pulse of {action.seconds} s", wire)
    grace_s = STALL_S if case.stalled(wire.at_s) else LATE_S
    fitting = [
        one for one in case.commands
        if one.verb == "pulse" and one.arguments.get("output") == action.relay
        and one.at_s <= wire.at_s + 1e-6
        and abs((action.seconds or 0.0) - one.arguments.get("duration_s", 1.0)) < 1e-6
    ]  # fmt: skip
    fitting_now = [one for one in fitting if one.id not in used and one.life == case.life_at(wire.at_s)]
    open_ones = _open(case, fitting_now, wire.at_s - grace_s)
    if _is_kept(case, wire.at_s) and not open_ones:
        grace_s = wire.at_s  # its adapter has kept it, and a host cannot empty that
        open_ones = _open(case, [one for one in fitting if one.id not in used], 0.0)
    command = open_ones[0] if open_ones else fitting[-1] if fitting else None
    if command is None:
        case.blame(6, "unasked", wire.at_s, f"output {action.relay} without a command", wire)
        return
    if command.id in used:
        case.blame(2, "written twice", wire.at_s, "a second frame of one command", used[command.id], wire)
    used[command.id] = wire
    answer = next(iter(case.answers.get(command.id, [])), None)
    if wire.at_s > command.deadline_s + grace_s:
        text = f"{wire.at_s - command.deadline_s:.2f} s after its deadline"
        case.blame(3, "stale", wire.at_s, text, command, answer, wire)
    elif answer is not None and wire.at_s > answer.at_s + grace_s:
        case.blame(
            3, "after its answer", wire.at_s, f"after its answer {answer.state}", command, answer, wire
        )
    if command.life != case.life_at(wire.at_s) and not _is_kept(case, wire.at_s):
        case.blame(4, "survives its life", wire.at_s, "a command of an earlier process", command, wire)


def _open(case: Case, commands: list[Command], at_s: float) -> list[Command]:
    """Return the commands that were neither late nor answered at a time, and not rejected at all."""
    return [
        one for one in commands
        if one.deadline_s >= at_s
        and not any(
            answer.at_s < at_s or answer.state == "rejected" for answer in case.answers.get(one.id, [])
        )
    ]  # fmt: skip


def _is_kept(case: Case, at_s: float) -> bool:
    """Return whether an adapter that keeps what the host discards has just gone on."""
    return any(
        one.name == "stall" and not one.details.get("discards") and one.at_s <= at_s <= one.until_s + 0.1
        for one in case.troubles
    )


def _contacts(case: Case) -> None:
    longest = case.facts.boards[case.facts.relays_on].map["longest_s"]
    for relay, steps in case.relays.items():
        for from_s, to_s in steps.spans(end_s=case.end_s):
            welded = any(
                one.name == "welded-relay" and one.details["relay"] == relay
                and one.at_s <= to_s and from_s <= one.until_s
                for one in case.troubles
            )  # fmt: skip
            if from_s > 0 and to_s - from_s > longest.get(relay, 0.0) + TIMER_S and not welded:
                # A second pulse may follow before the end of the first.
                count = sum(1 for one in _frames_of(case, relay) if from_s - 0.01 <= one.at_s < to_s)
                if to_s - from_s > count * (longest.get(relay, 0.0) + TIMER_S):
                    text = f"output {relay} is on for {to_s - from_s:.1f} s"
                    case.blame(7, "stays on", from_s, text, *_frames_of(case, relay)[-2:])


def _frames_of(case: Case, relay: int) -> list[Wire]:
    return [
        wire for wire, request in case.requests
        if wire.arrived and any(action.relay == relay for action in (request or NOTHING).actions)
    ]  # fmt: skip


def _answered(case: Case, command: Command, wire: Wire | None) -> None:
    answers: list[Answer] = case.answers.get(command.id, [])
    if len(answers) > 1:
        case.blame(14, "answered twice", answers[1].at_s, "two answers to one command", command, *answers)
    limit_s = command.deadline_s + ANSWER_S
    due = limit_s < case.end_s and case.alive.throughout(command.at_s, limit_s)
    if due and not answers and not any(command.at_s <= life.at_s <= limit_s for life in case.lives):
        case.blame(14, "no answer", limit_s, f"no answer to {command.verb}", command)
    if answers and answers[0].state == "done" and (wire is None or not wire.arrived):
        case.blame(
            1, "answer is not true", answers[0].at_s, "done, and no frame was received", command, *answers
        )
    if answers and answers[0].state == "rejected" and wire is not None:
        case.blame(1, "answer is not true", answers[0].at_s, "rejected, and written", command, wire, *answers)
