"""Kind `camera-snapshot`: a camera with single pictures at `/snapshot.jpg`, and a stream of them.

`/video.mjpg` is `multipart/x-mixed-replace`, as in most network cameras: one part per picture, with length.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from typing import Any, ClassVar, Literal

from pydantic import Field, TypeAdapter

from simulators.camera.camera import HttpCamera, SceneSettings
from simulators.camera.faults import (
    ActiveFaults,
    AnyPictureFault,
    Garbage,
    NoLength,
    NotFound,
    TruncatedPicture,
    WrongType,
)
from simulators.camera.slow_writer import chunks_to_send, delayed
from simulators.http.server import Request, Response
from simulators.simulator import ScheduledFault

BOUNDARY = "picture-boundary"
LOGIN_PAGE = b"<!DOCTYPE html><title>Log in</title><form><input name=user></form>"


class SnapshotCameraSettings(SceneSettings):
    """One camera at a counter or over a lane."""

    kind: Literal["camera-snapshot"]
    picture_s: float = Field(
        default=0.0, ge=0, description="Time that the camera needs for a picture, in seconds."
    )
    faults: tuple[ScheduledFault[AnyPictureFault], ...] = Field(default=(), description="Scheduled faults.")

    def build(self) -> "SnapshotCamera":
        """Build the camera."""
        return SnapshotCamera(self)


class SnapshotCamera(HttpCamera):
    """The camera."""

    FAULTS: ClassVar[TypeAdapter[AnyPictureFault]] = TypeAdapter(AnyPictureFault)

    def __init__(self, settings: SnapshotCameraSettings) -> None:
        self.own = settings
        super().__init__(settings, settings.view, settings.faults)
        self.streams = 0
        """Number of clients of the stream."""

    async def handle_authorized(self, request: Request) -> Response:
        """Answer with a picture, or a stream of them."""
        match request.method, request.path:
            case "GET", "/snapshot.jpg":
                return await self._snapshot(self.waiting.take())
            case "GET", "/video.mjpg":
                # Only the faults of a request; pictures have their own.
                if NotFound in (met := self.waiting.take()):
                    return Response(404, media_type="text/html")
                media_type = f"multipart/x-mixed-replace; boundary={BOUNDARY}"
                return Response(media_type=media_type, stream=self._video(met), unframed=True)
        return Response(404, media_type="text/html")

    async def _snapshot(self, met: ActiveFaults) -> Response:
        if NotFound in met:
            return Response(404, media_type="text/html")
        await delayed(met)
        await asyncio.sleep(self.own.picture_s)
        media_type, body = self._taken(met)
        length = None if NoLength in met else len(body)
        return Response(
            media_type=media_type, stream=chunks_to_send(body, met), length=length, unframed=length is None
        )

    def _taken(self, met: ActiveFaults) -> tuple[str, bytes]:
        if WrongType in met:
            return "text/html", LOGIN_PAGE
        data = self.sensor.expose().jpeg
        if Garbage in met:
            return "image/jpeg", bytes(len(data))
        if (half := met.get(TruncatedPicture)) is not None:
            data = data[: int(len(data) * half.after)]
        return "image/jpeg", data

    async def _video(self, met: ActiveFaults) -> AsyncGenerator[bytes, None]:
        loop = asyncio.get_running_loop()
        due_s = loop.time()
        self.streams += 1
        try:
            yield f"--{BOUNDARY}\r\n".encode()
            while True:
                await delayed(met)
                await asyncio.sleep(self.own.picture_s)
                async with contextlib.aclosing(chunks_to_send(self._part(met), met)) as pieces:
                    async for piece in pieces:
                        yield piece
                # The next one is taken when it can be sent: a client that reads slowly gets fewer.
                due_s = max(due_s + 1 / self.own.frames_per_s, loop.time())
                await asyncio.sleep(due_s - loop.time())
                met = self.waiting.take()
        finally:
            self.streams -= 1

    def _part(self, met: ActiveFaults) -> bytes:
        media_type, data = self._taken(met)
        length = "" if NoLength in met else f"Content-Length: {len(data)}\r\n"
        head = f"Content-Type: {media_type}\r\n{length}\r\n"
        return head.encode() + data + f"\r\n--{BOUNDARY}\r\n".encode()

    def status(self) -> dict[str, Any]:
        """Return also the number of viewers."""
        return super().status() | {"streams": self.streams}
