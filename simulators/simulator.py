"""Interface between a simulator of any family and its post; faults at fixed times in its settings."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, Generic, Protocol, TypeVar

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, model_validator

from simulators.errors import SimulatorError

FaultT = TypeVar("FaultT")

EmitCallback = Callable[[str, Mapping[str, Any]], None]
"""Callback for a simulator's events: an event's name and its details. Never the data of a document."""


class Simulator(ABC):
    """One simulated device, as its process runs it."""

    @abstractmethod
    async def run(self, emit: EmitCallback) -> None:
        """Run until cancelled; emit `ready` once a host can find the device.

        Raises SimulatorError if the device cannot be provided.
        """

    @abstractmethod
    async def handle_command(self, verb: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Handle a request of the control socket (`insert`, `fault`, `status`).

        Raise SimulatorError if it cannot.
        """

    @property
    def faults_adapter(self) -> TypeAdapter[Any] | None:
        """Adapter of the union of its faults, for `faults`; None for a kind that does not list them."""
        return None

    async def clear_faults(self) -> None:
        """End all faults: pending ones are discarded, lasting ones end now, cables are plugged in again.

        Raises SimulatorError for a kind that cannot, which another package may have.
        """
        raise SimulatorError("this kind does not support clear or reset")

    async def reset(self) -> None:
        """Clear the faults, remove what was presented, and return once the device is at rest.

        Schedules of the post's file go on. Raises SimulatorError as `clear_faults`.
        """
        await self.clear_faults()


class SimulatorSettings(BaseModel):
    """Settings of every simulator of a post. Each kind adds its own."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    name: str = Field(
        pattern=r"^[a-z0-9][a-z0-9-]*/[a-z0-9][a-z0-9-]*$",
        description='Position in the post, as "lane-1/reader".',
    )
    kind: str
    seed: int = Field(
        default=0, description="Seed; the same seed gives the same travellers at the same intervals."
    )

    def build(self) -> Simulator:
        """Build the simulator of these settings."""
        raise NotImplementedError

    @property
    def addresses(self) -> tuple[str, ...]:
        """Resources that only one simulator of a post can use: paths, ports."""
        return ()

    def summary(self) -> dict[str, Any]:
        """Return the fields that `list` shows."""
        return {"name": self.name, "kind": self.kind}


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


class SettingsType(Protocol):
    """Interface of a settings class in the registry of kinds."""

    def model_validate(self, obj: Any) -> SimulatorSettings: ...  # noqa: D102 - pydantic's
