"""Invariants of commands: at most once, in time, in this life, none after a stop, rate, local work, answers.

Numbers are those of the protocol sheet: 2, 3, 4, 5, 6, 12, 14, 19, 21, 26, 27.
"""

from collections.abc import Iterator
from itertools import pairwise

from adversary.barrier.judge.case import FRAMES_TO_STOP, OPEN_STATES, Action, Case
from adversary.barrier.judge.records import Answer, Command, DoorFacts

LATE_S = 0.02
STALL_S = 0.3
"""Time that an adapter may keep a frame before the host notices and discards it."""
STOP_S = 0.3
"""Time from a stop to its frame: one frame's answer, and a little."""
FRAME_S = 0.25
ON_ITS_WAY_S = 0.05
"""Longest time of a frame from the host to the contact, at 9,600 Bd."""
REPEATED_S = 0.25
"""Time until a frame of a silent board is repeated: a poll and its requests, in seconds."""
NOTHING_DONE = ("rejected", "expired")
"""States of answers that say that nothing was written."""
SEEN_S = 0.3
"""Time after a second reading of the open limit until no reopening is on its way any more, in seconds."""
KEPT_S = 15.0
"""Longest time for which a reopening is repeated, in seconds: until the door is sensed open."""


def judge(case: Case) -> None:
    """Judge all rules of this file."""
    moves = [one for one in case.actions if one.energises and one.contact in ("open", "close")]
    _explained(case, moves)
    _rate(case, moves)
    _first_traffic(case)
    _stops(case)
    _answers(case)
    _local_work(case, moves)


def _door_of(case: Case, command: Command) -> str:
    return str(command.arguments.get("door", "")) or (
        case.facts.doors[0].name if len(case.doors) == 1 else ""
    )


def is_reopening(case: Case, action: Action) -> bool:
    """Return whether an opening follows somebody in the way of a door that may close.

    It is repeated until the door is sensed open.
    """
    key = case.place(action.wire)
    if key not in case.reopenings:
        case.reopenings[key] = action.contact == "open" and (
            _is_reopening(case, action.door, action.at_s) or _is_repeated(case, action)
        )
    return case.reopenings[key]


def _is_repeated(case: Case, action: Action) -> bool:
    """Return whether a silent board is written to again while the pulse of a reopening lasts."""
    from_s = action.at_s - case.facts.pulse_s
    return case.facts.is_silent and any(
        one.door == action.door and one.contact == "open" and one.energises
        and from_s <= one.at_s < action.at_s and _is_reopening(case, one.door, one.at_s)
        for one in case.actions
    )  # fmt: skip


def _is_reopening(case: Case, door: str, at_s: float) -> bool:
    from_s = at_s - KEPT_S
    noticed_s = _noticed_s(case, door, from_s, at_s)
    if noticed_s is None or _is_seen_open(case, door, noticed_s, at_s):
        return False
    if case.signal("open_limit", door).changes(from_s, at_s):
        return True  # by its limit it has left the open end, if only for a moment
    if _is_between_at_start(case, door, from_s, at_s):
        return True  # it may be closing
    closing_s = at_s - case.facts.close_s - KEPT_S
    return any(
        truth.what == "motion"
        and truth.door == door
        and truth.details.get("towards") == "closing"
        and closing_s <= truth.at_s <= at_s
        for truth in case.truths
    ) or any(
        one.contact == "close" and one.door == door and closing_s <= one.at_s <= at_s for one in case.actions
    )


def _noticed_s(case: Case, door: str, from_s: float, to_s: float) -> float | None:
    """Return when somebody was last in the way of a door that was away from open, or about to leave it."""
    away = [*case.signal("open_limit", door).spans(value=False, end_s=to_s)]
    away += [
        (one.at_s, _closing_until_s(case, one))
        for one in case.actions
        if one.door == door and one.contact == "close" and one.energises
    ]
    away += _hidden(case, door, to_s)
    found = [
        min(until_s, left_s, to_s)
        for since_s, until_s in case.signal("presence", door).spans(end_s=to_s)
        for away_s, left_s in away
        if max(since_s, away_s, from_s) <= min(until_s, left_s, to_s)
    ]
    return max([*found, *_read_one_by_one(case, door, from_s, to_s)], default=None)


def _read_one_by_one(case: Case, door: str, from_s: float, to_s: float) -> Iterator[float]:
    """Yield when somebody was read in the way of a door whose open limit was read as not made before.

    Inputs that are read one by one show both, although they may never have been so at one moment.
    """
    for one in case.readings:
        is_single = (door, "presence") in one.values and (door, "open_limit") not in one.values
        if is_single and one.values[door, "presence"] and from_s <= one.at_s <= to_s:
            last = case.last_read(door, "open_limit", one.at_s)
            if last is not None and not last[1]:
                yield one.at_s


def _hidden(case: Case, door: str, to_s: float) -> Iterator[tuple[float, float]]:
    """Yield the spans in which both limits are made: they hide whether a commanded closing starts late."""
    for close in case.actions:
        if close.door != door or close.contact != "close" or not close.energises:
            continue
        until_s = min(to_s, close.at_s + case.facts.close_s)
        for open_s, left_s in case.signal("open_limit", door).spans(end_s=until_s):
            for closed_s, ended_s in case.signal("closed_limit", door).spans(end_s=until_s):
                yield max(open_s, closed_s, close.at_s), min(left_s, ended_s)


def _closing_until_s(case: Case, close: Action) -> float:
    """Return until when a commanded closing may begin.

    It is its time to start, or until its answer if its limit says meanwhile that it has left its open end.
    """
    started_s = close.at_s + case.facts.start_s + 1.0
    answered_s = [
        case.answers[one.id][-1].at_s
        for one in case.commands
        if one.verb == "close" and _door_of(case, one) == close.door and one.id in case.answers
        and one.at_s <= close.at_s <= case.answers[one.id][-1].at_s
    ]  # fmt: skip
    until_s = min([close.at_s + case.facts.close_s, *answered_s[-1:]])
    if answered_s and case.signal("open_limit", close.door).changes(close.at_s, until_s):
        return max(started_s, until_s)
    return started_s


def _is_seen_open(case: Case, door: str, from_s: float, to_s: float) -> bool:
    """Return whether the door was read as open since, early enough for a process that was not held up.

    Twice in a row: a limit that flickers ends no reopening.
    """
    closed_limit = case.signal("closed_limit", door)
    if case.is_slow(from_s, to_s) or not case.alive.throughout(from_s, to_s):
        return False
    until_s = to_s - SEEN_S - case.slack_s(from_s, to_s)
    seen = [
        one.values[door, "open_limit"] and not closed_limit.at(one.asked_s)
        for one in case.readings
        if (door, "open_limit") in one.values and from_s < one.asked_s and one.at_s <= until_s
    ]
    return any(before and after for before, after in pairwise(seen))


def _is_between_at_start(case: Case, door: str, from_s: float, to_s: float) -> bool:
    """Return whether a process or link has started in this span, and found a door between its ends."""
    limits = [case.signal(name, door) for name in ("open_limit", "closed_limit")]
    starts = [life.at_s for life in case.lives if life.what == "started"]
    starts += [
        after.at_s
        for before, after in pairwise(case.devices)
        if before.state not in OPEN_STATES and after.state in OPEN_STATES
    ]
    for start_s in starts:
        if from_s <= start_s <= to_s:
            first = next((one for one in case.readings if start_s <= one.at_s <= to_s), None)
            if first is not None and not any(limit.at(first.asked_s) for limit in limits):
                return True
    return False


def explain(case: Case, moves: list[Action]) -> Iterator[tuple[Action, Command | None]]:
    """Yield every frame that moves, with the command that it belongs to."""
    used: set[str] = set()
    for action in moves:
        fitting = [
            command
            for command in case.commands
            if command.verb == action.contact
            and _door_of(case, command) == action.door
            and command.at_s <= action.at_s + 1e-6
            and command.id not in used
        ]
        open_ones = [
            one for one in fitting
            if not any(answer.at_s < action.at_s - LATE_S for answer in case.answers.get(one.id, []))
            and one.deadline_s >= action.at_s - LATE_S
            and not any(answer.state in NOTHING_DONE for answer in case.answers.get(one.id, []))
        ]  # fmt: skip
        of_this_life = [one for one in open_ones if one.life == case.life_at(action.at_s)]
        if not of_this_life and is_reopening(case, action):
            yield action, None
            continue
        found = open_ones[-1] if open_ones else fitting[-1] if fitting else None
        recent = found is not None and action.at_s - found.at_s < 12.0
        # A stall joins an old frame with its release: it moves nothing, and uses up no command.
        if found is not None and recent and (action.moves or not case.stalled(action.at_s)):
            used.add(found.id)
        yield action, found if recent else None


def _explained(case: Case, moves: list[Action]) -> None:
    answered_s = {name: answers[0].at_s for name, answers in case.answers.items()}
    done: dict[str, Action] = {}
    for action, command in explain(case, moves):
        grace_s = STALL_S if case.stalled(action.at_s) else LATE_S
        if command is None:
            if is_reopening(case, action) or not case.counts(action):
                continue  # a frame that an adapter has held, and that has moved nothing
            earlier = [
                one for one in done.values() if one.door == action.door and one.contact == action.contact
            ]
            twice = earlier and action.at_s - earlier[-1].at_s < 8
            if twice:
                text = f"{action.contact} is written again for one command"
                case.blame(2, "written twice", action.at_s, text, earlier[-1].wire, action.wire)
            else:
                text = f"{action.contact} {action.door} without a command"
                case.blame(6, "moves unasked", action.at_s, text, action.wire, *case.lives[-1:])
            continue
        done[command.id] = action
        answer = next(iter(case.answers.get(command.id, [])), None)
        evidence = (command, answer, action.wire)
        if not case.counts(action) and (action.wire.arrived or case.stalled(action.at_s)):
            continue  # an adapter has held it, and its release follows in the same buffer
        if action.at_s > command.deadline_s + grace_s:
            text = f"{action.contact} {action.at_s - command.deadline_s:.2f} s after its deadline"
            case.blame(3, "stale", action.at_s, text, *evidence)
        elif answered_s.get(command.id, action.at_s) < action.at_s - grace_s:
            text = f"{action.contact} is executed after its answer: {answer.state if answer else ''}"
            case.blame(3, "after its answer", action.at_s, text, *evidence)
        if command.life != case.life_at(action.at_s):
            case.blame(4, "survives its life", action.at_s, f"{action.contact} of an earlier life", *evidence)
        for stop in case.commands:
            if (
                stop.verb == "stop"
                and command.at_s < stop.at_s < action.at_s - grace_s
                and stop.life == command.life
            ):
                if not case.is_open(stop.at_s):
                    continue
                text = f"{action.contact} {action.at_s - stop.at_s:.3f} s after a stop that should end it"
                case.blame(26, "after a stop", action.at_s, text, command, stop, action.wire)
                break


def _rate(case: Case, moves: list[Action]) -> None:
    asked = [action for action, command in explain(case, moves) if command is not None]
    for before, after in pairwise(asked):
        between_s = after.at_s - before.at_s
        if between_s < 2.0 - LATE_S and not case.stalled(after.at_s) and not case.stalled(before.at_s):
            text = f"two movements within {between_s:.2f} s"
            case.blame(21, "too often", after.at_s, text, before.wire, after.wire)
    for n, action in enumerate(asked):
        within = [one for one in asked[: n + 1] if one.at_s > action.at_s - 60.0 + LATE_S]
        if len(within) > case.facts.max_per_minute:
            text = f"{len(within)} movements within a minute"
            case.blame(21, "too many", action.at_s, text, within[0].wire, action.wire)


def _first_traffic(case: Case) -> None:
    """The first traffic of a connection is reading."""
    firsts: dict[int, float] = {}
    moved: set[int] = set()
    own_inputs = all(
        one.board == case.facts.relays_on for door in case.facts.doors for one in door.signals.values()
    )
    for wire, _request in case.requests:
        if wire.board == case.facts.relays_on:
            firsts.setdefault(wire.connection, wire.at_s)
    for action in case.actions:
        connection = action.wire.connection
        if not action.energises or action.contact == "stop" or connection in moved:
            continue
        if is_reopening(case, action):  # it waits for nothing
            continue
        moved.add(connection)
        from_s = firsts[connection] if own_inputs else firsts[connection] - 5.0
        if case.stalled(action.at_s) or case.stalled(from_s):
            continue
        if not any(from_s <= reading.at_s <= action.at_s for reading in case.readings):
            text = "an output is written on a new connection before the inputs are read"
            case.blame(5, "writes first", action.at_s, text, action.wire)


def _stops(case: Case) -> None:
    for stop in case.commands:
        if stop.verb != "stop" or not case.is_open(stop.at_s):
            continue
        answer = next(iter(case.answers.get(stop.id, [])), None)
        if answer is not None and answer.state in ("rejected", "refused") and answer.reason == "bad_request":
            case.blame(12, "stop is refused", stop.at_s, "a stop is refused for its arguments", stop, answer)
            continue
        until_s = stop.at_s + STOP_S + case.slack_s(stop.at_s - 0.3, stop.at_s + 1.0, FRAMES_TO_STOP)
        if not case.reachable(stop.at_s - 0.05, until_s + 0.1):
            continue
        with_contact = [door for door in case.facts.doors if door.stop is not None]
        for n, door in enumerate(with_contact):
            _stop_of_door(case, stop, door, until_s + n * FRAME_S)
        if not with_contact:
            _releases(case, stop, until_s)
        if with_contact and answer is not None and answer.state == "done" and not case.facts.is_silent:
            for door in with_contact:
                if case.facts.ends_pulse == "time-relay" and _is_welded(case, door.stop, stop.at_s):
                    continue  # the time relay has opened its contact, and starts again only once it opens
                if not case.contact(door, "stop").ever(stop.at_s, answer.at_s + LATE_S):
                    text = f"stop is done, and the stop contact of {door.name or 'the boom'} never closed"
                    case.blame(12, "answer is not true", answer.at_s, text, stop, answer)


def _is_welded(case: Case, relay: int | None, at_s: float) -> bool:
    """Return whether the contact of a relay is welded, which no reading shows."""
    return any(
        one.name == "welded-relay" and one.details.get("relay") == relay and one.at_s <= at_s <= one.until_s
        for one in case.troubles
    )


def _stop_of_door(case: Case, stop: Command, door: DoorFacts, until_s: float) -> None:
    if case.contact(door, "stop").ever(stop.at_s - 0.3, stop.at_s):
        return  # an earlier stop is still in force
    if _is_stop_on_its_way(case, stop, door):
        return
    name = door.name or "the boom"
    written = [
        one.wire for one in case.actions
        if one.door == door.name and one.contact == "stop" and one.energises and one.at_s >= stop.at_s - 1e-6
    ]  # fmt: skip
    after_s = min(
        (one.at_s for one in case.commands if one.verb == "stop" and one.at_s > stop.at_s), default=1e12
    )
    # In time, one frame serves all stops that wait for it; later, it belongs to the last of them.
    last_s = max(until_s, min(until_s + 3.0, after_s - 0.001))
    first = next((wire for wire in written if wire.at_s <= last_s), None)
    if first is None:
        text = f"the stop of {name} is not written"
        case.blame(12, "stop not written", stop.at_s, text, stop, *case.answers.get(stop.id, [])[:1])
        return
    if first.at_s > until_s:
        text = f"the stop of {name} is written {first.at_s - stop.at_s:.2f} s later"
        case.blame(27, "stop waits", first.at_s, text, stop, first)
    limit_s = until_s + 0.5
    if case.contact(door, "stop").ever(stop.at_s, limit_s) or not case.reachable(stop.at_s, limit_s + 0.2):
        return
    if _moving(case, door.name, limit_s) and not _is_every_frame_lost(case, stop, door):
        text = f"{name} still moves {limit_s - stop.at_s:.1f} s after a stop: it is not repeated"
        answers = case.answers.get(stop.id, [])
        case.blame(12, "stop is lost", limit_s, text, stop, *written[:3], *answers[:1])


def _is_every_frame_lost(case: Case, stop: Command, door: DoorFacts) -> bool:
    """Return whether a silent board was written to at each poll of a stop's pulse, and has received nothing.

    No answer is missing then, and no relay can be read.
    """
    arrived = [
        one.wire.arrived for one in case.actions
        if one.door == door.name and one.contact == "stop" and one.energises
        and stop.at_s - 1e-6 <= one.at_s <= stop.at_s + case.facts.pulse_s
    ]  # fmt: skip
    is_repeated = len(arrived) > case.facts.pulse_s / REPEATED_S
    return case.facts.is_silent and is_repeated and not any(arrived)


def _is_stop_on_its_way(case: Case, stop: Command, door: DoorFacts) -> bool:
    """Return whether the frame of an earlier stop has left, and closes the contact only after this one.

    On a slow bus, once the board has executed it.
    """
    contact = case.contact(door, "stop")
    return any(
        one.door == door.name and one.contact == "stop" and one.energises
        and one.at_s < stop.at_s <= (executed_s := case.executed_s(one)) + ON_ITS_WAY_S
        and contact.ever(stop.at_s, max(stop.at_s, executed_s) + ON_ITS_WAY_S)
        for one in case.actions
    )  # fmt: skip


def _moving(case: Case, door: str, at_s: float) -> bool:
    last = next(
        (
            one
            for one in reversed(case.truths)
            if one.at_s <= at_s and one.door == door and one.what in ("motion", "rest")
        ),
        None,
    )
    return last is not None and last.what == "motion" and last.details.get("by") == "motor"


def _releases(case: Case, stop: Command, until_s: float) -> None:
    for door in case.facts.doors:
        for name in ("open", "close"):
            steps = case.contact(door, name)
            if steps.throughout(stop.at_s, until_s + 0.1) and case.healthy(stop.at_s - 0.2, until_s + 0.1):
                text = f"a stop leaves the contact {name} closed"
                case.blame(12, "stop does not release", until_s, text, stop)


def _answers(case: Case) -> None:
    for command in case.commands:
        answers = case.answers.get(command.id, [])
        if len(answers) > 1:
            case.blame(14, "answered twice", answers[1].at_s, "two answers to one command", command, *answers)
        limit_s = command.deadline_s + 1.5 + case.slack_s(command.at_s, command.deadline_s)
        if command.verb in ("open", "close"):
            limit_s += case.facts.start_s + max(case.facts.open_s, case.facts.close_s) + 3.0
        if answers or limit_s > case.end_s or not case.alive.throughout(command.at_s, limit_s):
            continue
        if any(command.at_s <= life.at_s <= limit_s for life in case.lives) or not case.life_at(command.at_s):
            continue
        case.blame(14, "no answer", limit_s, f"no answer to {command.verb}", command)


def _local_work(case: Case, moves: list[Action]) -> None:
    for action, command in explain(case, moves):
        if command is None:
            continue
        read_s = case.first_read("", "key_switch", True, action.at_s - 0.9, action.at_s - 0.4)
        if read_s is not None and case.signal("key_switch").throughout(action.at_s - 0.9, action.at_s):
            text = f"{action.contact} while the key switch is turned"
            case.blame(19, "key switch", action.at_s, text, command, action.wire)
    leases: list[tuple[float, float, Command, Answer]] = []
    for command in case.commands:
        answer = next(iter(case.answers.get(command.id, [])), None)
        if command.verb != "maintenance" or answer is None or answer.state != "done":
            continue
        until_s = command.at_s + float(command.arguments.get("duration_s", 0))
        held = leases[-1] if leases and leases[-1][1] > command.at_s else None
        if (
            held is not None
            and held[2].issuer != command.issuer
            and command.issuer not in case.facts.supervisors
        ):
            shorter = until_s < held[1] - 0.5
            if shorter:
                text = f"{command.issuer} ends the lease of {held[2].issuer}"
                case.blame(19, "lease of another", answer.at_s, text, held[2], command, answer)
        if held is not None:
            leases[-1] = (held[0], min(held[1], command.at_s), held[2], held[3])
        leases.append((answer.at_s, until_s, command, answer))
    for action, command in explain(case, moves):
        for from_s, to_s, lease, answer in leases:
            if command is not None and from_s < action.at_s < to_s:
                moved_on = case.life_at(action.at_s) != lease.life
                invariant, rule = (25, "lease is lost") if moved_on else (19, "lease")
                text = f"{action.contact} during a lease of {lease.issuer}"
                case.blame(invariant, rule, action.at_s, text, lease, answer, command, action.wire)
