"""Judge of attribution and conditions: known violations, and every excuse on both sides of its limit."""

import pytest
from adversary.barrier.judge.records import Command, Device, Event, RetainedState
from adversary.barrier.judge.tests.story import OPEN, Rule, Story

HIDDEN, NOT_IN_TEXT = (30, "condition hidden"), (30, "not in the text")
TEXT = "The emergency input is active. The key switch at the barrier is turned."


def shown(story: Story, at_s: float, *conditions: str, text: str = TEXT) -> None:
    """Show conditions, and a text."""
    state = {"state": "emergency_open", "conditions": list(conditions), "doors": []}
    story.add(RetainedState(at_s, "barrier.state", state), Device(at_s, "degraded", "emergency", text))


@pytest.mark.parametrize(
    ("conditions", "text", "broken"),
    [
        (["emergency", "key_switch"], TEXT, set()),
        (["emergency"], TEXT, {HIDDEN}),
        (["emergency", "key_switch"], "The emergency input is active.", {NOT_IN_TEXT}),
    ],
)
def test_hidden_condition_is_found(conditions: list[str], text: str, broken: set[Rule]) -> None:
    story = Story()
    story.signal(3.0, "emergency", True)
    story.signal(3.0, "key_switch", True)
    story.polls(0.2, 6.0)
    shown(story, 3.1, *conditions, text=text)
    assert story.rules(6.0) == broken


@pytest.mark.parametrize(
    ("signal", "from_s", "to_s", "broken"),
    [
        ("key_switch", 3.0, 4.1, False),  # judged every half second: at 3.2, 3.7, 4.2, 4.7 s ...
        ("key_switch", 2.9, 4.3, True),
        ("controller_ok", 2.9, 4.3, True),
        ("open_limit", 2.9, 4.3, True),
        ("open_limit", 3.1, 4.3, False),
    ],
)
def test_condition_must_hold(signal: str, from_s: float, to_s: float, broken: bool) -> None:
    """A condition must be shown after 1.2 s; the closed limit is made all the time."""
    story = Story()
    story.signal(from_s, signal, signal != "controller_ok")
    story.signal(to_s, signal, signal == "controller_ok")
    story.polls(0.2, 9.0)
    shown(story, 0.5)
    assert (HIDDEN in story.rules(9.0)) is broken


@pytest.mark.parametrize(("acknowledged_s", "broken"), [(4.6, False), (4.8, True), (9.0, True)])
def test_unacknowledged_emergency_must_be_shown(acknowledged_s: float, broken: bool) -> None:
    """The input goes to rest at 3.5 s, so the emergency must be shown from 4.7 s until it is acknowledged."""
    story = Story()
    story.pulse_signal(2.0, 3.5, "emergency")
    story.polls(0.2, 9.0)
    story.command(acknowledged_s, "acknowledge")
    story.answer(acknowledged_s)
    shown(story, 0.5)
    shown(story, 2.1, "emergency")
    assert (HIDDEN in story.rules(9.0)) is broken


@pytest.mark.parametrize("broken", [True, False])
def test_disturbed_line_shows_nothing(broken: bool) -> None:
    story = Story()
    story.signal(3.0, "key_switch", True)
    story.polls(0.2, 6.0)
    shown(story, 0.5)
    if not broken:
        story.trouble(2.0, "slow-bus", 6.0, delay_s=0.1)
    assert (HIDDEN in story.rules(6.0)) is broken


def test_answer_to_no_command_is_found() -> None:
    story = Story()
    story.answer(3.0, "c9")
    assert story.rules(6.0) == {(20, "answer to no command")}


@pytest.mark.parametrize(
    ("transaction", "door", "permitted", "at_s", "broken"),
    [
        ("t1", "", True, 5.0, False),
        ("t9", "", True, 5.0, True),
        ("t1", "first", True, 5.0, True),
        ("t1", "", True, 2.9, True),
        ("t9", "", False, 5.0, False),
    ],
)
def test_permit_of_no_command_is_found(
    transaction: str, door: str, permitted: bool, at_s: float, broken: bool
) -> None:
    story = Story()
    story.polls(0.2, 6.0)
    story.add(Command(3.0, "c1", "open", {}, "counter-1", 6.0, 1, "t1"))
    story.move(3.0, OPEN)
    story.answer(4.6, "c1", "failed")
    story.add(Event(at_s, "barrier.passage", {"door": door, "permitted": permitted}, transaction))
    assert story.rules(6.0) == ({(20, "permit of no command")} if broken else set())
