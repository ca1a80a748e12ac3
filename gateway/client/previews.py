"""Preview of a camera at a workstation: only the newest picture, as long as it is current."""

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
    """Async context manager and iterator over JPEGs; requires the claim of the camera.

    It ends, and holds no picture any more, when the gateway ends it, when the claim ends, or when the
    connection is lost. A picture that the caller does not take in time is dropped.
    """

    def __init__(
        self, workstation: CommandingStation, position: Position, options: Mapping[str, Any]
    ) -> None:
        self._workstation = workstation
        self._position = position
        self._request = ShowPreview.model_validate(dict(options))
        self._is_started = False
        """An end that arrives before this is set belongs to an earlier preview."""
        self._picture = b""
        self._is_consumed = True
        self._received_s = 0.0
        self._is_ended = False
        self._changed = asyncio.Event()
        self._renew_task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Start the preview; raises CommandError."""
        await self._request_frames()
        self._is_started = True
        self._renew_task = asyncio.create_task(self._renew(), name=f"preview {self._position}")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the preview. If the command fails, its lease ends it."""
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
        """The picture to show now; None without a current one."""
        fresh = asyncio.get_running_loop().time() - self._received_s <= PREVIEW_EXPIRY_S
        return self._picture if self._picture and fresh else None

    def __aiter__(self) -> Self:
        """Iterate over the pictures."""
        return self

    async def __anext__(self) -> bytes:
        """Wait for the next picture; the iteration stops at the end of the preview."""
        while not self._is_ended:
            if not self._is_consumed and (picture := self.latest_frame) is not None:
                self._is_consumed = True
                return picture
            self._changed.clear()
            await self._changed.wait()
        raise StopAsyncIteration

    def on_frame(self, frame: bytes) -> None:
        """Take a picture; an empty one ends the preview."""
        if self._is_ended or not self._is_started:
            return
        self._picture, self._is_consumed = frame, False
        self._received_s = asyncio.get_running_loop().time()
        self._is_ended = not frame
        self._changed.set()

    async def _request_frames(self) -> None:
        await self._workstation.command(self._position, "preview", self._request)

    async def _renew(self) -> None:
        """Renew the preview in time; without renewal it ends."""
        while not self._is_ended:
            await asyncio.sleep(self._request.duration_s / 3)
            with contextlib.suppress(CommandError):
                await self._request_frames()
