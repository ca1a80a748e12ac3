"""Excuses of the judge for the state of line and process: each case just inside, and just outside."""

from collections.abc import Callable

import pytest
from adversary.barrier.judge.case import Case
from adversary.barrier.judge.records import Device, Life, Wire
from adversary.barrier.judge.tests.story import (
    FACTS,
    NUMATO,
    OPEN,
    SILENT,
    TIMED,
    Story,
    closing_on_a_person,
    reopened,
    tcp,
)

Change = Callable[[Story], object]
LATE = (10, "reopening is late")


def is_stop_missed(change: Change, until_s: float = 8.0) -> bool:
    """Judge a stop at 3.0 s that is not written; reachability is asked from 2.95 s to 3.4 s."""
    story = Story()
    story.polls(0.2, until_s)
    story.command(3.0, "stop")
    story.answer(3.1, "c1", "failed", "link_failed")
    change(story)
    return (12, "stop not written") in story.rules(until_s)


@pytest.mark.parametrize("name", ["silence", "unplug", "power-cut", "stall"])
@pytest.mark.parametrize(
    ("from_s", "until_s", "broken"),
    [(1.0, 2.64, True), (1.0, 2.66, False), (3.39, 4, False), (3.41, 4, True)],
)
def test_outage_excuses_a_write(name: str, from_s: float, until_s: float, broken: bool) -> None:
    assert is_stop_missed(lambda story: story.trouble(from_s, name, until_s)) is broken


def test_disturbed_signal_excuses_no_write() -> None:
    assert is_stop_missed(lambda story: story.trouble(2.5, "flicker", 4.0))


@pytest.mark.parametrize(("at_s", "broken"), [(3.39, False), (3.41, True)])
@pytest.mark.parametrize("what", ["killed", "ended", "frozen", "daemon-killed"])
def test_death_excuses_a_write(what: str, at_s: float, broken: bool) -> None:
    assert is_stop_missed(lambda story: story.add(Life(at_s, 1, what))) is broken  # type: ignore[arg-type]


@pytest.mark.parametrize(("state", "broken"), [("offline", False), ("degraded", True)])
def test_closed_device_takes_no_stop(state: str, broken: bool) -> None:
    assert is_stop_missed(lambda story: story.add(Device(2.9, state))) is broken


@pytest.mark.parametrize(("online_s", "broken"), [(2.4, False), (2.6, True)])
def test_state_of_the_last_process_is_old(online_s: float, broken: bool) -> None:
    lives = Life(2.45, 1, "ended"), Life(2.5, 2, "started"), Device(online_s, "online")
    assert is_stop_missed(lambda story: story.add(*lives)) is broken


def is_old_state_found(change: Change, story: Story | None = None) -> bool:
    """Judge a limit that is left at 3.0 s, and not shown; it must be undisturbed from 2.5 s to 4.2 s."""
    story = Story() if story is None else story
    story.retained(0.5, "closed")
    story.signal(3.0, "closed_limit", False)
    story.polls(0.2, 8.0)
    change(story)
    return (1, "stands, not sensed") in story.rules(8.0)


@pytest.mark.parametrize(
    ("name", "from_s", "until_s", "broken"),
    [
        ("slow-bus", 1.0, 1.99, True),
        ("slow-bus", 1.0, 2.01, False),
        ("chatter", 4.19, 5.0, False),
        ("chatter", 4.21, 5.0, True),
        ("lift", 1.0, 5.0, True),
        ("clock", 3.0, 3.0, True),
    ],
)
def test_fault_excuses_reaction_times(name: str, from_s: float, until_s: float, broken: bool) -> None:
    """Faults of wires and sensors do, until 0.5 s after them; what happens at the machine does not."""
    assert is_old_state_found(lambda story: story.trouble(from_s, name, until_s)) is broken


@pytest.mark.parametrize(("at_s", "broken"), [(1.89, True), (1.91, False), (4.19, False), (4.21, True)])
def test_lost_answer_excuses_reaction_times(at_s: float, broken: bool) -> None:
    assert is_old_state_found(lambda story: story.lost(at_s)) is broken


@pytest.mark.parametrize(("until_s", "broken"), [(1.45, True), (1.55, False)])
def test_slow_machine_excuses_reaction_times(until_s: float, broken: bool) -> None:
    """The excuse holds while the machine is slow, and a second longer."""
    lives = Life(0.5, 1, "slow"), Life(until_s, 1, "thawed")
    assert is_old_state_found(lambda story: story.add(*lives)) is broken


@pytest.mark.parametrize(("at_s", "broken"), [(4.15, False), (4.25, True)])
def test_closed_device_excuses_reaction_times(at_s: float, broken: bool) -> None:
    assert is_old_state_found(lambda story: story.add(Device(at_s, "offline"))) is broken


@pytest.mark.parametrize(("fate", "broken"), [("repeated", True), ("suppressed", False)])
def test_second_answer_disturbs_nothing(fate: str, broken: bool) -> None:
    pdu = "0300000001"
    assert is_old_state_found(lambda story: story.frame(2.6, pdu, "03020000", fate=fate)) is broken


@pytest.mark.parametrize(("arrived", "broken"), [(True, True), (False, False)])
def test_silent_board_owes_no_answer(arrived: bool, broken: bool) -> None:
    """A frame to it that has arrived is as it should be; a lost one is not."""
    found = is_old_state_found(lambda story: story.switch(2.6, 5, False, arrived=arrived), Story(SILENT))
    assert found is broken


@pytest.mark.parametrize(("late_s", "broken"), [(4.66, False), (4.68, True)])
def test_slack_of_one_lost_answer(late_s: float, broken: bool) -> None:
    """Reopening is due 0.32 s after somebody came: an exchange of 0.2 s is lost, and a little."""
    story = closing_on_a_person()
    story.lost(4.15)
    assert (LATE in reopened(story, late_s)) is broken


@pytest.mark.parametrize(("late_s", "broken"), [(4.66, False), (4.68, True)])
def test_answer_that_is_lost_twice_counts_once(late_s: float, broken: bool) -> None:
    story = closing_on_a_person()
    number = story.frame(4.0, "0300000001", "03020000", answered_s=4.15, fate="suppressed")
    story.add(Wire(4.15, "relays", 999, "to-host", tcp("03020000"), 1, False, number, "suppressed"))
    assert (LATE in reopened(story, late_s)) is broken


@pytest.mark.parametrize(
    ("until_s", "late_s", "broken"),
    [(3.69, 4.33, True), (3.71, 4.71, False), (3.71, 4.73, True), (9.0, 4.71, False), (9.0, 4.73, True)],
)
def test_slack_of_a_slow_bus(until_s: float, late_s: float, broken: bool) -> None:
    """Two readings of two frames each, 0.1 s late."""
    story = closing_on_a_person()
    story.trouble(3.5, "slow-bus", until_s, delay_s=0.1)
    assert (LATE in reopened(story, late_s)) is broken


@pytest.mark.parametrize(("late_s", "broken"), [(6.11, False), (6.13, True)])
def test_slack_of_nine_frames_a_poll(late_s: float, broken: bool) -> None:
    """Inputs that are read one by one: two readings of nine frames, 0.1 s late each."""
    story = closing_on_a_person(NUMATO)
    story.trouble(3.5, "slow-bus", 3.75, delay_s=0.1)
    assert (LATE in reopened(story, late_s)) is broken


@pytest.mark.parametrize(("late_s", "broken"), [(3.49, False), (3.51, True)])
@pytest.mark.parametrize("facts", [FACTS, NUMATO])
def test_stop_waits_for_one_frame(facts: object, late_s: float, broken: bool) -> None:
    """A slow bus is no excuse: a stop needs no reading."""
    story = Story(facts)  # type: ignore[arg-type]
    story.trouble(2.0, "slow-bus", 6.0, delay_s=0.1)
    story.command(3.0, "stop")
    if facts is FACTS:
        story.move(late_s, 2)
    else:
        story.switch(late_s, 2, True)
        story.switch(late_s + 0.5, 2, False)
    story.answer(late_s + 0.1)
    assert ((27, "stop waits") in story.rules(8.0)) is broken


@pytest.mark.parametrize(("lives", "late_s", "broken"), [(1, 5.11, False), (1, 5.13, True), (0, 4.33, True)])
def test_slack_of_a_slow_machine(lives: int, late_s: float, broken: bool) -> None:
    story = closing_on_a_person()
    story.add(*[Life(3.9, 1, "slow"), Life(4.0, 1, "thawed")][: 2 * lives])
    assert (LATE in reopened(story, late_s)) is broken


@pytest.mark.parametrize(("connection", "broken"), [(0, False), (1, True)])
def test_frame_of_another_master(connection: int, broken: bool) -> None:
    story = Story()
    story.polls(0.2, 6.0)
    story.move(3.0, OPEN, connection=connection)
    assert ((6, "moves unasked") in story.rules(6.0)) is broken


@pytest.mark.parametrize(("fate", "broken"), [("late", False), ("suppressed", True)])
def test_late_answer_is_a_reading(fate: str, broken: bool) -> None:
    story = Story()
    story.opened()
    story.polls(0.2, 2.0)
    story.frame(2.7, "0200000008", "0201f1", answered_s=2.9, fate=fate)
    story.command(3.0, "close")
    story.move(3.0, 1)
    story.answer(7.0, "c1", "failed")
    assert ((9, "sensing too old") in story.rules(8.0)) is broken


@pytest.mark.parametrize(
    ("at_s", "pulse_s", "broken"),
    [(4.0, 0.04, False), (4.0, 0.06, True), (4.09, 0.04, False), (4.12, 0.04, True)],
)
def test_frame_taken_back_by_an_adapter(at_s: float, pulse_s: float, broken: bool) -> None:
    """A contact that is closed for less than 50 ms moves nothing: its release came from the same buffer."""
    story = Story()
    story.trouble(3.0, "stall", 4.0)
    story.command(2.9, "open", within_s=0.5)
    story.answer(3.3, "c1", "failed")
    story.move(at_s, OPEN, pulse_s=pulse_s)
    assert bool(story.rules(8.0) & {(3, "stale"), (3, "after its answer")}) is broken


@pytest.mark.parametrize(
    ("facts", "close_s", "broken"),
    [(TIMED, 4.31, set()), (TIMED, 4.29, {(8, "dead time")}), (FACTS, 4.31, {(8, "both contacts")})],
)
def test_time_relay_ends_a_contact(facts: object, close_s: float, broken: set[tuple[int, str]]) -> None:
    """The machine sees a contact for a second, however long the board keeps it closed."""
    story = Story(facts)  # type: ignore[arg-type]
    story.contact(3.0, 6.0, OPEN)
    story.contact(close_s, close_s + 0.5, 1)
    assert {rule for rule in story.rules(8.0) if rule[0] == 8} == broken


@pytest.mark.parametrize(
    ("until_s", "doubtful"), [(2.995, True), (3.005, True), (2.95, False), (3.05, False)]
)
def test_reading_that_an_adapter_has_held_is_doubtful(until_s: float, doubtful: bool) -> None:
    """It was asked for at some time of the stall, and may have been given up since."""
    story = Story()
    story.trouble(1.0, "stall", until_s, discards=False)
    story.frame(3.0, "0200000008", "020100")
    (reading,) = Case(story.facts, story.records).readings
    assert reading.is_doubtful is doubtful
