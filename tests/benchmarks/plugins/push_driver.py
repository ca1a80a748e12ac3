"""A device for the benchmark: notes when it is told something, and says every line that comes on its wire."""

import time
from collections.abc import AsyncIterator
from typing import ClassVar

from pydantic import Field

from drivers.command import CommandArguments, CommandOutput, Invocation, command
from drivers.driver import Driver, Family, Identity
from drivers.links.serial import SerialSettings
from drivers.observation import DataClass, Observation


class Noted(CommandOutput):
    """It was told."""

    called_ns: int = Field(description="When, by CLOCK_MONOTONIC, in nanoseconds.", examples=[1])


class Said(Observation):
    """A line came."""

    event_type: ClassVar[str] = "bench.said"
    data_class: ClassVar[DataClass] = DataClass.RECORD
    text: str = Field(description="The line.", examples=["#1"])


class PushDriver(Driver[SerialSettings]):
    """One command that can move something, and is done at once."""

    family = Family.UNKNOWN
    settings_model = SerialSettings
    observation_types: ClassVar[tuple[type[Observation], ...]] = (Said,)

    async def open(self) -> Identity:
        """Open the port."""
        self.link = await self.links.serial(self.settings)
        return Identity(model="told")

    async def watch(self) -> AsyncIterator[Observation]:
        """Say every line."""
        rest = b""
        while True:
            *lines, rest = (rest + await self.link.read()).split(b"\n")
            for line in lines:
                yield Said(text=line.decode().strip())

    @command(is_movement=True)
    async def open_up(self, request: CommandArguments, call: Invocation) -> Noted:
        """Note when."""
        return Noted(called_ns=time.monotonic_ns())
