"""What a camera can be told to do."""

from pydantic import Field

from drivers.camera.observations import PictureHint
from drivers.command import CommandArguments, CommandOutput
from drivers.observation import OpenEnum


class Subject(OpenEnum):
    """What a picture is of: says which event it becomes."""

    PORTRAIT = "portrait"
    """The person at the counter: `face.captured`."""
    SCENE = "scene"
    """A lane or a hall: `scene.captured`."""
    UNKNOWN = "unknown"


class TakePicture(CommandArguments):
    """Take a picture of this moment: none that the camera made before it was asked."""

    subject: Subject = Field(Subject.SCENE, description="What it is of.", examples=["portrait"])
    best_of: int = Field(
        1,
        ge=1,
        le=10,
        description="Of how many pictures the best is given. With more than one, the first that is as it "
        "should be ends it.",
        examples=[3],
    )
    timeout_s: float = Field(
        3.0,
        ge=0.1,
        le=30,
        description="How long it may take, in seconds; then the best one there is counts.",
        examples=[3.0],
    )


class TakePictureResult(CommandOutput):
    """A picture was taken; the event carries it."""

    unredacted_fields = frozenset({"frame_count", "latency_ms", "measurements"})

    frame_count: int = Field(ge=1, description="How many whole pictures there were.", examples=[1])
    latency_ms: float = Field(
        ge=0,
        description="How long after the command its first byte came, in milliseconds.",
        examples=[61.4],
    )
    measurements: tuple[PictureHint, ...] = Field(
        description="What was measured of it.",
        examples=[[{"measure": "faces", "area": "picture", "value": 1, "outcome": "successful"}]],
    )


class ShowPreview(CommandArguments):
    """Show what the camera sees, small and some times a second, to the station that has claimed it.

    The pictures come at `preview/{station}` and are kept nowhere. They end when the claim does, after `for_s`
    unless it is asked for once more, or with `on` false; an empty message says so.
    """

    unredacted_fields = frozenset({"enabled", "subject", "frames_per_s", "width_px", "duration_s"})

    enabled: bool = Field(True, description="False ends it.", examples=[True])
    subject: Subject = Field(
        Subject.PORTRAIT,
        description="What it is of. Of portraits, `face.feedback` says what could be better.",
        examples=["portrait"],
    )
    frames_per_s: float = Field(4.0, ge=0.5, le=8, description="Pictures a second, at most.", examples=[4.0])
    width_px: int = Field(
        320, ge=64, le=640, description="Width of each, in pixels, at most.", examples=[320]
    )
    duration_s: float = Field(60.0, ge=1, le=60, description="How long, in seconds.", examples=[60.0])


class ShowPreviewResult(CommandOutput):
    """The preview is on, or off."""

    unredacted_fields = frozenset({"duration_s"})

    duration_s: float = Field(
        ge=0, description="How long it lasts unless it is asked for once more, in seconds.", examples=[60.0]
    )
