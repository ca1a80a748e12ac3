"""Driver that an enemy has taken over: it tries one thing that no driver may do, and reports the outcome."""

import errno
from collections.abc import AsyncIterator
from typing import ClassVar

import hostile_access
import hostile_system
from hostile_calls import ATTEMPTS, Targets
from pydantic import Field, SecretStr

from drivers.driver import Driver, Family, Identity
from drivers.links.serial import SerialSettings
from drivers.observation import Observation

__all__ = ["HostileDriver", "hostile_access", "hostile_system"]
SUCCEEDED = "succeeded"


class HostileSettings(SerialSettings):
    """Settings of an attempt."""

    attempt: str = ""
    targets: Targets = Field(default_factory=dict)
    password: SecretStr | None = None


class HostileDriver(Driver[HostileSettings]):
    """One attempt at each opening; its outcome is the model of the device."""

    family = Family.UNKNOWN
    settings_model = HostileSettings
    observation_types: ClassVar[tuple[type[Observation], ...]] = ()

    async def open(self) -> Identity:
        """Open the port, and make the attempt."""
        self.link = await self.links.serial(self.settings)
        try:
            result = ATTEMPTS[self.settings.attempt](self.settings.targets)
        except OSError as error:
            return Identity(model=errno.errorcode.get(error.errno or 0, str(error)))
        return Identity(model=f"{SUCCEEDED}: {result}" if result else SUCCEEDED)

    async def watch(self) -> AsyncIterator[Observation]:
        """Wait for the end of the line."""
        while True:
            await self.link.read()
            if False:
                yield
