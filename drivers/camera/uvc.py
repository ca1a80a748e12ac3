"""Webcams and other cameras of this machine, through Video4Linux: pictures are frames of their stream.

Frames encoded by the camera (MJPEG, USB Video Class 1.5, *MJPEG Payload*) are passed on byte for byte;
uncompressed ones (YUYV) are encoded here.
"""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

from pydantic import Field

from drivers.camera.camera import FrameSource, PictureCamera
from drivers.camera.imaging.exposure import ExposureSettling, brightness_of
from drivers.camera.imaging.image_quality import UndecodableImageError
from drivers.camera.imaging.jpeg import CameraFrame
from drivers.camera.imaging.yuyv import yuyv_to_jpeg
from drivers.clock import boot_ns
from drivers.driver import BadFrame, Identity
from drivers.links.video.v4l2 import VideoFrame, VideoLink, VideoSettings
from drivers.links.video.v4l2_setup import YUYV


class UvcCameraSettings(VideoSettings):
    """Settings of one camera."""

    latency_s: float = Field(
        default=0.1,
        ge=0,
        le=2,
        description="Delay of a frame in the camera before it is sent, in seconds: a frame that arrives "
        "sooner after a command was made before it, and does not count.",
        examples=[0.1],
    )
    quality: int = Field(
        default=90,
        ge=50,
        le=98,
        description="Quality of the JPEG made of an uncompressed frame.",
        examples=[90],
    )


class UvcCamera(PictureCamera[UvcCameraSettings]):
    """A camera of this machine."""

    settings_model = UvcCameraSettings

    async def open(self) -> Identity:
        """Open the camera, and wait for a frame; raises LinkError."""
        link = await self.links.video(self.settings, self._damaged)
        self.frame_source = UvcFrameSource(self.settings, link)
        return Identity(
            model=link.name or "camera",
            manufacturer=None if link.usb is None else link.usb.manufacturer,
            serial_number=None if link.usb is None else link.usb.serial_number,
        )

    def _damaged(self) -> None:
        self.emit(BadFrame("flagged", b""))


class UvcFrameSource(FrameSource):
    """Frames of a camera of this machine."""

    def __init__(self, settings: UvcCameraSettings, link: VideoLink) -> None:
        self.settings = settings
        self.link = link
        self._settling = ExposureSettling(boot_ns())

    async def monitor(self, _camera: PictureCamera[Any]) -> None:
        """Monitor the flow of frames."""
        await self.link.wait_for_failure()

    async def frames(self) -> AsyncGenerator[CameraFrame | BadFrame, None]:
        """Yield frames made from now on."""
        since_ns = boot_ns() + round(self.settings.latency_s * 1e9)
        while True:
            frame = await self.link.newer_than(since_ns)
            since_ns = frame.made_ns
            shot = await self._shot(frame)
            if await self._is_exposed(shot, frame.made_ns):
                yield shot

    async def _is_exposed(self, shot: CameraFrame | BadFrame, made_ns: int) -> bool:
        """Return False for a frame made while the camera still adapts its exposure."""
        if isinstance(shot, BadFrame) or self._settling.is_over(made_ns):
            return True
        try:
            brightness = await asyncio.to_thread(brightness_of, shot.content)
        except UndecodableImageError:
            return True  # reported like any other damaged frame
        return self._settling.is_settled(brightness)

    async def _shot(self, frame: VideoFrame) -> CameraFrame | BadFrame:
        mode = self.link.mode
        if mode.fourcc != YUYV:
            return CameraFrame(frame.content, frame.made_ns)
        content = await asyncio.to_thread(
            yuyv_to_jpeg,
            frame.content,
            mode.width_px,
            mode.height_px,
            mode.line_bytes,
            full_range=mode.full_range,
            quality=self.settings.quality,
        )
        return BadFrame("cut", b"") if content is None else CameraFrame(content, frame.made_ns)
