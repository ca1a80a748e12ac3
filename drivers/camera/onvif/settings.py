"""Settings of an ONVIF camera."""

from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, model_validator

from drivers.camera.http_settings import CameraHttpSettings
from drivers.camera.onvif.discovery import GROUP, PORT, DiscoveryTarget
from drivers.links.settings import LinkRights, MulticastGroup, NetworkHost, Settings, network_rights

SERVICE = "/onvif/device_service"


class OnvifSettings(Settings):
    """Settings of one camera: its address or discovery, and the choice of its pictures."""

    url: str | None = Field(
        default=None,
        description="Its address; with a path where its device service is not at /onvif/device_service.",
        examples=["http://192.0.2.21"],
    )
    discovery: DiscoveryTarget | None = Field(
        default=None,
        description="Discovery by WS-Discovery, instead of `url`.",
        examples=[{"endpoint": "urn:uuid:4d454930-0000-1000-8000-b8a44f000001"}],
    )
    username: str | None = Field(
        default=None, description="User name, of an ONVIF user.", examples=["gateway"]
    )
    password: SecretStr | None = Field(default=None, description="Password.", examples=["${CAMERA_PASSWORD}"])
    ca_file: Path | None = Field(
        default=None,
        description="https: authorities that may sign the camera's certificate, else the system's.",
        examples=["/etc/borderpost/camera-ca.pem"],
    )
    allow_cleartext: bool = Field(
        default=False,
        description="Permit http and rtsp: only where no other machine can reach that network.",
        examples=[False],
    )
    allow_cleartext_password: bool = Field(
        default=False,
        description="Permit Basic over http and rtsp: the password can be read on that network.",
        examples=[False],
    )
    timeout_s: float = Field(
        default=2.5, gt=0, le=10, description="Time limit of one response, in seconds.", examples=[2.5]
    )
    profile: str | None = Field(
        default=None,
        description="Token or name of the media profile; default: the largest within `width_max_px`.",
        examples=["Profile_1"],
    )
    width_max_px: int = Field(
        default=1920,
        ge=160,
        le=8192,
        description="Widest profile that is chosen by default, in pixels.",
        examples=[1920],
    )
    picture_source: Literal["auto", "snapshot", "stream"] = Field(
        default="auto",
        description="Source of pictures: single ones over HTTP, the stream, or the stream only where "
        "the camera has no single ones.",
        examples=["auto"],
    )
    stream_port: int | None = Field(
        default=None,
        ge=1,
        le=65535,
        description="Port of its stream, where a router translates it; default: as stated by the camera.",
        examples=[5541],
    )
    events: bool = Field(
        default=True,
        description="Subscribe to the camera's own events: tampering, signal loss, unclear pictures.",
        examples=[True],
    )
    subscription_s: float = Field(
        default=60.0,
        ge=1,
        le=3600,
        description="Requested duration of the subscription, in seconds; renewed at half of it.",
        examples=[60.0],
    )
    tamper_input: str | None = Field(
        default=None,
        description="Token of the digital input of the housing's contact.",
        examples=["DIGIT_INPUT_000"],
    )
    tamper_closed: bool = Field(
        default=False,
        description="True if that contact is closed, and the input active, while the housing is closed.",
        examples=[False],
    )
    clock_tolerance_s: float = Field(
        default=10.0,
        ge=2,
        le=3600,
        description="Offset of its clock that is reported, in seconds. The camera works all the same.",
        examples=[10.0],
    )

    def link_rights(self) -> LinkRights:
        """Return the rights to any TCP port of the camera: it states those of its services and streams."""
        rights = super().link_rights()
        if self.discovery is None:
            return rights | network_rights(urlsplit(self.url or "").hostname or "", None)
        interface = self.discovery.interface
        through = None if interface is None else str(interface)
        group = MulticastGroup(GROUP, PORT, through)
        return rights | LinkRights(hosts=frozenset({NetworkHost(None, None, through)}), search=group)

    @property
    def exclusive_key(self) -> str:
        """Key that only one device may have: a camera has one reader."""
        return self.url or (self.discovery.description if self.discovery else "")

    def http_settings(self, url: str) -> CameraHttpSettings:
        """Return the settings for its device service; raises ValidationError where they are not permitted."""
        if url.removeprefix("https://").removeprefix("http://").find("/") < 0:
            url += SERVICE
        return CameraHttpSettings(
            url=url,
            username=self.username,
            password=self.password,
            ca_file=self.ca_file,
            allow_cleartext=self.allow_cleartext,
            allow_cleartext_password=self.allow_cleartext_password,
            timeout_s=self.timeout_s,
        )

    @model_validator(mode="after")
    def _check_address(self) -> "OnvifSettings":
        if (self.url is None) is (self.discovery is None):
            raise ValueError("write `url`, or `discovery` where its address is not known")
        try:
            self.http_settings(self.url or "https://192.0.2.1")
        except ValidationError as error:
            found = error.errors(include_url=False, include_input=False)[0]
            raise ValueError(found["msg"].removeprefix("Value error, ")) from None
        return self
