"""Media profiles of a camera, and the addresses of their streams and single pictures.

Sources: ONVIF Media Service Specification, *Media profiles* and *Media streaming*; ONVIF Media2 Service
Specification, likewise: cameras of profile T have that, and some have nothing else.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar
from xml.etree.ElementTree import Element
from xml.sax.saxutils import escape

from drivers.camera.onvif.device import OnvifDevice
from drivers.camera.onvif.soap import FaultError, child, find_all, text


@dataclass(frozen=True, slots=True)
class MediaProfile:
    """One media profile of a camera."""

    token: str
    name: str
    encoding: str
    width_px: int
    height_px: int


class Media:
    """Media service, version 1."""

    service: ClassVar = "trt"
    all_profiles: ClassVar = ""
    encoder: ClassVar[tuple[str, ...]] = ("VideoEncoderConfiguration",)
    """Path of the encoder's configuration in a profile."""
    by_rtsp: ClassVar = (
        "<trt:StreamSetup><tt:Stream>RTP-Unicast</tt:Stream><tt:Transport><tt:Protocol>RTSP</tt:Protocol>"
        "</tt:Transport></trt:StreamSetup>"
    )

    def __init__(self, device: OnvifDevice) -> None:
        self._device = device

    async def profiles(self) -> list[MediaProfile]:
        """Return the profiles with video; raises LinkError, or FaultError."""
        return list(self._told(await self._ask("GetProfiles", self.all_profiles)))

    async def snapshot_address(self, profile: MediaProfile) -> str:
        """Return the stated address of a picture, or ""; raises LinkError, or FaultError."""
        try:
            told = await self._ask("GetSnapshotUri", self._chosen(profile))
        except FaultError as fault:
            if fault.is_unauthorized:
                raise
            return ""
        return next(map(text, find_all(told, "Uri")), "")

    async def stream_address(self, profile: MediaProfile) -> str:
        """Return the stated address of its stream; raises LinkError, or FaultError."""
        told = await self._ask("GetStreamUri", self.by_rtsp + self._chosen(profile))
        return next(map(text, find_all(told, "Uri")), "")

    async def _ask(self, operation: str, arguments: str) -> Element:
        place = self._device.services[self.service]
        return await self._device.call(place, f"{self.service}:{operation}", arguments)

    def _chosen(self, profile: MediaProfile) -> str:
        return f"<{self.service}:ProfileToken>{escape(profile.token)}</{self.service}:ProfileToken>"

    def _told(self, response: Element) -> Iterator[MediaProfile]:
        for each in find_all(response, "Profiles"):
            encoder = child(each, *self.encoder)
            size = [text(child(encoder, "Resolution", side)) for side in ("Width", "Height")]
            if encoder is not None and all(re.fullmatch("[0-9]{1,5}", side) for side in size):
                named, encoding = text(child(each, "Name")), text(child(encoder, "Encoding"))
                yield MediaProfile(each.get("token", ""), named, encoding, *map(int, size))


class Media2(Media):
    """Media service, version 2, of cameras of profile T."""

    service = "tr2"
    all_profiles = "<tr2:Type>VideoEncoder</tr2:Type>"  # without types, profiles contain names only
    encoder = ("Configurations", "VideoEncoder")
    by_rtsp = "<tr2:Protocol>RTSP</tr2:Protocol>"


def media_of(device: OnvifDevice) -> Media | None:
    """Return its media service; version 1 where it has both, because that is more widely tested."""
    return next((kind(device) for kind in (Media, Media2) if kind.service in device.services), None)
