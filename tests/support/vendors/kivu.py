"""Words of Kivu's scales: the same names as Acme's, with another meaning."""

from typing import ClassVar

from pydantic import Field

from drivers.command import CommandArguments, CommandOutput, CommandType
from drivers.observation import DataClass, Observation, OpenEnum
from drivers.vocabulary import Vocabulary


class Unit(OpenEnum):
    """Unit of a weight."""

    KILOGRAM = "kg"
    UNKNOWN = "unknown"


class Weighed(Observation):
    """A crate was weighed."""

    event_type: ClassVar[str] = "kivu.weighed"
    data_class: ClassVar[DataClass] = DataClass.RECORD
    unredacted_fields = Observation.unredacted_fields | {"kilograms", "unit"}

    kilograms: float = Field(description="Weight, in kilograms.", examples=[23.4])
    unit: Unit = Field(Unit.KILOGRAM, description="Unit on the display.", examples=["kg"])


class Weigh(CommandArguments):
    """Weigh the crate with a number."""

    unredacted_fields = frozenset({"crate"})

    crate: int = Field(1, ge=1, description="Number of the crate.", examples=[7])


class WeighResult(CommandOutput):
    """The crate was weighed."""

    unredacted_fields = frozenset({"kilograms"})

    kilograms: float = Field(description="Weight, in kilograms.", examples=[23.4])


WEIGH = CommandType("kivu.weigh", Weigh, WeighResult)
VOCABULARY = Vocabulary("kivu", 1, (Weighed,), (WEIGH,))
