"""Judge of barriers: independence of the code under test, decoding of frames, and known violations."""

import ast
from pathlib import Path

import pytest
from adversary.barrier.judge.protocols import RelayAction, crc16, read_answer, read_request
from adversary.barrier.judge.records import (
    Answer,
    BoardFacts,
    Circuit,
    Command,
    Contact,
    Device,
    Event,
    Life,
    Record,
    RetainedState,
    Trouble,
    Truth,
    Wire,
)
from adversary.barrier.judge.verdict import judge
from adversary.barrier.rig.posts import Post

HERE = Path(__file__).parent
JUDGE_FILES = sorted(path.name for path in HERE.glob("*.py") if not path.name.startswith("test_"))
FACTS = Post("waveshare-tcp").facts
OPEN, CLOSE, STOP = 0, 1, 2
NO_WRITE = (10, "no write after the reading")


@pytest.mark.parametrize("name", JUDGE_FILES)
def test_judge_imports_no_driver(name: str) -> None:
    tree = ast.parse((HERE / name).read_text())
    modules = [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    modules += [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
    roots = {module.partition(".")[0] for module in modules}
    assert not roots & {"drivers", "gateway", "simulators"}
    assert all(
        module.startswith("adversary.barrier.judge") for module in modules if module.startswith("adversary")
    )


def tcp(pdu: str) -> bytes:
    data = bytes.fromhex(pdu)
    return bytes([0, 1, 0, 0, 0, len(data) + 1, 1]) + data


def rtu(pdu: str) -> bytes:
    body = b"\x01" + bytes.fromhex(pdu)
    return body + crc16(body).to_bytes(2, "little")


WAVESHARE = BoardFacts("waveshare-8", "tcp")
GENERIC = BoardFacts("generic", "tcp", 1, {"relays": 8, "pulse_at": 0x100, "pulse_unit_s": 0.1})
NUMATO = BoardFacts("numato", "text", 1, {"relays": 8})


@pytest.mark.parametrize(
    ("board", "data", "actions"),
    [
        (WAVESHARE, tcp("0502000005"), [RelayAction(0, "pulse", 0.5)]),
        (WAVESHARE, tcp("050001ff00"), [RelayAction(1, "on")]),
        (WAVESHARE, tcp("0500025500"), [RelayAction(2, "toggle")]),
        (WAVESHARE, tcp("050400000a"), [RelayAction(0, "pulse-off", 1.0)]),
        (WAVESHARE, tcp("0500ff0000"), [RelayAction(n, "off") for n in range(8)]),
        (
            WAVESHARE,
            tcp("0f000000030105"),
            [RelayAction(0, "on"), RelayAction(1, "off"), RelayAction(2, "on")],
        ),
        (BoardFacts("wirenboard-6", "rtu"), rtu("050003ff00"), [RelayAction(3, "on")]),
        (GENERIC, tcp("0601010005"), [RelayAction(1, "pulse", 0.5)]),
        (GENERIC, tcp("0601010000"), [RelayAction(1, "off")]),
        (NUMATO, b"relay on 2\r", [RelayAction(2, "on")]),
        (NUMATO, b"\nrelay writeall 01\r", [RelayAction(n, "on" if n == 0 else "off") for n in range(8)]),
        (BoardFacts("lcus", "text"), bytes.fromhex("a00101a2"), [RelayAction(0, "on")]),
        (BoardFacts("lcus", "text"), bytes.fromhex("a00100a1"), [RelayAction(0, "off")]),
        (
            BoardFacts("osdp", "text"),
            bytes.fromhex("53000c00006801050a00aabb"),
            [RelayAction(1, "pulse", 1.0)],
        ),
        (
            BoardFacts("gpio", "text"),
            b"O" + bytes.fromhex("0fb410c0 0400000000000000 0500000000000000"),
            [RelayAction(0, "off"), RelayAction(2, "on")],
        ),
    ],
)
def test_frames_read_from_sheets(board: BoardFacts, data: bytes, actions: list[RelayAction]) -> None:
    request = read_request(board, data)
    assert request is not None
    assert [(a.relay, a.kind, a.seconds and round(a.seconds, 3)) for a in request.actions] == [
        (a.relay, a.kind, a.seconds) for a in actions
    ]


def test_damaged_frames_are_no_requests() -> None:
    assert read_request(BoardFacts("wirenboard-6", "rtu"), rtu("050003ff00")[:-1] + b"\0") is None
    assert read_request(BoardFacts("lcus", "text"), bytes.fromhex("a00101a3")) is None
    assert read_request(WAVESHARE, tcp("0502000005")[:-1]) is None


def test_inputs_read_from_answers() -> None:
    asked = read_request(WAVESHARE, tcp("0200000008"))
    assert asked is not None
    answer = read_answer(WAVESHARE, asked, tcp("0201f2"))
    assert answer == {n: bool(0xF2 >> n & 1) for n in range(8)}
    one = read_request(NUMATO, b"gpio read 4\r")
    assert one is not None
    assert read_answer(NUMATO, one, b"gpio read 4\n\r1\n\r>") == {4: True}


class Story:
    """Records of a lane with a boom at its closed limit, polled every 0.2 s."""

    def __init__(self) -> None:
        self.records: list[Record] = [Life(0.0, 1, "started"), Device(0.1, "online")]
        self.circuits = {0: False, 1: True, 4: True, 5: True, 6: True, 7: True}
        self.records += [Circuit(0.0, "relays", channel, closed) for channel, closed in self.circuits.items()]
        self.number = 0

    def circuit(self, at_s: float, channel: int, closed: bool) -> None:
        self.records.append(Circuit(at_s, "relays", channel, closed))

    def polls(self, from_s: float, to_s: float, every_s: float = 0.2) -> None:
        at_s = from_s
        while at_s < to_s:
            state = dict(self.circuits)
            for one in self.records:
                if isinstance(one, Circuit) and one.at_s <= at_s:
                    state[one.channel] = one.closed
            bits = sum(1 << channel for channel, closed in state.items() if closed)
            self.frame(at_s, "0200000008", f"0201{bits:02x}")
            relays = dict.fromkeys(range(8), False)
            for one in sorted(self.records, key=lambda record: record.at_s):
                if isinstance(one, Contact) and one.at_s <= at_s:
                    relays[one.relay] = one.closed
            closed = sum(1 << relay for relay, is_closed in relays.items() if is_closed)
            self.frame(at_s, "0100000008", f"0101{closed:02x}")
            at_s += every_s

    def frame(self, at_s: float, pdu: str, answer: str | None = None, *, arrived: bool = True) -> int:
        self.number += 1
        number = self.number
        self.records.append(Wire(at_s, "relays", number, "to-board", tcp(pdu), 1, arrived))
        if answer is not None:
            self.number += 1
            self.records.append(Wire(at_s, "relays", self.number, "to-host", tcp(answer), 1, True, number))
        return number

    def move(self, at_s: float, relay: int, *, pulse_s: float = 0.5) -> None:
        pdu = f"0502{relay:02x}0005"
        number = self.frame(at_s, pdu, pdu)
        self.records.append(Contact(at_s, "relays", relay, True, "command", number))
        self.records.append(Contact(at_s + pulse_s, "relays", relay, False, "pulse_ended", number))

    def command(
        self,
        at_s: float,
        verb: str,
        name: str = "c1",
        within_s: float = 3.0,
        issuer: str = "counter-1",
        **arguments: object,
    ) -> None:
        self.records.append(Command(at_s, name, verb, dict(arguments), issuer, at_s + within_s, 1))

    def answer(self, at_s: float, name: str, state: str = "done", reason: str = "", **result: object) -> None:
        self.records.append(Answer(at_s, name, state, reason, "", dict(result)))

    def rules(self, until_s: float = 20.0) -> set[tuple[int, str]]:
        self.records.append(Truth(until_s, "end"))
        return {(one.invariant, one.rule) for one in judge(FACTS, self.records)}


def test_asked_opening_breaks_nothing() -> None:
    story = Story()
    story.polls(0.2, 6.0)
    story.command(3.0, "open")
    story.move(3.0, OPEN)
    story.answer(3.0 + 2, "c1", "failed", "timed_out")
    assert story.rules(6.0) == set()


def test_unasked_opening_is_found() -> None:
    story = Story()
    story.polls(0.2, 6.0)
    story.move(3.0, OPEN)
    assert story.rules(6.0) == {(6, "moves unasked")}


def test_second_frame_of_one_command_is_found() -> None:
    story = Story()
    story.polls(0.2, 7.0)
    story.command(3.0, "open")
    story.move(3.0, OPEN)
    story.move(5.1, OPEN)
    story.answer(6.0, "c1", "failed")
    assert (2, "written twice") in story.rules(7.0)


@pytest.mark.parametrize(("at_s", "broken"), [(4.0, False), (6.1, True)])
def test_frame_after_its_deadline_is_found(at_s: float, broken: bool) -> None:
    story = Story()
    story.polls(0.2, 8.0)
    story.command(3.0, "open")
    story.move(at_s, OPEN)
    story.answer(7.0, "c1", "failed")
    assert story.rules(8.0) == ({(3, "stale")} if broken else set())


def test_frame_after_a_stop_is_found() -> None:
    story = Story()
    story.polls(0.2, 8.0)
    story.command(3.0, "open")
    story.command(3.1, "stop", "c2")
    story.move(3.1, STOP)
    story.answer(3.1, "c2")
    story.move(3.2, OPEN)
    story.answer(5.0, "c1", "failed")
    assert story.rules(8.0) == {(26, "after a stop")}


def test_stop_not_written_is_found() -> None:
    story = Story()
    story.polls(0.2, 8.0)
    story.command(3.0, "stop")
    story.answer(3.1, "c1", "failed", "link_failed")
    assert story.rules(8.0) == {(12, "stop not written")}


@pytest.mark.parametrize("is_welded", [False, True])
def test_stop_without_effect_is_found(is_welded: bool) -> None:
    """A contact that is welded already closes no more, and nothing that is read shows it."""
    story = Story()
    story.command(3.0, "stop")
    story.frame(3.0, "0502020005", "0502020005")
    story.answer(3.1, "c1")
    story.polls(0.2, 8.0)
    if is_welded:
        story.records.append(Trouble(2.0, "welded-relay", 5.0, {"relay": STOP}))
    assert ((12, "answer is not true") in story.rules(8.0)) is not is_welded


@pytest.mark.parametrize("fault", [None, "stall", "slow-bus"])
def test_dead_time_behind_an_adapter(fault: str | None) -> None:
    """A board that never answers does not show when it has executed its release."""
    facts = Post("lcus").facts
    story = Story()
    story.records.append(Contact(3.0, "relays", OPEN, True, "command"))
    story.records.append(Contact(3.5, "relays", OPEN, False, "command"))
    story.records.append(Contact(3.7, "relays", CLOSE, True, "command"))
    if fault is not None:
        story.records.append(Trouble(3.2, fault, 3.55))
    story.records.append(Truth(8.0, "end"))
    rules = {(one.invariant, one.rule) for one in judge(facts, story.records)}
    assert ((8, "dead time") in rules) is (fault is None)


def test_opposite_contacts_are_found() -> None:
    story = Story()
    story.polls(0.2, 8.0)
    story.command(3.0, "open")
    story.move(3.0, OPEN)
    story.answer(3.1, "c1", "failed")
    story.command(3.2, "close", "c2")
    story.move(3.2, CLOSE)
    story.answer(7.0, "c2", "failed")
    assert story.rules(8.0) == {(8, "both contacts"), (21, "too often")}


@pytest.mark.parametrize(("pulse_s", "broken"), [(0.9, False), (1.6, True)])
def test_relay_that_stays_closed_is_found(pulse_s: float, broken: bool) -> None:
    story = Story()
    story.polls(0.2, 8.0)
    story.command(3.0, "open")
    story.move(3.0, OPEN, pulse_s=pulse_s)
    story.answer(5.0, "c1", "failed")
    assert story.rules(8.0) == ({(7, "relay stays closed")} if broken else set())


def closing_on_a_person(
    reopened_s: float | None, lost_s: float | None = None, *, is_shorted: bool = False
) -> set[tuple[int, str]]:
    story = Story()
    story.circuit(1.0, 1, False)
    story.circuit(1.0, 0, True)
    story.records.append(Event(1.1, "barrier.alarm", {"kind": "forced_open"}))
    story.command(3.0, "close")
    story.move(3.0, CLOSE)
    story.records.append(Truth(3.05, "motion", "", {"towards": "closing", "by": "motor"}))
    if is_shorted:
        story.records.append(Trouble(2.5, "shorted-wire", 9.0, {"signal": "open-limit"}))
    else:
        story.circuit(3.1, 0, False)
    story.circuit(4.0, 4, False)
    if lost_s is not None:
        story.frame(lost_s, "0502000005")  # the connection ends without an answer
    if reopened_s is not None:
        story.move(reopened_s, OPEN)
        story.records.append(Truth(reopened_s, "motion", "", {"towards": "opening", "by": "motor"}))
    else:
        story.records.append(Truth(5.5, "rest", "", {"position": 0.0}))
    story.records.append(Event(4.2, "barrier.alarm", {"kind": "obstruction_while_closing"}))
    story.answer(4.2, "c1", "failed", "unsafe")
    story.polls(0.2, 9.0)
    return story.rules(9.0)


def test_reopening_in_time_breaks_nothing() -> None:
    assert closing_on_a_person(4.2) == set()


def test_reopening_after_a_hang_up_breaks_nothing() -> None:
    assert closing_on_a_person(4.5) == {(10, "reopening is late"), NO_WRITE}
    assert closing_on_a_person(4.5, lost_s=4.15) == set()


@pytest.mark.parametrize(
    ("foreign_s", "broken"), [(3.2, False), (3.55, False), (3.65, True), (3.8, True), (5.2, True)]
)
def test_opening_after_another_master_is_found(foreign_s: float, broken: bool) -> None:
    """A relay shows nothing of another master until it was read as open, here at 3.6 s."""
    story = Story()
    story.command(3.0, "open")
    story.move(3.0, OPEN)
    story.answer(3.1, "c1", "failed")
    story.records.append(Truth(foreign_s, "foreign", "", {"relay": OPEN}))
    if foreign_s > 3.5:
        story.records.append(Contact(foreign_s, "relays", OPEN, True, "command"))
        story.records.append(Contact(foreign_s + 0.1, "relays", OPEN, False, "command"))
    story.records.append(Event(foreign_s + 0.4, "barrier.alarm", {"kind": "other_master"}))
    story.command(8.0, "open", "c2")
    story.move(8.0, OPEN)
    story.answer(9.6, "c2", "failed")
    story.polls(0.2, 12.0)
    assert story.rules(12.0) == ({(28, "other master")} if broken else set())


@pytest.mark.parametrize(("foreign_s", "broken"), [(2.95, False), (2.75, True)])
def test_unseen_master_before_an_opening_is_found(foreign_s: float, broken: bool) -> None:
    """A relay that the gateway closes hides another master only if it was not read before."""
    story = Story()
    story.command(2.9, "open")
    story.records.append(Truth(foreign_s, "foreign", "", {"relay": OPEN}))
    story.records.append(Contact(foreign_s, "relays", OPEN, True, "command"))
    story.move(2.99, OPEN)
    story.answer(3.1, "c1", "failed")
    story.polls(0.2, 8.0)
    assert ((28, "other master unseen") in story.rules(8.0)) is broken


@pytest.mark.parametrize(("foreign_s", "opened_s", "broken"), [(3.2, 3.5, False), (3.2, 4.5, True)])
def test_master_hidden_by_a_pulse(foreign_s: float, opened_s: float, broken: bool) -> None:
    """An "on" of a relay that a pulse keeps closed changes nothing, unless it outlasts the pulse."""
    story = Story()
    story.command(3.0, "open")
    story.move(3.0, OPEN, pulse_s=opened_s - 3.0)
    story.answer(3.1, "c1", "failed")
    story.records.append(Truth(foreign_s, "foreign", "", {"relay": OPEN}))
    story.polls(0.2, 8.0)
    assert ((28, "other master unseen") in story.rules(8.0)) is broken


@pytest.mark.parametrize("is_shown", [True, False])
def test_unseen_master_is_found(is_shown: bool) -> None:
    """A condition that is shown already needs no second alarm."""
    story = Story()
    story.polls(0.2, 8.0)
    story.records.append(Event(2.0, "barrier.state", {"conditions": ["other_master"] if is_shown else []}))
    story.records.append(Truth(3.0, "foreign", "", {"relay": OPEN}))
    story.records.append(Contact(3.0, "relays", OPEN, True, "command"))
    story.records.append(Contact(3.1, "relays", OPEN, False, "command"))
    assert ((28, "other master unseen") in story.rules(8.0)) is not is_shown


def test_shorted_open_limit_hides_a_closing() -> None:
    assert closing_on_a_person(None, is_shorted=True) == set()


@pytest.mark.parametrize("reopened_s", [None, 5.0])
def test_reopening_missing_or_late_is_found(reopened_s: float | None) -> None:
    rule = "not reopened" if reopened_s is None else "reopening is late"
    assert closing_on_a_person(reopened_s) == {(10, rule), NO_WRITE}


def test_close_with_a_person_is_found() -> None:
    story = Story()
    story.circuit(2.0, 4, False)
    story.polls(0.2, 8.0)
    story.command(3.0, "close")
    story.move(3.0, CLOSE)
    story.answer(7.0, "c1", "failed")
    assert story.rules(8.0) == {(9, "closes on a person")}


def test_close_on_old_sensing_is_found() -> None:
    story = Story()
    story.polls(0.2, 2.0)
    story.command(3.0, "close")
    story.move(3.0, CLOSE)
    story.answer(7.0, "c1", "failed")
    assert story.rules(8.0) == {(9, "sensing too old")}


def test_lost_emergency_is_found() -> None:
    story = Story()
    story.circuit(3.0, 5, False)
    story.circuit(4.0, 5, True)
    story.polls(0.2, 9.0)
    story.records.append(Event(3.2, "barrier.state", {"state": "emergency_open", "doors": []}))
    story.records.append(Event(5.0, "barrier.state", {"state": "closed", "doors": []}))
    story.command(6.0, "close")
    story.move(6.0, CLOSE)
    story.answer(8.0, "c1", "failed")
    assert story.rules(9.0) == {(11, "emergency is lost"), (11, "closes in an emergency")}


@pytest.mark.parametrize(("welded", "broken"), [(CLOSE, False), (OPEN, True), (None, True)])
def test_unreleased_close_contact_is_found(welded: int | None, broken: bool) -> None:
    """A contact that is closed when an emergency begins; only its own weld keeps it from being opened."""
    story = Story()
    story.circuit(3.0, 5, False)
    story.records.append(Contact(2.0, "relays", CLOSE, True, "welded", None))
    if welded is not None:
        story.records.append(Trouble(2.0, "welded-relay", 9.0, {"relay": welded}))
    story.polls(0.2, 9.0)
    assert ((11, "not released") in story.rules(9.0)) == broken


def test_lease_ended_by_another_is_found() -> None:
    story = Story()
    story.polls(0.2, 9.0)
    story.command(3.0, "maintenance", "c1", issuer="technician", duration_s=60.0)
    story.answer(3.0, "c1")
    story.command(4.0, "maintenance", "c2", issuer="counter-2", duration_s=0.0)
    story.answer(4.0, "c2")
    assert story.rules(9.0) == {(19, "lease of another")}


def test_state_told_but_not_sensed_is_found() -> None:
    story = Story()
    story.polls(0.2, 9.0)
    story.records.append(
        Event(3.0, "barrier.state", {"state": "open", "doors": [{"door": "", "state": "open"}]})
    )
    assert story.rules(9.0) == {(1, "told, not sensed"), (1, "told against readings")}


@pytest.mark.parametrize(
    ("conditions", "broken"), [(["emergency", "key_switch"], False), (["emergency"], True)]
)
def test_hidden_condition_is_found(conditions: list[str], broken: bool) -> None:
    story = Story()
    story.circuit(3.0, 5, False)
    story.circuit(3.0, 6, False)
    story.polls(0.2, 6.0)
    state = {"state": "emergency_open", "conditions": conditions, "doors": []}
    story.records.append(RetainedState(3.1, "barrier.state", state))
    text = "The emergency input is active. The key switch at the barrier is turned."
    story.records.append(Device(3.1, "degraded", "emergency", text))
    assert story.rules(6.0) == ({(30, "condition hidden")} if broken else set())


@pytest.mark.parametrize(("transaction", "broken"), [("t1", False), ("t9", True)])
def test_permit_of_no_command_is_found(transaction: str, broken: bool) -> None:
    story = Story()
    story.polls(0.2, 6.0)
    story.records.append(Command(3.0, "c1", "open", {}, "counter-1", 6.0, 1, "t1"))
    story.move(3.0, OPEN)
    story.answer(4.6, "c1", "failed")
    story.records.append(Event(5.0, "barrier.passage", {"door": "", "permitted": True}, transaction))
    assert story.rules(6.0) == ({(20, "permit of no command")} if broken else set())
