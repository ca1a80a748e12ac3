"""What the event loop asks of the writer's thread, besides taking events."""

from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from gateway.delivery.events import Entry, Loss, Stream
from gateway.delivery.outbox.database import SetAside, Trouble
from gateway.delivery.outbox.outbox import Outbox
from gateway.delivery.outbox.reader import Page


@dataclass(slots=True)
class Fetch:
    """Read a page of a stream."""

    stream: int
    after: int
    limit: int
    max_bytes: int
    reply: Callable[[Page | None], None]
    """Called on the loop, with None when the disk would not read."""


@dataclass(slots=True)
class Call:
    """Run something on the outbox."""

    action: Callable[[Outbox], Any]
    future: Future[Any] = field(default_factory=Future)
    needs_outbox: bool = True
    """Whether it fails while no outbox is open; otherwise it is answered with None."""


class Wake:
    """Acknowledgements have come: look again in a quarter of a second, not in a whole one."""


WAKE = Wake()


@dataclass(frozen=True, slots=True)
class Known:
    """What an outbox holds when it is opened, or when it becomes usable again."""

    epoch: str
    streams: tuple[tuple[Stream, int, int], ...]
    """Stream, number that every destination is past, highest number."""
    cursors: Mapping[tuple[str, int], int]
    retained: frozenset[str]


class Audience:
    """Who is told, always on the event loop."""

    def committed(self, entries: list[Entry], streams: list[Stream]) -> None:
        """Events may be published; `streams` are new with them."""

    def lost(self, losses: list[Loss]) -> None:
        """Events will not be delivered."""

    def opened(self, known: Known, aside: SetAside | None, because: str | None) -> None:
        """The outbox is usable."""

    def in_trouble(self, trouble: Trouble | None, epoch: str) -> None:
        """The disk does not take what we write, or takes it again."""
