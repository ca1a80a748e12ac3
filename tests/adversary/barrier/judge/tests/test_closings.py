"""Judge of closings: which are this gateway's, and what hides one, on both sides of each limit."""

import pytest
from adversary.barrier.judge.records import Event, Truth
from adversary.barrier.judge.tests.story import (
    CLOSE,
    NUMATO,
    OPEN,
    STOP,
    Rule,
    Story,
    closing_on_a_person,
    reopened,
)

LATE, NOT_REOPENED = (10, "reopening is late"), (10, "not reopened")
LATE_AGAIN = (10, "reopening is late again")


@pytest.mark.parametrize(
    ("fault", "until_s", "reopened_s", "broken"),
    [
        ("stuck-boom", 4.4, 4.81, False),
        ("stuck-boom", 4.4, 4.83, True),
        ("stuck-boom", 4.1, 4.81, True),  # free for longer than it takes to leave the limit
        ("lift", 4.4, 4.81, True),
    ],
)
def test_boom_that_is_stuck_open_closes_on_nobody(
    fault: str, until_s: float, reopened_s: float, broken: bool
) -> None:
    """It leaves its open limit at 4.5 s."""
    story = closing_on_a_person()
    story.pulse_signal(3.11, 4.5, "open_limit")
    for at_s, active in ((1.0, True), (4.5, False)):
        story.add(Truth(at_s, "signal", "", {"signal": "open-limit", "active": active}))
    story.trouble(3.0, fault, until_s, door="")
    assert (LATE in reopened(story, reopened_s)) is broken


@pytest.mark.parametrize(
    ("until_s", "broken"),
    [
        (5.1, False),
        (4.9, False),  # it takes 0.3 s to leave the limit
        (4.6, True),
    ],
)
def test_boom_that_was_stuck_open_until_it_opens_closes_on_nobody(until_s: float, broken: bool) -> None:
    """It is at its open limit until its motor opens it, at 5.0 s, and long after."""
    story = closing_on_a_person()
    story.signal(3.11, "open_limit", True)
    story.add(Truth(1.0, "signal", "", {"signal": "open-limit", "active": True}))
    story.add(Truth(8.5, "signal", "", {"signal": "open-limit", "active": False}))
    story.trouble(3.0, "stuck-boom", until_s, door="")
    assert (LATE in reopened(story, 5.0)) is broken


def motor_at_the_closed_end(*truth: tuple[float, bool]) -> Story:
    """Return a boom whose motor closes it at its closed end; `truth`: when it has reached and left that."""
    story = closing_on_a_person()
    for at_s, active in truth:
        story.add(Truth(at_s, "signal", "", {"signal": "closed-limit", "active": active}))
    return story


@pytest.mark.parametrize(
    ("truth", "broken"),
    [
        ([(2.0, True)], False),
        ([(2.0, True), (4.35, False)], False),
        ([(2.0, True), (4.25, False)], True),
        ([(2.0, True), (2.9, False)], True),
        ([(3.1, True)], True),
    ],
)
def test_boom_at_its_closed_end_closes_on_nobody(truth: list[tuple[float, bool]], broken: bool) -> None:
    """The wire of its closed limit is cut, so that it shows it between its ends."""
    assert (NOT_REOPENED in reopened(motor_at_the_closed_end(*truth), None)) is broken


@pytest.mark.parametrize(("truth", "broken"), [([(2.0, True)], False), ([(2.0, True), (3.5, False)], True)])
def test_alarm_needs_a_door_away_from_its_closed_end(truth: list[tuple[float, bool]], broken: bool) -> None:
    story = motor_at_the_closed_end(*truth)
    story.records = [one for one in story.records if not isinstance(one, Event)]
    story.move(4.2, OPEN)
    story.polls(0.2, 9.0)
    assert ((10, "no alarm") in story.rules(9.5)) is broken


@pytest.mark.parametrize(
    ("from_s", "until_s", "broken"), [(3.5, 3.99, True), (3.5, 4.01, False), (4.01, 9.0, True)]
)
def test_shorted_open_limit_hides_a_closing(from_s: float, until_s: float, broken: bool) -> None:
    story = closing_on_a_person()
    story.signal(3.2, "open_limit", True)
    story.trouble(from_s, "shorted-wire", until_s, signal="open-limit")
    assert (NOT_REOPENED in reopened(story, None)) is broken


@pytest.mark.parametrize(
    ("made_s", "until_s", "broken"),
    [(3.35, 5.0, False), (3.45, 5.0, True), (3.35, 3.99, True)],
)
def test_shorted_closed_limit_hides_a_closing(made_s: float, until_s: float, broken: bool) -> None:
    """Once it is steady: a limit that flickers ends no guard. It is read at 3.4 s and 4.0 s."""
    story = closing_on_a_person()
    story.signal(made_s, "closed_limit", True)
    story.trouble(made_s, "shorted-wire", until_s, signal="closed-limit")
    assert (NOT_REOPENED in reopened(story, None)) is broken


@pytest.mark.parametrize(
    ("every_s", "made_s", "broken"),
    [
        (0.1, 3.45, False),  # read at 3.5 s, and steady at 4.0 s: trial 52073 at wirenboard-tcp
        (0.1, 3.55, True),
        (0.15, 3.45, False),  # at 3.5 s and at 4.1 s
        (0.15, 3.55, True),  # at 3.65 s
    ],
)
def test_readings_decide_when_a_shorted_closed_limit_is_steady(
    every_s: float, made_s: float, broken: bool
) -> None:
    story = closing_on_a_person()
    story.signal(made_s, "closed_limit", True)
    story.trouble(made_s, "shorted-wire", 9.0, signal="closed-limit")
    story.add(Truth(5.5, "rest", "", {"position": 0.0}))
    story.polls(0.2, 9.0, every_s)
    assert (NOT_REOPENED in story.rules(9.0)) is broken


@pytest.mark.parametrize(("made_s", "broken"), [(3.35, False), (3.55, True)])
def test_closed_limit_is_steady_by_readings_of_one_input(made_s: float, broken: bool) -> None:
    """They are read one by one, every 0.2 s: trial 53905 at numato, theme `sensors`."""
    story = closing_on_a_person(NUMATO)
    story.signal(made_s, "closed_limit", True)
    story.trouble(made_s, "shorted-wire", 9.0, signal="closed-limit")
    for n in range(40):
        for channel in range(8):
            at_s = 0.2 + 0.2 * n + 0.01 * channel
            active = {0: 1.0 <= at_s < 3.1, 1: at_s >= made_s, 4: at_s < 4.0}.get(channel, False)
            line = f"gpio read {channel}\r".encode()
            story.frame(at_s, line, line + b"\n%d\r\n>" % active)
    assert (NOT_REOPENED in reopened(story, None)) is broken


@pytest.mark.parametrize(
    ("present_s", "reopened_s", "broken"),
    [
        (3.45, 3.62, False),  # its open limit, made at 3.42 s, is asked for at 3.4 s, its presence at 3.48 s
        (3.45, 4.62, True),  # read as open twice since
        (3.65, 3.72, True),  # present after it was read as open
    ],
)
def test_reopening_follows_readings_of_one_input(present_s: float, reopened_s: float, broken: bool) -> None:
    """A person comes when the boom is open, and is read before that is: trial 54049 at numato."""
    story = Story(NUMATO)
    story.signal(0.1, "closed_limit", False)
    story.signal(3.42, "open_limit", True)
    story.signal(present_s, "presence", True)
    for n in range(30):
        for channel in range(8):
            at_s = 0.2 + 0.2 * n + 0.02 * channel
            active = {0: at_s >= 3.42, 4: at_s < present_s}.get(channel, channel > 4)
            line = f"gpio read {channel}\r".encode()
            story.frame(at_s, line, line + b"\n%d\r\n>" % active)
    story.switch(reopened_s, OPEN, True)
    story.switch(reopened_s + 0.5, OPEN, False)
    assert ((6, "moves unasked") in story.rules(6.0)) is broken


@pytest.mark.parametrize(("connection", "broken"), [(1, True), (2, False)])
def test_first_reading_of_a_connection_is_steady(connection: int, broken: bool) -> None:
    """The closed limit is read made at 3.8 s and at 4.0 s, maybe on a new connection."""
    story = closing_on_a_person()
    story.signal(3.7, "closed_limit", True)
    story.trouble(3.7, "shorted-wire", 9.0, signal="closed-limit")
    story.add(Truth(5.5, "rest", "", {"position": 0.0}))
    story.polls(0.2, 3.7)
    story.polls(3.8, 9.0, connection=connection)
    assert (NOT_REOPENED in story.rules(9.0)) is broken


@pytest.mark.parametrize("control", ["", "maintenance"])
@pytest.mark.parametrize("limit", ["open", "closed"])
@pytest.mark.parametrize(("reopened_s", "broken"), [(4.81, set()), (4.83, {LATE}), (None, {NOT_REOPENED})])
def test_closing_that_a_wire_shows_again_is_judged(
    reopened_s: float | None, broken: set[Rule], limit: str, control: str
) -> None:
    """Its wire is shorted from 3.2 s to 4.5 s, with somebody in the way since 4.0 s, and maybe a lease."""
    story = closing_on_a_person()
    story.pulse_signal(3.2, 4.5, f"{limit}_limit")
    story.trouble(3.2, "shorted-wire", 4.5, signal=f"{limit}-limit")
    if control:
        story.command(3.4, control, "c2", duration_s=60.0)
        story.answer(3.45, "c2")
    assert reopened(story, reopened_s) & {LATE, NOT_REOPENED} == broken


@pytest.mark.parametrize(("left_s", "broken"), [(3.45, True), (3.35, False)])
def test_shorted_limit_beside_the_other_hides_nothing(left_s: float, broken: bool) -> None:
    """A door that is shown at both ends is at none of them. It is read at 3.4 s and at 3.6 s."""
    story = closing_on_a_person()
    story.pulse_signal(3.11, left_s, "open_limit")
    story.signal(3.11, "closed_limit", True)
    story.trouble(3.11, "shorted-wire", 9.0, signal="closed-limit")
    assert (NOT_REOPENED in reopened(story, None)) is broken


@pytest.mark.parametrize(
    ("from_s", "until_s", "broken"), [(3.0, 4.35, False), (3.1, 4.35, True), (3.0, 4.25, True)]
)
def test_door_at_its_closed_end_is_not_judged(from_s: float, until_s: float, broken: bool) -> None:
    """A closing was commanded there since 3.05 s."""
    story = closing_on_a_person()
    story.pulse_signal(from_s, until_s, "closed_limit")
    assert (NOT_REOPENED in reopened(story, None)) is broken


@pytest.mark.parametrize(
    ("signal", "again_s", "until_s", "broken"),
    [
        ("closed-limit", 3.95, 4.35, False),
        ("closed-limit", 3.97, 4.35, True),  # longer than a flicker
        ("closed-limit", 3.95, 4.25, True),
        ("open-limit", 3.95, 4.35, True),
    ],
)
def test_flicker_of_a_closed_end_is_not_judged(
    signal: str, again_s: float, until_s: float, broken: bool
) -> None:
    """Its wire flickers from 3.5 s on."""
    story = closing_on_a_person()
    story.pulse_signal(3.0, 3.5, "closed_limit")
    story.pulse_signal(again_s, until_s, "closed_limit")
    story.trouble(3.5, "flicker", 3.8, signal=signal)
    assert (NOT_REOPENED in reopened(story, None)) is broken


@pytest.mark.parametrize(
    ("signal", "until_s", "broken"),
    [
        ("open-limit", 4.35, False),
        ("open-limit", 4.25, True),
        ("closed-limit", 4.35, True),
    ],
)
def test_other_wire_hides_nothing(signal: str, until_s: float, broken: bool) -> None:
    """The wire of the open limit, for as long as a reading and its reaction take; then the way is free."""
    story = closing_on_a_person(left_s=4.7)
    story.pulse_signal(3.2, until_s, "open_limit")
    story.trouble(3.5, "shorted-wire", 9.0, signal=signal)
    assert (NOT_REOPENED in reopened(story, None)) is broken


@pytest.mark.parametrize(
    ("by", "moved_s", "broken"),
    [
        ("motor", 4.99, True),
        ("motor", 5.01, False),
        ("hand", 4.0, False),
    ],
)
def test_closing_of_this_gateway_is_judged(by: str, moved_s: float, broken: bool) -> None:
    """A closing is the gateway's if the motor begins it within 2 s of the frame."""
    story = Story()
    story.opened()
    story.move(3.0, CLOSE)
    story.motion(moved_s, "closing", by=by)
    story.signal(moved_s + 0.1, "open_limit", False)
    story.signal(moved_s + 1.0, "presence", True)
    story.polls(0.2, 9.0)
    assert (NOT_REOPENED in story.rules(9.0)) is broken


@pytest.mark.parametrize(
    ("opened_s", "closed_s", "fault", "broken"),
    [
        (4.1, None, "", False),
        (None, None, "", True),
        (4.1, 4.69, "", True),
        (4.1, 4.71, "", False),
        (4.1, 4.69, "welded-relay", False),
    ],
)
def test_closing_by_hand_after_a_reopening_is_not_judged(
    opened_s: float | None, closed_s: float | None, fault: str, broken: bool
) -> None:
    """The frame of the closing before is not its cause, unless its contact is closed at 4.7 s."""
    story = closing_on_a_person()
    if closed_s is not None:
        story.contact(closed_s, 4.9, CLOSE)
    if fault:
        story.trouble(4.6, fault, 4.9, relay=CLOSE)
    if opened_s is not None:
        story.move(opened_s, OPEN)
        story.motion(opened_s + 0.05, "opening")
        story.motion(4.7, "closing")
    assert bool({LATE, LATE_AGAIN} & reopened(story, 6.0)) is broken


@pytest.mark.parametrize(
    ("from_s", "stopped_s", "closed_s", "broken"),
    [
        (4.0, 4.06, None, False),
        (4.0, 4.04, None, True),  # too short for a machine to notice
        (2.9, 2.96, None, True),
        (4.0, 4.06, 4.69, True),
    ],
)
def test_closing_by_hand_after_a_stop_is_not_judged(
    from_s: float, stopped_s: float, closed_s: float | None, broken: bool
) -> None:
    """The door was told to close at 3.0 s, and closes at 4.7 s: its contact is open then, unless said."""
    story = Story()
    story.opened()
    story.command(3.0, "close")
    story.move(3.0, CLOSE)
    story.signal(3.1, "open_limit", False)
    story.contact(from_s, stopped_s, STOP)
    if closed_s is not None:
        story.contact(closed_s, 4.9, CLOSE)
    story.motion(4.7, "closing")
    story.signal(4.9, "presence", True)
    story.add(Truth(6.5, "rest", "", {"position": 0.0}))
    story.polls(0.2, 9.0)
    assert (NOT_REOPENED in story.rules(9.0)) is broken


@pytest.mark.parametrize(("fault", "broken"), [("chatter", False), ("stuck-boom", True)])
def test_limit_that_chatters_hides_a_closing(fault: str, broken: bool) -> None:
    """The excuse needs readings that all find the limit made, until the way is free."""
    story = closing_on_a_person(left_s=4.7)
    story.pulse_signal(3.15, 3.7, "closed_limit")
    story.pulse_signal(3.75, 4.5, "closed_limit")
    story.polls(0.2, 9.0)
    story.trouble(3.1, fault, 5.0, signal="closed-limit")
    assert (NOT_REOPENED in reopened(story, None)) is broken


@pytest.mark.parametrize(
    ("foreign_s", "ended_s", "broken"),
    [(3.60, 3.55, False), (3.60, 3.65, True), (3.72, 3.55, True), (2.99, 2.9, True)],
)
def test_closing_by_another_master_is_not_judged(foreign_s: float, ended_s: float, broken: bool) -> None:
    """It has closed the contact after the frame's own pulse, and before the door moves at 3.7 s."""
    story = Story()
    story.opened()
    story.command(3.0, "close")
    story.move(3.0, CLOSE, pulse_s=ended_s - 3.0 if ended_s > 3.0 else 0.5)
    story.add(Truth(foreign_s, "foreign", "", {"relay": CLOSE}))
    story.contact(max(foreign_s, ended_s), 4.8, CLOSE)
    story.motion(3.7, "closing")
    story.signal(3.8, "open_limit", False)
    story.signal(4.5, "presence", True)
    assert (NOT_REOPENED in reopened(story, None)) is broken
