"""Vocabulary of the drivers beside it, without them."""

from typing import ClassVar

from pydantic import Field

from drivers.command import CommandArguments, CommandOutput, CommandType
from drivers.observation import DataClass, DataModel, Observation
from drivers.vocabulary import Vocabulary


class Numbered(Observation):
    """A numbered record."""

    event_type: ClassVar[str] = "test.numbered"
    data_class: ClassVar[DataClass] = DataClass.RECORD
    number: int = Field(description="The number from the line.", examples=[1])


class NumberedTraveller(Numbered):
    """A numbered record with traveller data."""

    event_type: ClassVar[str] = "test.traveller"
    data_class: ClassVar[DataClass] = DataClass.TRAVELLER


class Level(Observation):
    """A level, kept as last value."""

    event_type: ClassVar[str] = "test.level"
    data_class: ClassVar[DataClass] = DataClass.RECORD
    is_state: ClassVar[bool] = True
    number: int = Field(description="The number from the line.", examples=[1])


class PortOpened(Observation):
    """The only type that the forging driver declares."""

    event_type: ClassVar[str] = "test.opened"
    data_class: ClassVar[DataClass] = DataClass.RECORD
    is_state: ClassVar[bool] = True
    number: int = Field(description="Any number.", examples=[1])


class CommandNoted(Observation):
    """A claim change or a stop was received."""

    event_type: ClassVar[str] = "test.told"
    data_class: ClassVar[DataClass] = DataClass.RECORD
    verb: str = Field(description="Text of the note.", examples=["open"])


class Gently(DataModel):
    speed: int = Field(1, ge=1, le=9, description="Speed, in steps.", examples=[1])


class Open(CommandArguments):
    """Command to open."""

    unredacted_fields = frozenset({"width_cm"})

    width_cm: int = Field(10, ge=1, le=100, description="Width, in centimetres.", examples=[10])
    plate: str = Field("", max_length=20, description="For whom.", examples=["KAA 001A"])
    gently: Gently | None = Field(None, description="How.", examples=[None])


class Opened(CommandOutput):
    """It is open."""

    width_cm: int = Field(description="Present width, in centimetres.", examples=[10])


class Called(CommandOutput):
    """Time of the call."""

    called_ns: int = Field(description="Time by the boot clock, in nanoseconds.", examples=[1])


VOCABULARY = Vocabulary(
    "test",
    1,
    (Numbered, NumberedTraveller, Level, PortOpened, CommandNoted),
    (
        CommandType("test.open-up", Open, Opened),
        CommandType("test.look", CommandArguments, Called),
        CommandType("test.refuse", CommandArguments, CommandOutput),
        CommandType("test.stop", CommandArguments, CommandOutput),
    ),
)
