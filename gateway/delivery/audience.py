"""What the writer tells the event loop."""

from collections.abc import Mapping
from dataclasses import dataclass

from gateway.delivery.database import SetAside, Trouble
from gateway.delivery.submission import Entry, Loss, Stream


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
