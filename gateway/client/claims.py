"""A claim that a workstation holds: renewed by itself, released at its end, known to be lost when it is."""

import asyncio
import contextlib
from types import TracebackType
from typing import TYPE_CHECKING, Self

from gateway.client.commands import CommandError, CommandRejected
from gateway.contract.commands import Claim, Claimed, Steal
from gateway.contract.topics import Position

if TYPE_CHECKING:
    from gateway.client.workstation import Workstation


class HeldClaim:
    """Use it as an async context manager. Entering raises CommandRejected where another station has it."""

    def __init__(self, desk: "Workstation", position: Position, lease_s: int, steal: str | None) -> None:
        self.position = position
        self.lease_s = lease_s
        self.lost = asyncio.Event()
        """Set when another station has it, or when it could not be renewed in time."""
        self._desk = desk
        self._steal = steal
        self._renewing: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Claim, or steal with a reason; raises CommandError."""
        if self._steal is None:
            obeyed = await self._desk.command(
                self.position, "claim", Claim(lease_s=self.lease_s), done=Claimed
            )
        else:
            request = Steal(lease_s=self.lease_s, reason=self._steal)
            obeyed = await self._desk.command(self.position, "steal", request, done=Claimed)
        self.lease_s = obeyed.result.lease_s
        self._renewing = asyncio.create_task(self._renew(), name=f"renew {self.position}")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Release it. Where that cannot be said, it ends by itself."""
        if self._renewing is not None:
            self._renewing.cancel()
            await asyncio.gather(self._renewing, return_exceptions=True)
        if not self.lost.is_set():
            with contextlib.suppress(CommandError):
                await self._desk.command(self.position, "release", timeout_s=3)

    def taken_by(self, holder: str) -> None:
        """Learn who has it now."""
        if holder != self._desk.station and self._renewing is not None:
            self.lost.set()

    async def _renew(self) -> None:
        loop = asyncio.get_running_loop()
        ends_s = loop.time() + self.lease_s
        while not self.lost.is_set():
            await asyncio.sleep(self.lease_s / 3)
            began_s = loop.time()
            try:
                await self._desk.command(
                    self.position, "renew", Claim(lease_s=self.lease_s), timeout_s=self.lease_s / 3
                )
                ends_s = began_s + self.lease_s
            except CommandRejected as rejected:
                if rejected.reason == "not_claimed":
                    self.lost.set()
            except CommandError:
                pass  # it is tried again until the lease is over
            if loop.time() > ends_s:
                self.lost.set()
