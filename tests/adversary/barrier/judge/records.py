"""Records of one lane for the judge: bytes on the wire, truth at the machine, and messages of the gateway.

All times are seconds of one clock. Nothing here comes from the code under test: bytes are bytes, messages are
JSON, and names are those of the protocol sheet.
"""

from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class Record:
    """Anything with a time."""

    at_s: float

    @property
    def line(self) -> str:
        """One line of evidence."""
        rest = {name: getattr(self, name) for name in self.__slots__}
        words = [
            f"{name}={value.hex(' ') if isinstance(value, bytes) else value}"
            for name, value in rest.items()
            if value not in (None, {}, "")
        ]
        return f"{self.at_s:10.3f} {type(self).__name__:<8} {' '.join(words)}"


@dataclass(frozen=True, slots=True)
class Wire(Record):
    """Bytes of one frame at the board's end of the line."""

    board: str
    number: int
    direction: Literal["to-board", "to-host"]
    data: bytes
    connection: int
    arrived: bool
    """To a board: it accepted the frame. To the host: the answer was sent unharmed and in time."""
    answers: int | None = None
    """Number of the frame that an answer belongs to."""
    fate: str = ""


@dataclass(frozen=True, slots=True)
class Contact(Record):
    """Contact of a relay, as the machine's controller sees it."""

    board: str
    relay: int
    closed: bool
    cause: str
    request: int | None = None


@dataclass(frozen=True, slots=True)
class Circuit(Record):
    """Circuit at an input of a board; the state at the start is recorded, too."""

    board: str
    channel: int
    closed: bool


@dataclass(frozen=True, slots=True)
class Truth(Record):
    """Event at the machine: motion, rest, hit, passage, a person in the way."""

    what: str
    door: str = ""
    details: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Trouble(Record):
    """Injected fault; `until_s` is its end, and the same as `at_s` for one of a single exchange."""

    name: str
    until_s: float
    details: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Life(Record):
    """Start, end or pause of a driver's process."""

    number: int
    what: Literal["started", "killed", "ended", "frozen", "thawed", "daemon-killed", "slow"]


@dataclass(frozen=True, slots=True)
class Command(Record):
    """Command of a station, at the time when it was sent to the driver's process."""

    id: str
    verb: str
    arguments: dict[str, Any]
    issuer: str
    deadline_s: float
    life: int
    transaction: str = ""


@dataclass(frozen=True, slots=True)
class Answer(Record):
    """Answer to a command."""

    id: str
    state: str
    reason: str
    text: str
    result: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Event(Record):
    """Event: `barrier.state`, `barrier.passage`, `barrier.alarm`."""

    type: str
    data: dict[str, Any]
    transaction: str = ""


@dataclass(frozen=True, slots=True)
class Device(Record):
    """State of the device, as the gateway tells it."""

    state: str
    cause: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True)
class RetainedState(Record):
    """Retained state for clients that connect later; None when it is withdrawn."""

    type: str
    data: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class Signal:
    """Wire of one signal: the board and input, and its kind of contact."""

    board: str
    channel: int
    contact: Literal["no", "nc"]


@dataclass(frozen=True, slots=True)
class DoorFacts:
    """One door: its relays, and its signals by name (open_limit, closed_limit, presence)."""

    name: str
    open: int
    close: int | None
    stop: int | None
    signals: dict[str, Signal]


@dataclass(frozen=True, slots=True)
class BoardFacts:
    """A board: make, line, and the register map of a board without a make."""

    model: str
    framing: Literal["tcp", "rtu", "text"]
    unit: int = 1
    map: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LaneFacts:
    """Description of a lane by its installer: boards, wires, and times of the machine."""

    boards: dict[str, BoardFacts]
    relays_on: str
    """Board with the relays."""
    doors: tuple[DoorFacts, ...]
    signals: dict[str, Signal]
    """Signals of the lane: emergency, key_switch, controller_ok."""
    ends_pulse: Literal["board", "watchdog", "time-relay", "none"]
    """Mechanism that ends a pulse when the gateway is dead."""
    watchdog_s: float = 1.0
    pulse_s: float = 0.5
    answer_s: float = 0.2
    """Longest answer time of the boards, in seconds."""
    poll_s: float = 0.2
    start_s: float = 1.5
    open_s: float = 6.0
    close_s: float = 8.0
    clear_s: float = 0.0
    max_open_s: float = 60.0
    max_per_minute: int = 12
    open_in_fault: bool = False
    supervisors: frozenset[str] = frozenset({"supervisor"})

    @property
    def frames_a_poll(self) -> int:
        """Number of requests of one reading of inputs and relays: Numato's inputs are read one by one."""
        return 9 if self.boards[self.relays_on].model == "numato" else 2

    @property
    def is_silent(self) -> bool:
        """True if the board with the relays never answers, so that lost frames cannot be noticed."""
        return self.boards[self.relays_on].model == "lcus"


@dataclass(frozen=True, slots=True)
class Violation:
    """A broken invariant with its evidence."""

    invariant: int
    rule: str
    at_s: float
    text: str
    evidence: tuple[str, ...] = ()

    def __str__(self) -> str:
        head = f"invariant {self.invariant} ({self.rule}) at {self.at_s:.3f} s: {self.text}"
        return "\n    ".join((head, *self.evidence))
