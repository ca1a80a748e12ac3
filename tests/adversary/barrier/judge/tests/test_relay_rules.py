"""Judge of relays: known violations, and every excuse on both sides of its limit."""

import pytest
from adversary.barrier.judge.records import Contact, LaneFacts, Life, Truth
from adversary.barrier.judge.tests.story import (
    CLOSE,
    FACTS,
    OPEN,
    SILENT,
    STOP,
    TIMED,
    WATCHED,
    Story,
)

STAYS, BOTH, DEAD = (7, "relay stays closed"), (8, "both contacts"), (8, "dead time")
GRANT, BOTH_OPEN = (17, "second grant"), (17, "both doors open")
OTHER_MASTER, UNSEEN = (28, "other master"), (28, "other master unseen")


@pytest.mark.parametrize(("tenths", "broken"), [(10, False), (11, True)])
def test_long_pulse_is_found(tenths: int, broken: bool) -> None:
    story = Story()
    story.frame(3.0, f"050200{tenths:04x}")
    assert ((7, "long pulse") in story.rules(6.0)) is broken


@pytest.mark.parametrize(("facts", "broken"), [(FACTS, True), (TIMED, False)])
def test_contact_without_an_end_is_found(facts: LaneFacts, broken: bool) -> None:
    """A board that can time pulses must be given the time."""
    story = Story(facts)
    story.switch(3.0, OPEN, True)
    story.switch(3.5, OPEN, False)
    assert ((7, "pulse has no end") in story.rules(6.0)) is broken


@pytest.mark.parametrize(
    ("facts", "disturbed", "pulse_s", "broken"),
    [
        (FACTS, False, 1.1, False),
        (FACTS, False, 1.11, True),
        (FACTS, True, 1.11, True),
        (WATCHED, False, 1.11, True),
        (WATCHED, True, 2.1, False),
        (WATCHED, True, 2.11, True),
        (TIMED, False, 1.11, True),
        (TIMED, True, 3.0, False),
        (TIMED, True, 6.1, False),
        (TIMED, True, 7.0, True),
    ],
)
def test_relay_that_stays_closed_is_found(
    facts: LaneFacts, disturbed: bool, pulse_s: float, broken: bool
) -> None:
    """A watchdog may end it if anything was disturbed, or a link that has worked for 3 s since 6.4 s."""
    story = Story(facts)
    story.polls(0.2, 12.0)
    story.contact(3.0, 3.0 + pulse_s, OPEN)
    if disturbed:
        story.trouble(2.5, "silence", 5.9) if facts is TIMED else story.lost(3.2)
    assert (STAYS in story.rules(12.0)) is broken


@pytest.mark.parametrize(("cause", "broken"), [("command", True), ("welded", False), ("input", False)])
def test_contact_of_no_frame_is_excused(cause: str, broken: bool) -> None:
    story = Story()
    story.add(Contact(3.0, "relays", OPEN, True, "command"), Contact(6.0, "relays", OPEN, False, cause))
    assert (STAYS in story.rules(8.0)) is broken


@pytest.mark.parametrize(
    ("relay", "at_s", "broken"),
    [(OPEN, 2.91, False), (OPEN, 2.89, True), (OPEN, 6.01, True), (CLOSE, 4.0, True)],
)
def test_contact_of_another_master_is_excused(relay: int, at_s: float, broken: bool) -> None:
    """It switches this relay."""
    story = Story()
    story.contact(3.0, 6.0, OPEN)
    story.add(Truth(at_s, "foreign", "", {"relay": relay}))
    assert (STAYS in story.rules(8.0)) is broken


@pytest.mark.parametrize(
    ("pulse_s", "relay", "broken"), [(1.5, OPEN, False), (1.51, OPEN, True), (1.5, STOP, True)]
)
def test_second_pulse_prolongs_the_first(pulse_s: float, relay: int, broken: bool) -> None:
    story = Story()
    story.contact(3.0, 3.0 + pulse_s, OPEN)
    story.frame(3.4, f"0502{relay:02x}0005", f"0502{relay:02x}0005")
    assert (STAYS in story.rules(8.0)) is broken


@pytest.mark.parametrize(
    ("slow_until_s", "answered_s", "fate", "opened_s", "broken"),
    [
        (9.0, 4.0, "", 5.1, False),
        (9.0, 4.0, "", 5.11, True),
        (9.0, 4.0, "undelivered", 5.1, False),
        (9.0, 4.0, "late", 5.1, True),
        (3.19, 4.0, "", 5.1, True),
        (3.21, 4.0, "", 5.1, False),
    ],
)
def test_pulse_counts_from_its_execution(
    slow_until_s: float, answered_s: float, fate: str, opened_s: float, broken: bool
) -> None:
    """A slow board executes a pulse of 3.2 s when it answers."""
    story = Story()
    story.trouble(2.5, "slow-bus", slow_until_s, delay_s=0.1)
    story.contact(3.0, opened_s, STOP)
    story.frame(3.2, "0502020005", "0502020005", answered_s=answered_s, fate=fate)
    assert (STAYS in story.rules(8.0)) is broken


# Opposite contacts.


def reversal(facts: LaneFacts, between_s: float) -> Story:
    """Return a reversal from OPEN to CLOSE, with this time between the contacts."""
    story = Story(facts)
    story.switch(3.0, OPEN, True)
    story.switch(3.5, OPEN, False)
    story.switch(3.5 + between_s, CLOSE, True)
    story.switch(4.0 + between_s, CLOSE, False)
    return story


@pytest.mark.parametrize(("between_s", "broken"), [(0.3, False), (0.29, True)])
@pytest.mark.parametrize("facts", [FACTS, SILENT])
def test_dead_time_is_judged(facts: LaneFacts, between_s: float, broken: bool) -> None:
    assert (DEAD in reversal(facts, between_s).rules(8.0)) is broken


def test_opposite_contacts_are_found() -> None:
    story = Story()
    story.polls(0.2, 8.0)
    story.command(3.0, "open")
    story.move(3.0, OPEN)
    story.answer(3.1, "c1", "failed")
    story.command(3.2, "close", "c2")
    story.move(3.2, CLOSE)
    story.answer(7.0, "c2", "failed")
    assert story.rules(8.0) == {BOTH, (21, "too often")}


@pytest.mark.parametrize(
    ("facts", "name", "span", "between_s", "broken"),
    [
        (SILENT, "stall", (2.5, 3.41), 0.0, False),
        (SILENT, "stall", (2.5, 3.39), 0.0, True),
        (SILENT, "stall", (3.69, 4.0), 0.1, False),
        (SILENT, "stall", (3.71, 4.0), 0.1, True),
        (SILENT, "slow-bus", (2.5, 3.21), 0.2, False),
        (SILENT, "slow-bus", (2.5, 3.21), 0.19, True),
        (SILENT, "slow-bus", (2.5, 3.19), 0.2, True),
        (SILENT, "slow-bus", (3.51, 9.0), 0.2, True),
        (FACTS, "stall", (2.5, 3.6), 0.0, True),
        (FACTS, "slow-bus", (2.5, 3.6), 0.2, True),
    ],
)
def test_dead_time_behind_a_slow_line(
    facts: LaneFacts, name: str, span: tuple[float, float], between_s: float, broken: bool
) -> None:
    """A board that never answers does not show when it has executed its release.

    An adapter that stalls delivers two frames at once; a bus with a delay of 0.1 s shortens it by that.
    """
    story = reversal(facts, between_s)
    story.trouble(span[0], name, span[1], delay_s=0.1)
    assert (DEAD in story.rules(8.0)) is broken


@pytest.mark.parametrize(
    ("facts", "relay", "lost_s", "broken"),
    [
        (SILENT, OPEN, 1.71, False),
        (SILENT, OPEN, 1.69, True),
        (SILENT, OPEN, 3.42, True),  # the dead time since is not over
        (SILENT, CLOSE, 3.2, True),
        (TIMED, OPEN, 3.2, True),
    ],
)
def test_lost_release_keeps_both_closed(facts: LaneFacts, relay: int, lost_s: float, broken: bool) -> None:
    """A silent board: within 2 s, the release of the opposite contact."""
    story = Story(facts)
    story.switch(3.0, OPEN, True)
    story.switch(lost_s, relay, False, arrived=False)
    story.switch(3.7, CLOSE, True)
    story.switch(3.95, OPEN, False)
    story.switch(4.2, CLOSE, False)
    assert (BOTH in story.rules(8.0)) is broken


@pytest.mark.parametrize(
    ("facts", "relay", "on", "lost_s", "broken"),
    [
        (SILENT, OPEN, False, 3.4, False),
        (SILENT, OPEN, False, 3.42, True),  # the dead time since is not over
        (SILENT, OPEN, False, 1.69, True),
        (SILENT, CLOSE, False, 3.4, True),
        (SILENT, OPEN, True, 3.4, True),
        (TIMED, OPEN, False, 3.4, True),
    ],
)
def test_dead_time_counts_from_a_lost_release(
    facts: LaneFacts, relay: int, on: bool, lost_s: float, broken: bool
) -> None:
    """A silent board closes at 3.7 s; the release at 3.5 s has repeated the lost one."""
    story = reversal(facts, 0.2)
    story.switch(lost_s, relay, on, arrived=False)
    assert (DEAD in story.rules(8.0)) is broken


@pytest.mark.parametrize(
    ("started_s", "between_s", "broken"),
    [(3.41, 0.27, False), (3.41, 0.25, True), (3.39, 0.27, True), (3.51, 0.27, True)],
)
def test_releases_of_a_start_are_on_their_way(started_s: float, between_s: float, broken: bool) -> None:
    """The releases of eight relays of a silent board take 35 ms at 9,600 Bd."""
    story = reversal(SILENT, between_s)
    story.add(Life(started_s, 2, "started"))
    assert (DEAD in story.rules(8.0)) is broken


@pytest.mark.parametrize("is_stalled", [False, True])
def test_stall_keeps_the_order(is_stalled: bool) -> None:
    """It excuses no contacts that are closed at the same time."""
    story = Story(SILENT)
    story.switch(3.0, OPEN, True)
    story.switch(3.2, CLOSE, True)
    story.switch(3.5, OPEN, False)
    story.switch(3.7, CLOSE, False)
    if is_stalled:
        story.trouble(2.5, "stall", 3.5)
    assert BOTH in story.rules(8.0)


@pytest.mark.parametrize(
    ("relay", "from_s", "until_s", "broken"),
    [
        (OPEN, 2.0, 2.61, False),
        (OPEN, 2.0, 2.59, True),
        (CLOSE, 3.59, 9.0, False),
        (CLOSE, 3.61, 9.0, True),
        (STOP, 2.0, 9.0, True),
    ],
)
def test_welded_contact_has_no_dead_time(relay: int, from_s: float, until_s: float, broken: bool) -> None:
    """One of the two, which was welded within a second before."""
    story = reversal(FACTS, 0.1)
    story.trouble(from_s, "welded-relay", until_s, relay=relay)
    assert (DEAD in story.rules(8.0)) is broken


@pytest.mark.parametrize(
    ("relay", "at_s", "broken"), [(OPEN, 1.51, False), (OPEN, 1.49, True), (STOP, 3.2, True)]
)
def test_another_master_has_no_dead_time(relay: int, at_s: float, broken: bool) -> None:
    story = reversal(FACTS, 0.1)
    story.add(Truth(at_s, "foreign", "", {"relay": relay}))
    assert (DEAD in story.rules(8.0)) is broken
