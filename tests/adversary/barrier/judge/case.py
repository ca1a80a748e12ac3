"""Index of a lane's records: signals, contacts, relay actions and readings over time."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeVar

from adversary.barrier.judge.protocols import NOTHING, Request, is_refusal, read_answer, read_request
from adversary.barrier.judge.records import (
    Answer,
    Circuit,
    Command,
    Contact,
    Device,
    DoorFacts,
    Event,
    LaneFacts,
    Life,
    Record,
    RetainedState,
    Signal,
    Trouble,
    Truth,
    Violation,
    Wire,
)
from adversary.barrier.judge.steps import Steps

RecordT = TypeVar("RecordT", bound=Record)
CUTTING = ("silence", "unplug", "power-cut", "stall")
"""Faults during which no frame gets through."""
OPEN_STATES = ("online", "degraded", "busy")
EVENTS = ("clock", "fire", "key-switch", "lift", "button")
"""Injected events that disturb neither wires nor sensors."""
SHORTEST_S = 0.05
"""Shortest contact that a machine takes for a command, in seconds."""
LEASE_S = 0.3
"""Time for which a lease may last longer than its command says: it counts from its execution, in seconds."""
SPAN_S = 0.6
"""Time around a single disturbed exchange in which nothing is asked of reaction times, in seconds."""
BUSY_S = 1.0
"""Time after the end of a slow phase until a process has done what waited, in seconds."""
LIMIT_S = 0.01
"""Time before a host's limit from which on it may have given up an answer, in seconds.

Its wait may begin before the frame leaves, by the silence between two frames of a serial line.
"""
IDENTIFIED_S = (0.5, 1.5)
"""Waits for the answers to the first two requests for an identity on a connection, in seconds.

A later request on the same connection is no reason to read nothing.
"""
FRAMES_TO_STOP = 2
"""Frames that a stop takes on a slow bus: the one that is on its way, and its own."""


@dataclass(frozen=True, slots=True)
class Action:
    """One relay that a frame switches. `acknowledged`: its answer reached the host."""

    at_s: float
    door: str
    contact: str
    kind: str
    seconds: float | None
    wire: Wire
    acknowledged: bool
    refused: bool

    closed_s: float
    """Time for which the frame has closed the contact, in seconds; 0 if it never did."""

    @property
    def energises(self) -> bool:
        """True unless it only releases."""
        return self.kind != "off"

    @property
    def moves(self) -> bool:
        """True if a machine takes its contact for a command; shorter ones are ignored."""
        return self.closed_s >= SHORTEST_S


@dataclass(frozen=True, slots=True)
class Reading:
    """Values of inputs that reached the host: by (door, signal)."""

    asked_s: float
    at_s: float
    values: dict[tuple[str, str], bool]
    wire: Wire
    is_doubtful: bool = False
    """True if it came so late that the host may have given it up."""


@dataclass(frozen=True, slots=True)
class RelayReading:
    """Relays whose state reached the host: True is closed."""

    asked_s: float
    at_s: float
    values: dict[int, bool]


class Case:
    """All that is known of one lane."""

    def __init__(self, facts: LaneFacts, records: list[Record]) -> None:
        self.facts = facts
        self.records = records
        self._places = {id(record): n for n, record in enumerate(records)}
        self.start_s = records[0].at_s if records else 0.0
        self.end_s = records[-1].at_s if records else 0.0
        self.violations: list[Violation] = []
        self.commands = self.of(Command)
        self.events = self.of(Event)
        self.devices = self.of(Device)
        self.lives = self.of(Life)
        self.troubles = self.of(Trouble)
        self.truths = self.of(Truth)
        self.retained_states = self.of(RetainedState)
        self.answers: dict[str, list[Answer]] = {}
        for answer in self.of(Answer):
            self.answers.setdefault(answer.id, []).append(answer)
        self.doors = {door.name: door for door in facts.doors}
        self._signals = self._index_signals()
        self.relays = self._index_relays()
        self.actions: list[Action] = []
        self.readings: list[Reading] = []
        self.relay_readings: list[RelayReading] = []
        self.requests: list[tuple[Wire, Request | None]] = []
        self.abnormal: list[float] = []
        """Times of exchanges that did not go as they should."""
        self.awaited: list[float] = []
        """Those of them for whose answer the host has waited."""
        self.unread: list[tuple[float, float]] = []
        """Spans in which the host waits for a board's identity, and so reads nothing."""
        self._answered_s: dict[tuple[str, int], float] = {}
        """Times of answers that left the board without delay, by its name and the request's number."""
        self._index_wires()
        self.alive = self._index_lives()
        self._slow = self._index_slow_phases()
        self.leases = list(self._index_leases())
        """Spans in which a maintenance lease was in effect, or may have been."""
        self.reopenings: dict[int, bool] = {}
        """See `commands_rules.is_reopening`: by the number of the frame."""

    def place(self, record: Record) -> int:
        """Return the place of a record among all: the order of those of the same time."""
        return self._places[id(record)]

    def of(self, kind: type[RecordT]) -> list[RecordT]:
        """Return the records of one kind."""
        return [record for record in self.records if isinstance(record, kind)]

    # Signals and contacts.

    def _wired(self) -> Iterator[tuple[str, str, Signal]]:
        for door in self.facts.doors:
            for name, signal in door.signals.items():
                yield door.name, name, signal
        for name, signal in self.facts.signals.items():
            yield "", name, signal

    def _index_signals(self) -> dict[tuple[str, str], Steps]:
        found: dict[tuple[str, str], Steps] = {}
        by_channel = {}
        for door, name, signal in self._wired():
            steps = found[door, name] = Steps()
            by_channel[signal.board, signal.channel] = (steps, signal.contact)
        for record in self.of(Circuit):
            if (one := by_channel.get((record.board, record.channel))) is not None:
                steps, contact = one
                steps.set(record.at_s, record.closed == (contact == "no"), record)
        return found

    def signal(self, name: str, door: str = "") -> Steps:
        """Return a signal as its circuit shows it: True is active."""
        return self._signals.get((door, name), Steps())

    def _index_relays(self) -> dict[int, Steps]:
        relays: dict[int, Steps] = {}
        for record in self.of(Contact):
            if record.board == self.facts.relays_on:
                relays.setdefault(record.relay, Steps()).set(record.at_s, record.closed, record)
        return relays

    def contact(self, door: DoorFacts, name: str) -> Steps:
        """Return a contact of a door as the machine sees it: through a time relay, if there is one."""
        relay = getattr(door, name)
        steps = self.relays.get(relay, Steps()) if relay is not None else Steps()
        if self.facts.ends_pulse != "time-relay":
            return steps
        limited = Steps()
        for from_s, to_s in steps.spans(end_s=self.end_s):
            limited.set(from_s, True)
            limited.set(min(to_s, from_s + 1.0), False)
        return limited

    def role(self, relay: int) -> tuple[str, str]:
        """Return door and contact of a relay."""
        for door in self.facts.doors:
            for name in ("open", "close", "stop"):
                if getattr(door, name) == relay:
                    return door.name, name
        return "", ""

    # Frames.

    def _index_wires(self) -> None:
        asked: dict[tuple[str, int], tuple[Wire, Request | None]] = {}
        answered: dict[tuple[str, int], list[Wire]] = {}
        for wire in self.of(Wire):
            if wire.connection == 0:  # another master's
                continue
            if wire.direction == "to-board":
                request = read_request(self.facts.boards[wire.board], wire.data)
                asked[wire.board, wire.number] = wire, request
                self.requests.append((wire, request))
            elif wire.answers is not None:
                answered.setdefault((wire.board, wire.answers), []).append(wire)
                if wire.fate != "late":
                    self._answered_s.setdefault((wire.board, wire.answers), wire.at_s)
            if not wire.arrived and wire.fate != "repeated":
                self.abnormal.append(wire.at_s)
                is_second = len(answered.get((wire.board, wire.answers or 0), ())) > 1
                if self.facts.boards[wire.board].model != "lcus" and not is_second:
                    self.awaited.append(wire.at_s)
        requests: dict[tuple[str, int], int] = {}
        for key, (wire, request) in asked.items():
            facts = self.facts.boards[wire.board]
            if request is not None and request.reads == "identity":
                place = requests.get((wire.board, wire.connection), 0)
                requests[wire.board, wire.connection] = place + 1
                if place < len(IDENTIFIED_S):
                    came_s = [one.at_s for one in answered.get(key, []) if one.arrived or one.fate == "late"]
                    self.unread.append((wire.at_s, min([wire.at_s + IDENTIFIED_S[place], *came_s])))
            back = [one for one in answered.get(key, []) if one.arrived]
            refused = any(is_refusal(facts, one.data) for one in answered.get(key, []))
            unanswered = key not in answered and facts.model != "lcus"
            late = any(self._is_at_limit(wire, one) for one in back)
            if refused or late or (unanswered and wire.arrived):
                self.abnormal.append(wire.at_s)
                self.awaited.append(wire.at_s)
            for action in (request or NOTHING).actions if wire.board == self.facts.relays_on else ():
                door, contact = self.role(action.relay)
                if contact:
                    known = bool(back) and not refused
                    closed_s = self._closed_by(action.relay, wire.number)
                    one = (
                        wire.at_s,
                        door,
                        contact,
                        action.kind,
                        action.seconds,
                        wire,
                        known,
                        refused,
                        closed_s,
                    )
                    self.actions.append(Action(*one))
            if request is not None and request.reads == "relays" and wire.board == self.facts.relays_on:
                for one in back:
                    values = read_answer(facts, request, one.data) or {}
                    self.relay_readings.append(RelayReading(wire.at_s, one.at_s, values))
            if request is not None and request.reads == "inputs":
                for one in back + [one for one in answered.get(key, []) if one.fate == "late"]:
                    self._add_reading(wire, request, one)
        self.readings.sort(key=lambda reading: reading.at_s)

    def _closed_by(self, relay: int, number: int) -> float:
        """Return for how long a frame has closed a contact."""
        steps = self.relays.get(relay, Steps())
        for n, record in enumerate(steps.records):
            if isinstance(record, Contact) and record.closed and record.request == number:
                end_s = steps.times[n + 1] if n + 1 < len(steps.times) else self.end_s
                return end_s - record.at_s
        return 0.0

    def executed_s(self, action: Action) -> float:
        """Return when a board has executed a frame: on a slow bus, when it answers."""
        answered_s = self._answered_s.get((action.wire.board, action.wire.number), action.at_s)
        is_slow = any(
            one.name == "slow-bus" and one.at_s <= answered_s and action.at_s <= one.until_s
            for one in self.troubles
        )
        return answered_s if is_slow else action.at_s

    def _add_reading(self, wire: Wire, request: Request, answer: Wire) -> None:
        circuits = read_answer(self.facts.boards[wire.board], request, answer.data) or {}
        values = {
            (door, name): circuits[signal.channel] == (signal.contact == "no")
            for door, name, signal in self._wired()
            if signal.board == wire.board and signal.channel in circuits
        }
        reading = Reading(wire.at_s, answer.at_s, values, answer, self._is_at_limit(wire, answer))
        self.readings.append(reading)

    def _is_at_limit(self, wire: Wire, answer: Wire) -> bool:
        """Return whether the host may have given up a request when its answer came."""
        return answer.at_s - wire.at_s > self.facts.answer_s - LIMIT_S

    def last_read(self, door: str, name: str, before_s: float) -> tuple[Reading, bool] | None:
        """Return the last reading of a signal that had reached the host by then, and its value."""
        for reading in reversed(self.readings):
            if reading.at_s <= before_s and (door, name) in reading.values:
                return reading, reading.values[door, name]
        return None

    def first_read(self, door: str, name: str, value: bool, from_s: float, to_s: float) -> float | None:
        """Return when this value of a signal first reached the host in a span of time, beyond doubt."""
        for reading in self.readings:
            is_here = from_s <= reading.at_s <= to_s and not reading.is_doubtful
            if is_here and reading.values.get((door, name)) == value:
                return reading.at_s
        return None

    def changes_read(self, door: str, name: str, from_s: float, to_s: float) -> int:
        """Return the number of changes of a signal that reached the host."""
        values = [
            reading.values[door, name]
            for reading in self.readings
            if from_s <= reading.at_s <= to_s and (door, name) in reading.values
        ]
        return sum(a != b for a, b in pairwise(values))

    # The gateway's process.

    def _index_lives(self) -> Steps:
        alive = Steps()
        for life in self.lives:
            if life.what in ("started", "thawed"):
                alive.set(life.at_s, True)
            elif life.what in ("killed", "ended", "frozen", "daemon-killed"):
                alive.set(life.at_s, False)
        return alive

    def _index_slow_phases(self) -> Steps:
        slow = Steps()
        for life in self.lives:
            slow.set(life.at_s, life.what == "slow")
        return slow

    def is_slow(self, from_s: float, to_s: float) -> bool:
        """Return whether the machine of the process was busy at any time, or just before."""
        return self._slow.ever(from_s - BUSY_S, to_s)

    def _index_leases(self) -> Iterator[tuple[float, float]]:
        """Yield the leases: one that was not rejected may be in effect, as its answer may be lost."""
        held: tuple[float, float] | None = None
        for command in self.commands:
            state = next((one.state for one in self.answers.get(command.id, [])), "")
            if command.verb != "maintenance" or state == "rejected":
                continue
            until_s = command.at_s + float(command.arguments.get("duration_s", 0)) + LEASE_S
            if held is not None:
                # Without an answer, both may be in effect.
                yield held[0], held[1] if state != "done" else min(held[1], command.at_s + LEASE_S)
            held = command.at_s, until_s
        if held is not None:
            yield held

    def is_leased(self, from_s: float, to_s: float) -> bool:
        """Return whether a maintenance lease may have been in effect at any time."""
        return any(began_s <= to_s and from_s <= ended_s for began_s, ended_s in self.leases)

    def life_at(self, at_s: float) -> int:
        """Return the number of the life at a time; 0 for none."""
        return max(
            (life.number for life in self.lives if life.what == "started" and life.at_s <= at_s), default=0
        )

    def is_open(self, at_s: float) -> bool:
        """Return whether the device is said to be open, by a process that runs."""
        device = next((one for one in reversed(self.devices) if one.at_s <= at_s), None)
        started = max(
            (life.at_s for life in self.lives if life.what == "started" and life.at_s <= at_s), default=0.0
        )
        return (
            device is not None
            and device.at_s >= started
            and device.state in OPEN_STATES
            and self.alive.at(at_s)
        )

    def reachable(self, from_s: float, to_s: float) -> bool:
        """Return whether one process ran all the time and the wire was whole, apart from single exchanges."""
        if not self.alive.throughout(from_s, to_s):
            return False
        ends = [life.at_s for life in self.lives if life.what not in ("slow", "thawed")]
        if any(from_s <= at_s <= to_s for at_s in ends):
            return False
        return not any(
            one.name in CUTTING and one.at_s <= to_s and one.until_s + 0.3 >= from_s for one in self.troubles
        )

    def healthy(self, from_s: float, to_s: float) -> bool:
        """Return whether nothing was disturbed, so that all reaction times hold."""
        if not self.reachable(from_s, to_s) or not self.is_open(from_s):
            return False
        if any(from_s < one.at_s <= to_s and one.state not in OPEN_STATES for one in self.devices):
            return False
        if self.is_slow(from_s, to_s):
            return False
        disturbing = [one for one in self.troubles if one.name not in EVENTS]
        if any(one.at_s <= to_s and one.until_s + 0.5 >= from_s for one in disturbing):
            return False
        return not any(from_s - SPAN_S <= at_s <= to_s for at_s in self.abnormal)

    def slack_s(self, from_s: float, to_s: float, frames: int | None = None) -> float:
        """Return the time that disturbed exchanges and a slow bus excuse.

        `frames`: those that the reaction takes; without it those of two readings, because a change may come
        just after its input was read.
        """
        spent_s = sum(self.facts.answer_s + 0.15 for at_s in self.awaited if from_s <= at_s <= to_s)
        slow = [
            one
            for one in self.troubles
            if one.name == "slow-bus" and one.at_s <= to_s and one.until_s >= from_s
        ]
        frames = frames or 2 * self.facts.frames_a_poll
        spent_s += sum(frames * float(one.details.get("delay_s", 0.2)) for one in slow)
        if self.is_slow(from_s, to_s):
            spent_s += 0.8
        return spent_s

    def readable_s(self, at_s: float) -> float:
        """Return from when on the host could read again what has changed at a time."""
        for from_s, until_s in self.unread:
            if from_s <= at_s <= until_s:
                at_s = until_s
        return at_s

    def is_abnormal(self, from_s: float, to_s: float) -> bool:
        """Return whether an exchange in this span did not go as it should."""
        return any(from_s <= at_s <= to_s for at_s in self.abnormal)

    def stalled(self, at_s: float) -> bool:
        """Return whether an adapter held bytes back until about then."""
        return any(
            one.name == "stall" and one.at_s - 0.1 <= at_s <= one.until_s + 0.1 for one in self.troubles
        )

    def counts(self, action: Action) -> bool:
        """Return whether a frame is judged: a late one of an adapter only if it moves a machine."""
        return action.moves or (action.wire.arrived and not self.stalled(action.at_s))

    # Verdicts.

    def blame(self, invariant: int, rule: str, at_s: float, text: str, *evidence: Record | None) -> None:
        """Add a violation."""
        lines = tuple(record.line for record in evidence if record is not None)
        self.violations.append(Violation(invariant, rule, at_s, text, lines))

    def around(self, at_s: float, before_s: float = 1.0, after_s: float = 0.5) -> Iterable[Record]:
        """Return the records around a time."""
        return [record for record in self.records if at_s - before_s <= record.at_s <= at_s + after_s]
