"""Judge of two doors and of another master: known violations, and each excuse inside and outside."""

import pytest
from adversary.barrier.judge.records import Contact, Event, LaneFacts, Truth
from adversary.barrier.judge.tests.story import (
    CLOSE,
    FACTS,
    GATE,
    OPEN,
    SECOND_OPEN,
    SILENT,
    STOP,
    WATCHED,
    Story,
)

STAYS, BOTH, DEAD = (7, "relay stays closed"), (8, "both contacts"), (8, "dead time")
GRANT, BOTH_OPEN = (17, "second grant"), (17, "both doors open")
OTHER_MASTER, UNSEEN = (28, "other master"), (28, "other master unseen")


def gate() -> Story:
    """Return a gate of two doors, both truly closed."""
    story = Story(GATE)
    for door in ("first", "second"):
        limit(story, 0.0, door, True)
    return story


def limit(story: Story, at_s: float, door: str, active: bool) -> None:
    """Let a door truly reach or leave its closed limit."""
    story.add(Truth(at_s, "signal", "", {"signal": f"{door}-closed-limit", "active": active}))


@pytest.mark.parametrize(
    ("closed_s", "second_s", "broken"),
    [
        (8.0, 9.0, False),
        (10.0, 9.0, True),
        (None, 14.4, True),
        (None, 14.6, False),
    ],
)
def test_second_grant_is_found(closed_s: float | None, second_s: float, broken: bool) -> None:
    """The first grant ends when its door has closed again, or has not left 10 s after its time to start."""
    story = gate()
    story.command(3.0, "open", door="first")
    story.move(3.0, OPEN)
    if closed_s is not None:
        limit(story, 4.0, "first", False)
        limit(story, closed_s, "first", True)
    story.command(second_s, "open", "c2", door="second")
    story.move(second_s, SECOND_OPEN)
    assert (GRANT in story.rules(18.0)) is broken


@pytest.mark.parametrize(
    ("stop", "is_closed", "broken"),
    [("contact", True, False), ("power-cut", True, False), ("", True, True), ("contact", False, True)],
)
def test_stop_ends_a_grant(stop: str, is_closed: bool, broken: bool) -> None:
    """Its contact, or a cut supply, of a door at its closed limit."""
    story = gate()
    story.command(3.0, "open", door="first")
    story.move(3.0, OPEN)
    if not is_closed:
        limit(story, 3.5, "first", False)
    if stop == "contact":
        story.contact(4.0, 4.5, STOP)
    elif stop:
        story.trouble(4.0, stop, 5.0)
    story.command(7.0, "open", "c2", door="second")
    story.move(7.0, SECOND_OPEN)
    assert (GRANT in story.rules(18.0)) is broken


def shown_closed(from_s: float, until_s: float, *, fault: str = "shorted-wire") -> Story:
    """Return a gate whose first door was opened, and is shown as closed by its wire for a time."""
    story = gate()
    story.command(3.0, "open", door="first")
    story.move(3.0, OPEN)
    limit(story, 4.0, "first", False)
    story.signal(4.0, "closed_limit", False, "first")
    story.signal(from_s, "closed_limit", True, "first")
    story.signal(until_s, "closed_limit", False, "first")
    story.trouble(from_s, fault, until_s, signal="first-closed-limit")
    return story


def open_second(story: Story, at_s: float) -> set[tuple[int, str]]:
    """Open the second door, which leaves its closed end 0.1 s later; return the broken rules of 17."""
    story.polls(0.2, at_s)
    story.command(at_s, "open", "c2", door="second")
    story.move(at_s, SECOND_OPEN)
    limit(story, at_s + 0.1, "second", False)
    return {rule for rule in story.rules(18.0) if rule[0] == 17}


@pytest.mark.parametrize(
    ("from_s", "until_s", "fault", "broken"),
    [
        (8.45, 10.0, "shorted-wire", False),
        (8.55, 10.0, "shorted-wire", True),  # no longer than a flicker
        (8.45, 8.95, "shorted-wire", True),  # over at the reading of 9.0 s
        (8.45, 10.0, "chatter", True),
    ],
)
def test_shorted_closed_limit_hides_an_open_door(
    from_s: float, until_s: float, fault: str, broken: bool
) -> None:
    """Once it is steady for 0.5 s, at the last reading before the opening, which is of 9.0 s."""
    found = open_second(shown_closed(from_s, until_s, fault=fault), 9.1)
    assert found == ({GRANT, BOTH_OPEN} if broken else set())


@pytest.mark.parametrize(("open_until_s", "broken"), [(8.45, False), (8.55, True)])
def test_short_of_an_open_door_hides_nothing(open_until_s: float, broken: bool) -> None:
    """Both limits are implausible."""
    story = shown_closed(8.0, 10.0)
    story.pulse_signal(5.0, open_until_s, "open_limit", "first")
    assert bool(open_second(story, 9.1)) is broken


@pytest.mark.parametrize(
    ("door", "open_until_s", "broken"),
    [("first", 8.45, False), ("first", 8.55, True), ("second", 8.45, True)],
)
def test_both_limits_hide_an_open_door_once_one_is_mended(
    door: str, open_until_s: float, broken: bool
) -> None:
    """The wire of its open limit is mended half a second before the last reading, which is of 9.0 s."""
    story = shown_closed(8.0, 10.0, fault="chatter")
    story.trouble(8.0, "both-limits", 10.0, door=door)
    story.pulse_signal(8.0, open_until_s, "open_limit", "first")
    assert bool(open_second(story, 9.1)) is broken


def test_short_before_an_opening_ends_no_grant() -> None:
    """The door has not been seen to leave its closed end: it may still start."""
    story = gate()
    story.trouble(2.0, "shorted-wire", 12.0, signal="first-closed-limit")
    story.command(3.0, "open", door="first")
    story.move(3.0, OPEN)
    limit(story, 4.0, "first", False)
    assert GRANT in open_second(story, 9.1)


@pytest.mark.parametrize(("pulse_s", "broken"), [(0.02, False), (0.06, True)])
def test_opening_too_short_for_a_machine_is_no_grant(pulse_s: float, broken: bool) -> None:
    """A stalled adapter delivers it and its release at once."""
    story = gate()
    story.command(3.0, "open", door="first")
    story.move(3.0, OPEN, pulse_s=pulse_s)
    story.command(7.0, "open", "c2", door="second")
    story.move(7.0, SECOND_OPEN)
    assert (GRANT in story.rules(18.0)) is broken


@pytest.mark.parametrize(("is_closed", "broken"), [(False, False), (True, True)])
def test_opening_that_closes_no_contact_is_no_grant(is_closed: bool, broken: bool) -> None:
    """A board may close the connection instead; a contact that is closed already opens the door anyway."""
    story = gate()
    if is_closed:
        story.contact(2.9, 3.4, OPEN)
    story.command(3.0, "open", door="first")
    story.frame(3.0, "0502000005")
    story.command(7.0, "open", "c2", door="second")
    story.move(7.0, SECOND_OPEN)
    assert (GRANT in story.rules(18.0)) is broken


@pytest.mark.parametrize(("acts", "broken"), [(False, False), (True, True)])
def test_refused_opening_is_no_grant(acts: bool, broken: bool) -> None:
    """A contact that the board has closed nevertheless is a grant."""
    story = gate()
    story.command(3.0, "open", door="first")
    number = story.frame(3.0, "0502000005", "8504" if acts else "8506")
    if acts:
        story.add(Contact(3.0, "relays", OPEN, True, "command", number))
        story.add(Contact(3.5, "relays", OPEN, False, "pulse_ended", number))
    story.answer(3.0, "c1", "failed" if acts else "rejected", "link_failed" if acts else "device_refused")
    story.command(6.0, "open", "c2", door="second")
    story.move(6.0, SECOND_OPEN)
    assert (GRANT in story.rules(18.0)) is broken


@pytest.mark.parametrize(("emergency_s", "broken"), [(0.9, True), (1.1, False), (9.6, True)])
def test_emergency_opens_both_doors(emergency_s: float, broken: bool) -> None:
    """It may do so until 8 s after its end: the travel time of 6 s, and 2 s."""
    story = gate()
    story.pulse_signal(emergency_s - 0.5, emergency_s, "emergency")
    limit(story, 5.0, "first", False)
    limit(story, 9.0, "second", False)
    assert (BOTH_OPEN in story.rules(18.0)) is broken


@pytest.mark.parametrize(("to_s", "broken"), [(9.04, False), (9.06, True)])
def test_both_doors_open_are_found(to_s: float, broken: bool) -> None:
    story = gate()
    limit(story, 5.0, "first", False)
    limit(story, 9.0, "second", False)
    limit(story, to_s, "first", True)
    assert (BOTH_OPEN in story.rules(18.0)) is broken


@pytest.mark.parametrize(
    ("door", "at_s", "broken"),
    [
        ("second", 5.1, False),
        ("second", 4.9, True),
        ("first", 21.6, False),
        ("first", 21.4, True),
    ],
)
@pytest.mark.parametrize("how", ["hand", "spring", "button", "lift", "foreign", "welded"])
def test_door_moved_by_others_is_excused(how: str, door: str, at_s: float, broken: bool) -> None:
    """The door that has left last, at 25 s, or the other one when the opening was written already."""
    story = gate()
    limit(story, at_s + 0.01 if door == "first" else 4.0, "first", False)
    limit(story, 25.0, "second", False)
    relay = OPEN if door == "first" else SECOND_OPEN
    match how:
        case "hand" | "spring":
            story.motion(at_s, "opening", door, by=how)
        case "button":
            story.add(Truth(at_s, "button", door, {"button": "open"}))
        case "lift":
            story.trouble(at_s, "lift", at_s, door=door)
        case "foreign":
            story.add(Truth(at_s, "foreign", "", {"relay": relay}))
        case _:
            story.trouble(at_s - 1.0, "welded-relay", at_s, relay=relay)
    assert (BOTH_OPEN in story.rules(30.0)) is broken


@pytest.mark.parametrize(
    ("name", "at_s", "broken"),
    [("power-cut", 5.1, False), ("power-cut", 4.9, True), ("fire", 5.1, False), ("silence", 34.0, True)],
)
def test_machine_without_supply_is_excused(name: str, at_s: float, broken: bool) -> None:
    """The excuse lasts for 30 s: the machine may close or open by itself when the supply is back."""
    story = gate()
    limit(story, 30.0, "first", False)
    limit(story, 35.0, "second", False)
    story.trouble(at_s, name, at_s + 1.0)
    assert (BOTH_OPEN in story.rules(40.0)) is broken


@pytest.mark.parametrize("by", ["motor", "stop"])
def test_stop_moves_no_door(by: str) -> None:
    story = gate()
    limit(story, 5.0, "first", False)
    limit(story, 9.0, "second", False)
    story.motion(8.0, "rest", "second", by=by)
    assert BOTH_OPEN in story.rules(18.0)


# Another master.


@pytest.mark.parametrize(
    ("foreign_s", "broken"), [(3.2, False), (3.55, False), (3.65, True), (3.8, True), (5.2, True)]
)
def test_opening_after_another_master_is_found(foreign_s: float, broken: bool) -> None:
    """A relay shows nothing of another master until it was read as open, here at 3.6 s."""
    story = Story()
    story.command(3.0, "open")
    story.move(3.0, OPEN)
    story.answer(3.1, "c1", "failed")
    story.add(Truth(foreign_s, "foreign", "", {"relay": OPEN}))
    if foreign_s > 3.5:
        story.contact(foreign_s, foreign_s + 0.1, OPEN)
    story.alarm(foreign_s + 0.4, "other_master")
    story.command(8.0, "open", "c2")
    story.move(8.0, OPEN)
    story.answer(9.6, "c2", "failed")
    story.polls(0.2, 12.0)
    assert story.rules(12.0) == ({OTHER_MASTER} if broken else set())


@pytest.mark.parametrize(("foreign_s", "broken"), [(4.55, False), (4.65, True)])
def test_pulse_without_an_answer_hides_another_master(foreign_s: float, broken: bool) -> None:
    """The pulse ends 1.5 s after its begin at the latest; the first reading after that is at 4.6 s."""
    story = Story()
    story.command(3.0, "open")
    number = story.frame(3.0, "0502000005")
    story.add(Contact(3.0, "relays", OPEN, True, "command", number))
    story.add(Contact(3.5, "relays", OPEN, False, "pulse_ended", number))
    story.answer(3.2, "c1", "failed")
    story.contact(foreign_s, foreign_s + 0.1, OPEN)
    story.add(Truth(foreign_s, "foreign", "", {"relay": OPEN}))
    story.alarm(foreign_s + 0.4, "relay_stuck")
    story.command(8.0, "open", "c2")
    story.move(8.0, OPEN)
    story.polls(0.2, 12.0)
    assert (OTHER_MASTER in story.rules(12.0)) is broken


@pytest.mark.parametrize(("foreign_s", "broken"), [(2.95, False), (2.75, True)])
def test_unseen_master_before_an_opening_is_found(foreign_s: float, broken: bool) -> None:
    """A relay that the gateway closes hides another master only if it was not read before."""
    story = Story()
    story.command(2.9, "open")
    story.add(Truth(foreign_s, "foreign", "", {"relay": OPEN}))
    story.add(Contact(foreign_s, "relays", OPEN, True, "command"))
    story.move(2.99, OPEN)
    story.answer(3.1, "c1", "failed")
    story.polls(0.2, 8.0)
    assert (UNSEEN in story.rules(8.0)) is broken


@pytest.mark.parametrize(("read_s", "broken"), [(2.78, True), (2.82, False)])
def test_stop_that_waits_hides_another_master(read_s: float, broken: bool) -> None:
    """The stop waits for the line for 0.2 s at most, the time of an answer."""
    story = Story()
    story.command(2.7, "stop")
    story.add(Truth(2.75, "foreign", "", {"relay": STOP}))
    story.add(Contact(2.75, "relays", STOP, True, "command"))
    story.frame(read_s, "0100000008", "010104")
    story.move(3.0, STOP)
    assert (UNSEEN in story.rules(8.0)) is broken


def released(at_s: float, *, arrived: bool = True) -> Story:
    """Return a boom whose relay another master closes at 3.0 s, and this gateway opens by a release."""
    story = Story()
    story.signal(2.95, "presence", True)
    story.add(Truth(3.0, "foreign", "", {"relay": CLOSE}))
    story.add(Contact(3.01, "relays", CLOSE, True, "command"))
    number = story.frame(at_s, "0f000000080100", "0f00000008", arrived=arrived)
    story.add(Contact(at_s if arrived else 4.2, "relays", CLOSE, False, "command", number))
    return story


@pytest.mark.parametrize(
    ("at_s", "read_s", "arrived", "broken"),
    [
        (3.21, None, True, False),
        (3.22, None, True, True),  # the relays are read every 0.2 s
        (3.21, 3.02, True, True),
        (3.21, 3.0, True, False),
        (3.21, None, False, True),
    ],
)
def test_release_hides_another_master(at_s: float, read_s: float | None, arrived: bool, broken: bool) -> None:
    """A release that comes before a reading opens what another master has closed."""
    story = released(at_s, arrived=arrived)
    if read_s is not None:
        story.frame(read_s, "0100000008", f"0101{2 if read_s > 3.01 else 0:02x}")
    assert (UNSEEN in story.rules(8.0)) is broken


@pytest.mark.parametrize(("at_s", "broken"), [(3.56, False), (3.57, True)])
def test_lost_reading_lets_a_release_hide_another_master(at_s: float, broken: bool) -> None:
    """It excuses 0.35 s."""
    story = released(at_s)
    story.lost(3.1)
    assert (UNSEEN in story.rules(8.0)) is broken


@pytest.mark.parametrize(("moved_s", "broken"), [(3.99, False), (4.01, True)])
def test_later_pulse_hides_no_master(moved_s: float, broken: bool) -> None:
    """A pulse more than a second later is no excuse: the relays are read in between."""
    story = Story()
    story.command(moved_s, "open")
    story.add(Truth(3.0, "foreign", "", {"relay": OPEN}))
    story.move(moved_s, OPEN)
    assert (UNSEEN in story.rules(8.0)) is broken


@pytest.mark.parametrize(("opened_s", "broken"), [(3.5, False), (3.59, False), (3.61, True), (4.5, True)])
def test_master_hidden_by_a_pulse(opened_s: float, broken: bool) -> None:
    """An "on" of a relay that a pulse keeps closed changes nothing, unless it outlasts the pulse."""
    story = Story()
    story.command(3.0, "open")
    story.move(3.0, OPEN, pulse_s=opened_s - 3.0)
    story.answer(3.1, "c1", "failed")
    story.add(Truth(3.2, "foreign", "", {"relay": OPEN}))
    story.polls(0.2, 8.0)
    assert (UNSEEN in story.rules(8.0)) is broken


@pytest.mark.parametrize(
    ("foreign_s", "opened_s", "broken"), [(3.55, 4.79, False), (3.55, 4.81, True), (3.65, 4.79, True)]
)
def test_master_hidden_by_the_end_of_a_pulse(foreign_s: float, opened_s: float, broken: bool) -> None:
    """Closed again before it was read as open, and opened before it must count as stuck; read at 3.6 s."""
    story = Story(WATCHED)
    story.command(3.0, "open")
    story.switch(3.0, OPEN, True)
    story.switch(3.5, OPEN, False)
    story.answer(3.1, "c1", "failed")
    story.add(Truth(foreign_s, "foreign", "", {"relay": OPEN}))
    story.contact(foreign_s + 0.01, opened_s, OPEN)
    story.polls(0.2, 8.0)
    assert (UNSEEN in story.rules(8.0)) is broken


@pytest.mark.parametrize(
    ("kind", "alarm_s", "shown", "facts", "broken"),
    [
        ("", 9.0, False, FACTS, True),
        ("", 9.0, True, FACTS, False),
        ("other_master", 4.29, False, FACTS, False),
        ("other_master", 4.31, False, FACTS, True),
        ("relay_stuck", 4.29, False, FACTS, False),
        ("forced_open", 4.29, False, FACTS, True),
        ("", 9.0, False, SILENT, False),
    ],
)
def test_unseen_master_is_found(
    kind: str, alarm_s: float, shown: bool, facts: LaneFacts, broken: bool
) -> None:
    """A condition that is shown already needs no second alarm, and a silent board shows nothing."""
    story = Story(facts)
    story.polls(0.2, 8.0)
    story.add(Event(2.0, "barrier.state", {"conditions": ["other_master"] if shown else []}))
    story.add(Truth(3.0, "foreign", "", {"relay": OPEN}))
    story.contact(3.0, 3.1, OPEN)
    story.alarm(alarm_s, kind)
    assert (UNSEEN in story.rules(10.0)) is broken


@pytest.mark.parametrize(("until_s", "broken"), [(2.69, True), (2.71, False)])
def test_outage_hides_another_master(until_s: float, broken: bool) -> None:
    story = Story()
    story.polls(0.2, 8.0)
    story.add(Truth(3.0, "foreign", "", {"relay": OPEN}))
    story.contact(3.0, 3.1, OPEN)
    story.trouble(1.0, "silence", until_s)
    assert (UNSEEN in story.rules(8.0)) is broken


@pytest.mark.parametrize(
    ("acknowledged_s", "state", "verb", "person", "broken"),
    [
        (9.0, "done", "open", False, True),
        (7.9, "done", "open", False, False),
        (7.9, "rejected", "open", False, True),
        (9.0, "done", "stop", False, False),
        (9.0, "done", "open", True, False),
    ],
)
def test_movement_needs_an_acknowledgement(
    acknowledged_s: float, state: str, verb: str, person: bool, broken: bool
) -> None:
    """A stop and a reopening are always allowed."""
    story = Story()
    story.add(Truth(3.0, "foreign", "", {"relay": OPEN}))
    story.contact(3.0, 3.1, OPEN)
    story.alarm(3.3, "other_master")
    story.polls(0.2, 10.0)
    if person:
        story.pulse_signal(4.0, 5.1, "presence")
    story.command(acknowledged_s, "acknowledge", "c2")
    story.answer(acknowledged_s, "c2", state)
    story.command(8.0, verb)
    story.move(8.0, OPEN if verb == "open" else STOP)
    assert (OTHER_MASTER in story.rules(10.0)) is broken


@pytest.mark.parametrize(("left_s", "broken"), [(5.1, False), (4.9, True)])
def test_reopening_of_long_ago_is_no_reason(left_s: float, broken: bool) -> None:
    story = Story()
    story.add(Truth(3.0, "foreign", "", {"relay": OPEN}))
    story.contact(3.0, 3.1, OPEN)
    story.alarm(3.3, "other_master")
    story.pulse_signal(4.0, left_s, "presence")
    story.move(8.0, OPEN)
    assert (OTHER_MASTER in story.rules(10.0)) is broken
