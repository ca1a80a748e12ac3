"""Events and commands of the namespace `sampleco`. Imports no device library: workstations load it."""

from typing import ClassVar

from drivers.command import CommandArguments, CommandOutput, CommandType
from drivers.observation import DataClass, Observation
from drivers.vocabulary import Vocabulary
from pydantic import Field


class Weighed(Observation):
    """A load rests on the scale."""

    event_type: ClassVar[str] = "sampleco.weighed"
    data_class: ClassVar[DataClass] = DataClass.RECORD
    unredacted_fields = Observation.unredacted_fields | {"mass_g"}

    mass_g: int = Field(ge=0, description="Mass, in grams.", examples=[23400])


class Tare(CommandArguments):
    """Set the present load as zero."""

    unredacted_fields = frozenset({"limit_g"})

    limit_g: int | None = Field(
        default=None, ge=0, description="Largest load that may become zero, in grams.", examples=[2000]
    )


class TareResult(CommandOutput):
    """Result of `tare`."""

    unredacted_fields = frozenset({"zero_g"})

    zero_g: int = Field(ge=0, description="Load that is zero from now on, in grams.", examples=[1200])


VOCABULARY = Vocabulary(
    namespace="sampleco",
    version=1,
    observations=(Weighed,),
    commands=(CommandType("sampleco.tare", Tare, TareResult),),
)
