"""Judge of emergencies and faults: known violations, and every excuse on both sides of its limit."""

from dataclasses import replace

import pytest
from adversary.barrier.judge.records import Life
from adversary.barrier.judge.tests.story import (
    CLOSE,
    FACTS,
    OPEN,
    Story,
)

LATE, NOT_REOPENED = (10, "reopening is late"), (10, "not reopened")
TOO_OLD, WAS_READ, ON_PERSON = (9, "sensing too old"), (9, "presence was read"), (9, "closes on a person")
IN_EMERGENCY, NOT_RELEASED = (11, "closes in an emergency"), (11, "not released")


def test_lost_emergency_is_found() -> None:
    story = Story()
    story.pulse_signal(3.0, 4.0, "emergency")
    story.polls(0.2, 9.0)
    story.state(3.2, "emergency_open")
    story.state(5.0, "closed")
    story.command(6.0, "close")
    story.move(6.0, CLOSE)
    story.answer(8.0, "c1", "failed")
    assert story.rules(9.0) == {(11, "emergency is lost"), IN_EMERGENCY}


@pytest.mark.parametrize(
    ("at_s", "stale", "killed_s", "broken"),
    [
        (3.29, False, 0, None),
        (3.31, False, 0, 11),
        (5.0, True, 0, None),
        (5.0, False, 4.5, 25),
    ],
)
def test_emergency_that_is_not_shown(at_s: float, stale: bool, killed_s: float, broken: int | None) -> None:
    """It is read at 3.0 s, and must be shown 0.3 s later, except by a state that is marked as stale."""
    story = Story()
    story.pulse_signal(2.95, 3.5, "emergency")
    story.polls(0.2, 9.0)
    if killed_s:
        story.add(Life(killed_s, 1, "killed"), Life(killed_s + 0.1, 2, "started"))
    story.state(at_s, "closed", stale=stale)
    found = {one for one, rule in story.rules(9.0) if rule == "emergency is lost"}
    assert found == (set() if broken is None else {broken})


@pytest.mark.parametrize(("took_s", "broken"), [(0.185, True), (0.195, False)])
def test_answer_at_the_time_limit_may_be_unread(took_s: float, broken: bool) -> None:
    """The host has given up the reading when its answer comes less than 10 ms before 0.2 s are over."""
    story = Story()
    story.pulse_signal(2.95, 3.19, "emergency")
    story.polls(0.2, 2.9)
    story.frame(3.0, "0200000008", "0201d2", answered_s=3.0 + took_s)
    story.polls(3.3, 9.0)
    story.state(5.0, "closed")
    assert bool({rule for _, rule in story.rules(9.0)} & {"emergency is lost"}) is broken


@pytest.mark.parametrize(
    ("close_s", "stall", "broken"),
    [
        (2.99, (), False),
        (3.01, (), False),
        (3.03, (), True),
        (3.29, (2.5, 4.0), False),
        (3.31, (2.5, 4.0), True),
        (3.9, (2.5, 4.0), True),
        (6.97, (), True),
        (6.99, (), False),
    ],
)
def test_close_in_an_emergency_is_found(close_s: float, stall: tuple[float, ...], broken: bool) -> None:
    """Read at 3.0 s, acknowledged at 7.0 s. A frame that an adapter keeps is taken back after 0.3 s."""
    story = Story()
    story.opened()
    story.pulse_signal(2.95, 5.0, "emergency")
    story.polls(0.2, 9.0)
    story.command(7.0, "acknowledge", "c2", issuer="supervisor")
    story.answer(7.0, "c2")
    story.command(close_s, "close")
    story.move(close_s, CLOSE)
    if stall:
        story.trouble(stall[0], "stall", stall[1])
    assert (IN_EMERGENCY in story.rules(9.0)) is broken


@pytest.mark.parametrize(
    ("state", "active", "broken"), [("done", False, False), ("rejected", False, True), ("done", True, True)]
)
def test_acknowledgement_ends_an_emergency(state: str, active: bool, broken: bool) -> None:
    """The acknowledgement must have been accepted, and the input be at rest."""
    story = Story()
    story.opened()
    story.pulse_signal(2.95, 8.0 if active else 4.0, "emergency")
    story.polls(0.2, 9.0)
    story.command(5.0, "acknowledge", "c2", issuer="supervisor")
    story.answer(5.0, "c2", state)
    story.command(6.0, "close")
    story.move(6.0, CLOSE)
    assert (IN_EMERGENCY in story.rules(9.0)) is broken


@pytest.mark.parametrize(
    ("from_s", "to_s", "broken"),
    [(3.0, 3.3, False), (2.98, 3.24, False), (2.98, 3.26, True), (3.02, 3.5, False)],
)
def test_contact_in_an_emergency_is_found(from_s: float, to_s: float, broken: bool) -> None:
    """Closed when the emergency is read at 3.0 s, it opens within 0.25 s."""
    story = Story()
    story.opened()
    story.signal(2.95, "emergency", True)
    story.contact(from_s if from_s != 3.0 else 3.001, to_s, CLOSE)
    story.polls(0.2, 9.0)
    assert (NOT_RELEASED in story.rules(9.0)) is broken


@pytest.mark.parametrize(
    ("welded", "until_s", "broken"),
    [
        (CLOSE, 9.0, False),
        (CLOSE, 3.24, True),
        (CLOSE, 3.26, False),
        (OPEN, 9.0, True),
        (None, 0.0, True),
    ],
)
def test_unreleased_close_contact_is_found(welded: int | None, until_s: float, broken: bool) -> None:
    """A contact may stay closed only if it is welded itself."""
    story = Story()
    story.signal(2.95, "emergency", True)
    story.contact(2.0, 9.0, CLOSE, "welded")
    if welded is not None:
        story.trouble(2.0, "welded-relay", until_s, relay=welded)
    story.polls(0.2, 9.0)
    assert (NOT_RELEASED in story.rules(9.0)) is broken


@pytest.mark.parametrize(
    ("opens_s", "alarm_s", "kind", "broken"),
    [
        (14.1, 99.0, "", True),
        (13.9, 99.0, "", False),
        (99.0, 14.05, "not_open_in_emergency", True),
        (99.0, 13.9, "not_open_in_emergency", False),
        (99.0, 13.9, "emergency", True),
    ],
)
def test_door_shut_in_an_emergency_is_found(opens_s: float, alarm_s: float, kind: str, broken: bool) -> None:
    """The door may stay shut for 11 s: the travel of 6 s, and 5 s."""
    story = Story()
    story.signal(3.0, "emergency", True)
    story.signal(opens_s, "closed_limit", False)
    story.alarm(min(alarm_s, 19.0), kind)
    story.polls(0.2, 20.0)
    assert ((11, "shut in emergency") in story.rules(20.0)) is broken


@pytest.mark.parametrize(
    ("acknowledged_s", "door", "broken"),
    [(99.0, "", True), (4.9, "", False), (5.1, "", True), (99.0, "other", False)],
)
def test_closing_of_a_forced_boom_is_found(acknowledged_s: float, door: str, broken: bool) -> None:
    signals = {name: wire for name, wire in FACTS.signals.items() if name != "emergency"}
    story = Story(replace(FACTS, signals=signals))
    story.opened(door="")
    story.alarm(1.2, "forced_open", door=door)
    story.records = [one for one in story.records if getattr(one, "data", {}).get("door") != "" or door == ""]
    story.command(min(acknowledged_s, 15.0), "acknowledge", "c2")
    story.answer(min(acknowledged_s, 15.0), "c2")
    story.polls(0.2, 9.0)
    story.command(5.0, "close")
    story.move(5.0, CLOSE)
    assert ((11, "forced open is closed") in story.rules(16.0)) is broken


@pytest.mark.parametrize(
    ("until_s", "state", "broken"),
    [
        (4.25, "closed", True),
        (4.15, "closed", False),
        (9.0, "fault", False),
        (9.0, "closed", True),
    ],
)
def test_fault_not_shown_is_found(until_s: float, state: str, broken: bool) -> None:
    """Both limits for longer than 1.2 s."""
    story = Story()
    story.pulse_signal(3.0, until_s, "open_limit")
    story.state(3.5, state)
    story.polls(0.2, 9.0)
    assert ((13, "fault not shown") in story.rules(10.0)) is broken
