"""What the gateway itself can say, beside its state."""

from typing import ClassVar

from pydantic import Field

from drivers.observation import DataClass, Observation
from gateway.contract.envelope import Clock


class ClockStepped(Observation):
    """The post's wall clock was set, or can be trusted for the first time since the gateway started.

    Times of earlier events of this boot can be put right with it: by `monons`, which no step moves.
    """

    event_type: ClassVar[str] = "clock.stepped"
    data_class: ClassVar[DataClass] = DataClass.RECORD
    shown = Observation.shown | {"step_ms", "standing", "first_synced"}

    step_ms: int = Field(
        description="How far it was set, in milliseconds; negative: back. 0: only its standing changed.",
        examples=[86400000],
    )
    standing: Clock = Field(description="Whether it can be trusted now.", examples=["synced"])
    first_synced: bool = Field(
        description="Whether it is trusted for the first time since the gateway started.", examples=[True]
    )
