"""What all cameras behind HTTP are configured by."""

from typing import ClassVar, Literal

from pydantic import Field

from drivers.links.http.client import HttpSettings


class CameraHttpSettings(HttpSettings):
    """Where a camera is. Cameras ask for Digest, and many speak no TLS: their wire must then be their own."""

    service: ClassVar[str] = "the camera"

    auth: Literal["basic", "digest"] = Field(
        "digest",
        description="How the password is proved: basic sends it every time, digest (RFC 7616) never.",
        examples=["digest"],
    )
    picture_max_bytes: int = Field(
        8 * 1024 * 1024,
        ge=64 * 1024,
        le=48 * 1024 * 1024,
        description="No picture is larger, in bytes.",
        examples=[8388608],
    )
