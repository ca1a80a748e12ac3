"""Judge of writes to outputs: known violations, and every excuse on both sides of its limit."""

from dataclasses import replace

import pytest
from adversary.barrier.judge.records import LaneFacts, Life
from adversary.barrier.judge.tests.story import (
    CLOSE,
    FACTS,
    NO_WRITE,
    OPEN,
    SILENT,
    STOP,
    Story,
    closing_on_a_person,
    reopened,
)

OLD_INPUTS, SLOW_READING = (24, "opens on old inputs"), (10, "slow reading")
OUTLIVES, AT_START = (11, "outlives an emergency"), (24, "open at the start")
AGAINST = (1, "told against readings")


def test_setting_of_a_board_is_found() -> None:
    story = Story()
    story.frame(3.0, "0610000001", "0610000001")
    assert (5, "configures") in story.rules(8.0)


@pytest.mark.parametrize(
    ("stop_s", "left_s", "stall", "broken"),
    [
        (None, None, False, True),
        (12.01, None, False, False),
        (11.99, None, False, True),
        (None, 5.01, False, False),
        (None, 4.99, False, True),
        (None, None, True, False),
    ],
)
def test_unasked_stop_is_found(stop_s: float | None, left_s: float | None, stall: bool, broken: bool) -> None:
    """A stop is repeated for 8 s, and stops a door for somebody who was in the way within 15 s."""
    story = Story()
    if stop_s is not None:
        story.command(stop_s, "stop")
    if left_s is not None:
        story.pulse_signal(left_s - 1.0, left_s, "presence")
    if stall:
        story.trouble(19.5, "stall", 20.0)
    story.move(20.0, STOP)
    assert ((20, "stops unasked") in story.rules(24.0)) is broken


@pytest.mark.parametrize(
    ("change", "facts", "broken"),
    [
        ("", FACTS, True),
        ("", SILENT, False),
        ("contact 23.9", FACTS, True),
        ("contact 24.1", FACTS, False),
        ("presence 14.9", FACTS, True),
        ("presence 15.1", FACTS, False),
        ("emergency 23.9", FACTS, False),
        ("stop 23.9", FACTS, True),
        ("stop 24.1", FACTS, False),
        ("frame 23.9", FACTS, True),
        ("frame 24.1", FACTS, False),
        ("slow-bus 23.4", FACTS, True),
        ("slow-bus 23.6", FACTS, False),
    ],
)
def test_unasked_release_is_found(change: str, facts: LaneFacts, broken: bool) -> None:
    """A reason is 6 s old at most, and somebody in the way 15 s."""
    story = Story(facts)
    what, _, value = change.rpartition(" ")
    match what:
        case "contact":
            story.contact(float(value) - 0.5, float(value), OPEN)
        case "presence":
            story.pulse_signal(float(value) - 0.5, float(value), what)
        case "emergency":
            story.pulse_signal(float(value) - 0.5, float(value), what)
        case "stop":
            story.command(float(value), "stop")
        case "frame":
            story.frame(float(value), "0502000005", "0502000005")
        case "slow-bus":
            story.trouble(1.0, what, float(value), delay_s=0.1)
    story.polls(0.2, 31.0)
    story.switch(30.0, OPEN, False)
    assert ((20, "releases unasked") in story.rules(34.0)) is broken


@pytest.mark.parametrize(
    ("open_s", "stall", "broken"),
    [
        (2.53, (), False),
        (2.57, (), True),
        (2.83, (2.1, 2.9), False),
        (2.87, (2.1, 2.9), True),
    ],
)
def test_opening_on_old_inputs_is_found(open_s: float, stall: tuple[float, ...], broken: bool) -> None:
    story = Story()
    story.polls(0.2, 2.1)
    story.command(open_s, "open")
    story.move(open_s, OPEN)
    if stall:
        story.trouble(stall[0], "stall", stall[1])
    assert (OLD_INPUTS in story.rules(8.0)) is broken


@pytest.mark.parametrize(
    ("facts", "since_s", "broken"),
    [
        (FACTS, 2.19, True),
        (FACTS, 2.21, False),
        (replace(FACTS, open_in_fault=True), 2.19, False),
    ],
)
def test_opening_with_both_limits_is_found(facts: LaneFacts, since_s: float, broken: bool) -> None:
    """A barrier that is configured to open in a fault may open."""
    story = Story(facts)
    story.signal(since_s, "open_limit", True)
    story.polls(0.2, 8.0)
    story.command(3.0, "open")
    story.move(3.0, OPEN)
    assert ((13, "both limits") in story.rules(8.0)) is broken


@pytest.mark.parametrize(("changes", "broken"), [(5, False), (6, True)])
def test_opening_while_it_chatters_is_found(changes: int, broken: bool) -> None:
    story = Story()
    for n in range(changes):
        story.signal(2.05 + n * 0.1, "presence", n % 2 == 0)
    story.polls(2.0, 3.0, 0.1)
    story.command(3.0, "open")
    story.move(3.0, OPEN)
    assert ((13, "chatter") in story.rules(8.0)) is broken


def test_reopening_needs_no_reading() -> None:
    assert not {OLD_INPUTS} & reopened(closing_on_a_person(), 4.2)


@pytest.mark.parametrize(
    ("command_s", "open_s", "change", "broken"),
    [
        (2.97, 3.2, "", True),
        (2.99, 3.2, "", False),
        (2.5, 2.99, "", False),
        (2.5, 3.29, "stall", False),
        (2.5, 3.31, "stall", True),
        (2.5, 3.2, "slow", False),
        (2.5, 3.2, "was slow", True),
        (2.5, 3.2, "frozen", False),
    ],
)
def test_command_of_before_an_emergency_is_found(
    command_s: float, open_s: float, change: str, broken: bool
) -> None:
    """Read at 3.0 s. A slow or frozen process may have received it after that."""
    story = Story()
    story.signal(2.95, "emergency", True)
    story.polls(0.2, 8.0)
    story.command(command_s, "open")
    story.move(open_s, OPEN)
    match change:
        case "stall":
            story.trouble(2.4, "stall", 4.0)
        case "slow":
            story.add(Life(2.6, 1, "slow"))
        case "was slow":
            story.add(Life(0.5, 1, "slow"), Life(1.4, 1, "thawed"))
        case "frozen":
            story.add(Life(2.6, 1, "frozen"), Life(2.7, 1, "thawed"))
    assert (OUTLIVES in story.rules(8.0)) is broken


@pytest.mark.parametrize(
    ("open_s", "stall", "broken"), [(4.47, (), True), (4.49, (), False), (4.47, (4.0, 4.4), False)]
)
def test_movement_after_the_start_is_found(open_s: float, stall: tuple[float, ...], broken: bool) -> None:
    story = Story()
    story.add(Life(2.0, 1, "killed"), Life(2.5, 2, "started"))
    story.command(open_s, "open", life=2)
    story.move(open_s, OPEN)
    if stall:
        story.trouble(stall[0], "stall", stall[1])
    assert ((21, "too soon after the start") in story.rules(8.0)) is broken


@pytest.mark.parametrize(
    ("second_s", "killed_s", "stalled_s", "broken"),
    [
        (5.89, None, None, True),
        (5.91, None, None, False),
        (5.89, 5.0, None, False),
        (5.74, None, 4.05, True),
        (5.76, None, 4.05, False),
    ],
)
def test_movement_after_a_reopening_is_found(
    second_s: float, killed_s: float | None, stalled_s: float | None, broken: bool
) -> None:
    """A movement is excused for 1.7 s: the reopening may have waited for the line, or in an adapter."""
    story = closing_on_a_person(left_s=4.5)
    story.move(4.2, OPEN)
    if killed_s is not None:
        story.add(Life(killed_s, 1, "killed"), Life(killed_s + 0.1, 2, "started"))
    if stalled_s is not None:
        story.trouble(stalled_s, "stall", 4.2)
    story.command(second_s, "open", "c2", life=1 if killed_s is None else 2)
    story.move(second_s, OPEN)
    assert ((21, "too soon after a reopening") in story.rules(9.0)) is broken


@pytest.mark.parametrize(("again_s", "broken"), [(4.4, False), (4.8, True)])
def test_repeated_frame_is_no_second_reopening(again_s: float, broken: bool) -> None:
    """The frame to a silent board is repeated while its contact may be closed."""
    story = closing_on_a_person(SILENT, left_s=4.9)
    story.switch(4.2, OPEN, True)
    story.switch(4.7, OPEN, False)
    if broken:
        story.switch(again_s, OPEN, True)
    else:
        story.frame(again_s, bytes.fromhex("a00101a2"))
    story.polls(0.2, 9.0)
    story.command(6.0, "open", "c2")
    story.switch(6.0, OPEN, True)
    assert ((21, "too soon after a reopening") in story.rules(9.0)) is broken


@pytest.mark.parametrize(
    ("change", "broken"),
    [
        ("", True),
        ("acknowledged 4.0", False),
        ("acknowledged 1.9", True),
        ("closed 3.0", False),
        ("closed 5.1", True),
        ("stall", False),
    ],
)
def test_closing_of_a_boom_open_at_the_start(change: str, broken: bool) -> None:
    """It is closed by command after an acknowledgement, or once it has been closed since the start."""
    story = Story()
    story.opened()
    story.add(Life(2.0, 1, "killed"), Life(2.5, 2, "started"))
    what, _, value = change.rpartition(" ")
    if what == "acknowledged":
        story.command(float(value), "acknowledge", "c2")
        story.answer(float(value), "c2")
    elif what == "closed":
        story.signal(float(value), "open_limit", False)
        story.pulse_signal(float(value), float(value) + 0.5, "closed_limit")
        story.signal(float(value) + 0.5, "open_limit", True)
    elif change:
        story.trouble(4.5, "stall", 5.0)
    story.polls(0.2, 8.0)
    story.command(5.0, "close", life=2)
    story.move(5.0, CLOSE)
    assert (AT_START in story.rules(8.0)) is broken


@pytest.mark.parametrize(
    ("took_s", "change", "broken"),
    [
        (0.35, "", False),
        (0.37, "", True),
        (0.37, "stall", False),
        (0.37, "silence", False),
        (0.37, "lost", False),
    ],
)
def test_closing_after_a_slow_reading_is_found(took_s: float, change: str, broken: bool) -> None:
    story = Story()
    story.opened()
    story.polls(0.2, 2.5)
    read_s = 2.4 + took_s
    story.frame(read_s - 0.01, "0200000008", "0201f1", answered_s=read_s)
    match change:
        case "stall":
            story.trouble(2.5, "stall", 2.75)
        case "silence":
            story.trouble(1.9, "silence", 2.2)
        case "lost":
            story.lost(2.5)
    story.command(2.8, "close")
    story.move(2.8, CLOSE)
    assert (SLOW_READING in story.rules(8.0)) is broken


@pytest.mark.parametrize(
    ("change", "broken"),
    [
        ("", True),
        ("write", False),
        ("late write", True),
        ("at the open end", False),
        ("gone", False),
        ("key_switch", False),
        ("emergency", False),
        ("stop", False),
        ("earlier stop", True),
        ("lease", False),
        ("old lease", True),
        ("chatter", False),
    ],
)
def test_reading_that_is_not_answered_is_found(change: str, broken: bool) -> None:
    """Read at 4.0 s, and again at 4.2 s before anything is written."""
    story = closing_on_a_person(left_s=4.1 if change == "gone" else 99.0)
    match change:
        case "write" | "late write":
            at_s = 4.1 if change == "write" else 4.23
            story.frame(at_s, "0f000000080100", "0f00000008")
        case "at the open end":
            story.pulse_signal(3.99, 4.05, "open_limit")
        case "key_switch" | "emergency":
            story.signal(3.9, change, True)
        case "stop" | "earlier stop":
            story.command(3.9 if change == "stop" else 2.9, "stop", "c2")
        case "lease" | "old lease":
            story.command(1.2, "maintenance", "c2", duration_s=9.0 if change == "lease" else 1.0)
            story.answer(1.2, "c2")
        case "chatter":
            story.trouble(3.5, "chatter", 4.0)
    story.polls(0.2, 9.0)
    story.move(4.3, OPEN)
    assert (NO_WRITE in story.rules(9.0)) is broken


@pytest.mark.parametrize(
    ("told_s", "read_s", "acknowledged_s", "broken"),
    [
        (3.0, None, None, True),
        (3.0, 2.99, None, False),
        (3.0, 3.01, None, False),
        (3.0, 3.03, None, True),
        (6.0, 3.0, 4.0, True),
        (4.29, 3.0, 4.0, False),
        (6.0, 3.0, 3.29, False),
    ],
)
def test_emergency_that_was_not_read_is_found(
    told_s: float, read_s: float | None, acknowledged_s: float | None, broken: bool
) -> None:
    """A state may be 0.3 s late, and an acknowledgement as well."""
    story = Story()
    if read_s is not None:
        story.frame(read_s, "0200000008", "0201d2")
    if acknowledged_s is not None:
        story.command(acknowledged_s, "acknowledge")
        story.answer(acknowledged_s)
    story.state(told_s, "emergency_open")
    assert ((1, "emergency told, not sensed") in story.rules(8.0)) is broken


@pytest.mark.parametrize(
    ("change", "broken"),
    [
        ("", True),
        ("one reading", False),
        ("stale", False),
        ("stall", False),
        ("lost", False),
        ("slow", False),
        ("was slow", True),
        ("another life", False),
    ],
)
def test_state_against_two_readings_is_found(change: str, broken: bool) -> None:
    """The last two; the limit was left at 2.7 s, and readings are at 2.8 s and 3.0 s."""
    story = Story()
    story.signal(2.7 if change != "one reading" else 2.9, "closed_limit", False)
    story.polls(0.2, 3.1)
    story.state(3.05, "closed", stale=change == "stale")
    match change:
        case "stall":
            story.trouble(2.5, "stall", 3.0)
        case "lost":
            story.lost(2.1)
        case "slow" | "was slow":
            story.add(Life(0.5, 1, "slow"), Life(1.1 if change == "slow" else 1.0, 1, "thawed"))
        case "another life":
            story.add(Life(2.85, 1, "killed"), Life(2.9, 2, "started"))
    assert (AGAINST in story.rules(8.0)) is broken


@pytest.mark.parametrize(("opened_s", "broken"), [(2.4, True), (2.6, False)])
def test_reading_at_the_moment_of_the_start_counts(opened_s: float, broken: bool) -> None:
    """A quick board is read in no time."""
    story = Story()
    story.opened(opened_s)
    story.add(Life(2.0, 1, "killed"), Life(2.5, 2, "started"))
    story.polls(2.5, 8.0)
    story.command(5.0, "close", life=2)
    story.move(5.0, CLOSE)
    assert (AT_START in story.rules(8.0)) is broken
