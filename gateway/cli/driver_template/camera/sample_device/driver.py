"""Sample device: a network camera with single pictures. Source: SHEET.md.

Events and commands (`capture`, `cancel`, `preview`) are those of every camera (`drivers.camera`), so
workstations know them.
"""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

from drivers.camera.camera import FrameSource, PictureCamera
from drivers.camera.http_settings import CameraHttpSettings
from drivers.camera.imaging.jpeg import CameraFrame
from drivers.clock import boot_ns
from drivers.driver import BadFrame, Identity
from drivers.links.http.client import HttpLink
from drivers.links.http.json_decode import decode
from drivers.links.recording.dissect import describe_http
from pydantic import Field


class SampleDeviceSettings(CameraHttpSettings):
    """Settings of one camera."""

    poll_s: float = Field(
        default=10.0, gt=0, le=300, description="Interval of checks while idle, in seconds.", examples=[10.0]
    )


class SampleDevice(PictureCamera[SampleDeviceSettings]):
    """A camera that takes pictures on command."""

    driver_api = 1
    settings_model = SampleDeviceSettings
    # Pictures in recordings are blanked.
    anonymizer = "drivers.anonymize.camera_http:blank_contents"
    describe_chunk = staticmethod(describe_http)

    async def open(self) -> Identity:
        """Connect and identify the camera; raises LinkError."""
        link = await self.links.http(self.settings)
        identity = await _identify(link)
        self.frame_source = Pictures(link, self.settings)
        return identity


class Pictures(FrameSource):
    """Pictures, each requested when it is needed."""

    def __init__(self, link: HttpLink, settings: SampleDeviceSettings) -> None:
        self._link = link
        self._settings = settings

    async def frames(self) -> AsyncGenerator[CameraFrame | BadFrame, None]:
        """Request pictures one by one."""
        while True:
            begun_ns = boot_ns()
            answer = await self._link.request(
                "GET", "/picture", media_type="image/jpeg", limit_bytes=self._settings.picture_max_bytes
            )
            # A picture that is no whole JPEG is counted as incomplete, and never published.
            yield CameraFrame(answer.body, begun_ns)

    async def monitor(self, camera: PictureCamera[Any]) -> None:
        """Ask for the identity at intervals."""
        while True:
            await asyncio.sleep(self._settings.poll_s)
            if camera.is_idle.is_set():
                await _identify(self._link)


async def _identify(link: HttpLink) -> Identity:
    answer = await link.request("GET", "/identity")
    try:
        stated = decode(answer.body)
    except ValueError:
        stated = None
    if not isinstance(stated, dict) or not isinstance(model := stated.get("model"), str):
        raise link.wrong_service_error("does not state its model")
    return Identity(
        model=model, serial_number=_text(stated.get("serial")), firmware=_text(stated.get("firmware"))
    )


def _text(stated: object) -> str | None:
    return stated if isinstance(stated, str) and stated else None
