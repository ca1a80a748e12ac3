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

from drivers.camera.camera import FrameSource, PictureCamera
from drivers.camera.imaging.jpeg import CameraFrame
from drivers.clock import boot_ns
from drivers.driver import BadFrame, Identity
from drivers.links.factory import LinkFactory
from drivers.links.video.rtsp import DecodedFrame, RtspLink, RtspSettings


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
        self.frame_source = await RtspFrameSource.open(self.settings, self.links)
        return Identity(model="RTSP camera")


class RtspFrameSource(FrameSource):
    """Pictures out of a stream."""

    def __init__(self, settings: RtspCameraSettings, link: RtspLink) -> None:
        self.settings = settings
        self.link = link

    @classmethod
    async def open(cls, settings: RtspCameraSettings, links: LinkFactory) -> "RtspFrameSource":
        """Begin to read the stream, and wait for a picture; raises LinkError."""
        return cls(settings, await links.rtsp(settings))

    async def monitor(self, _camera: PictureCamera[Any]) -> None:
        """See that pictures go on coming."""
        await self.link.wait_for_failure()

    async def frames(self) -> AsyncGenerator[CameraFrame | BadFrame, None]:
        """Take pictures that were made from now on out of the stream."""
        since_ns = boot_ns() + round(self.settings.latency_s * 1e9)
        while True:
            frame = await self.link.newer_than(since_ns)
            since_ns = frame.made_ns
            yield CameraFrame(await asyncio.to_thread(_jpeg, frame, self.settings.quality), frame.received_ns)


def _jpeg(frame: DecodedFrame, quality: int) -> bytes:
    written = io.BytesIO()
    # Threads of its own would be kept as long as the frame.
    picture: Image.Image = frame.picture.to_image(threads=1)  # type: ignore[no-untyped-call]
    picture.save(written, "JPEG", quality=quality)
    return written.getvalue()
