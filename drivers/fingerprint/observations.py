"""What a fingerprint scanner can say.

A capture is one transaction: `finger.feedback` while it goes on, `finger.captured` with the best image there
was, and in any case `finger.capture_ended`, which says how it ended and why. A scanner says nothing unasked.
"""

from typing import ClassVar

from pydantic import Field

from drivers.observation import DataClass, DataModel, Observation, OpenEnum, Outcome


class FingerPosition(OpenEnum):
    """Which finger, or which fingers at once (ISO/IEC 19794-4 and ANSI/NIST-ITL; `code` is their number)."""

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
        """The number in image records: 0 unknown, 1 to 10 single fingers, 13 to 15 several at once."""
        return _CODES[self]

    @property
    def fingers(self) -> tuple["FingerPosition", ...]:
        """The fingers it is made of, from left to right in the image."""
        return _FINGERS.get(self, (self,))

    @classmethod
    def from_code(cls, code: int) -> "FingerPosition":
        """The position with that number; unknown for any other."""
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
"""What a scanner of one finger can be asked for."""


class Impression(OpenEnum):
    """How the print came to be (ISO/IEC 19794-4)."""

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
    """What the print is for: enrolment asks for more quality."""

    ENROLMENT = "enrolment"
    VERIFICATION = "verification"
    """Against one known person: the holder of a document."""
    IDENTIFICATION = "identification"
    """Against many."""
    UNKNOWN = "unknown"


class ImageEncoding(OpenEnum):
    """How an image is delivered; also the role of its attachment."""

    PNG = "png"
    """8-bit grey, with its resolution."""
    WSQ = "wsq"
    """Wavelet scalar quantisation, as the FBI and Interpol exchange prints; lossy."""
    FIR_2005 = "fir_2005"
    """Finger image record of ISO/IEC 19794-4:2005, as in data group 3 of a passport."""
    FIR_2011 = "fir_2011"
    """Finger image record of ISO/IEC 19794-4:2011."""
    UNKNOWN = "unknown"


class QualityMeasureName(OpenEnum):
    """What a quality value is a value of. Values of different measures have nothing in common."""

    NFIQ2 = "nfiq2"
    """NIST Fingerprint Image Quality 2 (ISO/IEC 29794-4): how useful for matching, 0 to 100."""
    RIDGE_CLARITY = "ridge_clarity"
    """Our own, where NFIQ 2 is not installed: how much of the picture shows clear ridges, 0 to 100."""
    UNKNOWN = "unknown"


class ImageQuality(DataModel):
    """How good an image is, by one named measure."""

    unredacted_fields = frozenset(
        {"measure", "value", "scale_min", "scale_max", "required_minimum", "outcome", "duration_ms"}
    )

    measure: QualityMeasureName = Field(description="What the value is a value of.", examples=["nfiq2"])
    value: float | None = Field(
        description="The value, higher being better; null where the measure could make nothing of the image.",
        examples=[54],
    )
    scale_min: float = Field(0, description="Lower end of the measure's scale.", examples=[0])
    scale_max: float = Field(100, description="Upper end of the measure's scale.", examples=[100])
    required_minimum: float | None = Field(
        None, description="What was asked for at least; null where nothing was.", examples=[30]
    )
    outcome: Outcome = Field(
        description="`successful` where the value reaches the minimum, `failed` where it does not, "
        "`undetermined` where there is no minimum.",
        examples=["successful"],
    )
    duration_ms: float | None = Field(
        None, ge=0, description="How long the measurement took, in milliseconds.", examples=[84.1]
    )


class FeedbackCode(OpenEnum):
    """What the person at the scanner should know or do now (after HLBS, BSI TR-03121-2)."""

    PLACE = "place"
    """Put the finger, or the fingers, on the scanner."""
    RECOGNISED = "recognised"
    """Something lies there."""
    KEEP_STILL = "keep_still"
    """The image is being taken."""
    ASSESSING = "assessing"
    """The image is there and is being looked at: the finger may go."""
    LIFT = "lift"
    """Take the finger away: the next image needs a new placement."""
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
    """Something else than the finger is on the glass: wipe it."""
    UNKNOWN = "unknown"


class CaptureOutcome(OpenEnum):
    """How a capture ended."""

    CAPTURED = "captured"
    """There is an image, and its quality suffices or nothing was asked of it."""
    UNREADABLE = "unreadable"
    """No image sufficed; the best one, if any shows a print, was said with `finger.captured` all the same."""
    LIFTED_TOO_EARLY = "lifted_too_early"
    WRONG_FINGER_COUNT = "wrong_finger_count"
    """More or fewer fingers than asked for."""
    SENSOR_DIRTY = "sensor_dirty"
    TIMED_OUT = "timed_out"
    """The time was over; the best image that did not suffice, if any, was said all the same."""
    CANCELLED = "cancelled"
    DEVICE_LOST = "device_lost"
    """The scanner or its link failed; its state says why."""
    UNKNOWN = "unknown"


class UnreadableReason(OpenEnum):
    """Why an image did not suffice."""

    NO_RIDGES = "no_ridges"
    """Nothing in it looks like a print."""
    TOO_LIGHT = "too_light"
    """A dry finger, or one pressed too little."""
    TOO_DARK = "too_dark"
    """A wet finger, or one pressed too much."""
    TOO_SMALL = "too_small"
    """Only a small part of the finger."""
    LOW_QUALITY = "low_quality"
    """A print, but worn or unclear: the measure stays below the minimum."""
    DEVICE_ERROR = "device_error"
    """The scanner itself could make nothing of it."""
    UNKNOWN = "unknown"


class FingerFeedback(Observation):
    """What the person at the scanner should know or do now."""

    event_type: ClassVar[str] = "finger.feedback"
    data_class: ClassVar[DataClass] = DataClass.TRAVELLER
    unredacted_fields = Observation.unredacted_fields | {"feedback", "position", "attempt", "best_of"}

    feedback: FeedbackCode = Field(description="What to know or do.", examples=["place"])
    position: FingerPosition = Field(description="The finger that is asked for.", examples=["right_index"])
    attempt: int = Field(ge=1, description="Which placement this is, counted from 1.", examples=[1])
    best_of: int = Field(ge=1, description="How many placements there are at most.", examples=[3])


class FingerCaptured(Observation):
    """A print was captured: the best image of the capture, in every encoding that was asked for."""

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
        description="The finger that was asked for; a scanner cannot know which one came.",
        examples=["right_index"],
    )
    missing_fingers: tuple[FingerPosition, ...] = Field(
        (), description="Of several fingers, those that were said to be missing.", examples=[["right_little"]]
    )
    purpose: CapturePurpose = Field(description="What it was captured for.", examples=["verification"])
    impression: Impression = Field(description="How the print came to be.", examples=["live_plain"])
    width_px: int = Field(ge=1, description="Width of the image, in pixels.", examples=[384])
    height_px: int = Field(ge=1, description="Height of the image, in pixels.", examples=[290])
    resolution_ppi: int = Field(
        ge=1, description="Resolution of the image in both directions, in pixels per inch.", examples=[500]
    )
    bits_per_pixel: int = Field(
        ge=1, le=8, description="How many bits of each pixel the scanner really gives.", examples=[8]
    )
    quality: ImageQuality = Field(
        description="How good the image is.",
        examples=[{"measure": "nfiq2", "value": 54, "required_minimum": 30, "outcome": "successful"}],
    )
    attempt: int = Field(ge=1, description="The placement this image is from, counted from 1.", examples=[2])
    attempts: int = Field(ge=1, description="How many placements there were.", examples=[3])
    best_of: int = Field(ge=1, description="How many there were to be at most.", examples=[3])


class CaptureEnded(Observation):
    """A capture ended; nothing more of it comes."""

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

    outcome: CaptureOutcome = Field(description="How it ended.", examples=["captured"])
    reason: UnreadableReason | None = Field(
        None, description="Why the best image did not suffice, where one was taken.", examples=["too_light"]
    )
    position: FingerPosition = Field(description="The finger that was asked for.", examples=["right_index"])
    purpose: CapturePurpose = Field(description="What it was for.", examples=["verification"])
    attempts: int = Field(ge=0, description="How many placements there were.", examples=[1])
    best_of: int = Field(ge=1, description="How many there were to be at most.", examples=[3])
