"""Requests of the event loop to the writer's thread, and the listener that the thread calls back."""

from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from gateway.delivery.events import LostEvent, ParkedCopy, PendingEvent, StoredEvent, Stream
from gateway.delivery.outbox.database import DiskTrouble, SetAsideOutbox
from gateway.delivery.outbox.outbox import Outbox
from gateway.delivery.outbox.reader import Page


@dataclass(slots=True)
class AppendEvent:
    """Request to commit an event."""

    event: PendingEvent
    size: int
    """Bytes of the event, images included."""


@dataclass(slots=True)
class FetchPage:
    """Request to read a page of a stream."""

    stream: int
    after: int
    limit: int
    max_bytes: int
    reply: Callable[[Page | None], None]
    """Called on the loop; with None if the disk could not be read."""


@dataclass(slots=True)
class OutboxCall:
    """Request to run a function on the outbox."""

    action: Callable[[Outbox], Any]
    future: Future[Any] = field(default_factory=Future)
    needs_outbox: bool = True
    """True: fails while no outbox is open. False: the result is None then."""


class Wake:
    """Request to write acknowledgements within 0.25 s instead of 1 s."""


WAKE = Wake()
WriterRequest = AppendEvent | FetchPage | OutboxCall | Wake | None
"""One item of the queue; None: commit all events before it, and end the thread."""


@dataclass(frozen=True, slots=True)
class OutboxSnapshot:
    """Content of an outbox when it is opened, or when it becomes usable again."""

    epoch: str
    streams: tuple[tuple[Stream, int, int], ...]
    """Stream, number up to which every destination has it, highest number."""
    cursors: Mapping[tuple[str, int], int]
    retained: frozenset[str]
    resends: tuple[ParkedCopy, ...] = ()
    """Parked events to be sent again."""


class OutboxListener:
    """Callbacks of the writer, always called on the event loop."""

    def on_committed(self, entries: list[StoredEvent], streams: list[Stream]) -> None:
        """Handle committed events, which may be published; `streams` are new with them."""

    def on_lost(self, losses: list[LostEvent]) -> None:
        """Handle events that will not be delivered."""

    def on_opened(
        self, snapshot: OutboxSnapshot, set_aside: SetAsideOutbox | None, new_epoch_reason: str | None
    ) -> None:
        """Handle an outbox that has become usable."""

    def on_disk_trouble(self, trouble: DiskTrouble | None, epoch: str) -> None:
        """Handle a disk that cannot be written; None: it can be again."""
