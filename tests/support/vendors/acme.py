"""Words of Acme's scales: a weighing about a traveller, a state, and the command `weigh`."""

from typing import ClassVar

from pydantic import AwareDatetime, Field

from drivers.command import CommandArguments, CommandOutput, CommandType
from drivers.observation import DataClass, DataModel, Observation, OpenEnum
from drivers.vocabulary import Vocabulary

WEIGHED_AT = "2026-11-23T08:15:30Z"


class Unit(OpenEnum):
    """Unit of a weight."""

    GRAM = "g"
    POUND = "lb"
    UNKNOWN = "unknown"


class Reading(DataModel):
    """Reading of one load cell."""

    unredacted_fields = frozenset({"cell", "at"})

    cell: int = Field(description="Number of the load cell.", examples=[1])
    at: AwareDatetime = Field(description="Time of the reading.", examples=[WEIGHED_AT])
    label: str = Field("", description="Label on the luggage.", examples=["KQ 0706"])


class Weighed(Observation):
    """A piece of luggage was weighed."""

    event_type: ClassVar[str] = "acme.weighed"
    data_class: ClassVar[DataClass] = DataClass.TRAVELLER
    unredacted_fields = Observation.unredacted_fields | {"grams", "unit", "at", "readings"}

    grams: int = Field(description="Weight, in grams.", examples=[23400])
    unit: Unit = Field(Unit.GRAM, description="Unit on the display.", examples=["g"])
    at: AwareDatetime = Field(description="Time of the weighing, by the scale.", examples=[WEIGHED_AT])
    owner: str = Field("", description="Name on the luggage.", examples=["SPECIMEN"])
    readings: tuple[Reading, ...] = Field((), description="Readings of the cells.", examples=[[]])


class Level(Observation):
    """The scale stands level, or not."""

    event_type: ClassVar[str] = "acme.level"
    data_class: ClassVar[DataClass] = DataClass.RECORD
    is_state: ClassVar[bool] = True
    unredacted_fields = Observation.unredacted_fields | {"is_level"}

    is_level: bool = Field(description="True if it stands level.", examples=[True])


class Weigh(CommandArguments):
    """Weigh what is on the scale now."""

    unredacted_fields = frozenset({"settle_s"})

    settle_s: float = Field(1.0, gt=0, description="Time to settle, in seconds.", examples=[0.5])


class WeighResult(CommandOutput):
    """The weight was taken."""

    unredacted_fields = frozenset({"grams"})

    grams: int = Field(description="Weight, in grams.", examples=[23400])


WEIGH = CommandType("acme.weigh", Weigh, WeighResult)
VOCABULARY = Vocabulary("acme", 2, (Weighed, Level), (WEIGH,))
