"""What was on the wire and what came of it, exact and complete: the log by which tests judge a driver.

Every frame stands here, both ways, with the time at which its last byte came or its first one went: also
frames that nobody heard, answers that were never sent, and bytes that were no frame. Beside them stand
connections, the contacts of relays (what the motor's controller saw), and what happened to the machine, as a
bystander would see it.
"""

import asyncio
import dataclasses
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal, Self, TextIO, TypeVar

from simulators.barrier.timeline import Timeline


class FrameFate(StrEnum):
    """What became of a frame."""

    RECEIVED = "heard"
    """A request that its board took."""
    NOT_RECEIVED = "unheard"
    """A request that its board never got: it hung, had no power, or the frame was lost on the way."""
    NOT_OURS = "not_ours"
    """A request for a unit that is not on this bus."""
    DAMAGED = "damaged"
    """Bytes that were no frame; an answer that was sent spoiled."""
    SENT = "sent"
    """An answer that was sent."""
    REPEATED = "repeated"
    """An answer that was sent once more."""
    LATE = "late"
    """An answer that was sent, but long after its time."""
    SUPPRESSED = "suppressed"
    """An answer that was due and never sent."""
    UNDELIVERED = "undelivered"
    """An answer for a host that had gone."""


class Effect(StrEnum):
    """What a request asks of the outputs, whether or not it was heard."""

    NONE = "none"
    ENERGISE = "energise"
    """An output is, may be, or in the end will be on: on, pulse, toggle."""
    RELEASE = "release"
    """Outputs go off, and nothing else."""
    CONFIGURE = "configure"
    """Settings of the board are written."""


class Cause(StrEnum):
    """Why a relay's contact moved."""

    COMMAND = "command"
    PULSE_ENDED = "pulse_ended"
    WATCHDOG = "watchdog"
    POWER = "power"
    INPUT = "input"
    """The board was set to let an input drive the relay."""
    WELDED = "welded"


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One frame, or bytes that were none."""

    kind: Literal["frame"] = "frame"
    at_s: float
    number: int
    """Counted from 1, both ways together."""
    direction: Literal["request", "response"]
    fate: FrameFate
    wire: bytes
    """All of it, as it was or would have been on the wire."""
    connection: int
    """Which TCP connection, or which opening of the serial port; counted from 1."""
    meaning: str
    """In words, as "relay 0 on for 0.7 s"."""
    effect: Effect = Effect.NONE
    unit: int | None = None
    function: int | None = None
    address: int | None = None
    value: int | tuple[int, ...] | None = None
    """What is written, read back, or refused with; for a question, how much is asked for."""
    answers: int | None = None
    """The number of the request that a response answers."""

    @property
    def is_actuation(self) -> bool:
        """Whether it asks for an output to be energised."""
        return self.direction == "request" and self.effect is Effect.ENERGISE

    @property
    def writes_outputs(self) -> bool:
        """Whether it asks anything at all of the outputs."""
        return self.direction == "request" and self.effect in (Effect.ENERGISE, Effect.RELEASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """A host came or went."""

    kind: Literal["connection"] = "connection"
    at_s: float
    number: int
    opened: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    """The contact of a relay moved: what is wired to it sees this."""

    kind: Literal["contact"] = "contact"
    at_s: float
    unit: int
    relay: int
    closed: bool
    cause: Cause
    request: int | None = None
    """The number of the frame that asked for it, or for the pulse that now ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineEvent:
    """Something happened to the machine, as a bystander would tell it."""

    kind: Literal["happening"] = "happening"
    at_s: float
    what: str
    """`motion`, `rest`, `signal`, `arrival`, `passage`, `turned-back`, `hit`, `both-contacts`, `fault` ..."""
    details: dict[str, Any] = field(default_factory=dict)


Entry = Frame | Connection | Contact | MachineEvent
EntryT = TypeVar("EntryT", Frame, Connection, Contact, MachineEvent)


class Entries:
    """Some entries in their order, and questions about them."""

    def __init__(self, entries: list[Entry]) -> None:
        self.entries = entries

    def __len__(self) -> int:
        return len(self.entries)

    def __iter__(self) -> Iterator[Entry]:
        return iter(self.entries)

    def _of(self, kind: type[EntryT]) -> list[EntryT]:
        return [entry for entry in self.entries if isinstance(entry, kind)]

    @property
    def frames(self) -> list[Frame]:
        """Every frame, both ways."""
        return self._of(Frame)

    @property
    def requests(self) -> list[Frame]:
        """What hosts sent, damaged bytes included."""
        return [frame for frame in self.frames if frame.direction == "request"]

    @property
    def responses(self) -> list[Frame]:
        """What was answered, suppressed answers included."""
        return [frame for frame in self.frames if frame.direction == "response"]

    @property
    def actuations(self) -> list[Frame]:
        """Requests to energise an output, heard or not, carried out or not."""
        return [frame for frame in self.frames if frame.is_actuation]

    @property
    def releases(self) -> list[Frame]:
        """Requests that only de-energise."""
        return [frame for frame in self.frames if frame.effect is Effect.RELEASE]

    @property
    def output_writes(self) -> list[Frame]:
        """Requests that ask anything of the outputs."""
        return [frame for frame in self.frames if frame.writes_outputs]

    @property
    def connections(self) -> list[Connection]:
        """Hosts coming and going."""
        return self._of(Connection)

    @property
    def contacts(self) -> list[Contact]:
        """Contacts of relays, closing and opening."""
        return self._of(Contact)

    def machine_events(self, what: str | None = None, **details: Any) -> list[MachineEvent]:
        """What happened to the machine; only of that name and with at least these details, if given."""
        return [
            entry
            for entry in self._of(MachineEvent)
            if what in (None, entry.what) and details.items() <= entry.details.items()
        ]

    def answers_to(self, request: Frame) -> list[Frame]:
        """Every answer to one request."""
        return [frame for frame in self.frames if frame.answers == request.number]

    def after(self, mark: int) -> "Entries":
        """What was logged since the log was `mark` entries long."""
        return Entries(self.entries[mark:])

    def since(self, at_s: float) -> "Entries":
        """What was logged at that time or later."""
        return Entries([entry for entry in self.entries if entry.at_s >= at_s])


class WireLog(Entries):
    """The log of one simulated barrier. With `path`, every entry is also a line of JSON in that file.

    The file is there for other processes: each line is complete when it is written, none is held back.
    `keep`: so many entries at least stay in memory; without it, all of them, which is for tests only.
    """

    def __init__(
        self, timeline: Timeline, path: str | os.PathLike[str] | None = None, *, keep: int | None = None
    ) -> None:
        super().__init__([])
        self.timeline = timeline
        self.keep = keep
        self.on_entry: Callable[[Entry], None] = lambda _entry: None
        """Called with every entry, once it is logged."""
        self._numbers = 0
        self._by_kind: dict[type, list[Any]] = {}
        self._actuations: list[Frame] = []
        self._waiting: set[asyncio.Future[None]] = set()
        self._file: TextIO | None = None
        if path is not None:
            self._file = Path(path).open("w", encoding="utf-8")  # noqa: SIM115 - closed by `close`

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file, if there is one."""
        if self._file is not None:
            self._file.close()
            self._file = None

    @property
    def actuations(self) -> list[Frame]:
        """See `Entries`; does not look through the log for them."""
        return list(self._actuations)

    def _of(self, kind: type[EntryT]) -> list[EntryT]:
        return list(self._by_kind.get(kind, []))

    def frame(self, *, at_s: float | None = None, **given: Any) -> Frame:
        """Log a frame that came just now, or then; it gets the next number."""
        self._numbers += 1
        frame = Frame(at_s=self.timeline.now_s if at_s is None else at_s, number=self._numbers, **given)
        self._add(frame)
        return frame

    def connection(self, number: int, *, opened: bool) -> None:
        """Log that a host came or went."""
        self._add(Connection(at_s=self.timeline.now_s, number=number, opened=opened))

    def contact(self, unit: int, relay: int, closed: bool, cause: Cause, request: int | None) -> None:
        """Log that a relay's contact moved."""
        at_s = self.timeline.now_s
        self._add(Contact(at_s=at_s, unit=unit, relay=relay, closed=closed, cause=cause, request=request))

    def machine_event(self, what: str, **details: Any) -> None:
        """Log that something happened to the machine."""
        self._add(MachineEvent(at_s=self.timeline.now_s, what=what, details=details))

    def _add(self, entry: Entry) -> None:
        self.entries.append(entry)
        self._sort_in(entry)
        if self._file is not None:
            self._file.write(json.dumps(as_json(entry)) + "\n")
            self._file.flush()
        if self.keep is not None and len(self.entries) > 2 * self.keep:
            self._forget(self.keep)
        self.on_entry(entry)
        for future in self._waiting:
            if not future.done():
                future.set_result(None)

    def _sort_in(self, entry: Entry) -> None:
        self._by_kind.setdefault(type(entry), []).append(entry)
        if isinstance(entry, Frame) and entry.is_actuation:
            self._actuations.append(entry)

    def _forget(self, keep: int) -> None:
        del self.entries[:-keep]
        self._by_kind.clear()
        self._actuations.clear()
        for entry in self.entries:
            self._sort_in(entry)

    async def until(self, true: Callable[[], object], within_s: float = 10.0) -> None:
        """Wait for an entry that makes this true; TimeoutError after so many seconds of real time."""
        async with asyncio.timeout(within_s):
            while not true():
                future = asyncio.get_running_loop().create_future()
                self._waiting.add(future)
                try:
                    await future
                finally:
                    self._waiting.discard(future)


def as_json(entry: Entry) -> dict[str, Any]:
    """An entry as a JSON object; `wire` in hexadecimal, what is None left out."""
    found = {key: value for key, value in dataclasses.asdict(entry).items() if value is not None}
    if isinstance(entry, Frame):
        found |= {"wire": entry.wire.hex(), "actuation": entry.is_actuation}
    return found


def dump(entries: Entries, path: str | os.PathLike[str]) -> None:
    """Write entries to a file, one JSON object a line."""
    with Path(path).open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(as_json(entry)) + "\n" for entry in entries)
