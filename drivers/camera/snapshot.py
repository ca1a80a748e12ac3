"""Cameras that give pictures over HTTP: one JPEG a question, or a stream of them (MJPEG).

Which of both it is, the camera's answer tells. Single pictures are what every network camera has: AXIS VAPIX,
*Video streaming*, ``/axis-cgi/jpg/image.cgi``; Hikvision ISAPI, ``/ISAPI/Streaming/channels/101/picture``;
Dahua HTTP API, ``/cgi-bin/snapshot.cgi``. Every capture asks anew, so nothing waits in a buffer; of a stream
the first picture is thrown away, because it may be the one that the camera had at hand.
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
from drivers.links.http.client import HttpLink, HttpStream, ResponseInterruptedError
from drivers.links.link import Action, Cause, LinkError
from drivers.links.recording import dissect as meanings


class HttpSnapshotSettings(CameraHttpSettings):
    """Settings of one camera."""

    path: str = Field(
        pattern=r"^/[!-~]*$",
        description="Where below `url` its pictures are.",
        examples=["/ISAPI/Streaming/channels/101/picture"],
    )
    discard_frames: int | None = Field(
        None,
        ge=0,
        le=5,
        description="How many pictures are thrown away before one counts, for cameras that first give one "
        "that they had at hand. Without it none of single pictures, and one of a stream.",
        examples=[1],
    )
    poll_s: float = Field(
        10.0,
        gt=0,
        le=300,
        description="How often to look whether it still gives pictures, in seconds.",
        examples=[10.0],
    )

    @property
    def exclusive_key(self) -> str:
        """One camera may have several pictures, and its plates besides."""
        return f"{self.url}{self.path}"


class HttpSnapshotCamera(PictureCamera[HttpSnapshotSettings]):
    """A camera that gives pictures over HTTP."""

    settings_model = HttpSnapshotSettings
    anonymizer = "drivers.anonymize.camera_http:blank_contents"
    describe_chunk = staticmethod(meanings.describe_http)

    async def open(self) -> Identity:
        """Ask for a picture; raises LinkError when there is none at that path."""
        self.frame_source = eye = SnapshotFrameSource(self.settings, await self.links.http(self.settings))
        await eye.check(self)
        return Identity(model="HTTP camera")


class SnapshotFrameSource(FrameSource):
    """Pictures that are asked for over HTTP."""

    def __init__(self, settings: HttpSnapshotSettings, link: HttpLink, named: str | None = None) -> None:
        """`named`: what the path is called where it came from the camera, which may have a password in it."""
        self.settings = settings
        self.link = link
        self._named = named or settings.path.partition("?")[0]

    async def monitor(self, camera: PictureCamera[Any]) -> None:
        """Ask for a picture now and then."""
        while True:
            await asyncio.sleep(self.settings.poll_s)
            if camera.is_idle.is_set():
                await self.check(camera)

    async def check(self, camera: PictureCamera[Any]) -> None:
        """Ask for a picture; raises LinkError when there is none at that path."""
        async with aclosing(self.frames(discard=0)) as shots:
            shot = await anext(shots)
        found = shot if isinstance(shot, BadFrame) else parse_jpeg(shot.content)
        if found == "not_jpeg":
            raise self.link.wrong_service_error(f"gives no JPEG picture at {self._named}")
        if isinstance(shot, BadFrame):
            camera.emit(shot)
        camera.on_frame_integrity(whole=isinstance(found, JpegInfo))

    async def frames(self, discard: int | None = None) -> AsyncGenerator[CameraFrame | BadFrame, None]:
        """Ask, and ask again for the next one, or go on listening to a stream."""
        discard = self.settings.discard_frames if discard is None else discard
        while True:
            async with self.link.stream("GET", self.settings.path) as answer:
                boundary = parse_boundary(answer.content_type)
                self.is_stream = boundary is not None
                shots = self._one(answer) if boundary is None else self._stream(answer, boundary)
                left = int(boundary is not None) if discard is None else discard
                async with aclosing(shots):
                    async for shot in shots:
                        if left and isinstance(shot, CameraFrame):
                            left -= 1
                            continue
                        yield shot
            if boundary is not None:
                raise LinkError(
                    Cause.LINK_FAILED,
                    f"{self.settings.url} ended its stream of pictures.",
                    Action.RESTART,
                    "Restart the camera if it does not come back by itself; it may serve too many already.",
                )
            discard = left

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
