"""A camera's preview at a workstation: only the newest picture, for as long as it is one of this moment."""

import asyncio
import contextlib
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from drivers.camera.commands import ShowPreview
from gateway.client.commands import CommandError, CommandingStation
from gateway.contract.commands import PREVIEW_EXPIRY_S
from gateway.contract.topics import Position


class PreviewStream:
    """Use it as an async context manager and iterate over its JPEGs; needs the claim of the camera.

    It ends, and shows nothing any more, when the gateway says so, when the claim does, or when the connection
    is lost. What the caller does not take in time is not shown later.
    """

    def __init__(
        self, workstation: CommandingStation, position: Position, options: Mapping[str, Any]
    ) -> None:
        self._workstation = workstation
        self._position = position
        self._request = ShowPreview.model_validate(dict(options))
        self._is_started = False
        """What comes before the answer is the end of an earlier one."""
        self._picture = b""
        self._is_consumed = True
        self._received_s = 0.0
        self._is_ended = False
        self._changed = asyncio.Event()
        self._renew_task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Have it shown; raises CommandError."""
        await self._request_frames()
        self._is_started = True
        self._renew_task = asyncio.create_task(self._renew(), name=f"preview {self._position}")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End it. Where that cannot be said, it ends by itself."""
        over = self._is_ended
        self.on_frame(b"")
        if self._renew_task is not None:
            self._renew_task.cancel()
            await asyncio.gather(self._renew_task, return_exceptions=True)
        if not over:
            with contextlib.suppress(CommandError):
                await self._workstation.command(
                    self._position, "preview", ShowPreview(enabled=False), timeout_s=3
                )

    @property
    def latest_frame(self) -> bytes | None:
        """What may be on the screen now; None: nothing."""
        fresh = asyncio.get_running_loop().time() - self._received_s <= PREVIEW_EXPIRY_S
        return self._picture if self._picture and fresh else None

    def __aiter__(self) -> Self:
        """Iterate over the pictures."""
        return self

    async def __anext__(self) -> bytes:
        """Wait for the next picture; the iteration ends when there will be none."""
        while not self._is_ended:
            if not self._is_consumed and (picture := self.latest_frame) is not None:
                self._is_consumed = True
                return picture
            self._changed.clear()
            await self._changed.wait()
        raise StopAsyncIteration

    def on_frame(self, frame: bytes) -> None:
        """Take what came; empty: it is over."""
        if self._is_ended or not self._is_started:
            return
        self._picture, self._is_consumed = frame, False
        self._received_s = asyncio.get_running_loop().time()
        self._is_ended = not frame
        self._changed.set()

    async def _request_frames(self) -> None:
        await self._workstation.command(self._position, "preview", self._request)

    async def _renew(self) -> None:
        """Ask again in time; where that fails, it ends by itself."""
        while not self._is_ended:
            await asyncio.sleep(self._request.duration_s / 3)
            with contextlib.suppress(CommandError):
                await self._request_frames()
