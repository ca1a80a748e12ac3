"""Cameras that are looked at through their RTSP stream: a picture is taken out of it when somebody asks.

For cameras that give no picture over HTTP, or a worse one. The stream is decoded all the time, which costs
more than asking for pictures; every picture carries when it came.
"""

import asyncio
import io
from collections.abc import AsyncGenerator
from typing import Any

from PIL import Image
from pydantic import Field

from drivers.camera.camera import Eye, PictureCamera
from drivers.camera.imaging.jpeg import Shot
from drivers.command import boot_ns
from drivers.driver import BadFrame, Identity
from drivers.links.factory import Links
from drivers.links.video.rtsp import Frame, RtspLink, RtspSettings


class RtspCameraSettings(RtspSettings):
    """Settings of one camera."""

    latency_s: float = Field(
        0.3,
        ge=0,
        le=2,
        description="How long a picture is under way from the lens to here at its quickest, in seconds: what "
        "comes sooner after a command was made before it, and does not count.",
        examples=[0.3],
    )
    quality: int = Field(
        90, ge=50, le=98, description="Quality of the JPEG that a picture becomes.", examples=[90]
    )


class RtspCamera(PictureCamera[RtspCameraSettings]):
    """A camera with an RTSP stream."""

    settings_model = RtspCameraSettings

    async def open(self) -> Identity:
        """Begin to read the stream, and wait for a picture; raises LinkError."""
        self.eye = await StreamEye.opened(self.settings, self.links)
        return Identity(model="RTSP camera")


class StreamEye(Eye):
    """Pictures out of a stream."""

    def __init__(self, settings: RtspCameraSettings, link: RtspLink) -> None:
        self.settings = settings
        self.link = link

    @classmethod
    async def opened(cls, settings: RtspCameraSettings, links: Links) -> "StreamEye":
        """Begin to read the stream, and wait for a picture; raises LinkError."""
        return cls(settings, await links.rtsp(settings))

    async def tend(self, _camera: PictureCamera[Any]) -> None:
        """See that pictures go on coming."""
        await self.link.watched()

    async def shots(self) -> AsyncGenerator[Shot | BadFrame, None]:
        """Take pictures that were made from now on out of the stream."""
        since_ns = boot_ns() + round(self.settings.latency_s * 1e9)
        while True:
            frame = await self.link.newer_than(since_ns)
            since_ns = frame.made_ns
            yield Shot(await asyncio.to_thread(_jpeg, frame, self.settings.quality), frame.came_ns)


def _jpeg(frame: Frame, quality: int) -> bytes:
    written = io.BytesIO()
    # Threads of its own would be kept as long as the frame.
    picture: Image.Image = frame.picture.to_image(threads=1)  # type: ignore[no-untyped-call]
    picture.save(written, "JPEG", quality=quality)
    return written.getvalue()
