"""The machine: motion with inertia, the controller's actions, vehicles; in manual time."""

import itertools
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sim_barrier_fixture import Rig

from simulators.barrier.mechanics.barrier import MechanicsSettings
from simulators.barrier.mechanics.boom import Boom, BoomSettings
from simulators.barrier.mechanics.lane import E_GATE, DriverBehaviour, LaneSettings
from simulators.barrier.mechanics.motion import Motion, braking_motion, constant_speed_motion, motion_to_goal
from simulators.barrier.modbus_site import ModbusSettings, WaveshareSettings
from simulators.barrier.timeline import ManualClock
from simulators.errors import SimulatorError

BRIEFLY = settings(max_examples=60)
SHARE = st.floats(0, 1)


def sampled(motion: Motion, until_s: float, steps: int = 400) -> list[tuple[float, float]]:
    return [motion.at(until_s * step / steps) for step in range(steps + 1)]


# Motion


@BRIEFLY
@given(x=SHARE, v=st.floats(-0.7, 0.7), goal=SHARE, top=st.floats(0.7, 2), acceleration=st.floats(0.5, 10))
def test_travel_ends_at_goal_without_jump(
    x: float, v: float, goal: float, top: float, acceleration: float
) -> None:
    motion = motion_to_goal(x, v, goal, top, acceleration, 0.0)
    end_x, end_v = motion.at(motion.end_s)
    assert end_x == pytest.approx(goal, abs=1e-6)
    assert end_v == 0
    points = sampled(motion, motion.end_s + 0.1)
    step_s = (motion.end_s + 0.1) / 400
    for (before, _), (after, speed) in itertools.pairwise(points):
        assert abs(speed) <= top + 1e-6
        assert abs(after - before) <= top * step_s + 1e-6


@BRIEFLY
@given(x=SHARE, v=st.floats(-0.7, 0.7), goal=SHARE, point=SHARE, after_s=st.floats(0, 2))
def test_passing_time_of_point_is_exact(
    x: float, v: float, goal: float, point: float, after_s: float
) -> None:
    motion = motion_to_goal(x, v, goal, 0.8, 2.0, 0.0)
    when_s = motion.passes([point], after_s)
    last_s = when_s if when_s is not None else motion.end_s + 1
    if when_s is not None:
        assert when_s > after_s
        assert motion.at(when_s)[0] == pytest.approx(point, abs=1e-6)
    sides = {
        math.copysign(1, motion.at(t)[0] - point)
        for t in (after_s + (last_s - after_s) * n / 200 for n in range(1, 200))
        if abs(motion.at(t)[0] - point) > 1e-6
    }
    assert len(sides) <= 1


def test_motion_without_inertia_and_braking() -> None:
    there = constant_speed_motion(2.0, -1.0, 1.5, 10.0)
    assert (there.at(11.0), there.at(12.0), there.at(99.0)) == ((0.5, -1.5), (-1.0, 0.0), (-1.0, 0.0))
    stopping = braking_motion(0.0, 2.0, 4.0, 0.0)
    assert (stopping.at(0.5), stopping.at(9.0)) == ((0.5, 0.0), (0.5, 0.0))


# The boom


def test_boom_travel_times() -> None:
    boom = Boom(BoomSettings(opening_s=1.8, closing_s=2.2), 0.0)
    boom.drive("opening", 0.0)
    assert 0 < boom.position(0.1) < 0.02
    assert boom.position(0.9) == pytest.approx(0.5)
    assert (boom.moves(1.79), boom.moves(1.81), boom.position(1.8)) == (True, False, 1.0)
    boom.drive("closing", 5.0)
    assert boom.position(5.0 + 2.2) == pytest.approx(0.0)
    assert boom.moves(5.0 + 2.19)


def test_stopped_boom_brakes_and_stays() -> None:
    boom = Boom(BoomSettings(), 0.0)
    boom.drive("opening", 0.0)
    at = boom.position(0.9)
    boom.stop(0.9)
    assert at < boom.position(2.0) < at + 0.2
    assert boom.position(2.0) == boom.position(99.0)


def test_reversed_boom_first_continues_falling() -> None:
    boom = Boom(BoomSettings(), 0.0, at=1.0)
    boom.drive("closing", 0.0)
    at = boom.position(1.0)
    boom.drive("opening", 1.0)
    lowest = min(boom.position(1.0 + n / 100) for n in range(200))
    assert 0 < lowest < at - 0.03
    assert boom.position(4.0) == 1.0


@pytest.mark.parametrize("ramp_s", [0.0, 0.9, 5.0])
def test_boom_too_fast_for_its_ramps_is_refused(ramp_s: float) -> None:
    with pytest.raises(ValueError, match="ramp_s"):
        BoomSettings(opening_s=1.8, ramp_s=ramp_s)


# The controller


def test_pulse_opens_until_limit_switch() -> None:
    rig = Rig()
    assert (rig.inputs()["open-limit"], rig.inputs()["closed-limit"]) == (0, 1)
    rig.pulse(0)
    rig.time.advance(1.0)
    assert (rig.inputs()["open-limit"], rig.inputs()["closed-limit"]) == (0, 0)
    rig.time.advance(1.0)
    assert (rig.inputs()["open-limit"], rig.inputs()["closed-limit"]) == (1, 0)
    rig.pulse(1)
    rig.time.advance(2.5)
    assert (rig.inputs()["open-limit"], rig.inputs()["closed-limit"]) == (0, 1)


def test_short_contact_is_ignored() -> None:
    rig = Rig(pulse_min_s=0.2)
    rig.pulse(0, tenths=1)
    rig.time.advance(5)
    assert rig.barrier.position() == 0
    rig.pulse(0, tenths=3)
    rig.time.advance(5)
    assert rig.barrier.position() == 1


@pytest.mark.parametrize("direction", [0, 1])
def test_stop_has_precedence_while_active(direction: int) -> None:
    rig = Rig()
    if direction:
        rig.open()
    rig.pulse(direction)
    rig.time.advance(1.0)
    rig.request("050002ff00")
    rig.time.advance(1.0)
    position = rig.barrier.position()
    assert 0.05 < position < 0.95
    rig.pulse(0)
    rig.barrier.set_fire(True)
    rig.time.advance(5)
    assert rig.barrier.position() == position
    rig.request("0500020000")
    rig.time.advance(5)
    assert rig.barrier.position() == 1  # the fire alarm is still active


def test_normally_closed_stop_circuit() -> None:
    board = WaveshareSettings(outputs={"open": 0, "stop": 2}, contacts={"stop": "nc"})
    mechanics = MechanicsSettings.model_validate({"controller": {"stop_contact": "opening"}})
    rig = Rig(ModbusSettings(boards=(board,), mechanics=mechanics))
    rig.pulse(0)
    rig.time.advance(0.8)
    rig.request("050002ff00")  # the relay opens the circuit
    rig.time.advance(3)
    assert 0.1 < rig.barrier.position() < 0.9
    rig.request("0500020000")
    rig.pulse(0)
    rig.time.advance(3)
    assert rig.barrier.position() == 1


def test_fire_opens_and_keeps_open() -> None:
    rig = Rig()
    rig.barrier.set_fire(True)
    assert rig.inputs()["fire"] == 0  # normally closed
    rig.time.advance(3)
    rig.pulse(1)
    rig.time.advance(3)
    assert rig.barrier.position() == 1
    rig.barrier.set_fire(False)
    rig.time.advance(60)
    assert rig.barrier.position() == 1  # until a close contact
    rig.pulse(1)
    rig.time.advance(3)
    assert rig.barrier.position() == 0


def test_key_switch_disables_contacts_not_button() -> None:
    rig = Rig()
    rig.barrier.set_key(True)
    assert rig.inputs()["key"] == 0
    rig.pulse(0)
    rig.time.advance(3)
    assert rig.barrier.position() == 0
    rig.barrier.press("open")
    rig.time.advance(1)
    rig.barrier.press("stop")
    rig.time.advance(1)
    assert 0.1 < rig.barrier.position() < 0.9


def test_open_beats_close_and_both_are_logged() -> None:
    rig = Rig()
    rig.open()
    rig.request("0f00000002010 3".replace(" ", ""))
    rig.time.advance(3)
    assert rig.barrier.position() == 1
    assert rig.event_count("both-contacts") == 1


@pytest.mark.parametrize(("photocell", "ends_at"), [("reopens", 1.0), ("stops", 0.5), ("ignored", 0.0)])
def test_reactions_to_photocell(photocell: str, ends_at: float) -> None:
    rig = Rig(photocell=photocell)
    rig.open()
    rig.barrier.arrive(DriverBehaviour.TURNS_BACK, speed_mps=10)
    rig.time.advance(1.22)
    rig.pulse(1, tenths=1)
    assert rig.inputs()["photocell"] == 1
    while rig.inputs()["photocell"]:
        rig.time.advance(0.01)
    assert rig.barrier.position() > 0.9
    rig.time.advance(0.3)
    while rig.barrier.lane.vehicles:
        rig.time.advance(0.1)
        assert not rig.event_count("hit") or photocell == "ignored"
    rig.time.advance(3)
    if photocell == "ignored":
        assert rig.event_count("hit") == 1
    else:
        assert rig.barrier.position() == pytest.approx(ends_at, abs=0.5 if photocell == "stops" else 1e-9)
        assert rig.barrier.position() > 0.3


def test_boom_stops_on_obstruction_and_opens() -> None:
    rig = Rig(photocell="ignored")
    rig.open()
    rig.barrier.arrive(speed_mps=2)
    while not rig.barrier.signals["photocell"]:
        rig.time.advance(0.05)
    rig.time.advance(0.3)
    rig.pulse(1)
    rig.time.advance(8)
    (hit,) = rig.log.machine_events("hit")
    assert hit.details["position"] <= 0.6
    assert rig.barrier.position() == 1
    assert rig.event_count("passage") == 1


def test_pause_restarts_with_each_presence() -> None:
    rig = Rig(pause_s=4)
    rig.open()
    rig.barrier.arrive(speed_mps=4)
    rig.time.advance(2.5)
    assert rig.barrier.position() == 1
    while any(rig.barrier.signals[loop] for loop in ("approach", "photocell", "exit")):
        rig.time.advance(0.1)
        assert rig.barrier.position() == 1
    rig.time.advance(3.5)
    assert rig.barrier.position() == 1
    rig.time.advance(4)
    assert rig.barrier.position() == 0


def test_closes_behind_vehicle_if_configured() -> None:
    rig = Rig(closes_behind_s=0.5)
    rig.barrier.arrive()
    rig.open()
    rig.time.advance(12)
    (passage,) = rig.log.machine_events("passage")
    (closing,) = rig.log.machine_events("motion", towards="closing")
    assert 0.5 < closing.at_s - passage.at_s < 4
    assert rig.barrier.position() == 0
    assert not rig.event_count("hit")


def test_closes_after_power_if_configured() -> None:
    for self_closes_s, ends_at in ((5.0, 0.0), (None, 1.0)):
        rig = Rig(self_closes_s=self_closes_s)
        rig.open()
        rig.barrier.on_power_lost()
        assert rig.inputs()["controller-ok"] == 0
        rig.pulse(1)
        rig.time.advance(5)
        assert rig.barrier.position() == 1
        rig.barrier.on_power_restored()
        rig.time.advance(4.9)
        assert rig.barrier.position() == 1
        rig.time.advance(3)
        assert rig.barrier.position() == ends_at


def test_automatic_close_waits_for_photocell() -> None:
    rig = Rig()
    rig.open()
    rig.barrier.arrive(speed_mps=0.2)
    rig.time.advance(75)
    assert rig.barrier.signals["photocell"]
    rig.barrier.on_power_lost()
    rig.barrier.on_power_restored()
    while rig.barrier.signals["photocell"]:
        rig.time.advance(1)
        assert rig.barrier.position() == 1
    rig.time.advance(4)
    assert rig.barrier.position() == 0
    assert not rig.event_count("hit")


@pytest.mark.parametrize(("stays", "ends_at"), [(True, 0.0), (False, 1.0)])
def test_without_power_boom_stays_or_springs_open(stays: bool, ends_at: float) -> None:
    rig = Rig(ModbusSettings(mechanics=MechanicsSettings(boom=BoomSettings(stays=stays))))
    rig.barrier.on_power_lost()
    rig.time.advance(5)
    assert rig.barrier.position() == ends_at


def test_moving_boom_brakes_without_power() -> None:
    rig = Rig()
    rig.pulse(0)
    rig.time.advance(1)
    rig.barrier.on_power_lost()
    rig.time.advance(5)
    assert 0.3 < rig.barrier.position() < 0.9


def test_lift_by_hand_without_command() -> None:
    rig = Rig()
    rig.barrier.lift_by_hand(0.7, over_s=1.0)
    rig.time.advance(2)
    assert rig.barrier.position() == pytest.approx(0.7)
    assert rig.inputs()["closed-limit"] == 0
    assert not rig.log.actuations
    assert rig.event_count("motion", by="hand") == 1


# Vehicles


def test_vehicle_waits_at_line_until_clear() -> None:
    rig = Rig()
    rig.barrier.arrive()
    rig.time.advance(20)
    assert rig.inputs()["approach"] == 1
    assert rig.inputs()["photocell"] == 1  # free: normally closed
    rig.pulse(0)
    rig.time.advance(10)
    order = [
        (happening.details["signal"], happening.details["active"])
        for happening in rig.log.machine_events("signal")
        if not happening.details["signal"].endswith("limit")
    ]
    assert order == [
        ("approach", True),
        ("photocell", True),
        ("exit", True),
        ("approach", False),
        ("photocell", False),
        ("exit", False),
    ]
    assert rig.event_count("passage", wrong_way=False) == 1
    assert not rig.barrier.lane.vehicles


def test_tailgater_uses_opening_of_another() -> None:
    rig = Rig()
    rig.barrier.arrive()
    rig.barrier.arrive(DriverBehaviour.TAILGATES)
    rig.time.advance(10)
    rig.open()
    rig.time.advance(15)
    assert [passage.details["vehicle"] for passage in rig.log.machine_events("passage")] == [1, 2]
    assert len(rig.log.actuations) == 1
    interrupted = [s.at_s for s in rig.log.machine_events("signal", signal="photocell", active=True)]
    freed = [s.at_s for s in rig.log.machine_events("signal", signal="photocell", active=False)]
    assert len(interrupted) == 2
    assert interrupted[1] - freed[0] == pytest.approx(0.6 / 2.5, abs=1e-3)  # a gap of 1 m, a beam of 0.4 m


def test_waiting_driver_respects_closing() -> None:
    rig = Rig(closes_behind_s=0.0)
    rig.barrier.arrive()
    rig.barrier.arrive()
    rig.time.advance(10)
    rig.open()
    rig.time.advance(30)
    assert [passage.details["vehicle"] for passage in rig.log.machine_events("passage")] == [1]
    assert rig.barrier.position() == 0
    assert rig.inputs()["approach"] == 1


def test_turning_back_interrupts_photocell() -> None:
    rig = Rig()
    rig.open()
    rig.barrier.arrive(DriverBehaviour.TURNS_BACK)
    rig.time.advance(30)
    assert rig.event_count("passage") == 0
    assert rig.event_count("turned-back", vehicle=1) == 1
    last = [s.details["signal"] for s in rig.log.machine_events("signal", active=False)][-1]
    assert last == "approach"
    assert not rig.barrier.lane.vehicles


@pytest.mark.parametrize("patience_s", [1, 2, 3, 4, 5, 6])
def test_two_returning_vehicles_leave_soon(patience_s: float) -> None:
    rig = Rig()
    rig.open()
    rig.barrier.arrive(DriverBehaviour.TURNS_BACK, speed_mps=8)
    rig.barrier.arrive(patience_s=patience_s, speed_mps=2)
    moves = 0
    while rig.barrier.lane.vehicles:
        assert rig.time.next_s is not None
        rig.time.run_to(rig.time.next_s)
        moves += 1
        assert moves < 200
    assert rig.event_count("left") == 2


def test_wrong_way_is_detected_at_exit_first() -> None:
    rig = Rig()
    rig.barrier.arrive(wrong_way=True)
    rig.time.advance(10)
    assert rig.inputs()["exit"] == 1
    with pytest.raises(SimulatorError, match="the other direction"):
        rig.barrier.arrive()
    rig.open()
    rig.time.advance(10)
    assert rig.event_count("passage", wrong_way=True) == 1
    assert [s.details["signal"] for s in rig.log.machine_events("signal", active=True)][-2:] == [
        "photocell",
        "approach",
    ]


def test_impatient_vehicle_leaves_and_others_move() -> None:
    rig = Rig()
    rig.barrier.arrive(patience_s=20)
    rig.barrier.arrive(patience_s=25)
    rig.time.advance(60)
    assert rig.event_count("gave-up") == 2
    assert not rig.barrier.lane.vehicles
    assert not rig.barrier.signals["approach"]


def test_vehicle_stops_before_closing_boom() -> None:
    rig = Rig(photocell="ignored")
    rig.open()
    rig.barrier.arrive(DriverBehaviour.TAILGATES, speed_mps=2.5)
    rig.time.advance(4)
    rig.pulse(1)
    rig.time.advance(20)
    assert rig.event_count("passage") == 0
    assert rig.event_count("hit") == 0
    assert rig.barrier.position() == 0
    (tailgater,) = rig.barrier.lane.vehicles
    assert tailgater.front(rig.time.now_s) == pytest.approx(-0.15, abs=1e-3)


ACTIONS = st.one_of(
    st.tuples(st.just("pulse"), st.sampled_from([0, 1, 2])),
    st.tuples(st.just("arrive"), st.sampled_from(list(DriverBehaviour))),
    st.tuples(st.just("fire"), st.booleans()),
    st.tuples(st.just("key"), st.booleans()),
    st.tuples(st.just("power"), st.booleans()),
    st.tuples(st.just("press"), st.sampled_from(["open", "close", "stop"])),
    st.tuples(st.just("lift"), SHARE),
    st.tuples(st.just("jam"), st.one_of(st.none(), SHARE)),
    st.tuples(st.just("free"), st.none()),
)


def do(rig: Rig, action: str, argument: Any) -> None:
    match action:
        case "pulse":
            rig.pulse(argument)
        case "arrive":
            rig.barrier.arrive(argument)
        case "fire":
            rig.barrier.set_fire(argument)
        case "key":
            rig.barrier.set_key(argument)
        case "power":
            rig.barrier.on_power_restored() if argument else rig.barrier.on_power_lost()
        case "press":
            rig.barrier.press(argument)
        case "lift":
            rig.barrier.lift_by_hand(argument)
        case "jam":
            rig.barrier.jam(argument)
        case "free":
            rig.barrier.free()


@settings(max_examples=40)
@given(st.lists(st.tuples(ACTIONS, st.floats(0, 4)), max_size=25))
def test_signals_are_always_plausible(story: list[tuple[tuple[str, Any], float]]) -> None:
    rig = Rig(pause_s=4, closes_behind_s=1)
    for (action, argument), pause_s in story:
        do(rig, action, argument)
        for _ in range(4):
            rig.time.advance(pause_s / 4)
            now_s = rig.time.now_s + 1e-5
            position = rig.barrier.position()
            signals = rig.barrier.signals
            assert -1e-6 <= position <= 1 + 1e-6
            assert signals["closed-limit"] == (position <= 0.01 + 1e-9)
            assert signals["open-limit"] == (position >= 0.99 - 1e-9)
            places = sorted(vehicle.covers(now_s) for vehicle in rig.barrier.lane.vehicles)
            for (_, before), (after, _) in itertools.pairwise(places):
                assert before <= after + 1e-6
    times = [entry.at_s for entry in rig.log]
    assert times == sorted(times)


# Two doors


def e_gate(*, interlock: bool = False) -> Rig:
    board = WaveshareSettings(
        outputs={"first-open": 0, "first-close": 1, "second-open": 2, "second-close": 3},
        inputs={
            "first-open-limit": 0,
            "first-closed-limit": 1,
            "second-open-limit": 2,
            "second-closed-limit": 3,
            "approach": 4,
            "chamber": 5,
            "exit": 6,
            "fire": 7,
        },
    )
    boom = BoomSettings(opening_s=0.8, closing_s=0.9, ramp_s=0.2)
    mechanics = MechanicsSettings(lane=E_GATE, boom=boom, interlock=interlock)
    return Rig(ModbusSettings(boards=(board,), mechanics=mechanics))


def test_person_passes_two_doors_in_turn() -> None:
    gate = e_gate()
    gate.barrier.arrive()
    gate.time.advance(5)
    assert gate.inputs()["approach"] == 1
    gate.pulse(0, 3)
    gate.time.advance(4)
    assert (gate.inputs()["chamber"], gate.inputs()["approach"]) == (1, 0)
    gate.pulse(1, 3)
    gate.time.advance(2)
    assert gate.inputs()["first-closed-limit"] == 1
    gate.pulse(2, 3)
    gate.time.advance(6)
    assert [passage.details["door"] for passage in gate.log.machine_events("passage")] == ["first", "second"]
    assert not gate.barrier.lane.vehicles


@pytest.mark.parametrize("interlock", [True, False])
def test_second_door_opens_unless_interlocked(
    interlock: bool,
) -> None:
    gate = e_gate(interlock=interlock)
    gate.pulse(0, 3)
    gate.time.advance(2)
    gate.pulse(2, 3)
    gate.time.advance(2)
    assert gate.inputs()["first-open-limit"] == 1
    assert gate.inputs()["second-open-limit"] == (not interlock)
    gate.barrier.set_fire(True)  # and no one is locked in
    gate.time.advance(2)
    assert gate.inputs()["second-open-limit"] == 1


def test_named_lane_of_e_gate() -> None:
    assert MechanicsSettings.model_validate({"lane": "e-gate"}).lane == E_GATE


def test_ambiguous_names_are_refused() -> None:
    with pytest.raises(ValueError, match="photocell is the name of something else"):
        MechanicsSettings.model_validate({"lane": {"loops": {"photocell": {"from_m": 0, "to_m": 1}}}})
    with pytest.raises(ValueError, match="from_m must be less than to_m"):
        LaneSettings.model_validate({"loops": {"approach": {"from_m": 1, "to_m": 1}}})
    with pytest.raises(SimulatorError, match="door: 'third'"):
        e_gate().barrier.press("open", "third")


# Time


def test_manual_time_runs_due_actions_in_order() -> None:
    time, done = ManualClock(), []
    time.call_at(2.0, lambda: done.append(("b", time.now_s)))
    time.call_at(1.0, lambda: time.call_at(1.5, lambda: done.append(("a", time.now_s))))
    off = time.call_at(1.7, lambda: done.append(("never", time.now_s)))
    off.cancel()
    time.call_at(9.0, lambda: done.append(("later", time.now_s)))
    assert time.next_s == 1.0
    time.advance(3)
    assert done == [("a", 1.5), ("b", 2.0)]
    assert (time.now_s, time.next_s) == (3.0, 9.0)
    with pytest.raises(ValueError, match="is past"):
        time.run_to(1)
