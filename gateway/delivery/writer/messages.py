"""Requests of the event loop to the writer's thread, and the listener that the thread calls back."""

from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from gateway.delivery.events import LostEvent, PendingEvent, StoredEvent, Stream
from gateway.delivery.outbox.database import DiskTrouble, SetAsideOutbox
from gateway.delivery.outbox.outbox import Outbox
from gateway.delivery.outbox.reader import Page


@dataclass(slots=True)
class AppendEvent:
    """Commit an event."""

    event: PendingEvent
    size: int
    """Bytes of the event, images included."""


@dataclass(slots=True)
class FetchPage:
    """Read a page of a stream."""

    stream: int
    after: int
    limit: int
    max_bytes: int
    reply: Callable[[Page | None], None]
    """Called on the loop, with None when the disk would not read."""


@dataclass(slots=True)
class OutboxCall:
    """Run something on the outbox."""

    action: Callable[[Outbox], Any]
    future: Future[Any] = field(default_factory=Future)
    needs_outbox: bool = True
    """Whether it fails while no outbox is open; otherwise it is answered with None."""


class Wake:
    """Acknowledgements have come: look again in a quarter of a second, not in a whole one."""


WAKE = Wake()
WriterRequest = AppendEvent | FetchPage | OutboxCall | Wake | None
"""What the thread is given to do; None: commit what came before, and end."""


@dataclass(frozen=True, slots=True)
class OutboxSnapshot:
    """What an outbox holds when it is opened, or when it becomes usable again."""

    epoch: str
    streams: tuple[tuple[Stream, int, int], ...]
    """Stream, number that every destination is past, highest number."""
    cursors: Mapping[tuple[str, int], int]
    retained: frozenset[str]


class OutboxListener:
    """Who is told, always on the event loop."""

    def on_committed(self, entries: list[StoredEvent], streams: list[Stream]) -> None:
        """Events may be published; `streams` are new with them."""

    def on_lost(self, losses: list[LostEvent]) -> None:
        """Events will not be delivered."""

    def on_opened(
        self, snapshot: OutboxSnapshot, set_aside: SetAsideOutbox | None, new_epoch_reason: str | None
    ) -> None:
        """The outbox is usable."""

    def on_disk_trouble(self, trouble: DiskTrouble | None, epoch: str) -> None:
        """The disk does not take what we write, or takes it again."""
