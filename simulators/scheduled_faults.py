"""Faults at fixed times, as configured in post files."""

from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field, model_validator

FaultT = TypeVar("FaultT")


class ScheduledFault(BaseModel, Generic[FaultT]):
    """A fault at a fixed time: `{at_s = 20, every_s = 60, fault = "garbage", before = 12}`."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    at_s: float = Field(ge=0, description="Seconds after a host first opened the line.")
    every_s: float | None = Field(default=None, gt=0, description="Repetition period, in seconds.")
    fault: FaultT

    @model_validator(mode="before")
    @classmethod
    def _merge_arguments_and_times(cls, given: Any) -> Any:
        """Accept a fault's arguments in the same table as its times, as post files write them."""
        if not isinstance(given, dict) or isinstance(given.get("fault"), dict | BaseModel):
            return given
        times = {key: given[key] for key in ("at_s", "every_s") if key in given}
        return times | {"fault": {key: value for key, value in given.items() if key not in times}}
