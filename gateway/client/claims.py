"""Claim of a workstation: renewed automatically, released at its end, with a signal when it is lost."""

import asyncio
import contextlib
from types import TracebackType
from typing import Self

from gateway.client.commands import CommandError, CommandingStation, CommandRejected
from gateway.contract.commands import ClaimRequest, ClaimResult, StealRequest
from gateway.contract.topics import Position


class HeldClaim:
    """Async context manager of a claim. Entering raises CommandRejected when another station has it."""

    def __init__(
        self, workstation: CommandingStation, position: Position, lease_s: int, steal: str | None
    ) -> None:
        self.position = position
        self.lease_s = lease_s
        self.lost_event = asyncio.Event()
        """Set when another station took the claim over, or when it could not be renewed in time."""
        self._workstation = workstation
        self._steal_reason = steal
        self._renew_task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Claim, or steal with a reason; raises CommandError."""
        if self._steal_reason is None:
            obeyed = await self._workstation.command(
                self.position, "claim", ClaimRequest(lease_s=self.lease_s), done=ClaimResult
            )
        else:
            request = StealRequest(lease_s=self.lease_s, reason=self._steal_reason)
            obeyed = await self._workstation.command(self.position, "steal", request, done=ClaimResult)
        self.lease_s = obeyed.result.lease_s
        self._renew_task = asyncio.create_task(self._renew(), name=f"renew {self.position}")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Release the claim. If the command fails, the lease ends the claim."""
        if self._renew_task is not None:
            self._renew_task.cancel()
            await asyncio.gather(self._renew_task, return_exceptions=True)
        if not self.lost_event.is_set():
            with contextlib.suppress(CommandError):
                await self._workstation.command(self.position, "release", timeout_s=3)

    def on_holder_changed(self, holder: str) -> None:
        """Take the name of the holder."""
        if holder != self._workstation.station and self._renew_task is not None:
            self.lost_event.set()

    async def _renew(self) -> None:
        loop = asyncio.get_running_loop()
        ends_s = loop.time() + self.lease_s
        while not self.lost_event.is_set():
            await asyncio.sleep(self.lease_s / 3)
            began_s = loop.time()
            try:
                await self._workstation.command(
                    self.position, "renew", ClaimRequest(lease_s=self.lease_s), timeout_s=self.lease_s / 3
                )
                ends_s = began_s + self.lease_s
            except CommandRejected as rejected:
                if rejected.reason == "not_claimed":
                    self.lost_event.set()
            except CommandError:
                pass  # tried again until the lease is over
            if loop.time() > ends_s:
                self.lost_event.set()
