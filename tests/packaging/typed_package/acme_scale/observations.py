"""Reports and commands of the scale; loads no device library."""

from typing import ClassVar

from pydantic import Field

from drivers.command import CommandArguments, CommandOutput
from drivers.observation import DataClass, Observation


class Weighed(Observation):
    """An object lies on the scale."""

    event_type: ClassVar[str] = "acme.scale.weighed"
    data_class: ClassVar[DataClass] = DataClass.RECORD
    unredacted_fields = Observation.unredacted_fields | {"mass_kg"}

    mass_kg: float = Field(description="Mass, in kilograms.", examples=[23.4])
    label: str | None = Field(default=None, description="Label of the luggage.", examples=["K-12"])


class WeighOut(CommandArguments):
    """Release so much from the hopper."""

    mass_kg: float = Field(gt=0, description="Mass, in kilograms.", examples=[1.5])


class WeighOutResult(CommandOutput):
    """Mass that was released."""

    mass_kg: float = Field(description="Mass, in kilograms.", examples=[1.5])
