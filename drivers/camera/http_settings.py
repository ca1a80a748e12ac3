"""Settings common to all cameras behind HTTP."""

from typing import ClassVar, Literal

from pydantic import Field

from drivers.links.http.client import HttpSettings


class CameraHttpSettings(HttpSettings):
    """Address of a camera. Many cameras lack TLS: these need a separate network."""

    service: ClassVar[str] = "the camera"

    auth: Literal["auto", "basic", "digest"] = Field(
        default="auto",
        description="Authentication: basic sends the password with every request, digest (RFC 7616) never; "
        "auto: as each path requires, digest if it may be chosen.",
        examples=["auto"],
    )
    picture_max_bytes: int = Field(
        default=8 * 1024 * 1024,
        ge=64 * 1024,
        le=48 * 1024 * 1024,
        description="Upper limit of a picture, in bytes.",
        examples=[8388608],
    )
