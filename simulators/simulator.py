"""What a simulator of any family is to the post it belongs to."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from pydantic import BaseModel, ConfigDict, Field

EmitCallback = Callable[[str, Mapping[str, Any]], None]
"""How a simulator says what happens to it: an event's name and its details. Never what is on a document."""


class Simulator(ABC):
    """One simulated device, as its process runs it."""

    @abstractmethod
    async def run(self, tell: EmitCallback) -> None:
        """Be there until cancelled; tells `ready` once a host can find the device.

        Raises SimulatorError when that cannot be.
        """

    @abstractmethod
    async def handle_command(self, verb: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Do what the control socket asks (`insert`, `fault`, `status`); SimulatorError if it cannot."""


class SimulatorSettings(BaseModel):
    """What every simulator of a post has. Each kind adds its own."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    name: str = Field(
        pattern=r"^[a-z0-9][a-z0-9-]*/[a-z0-9][a-z0-9-]*$",
        description='Position in the post, as "lane-1/reader".',
    )
    kind: str
    seed: int = Field(0, description="The same seed gives the same travellers at the same intervals.")

    def build(self) -> Simulator:
        """The simulator these settings describe."""
        raise NotImplementedError

    @property
    def addresses(self) -> tuple[str, ...]:
        """What only one simulator of a post can have: paths, ports."""
        return ()

    def summary(self) -> dict[str, Any]:
        """What `list` shows of it."""
        return {"name": self.name, "kind": self.kind}


class SettingsType(Protocol):
    """What the registry of kinds needs of a settings class."""

    def model_validate(self, obj: Any) -> SimulatorSettings: ...  # noqa: D102 - pydantic's
