"""Commands of a fingerprint scanner."""

from typing import Self

from pydantic import Field, model_validator

from drivers.command import CommandArguments, CommandOutput
from drivers.fingerprint.observations import (
    CaptureOutcome,
    CapturePurpose,
    FingerPosition,
    ImageEncoding,
    ImageQuality,
    UnreadableReason,
)


class CaptureFinger(CommandArguments):
    """Capture a print: request placements, and take the best of their images."""

    position: FingerPosition = Field(
        default=FingerPosition.UNKNOWN, description="Requested finger.", examples=["right_index"]
    )
    purpose: CapturePurpose = Field(
        default=CapturePurpose.VERIFICATION, description="Purpose of the print.", examples=["verification"]
    )
    timeout_s: float = Field(
        default=30.0,
        ge=1,
        le=300,
        description="Time limit of the whole capture, transfer of the image included, in seconds.",
        examples=[30.0],
    )
    best_of: int = Field(
        default=1,
        ge=1,
        le=10,
        description="Highest number of placements. The capture ends as soon as an image "
        "suffices; otherwise the best image is taken.",
        examples=[3],
    )
    encodings: tuple[ImageEncoding, ...] | None = Field(
        default=None,
        min_length=1,
        description="Encodings of the image; if absent, as the device is configured.",
        examples=[["png", "wsq"]],
    )
    missing_fingers: tuple[FingerPosition, ...] = Field(
        default=(),
        description="Of several requested fingers, those that are amputated or unable to print (ISO/IEC "
        "19794-4).",
        examples=[[]],
    )

    @model_validator(mode="after")
    def _fingers_that_can_be_missing(self) -> Self:
        if ImageEncoding.UNKNOWN in (self.encodings or ()):
            raise ValueError("`encodings` has a name that this version does not support")
        if not self.missing_fingers:
            return self
        fingers = self.position.fingers
        if stray := [finger for finger in self.missing_fingers if finger not in fingers or len(fingers) == 1]:
            raise ValueError(f"`missing_fingers` has fingers that are not requested: {', '.join(stray)}")
        if self.count == 0:
            raise ValueError("`missing_fingers` has every requested finger")
        return self

    @property
    def count(self) -> int:
        """Number of fingers to be captured."""
        return len(self.position.fingers) - len(set(self.missing_fingers))


class CaptureFingerResult(CommandOutput):
    """Result of a capture. `captured`: an image suffices."""

    unredacted_fields = frozenset({"outcome", "reason", "attempts", "quality"})

    outcome: CaptureOutcome = Field(description="Outcome of the capture.", examples=["captured"])
    reason: UnreadableReason | None = Field(
        default=None,
        description="Reason why the best image did not suffice, if there was one.",
        examples=["too_light"],
    )
    attempts: int = Field(ge=0, description="Number of placements.", examples=[1])
    quality: ImageQuality | None = Field(
        default=None,
        description="Quality of the published image; null if there is none.",
        examples=[{"measure": "nfiq2", "value": 54, "required_minimum": 30, "outcome": "successful"}],
    )


class StealLock(CommandArguments):
    """Take the lock of a scanner behind a service from another client of that service."""

    reason: str = Field(
        min_length=4, max_length=200, description="Why.", examples=["the workstation next to it has crashed"]
    )
