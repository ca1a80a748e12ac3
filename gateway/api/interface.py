"""What the console and the command line need of the running daemon, wherever it is."""

from collections.abc import AsyncGenerator
from typing import Protocol

from drivers.self_test import CheckLevel, CheckReport
from gateway.api.models import EventView, Live, PostView, TraceItem
from gateway.api.operations import Order, Reveal, Who


class Daemon(Protocol):
    """A gateway that runs. Everything here raises Refusal; positions are `lane/device`."""

    async def view(self) -> PostView:
        """The whole post at this moment."""
        ...

    async def tail(self, position: str) -> list[EventView]:
        """The last events of a device, oldest first, without anything personal."""
        ...

    async def check(self, position: str, level: CheckLevel, by: Who) -> CheckReport:
        """Try a device; takes up to half a minute, and at the interactive level a minute."""
        ...

    async def obey(self, position: str, order: Order, by: Who) -> None:
        """Do it, and make a record of who asked for it."""
        ...

    def live(self) -> AsyncGenerator[Live]:
        """News, until closed. Who does not keep up loses the oldest."""
        ...

    def trace(self, position: str, by: Who, reveal: Reveal | None = None) -> AsyncGenerator[TraceItem | None]:
        """First None, then what crosses a device's wire from that moment on, until closed.

        Its bytes are in it only with `reveal`.
        """
        ...
