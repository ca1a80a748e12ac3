"""What the console and the command line need of the running daemon, wherever it is."""

from collections.abc import AsyncGenerator
from typing import Protocol

from drivers.self_test import SelfTestLevel, SelfTestReport
from gateway.api.models import EventView, LiveUpdate, PostView, TraceItem
from gateway.api.operations import Actor, ManagementOperation, RevealTrace


class DaemonInterface(Protocol):
    """A gateway that runs. Everything here raises Refusal; positions are `lane/device`."""

    async def view(self) -> PostView:
        """The whole post at this moment."""
        ...

    async def last_events(self, position: str) -> list[EventView]:
        """The last events of a device, oldest first, without anything personal."""
        ...

    async def check(self, position: str, level: SelfTestLevel, actor: Actor) -> SelfTestReport:
        """Try a device; takes up to half a minute, and at the interactive level a minute."""
        ...

    async def perform(self, position: str, operation: ManagementOperation, actor: Actor) -> None:
        """Do it, and make a record of who asked for it."""
        ...

    def subscribe(self) -> AsyncGenerator[LiveUpdate]:
        """News, until closed. Who does not keep up loses the oldest."""
        ...

    def trace(
        self, position: str, actor: Actor, reveal: RevealTrace | None = None
    ) -> AsyncGenerator[TraceItem | None]:
        """First None, then what crosses a device's wire from that moment on, until closed.

        Its bytes are in it only with `reveal`.
        """
        ...
