"""Faults on the bus, of boards, wires and the machine; and their entries in the log."""

import itertools
import json
from pathlib import Path
from typing import Any

import pytest
from sim_barrier_fixture import Rig

from simulators.barrier.bus_faults import (
    DuplicatedReply,
    ExceptionReply,
    ForeignReply,
    HangUp,
    LateReply,
    LostReply,
    LostRequest,
    WrongCrc,
)
from simulators.barrier.faults import (
    BoardsHung,
    BothLimits,
    BrokenWire,
    ButtonPress,
    Chatter,
    ClearFaults,
    EmergencyActive,
    KeySwitch,
    ManualLift,
    PowerCut,
    ShortedWire,
    SlowBus,
    StuckBoom,
    WeldedRelay,
    fault_of,
)
from simulators.barrier.modbus.mbap import MbapFraming
from simulators.barrier.modbus_site import ModbusSettings, WaveshareSettings
from simulators.barrier.timeline import ManualClock
from simulators.barrier.wirelog import Cause, FrameFate, WireLog, dump
from simulators.errors import SimulatorError
from simulators.faults import Noise, Unplug

READ = "0100000008"
OPEN = "0502000005"


@pytest.fixture
def rig() -> Rig:
    return Rig()


def fates(rig: Rig) -> list[tuple[str, FrameFate]]:
    return [(frame.direction, frame.fate) for frame in rig.log.frames]


# On the bus


def test_lost_reply_still_executes(rig: Rig) -> None:
    rig.site.inject(LostReply(of="writes"))
    assert rig.request(READ) == "010100"
    assert rig.request(OPEN) is None
    assert rig.request(READ) == "010101"
    (actuation,) = rig.log.actuations
    (answer,) = rig.log.answers_to(actuation)
    assert (actuation.fate, answer.fate) == (FrameFate.RECEIVED, FrameFate.SUPPRESSED)
    assert answer.wire[7:].hex() == OPEN  # the bytes that would have been sent


def test_lost_request_executes_nothing(rig: Rig) -> None:
    rig.site.inject(LostRequest(of="writes"))
    assert rig.request(OPEN) is None
    assert rig.request(READ) == "010100"
    (actuation,) = rig.log.actuations
    assert actuation.fate is FrameFate.NOT_RECEIVED
    assert not rig.log.answers_to(actuation)


def test_duplicated_reply_is_logged_each_time(rig: Rig) -> None:
    rig.site.inject(DuplicatedReply(copies=3))
    assert rig.request(READ) == "010100"
    assert fates(rig)[1:] == [("response", FrameFate.SENT)] + [("response", FrameFate.REPEATED)] * 2
    assert len(set(rig.host.answers)) == 1
    assert len(rig.host.answers) == 3


def test_late_reply_follows_later_exchange(rig: Rig) -> None:
    rig.site.inject(LateReply(delay_s=2, of="writes"))
    assert rig.request(OPEN) is None
    assert rig.request(READ) == "010101"
    rig.time.advance(2)
    late = rig.log.responses[-1]
    assert (late.fate, late.answers, late.at_s) == (FrameFate.LATE, 1, 2.0)
    assert rig.host.answers[-1][7:].hex() == OPEN


@pytest.mark.parametrize("acts", [True, False])
def test_exception_with_and_without_execution(rig: Rig, acts: bool) -> None:
    rig.site.inject(ExceptionReply(code=4, acts=acts))
    assert rig.request(OPEN) == "8504"
    assert rig.site.boards[0].relays.is_closed(0) == acts


@pytest.mark.parametrize("acts", [True, False])
def test_hang_up_before_or_after_execution(rig: Rig, acts: bool) -> None:
    rig.site.inject(HangUp(acts=acts))
    assert rig.request(OPEN) is None
    assert rig.host.hung_up
    assert rig.site.boards[0].relays.is_closed(0) == acts
    assert [answer.fate for answer in rig.log.responses] == ([FrameFate.SUPPRESSED] if acts else [])


def test_foreign_reply_has_other_unit_and_tag(rig: Rig) -> None:
    rig.site.inject(ForeignReply())
    rig.request(READ)
    assert rig.host.answers == [MbapFraming().frame(2, b"\x01\x01\x00", 2)]
    assert rig.log.responses[0].fate is FrameFate.DAMAGED


def test_faults_match_kind_and_count(rig: Rig) -> None:
    rig.site.inject(LostReply(of="reads", exchanges=2))
    rig.site.inject(ExceptionReply(code=6, of="writes"))
    answers = [rig.request(pdu) for pdu in (READ, OPEN, READ, OPEN, READ)]
    assert answers == [None, "8506", None, OPEN, "010101"]


def test_several_faults_of_one_exchange(rig: Rig) -> None:
    for fault in (DuplicatedReply(), LateReply(delay_s=1), ExceptionReply(code=2)):
        rig.site.inject(fault)
    assert rig.request(READ) is None
    rig.time.advance(1)
    assert [answer.hex()[-4:] for answer in rig.host.answers] == ["8102", "8102"]


def test_hung_boards_receive_and_send_nothing(rig: Rig) -> None:
    rig.site.inject(LostReply())  # waits until the boards respond again
    rig.site.inject(BoardsHung(for_s=5))
    assert [rig.request(READ), rig.request(OPEN)] == [None, None]
    rig.time.advance(5)
    assert [rig.request(READ), rig.request(READ)] == [None, "010100"]
    assert [frame.fate for frame in rig.log.requests] == [FrameFate.NOT_RECEIVED] * 2 + [
        FrameFate.RECEIVED
    ] * 2


def test_shorter_fault_does_not_end_a_longer_one(rig: Rig) -> None:
    rig.site.inject(BoardsHung(for_s=5))
    rig.time.advance(1)
    rig.site.inject(BoardsHung(for_s=1))
    rig.time.advance(2)
    assert rig.request(READ) is None
    rig.time.advance(2)
    assert rig.request(READ) == "010100"
    assert len(rig.log.machine_events("mended")) == 1


def test_slow_bus_queues_requests(rig: Rig) -> None:
    rig.site.inject(SlowBus(delay_s=0.3))
    for pdu in (READ, OPEN, READ):
        assert rig.request(pdu) is None
    rig.time.advance(0.31)
    assert (len(rig.host.answers), rig.site.boards[0].relays.is_closed(0)) == (1, False)
    rig.time.advance(0.3)
    assert (len(rig.host.answers), rig.site.boards[0].relays.is_closed(0)) == (2, True)
    rig.site.inject(ClearFaults())
    rig.time.advance(0.3)
    assert rig.request(READ) == "010101"
    event_count = [(answer.answers, round(answer.at_s, 2)) for answer in rig.log.responses]
    assert event_count == [(1, 0.3), (2, 0.6), (3, 0.9), (7, 0.91)]


def test_paced_frames_take_their_time() -> None:
    rig = Rig(ModbusSettings(baud=9600, paced=True))
    assert rig.request(READ) is None
    rig.time.advance(0.1)
    (answer,) = rig.log.responses
    # 12 bytes to the board and 3 back, 11 bits each
    assert answer.at_s == pytest.approx(15 * 11 / 9600)


@pytest.mark.parametrize("fault", [WrongCrc(), Unplug(), Noise()])
def test_serial_faults_are_refused_over_tcp(rig: Rig, fault: Any) -> None:
    with pytest.raises(SimulatorError, match=r"wrong-crc: frames over TCP|impossible here"):
        rig.site.inject(fault)
    assert not rig.log.machine_events("fault")


# Power


def test_power_cut_releases_and_drops_queue(rig: Rig) -> None:
    rig.open()
    rig.request("050003ff00")
    rig.site.inject(SlowBus(delay_s=0.5))
    rig.request(OPEN)
    rig.site.inject(PowerCut(for_s=10))
    assert rig.log.contacts[-1].cause is Cause.POWER
    assert rig.request(READ) is None
    rig.time.advance(9)
    assert not any(board.relays.is_closed(relay) for board in rig.site.boards for relay in range(8))
    assert rig.barrier.position() == 1
    rig.time.advance(1)
    rig.site.inject(ClearFaults())
    assert rig.request(READ) == "010100"
    rig.time.advance(8)
    assert rig.barrier.position() == 0  # closed automatically 5 s after power returned
    assert rig.log.machine_events("motion", towards="closing")[0].at_s - 10 == pytest.approx(3 + 5, abs=0.2)


def test_only_boards_lose_power(rig: Rig) -> None:
    rig.pulse(0)
    rig.time.advance(0.1)
    rig.site.inject(PowerCut(of="boards", for_s=1))
    rig.time.advance(5)
    assert rig.barrier.position() == 1  # the controller had detected the contact
    assert not rig.log.machine_events("signal", signal="controller-ok")


# Wires


def test_broken_wire_by_kind_of_contact(rig: Rig) -> None:
    rig.site.inject(BrokenWire(signal="fire"))
    rig.site.inject(BrokenWire(signal="closed-limit"))
    assert (rig.inputs()["fire"], rig.inputs()["closed-limit"]) == (0, 0)
    assert not rig.barrier.fire
    rig.site.inject(ClearFaults())
    assert (rig.inputs()["fire"], rig.inputs()["closed-limit"]) == (1, 1)


def test_shorted_wire_is_constant(rig: Rig) -> None:
    rig.site.inject(ShortedWire(signal="fire", for_s=3))
    rig.barrier.set_fire(True)
    assert rig.inputs()["fire"] == 1
    rig.time.advance(3)
    assert rig.inputs()["fire"] == 0


def test_both_limits_at_once(rig: Rig) -> None:
    rig.site.inject(BothLimits(for_s=2))
    assert (rig.inputs()["open-limit"], rig.inputs()["closed-limit"]) == (1, 1)
    rig.time.advance(2)
    assert (rig.inputs()["open-limit"], rig.inputs()["closed-limit"]) == (0, 1)


@pytest.mark.parametrize("signal", ["photocell", "approach"])
def test_chatter_rate_and_end(rig: Rig, signal: str) -> None:
    truth = rig.inputs()[signal]
    rig.site.inject(Chatter(signal=signal, per_s=20, for_s=1))
    seen = []
    for _ in range(40):
        seen.append(rig.inputs()[signal])
        rig.time.advance(0.025)
    changes = sum(before != after for before, after in itertools.pairwise(seen))
    assert changes == pytest.approx(19, abs=1)
    rig.time.advance(1)
    assert rig.inputs()[signal] == truth


@pytest.mark.parametrize("fault", [BrokenWire(signal="x"), ShortedWire(signal="x"), Chatter(signal="x")])
def test_faults_of_missing_wires_are_refused(rig: Rig, fault: Any) -> None:
    with pytest.raises(SimulatorError, match="signal: 'x' is not wired"):
        rig.site.inject(fault)


def test_welded_relay_reads_back_as_off(rig: Rig) -> None:
    rig.request("050002ff00")
    rig.site.inject(WeldedRelay(relay=2, for_s=10))
    rig.request("0500020000")
    assert rig.request(READ) == "010100"
    assert rig.site.boards[0].relays.is_closed(2)
    rig.pulse(0)
    rig.time.advance(5)
    assert rig.barrier.position() == 0  # the stop contact is active
    rig.time.advance(5)
    rig.open()
    assert rig.barrier.position() == 1
    assert [contact.cause for contact in rig.log.contacts if contact.relay == 2] == [
        Cause.COMMAND,
        Cause.WELDED,
    ]
    for wrong in (WeldedRelay(relay=8), WeldedRelay(relay=0, unit=9)):
        with pytest.raises(SimulatorError):
            rig.site.inject(wrong)


# The machine


def test_stuck_boom_does_not_start(rig: Rig) -> None:
    rig.site.inject(StuckBoom(for_s=6))
    rig.open()
    assert rig.inputs()["closed-limit"] == 1
    rig.time.advance(6)
    assert rig.barrier.position() == 1  # its motor was driven all the time


def test_stuck_boom_does_not_arrive(rig: Rig) -> None:
    rig.site.inject(StuckBoom(at=0.6))
    rig.open()
    assert rig.barrier.position() == pytest.approx(0.6)
    assert (rig.inputs()["open-limit"], rig.inputs()["closed-limit"]) == (0, 0)
    rig.pulse(1)
    rig.time.advance(3)
    assert rig.barrier.position() == pytest.approx(0.6)


def test_people_around_it(rig: Rig) -> None:
    rig.site.inject(EmergencyActive(for_s=3))
    rig.time.advance(1)
    assert rig.inputs()["fire"] == 0
    rig.time.advance(3)
    assert rig.inputs()["fire"] == 1
    rig.site.inject(ButtonPress(button="close"))
    rig.time.advance(3)
    assert rig.barrier.position() == 0
    rig.site.inject(KeySwitch(for_s=1))
    assert rig.inputs()["key"] == 0
    rig.site.inject(ManualLift(to=0.5, over_s=0.5))
    rig.time.advance(1.5)
    assert rig.barrier.position() == pytest.approx(0.5)
    assert rig.inputs()["key"] == 1
    assert [happening.details["fault"] for happening in rig.log.machine_events("fault")] == [
        "fire",
        "button",
        "key-switch",
        "lift",
    ]


def test_mend_ends_and_discards_all_faults(rig: Rig) -> None:
    for fault in (BoardsHung(), BrokenWire(signal="fire"), KeySwitch(), StuckBoom(), LostReply(exchanges=9)):
        rig.site.inject(fault)
    rig.site.inject(ClearFaults())
    assert rig.inputs()["fire"] == 1
    rig.open()
    assert rig.barrier.position() == 1
    ended = [happening.details["fault"] for happening in rig.log.machine_events("mended")]
    assert ended == ["silence", "broken-wire", "key-switch", "stuck-boom"]


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("earthquake", {}, "fault earthquake: "),
        ("lost-reply", {"of": "everything"}, "fault lost-reply: of: Input should be"),
        ("chatter", {}, "fault chatter: signal: Field required"),
        ("stuck-boom", {"at": 2}, "fault stuck-boom: at: Input should be less"),
    ],
)
def test_faults_by_name_are_checked(name: str, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(SimulatorError, match=message):
        fault_of(name, arguments)
    assert fault_of("lost-reply", {"of": "writes"}) == LostReply(of="writes")


# The log


def test_log_separates_actuations_and_others(rig: Rig) -> None:
    for pdu in (READ, OPEN, "0500000000", "0500005500", "0610000000", "0502000000", "07"):
        rig.request(pdu)
    assert [frame.meaning for frame in rig.log.actuations] == ["relay 0 on for 0.5 s", "relay 0 toggled"]
    assert [frame.meaning for frame in rig.log.releases] == ["relay 0 off"]
    assert len(rig.log.output_writes) == 3
    assert len(rig.log.requests) == len(rig.log.responses) == 7
    assert [frame.number for frame in rig.log.frames] == list(range(1, 15))


def test_frames_have_their_meaning(rig: Rig) -> None:
    rig.request("0200000008")
    rig.request("0f000000020103")
    read, inputs, write, done = rig.log.frames
    assert (read.function, read.address, read.value, read.meaning) == (2, 0, 8, "read inputs 0 to 7")
    assert (inputs.value, inputs.meaning) == ((0, 1, 0, 0, 1, 1, 1, 1), "bits 0 1 0 0 1 1 1 1")
    assert (write.address, write.value, write.meaning) == (0, (1, 1), "relay 0 on, relay 1 on")
    assert (done.meaning, done.answers) == ("done", write.number)


def test_parts_of_the_log(rig: Rig) -> None:
    rig.request(READ)
    mark = len(rig.log)
    rig.time.advance(2)
    rig.request(OPEN)
    assert [frame.meaning for frame in rig.log.after(mark).requests] == ["relay 0 on for 0.5 s"]
    assert len(rig.log.since(2.0).frames) == 2
    assert not rig.log.since(2.1).frames


def test_entries_are_json_lines_at_once(tmp_path: Path) -> None:
    time = ManualClock()
    with WireLog(time, tmp_path / "log") as log:
        log.frame(
            direction="request",
            fate=FrameFate.RECEIVED,
            wire=b"\x01\x02",
            connection=1,
            meaning="x",
            value=(1, 0),
        )
        log.contact(1, 2, True, Cause.COMMAND, 1)
        log.machine_event("motion", towards="opening")
        log.connection(1, opened=False)
        lines = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    assert lines == [
        {
            "kind": "frame", "at_s": 0.0, "number": 1, "direction": "request", "fate": "received",
            "wire": "0102", "connection": 1, "meaning": "x", "effect": "none", "value": [1, 0],
            "actuation": False,
        },
        {
            "kind": "contact", "at_s": 0.0, "unit": 1, "relay": 2, "closed": True, "cause": "command",
            "request": 1,
        },
        {"kind": "happening", "at_s": 0.0, "what": "motion", "details": {"towards": "opening"}},
        {"kind": "connection", "at_s": 0.0, "number": 1, "opened": False},
    ]  # fmt: skip
    dump(log.after(1), tmp_path / "part")
    assert [json.loads(line) for line in (tmp_path / "part").read_text().splitlines()] == lines[1:]


def test_log_with_limited_memory() -> None:
    log = WireLog(ManualClock(), keep=10)
    for number in range(100):
        log.machine_event("tick", number=number)
    assert 10 <= len(log) <= 20
    assert log.machine_events("tick")[-1].details == {"number": 99}


async def test_wait_for_log_times_out() -> None:
    log = WireLog(ManualClock())
    with pytest.raises(TimeoutError):
        await log.until(lambda: log.frames, within_s=0.01)


def test_invalid_settings_are_refused() -> None:
    for settings, message in (
        ({"port": 1, "path": "/x"}, "set only one of them"),
        ({"path": "x"}, "not an absolute path"),
        ({"boards": [{"model": "kmtronic-8"}, {"model": "waveshare-8"}]}, "the same unit"),
        ({"baud": 1200}, "a Waveshare board has 4800"),
        ({"boards": [{"model": "abacus"}]}, "does not match any of the expected tags"),
    ):
        with pytest.raises(ValueError, match=message):
            ModbusSettings.model_validate(settings)
    assert ModbusSettings(boards=(WaveshareSettings(unit=7),)).boards[0].unit == 7
