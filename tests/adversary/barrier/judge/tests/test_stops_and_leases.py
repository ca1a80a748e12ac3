"""Judge of stops, answers, the key and leases: known violations, and each excuse inside and outside."""

from dataclasses import replace

import pytest
from adversary.barrier.judge.records import LaneFacts, Life
from adversary.barrier.judge.tests.story import (
    FACTS,
    GATE,
    OPEN,
    SILENT,
    STOP,
    TIMED,
    Rule,
    Story,
)

STALE, UNASKED, TWICE = (3, "stale"), (6, "moves unasked"), (2, "written twice")
AFTER_STOP, TOO_OFTEN = (26, "after a stop"), (21, "too often")


def test_stop_not_written_is_found() -> None:
    story = Story()
    story.polls(0.2, 8.0)
    story.command(3.0, "stop")
    story.answer(3.1, "c1", "failed", "link_failed")
    assert story.rules(8.0) == {(12, "stop not written")}


@pytest.mark.parametrize(("reason", "broken"), [("bad_request", True), ("link_failed", False)])
def test_refused_stop_is_found(reason: str, broken: bool) -> None:
    story = Story()
    story.command(3.0, "stop", door="")
    story.answer(3.1, "c1", "rejected", reason)
    assert ((12, "stop is refused") in story.rules(8.0)) is broken


@pytest.mark.parametrize(("at_s", "broken"), [(3.29, False), (3.31, True)])
def test_late_stop_is_found(at_s: float, broken: bool) -> None:
    story = Story()
    story.command(3.0, "stop")
    story.move(at_s, STOP)
    story.answer(at_s)
    assert ((27, "stop waits") in story.rules(8.0)) is broken


@pytest.mark.parametrize(("at_s", "broken"), [(3.29, False), (3.31, True)])
def test_stops_may_share_a_frame(at_s: float, broken: bool) -> None:
    """A second stop comes while the first still waits for the line; the frame is in time for the first."""
    story = Story()
    story.command(3.0, "stop")
    story.command(3.1, "stop", "c2")
    story.move(at_s, STOP)
    story.answer(at_s)
    story.answer(at_s, "c2")
    assert ((12, "stop not written") in story.rules(8.0)) is broken


@pytest.mark.parametrize(
    ("second_s", "closed_s", "broken"), [(3.04, 3.06, False), (3.04, 9.0, True), (3.06, 3.07, True)]
)
def test_stop_that_is_on_its_way(second_s: float, closed_s: float, broken: bool) -> None:
    """The frame of the first stop closes the contact just after the second one."""
    story = Story()
    story.command(3.0, "stop")
    pdu = f"0502{STOP:02x}0005"
    story.frame(3.0, pdu, pdu)
    story.contact(closed_s, closed_s + 0.5, STOP)
    story.answer(3.1)
    story.command(second_s, "stop", "c2")
    story.answer(3.1, "c2")
    assert ((12, "stop not written") in story.rules(8.0)) is broken


@pytest.mark.parametrize(
    ("fault", "closed_s", "broken"),
    [
        ("slow-bus", 3.13, False),
        ("slow-bus", 3.19, True),  # long after the board has executed the first one
        ("lost-request", 3.13, True),
    ],
)
def test_stop_that_is_on_its_way_on_a_slow_bus(fault: str, closed_s: float, broken: bool) -> None:
    """Its board executes a frame when it answers, 0.13 s later: trial 53042 at waveshare-rtu."""
    story = Story()
    story.trouble(2.0, fault, 6.0, delay_s=0.12)
    story.command(3.0, "stop")
    pdu = f"0502{STOP:02x}0005"
    story.frame(3.0, pdu, pdu, answered_s=3.13)
    story.contact(closed_s, closed_s + 0.5, STOP)
    story.answer(3.14)
    story.command(3.02, "stop", "c2")
    story.answer(3.14, "c2")
    assert ((12, "stop not written") in story.rules(8.0)) is broken


@pytest.mark.parametrize(("second_s", "broken"), [(3.54, False), (3.56, True)])
def test_stop_of_the_second_door(second_s: float, broken: bool) -> None:
    """It may come one frame later."""
    story = Story(GATE)
    story.command(3.0, "stop")
    story.move(3.0, STOP)
    story.move(second_s, 5)
    story.answer(3.7)
    assert ((27, "stop waits") in story.rules(8.0)) is broken


@pytest.mark.parametrize(("ended_s", "broken"), [(2.71, False), (2.69, True)])
def test_stop_that_is_in_force(ended_s: float, broken: bool) -> None:
    """A second stop within 0.3 s of the contact of the first needs no frame."""
    story = Story()
    story.contact(2.2, ended_s, STOP)
    story.command(3.0, "stop")
    story.answer(3.1, "c1", "failed")
    assert ((12, "stop not written") in story.rules(8.0)) is broken


@pytest.mark.parametrize(
    ("contact_s", "by", "broken"), [(4.14, "motor", False), (4.16, "motor", True), (4.16, "hand", False)]
)
def test_stop_is_repeated(contact_s: float, by: str, broken: bool) -> None:
    """A frame is lost: 0.35 s more until the stop of a door that its motor still moves."""
    story = Story()
    story.motion(2.5, "closing", by=by)
    story.command(3.0, "stop")
    story.frame(3.0, "0502020005", arrived=False)
    story.move(contact_s, STOP)
    story.answer(5.0, "c1", "failed")
    assert ((12, "stop is lost") in story.rules(8.0)) is broken


@pytest.mark.parametrize(
    ("facts", "lost_s", "arrived_s", "broken"),
    [
        (SILENT, (3.0, 3.2, 3.4), None, False),
        (SILENT, (3.0, 3.2), None, True),  # it was not repeated to the end of its pulse
        (SILENT, (3.0, 3.2, 3.52), None, True),
        (SILENT, (3.0, 3.2), 3.4, True),  # this frame has arrived, and moved no contact
        (FACTS, (3.0, 3.2, 3.4), None, True),
    ],
)
def test_stop_of_a_silent_board_whose_every_frame_is_lost(
    facts: LaneFacts, lost_s: tuple[float, ...], arrived_s: float | None, broken: bool
) -> None:
    story = Story(facts)
    story.motion(2.5, "closing")
    story.command(3.0, "stop")
    for at_s in lost_s:
        story.switch(at_s, STOP, True, arrived=False)
    if arrived_s is not None:
        story.frame(arrived_s, bytes((0xA0, STOP + 1, 1, 0xA2 + STOP)))
    story.answer(3.0)
    assert ((12, "stop is lost") in story.rules(8.0)) is broken


@pytest.mark.parametrize(("ended_s", "broken"), [(3.39, False), (3.41, True)])
def test_stop_without_a_contact_releases(ended_s: float, broken: bool) -> None:
    door = replace(FACTS.doors[0], stop=None)
    story = Story(replace(FACTS, doors=(door,)))
    story.contact(2.5, ended_s, OPEN)
    story.command(3.0, "stop")
    story.answer(3.1)
    assert ((12, "stop does not release") in story.rules(8.0)) is broken


@pytest.mark.parametrize(
    ("facts", "welded", "broken"),
    [
        (TIMED, None, True),
        (TIMED, (2.0, 3.01), False),
        (TIMED, (2.0, 2.99), True),
        (FACTS, (2.0, 3.01), True),
        (SILENT, None, False),
    ],
)
def test_stop_without_effect_is_found(
    facts: LaneFacts, welded: tuple[float, float] | None, broken: bool
) -> None:
    """A time relay starts again only once a welded contact opens; and a silent board shows nothing."""
    story = Story(facts)
    story.command(3.0, "stop")
    story.switch(3.0, STOP, True, arrived=False) if facts is SILENT else story.frame(
        3.0, "0500020000", "0500020000"
    )
    story.answer(3.1)
    if welded is not None:
        story.trouble(welded[0], "welded-relay", welded[1], relay=STOP)
    assert ((12, "answer is not true") in story.rules(8.0)) is broken


# Answers, keys and leases.


@pytest.mark.parametrize(("verb", "limit_s"), [("acknowledge", 7.5), ("open", 20.0)])
@pytest.mark.parametrize("is_out", [False, True])
def test_missing_answer_is_found(verb: str, limit_s: float, is_out: bool) -> None:
    """Due 1.5 s after the deadline of 6 s, and after the longest travel of a movement."""
    story = Story()
    story.command(3.0, verb)
    assert ((14, "no answer") in story.rules(limit_s + (0.1 if is_out else -0.1))) is is_out


@pytest.mark.parametrize(("at_s", "broken"), [(7.4, False), (7.6, True)])
def test_dead_process_owes_no_answer(at_s: float, broken: bool) -> None:
    story = Story()
    story.command(3.0, "acknowledge")
    story.add(Life(at_s, 1, "killed"))
    assert ((14, "no answer") in story.rules(24.0)) is broken


@pytest.mark.parametrize(
    ("turned_s", "back_s", "read_until_s", "broken"),
    [
        (2.09, 9.0, 8.0, True),
        (2.11, 9.0, 8.0, False),
        (2.09, 2.95, 8.0, False),
        (2.09, 9.0, 2.09, False),
        (2.09, 9.0, 2.5, True),
    ],
)
def test_movement_with_the_key_turned_is_found(
    turned_s: float, back_s: float, read_until_s: float, broken: bool
) -> None:
    """Turned for 0.9 s, and read 0.4 s before."""
    story = Story()
    story.pulse_signal(turned_s, back_s, "key_switch")
    story.polls(0.25, read_until_s)
    story.command(3.0, "open")
    story.move(3.0, OPEN)
    assert ((19, "key switch") in story.rules(8.0)) is broken


@pytest.mark.parametrize(
    ("issuer", "duration_s", "broken"),
    [
        ("counter-2", 0.0, True),
        ("technician", 0.0, False),
        ("supervisor", 0.0, False),
        ("counter-2", 58.6, False),
        ("counter-2", 58.4, True),
    ],
)
def test_lease_ended_by_another_is_found(issuer: str, duration_s: float, broken: bool) -> None:
    """Its holder and a supervisor may; and a lease that ends half a second earlier is as long as before."""
    story = Story()
    story.polls(0.2, 9.0)
    story.command(3.0, "maintenance", "c1", issuer="technician", duration_s=60.0)
    story.answer(3.0, "c1")
    story.command(4.0, "maintenance", "c2", issuer=issuer, duration_s=duration_s)
    story.answer(4.0, "c2")
    assert story.rules(9.0) == ({(19, "lease of another")} if broken else set())


@pytest.mark.parametrize(
    ("at_s", "state", "life", "broken"),
    [
        (3.01, "done", 1, set()),
        (3.05, "done", 1, {(19, "lease")}),
        (7.9, "done", 1, {(19, "lease")}),
        (8.1, "done", 1, set()),
        (7.9, "rejected", 1, set()),
        (7.9, "done", 2, {(25, "lease is lost")}),
    ],
)
def test_movement_in_a_lease_is_found(at_s: float, state: str, life: int, broken: set[Rule]) -> None:
    story = Story()
    story.polls(0.2, 9.0)
    story.command(3.0, "maintenance", "c1", issuer="technician", duration_s=5.0)
    story.answer(3.02, "c1", state)
    if life > 1:
        story.add(Life(4.0, 1, "killed"), Life(4.5, 2, "started"))
    story.command(at_s, "open", "c2", life=life)
    story.move(at_s, OPEN)
    story.answer(8.5, "c2", "failed")
    assert {rule for rule in story.rules(9.0) if rule[0] in (19, 25)} == broken
