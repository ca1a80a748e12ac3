"""A device for the benchmark: records the time of a command, and emits every line of its link."""

import time
from collections.abc import AsyncIterator
from typing import ClassVar

from pydantic import Field

from drivers.command import CommandArguments, CommandOutput, Invocation, command
from drivers.driver import Driver, Family, Identity
from drivers.links.serial import SerialSettings
from drivers.observation import DataClass, Observation


class CallTime(CommandOutput):
    """Time of a command's execution."""

    called_ns: int = Field(description="Time by CLOCK_MONOTONIC, in nanoseconds.", examples=[1])


class LineReceived(Observation):
    """A line was received."""

    event_type: ClassVar[str] = "bench.line"
    data_class: ClassVar[DataClass] = DataClass.RECORD
    text: str = Field(description="The line.", examples=["#1"])


class PushDriver(Driver[SerialSettings]):
    """A device with one moving command, which completes at once."""

    family = Family.UNKNOWN
    settings_model = SerialSettings
    observation_types: ClassVar[tuple[type[Observation], ...]] = (LineReceived,)

    async def open(self) -> Identity:
        """Open the port."""
        self.link = await self.links.serial(self.settings)
        return Identity(model="push")

    async def watch(self) -> AsyncIterator[Observation]:
        """Emit every line."""
        rest = b""
        while True:
            *lines, rest = (rest + await self.link.read()).split(b"\n")
            for line in lines:
                yield LineReceived(text=line.decode().strip())

    @command(is_movement=True)
    async def open_up(self, request: CommandArguments, call: Invocation) -> CallTime:
        """Record the time."""
        return CallTime(called_ns=time.monotonic_ns())
