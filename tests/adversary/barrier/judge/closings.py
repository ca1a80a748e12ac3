"""Closings of a door by the gateway, and from when on a host can see them behind bad wires."""

from collections.abc import Iterator
from dataclasses import dataclass

from adversary.barrier.judge.case import SHORTEST_S, Action, Case
from adversary.barrier.judge.records import DoorFacts, Truth

EPSILON_S = 0.005
LEAVES_S = 0.3
"""Time until a door has left the zone of its limit switch, in seconds."""
FLICKER_S = 0.46
"""Longest flicker of a wire, in seconds."""
STEADY_S = 0.5
"""Time between two readings after which a limit that all of them show made is no flicker, in seconds."""


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
    is_closed = case.contact(door, "close").at(moved_s) and not is_close_welded(case, door, moved_s)
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


def is_close_welded(case: Case, door: DoorFacts, at_s: float) -> bool:
    """Return True if no write could open the door's close contact at that time."""
    return any(
        one.name == "welded-relay"
        and case.role(one.details["relay"]) == (door.name, "close")
        and one.at_s <= at_s <= one.until_s
        for one in case.troubles
    )


def held_until_s(case: Case, door: DoorFacts, closing: Closing) -> float:
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


def seen_s(case: Case, door: DoorFacts, from_s: float, to_s: float) -> float:
    """Return from when on no bad wire shows a closing door at an end."""
    limits = [case.signal(name, door.name) for name in ("open_limit", "closed_limit")]
    changes_s = sorted(at_s for limit in limits for at_s in limit.times if from_s < at_s < to_s)
    return next((at_s for at_s in (from_s, *changes_s) if not _reads_at_end(case, door, at_s)), to_s)


def _reads_at_end(case: Case, door: DoorFacts, at_s: float) -> bool:
    """Return whether a bad wire shows a closing door at an end, so that nothing is to be seen.

    At the closed end it is guarded until the limit is steady: the readings decide when, because only they
    reach the host, as often as it asks. At both ends at once, no door can be.
    """
    open_limit, closed_limit = (case.signal(name, door.name) for name in ("open_limit", "closed_limit"))
    faults = _faults(case, door, "open-limit", at_s)
    span_s = at_s - 0.2, at_s + 0.3
    if not closed_limit.ever(*span_s):
        if "shorted-wire" in faults and open_limit.throughout(*span_s):
            return True
        if "chatter" in faults and _is_read(case, door, "open_limit", at_s, at_s + 0.3):
            return True
    faults = _faults(case, door, "closed-limit", at_s)
    is_made = "chatter" in faults or ("shorted-wire" in faults and closed_limit.throughout(at_s, at_s + 0.3))
    return is_made and _is_read_closed(case, door, at_s)


def _faults(case: Case, door: DoorFacts, limit: str, at_s: float) -> set[str]:
    """Return the faults of the wire of a limit at a time."""
    name = f"{door.name}-{limit}" if door.name else limit
    return {
        one.name
        for one in case.troubles
        if one.details.get("signal") == name and one.at_s <= at_s <= one.until_s
    }


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


def _is_read(case: Case, door: DoorFacts, limit: str, from_s: float, to_s: float) -> bool:
    """Return whether every reading found a limit made."""
    values = [
        one.values[door.name, limit]
        for one in case.readings
        if (door.name, limit) in one.values and from_s <= one.asked_s <= to_s
    ]
    return bool(values) and all(values)


def is_at_closed_end(case: Case, door: DoorFacts, from_s: float, to_s: float) -> bool:
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


def _truly_made(case: Case, door: DoorFacts, limit: str) -> list[tuple[float, bool]]:
    """Return when a door has reached a limit and left it, whatever its wire shows."""
    name = f"{door.name}-{limit}" if door.name else limit
    return [
        (one.at_s, bool(one.details["active"]))
        for one in case.truths
        if one.what == "signal" and one.details.get("signal") == name
    ]
