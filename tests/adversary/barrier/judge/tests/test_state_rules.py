"""Judge of what is reported: known violations, and every excuse on both sides of its limit."""

from dataclasses import replace

import pytest
from adversary.barrier.judge.records import Answer, Device, LaneFacts, Life, Truth
from adversary.barrier.judge.tests.story import FACTS, OPEN, SILENT, Story

NOT_SENSED = (1, "told, not sensed")
LOST, OLD, SLOW_ANSWER = (18, "loss unnoticed"), (18, "old state stands"), (18, "not refused fast")


def test_state_told_but_not_sensed_is_found() -> None:
    story = Story()
    story.polls(0.2, 9.0)
    story.state(3.0, "open")
    assert story.rules(9.0) == {NOT_SENSED, (1, "told against readings")}


@pytest.mark.parametrize(
    ("left_s", "stale", "broken"), [(2.41, False, False), (2.39, False, True), (2.39, True, False)]
)
def test_state_may_be_of_the_last_reading(left_s: float, stale: bool, broken: bool) -> None:
    """A state that is 0.6 s old must be marked."""
    story = Story()
    story.signal(left_s, "closed_limit", False)
    story.state(3.0, "closed", stale=stale)
    assert (NOT_SENSED in story.rules(9.0)) is broken


@pytest.mark.parametrize(
    ("stall", "left_s", "broken"),
    [
        ((1.0, 1.99), 2.39, True),
        ((1.0, 2.01), 2.39, False),
        ((1.0, 2.5), 0.91, False),
        ((1.0, 2.5), 0.89, True),
    ],
)
def test_stall_makes_a_state_older(stall: tuple[float, float], left_s: float, broken: bool) -> None:
    """The excuse is as long as the stall, and ends a second after it."""
    story = Story()
    story.signal(left_s, "closed_limit", False)
    story.trouble(stall[0], "stall", stall[1])
    story.state(3.0, "closed")
    assert (NOT_SENSED in story.rules(9.0)) is broken


@pytest.mark.parametrize(
    ("frozen", "left_s", "broken"),
    [
        ((1.0, 2.5), 0.91, False),
        ((1.0, 2.5), 0.89, True),
        ((1.0, 1.9), 2.39, True),
        ((1.0, 2.1), 1.31, False),
        ((1.0, 2.1), 1.29, True),
    ],
)
def test_pause_makes_a_state_older(frozen: tuple[float, float], left_s: float, broken: bool) -> None:
    """The excuse is as long as the pause, and ends a second after it."""
    story = Story()
    story.signal(left_s, "closed_limit", False)
    story.add(Life(frozen[0], 1, "frozen"), Life(frozen[1], 1, "thawed"))
    story.state(3.0, "closed")
    assert (NOT_SENSED in story.rules(9.0)) is broken


@pytest.mark.parametrize(("left_s", "broken"), [(2.06, False), (2.04, True)])
def test_lost_answer_makes_a_state_older(left_s: float, broken: bool) -> None:
    """An answer lost within the last second excuses 0.35 s."""
    story = Story()
    story.signal(left_s, "closed_limit", False)
    story.lost(2.5)
    story.state(3.0, "closed")
    assert (NOT_SENSED in story.rules(9.0)) is broken


@pytest.mark.parametrize(("read_s", "broken"), [(2.9, False), (1.9, True)])
def test_state_before_a_reading_is_found(read_s: float, broken: bool) -> None:
    """A reading by an earlier process does not count."""
    story = Story()
    story.add(Life(2.0, 1, "killed"), Life(2.5, 2, "started"))
    story.frame(read_s, "0200000008", "0201f2")
    story.state(3.0, "closed")
    assert ((24, "told before reading") in story.rules(9.0)) is broken


@pytest.mark.parametrize(
    ("verb", "left_s", "state", "broken"),
    [
        ("close", 5.41, "done", False),
        ("close", 5.39, "done", True),
        ("close", 5.39, "failed", False),
        ("stop", 5.39, "done", False),
    ],
)
def test_answer_that_is_not_sensed_is_found(verb: str, left_s: float, state: str, broken: bool) -> None:
    story = Story()
    story.signal(left_s, "closed_limit", False)
    story.command(3.0, verb)
    story.add(Answer(6.0, "c1", state, "", "", {"state": "closed"}))
    assert ((1, "answer, not sensed") in story.rules(9.0)) is broken


@pytest.mark.parametrize(
    ("again_s", "shown", "broken"),
    [(9.0, "closed", True), (4.19, "closed", False), (4.21, "closed", True), (9.0, "opening", False)],
)
def test_state_that_stands_is_found(again_s: float, shown: str, broken: bool) -> None:
    """An old state is permitted for 1.2 s after its limit was left."""
    story = Story()
    story.signal(3.0, "closed_limit", False)
    story.signal(again_s, "closed_limit", True)
    story.retained(0.5, "closed")
    story.retained(4.1, shown)
    story.polls(0.2, 10.0)
    assert ((1, "stands, not sensed") in story.rules(10.0)) is broken


# A lost link.


def lost_link(name: str, until_s: float, facts: LaneFacts = FACTS, **details: object) -> Story:
    """Return a lane whose line is cut since 3.0 s."""
    story = Story(facts)
    story.retained(0.5, "closed")
    story.polls(0.2, 3.0)
    story.trouble(3.0, name, until_s, **details)
    return story


@pytest.mark.parametrize(
    ("name", "until_s", "facts", "details", "broken"),
    [
        ("silence", 6.31, FACTS, {}, True),
        ("silence", 6.29, FACTS, {}, False),
        ("unplug", 9.0, FACTS, {}, True),
        ("power-cut", 9.0, FACTS, {"of": "boards"}, True),
        ("power-cut", 9.0, FACTS, {"of": "controllers"}, False),
        ("stall", 9.0, FACTS, {}, False),
        ("silence", 9.0, SILENT, {"on_inputs": False}, False),
        ("silence", 9.0, SILENT, {"on_inputs": True}, True),
        ("unplug", 9.0, SILENT, {"on_inputs": False}, True),
    ],
)
def test_unnoticed_loss_is_found(
    name: str, until_s: float, facts: LaneFacts, details: dict[str, object], broken: bool
) -> None:
    """A line that is cut must be noticed within 3.3 s. Nothing shows that a silent board receives nothing."""
    found = lost_link(name, until_s, facts, **details).rules(12.0)
    assert (LOST in found) is broken
    assert (OLD in found) is broken


@pytest.mark.parametrize(
    ("what", "at_s", "broken"),
    [
        ("killed", 5.99, False),
        ("killed", 6.01, True),
        ("started", 2.51, False),
        ("started", 2.49, True),
    ],
)
def test_other_process_need_not_notice(what: str, at_s: float, broken: bool) -> None:
    story = lost_link("silence", 9.0)
    if what == "started":
        story.add(Life(1.0, 1, "ended"), Life(at_s, 2, "started"), Device(at_s + 0.2, "online"))
    else:
        story.add(Life(at_s, 1, "killed"))
    assert (LOST in story.rules(12.0)) is broken


@pytest.mark.parametrize(
    ("device_s", "stale_s", "broken"),
    [
        (5.99, 5.99, set()),
        (6.01, 5.99, {LOST}),
        (5.99, 6.01, {OLD}),
    ],
)
def test_loss_is_shown_within_three_seconds(
    device_s: float, stale_s: float, broken: set[tuple[int, str]]
) -> None:
    story = lost_link("silence", 9.0)
    story.add(Device(device_s, "offline"))
    story.retained(stale_s, "closed", stale=True)
    assert story.rules(12.0) & {LOST, OLD} == broken


@pytest.mark.parametrize(
    ("at_s", "answered_s", "broken"),
    [
        (6.5, 7.19, False),
        (6.5, 7.21, True),
        (5.9, 7.9, False),
        (8.1, 9.9, False),
    ],
)
def test_command_that_waits_is_found(at_s: float, answered_s: float, broken: bool) -> None:
    """A command is refused from 3 s after the loss until a second before its end."""
    story = lost_link("silence", 9.0)
    story.add(Device(5.5, "offline"))
    story.command(at_s, "open")
    story.answer(answered_s, "c1", "rejected")
    assert (SLOW_ANSWER in story.rules(12.0)) is broken


def test_dead_process_refuses_nothing() -> None:
    story = lost_link("silence", 12.0)
    story.add(Device(5.5, "offline"), Life(6.8, 1, "killed"))
    story.command(6.5, "open")
    assert SLOW_ANSWER not in story.rules(12.0)


# Open for too long, tailgating, forced opening.


@pytest.mark.parametrize(
    ("change", "broken"),
    [
        ("", True),
        ("alarm 12.4", False),
        ("alarm 12.6", True),
        ("emergency 0.9", True),
        ("emergency 1.5", False),
        ("emergency 12.5", True),
        ("key_switch 11.9", False),
        ("key_switch 12.5", True),
        ("lease 0", True),
        ("lease 9", False),
        ("rejected lease 9", True),
        ("acknowledge", True),
        ("closed 12.4", False),
        ("closed 12.6", True),
    ],
)
def test_open_for_too_long_is_found(change: str, broken: bool) -> None:
    """It must be reported within 1.5 s after 10 s. A lease in effect, the key and an emergency excuse it."""
    story = Story(replace(FACTS, max_open_s=10.0))
    story.opened(1.0)
    what, _, value = change.rpartition(" ")
    match what:
        case "alarm":
            story.alarm(float(value), "open_too_long")
        case "emergency" | "key_switch":
            story.pulse_signal(float(value) - 0.4, float(value), what)
        case "lease" | "rejected lease":
            story.command(0.2, "maintenance", duration_s=float(value))
            story.answer(0.3, "c1", "rejected" if what.startswith("rejected") else "done")
        case "closed":
            story.signal(float(value), "open_limit", False)
    if change == "acknowledge":
        story.command(5.0, "acknowledge")
        story.answer(5.1)
    story.polls(0.2, 14.0)
    assert ((15, "open too long") in story.rules(14.0)) is broken


def passages(second_s: float = 18.0, *, alarm_s: float = 29.0, wrong_way: bool = False) -> Story:
    """Return a boom that is opened at 13 s, and passed at 16 s and a second time."""
    story = Story()
    story.command(13.0, "open")
    story.move(13.0, OPEN)
    for at_s in (16.0, second_s):
        story.add(Truth(at_s, "passage", "", {"wrong_way": wrong_way}))
    story.alarm(alarm_s, "tailgating")
    return story


@pytest.mark.parametrize(
    ("second_s", "alarm_s", "broken"),
    [
        (18.0, 29.0, True),
        (18.0, 19.9, False),
        (18.0, 20.1, True),
        (18.0, 15.1, False),
        (18.0, 14.9, True),
        (16.9, 29.0, False),
        (17.1, 29.0, True),
    ],
)
def test_tailgating_is_found(second_s: float, alarm_s: float, broken: bool) -> None:
    """It must be reported within 2 s; two passages in less than a second are one."""
    story = passages(second_s, alarm_s=alarm_s)
    story.polls(0.2, 24.0)
    assert ((16, "tailgating") in story.rules(30.0)) is broken


@pytest.mark.parametrize(
    ("change", "broken"),
    [
        ("", True),
        ("open 15", False),
        ("open 17", False),
        ("wrong way", False),
        ("person 7.9", True),
        ("person 8.1", False),
        ("emergency 12.9", True),
        ("emergency 17", False),
        ("key_switch 12.9", True),
        ("key_switch 17", False),
    ],
)
def test_second_passage_may_have_a_reason(change: str, broken: bool) -> None:
    """Excuses: a second opening, the other direction, a person since 5 s before it opened, local control."""
    story = passages(wrong_way=change == "wrong way")
    what, _, value = change.rpartition(" ")
    match what:
        case "open":
            story.command(float(value), "open", "c2")
            story.move(float(value), OPEN)
        case "person":
            story.add(Truth(float(value), "person", "", {"present": True}))
        case "emergency" | "key_switch":
            story.pulse_signal(float(value) - 0.2, float(value), what)
    story.polls(0.2, 24.0)
    assert ((16, "tailgating") in story.rules(30.0)) is broken


@pytest.mark.parametrize(
    ("change", "broken"),
    [
        ("", True),
        ("alarm 9.29", False),
        ("alarm 9.31", True),
        ("alarm 7.99", True),
        ("open -5.49", False),
        ("open -5.51", True),
        ("open 8.04", False),
        ("open 8.06", True),
        ("emergency 7.5", False),
        ("key_switch 9.2", False),
        ("key_switch 9.8", True),
        ("lease 6", False),
        ("lease 3", True),
        ("rejected lease 6", True),
        ("controller 6.9", True),
        ("controller 7.5", False),
        ("back 8.59", False),
        ("back 8.61", True),
        ("flicker 7.1", False),
        ("flicker 6.9", True),
    ],
)
def test_forced_opening_is_found(change: str, broken: bool) -> None:
    """The boom was closed for a second, has left at 8.0 s, and is away for 0.6 s."""
    story = Story()
    what, _, value = change.rpartition(" ")
    shift_s = 12.0 if what == "open" else 0.0  # so that the opening comes after the start
    left_s = 8.0 + shift_s
    story.signal(left_s, "closed_limit", False)
    match what:
        case "alarm":
            story.alarm(float(value), "forced_open")
        case "open":
            story.command(float(value) + shift_s, "open")
            story.move(float(value) + shift_s, OPEN)
        case "emergency" | "key_switch":
            story.pulse_signal(float(value) - 0.4, float(value), what)
        case "lease" | "rejected lease":
            story.command(3.0, "maintenance", duration_s=float(value))
            story.answer(3.1, "c1", "rejected" if what.startswith("rejected") else "done")
        case "controller":
            story.signal(float(value) - 0.4, "controller_ok", False)
            story.signal(float(value), "controller_ok", True)
        case "back":
            story.signal(float(value), "closed_limit", True)
        case "flicker":
            story.signal(float(value) - 0.1, "closed_limit", False)
            story.signal(float(value), "closed_limit", True)
    story.polls(0.2, 24.0)
    if what == "flicker":  # it is forced, too
        story.alarm(float(value), "forced_open")
        story.alarm(float(value) - 0.1, "forced_open")
    assert ((22, "forced open") in story.rules(24.0)) is broken


@pytest.mark.parametrize(("acknowledged_s", "broken"), [(9.0, False), (6.0, True)])
def test_forced_opening_after_an_emergency(acknowledged_s: float, broken: bool) -> None:
    """It need not be reported before the emergency was acknowledged."""
    story = Story()
    story.pulse_signal(3.0, 4.0, "emergency")
    story.signal(8.0, "closed_limit", False)
    story.polls(0.2, 12.0)
    story.command(acknowledged_s, "acknowledge")
    story.answer(acknowledged_s)
    assert ((22, "forced open") in story.rules(12.0)) is broken


@pytest.mark.parametrize("name", ["key_switch", "emergency"])
@pytest.mark.parametrize(
    ("state", "from_s", "until_s", "broken"),
    [
        ("stopped", 3.0, 4.25, True),
        ("stopped", 3.0, 4.15, False),
        ("stopped", 1.0, 2.0, False),  # over before it was stopped
        ("unknown", 3.0, 9.0, False),
    ],
)
def test_door_shown_at_rest_that_something_may_move_is_found(
    state: str, from_s: float, until_s: float, broken: bool, name: str
) -> None:
    story = Story()
    story.polls(0.2, 9.0)
    story.pulse_signal(from_s, until_s, name)
    story.retained(2.5, state)
    assert ((1, "stopped, not sensed") in story.rules(9.0)) is broken


def test_lost_frame_delays_what_is_shown_after_a_stop() -> None:
    story = Story()
    story.signal(3.0, "key_switch", True)
    story.retained(2.5, "stopped")
    for n in range(12):
        story.lost(3.0 + 0.5 * n)
    assert (1, "stopped, not sensed") not in story.rules(9.0)
