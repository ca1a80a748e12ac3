"""Grant of one opening, alone: what begins it, what it explains, and what ends it."""

import pytest

from drivers.barrier.control.doors.opening_grant import CONFIRM_S, OpeningGrant
from drivers.barrier.observations import MovementState

CLOSED, OPENING, OPEN = MovementState.CLOSED, MovementState.OPENING, MovementState.OPEN


class GrantFixture:
    """A grant of a door that has been closed for long."""

    def __init__(self) -> None:
        self.grant = OpeningGrant(open_timeout_s=6)
        self.reads(0, CLOSED)
        self.reads(9, CLOSED)

    def reads(self, now_s: float, state: MovementState, *, is_stop_proven: bool = False) -> None:
        self.grant.on_state(state, now_s, is_stop_proven=is_stop_proven)

    def opened(self) -> None:
        """Open on a command; it is closed again at 20 s."""
        self.grant.on_command(10)
        self.reads(11, OPENING)
        self.reads(12, OPEN)
        self.reads(20, CLOSED)


@pytest.fixture
def door() -> GrantFixture:
    return GrantFixture()


def test_closed_door_needs_no_grant(door: GrantFixture) -> None:
    assert not door.grant.is_held(9)
    assert not door.grant.explains_opening(9)


def test_grant_waits_for_a_late_start(door: GrantFixture) -> None:
    door.grant.on_command(10)
    for now_s in (11, 60, 600):
        door.reads(now_s, CLOSED)
        assert door.grant.is_held(now_s)


def test_grant_ends_when_closed_again(door: GrantFixture) -> None:
    """It needs no command to close: a machine may close by itself."""
    door.opened()
    door.reads(20 + CONFIRM_S - 0.01, CLOSED)
    assert door.grant.is_held(20 + CONFIRM_S - 0.01), "the limit switch may only flicker"
    door.reads(20 + CONFIRM_S, CLOSED)
    assert not door.grant.is_held(20 + CONFIRM_S)


def test_long_opening_counts_as_open(door: GrantFixture) -> None:
    door.grant.on_command(10)
    for now_s, state in ((11.0, OPENING), (11.5, OPENING), (20.0, CLOSED), (20.5, CLOSED)):
        door.reads(now_s, state)
    assert not door.grant.is_held(20.5)


def test_flicker_is_no_opening(door: GrantFixture) -> None:
    door.grant.on_command(10)
    for now_s, state in ((11.0, OPENING), (11.4, CLOSED), (12.0, CLOSED)):
        door.reads(now_s, state)
    assert door.grant.is_held(12)


def test_next_command_begins_anew(door: GrantFixture) -> None:
    door.opened()
    door.grant.on_command(20.1)
    door.reads(21, CLOSED)
    assert door.grant.is_held(21)


@pytest.mark.parametrize(
    ("by_contact", "is_proven", "held"), [(True, True, False), (False, True, True), (True, False, True)]
)
def test_proven_stop_by_contact_ends_it(
    door: GrantFixture, by_contact: bool, is_proven: bool, held: bool
) -> None:
    """Opening the relays cancels no opening that the machine has stored."""
    door.grant.on_command(10)
    door.grant.on_stop_acknowledged(by_contact=by_contact)
    door.reads(11, CLOSED, is_stop_proven=is_proven)
    assert door.grant.is_held(11) is held
    door.grant.on_command(12)
    door.reads(13, CLOSED, is_stop_proven=True)
    assert door.grant.is_held(13), "that stop was before this command"


def test_stop_of_an_open_door_ends_nothing(door: GrantFixture) -> None:
    door.grant.on_command(10)
    door.grant.on_stop_acknowledged(by_contact=True)
    door.reads(11, OPENING, is_stop_proven=True)
    assert door.grant.is_held(11)


@pytest.mark.parametrize("was_given", [False, True])
def test_refused_command_leaves_what_was(door: GrantFixture, was_given: bool) -> None:
    if was_given:
        door.grant.on_command(9.5)
    door.grant.on_command(10)
    assert door.grant.explains_opening(10)
    door.grant.on_rejected()
    assert door.grant.is_held(10) is was_given
    assert not door.grant.explains_opening(10)


def test_command_to_close_ends_it(door: GrantFixture) -> None:
    door.grant.on_command(10)
    door.grant.on_closed_by_command()
    assert not door.grant.is_held(11)


@pytest.mark.parametrize(("state", "held"), [(CLOSED, False), (OPENING, True), (OPEN, True)])
def test_person_ends_it_at_a_closed_door(door: GrantFixture, state: MovementState, held: bool) -> None:
    door.grant.on_command(10)
    door.reads(11, state)
    door.grant.on_acknowledged()
    assert door.grant.is_held(20) is held


def test_one_command_explains_one_opening(door: GrantFixture) -> None:
    door.grant.on_command(10)
    assert door.grant.explains_opening(100), "it may have opened since the last reading, at 9 s"
    door.reads(16, CLOSED)
    assert door.grant.explains_opening(16.1)
    door.reads(16.1, CLOSED)
    assert not door.grant.explains_opening(16.2)
    door.grant.on_command(17)
    door.reads(18, OPEN)
    assert not door.grant.explains_opening(18)


def test_door_found_at_the_start_is_no_flicker() -> None:
    grant = OpeningGrant(open_timeout_s=6)
    assert not grant.is_held(0)
    assert not grant.explains_opening(0)
    grant.on_command(0)
    assert grant.explains_opening(6)
    assert not grant.explains_opening(6.1)
    grant.on_rejected()
    grant.on_state(CLOSED, 1, is_stop_proven=False)
    assert not grant.is_held(1)
    grant.on_state(OPENING, 2, is_stop_proven=False)
    grant.on_state(CLOSED, 3, is_stop_proven=False)
    assert grant.is_held(3.4)
    assert not grant.is_held(3.5)
