"""What a document reader can say."""

from typing import ClassVar

from pydantic import Field

from drivers.observation import Check, DataClass, Observation, Outcome, Term
from drivers.passport.mrz import Mrz


class Trigger(Term):
    """What made the reader read."""

    SWIPE = "swipe"
    INSERT = "insert"
    POLL = "poll"
    MANUAL = "manual"
    UNKNOWN = "unknown"


class FrameFault(Term):
    """What was wrong with bytes that gave no read."""

    CHECK_BYTE = "check_byte"
    """The frame's own check byte disagrees."""
    CUT = "cut"
    """It stopped in the middle and nothing followed."""
    TOO_LONG = "too_long"
    """More bytes than any document has, and no end."""
    MALFORMED = "malformed"
    """Complete, but not laid out as a document of this reader."""
    UNKNOWN = "unknown"


class DocumentRead(Observation):
    """A document was read. Lines that are no machine readable zone are normal: `mrz` is then null."""

    event_type: ClassVar[str] = "document.read"
    data_class: ClassVar[DataClass] = DataClass.TRAVELLER
    shown = Observation.shown | {"trigger", "checks", "overall"}

    trigger: Trigger = Field(description="What made the reader read.", examples=["swipe"])
    lines: tuple[str, ...] = Field(
        description="The lines as the reader sent them, its padding removed.",
        examples=[
            ["P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<", "L898902C36UTO7408122F1204159ZE184226B<<<<<10"]
        ],
    )
    mrz: Mrz | None = Field(
        description="The machine readable zone, or null when the lines are none.", examples=[None]
    )
    checks: tuple[Check, ...] = Field(
        description="Every check made, each with one of five outcomes.",
        examples=[[{"id": "mrz.check_digits", "group": "optical", "outcome": "successful"}]],
    )
    overall: Outcome = Field(
        description="Sum of the checks that count. An observation, never a decision on admission.",
        examples=["successful"],
    )


class ReadFailed(Observation):
    """The reader sent something that gave no read: the officer should present the document again."""

    event_type: ClassVar[str] = "document.read_failed"
    data_class: ClassVar[DataClass] = DataClass.TRAVELLER
    shown = Observation.shown | {"fault", "size_bytes"}

    fault: FrameFault = Field(description="What was wrong.", examples=["check_byte"])
    size_bytes: int = Field(ge=0, description="How many bytes were given up, in bytes.", examples=[93])
