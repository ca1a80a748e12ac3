"""A camera's preview at a workstation: only the newest picture, for as long as it is one of this moment."""

import asyncio
import contextlib
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from drivers.camera.commands import ShowPreview
from gateway.client.commands import CommandError
from gateway.contract.commands import PREVIEW_EXPIRY_S
from gateway.contract.topics import Position

if TYPE_CHECKING:
    from gateway.client.workstation import Workstation


class Preview:
    """Use it as an async context manager and iterate over its JPEGs; needs the claim of the camera.

    It ends, and shows nothing any more, when the gateway says so, when the claim does, or when the connection
    is lost. What the caller does not take in time is not shown later.
    """

    def __init__(self, desk: "Workstation", position: Position, wanted: Mapping[str, Any]) -> None:
        self._desk = desk
        self._position = position
        self._request = ShowPreview.model_validate(dict(wanted))
        self._begun = False
        """What comes before the answer is the end of an earlier one."""
        self._picture = b""
        self._taken = True
        self._came_s = 0.0
        self._over = False
        self._news = asyncio.Event()
        self._renewing: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Have it shown; raises CommandError."""
        await self._ask()
        self._begun = True
        self._renewing = asyncio.create_task(self._renew(), name=f"preview {self._position}")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End it. Where that cannot be said, it ends by itself."""
        over = self._over
        self.take(b"")
        if self._renewing is not None:
            self._renewing.cancel()
            await asyncio.gather(self._renewing, return_exceptions=True)
        if not over:
            with contextlib.suppress(CommandError):
                await self._desk.command(self._position, "preview", ShowPreview(on=False), timeout_s=3)

    @property
    def picture(self) -> bytes | None:
        """What may be on the screen now; None: nothing."""
        fresh = asyncio.get_running_loop().time() - self._came_s <= PREVIEW_EXPIRY_S
        return self._picture if self._picture and fresh else None

    def __aiter__(self) -> Self:
        """Iterate over the pictures."""
        return self

    async def __anext__(self) -> bytes:
        """Wait for the next picture; the iteration ends when there will be none."""
        while not self._over:
            if not self._taken and (picture := self.picture) is not None:
                self._taken = True
                return picture
            self._news.clear()
            await self._news.wait()
        raise StopAsyncIteration

    def take(self, picture: bytes) -> None:
        """Take what came; empty: it is over."""
        if self._over or not self._begun:
            return
        self._picture, self._taken = picture, False
        self._came_s = asyncio.get_running_loop().time()
        self._over = not picture
        self._news.set()

    async def _ask(self) -> None:
        await self._desk.command(self._position, "preview", self._request)

    async def _renew(self) -> None:
        """Ask again in time; where that fails, it ends by itself."""
        while not self._over:
            await asyncio.sleep(self._request.for_s / 3)
            with contextlib.suppress(CommandError):
                await self._ask()
