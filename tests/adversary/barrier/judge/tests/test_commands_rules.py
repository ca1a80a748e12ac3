"""Judge of commands: known violations, and every excuse on both sides of its limit."""

from dataclasses import replace

import pytest
from adversary.barrier.judge.records import Device, LaneFacts, Life
from adversary.barrier.judge.tests.story import (
    CLOSE,
    FACTS,
    OPEN,
    SILENT,
    STOP,
    Rule,
    Story,
)

STALE, UNASKED, TWICE = (3, "stale"), (6, "moves unasked"), (2, "written twice")
AFTER_STOP, TOO_OFTEN = (26, "after a stop"), (21, "too often")


def test_asked_opening_breaks_nothing() -> None:
    story = Story()
    story.polls(0.2, 6.0)
    story.command(3.0, "open")
    story.move(3.0, OPEN)
    story.answer(5.0, "c1", "failed", "timed_out")
    assert story.rules(6.0) == set()


def test_unasked_opening_is_found() -> None:
    story = Story()
    story.polls(0.2, 6.0)
    story.move(3.0, OPEN)
    assert story.rules(6.0) == {UNASKED}


def test_second_frame_of_one_command_is_found() -> None:
    story = Story()
    story.polls(0.2, 7.0)
    story.command(3.0, "open")
    story.move(3.0, OPEN)
    story.move(5.1, OPEN)
    story.answer(6.0, "c1", "failed")
    assert TWICE in story.rules(7.0)


@pytest.mark.parametrize(
    ("at_s", "stall", "broken"),
    [
        (4.0, (), set()),
        (6.01, (), set()),
        (6.03, (), {STALE}),
        (6.29, (5.5, 6.5), set()),
        (6.31, (5.5, 6.5), {STALE}),
        (6.29, (5.5, 6.1), {STALE}),
    ],
)
def test_frame_after_its_deadline_is_found(at_s: float, stall: tuple[float, ...], broken: set[Rule]) -> None:
    """An adapter may keep a frame until the host misses its answer."""
    story = Story()
    story.polls(0.2, 8.0)
    story.command(3.0, "open")
    story.move(at_s, OPEN)
    story.answer(7.0, "c1", "failed")
    if stall:
        story.trouble(stall[0], "stall", stall[1])
    assert story.rules(8.0) == broken


@pytest.mark.parametrize(
    ("at_s", "stall", "broken"),
    [(3.51, (), False), (3.53, (), True), (3.79, (3.4, 4.0), False), (3.81, (3.4, 4.0), True)],
)
def test_frame_after_its_answer_is_found(at_s: float, stall: tuple[float, ...], broken: bool) -> None:
    story = Story()
    story.command(3.0, "open")
    story.answer(3.5, "c1", "failed")
    story.move(at_s, OPEN)
    if stall:
        story.trouble(stall[0], "stall", stall[1])
    assert ((3, "after its answer") in story.rules(8.0)) is broken


@pytest.mark.parametrize(("life", "broken"), [(2, False), (1, True)])
def test_command_of_an_earlier_process_is_found(life: int, broken: bool) -> None:
    story = Story()
    story.add(Life(2.0, 1, "killed"), Life(2.5, 2, "started"))
    story.command(3.0, "open", within_s=5.0, life=life)
    story.move(5.0, OPEN)
    assert ((4, "survives its life") in story.rules(8.0)) is broken


@pytest.mark.parametrize(
    ("at_s", "stall", "broken"),
    [(3.11, (), False), (3.13, (), True), (3.39, (3.0, 4.0), False), (3.41, (3.0, 4.0), True)],
)
def test_frame_after_a_stop_is_found(at_s: float, stall: tuple[float, ...], broken: bool) -> None:
    story = Story()
    story.polls(0.2, 8.0)
    story.command(3.0, "open")
    story.command(3.1, "stop", "c2")
    story.move(3.1, STOP)
    story.answer(3.1, "c2")
    story.move(at_s, OPEN)
    story.answer(5.0, "c1", "failed")
    if stall:
        story.trouble(stall[0], "stall", stall[1])
    assert story.rules(8.0) == ({AFTER_STOP} if broken else set())


@pytest.mark.parametrize(
    ("state", "life", "broken"), [("online", 1, True), ("offline", 1, False), ("online", 2, False)]
)
def test_stop_ends_what_it_can(state: str, life: int, broken: bool) -> None:
    """A stop that found no open device, or another process, has ended nothing."""
    story = Story()
    story.command(3.0, "open")
    story.add(Device(3.05, state))
    story.command(3.1, "stop", "c2", life=life)
    story.move(3.5, OPEN)
    assert (AFTER_STOP in story.rules(8.0)) is broken


@pytest.mark.parametrize(
    ("second_s", "stall", "broken"),
    [
        (4.99, (), False),
        (4.97, (), True),
        (4.5, (4.0, 4.55), False),
        (4.5, (2.9, 3.1), False),
        (4.5, (3.3, 4.3), True),
    ],
)
def test_second_movement_too_soon_is_found(second_s: float, stall: tuple[float, ...], broken: bool) -> None:
    story = Story()
    story.command(3.0, "open")
    story.move(3.0, OPEN)
    story.command(second_s, "open", "c2")
    story.move(second_s, OPEN)
    if stall:
        story.trouble(stall[0], "stall", stall[1])
    assert (TOO_OFTEN in story.rules(8.0)) is broken


@pytest.mark.parametrize(("third_s", "broken"), [(62.97, True), (62.99, False)])
def test_movements_a_minute_are_counted(third_s: float, broken: bool) -> None:
    story = Story(replace(FACTS, max_per_minute=2))
    for n, at_s in enumerate((3.0, 30.0, third_s)):
        story.command(at_s, "open", f"c{n}")
        story.move(at_s, OPEN)
    assert ((21, "too many") in story.rules(70.0)) is broken


# Reopening.


def closing_left(
    presence: tuple[float, float] | None, *, open_s: float | None = None, facts: LaneFacts = FACTS
) -> Story:
    """Return a boom that closes from 3.1 s, with a person in the way, and maybe open again for a second."""
    story = Story(facts)
    story.opened()
    story.command(3.0, "close")
    if facts is SILENT:
        story.switch(3.0, CLOSE, True)
        story.switch(3.5, CLOSE, False)
    else:
        story.move(3.0, CLOSE)
    story.signal(3.1, "open_limit", False)
    story.answer(4.3, "c1", "failed")
    if presence is not None:
        story.pulse_signal(*presence, "presence")
    if open_s is not None:
        story.pulse_signal(open_s, open_s + 1.0, "open_limit")
    return story


@pytest.mark.parametrize(
    ("presence", "open_s", "at_s", "broken"),
    [
        ((4.0, 4.3), None, 4.2, False),
        (None, None, 4.2, True),
        ((2.0, 2.9), None, 4.2, True),  # it had gone when the boom began to close
        ((4.0, 4.3), None, 19.2, False),
        ((4.0, 4.3), None, 19.4, True),
        ((4.0, 4.3), 5.9, 6.45, False),  # on its way when the open limit was read twice, at 6.0 s and 6.2 s
        ((4.0, 4.3), 5.9, 6.6, True),
        ((4.0, 9.0), 5.9, 8.0, False),  # in the way when it left the open end again
    ],
)
def test_reopening_is_asked_by_nobody(
    presence: tuple[float, float] | None, open_s: float | None, at_s: float, broken: bool
) -> None:
    """A reopening follows somebody in the way, and is repeated until the door is sensed open."""
    story = closing_left(presence, open_s=open_s)
    story.polls(0.2, 24.0)
    story.move(at_s, OPEN)
    assert bool(story.rules(24.0) & {UNASKED, TWICE}) is broken


@pytest.mark.parametrize(
    ("flickers", "answered_s", "broken"), [(True, 8.0, False), (False, 8.0, True), (True, 5.0, True)]
)
def test_closing_that_has_not_begun_is_reopened(flickers: bool, answered_s: float, broken: bool) -> None:
    """A closing whose open limit has flickered may begin until it is answered."""
    story = Story()
    story.opened()
    story.command(3.0, "close")
    story.move(3.0, CLOSE)
    if flickers:
        story.signal(4.0, "open_limit", False)
        story.signal(4.3, "open_limit", True)
    story.pulse_signal(6.5, 9.0, "presence")
    story.answer(answered_s, "c1", "failed")
    story.polls(0.2, 12.0)
    story.move(6.6, OPEN)
    assert (UNASKED in story.rules(12.0)) is broken


@pytest.mark.parametrize(
    ("limit", "person_s", "broken"),
    [("closed_limit", 10.9, False), ("closed_limit", 11.1, True), ("presence", 10.9, True)],
)
def test_closing_that_starts_late_behind_both_limits_is_reopened(
    limit: str, person_s: float, broken: bool
) -> None:
    """It was answered as failed at 4.7 s, and may go on until 11 s: both limits hide whether it has begun."""
    story = Story()
    story.opened()
    story.command(3.0, "close")
    story.move(3.0, CLOSE)
    story.answer(4.7, "c1", "failed")
    story.signal(5.5, limit, True)
    story.pulse_signal(person_s, 12.0, "presence")
    story.polls(0.2, 13.0)
    story.move(person_s + 0.2, OPEN)
    assert (UNASKED in story.rules(13.0)) is broken


@pytest.mark.parametrize(("flicker_s", "broken"), [(6.3, True), (6.1, False)])
def test_flicker_ends_no_reopening(flicker_s: float, broken: bool) -> None:
    """The open limit is read at 6.0 s, and again unless both limits are made since 6.1 s."""
    story = closing_left((4.0, 4.3))
    story.signal(5.9, "open_limit", True)
    story.signal(flicker_s, "closed_limit", True)
    story.polls(0.2, 24.0)
    story.move(8.0, OPEN)
    assert (UNASKED in story.rules(24.0)) is broken


@pytest.mark.parametrize(
    ("pulse_s", "stall", "broken"), [(0.04, True, False), (0.06, True, True), (0.04, False, True)]
)
def test_held_frame_that_moves_nothing(pulse_s: float, stall: bool, broken: bool) -> None:
    """The release of a frame that an adapter holds follows in the same buffer."""
    story = Story()
    story.polls(0.2, 6.0)
    story.move(3.0, OPEN, pulse_s=pulse_s)
    if stall:
        story.trouble(2.0, "stall", 3.0)
    assert (UNASKED in story.rules(6.0)) is broken


@pytest.mark.parametrize(
    ("state", "broken"), [("rejected", False), ("expired", False), ("failed", True), ("done", True)]
)
def test_reopening_is_no_command_that_did_nothing(state: str, broken: bool) -> None:
    """A frame belongs to a command that waits, unless its answer says that nothing was written."""
    story = closing_left((4.0, 9.0))
    story.polls(0.2, 24.0)
    story.command(4.1, "open", "c2", within_s=0.5)
    story.move(4.3, OPEN)
    story.answer(4.9, "c2", state)
    assert (TOO_OFTEN in story.rules(24.0)) is broken


@pytest.mark.parametrize(
    ("facts", "written_s", "broken"),
    [
        (SILENT, (6.4, 6.7), False),
        (SILENT, (6.4, 6.95), True),
        (SILENT, (6.4, 6.7, 7.0), True),
        (SILENT, (7.0, 7.3), True),
        (FACTS, (6.4, 6.7), True),
    ],
)
def test_repeated_reopening_belongs_to_its_pulse(
    facts: LaneFacts, written_s: tuple[float, ...], broken: bool
) -> None:
    """A silent board is written to for 0.5 s, though the door is sensed open at 6.2 s."""
    story = closing_left((4.0, 4.3), open_s=5.9, facts=facts)
    story.polls(0.2, 24.0)
    for at_s in written_s:
        story.switch(at_s, OPEN, True)
    assert bool(story.rules(24.0) & {UNASKED, TWICE}) is broken


@pytest.mark.parametrize(("lives", "broken"), [([], True), (["slow"], False), (["frozen"], False)])
def test_reopening_of_a_held_up_process(lives: list[str], broken: bool) -> None:
    """A process that was held up may not have seen yet that the door is open."""
    story = closing_left((4.0, 4.3), open_s=5.9)
    story.polls(0.2, 24.0)
    story.add(*[Life(6.0, 1, what) for what in lives])  # type: ignore[arg-type]
    story.move(7.0, OPEN)
    assert (UNASKED in story.rules(24.0)) is broken


@pytest.mark.parametrize(("closed", "broken"), [(False, False), (True, True)])
def test_reopening_at_the_start(closed: bool, broken: bool) -> None:
    """A door between its ends may be closing when a process begins; one at an end does not."""
    story = Story()
    story.signal(1.0, "closed_limit", closed)
    story.signal(1.0, "presence", True)
    story.add(Life(17.0, 1, "killed"), Life(17.5, 2, "started"))
    story.polls(0.2, 24.0)
    story.move(19.0, OPEN)
    assert (UNASKED in story.rules(24.0)) is broken


@pytest.mark.parametrize(
    ("states", "closed", "broken"),
    [
        (("offline", "online"), False, False),
        (("offline", "online"), True, True),
        (("degraded", "online"), False, True),
    ],
)
def test_reopening_after_a_lost_link(states: tuple[str, ...], closed: bool, broken: bool) -> None:
    """A door that is found between its ends may have been moved while the board was silent."""
    story = Story()
    story.signal(1.0, "closed_limit", closed)
    story.signal(18.5, "presence", True)
    story.command(2.0, "open")
    story.answer(2.0, "c1", "rejected")
    story.polls(0.2, 15.0)
    story.add(Device(16.0, states[0]), Device(17.5, states[1]))
    story.polls(17.5, 24.0)
    story.move(19.0, OPEN)
    assert bool(story.rules(24.0) & {UNASKED, STALE}) is broken


def test_frames_that_a_stall_has_joined_belong_to_their_commands() -> None:
    """The frame and the release of an earlier command come at once, and move nothing; its command is over."""
    story = Story(SILENT)
    story.opened()
    story.polls(0.2, 9.0)
    story.trouble(3.0, "stall", 6.0, discards=False)
    story.command(3.1, "close", within_s=0.3)
    story.answer(4.6, "c1", "failed")
    story.command(5.8, "close", "c2", within_s=1.0)
    for on in (True, False, True):
        story.switch(6.0, CLOSE, on)
    story.switch(6.3, CLOSE, False)
    assert STALE not in story.rules(9.0)


# The first traffic of a connection.


@pytest.mark.parametrize(
    ("facts", "read_s", "broken"),
    [(FACTS, 2.9, True), (FACTS, 3.1, False), (SILENT, 2.9, False), (SILENT, 0.0, True)],
)
def test_write_on_a_new_connection(facts: LaneFacts, read_s: float, broken: bool) -> None:
    """Inputs of another board may have been read some seconds before."""
    story = Story(facts)
    at_s = 3.0 if facts is FACTS else 5.1
    inputs = facts.doors[0].signals["presence"].board
    story.frame(read_s, "0200000008", "0201f2", board=inputs)
    story.frame(at_s, "0300000001", "03020000", connection=2)
    story.command(at_s + 0.2, "open")
    if facts is FACTS:
        story.frame(3.1, "0200000008", "0201f2", connection=2) if read_s > 3.0 else None
        story.move(3.2, OPEN, connection=2)
    else:
        story.switch(5.3, OPEN, True)
    assert ((5, "writes first") in story.rules(8.0)) is broken


@pytest.mark.parametrize(
    ("relay", "verb", "stall", "broken"),
    [(OPEN, "open", False, True), (OPEN, "open", True, False), (STOP, "stop", False, False)],
)
def test_stop_is_written_first(relay: int, verb: str, stall: bool, broken: bool) -> None:
    story = Story()
    story.command(3.0, verb)
    story.move(3.0, relay, connection=2)
    if stall:
        story.trouble(2.5, "stall", 3.0)
    assert ((5, "writes first") in story.rules(8.0)) is broken


def test_reopening_is_written_first() -> None:
    story = closing_left((4.0, 9.0))
    story.polls(0.2, 24.0)
    story.move(4.2, OPEN, connection=2)
    assert (5, "writes first") not in story.rules(24.0)
