"""A device for the benchmark: records the time of a command, and emits every line of its link."""

import time
from collections.abc import AsyncIterator
from typing import ClassVar

from push_words import VOCABULARY, CallTime, LineReceived

from drivers.command import CommandArguments, Invocation, command
from drivers.driver import Driver, Family, Identity
from drivers.links.serial import SerialSettings
from drivers.observation import Observation


class PushDriver(Driver[SerialSettings]):
    """A device with one moving command, which completes at once."""

    family = Family("test_device")
    vocabulary = VOCABULARY
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
