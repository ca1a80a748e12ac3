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

from drivers.camera.camera import KEPT_BYTES, Eye, PictureCamera
from drivers.camera.http_settings import CameraHttpSettings
from drivers.camera.imaging.jpeg import Jpeg, Shot, look
from drivers.camera.multipart import Multipart, Part, Spoilt, boundary_of
from drivers.command import boot_ns
from drivers.driver import BadFrame, Identity
from drivers.links.http.client import BrokenOffError, HttpLink, Streamed
from drivers.links.link import Action, Cause, LinkError
from drivers.links.recording import dissect as meanings


class SnapshotSettings(CameraHttpSettings):
    """Settings of one camera."""

    path: str = Field(
        pattern=r"^/[!-~]*$",
        description="Where below `url` its pictures are.",
        examples=["/ISAPI/Streaming/channels/101/picture"],
    )
    discard: int | None = Field(
        None,
        ge=0,
        le=5,
        description="How many pictures are thrown away before one counts, for cameras that first give one "
        "that they had at hand. Without it none of single pictures, and one of a stream.",
        examples=[1],
    )
    check_s: float = Field(
        10.0,
        gt=0,
        le=300,
        description="How often to look whether it still gives pictures, in seconds.",
        examples=[10.0],
    )

    @property
    def place(self) -> str:
        """One camera may have several pictures, and its plates besides."""
        return f"{self.url}{self.path}"


class Snapshot(PictureCamera[SnapshotSettings]):
    """A camera that gives pictures over HTTP."""

    settings_model = SnapshotSettings
    scrubber = "drivers.anonymize.camera_http:contents"
    meaning = staticmethod(meanings.http)

    async def open(self) -> Identity:
        """Ask for a picture; raises LinkError when there is none at that path."""
        self.eye = eye = SnapshotEye(self.settings, await self.links.http(self.settings))
        await eye.check(self)
        return Identity(model="HTTP camera")


class SnapshotEye(Eye):
    """Pictures that are asked for over HTTP."""

    def __init__(self, settings: SnapshotSettings, link: HttpLink, named: str | None = None) -> None:
        """`named`: what the path is called where it came from the camera, which may have a password in it."""
        self.settings = settings
        self.link = link
        self._named = named or settings.path.partition("?")[0]

    async def tend(self, camera: PictureCamera[Any]) -> None:
        """Ask for a picture now and then."""
        while True:
            await asyncio.sleep(self.settings.check_s)
            if camera.idle.is_set():
                await self.check(camera)

    async def check(self, camera: PictureCamera[Any]) -> None:
        """Ask for a picture; raises LinkError when there is none at that path."""
        async with aclosing(self.shots(discard=0)) as shots:
            shot = await anext(shots)
        found = shot if isinstance(shot, BadFrame) else look(shot.content)
        if found == "not_jpeg":
            raise self.link.wrong_service(f"gives no JPEG picture at {self._named}")
        if isinstance(shot, BadFrame):
            camera.say(shot)
        camera.well(whole=isinstance(found, Jpeg))

    async def shots(self, discard: int | None = None) -> AsyncGenerator[Shot | BadFrame, None]:
        """Ask, and ask again for the next one, or go on listening to a stream."""
        discard = self.settings.discard if discard is None else discard
        while True:
            async with self.link.stream("GET", self.settings.path) as answer:
                boundary = boundary_of(answer.content_type)
                self.flows = boundary is not None
                shots = self._one(answer) if boundary is None else self._stream(answer, boundary)
                left = int(boundary is not None) if discard is None else discard
                async with aclosing(shots):
                    async for shot in shots:
                        if left and isinstance(shot, Shot):
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

    async def _one(self, answer: Streamed) -> AsyncGenerator[Shot | BadFrame, None]:
        begun_ns = 0
        content = bytearray()
        try:
            async for chunk in answer.chunks:
                begun_ns = begun_ns or boot_ns()
                content += chunk
                if len(content) > self.settings.picture_max_bytes:
                    yield BadFrame("too_long", bytes(content[:KEPT_BYTES]))
                    return
        except BrokenOffError:
            yield BadFrame("cut", bytes(content[:KEPT_BYTES]))
            return
        yield Shot(bytes(content), begun_ns or boot_ns())

    async def _stream(self, answer: Streamed, boundary: str) -> AsyncGenerator[Shot | BadFrame, None]:
        parts = Multipart(boundary, self.settings.picture_max_bytes)
        begun_ns = boot_ns()
        async for chunk in answer.chunks:
            came_ns, before = boot_ns(), parts.begun
            for part in parts.feed(chunk):
                yield _shot(part, begun_ns)
                begun_ns = came_ns
            if parts.begun != before:
                begun_ns = came_ns
        for part in parts.end():
            yield _shot(part, begun_ns)


def _shot(part: Part | Spoilt, begun_ns: int) -> Shot | BadFrame:
    if isinstance(part, Spoilt):
        return BadFrame(part.fault, part.content[:KEPT_BYTES])
    return Shot(part.content, begun_ns)
