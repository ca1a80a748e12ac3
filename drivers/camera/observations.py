"""Observations of cameras: a picture taken on command, and the plate of a passing vehicle.

Pictures show people and plates identify them, so all of it is personal. The bytes of a picture are an
attachment with the role `picture`; those of a plate are named by their content.
"""

from datetime import datetime
from typing import ClassVar

from pydantic import Field

from drivers.observation import DataClass, DataModel, Observation, OpenEnum, Outcome


class MeasuredArea(OpenEnum):
    """Area of a measurement in the picture."""

    PICTURE = "picture"
    """The whole picture."""
    FACE = "face"
    """The face, where exactly one was found."""
    UNKNOWN = "unknown"


class PictureMeasure(OpenEnum):
    """Measure of a picture. None is a quality of ISO/IEC 29794-5; see `imaging.image_quality`."""

    FACES = "faces"
    """Number of faces found."""
    FACE_WIDTH_PX = "face_width_px"
    """Width of the square around the face, in pixels."""
    EYE_DISTANCE_PX = "eye_distance_px"
    """Distance of the centres of both eyes, where both were found, in pixels."""
    ROLL_DEG = "roll_deg"
    """Angle of the line between the eyes to the horizontal, in degrees."""
    SHARPNESS = "sharpness"
    """Variance of the Laplacian of the area, scaled to a width of 256 pixels, in squared grey levels."""
    BRIGHTNESS = "brightness"
    """Mean grey level, 0 to 255."""
    DARK_PERCENT = "dark_percent"
    """Share of nearly black pixels of the area, in percent."""
    BRIGHT_PERCENT = "bright_percent"
    """Share of nearly white pixels of the area, in percent."""
    CONTRAST = "contrast"
    """Grey levels between the darkest and the brightest hundredth."""
    ASYMMETRY = "asymmetry"
    """Difference in brightness of the two halves of the area, in grey levels."""
    UNKNOWN = "unknown"


class PictureHint(DataModel):
    """One measurement of a picture, with its limits and outcome."""

    unredacted_fields = frozenset({"measure", "area", "value", "at_least", "at_most", "outcome"})

    measure: PictureMeasure = Field(description="Measure of the value.", examples=["sharpness"])
    area: MeasuredArea = Field(description="Area of the measurement.", examples=["face"])
    value: float = Field(description="Value, in the unit of its measure.", examples=[156.2])
    at_least: float | None = Field(default=None, description="Lower limit.", examples=[8])
    at_most: float | None = Field(default=None, description="Upper limit.", examples=[None])
    outcome: Outcome = Field(
        description="`successful` within the limits, `failed` outside of them, `undetermined` "
        "without limits.",
        examples=["successful"],
    )


class PictureCaptured(Observation):
    """A picture taken on command: made after the request, whole, the best of several frames."""

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
    varying_fields = frozenset({"received_at", "latency_ms", "age_ms"})

    width_px: int = Field(ge=1, description="Width, in pixels.", examples=[1920])
    height_px: int = Field(ge=1, description="Height, in pixels.", examples=[1080])
    received_at: datetime = Field(
        description="Arrival of its first byte, by the gateway's clock.",
        examples=["2026-11-27T08:15:30.123Z"],
    )
    latency_ms: float = Field(
        ge=0,
        description="Time from the command to the arrival of its first byte, in milliseconds: it was made "
        "in this time.",
        examples=[61.4],
    )
    age_ms: float = Field(
        ge=0,
        description="Time from the arrival of its first byte to this event, in milliseconds.",
        examples=[18.2],
    )
    measurements: tuple[PictureHint, ...] = Field(
        description="Measurements: advice for the photographer, not a quality of any standard.",
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
    frame_number: int = Field(ge=1, description="Number of this frame, counted from 1.", examples=[2])
    frame_count: int = Field(ge=1, description="Number of whole frames.", examples=[3])
    best_of: int = Field(ge=1, description="Upper limit of frames in the request.", examples=[3])


class FaceCaptured(PictureCaptured):
    """A portrait of the person at the counter was taken."""

    event_type: ClassVar[str] = "face.captured"


class SceneCaptured(PictureCaptured):
    """A picture of a lane or a hall was taken."""

    event_type: ClassVar[str] = "scene.captured"


class PortraitAdvice(OpenEnum):
    """Advice for the photographer of a portrait."""

    GOOD = "good"
    """Nothing to improve."""
    NO_FACE = "no_face"
    SEVERAL_FACES = "several_faces"
    MOVE_CLOSER = "move_closer"
    HOLD_STILL = "hold_still"
    """The picture is not sharp."""
    HEAD_UPRIGHT = "head_upright"
    TOO_DARK = "too_dark"
    TOO_BRIGHT = "too_bright"
    UNEVEN_LIGHT = "uneven_light"
    LOW_CONTRAST = "low_contrast"
    UNKNOWN = "unknown"


class FaceFeedback(Observation):
    """Advice on the portrait that is being taken or previewed, as far as it is measured."""

    event_type: ClassVar[str] = "face.feedback"
    data_class: ClassVar[DataClass] = DataClass.TRAVELLER
    unredacted_fields = Observation.unredacted_fields | {"advice", "measurement"}

    advice: PortraitAdvice = Field(description="First thing to change.", examples=["move_closer"])
    measurement: PictureHint | None = Field(
        description="The measurement behind the advice, with its limits; null with `good`.",
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
    """Movement of a vehicle, as detected by the camera that read its plate."""

    APPROACHING = "approaching"
    LEAVING = "leaving"
    UNKNOWN = "unknown"


class PlateRead(Observation):
    """A vehicle passed, and a camera read its plate. One vehicle is one event.

    Its text is untrusted: anything can be printed on a plate.
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
    varying_fields = frozenset({"received_at"})

    plate_raw: str = Field(
        max_length=64,
        description="Text as delivered by the camera, cut after 64 characters. Untrusted.",
        examples=["KCA 123-x"],
    )
    plate: str | None = Field(
        max_length=16,
        description="The text as capital letters and digits; null where the camera could not read it.",
        examples=["KCA123X"],
    )
    country: str | None = Field(
        default=None, max_length=16, description="Country, in the camera's own code.", examples=["KEN"]
    )
    confidence: float | None = Field(
        default=None, ge=0, le=1, description="Confidence of the camera, from 0 to 1.", examples=[0.97]
    )
    direction: VehicleDirection = Field(
        default=VehicleDirection.UNKNOWN, description="Movement of the vehicle.", examples=["approaching"]
    )
    lane: str | None = Field(
        default=None, max_length=16, description="Lane, in the camera's own numbering.", examples=["1"]
    )
    camera_time: str | None = Field(
        default=None,
        max_length=40,
        description="Time by the camera's clock, in ISO 8601; without an offset where it has none.",
        examples=["2026-11-27T11:15:30.120+03:00"],
    )
    received_at: datetime = Field(
        description="Time of arrival at the gateway, by its own clock.", examples=["2026-11-27T08:15:30.480Z"]
    )
    vendor_id: str = Field(
        max_length=128,
        description="Identifier of the passage, by the camera; repetitions have the same.",
        examples=["3f0c8a1e-6f0e-4a4c-9d43-2d3f1c8d9a10"],
    )
    backlog: bool = Field(
        default=False,
        description="True if fetched after a lost connection: the vehicle passed some time before.",
        examples=[False],
    )
    missing_images: int = Field(
        default=0, ge=0, description="Number of announced pictures that did not arrive whole.", examples=[0]
    )
