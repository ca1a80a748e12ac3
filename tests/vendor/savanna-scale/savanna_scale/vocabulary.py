"""Events and commands of Savanna's scales."""

from typing import ClassVar

from pydantic import Field

from drivers.command import CommandArguments, CommandOutput, CommandType
from drivers.observation import DataClass, Observation
from drivers.vocabulary import Vocabulary


class Weighed(Observation):
    """A traveller's piece of luggage was weighed."""

    event_type: ClassVar[str] = "savanna.weighed"
    data_class: ClassVar[DataClass] = DataClass.TRAVELLER
    unredacted_fields = Observation.unredacted_fields | {"kilograms"}

    kilograms: float = Field(description="Mass, in kilograms.", examples=[23.4])
    label: str = Field(description="Name on the label.", examples=["SPECIMEN"])


class Tare(CommandArguments):
    """Set the present load as zero."""


class TareResult(CommandOutput):
    """Result of `tare`."""

    unredacted_fields = frozenset({"kilograms"})

    kilograms: float = Field(description="Load that is zero from now on, in kilograms.", examples=[1.2])


VOCABULARY = Vocabulary("savanna", 3, (Weighed,), (CommandType("savanna.tare", Tare, TareResult),))
