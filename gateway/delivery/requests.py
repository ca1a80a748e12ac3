"""What the event loop asks of the writer's thread, besides taking events."""

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from gateway.delivery.outbox import Outbox
from gateway.delivery.pages import Page


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
