"""What a camera of ONVIF is configured by."""

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, ValidationError, model_validator

from drivers.camera.http_settings import CameraHttpSettings
from drivers.camera.onvif.discovery import DiscoveryTarget
from drivers.links.settings import Settings

SERVICE = "/onvif/device_service"


class OnvifSettings(Settings):
    """Settings of one camera: where it is or how it is found, and which of its pictures are wanted."""

    url: str | None = Field(
        None,
        description="Where it is; with a path where its device service is not at /onvif/device_service.",
        examples=["http://192.0.2.21"],
    )
    discovery: DiscoveryTarget | None = Field(
        None,
        description="How it is found by WS-Discovery, instead of `url`.",
        examples=[{"endpoint": "urn:uuid:4d454930-0000-1000-8000-b8a44f000001"}],
    )
    username: str | None = Field(None, description="User name, of a user for ONVIF.", examples=["gateway"])
    password: SecretStr | None = Field(None, description="Password.", examples=["${CAMERA_PASSWORD}"])
    ca_file: Path | None = Field(
        None,
        description="https: certificates that the camera's own must be signed by, else the system's.",
        examples=["/etc/borderpost/camera-ca.pem"],
    )
    allow_cleartext: bool = Field(
        False,
        description="Speak http and rtsp to another machine: only where nobody else can reach that wire.",
        examples=[False],
    )
    timeout_s: float = Field(
        2.5, gt=0, le=10, description="How long one answer may take, in seconds.", examples=[2.5]
    )
    profile: str | None = Field(
        None,
        description="Token or name of the media profile; without it, the largest that is not too large.",
        examples=["Profile_1"],
    )
    width_max_px: int = Field(
        1920,
        ge=160,
        le=8192,
        description="No profile wider than this is chosen by itself, in pixels.",
        examples=[1920],
    )
    picture_source: Literal["auto", "snapshot", "stream"] = Field(
        "auto",
        description="Where pictures come from: single ones over HTTP, the stream, or the stream only where "
        "the camera gives no single ones.",
        examples=["auto"],
    )
    stream_port: int | None = Field(
        None,
        ge=1,
        le=65535,
        description="Port of its stream, where a router translates it; else the one that the camera gives.",
        examples=[5541],
    )
    events: bool = Field(
        True,
        description="Whether to hear what the camera tells of itself: tampering, signal loss, unclear "
        "pictures.",
        examples=[True],
    )
    subscription_s: float = Field(
        60.0,
        ge=1,
        le=3600,
        description="For how long a subscription to that is asked for, in seconds; renewed at half of it.",
        examples=[60.0],
    )
    tamper_input: str | None = Field(
        None,
        description="Token of the digital input that the contact of its housing is wired to.",
        examples=["DIGIT_INPUT_000"],
    )
    tamper_closed: bool = Field(
        False,
        description="That contact is closed at rest, so the input is active while nobody opens the housing.",
        examples=[False],
    )
    clock_tolerance_s: float = Field(
        10.0,
        ge=2,
        le=3600,
        description="How far its clock may be off before that is told, in seconds. It works all the same.",
        examples=[10.0],
    )

    @property
    def exclusive_key(self) -> str:
        """A camera is looked at by one."""
        return self.url or (self.discovery.description if self.discovery else "")

    def http_settings(self, url: str) -> CameraHttpSettings:
        """How its device service is spoken to there; raises ValidationError where it must not be."""
        if url.removeprefix("https://").removeprefix("http://").find("/") < 0:
            url += SERVICE
        return CameraHttpSettings(
            url=url,
            username=self.username,
            password=self.password,
            ca_file=self.ca_file,
            allow_cleartext=self.allow_cleartext,
            timeout_s=self.timeout_s,
        )

    @model_validator(mode="after")
    def _can_be_reached(self) -> "OnvifSettings":
        if (self.url is None) is (self.discovery is None):
            raise ValueError("write `url`, or `discovery` where its address is not known")
        try:
            self.http_settings(self.url or "https://192.0.2.1")
        except ValidationError as error:
            found = error.errors(include_url=False, include_input=False)[0]
            raise ValueError(found["msg"].removeprefix("Value error, ")) from None
        return self
