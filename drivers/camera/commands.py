"""Commands of cameras."""

from pydantic import Field

from drivers.camera.observations import PictureHint
from drivers.command import CommandArguments, CommandOutput
from drivers.observation import OpenEnum


class Subject(OpenEnum):
    """Subject of a picture; it determines the event."""

    PORTRAIT = "portrait"
    """The person at the counter: `face.captured`."""
    SCENE = "scene"
    """A lane or a hall: `scene.captured`."""
    UNKNOWN = "unknown"


class TakePicture(CommandArguments):
    """Take a picture of this moment: never a frame made before the command."""

    subject: Subject = Field(
        default=Subject.SCENE, description="Subject of the picture.", examples=["portrait"]
    )
    best_of: int = Field(
        default=1,
        ge=1,
        le=10,
        description="Number of frames of which the best is chosen. With more than one, the first sufficient "
        "frame ends the capture.",
        examples=[3],
    )
    timeout_s: float = Field(
        default=3.0,
        ge=0.1,
        le=30,
        description="Time limit, in seconds; then the best frame so far is chosen.",
        examples=[3.0],
    )


class TakePictureResult(CommandOutput):
    """A picture was taken; the event carries it."""

    unredacted_fields = frozenset({"frame_count", "latency_ms", "measurements"})

    frame_count: int = Field(ge=1, description="Number of whole frames.", examples=[1])
    latency_ms: float = Field(
        ge=0,
        description="Time from the command to the first byte of the frame, in milliseconds.",
        examples=[61.4],
    )
    measurements: tuple[PictureHint, ...] = Field(
        description="Measurements of the picture.",
        examples=[[{"measure": "faces", "area": "picture", "value": 1, "outcome": "successful"}]],
    )


class ShowPreview(CommandArguments):
    """Send a preview, small and a few times a second, to the station that has claimed the camera.

    The frames are published at `preview/{station}` and never stored. They end with the claim, after
    `duration_s` unless the command is repeated, or with `enabled` false; an empty message marks the end.
    """

    unredacted_fields = frozenset({"enabled", "subject", "frames_per_s", "width_px", "duration_s"})

    enabled: bool = Field(default=True, description="False ends the preview.", examples=[True])
    subject: Subject = Field(
        default=Subject.PORTRAIT,
        description="Subject of the preview. For portraits, `face.feedback` gives advice.",
        examples=["portrait"],
    )
    frames_per_s: float = Field(
        default=4.0, ge=0.5, le=8, description="Upper limit of frames per second.", examples=[4.0]
    )
    width_px: int = Field(
        default=320, ge=64, le=640, description="Upper limit of the width, in pixels.", examples=[320]
    )
    duration_s: float = Field(default=60.0, ge=1, le=60, description="Duration, in seconds.", examples=[60.0])


class ShowPreviewResult(CommandOutput):
    """The preview is on, or off."""

    unredacted_fields = frozenset({"duration_s"})

    duration_s: float = Field(
        ge=0, description="Remaining duration unless the command is repeated, in seconds.", examples=[60.0]
    )
