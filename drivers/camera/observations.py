"""What a camera can say: a picture that somebody asked for, and the plate of a vehicle that passed.

Pictures are of people and plates lead to people, so all of it is personal. A picture's own bytes are an
attachment with the role `picture`; those of a plate are named by what they show.
"""

from datetime import datetime
from typing import ClassVar

from pydantic import Field

from drivers.observation import DataClass, DataModel, Observation, OpenEnum, Outcome


class MeasuredArea(OpenEnum):
    """Where in the picture something was measured."""

    PICTURE = "picture"
    """All of it."""
    FACE = "face"
    """The face that was found, where there is exactly one."""
    UNKNOWN = "unknown"


class PictureMeasure(OpenEnum):
    """What a hint is a value of. None of them is a quality of ISO/IEC 29794-5; see `drivers.camera.imaging.image_quality`."""

    FACES = "faces"
    """How many faces were found."""
    FACE_WIDTH_PX = "face_width_px"
    """Width of the square around the face, in pixels."""
    EYE_DISTANCE_PX = "eye_distance_px"
    """Between the middles of both eyes, where both were found, in pixels."""
    ROLL_DEG = "roll_deg"
    """How far the line between the eyes is from level, in degrees."""
    SHARPNESS = "sharpness"
    """Variance of the Laplacian of the area, drawn 256 pixels wide, in squared grey levels."""
    BRIGHTNESS = "brightness"
    """Mean grey level, 0 to 255."""
    DARK_PERCENT = "dark_percent"
    """How much of the area is all but black, in percent."""
    BRIGHT_PERCENT = "bright_percent"
    """How much of the area is all but white, in percent."""
    CONTRAST = "contrast"
    """Grey levels between the darkest and the brightest hundredth."""
    ASYMMETRY = "asymmetry"
    """How much brighter one half of the area is than the other, in grey levels."""
    UNKNOWN = "unknown"


class PictureHint(DataModel):
    """One measure of a picture, and whether it is as it should be."""

    unredacted_fields = frozenset({"measure", "area", "value", "at_least", "at_most", "outcome"})

    measure: PictureMeasure = Field(description="What the value is a value of.", examples=["sharpness"])
    area: MeasuredArea = Field(description="Where it was measured.", examples=["face"])
    value: float = Field(description="The value, in the unit of its measure.", examples=[156.2])
    at_least: float | None = Field(None, description="What it should reach.", examples=[8])
    at_most: float | None = Field(None, description="What it should not exceed.", examples=[None])
    outcome: Outcome = Field(
        description="`successful` where it is as it should be, `failed` where it is not, `undetermined` "
        "where nothing is asked of it.",
        examples=["successful"],
    )


class PictureCaptured(Observation):
    """A picture that somebody asked for: made after the request, whole, the best of some."""

    data_class: ClassVar[DataClass] = DataClass.TRAVELLER
    unredacted_fields = Observation.unredacted_fields | {
        "width_px",
        "height_px",
        "received_at",
        "latency_ms",
        "age_ms",
        "measurements",
        "frame_number",
        "frame_count",
        "best_of",
    }

    width_px: int = Field(ge=1, description="Width, in pixels.", examples=[1920])
    height_px: int = Field(ge=1, description="Height, in pixels.", examples=[1080])
    received_at: datetime = Field(
        description="When its first byte came, by this gateway's clock.",
        examples=["2026-11-27T08:15:30.123Z"],
    )
    latency_ms: float = Field(
        ge=0,
        description="How long after the command its first byte came, in milliseconds: it was made "
        "in this time.",
        examples=[61.4],
    )
    age_ms: float = Field(
        ge=0,
        description="How long before this event its first byte came, in milliseconds.",
        examples=[18.2],
    )
    measurements: tuple[PictureHint, ...] = Field(
        description="What was measured of it: hints for whoever takes pictures, no quality of any standard.",
        examples=[
            [
                {
                    "measure": "sharpness",
                    "area": "picture",
                    "value": 156.2,
                    "at_least": 8,
                    "outcome": "successful",
                }
            ]
        ],
    )
    frame_number: int = Field(
        ge=1, description="Which of the pictures this is, counted from 1.", examples=[2]
    )
    frame_count: int = Field(ge=1, description="How many whole pictures there were.", examples=[3])
    best_of: int = Field(ge=1, description="How many there were to be at most.", examples=[3])


class FaceCaptured(PictureCaptured):
    """A portrait of the person at the counter was taken."""

    event_type: ClassVar[str] = "face.captured"


class SceneCaptured(PictureCaptured):
    """A picture of a lane or a hall was taken."""

    event_type: ClassVar[str] = "scene.captured"


class PortraitAdvice(OpenEnum):
    """What could be better about a portrait, for whoever takes it."""

    GOOD = "good"
    """Nothing."""
    NO_FACE = "no_face"
    SEVERAL_FACES = "several_faces"
    MOVE_CLOSER = "move_closer"
    HOLD_STILL = "hold_still"
    """It is not sharp."""
    HEAD_UPRIGHT = "head_upright"
    TOO_DARK = "too_dark"
    TOO_BRIGHT = "too_bright"
    UNEVEN_LIGHT = "uneven_light"
    LOW_CONTRAST = "low_contrast"
    UNKNOWN = "unknown"


class FaceFeedback(Observation):
    """What could be better about the portrait that is being taken or previewed, as far as it is measured."""

    event_type: ClassVar[str] = "face.feedback"
    data_class: ClassVar[DataClass] = DataClass.TRAVELLER
    unredacted_fields = Observation.unredacted_fields | {"advice", "measurement"}

    advice: PortraitAdvice = Field(description="What to change first.", examples=["move_closer"])
    measurement: PictureHint | None = Field(
        description="The measure that says so and its limits; null with `good`.",
        examples=[
            {
                "measure": "eye_distance_px",
                "area": "face",
                "value": 61.2,
                "at_least": 90,
                "outcome": "failed",
            }
        ],
    )


class VehicleDirection(OpenEnum):
    """How a vehicle moved, as the camera that read its plate sees it."""

    APPROACHING = "approaching"
    LEAVING = "leaving"
    UNKNOWN = "unknown"


class PlateRead(Observation):
    """A vehicle passed, and a camera read its plate. One vehicle is one event.

    What it read is untrusted: anybody can print anything on a plate.
    """

    event_type: ClassVar[str] = "plate.read"
    data_class: ClassVar[DataClass] = DataClass.TRAVELLER
    unredacted_fields = Observation.unredacted_fields | {
        "country",
        "confidence",
        "direction",
        "lane",
        "camera_time",
        "received_at",
        "backlog",
        "missing_images",
    }

    plate_raw: str = Field(
        max_length=64,
        description="The text as the camera gives it, cut after 64 characters. Untrusted.",
        examples=["KCA 123-x"],
    )
    plate: str | None = Field(
        max_length=16,
        description="The same in capital letters and digits alone; null where the camera could read none.",
        examples=["KCA123X"],
    )
    country: str | None = Field(
        None, max_length=16, description="Country, in the camera's own code.", examples=["KEN"]
    )
    confidence: float | None = Field(
        None, ge=0, le=1, description="How sure the camera is, from 0 to 1.", examples=[0.97]
    )
    direction: VehicleDirection = Field(
        VehicleDirection.UNKNOWN, description="How the vehicle moved.", examples=["approaching"]
    )
    lane: str | None = Field(
        None, max_length=16, description="Which of the lanes that the camera sees.", examples=["1"]
    )
    camera_time: str | None = Field(
        None,
        max_length=40,
        description="When, by the camera's clock, in ISO 8601; without an offset where it gives none.",
        examples=["2026-11-27T11:15:30.120+03:00"],
    )
    received_at: datetime = Field(
        description="When the gateway heard of it, by its own clock.", examples=["2026-11-27T08:15:30.480Z"]
    )
    vendor_id: str = Field(
        max_length=128,
        description="The camera's own identifier of this passage, by which repetitions are known.",
        examples=["3f0c8a1e-6f0e-4a4c-9d43-2d3f1c8d9a10"],
    )
    backlog: bool = Field(
        False,
        description="Asked for after the connection was lost: the vehicle passed some time before.",
        examples=[False],
    )
    missing_images: int = Field(
        0, ge=0, description="Of the pictures that it announced, how many did not come whole.", examples=[0]
    )
