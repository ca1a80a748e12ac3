"""Complete log of a board's line and of its consequences, by which tests judge a driver.

It has every frame of both directions, with the time of its last byte (received) or first byte (sent), and
also frames that were not received, answers that were not sent, and invalid bytes. It also has connections,
the contacts of relays (as the motor's controller sees them), and what happened to the machine, as an observer
would see it.
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
    """Fate of a frame."""

    RECEIVED = "received"
    """A request that its board accepted."""
    NOT_RECEIVED = "not_received"
    """A request that its board did not receive: it hung, had no power, or the frame was lost."""
    NOT_OURS = "not_ours"
    """A request for a unit that is not on this bus."""
    DAMAGED = "damaged"
    """Invalid bytes; an answer that was sent with an error."""
    SENT = "sent"
    """An answer that was sent."""
    REPEATED = "repeated"
    """An answer that was sent once more."""
    LATE = "late"
    """An answer that was sent too late."""
    SUPPRESSED = "suppressed"
    """An answer that was due and never sent."""
    UNDELIVERED = "undelivered"
    """An answer for a host that had disconnected."""


class Effect(StrEnum):
    """Effect of a request on the outputs, whether or not it was received."""

    NONE = "none"
    ENERGISE = "energise"
    """An output is on, may be, or will be in the end: on, pulse, toggle."""
    RELEASE = "release"
    """Outputs are only released."""
    CONFIGURE = "configure"
    """Settings of the board are written."""


class Cause(StrEnum):
    """Cause of a change of a relay's contact."""

    COMMAND = "command"
    PULSE_ENDED = "pulse_ended"
    WATCHDOG = "watchdog"
    POWER = "power"
    INPUT = "input"
    """The board is configured so that an input drives the relay."""
    WELDED = "welded"


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One frame, or invalid bytes."""

    kind: Literal["frame"] = "frame"
    at_s: float
    number: int
    """Counted from 1, both directions together."""
    direction: Literal["request", "response"]
    fate: FrameFate
    wire: bytes
    """All its bytes, as they were or would have been sent."""
    connection: int
    """Number of the TCP connection, or of the opening of the serial port; counted from 1."""
    meaning: str
    """Meaning in words, as "relay 0 on for 0.7 s"."""
    effect: Effect = Effect.NONE
    unit: int | None = None
    function: int | None = None
    address: int | None = None
    value: int | tuple[int, ...] | None = None
    """Written or read value, or exception code; for a read request, the number of values."""
    answers: int | None = None
    """Number of the request that a response answers."""

    @property
    def is_actuation(self) -> bool:
        """True if it requests to energise an output."""
        return self.direction == "request" and self.effect is Effect.ENERGISE

    @property
    def writes_outputs(self) -> bool:
        """True if it writes outputs at all."""
        return self.direction == "request" and self.effect in (Effect.ENERGISE, Effect.RELEASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """A host connected or disconnected."""

    kind: Literal["connection"] = "connection"
    at_s: float
    number: int
    opened: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    """The contact of a relay changed, as the connected circuit sees it."""

    kind: Literal["contact"] = "contact"
    at_s: float
    unit: int
    relay: int
    closed: bool
    cause: Cause
    request: int | None = None
    """Number of the frame that requested it, or the pulse that now ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineEvent:
    """An event at the machine, as an observer would see it."""

    kind: Literal["happening"] = "happening"
    at_s: float
    what: str
    """`motion`, `rest`, `signal`, `arrival`, `passage`, `turned-back`, `hit`, `both-contacts`, `fault` ..."""
    details: dict[str, Any] = field(default_factory=dict)


Entry = Frame | Connection | Contact | MachineEvent
EntryT = TypeVar("EntryT", Frame, Connection, Contact, MachineEvent)


class Entries:
    """Some entries in order, and queries."""

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
        """All frames of both directions."""
        return self._of(Frame)

    @property
    def requests(self) -> list[Frame]:
        """Frames of hosts, damaged bytes included."""
        return [frame for frame in self.frames if frame.direction == "request"]

    @property
    def responses(self) -> list[Frame]:
        """Answers, suppressed ones included."""
        return [frame for frame in self.frames if frame.direction == "response"]

    @property
    def actuations(self) -> list[Frame]:
        """Requests to energise an output, received or not, executed or not."""
        return [frame for frame in self.frames if frame.is_actuation]

    @property
    def releases(self) -> list[Frame]:
        """Requests that only de-energise."""
        return [frame for frame in self.frames if frame.effect is Effect.RELEASE]

    @property
    def output_writes(self) -> list[Frame]:
        """Requests that write outputs."""
        return [frame for frame in self.frames if frame.writes_outputs]

    @property
    def connections(self) -> list[Connection]:
        """Connections and disconnections of hosts."""
        return self._of(Connection)

    @property
    def contacts(self) -> list[Contact]:
        """Contacts of relays, closing and opening."""
        return self._of(Contact)

    def machine_events(self, what: str | None = None, **details: Any) -> list[MachineEvent]:
        """Return the machine events; only of that name and with at least these details, if given."""
        return [
            entry
            for entry in self._of(MachineEvent)
            if what in (None, entry.what) and details.items() <= entry.details.items()
        ]

    def answers_to(self, request: Frame) -> list[Frame]:
        """Return all answers to one request."""
        return [frame for frame in self.frames if frame.answers == request.number]

    def after(self, mark: int) -> "Entries":
        """Return the entries after the first `mark` ones."""
        return Entries(self.entries[mark:])

    def since(self, at_s: float) -> "Entries":
        """Return the entries at that time or later."""
        return Entries([entry for entry in self.entries if entry.at_s >= at_s])


class WireLog(Entries):
    """The log of one simulated barrier. With `path`, every entry is also a line of JSON in that file.

    The file is for other processes: each line is complete when it is written, and written at once.
    `keep`: minimum number of entries in memory; without it, all of them, which is for tests only.
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
        """See `Entries`; does not search the log for them."""
        return list(self._actuations)

    def _of(self, kind: type[EntryT]) -> list[EntryT]:
        return list(self._by_kind.get(kind, []))

    def frame(self, *, at_s: float | None = None, **given: Any) -> Frame:
        """Log a frame that came just now, or at `at_s`; it gets the next number."""
        self._numbers += 1
        frame = Frame(at_s=self.timeline.now_s if at_s is None else at_s, number=self._numbers, **given)
        self._add(frame)
        return frame

    def connection(self, number: int, *, opened: bool) -> None:
        """Log that a host connected or disconnected."""
        self._add(Connection(at_s=self.timeline.now_s, number=number, opened=opened))

    def contact(self, unit: int, relay: int, closed: bool, cause: Cause, request: int | None) -> None:
        """Log that a relay's contact changed."""
        at_s = self.timeline.now_s
        self._add(Contact(at_s=at_s, unit=unit, relay=relay, closed=closed, cause=cause, request=request))

    def machine_event(self, what: str, **details: Any) -> None:
        """Log an event at the machine."""
        self._add(MachineEvent(at_s=self.timeline.now_s, what=what, details=details))

    def _add(self, entry: Entry) -> None:
        self.entries.append(entry)
        self._sort_in(entry)
        if self._file is not None:
            self._file.write(json.dumps(as_json(entry)) + "\n")
            self._file.flush()
        if self.keep is not None and len(self.entries) > 2 * self.keep:
            self._discard_old(self.keep)
        self.on_entry(entry)
        for future in self._waiting:
            if not future.done():
                future.set_result(None)

    def _sort_in(self, entry: Entry) -> None:
        self._by_kind.setdefault(type(entry), []).append(entry)
        if isinstance(entry, Frame) and entry.is_actuation:
            self._actuations.append(entry)

    def _discard_old(self, keep: int) -> None:
        del self.entries[:-keep]
        self._by_kind.clear()
        self._actuations.clear()
        for entry in self.entries:
            self._sort_in(entry)

    async def until(self, true: Callable[[], object], within_s: float = 10.0) -> None:
        """Wait for an entry that makes this true; raise TimeoutError after `within_s` real seconds."""
        async with asyncio.timeout(within_s):
            while not true():
                future = asyncio.get_running_loop().create_future()
                self._waiting.add(future)
                try:
                    await future
                finally:
                    self._waiting.discard(future)


def as_json(entry: Entry) -> dict[str, Any]:
    """Return an entry as a JSON object; `wire` in hexadecimal, without values that are None."""
    found = {key: value for key, value in dataclasses.asdict(entry).items() if value is not None}
    if isinstance(entry, Frame):
        found |= {"wire": entry.wire.hex(), "actuation": entry.is_actuation}
    return found


def dump(entries: Entries, path: str | os.PathLike[str]) -> None:
    """Write entries to a file, one JSON object a line."""
    with Path(path).open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(as_json(entry)) + "\n" for entry in entries)
