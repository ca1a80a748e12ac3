"""Short records of one lane for the judge's own tests: frames, contacts, signals and messages by hand."""

from dataclasses import replace
from typing import Any

from adversary.barrier.judge.protocols import crc16
from adversary.barrier.judge.records import (
    Answer,
    BoardFacts,
    Circuit,
    Command,
    Contact,
    Device,
    Event,
    LaneFacts,
    Life,
    Record,
    RetainedState,
    Signal,
    Trouble,
    Truth,
    Wire,
)
from adversary.barrier.judge.verdict import judge
from adversary.barrier.rig.posts import Post

Rule = tuple[int, str]
FACTS = Post("waveshare-tcp").facts
GATE = Post("waveshare-tcp", "gate").facts
NUMATO = Post("numato").facts
SILENT = Post("lcus").facts
TIMED = replace(
    FACTS, ends_pulse="time-relay", boards={"relays": BoardFacts("kmtronic-8", "tcp", 1, {"relays": 8})}
)
"""A board with inputs, behind a time relay of 1 s."""
WATCHED = replace(TIMED, ends_pulse="watchdog")
OPEN, CLOSE, STOP = 0, 1, 2
SECOND_OPEN = 3
"""Relay of a gate's second door."""
NO_WRITE = (10, "no write after the reading")


def tcp(pdu: str, unit: int = 1) -> bytes:
    """Return a frame of Modbus TCP."""
    data = bytes.fromhex(pdu)
    return bytes([0, 1, 0, 0, 0, len(data) + 1, unit]) + data


def rtu(pdu: str) -> bytes:
    """Return a frame of Modbus RTU."""
    body = b"\x01" + bytes.fromhex(pdu)
    return body + crc16(body).to_bytes(2, "little")


class Story:
    """Records of a lane at its closed limits. Times are in seconds from its start."""

    def __init__(self, facts: LaneFacts = FACTS) -> None:
        self.facts = facts
        self.records: list[Record] = [Life(0.0, 1, "started"), Device(0.1, "online")]
        self.number = 0
        for door in ("", *(one.name for one in facts.doors if one.name)):
            for name in self._wired(door):
                self.signal(0.0, name, name in ("closed_limit", "controller_ok"), door)

    def _wired(self, door: str) -> dict[str, Signal]:
        doors = {one.name: one.signals for one in self.facts.doors}
        return {**doors.get(door, {}), **({} if door else self.facts.signals)}

    def add(self, *records: Record) -> None:
        """Add records."""
        self.records += records

    def signal(self, at_s: float, name: str, active: bool, door: str = "") -> None:
        """Let a signal change."""
        wire = self._wired(door)[name]
        self.add(Circuit(at_s, wire.board, wire.channel, active == (wire.contact == "no")))

    def pulse_signal(self, from_s: float, to_s: float, name: str, door: str = "") -> None:
        """Let a signal be active for a time."""
        self.signal(from_s, name, True, door)
        self.signal(to_s, name, False, door)

    def opened(self, at_s: float = 1.0, door: str = "") -> None:
        """Let a door be open since then, by hand."""
        self.signal(at_s, "closed_limit", False, door)
        self.signal(at_s, "open_limit", True, door)
        self.alarm(at_s + 0.1, "forced_open", door=door)

    def alarm(self, at_s: float, kind: str, **data: Any) -> None:
        """Raise an alarm."""
        self.add(Event(at_s, "barrier.alarm", {"kind": kind, **data}))

    def state(self, at_s: float, state: str, **data: Any) -> None:
        """Report a state of the whole and of its first door."""
        doors = [{"door": self.facts.doors[0].name, "state": state}]
        self.add(Event(at_s, "barrier.state", {"state": state, "doors": doors, **data}))

    def retained(self, at_s: float, state: str, **data: Any) -> None:
        """Retain a state."""
        doors = [{"door": self.facts.doors[0].name, "state": state}]
        self.add(RetainedState(at_s, "barrier.state", {"state": state, "doors": doors, **data}))

    def trouble(self, at_s: float, name: str, until_s: float, **details: Any) -> None:
        """Inject a fault."""
        self.add(Trouble(at_s, name, until_s, details))

    def motion(self, at_s: float, towards: str, door: str = "", by: str = "motor") -> None:
        """Let a door begin to move."""
        self.add(Truth(at_s, "motion", door, {"towards": towards, "by": by}))

    # Frames.

    def frame(
        self,
        at_s: float,
        data: str | bytes,
        answer: str | bytes | None = None,
        *,
        arrived: bool = True,
        connection: int = 1,
        board: str = "relays",
        answered_s: float | None = None,
        fate: str = "",
    ) -> int:
        """Add a request and its answer, if there is one; return the number of the request."""
        unit = self.facts.boards[board].unit
        self.number += 1
        number = self.number
        wire = data if isinstance(data, bytes) else tcp(data, unit)
        self.add(Wire(at_s, board, number, "to-board", wire, connection, arrived))
        if answer is not None:
            self.number += 1
            back_s = at_s if answered_s is None else answered_s
            back = answer if isinstance(answer, bytes) else tcp(answer, unit)
            self.add(Wire(back_s, board, self.number, "to-host", back, connection, not fate, number, fate))
        return number

    def lost(self, at_s: float) -> None:
        """Lose the answer to a frame that switches nothing."""
        self.frame(at_s, "0300000001")

    def polls(
        self, from_s: float, to_s: float, every_s: float = 0.2, *, relays: bool = True, connection: int = 1
    ) -> None:
        """Read all inputs and relays, as they are by the records so far."""
        at_s = from_s
        ordered = sorted(self.records, key=lambda record: record.at_s)
        board = self.facts.doors[0].signals["presence"].board
        while at_s < to_s:
            circuits = [False] * 8
            closed = [False] * 8
            for one in ordered:
                if isinstance(one, Circuit) and one.at_s <= at_s and one.board == board:
                    circuits[one.channel] = one.closed
                if isinstance(one, Contact) and one.at_s <= at_s:
                    closed[one.relay] = one.closed
            self.frame(at_s, "0200000008", f"0201{bits(circuits):02x}", board=board, connection=connection)
            if relays and board == "relays":
                self.frame(at_s, "0100000008", f"0101{bits(closed):02x}", connection=connection)
            at_s += every_s

    def move(self, at_s: float, relay: int, *, pulse_s: float = 0.5, connection: int = 1) -> None:
        """Close a contact by one frame; it opens by itself."""
        pdu = f"0502{relay:02x}0005"
        number = self.frame(at_s, pdu, pdu, connection=connection)
        self.add(Contact(at_s, "relays", relay, True, "command", number))
        self.add(Contact(at_s + pulse_s, "relays", relay, False, "pulse_ended", number))

    def switch(
        self, at_s: float, relay: int, on: bool, *, arrived: bool = True, cause: str = "command"
    ) -> None:
        """Close or open a contact by a frame of a board without a timer, if the frame arrives."""
        match self.facts.boards["relays"].model:
            case "lcus":
                body = bytes([0xA0, relay + 1, on])
                number = self.frame(at_s, body + bytes([sum(body) & 0xFF]), arrived=arrived)
            case "numato":
                line = f"relay {'on' if on else 'off'} {relay}\r".encode()
                number = self.frame(at_s, line, line + b"\n>" if arrived else None, arrived=arrived)
            case _:
                pdu = f"0500{relay:02x}{'ff' if on else '00'}00"
                number = self.frame(at_s, pdu, pdu if arrived else None, arrived=arrived)
        if arrived:
            self.add(Contact(at_s, "relays", relay, on, cause, number))

    def contact(self, from_s: float, to_s: float, relay: int, cause: str = "command") -> None:
        """Close a contact for a time, without a frame."""
        self.add(Contact(from_s, "relays", relay, True, cause), Contact(to_s, "relays", relay, False, cause))

    # Stations.

    def command(
        self,
        at_s: float,
        verb: str,
        name: str = "c1",
        within_s: float = 3.0,
        issuer: str = "counter-1",
        life: int = 1,
        **arguments: object,
    ) -> None:
        """Send a command."""
        self.add(Command(at_s, name, verb, dict(arguments), issuer, at_s + within_s, life))

    def answer(
        self, at_s: float, name: str = "c1", state: str = "done", reason: str = "", **result: object
    ) -> None:
        """Answer a command."""
        self.add(Answer(at_s, name, state, reason, "", dict(result)))

    def rules(self, until_s: float = 20.0) -> set[Rule]:
        """Return the broken rules."""
        self.add(Truth(until_s, "end"))
        return {(one.invariant, one.rule) for one in judge(self.facts, self.records)}


def bits(values: list[bool]) -> int:
    """Pack values, the first one lowest."""
    return sum(1 << n for n, value in enumerate(values) if value)


def closing_on_a_person(facts: LaneFacts = FACTS, *, left_s: float = 99.0) -> Story:
    """Return a boom that closes by a command since 3.05 s, with a person in the way from 4.0 s."""
    story = Story(facts)
    story.opened()
    story.command(3.0, "close")
    if facts.boards["relays"].model in ("lcus", "numato"):
        story.switch(3.0, CLOSE, True)
        story.switch(3.5, CLOSE, False)
    else:
        story.move(3.0, CLOSE)
    story.motion(3.05, "closing")
    story.signal(3.1, "open_limit", False)
    story.pulse_signal(4.0, left_s, "presence")
    story.alarm(4.2, "obstruction_while_closing")
    story.answer(4.2, "c1", "failed", "unsafe")
    return story


def reopened(story: Story, at_s: float | None) -> set[Rule]:
    """Let the boom of this story reopen, or shut at 5.5 s; return the broken rules."""
    if at_s is None:
        story.add(Truth(5.5, "rest", "", {"position": 0.0}))
    elif story.facts.boards["relays"].model in ("lcus", "numato"):
        story.switch(at_s, OPEN, True)
        story.switch(at_s + 0.5, OPEN, False)
    else:
        story.move(at_s, OPEN)
    if at_s is not None:
        story.motion(at_s, "opening")
    if story.facts.boards["relays"].model != "numato":
        story.polls(0.2, 9.0)
    return story.rules(9.0)
