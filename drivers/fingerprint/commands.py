"""What a fingerprint scanner can be told to do."""

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
    """Capture a print: say when to place the finger, take the best image of some placements."""

    position: FingerPosition = Field(
        FingerPosition.UNKNOWN, description="The finger that is asked for.", examples=["right_index"]
    )
    purpose: CapturePurpose = Field(
        CapturePurpose.VERIFICATION, description="What the print is for.", examples=["verification"]
    )
    timeout_s: float = Field(
        30.0,
        ge=1,
        le=300,
        description="How long the whole capture may take, transfer of the image included, in seconds.",
        examples=[30.0],
    )
    best_of: int = Field(
        1,
        ge=1,
        le=10,
        description="How often the finger may be placed at most. The capture ends as soon as an image "
        "suffices; else the best one counts.",
        examples=[3],
    )
    encodings: tuple[ImageEncoding, ...] | None = Field(
        None,
        min_length=1,
        description="How the image is delivered; without it as the device is configured.",
        examples=[["png", "wsq"]],
    )
    missing_fingers: tuple[FingerPosition, ...] = Field(
        (),
        description="Of several fingers asked for at once, those that this person lacks or cannot use.",
        examples=[[]],
    )

    @model_validator(mode="after")
    def _fingers_that_can_be_missing(self) -> Self:
        if ImageEncoding.UNKNOWN in (self.encodings or ()):
            raise ValueError("`encodings` names one that this version does not know")
        if not self.missing_fingers:
            return self
        fingers = self.position.fingers
        if stray := [finger for finger in self.missing_fingers if finger not in fingers or len(fingers) == 1]:
            raise ValueError(f"`missing` names what is not asked for: {', '.join(stray)}")
        if self.count == 0:
            raise ValueError("`missing` names every finger that is asked for")
        return self

    @property
    def count(self) -> int:
        """How many fingers there should be."""
        return len(self.position.fingers) - len(set(self.missing_fingers))


class CaptureFingerResult(CommandOutput):
    """A capture that ran to its end. `captured` says that there is an image that suffices."""

    unredacted_fields = frozenset({"outcome", "reason", "attempts", "quality"})

    outcome: CaptureOutcome = Field(description="How it ended.", examples=["captured"])
    reason: UnreadableReason | None = Field(
        None, description="Why the best image did not suffice, where one was taken.", examples=["too_light"]
    )
    attempts: int = Field(ge=0, description="How many placements there were.", examples=[1])
    quality: ImageQuality | None = Field(
        None,
        description="How good the image is that was said, null where none was.",
        examples=[{"measure": "nfiq2", "value": 54, "required_minimum": 30, "outcome": "successful"}],
    )


class StealLock(CommandArguments):
    """Take the lock of a scanner behind a service from another client of that service."""

    reason: str = Field(
        min_length=4, max_length=200, description="Why.", examples=["the workstation next to it has crashed"]
    )
