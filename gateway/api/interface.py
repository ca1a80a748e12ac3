"""Interface of a running daemon for the console and the command line."""

from collections.abc import AsyncGenerator
from typing import Protocol

from drivers.self_test import SelfTestLevel, SelfTestReport
from gateway.api.models import EventView, LiveUpdate, PostView, TraceItem
from gateway.api.operations import Actor, ManagementOperation, RevealTrace


class DaemonInterface(Protocol):
    """A running gateway. All methods raise RpcError; positions are `lane/device`."""

    async def view(self) -> PostView:
        """Return the present view of the whole post."""
        ...

    async def last_events(self, position: str) -> list[EventView]:
        """Return the last events of a device, oldest first, without personal data."""
        ...

    async def check(self, position: str, level: SelfTestLevel, actor: Actor) -> SelfTestReport:
        """Run a self-test; takes up to half a minute, at the interactive level a minute."""
        ...

    async def perform(self, position: str, operation: ManagementOperation, actor: Actor) -> None:
        """Perform an operation, which is recorded with its user."""
        ...

    def subscribe(self) -> AsyncGenerator[LiveUpdate]:
        """Yield updates until closed. A slow reader loses the oldest ones."""
        ...

    def trace(
        self, position: str, actor: Actor, reveal: RevealTrace | None = None
    ) -> AsyncGenerator[TraceItem | None]:
        """Yield None, then the chunks on a device's link from that moment on, until closed.

        Their bytes are included only with `reveal`.
        """
        ...
