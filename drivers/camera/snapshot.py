"""Cameras with pictures over HTTP: one JPEG per request, or a stream of them (MJPEG).

The camera's response determines which. Every network camera has single pictures. Sources: AXIS VAPIX, *Video
streaming*, ``/axis-cgi/jpg/image.cgi``; Hikvision ISAPI, ``/ISAPI/Streaming/channels/101/picture``; Dahua
HTTP API, ``/cgi-bin/snapshot.cgi``. Every capture sends a new request, so no frame waits in a buffer; the
first frame of a stream is discarded, because the camera may have made it before.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from pydantic import Field

from drivers.camera.camera import RAW_EXCERPT_BYTES, FrameSource, PictureCamera
from drivers.camera.http_settings import CameraHttpSettings
from drivers.camera.imaging.jpeg import CameraFrame, JpegInfo, parse_jpeg
from drivers.camera.multipart import BodyPart, MalformedPart, MultipartReader, parse_boundary
from drivers.clock import boot_ns
from drivers.driver import BadFrame, Identity
from drivers.links.http.client import STEPS_OF_A_REQUEST, HttpLink, HttpStream, ResponseInterruptedError
from drivers.links.link import Action, Cause, LinkError
from drivers.links.recording import dissect as meanings


class HttpSnapshotSettings(CameraHttpSettings):
    """Settings of one camera."""

    path: str = Field(
        pattern=r"^/[!-~]*$",
        description="Path of its pictures, below `url`.",
        examples=["/ISAPI/Streaming/channels/101/picture"],
    )
    discard_frames: int | None = Field(
        default=None,
        ge=0,
        le=5,
        description="Number of frames to discard before one counts, for cameras that first send a frame made "
        "before. Default: none for single pictures, and one of a stream.",
        examples=[1],
    )
    poll_s: float = Field(
        default=10.0,
        gt=0,
        le=300,
        description="Interval of checks for pictures, in seconds.",
        examples=[10.0],
    )

    @property
    def exclusive_key(self) -> str:
        """Key that only one device may have: one camera may have several pictures, and plates besides."""
        return f"{self.url}{self.path}"


class HttpSnapshotCamera(PictureCamera[HttpSnapshotSettings]):
    """A camera with pictures over HTTP."""

    settings_model = HttpSnapshotSettings
    anonymizer = "drivers.anonymize.camera_http:blank_contents"
    describe_chunk = staticmethod(meanings.describe_http)

    async def open(self) -> Identity:
        """Request a picture; raises LinkError when there is none at that path."""
        self.frame_source = eye = SnapshotFrameSource(self.settings, await self.links.http(self.settings))
        await eye.check(self)
        return Identity(model="HTTP camera")


class SnapshotFrameSource(FrameSource):
    """Frames that are requested over HTTP."""

    def __init__(self, settings: HttpSnapshotSettings, link: HttpLink, named: str | None = None) -> None:
        """`named`: replacement in messages for a path stated by the camera, which may contain a password."""
        self.settings = settings
        self.link = link
        self._named = named or settings.path.partition("?")[0]

    async def monitor(self, camera: PictureCamera[Any]) -> None:
        """Request a picture at intervals."""
        while True:
            await asyncio.sleep(self.settings.poll_s)
            if camera.is_idle.is_set():
                await self.check(camera)

    async def check(self, camera: PictureCamera[Any]) -> None:
        """Request a picture; raises LinkError when there is none at that path."""
        async with aclosing(self.frames(discard=0)) as shots:
            shot = await anext(shots)
        found = shot if isinstance(shot, BadFrame) else parse_jpeg(shot.content)
        if found == "not_jpeg":
            raise self.link.wrong_service_error(f"provides no JPEG picture at {self._named}")
        if isinstance(shot, BadFrame):
            camera.emit(shot)
        camera.on_frame_integrity(whole=isinstance(found, JpegInfo))

    async def frames(self, discard: int | None = None) -> AsyncGenerator[CameraFrame | BadFrame, None]:
        """Request frames one by one, or read them from a stream."""
        discard = self.settings.discard_frames if discard is None else discard
        while True:
            async with self.link.stream("GET", self.settings.path) as answer:
                boundary = parse_boundary(answer.content_type)
                self.is_stream = boundary is not None
                shots = self._one(answer) if boundary is None else self._stream(answer, boundary)
                remaining = int(boundary is not None) if discard is None else discard
                async with aclosing(shots):
                    while (shot := await self._next(shots)) is not None:
                        if remaining and isinstance(shot, CameraFrame):
                            remaining -= 1
                            continue
                        yield shot
            if boundary is not None:
                raise LinkError(
                    Cause.LINK_FAILED,
                    f"{self.settings.url} ended its stream of frames.",
                    Action.RESTART,
                    "Restart the camera if it does not come back by itself; it may have too many clients.",
                )
            discard = remaining

    async def _next(
        self, shots: AsyncGenerator[CameraFrame | BadFrame, None]
    ) -> CameraFrame | BadFrame | None:
        """Return the next frame, None at the end; raises LinkError for one that never becomes complete."""
        allowed_s = STEPS_OF_A_REQUEST * self.settings.timeout_s
        try:
            async with asyncio.timeout(allowed_s):
                return await anext(shots, None)
        except TimeoutError:
            raise self.link.silence_error(allowed_s) from None

    async def _one(self, answer: HttpStream) -> AsyncGenerator[CameraFrame | BadFrame, None]:
        begun_ns = 0
        content = bytearray()
        try:
            async for chunk in answer.chunks:
                begun_ns = begun_ns or boot_ns()
                content += chunk
                if len(content) > self.settings.picture_max_bytes:
                    yield BadFrame("too_long", bytes(content[:RAW_EXCERPT_BYTES]))
                    return
        except ResponseInterruptedError:
            yield BadFrame("cut", bytes(content[:RAW_EXCERPT_BYTES]))
            return
        yield CameraFrame(bytes(content), begun_ns or boot_ns())

    async def _stream(
        self, answer: HttpStream, boundary: str
    ) -> AsyncGenerator[CameraFrame | BadFrame, None]:
        parts = MultipartReader(boundary, self.settings.picture_max_bytes)
        begun_ns = boot_ns()
        async for chunk in answer.chunks:
            came_ns, before = boot_ns(), parts.is_part_started
            for part in parts.feed(chunk):
                yield _shot(part, begun_ns)
                begun_ns = came_ns
            if parts.is_part_started != before:
                begun_ns = came_ns
        for part in parts.finish():
            yield _shot(part, begun_ns)


def _shot(part: BodyPart | MalformedPart, begun_ns: int) -> CameraFrame | BadFrame:
    if isinstance(part, MalformedPart):
        return BadFrame(part.fault, part.content[:RAW_EXCERPT_BYTES])
    return CameraFrame(part.content, begun_ns)
