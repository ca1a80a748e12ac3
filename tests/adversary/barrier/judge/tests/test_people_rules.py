"""Judge of what protects people: known violations, and every excuse on both sides of its limit."""

from dataclasses import replace

import pytest
from adversary.barrier.judge.records import Truth
from adversary.barrier.judge.tests.story import (
    CLOSE,
    FACTS,
    NO_WRITE,
    OPEN,
    SILENT,
    STOP,
    Rule,
    Story,
    closing_on_a_person,
    reopened,
)

LATE, NOT_REOPENED = (10, "reopening is late"), (10, "not reopened")
TOO_OLD, WAS_READ, ON_PERSON = (9, "sensing too old"), (9, "presence was read"), (9, "closes on a person")


def closed(story: Story, at_s: float) -> set[Rule]:
    """Close at a time; return the broken rules of invariants 9, 10 and 13."""
    story.command(at_s, "close")
    story.move(at_s, CLOSE)
    story.answer(at_s + 3.0, "c1", "failed")
    return {rule for rule in story.rules(12.0) if rule[0] in (9, 10, 13)}


@pytest.mark.parametrize(
    ("since_s", "read_until_s", "broken"),
    [
        (2.49, 2.5, {ON_PERSON}),
        (2.75, 2.9, {WAS_READ}),
        (2.85, 2.9, set()),  # came after the last reading
        (2.51, 2.5, {TOO_OLD}),
    ],
)
def test_close_with_a_person_is_found(since_s: float, read_until_s: float, broken: set[Rule]) -> None:
    story = Story()
    story.signal(since_s, "presence", True)
    story.polls(0.2, read_until_s)
    assert closed(story, 3.0) == broken


@pytest.mark.parametrize(
    ("close_s", "stall", "broken"),
    [
        (2.53, (), set()),
        (2.57, (), {TOO_OLD}),
        (2.83, (2.1, 2.9), set()),
        (2.87, (2.1, 2.9), {TOO_OLD}),
        (2.83, (2.1, 2.7), {TOO_OLD}),
    ],
)
def test_close_on_old_sensing_is_found(close_s: float, stall: tuple[float, ...], broken: set[Rule]) -> None:
    """The last reading is of 2.0 s; an adapter may have kept the frame for 0.3 s."""
    story = Story()
    story.polls(0.2, 2.1)
    if stall:
        story.trouble(stall[0], "stall", stall[1])
    assert closed(story, close_s) == broken


@pytest.mark.parametrize(
    ("clear_s", "left_s", "broken"),
    [
        (1.1, 2.1, {(9, "clear for too short")}),  # it was read at 2.0 s for the last time
        (0.9, 2.1, set()),
        (1.1, 1.9, set()),
        (0.0, 2.7, set()),
    ],
)
def test_close_after_too_short_a_clear_time_is_found(
    clear_s: float, left_s: float, broken: set[Rule]
) -> None:
    """A closing at 3.0 s, after readings every 0.2 s."""
    story = Story(replace(FACTS, clear_s=clear_s))
    story.pulse_signal(1.0, left_s, "presence")
    story.polls(0.2, 3.0)
    assert closed(story, 3.0) == broken


@pytest.mark.parametrize(("every_s", "broken"), [(0.285, False), (0.295, True)])
def test_close_on_a_slow_bus_is_found(every_s: float, broken: bool) -> None:
    story = Story()
    story.polls(0.2, 4.0, every_s)
    assert ((10, "polling is slow") in closed(story, 4.0)) is broken


def test_slow_bus_counts_while_reachable() -> None:
    story = Story()
    story.polls(0.2, 4.0, 0.295)
    story.trouble(2.0, "silence", 2.2)
    assert (10, "polling is slow") not in closed(story, 4.0)


@pytest.mark.parametrize(("since_s", "broken"), [(2.19, {(13, "both limits")}), (2.21, set())])
def test_close_with_both_limits_is_found(since_s: float, broken: set[Rule]) -> None:
    story = Story()
    story.signal(since_s, "open_limit", True)
    story.polls(0.2, 3.0)
    assert closed(story, 3.0) == broken


@pytest.mark.parametrize(("changes", "broken"), [(5, set()), (6, {(13, "chatter")})])
def test_close_while_it_chatters_is_found(changes: int, broken: set[Rule]) -> None:
    story = Story()
    for n in range(changes):
        story.signal(2.05 + n * 0.1, "open_limit", n % 2 == 0)
    story.polls(2.0, 3.0, 0.1)
    assert closed(story, 3.0) == broken


# Somebody in the way of a closing door.


@pytest.mark.parametrize(
    ("reopened_s", "broken"),
    [(4.2, set()), (4.31, set()), (4.33, {LATE}), (5.0, {LATE}), (None, {NOT_REOPENED})],
)
def test_reopening_missing_or_late_is_found(reopened_s: float | None, broken: set[Rule]) -> None:
    assert reopened(closing_on_a_person(), reopened_s) - {NO_WRITE} == broken


@pytest.mark.parametrize(("left_s", "broken"), [(4.31, False), (4.41, True)])
def test_person_who_passes_is_excused(left_s: float, broken: bool) -> None:
    """A presence of less than 0.4 s may fall between two readings of a driver."""
    assert (NOT_REOPENED in reopened(closing_on_a_person(left_s=left_s), None)) is broken


@pytest.mark.parametrize(
    ("lost_s", "reopened_s", "broken"), [(2.85, 4.61, True), (2.95, 4.61, False), (2.95, 4.63, True)]
)
def test_unknown_contact_waits_for_its_dead_time(lost_s: float, reopened_s: float, broken: bool) -> None:
    """After a lost answer since the closing, the contact may be closed until it is released."""
    story = closing_on_a_person()
    story.lost(lost_s)
    assert (LATE in reopened(story, reopened_s)) is broken


@pytest.mark.parametrize(
    ("ended_s", "reopened_s", "broken"), [(3.69, 4.33, True), (3.71, 4.61, False), (3.71, 4.63, True)]
)
def test_closed_contact_waits_for_its_dead_time(ended_s: float, reopened_s: float, broken: bool) -> None:
    story = closing_on_a_person()
    story.contact(3.6, ended_s, CLOSE)
    assert (LATE in reopened(story, reopened_s)) is broken


@pytest.mark.parametrize(
    ("name", "from_s", "broken"),
    [
        ("emergency", 9.0, False),
        ("emergency", 9.5, True),
        ("key_switch", 9.0, False),
        ("key_switch", 9.5, True),
    ],
)
def test_local_control_reopens_nothing(name: str, from_s: float, broken: bool) -> None:
    """The excuse holds from a second before somebody comes until the door is at an end."""
    story = closing_on_a_person()
    story.signal(from_s - 4.0, name, True)
    story.add(Truth(5.2, "rest", "", {"position": 0.0}))
    story.polls(0.2, 9.0)
    assert (NOT_REOPENED in story.rules(9.0)) is broken


@pytest.mark.parametrize(
    ("lost", "reopened_s", "broken"),
    [
        ([4.2], 4.56, False),
        ([4.2], 4.58, True),
        ([4.2, 4.4], 4.81, False),
        ([4.2, 4.4], 4.83, True),
        ([4.2, 4.4, 4.6], 6.51, False),
        ([4.2, 4.4, 4.6], 6.53, True),
        ([3.99], 4.33, True),
    ],
)
def test_silent_board_repeats_a_lost_frame(lost: list[float], reopened_s: float, broken: bool) -> None:
    """The repetition comes at the next poll, or 2.2 s after a pulse that had no effect."""
    story = closing_on_a_person(SILENT)
    for at_s in lost:
        story.switch(at_s, OPEN, True, arrived=False)
    assert (LATE in reopened(story, reopened_s)) is broken


@pytest.mark.parametrize(("reopened_s", "broken"), [(4.66, False), (4.68, True)])
def test_input_that_is_not_read_is_no_lost_frame(reopened_s: float, broken: bool) -> None:
    """The answer to a reading is missing for 0.35 s."""
    story = closing_on_a_person(SILENT)
    story.frame(4.3, "0200000008", board="inputs", arrived=False)
    assert (LATE in reopened(story, reopened_s)) is broken


@pytest.mark.parametrize(("until_s", "broken"), [(4.01, False), (3.99, True)])
def test_stop_contact_needs_no_reopening(until_s: float, broken: bool) -> None:
    story = closing_on_a_person()
    story.contact(3.6, until_s, STOP)
    assert (NOT_REOPENED in reopened(story, None)) is broken


@pytest.mark.parametrize(
    ("rest_s", "position", "broken"),
    [
        (4.74, 0.0, False),
        (4.76, 0.0, True),
        (4.31, 0.3, False),
        (4.33, 0.3, True),
    ],
)
def test_door_at_rest_needs_no_reopening(rest_s: float, position: float, broken: bool) -> None:
    """The reaction is not due yet, or the door has shut within 0.75 s, before any reaction."""
    story = closing_on_a_person()
    if position == 0.0:
        story.lost(4.2)  # due at 4.67 s then, or with its dead time later
        story.lost(4.3)
    story.add(Truth(rest_s, "rest", "", {"position": position}))
    story.polls(0.2, 9.0)
    assert (NOT_REOPENED in story.rules(9.0)) is broken


@pytest.mark.parametrize(
    ("said_s", "person_s", "left_s", "broken"),
    [
        (4.99, 4.0, 9.0, False),
        (5.01, 4.0, 9.0, True),
        (9.0, 3.34, 9.0, True),
        (9.0, 3.29, 9.0, False),
        (9.0, 4.0, 4.39, False),
        (9.0, 4.0, 4.41, True),
    ],
)
def test_missing_alarm_is_found(said_s: float, person_s: float, left_s: float, broken: bool) -> None:
    """An alarm is due within a second of a person who comes after 0.3 s and stays for 0.4 s."""
    story = Story()
    story.opened()
    story.command(3.0, "close")
    story.move(3.0, CLOSE)
    story.motion(3.0, "closing")
    story.signal(3.05, "open_limit", False)
    story.pulse_signal(person_s, left_s, "presence")
    story.move(person_s + 0.2, OPEN)
    story.alarm(said_s, "obstruction_while_closing")
    story.polls(0.2, 9.0)
    assert ((10, "no alarm") in story.rules(9.5)) is broken


@pytest.mark.parametrize(("left_s", "broken"), [(3.74, True), (3.76, False)])
def test_alarm_needs_a_door_away_from_open(left_s: float, broken: bool) -> None:
    """The door counts as open until the next reading."""
    story = Story()
    story.opened()
    story.command(3.0, "close")
    story.move(3.0, CLOSE)
    story.motion(3.0, "closing")
    story.signal(left_s, "open_limit", False)
    story.signal(4.0, "presence", True)
    story.move(4.2, OPEN)
    story.polls(0.2, 9.0)
    assert ((10, "no alarm") in story.rules(9.5)) is broken


@pytest.mark.parametrize(
    ("lost", "reopened_s", "broken"),
    [
        ((4.2,), 4.66, False),
        ((4.2,), 4.68, True),
        ((4.2, 4.55, 4.9), 5.36, False),
        ((4.2, 4.55, 4.9), 5.38, True),
        ((4.2, 4.7), 4.68, True),
    ],
)
def test_lost_reopening_is_written_again(lost: tuple[float, ...], reopened_s: float, broken: bool) -> None:
    """Each time within 0.35 s: an answer's time of 0.2 s, and a little. Later losses excuse nothing."""
    story = closing_on_a_person()
    for at_s in lost:
        story.frame(at_s, "0502000005", arrived=False)
    assert (LATE in reopened(story, reopened_s)) is broken


@pytest.mark.parametrize(
    ("released_s", "reopened_s", "broken"),
    [(5.36, 5.71, False), (5.36, 5.73, True), (5.38, 5.39, True), (None, 5.36, False), (None, 5.38, True)],
)
def test_release_lost_after_lost_readings(released_s: float | None, reopened_s: float, broken: bool) -> None:
    """It was written in the time that the lost readings excuse, until 5.37 s, and is written again."""
    story = closing_on_a_person()
    for at_s in (4.1, 4.5, 4.9):
        story.lost(at_s)
    if released_s is not None:
        story.frame(released_s, "0f000000080100", arrived=False)
    assert (LATE in reopened(story, reopened_s)) is broken


@pytest.mark.parametrize(
    ("asked", "answered_s", "reopened_s", "broken"),
    [
        ([3.6], None, 4.61, False),  # read again at 4.1 s, then within the usual time and a dead time
        ([3.6], None, 4.73, True),
        ([3.45], None, 4.63, True),  # its wait has ended before somebody comes
        ([3.2, 3.7], None, 5.81, False),  # the second wait is longer
        ([3.2, 3.7], None, 5.83, True),
        ([3.6], 4.01, 4.73, True),
        ([3.0, 3.1, 3.6], None, 5.23, True),  # a third request excuses nothing
    ],
)
def test_lost_identification_delays_the_next_reading(
    asked: list[float], answered_s: float | None, reopened_s: float, broken: bool
) -> None:
    story = closing_on_a_person()
    for at_s in asked:
        answer = None if answered_s is None else "2b0e0181000000"
        story.frame(at_s, "2b0e0100", answer, connection=2, answered_s=answered_s)
    assert (LATE in reopened(story, reopened_s)) is broken


@pytest.mark.parametrize(
    ("ended_s", "read_s", "broken"),
    [(4.19, 4.2, False), (4.21, 4.22, True), (4.19, 4.18, True)],
)
def test_alarm_needs_a_reading_in_the_closing(ended_s: float, read_s: float, broken: bool) -> None:
    """A fire alarm may open the door before the first reading that finds somebody in its way."""
    story = Story()
    story.opened()
    story.command(3.0, "close")
    story.move(3.0, CLOSE)
    story.motion(3.0, "closing")
    story.signal(3.05, "open_limit", False)
    story.polls(0.2, 3.99)
    story.signal(4.0, "presence", True)
    story.motion(ended_s, "opening")
    story.polls(read_s, 9.0)
    assert ((10, "no alarm") in story.rules(9.5)) is broken
