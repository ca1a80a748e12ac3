"""Cameras with an RTSP stream: driver `camera-rtsp`, which takes a picture out of the stream on command.

For cameras without pictures over HTTP, or with worse ones. The stream is decoded all the time, which costs
more than single requests; every frame carries its time of arrival.

Sources: RFC 2326 (RTSP 1.0), RFC 6184 (H.264) and RFC 7798 (H.265): `drivers/links/rtsp/`.
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
        default=0.3,
        ge=0,
        le=2,
        description="Shortest delay of a frame from the lens to the gateway, in seconds: a frame that "
        "arrives sooner after a command was made before it, and does not count.",
        examples=[0.3],
    )
    quality: int = Field(
        default=90, ge=50, le=98, description="Quality of the JPEG made of a frame.", examples=[90]
    )


class RtspCamera(PictureCamera[RtspCameraSettings]):
    """A camera with an RTSP stream."""

    settings_model = RtspCameraSettings

    async def open(self) -> Identity:
        """Open the stream, and wait for a frame; raises LinkError."""
        self.frame_source = await RtspFrameSource.open(self.settings, self.links)
        return Identity(model="RTSP camera")


class RtspFrameSource(FrameSource):
    """Frames of a stream."""

    def __init__(self, settings: RtspCameraSettings, link: RtspLink) -> None:
        self.settings = settings
        self.link = link

    @classmethod
    async def open(cls, settings: RtspCameraSettings, links: LinkFactory) -> "RtspFrameSource":
        """Open the stream, and wait for a frame; raises LinkError."""
        return cls(settings, await links.rtsp(settings))

    async def monitor(self, _camera: PictureCamera[Any]) -> None:
        """Monitor the flow of frames."""
        await self.link.wait_for_failure()

    async def frames(self) -> AsyncGenerator[CameraFrame | BadFrame, None]:
        """Yield frames of the stream that were made from now on."""
        since_ns = boot_ns() + round(self.settings.latency_s * 1e9)
        while True:
            frame = await self.link.newer_than(since_ns)
            since_ns = frame.made_ns
            yield CameraFrame(await asyncio.to_thread(_jpeg, frame, self.settings.quality), frame.received_ns)


def _jpeg(frame: DecodedFrame, quality: int) -> bytes:
    written = io.BytesIO()
    # Separate threads would live as long as the frame.
    picture: Image.Image = frame.picture.to_image(threads=1)  # type: ignore[no-untyped-call]
    picture.save(written, "JPEG", quality=quality)
    return written.getvalue()
