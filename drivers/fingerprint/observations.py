"""Observations of a fingerprint scanner.

A capture is one transaction: `finger.feedback` during it, `finger.captured` with the best image, and in every
case `finger.capture_ended`, with outcome and reason. A scanner emits nothing outside captures.
"""

from typing import ClassVar

from pydantic import Field

from drivers.observation import DataClass, DataModel, Observation, OpenEnum, Outcome


class FingerPosition(OpenEnum):
    """Finger, or fingers captured together (ISO/IEC 19794-4 and ANSI/NIST-ITL; `code` is their number)."""

    UNKNOWN = "unknown"
    RIGHT_THUMB = "right_thumb"
    RIGHT_INDEX = "right_index"
    RIGHT_MIDDLE = "right_middle"
    RIGHT_RING = "right_ring"
    RIGHT_LITTLE = "right_little"
    LEFT_THUMB = "left_thumb"
    LEFT_INDEX = "left_index"
    LEFT_MIDDLE = "left_middle"
    LEFT_RING = "left_ring"
    LEFT_LITTLE = "left_little"
    RIGHT_FOUR = "right_four"
    """Plain right four fingers."""
    LEFT_FOUR = "left_four"
    """Plain left four fingers."""
    BOTH_THUMBS = "both_thumbs"
    """Plain thumbs, side by side."""

    @property
    def code(self) -> int:
        """The number in image records: 0 unknown, 1 to 10 single fingers, 13 to 15 several together."""
        return _CODES[self]

    @property
    def fingers(self) -> tuple["FingerPosition", ...]:
        """The fingers of the position, from left to right in the image."""
        return _FINGERS.get(self, (self,))

    @classmethod
    def from_code(cls, code: int) -> "FingerPosition":
        """Return the position with that number; unknown for any other."""
        return next((position for position, number in _CODES.items() if number == code), cls.UNKNOWN)


_CODES = {position: code for code, position in enumerate(list(FingerPosition)[:11])} | {
    FingerPosition.RIGHT_FOUR: 13,
    FingerPosition.LEFT_FOUR: 14,
    FingerPosition.BOTH_THUMBS: 15,
}
_FINGERS = {
    FingerPosition.RIGHT_FOUR: (
        FingerPosition.RIGHT_INDEX,
        FingerPosition.RIGHT_MIDDLE,
        FingerPosition.RIGHT_RING,
        FingerPosition.RIGHT_LITTLE,
    ),
    FingerPosition.LEFT_FOUR: (
        FingerPosition.LEFT_LITTLE,
        FingerPosition.LEFT_RING,
        FingerPosition.LEFT_MIDDLE,
        FingerPosition.LEFT_INDEX,
    ),
    FingerPosition.BOTH_THUMBS: (FingerPosition.LEFT_THUMB, FingerPosition.RIGHT_THUMB),
}
SINGLE_FINGERS = frozenset(position for position in FingerPosition if position.code <= 10)
"""Positions that a scanner of one finger supports."""


class Impression(OpenEnum):
    """Kind of impression (ISO/IEC 19794-4)."""

    LIVE_PLAIN = "live_plain"
    """Pressed on a live scanner."""
    LIVE_ROLLED = "live_rolled"
    NONLIVE_PLAIN = "nonlive_plain"
    """Ink and the like."""
    NONLIVE_ROLLED = "nonlive_rolled"
    LATENT = "latent"
    SWIPE = "swipe"
    CONTACTLESS = "contactless"
    UNKNOWN = "unknown"


class CapturePurpose(OpenEnum):
    """Purpose of the print: enrolment requires more quality."""

    ENROLMENT = "enrolment"
    VERIFICATION = "verification"
    """Comparison with one known person: the holder of a document."""
    IDENTIFICATION = "identification"
    """Comparison with many persons."""
    UNKNOWN = "unknown"


class ImageEncoding(OpenEnum):
    """Encoding of an image; also the role of its attachment."""

    PNG = "png"
    """8-bit grey, with its resolution."""
    WSQ = "wsq"
    """Wavelet scalar quantisation, the exchange format of the FBI and Interpol; lossy."""
    FIR_2005 = "fir_2005"
    """Finger image record of ISO/IEC 19794-4:2005, as in data group 3 of a passport."""
    FIR_2011 = "fir_2011"
    """Finger image record of ISO/IEC 19794-4:2011."""
    UNKNOWN = "unknown"


class QualityMeasureName(OpenEnum):
    """Quality measure. Values of different measures are not comparable."""

    NFIQ2 = "nfiq2"
    """NIST Fingerprint Image Quality 2 (ISO/IEC 29794-4): utility for matching, 0 to 100."""
    RIDGE_CLARITY = "ridge_clarity"
    """Own measure, where NFIQ 2 is not installed: share of the picture with clear ridges, 0 to 100."""
    UNKNOWN = "unknown"


class ImageQuality(DataModel):
    """Quality of an image, by one named measure."""

    unredacted_fields = frozenset(
        {"measure", "value", "scale_min", "scale_max", "required_minimum", "outcome", "duration_ms"}
    )
    varying_fields = frozenset({"duration_ms"})

    measure: QualityMeasureName = Field(description="Measure of the value.", examples=["nfiq2"])
    value: float | None = Field(
        description="The value, higher is better; null if the measure gave none for the image.",
        examples=[54],
    )
    scale_min: float = Field(default=0, description="Lower end of the measure's scale.", examples=[0])
    scale_max: float = Field(default=100, description="Upper end of the measure's scale.", examples=[100])
    required_minimum: float | None = Field(
        default=None, description="Required minimum; null if there is none.", examples=[30]
    )
    outcome: Outcome = Field(
        description="`successful` if the value reaches the minimum, `failed` if it does not, "
        "`undetermined` if there is no minimum.",
        examples=["successful"],
    )
    duration_ms: float | None = Field(
        default=None, ge=0, description="Duration of the measurement, in milliseconds.", examples=[84.1]
    )


class FeedbackCode(OpenEnum):
    """Feedback or instruction for the person at the scanner (after HLBS, BSI TR-03121-2)."""

    PLACE = "place"
    """Put the finger, or the fingers, on the scanner."""
    RECOGNISED = "recognised"
    """Something is on the platen."""
    KEEP_STILL = "keep_still"
    """The image is being captured."""
    ASSESSING = "assessing"
    """The image is being assessed: the finger may be lifted."""
    LIFT = "lift"
    """Lift the finger: the next image needs a new placement."""
    LIFTED_TOO_EARLY = "lifted_too_early"
    PRESS_HARDER = "press_harder"
    PRESS_SOFTER = "press_softer"
    MOVE_LEFT = "move_left"
    MOVE_RIGHT = "move_right"
    MOVE_FORWARD = "move_forward"
    """Towards the fingertip."""
    MOVE_BACKWARD = "move_backward"
    """Towards the wrist."""
    TOO_FEW_FINGERS = "too_few_fingers"
    TOO_MANY_FINGERS = "too_many_fingers"
    SENSOR_DIRTY = "sensor_dirty"
    """Something other than the finger is on the platen: wipe it."""
    UNKNOWN = "unknown"


class CaptureOutcome(OpenEnum):
    """Outcome of a capture."""

    CAPTURED = "captured"
    """An image is there, and its quality suffices or has no required minimum."""
    UNREADABLE = "unreadable"
    """No image sufficed; `finger.captured` has the best one, if any shows a print."""
    LIFTED_TOO_EARLY = "lifted_too_early"
    WRONG_FINGER_COUNT = "wrong_finger_count"
    """More or fewer fingers than requested."""
    SENSOR_DIRTY = "sensor_dirty"
    TIMED_OUT = "timed_out"
    """The time limit was reached; the best image that did not suffice, if any, was published nevertheless."""
    CANCELLED = "cancelled"
    DEVICE_LOST = "device_lost"
    """The scanner or its link failed; its state has the cause."""
    UNKNOWN = "unknown"


class UnreadableReason(OpenEnum):
    """Reason why an image did not suffice."""

    NO_RIDGES = "no_ridges"
    """No ridges in the image."""
    TOO_LIGHT = "too_light"
    """A dry finger, or too little pressure."""
    TOO_DARK = "too_dark"
    """A wet finger, or too much pressure."""
    TOO_SMALL = "too_small"
    """Only a small part of the finger."""
    LOW_QUALITY = "low_quality"
    """A worn or unclear print: the measure is below the minimum."""
    DEVICE_ERROR = "device_error"
    """An error of the scanner itself."""
    UNKNOWN = "unknown"


class FingerFeedback(Observation):
    """Feedback or instruction for the person at the scanner."""

    event_type: ClassVar[str] = "finger.feedback"
    data_class: ClassVar[DataClass] = DataClass.TRAVELLER
    unredacted_fields = Observation.unredacted_fields | {"feedback", "position", "attempt", "best_of"}

    feedback: FeedbackCode = Field(description="Feedback or instruction.", examples=["place"])
    position: FingerPosition = Field(description="Requested finger.", examples=["right_index"])
    attempt: int = Field(ge=1, description="Number of this placement, counted from 1.", examples=[1])
    best_of: int = Field(ge=1, description="Highest number of placements.", examples=[3])


class FingerCaptured(Observation):
    """The best image of a capture, in every requested encoding."""

    event_type: ClassVar[str] = "finger.captured"
    data_class: ClassVar[DataClass] = DataClass.TRAVELLER
    unredacted_fields = Observation.unredacted_fields | {
        "position",
        "missing_fingers",
        "purpose",
        "impression",
        "width_px",
        "height_px",
        "resolution_ppi",
        "bits_per_pixel",
        "quality",
        "attempt",
        "attempts",
        "best_of",
    }

    position: FingerPosition = Field(
        description="Requested finger; a scanner cannot detect which finger was placed.",
        examples=["right_index"],
    )
    missing_fingers: tuple[FingerPosition, ...] = Field(
        default=(),
        description="Of several fingers, those that were declared missing.",
        examples=[["right_little"]],
    )
    purpose: CapturePurpose = Field(description="Purpose of the capture.", examples=["verification"])
    impression: Impression = Field(description="Kind of impression.", examples=["live_plain"])
    width_px: int = Field(ge=1, description="Width of the image, in pixels.", examples=[384])
    height_px: int = Field(ge=1, description="Height of the image, in pixels.", examples=[290])
    resolution_ppi: int = Field(
        ge=1, description="Resolution of the image in both directions, in pixels per inch.", examples=[500]
    )
    bits_per_pixel: int = Field(
        ge=1, le=8, description="Number of significant bits of each pixel.", examples=[8]
    )
    quality: ImageQuality = Field(
        description="Quality of the image.",
        examples=[{"measure": "nfiq2", "value": 54, "required_minimum": 30, "outcome": "successful"}],
    )
    attempt: int = Field(ge=1, description="Placement of this image, counted from 1.", examples=[2])
    attempts: int = Field(ge=1, description="Number of placements.", examples=[3])
    best_of: int = Field(ge=1, description="Highest number of placements.", examples=[3])


class CaptureEnded(Observation):
    """End of a capture; the last event of its transaction."""

    event_type: ClassVar[str] = "finger.capture_ended"
    data_class: ClassVar[DataClass] = DataClass.TRAVELLER
    unredacted_fields = Observation.unredacted_fields | {
        "outcome",
        "reason",
        "position",
        "purpose",
        "attempts",
        "best_of",
    }

    outcome: CaptureOutcome = Field(description="Outcome of the capture.", examples=["captured"])
    reason: UnreadableReason | None = Field(
        default=None,
        description="Reason why the best image did not suffice, if there was one.",
        examples=["too_light"],
    )
    position: FingerPosition = Field(description="Requested finger.", examples=["right_index"])
    purpose: CapturePurpose = Field(description="Purpose of the capture.", examples=["verification"])
    attempts: int = Field(ge=0, description="Number of placements.", examples=[1])
    best_of: int = Field(ge=1, description="Highest number of placements.", examples=[3])
