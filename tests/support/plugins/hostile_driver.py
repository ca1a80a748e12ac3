"""Driver that an enemy has taken over: it tries one thing that no driver may do, and reports the outcome."""

import errno
from collections.abc import AsyncIterator
from typing import ClassVar, Literal

import hostile_access
import hostile_network
import hostile_system
from hostile_calls import ATTEMPTS, Targets
from pydantic import Field, SecretStr

from drivers.driver import Driver, Family, Identity
from drivers.links.link import Action, Cause, LinkError
from drivers.links.serial import SerialSettings
from drivers.links.settings import LinkRights, MulticastGroup, network_rights
from drivers.observation import Observation

__all__ = ["HostileDriver", "hostile_access", "hostile_network", "hostile_system"]
SUCCEEDED = "succeeded"
SEARCH = MulticastGroup("239.255.255.250", 3702, "127.0.0.1")


class HostileSettings(SerialSettings):
    """Settings of an attempt."""

    attempt: str = ""
    targets: Targets = Field(default_factory=dict)
    password: SecretStr | None = None
    link: Literal["serial", "network", "local", "both", "search"] = "serial"

    def link_rights(self) -> LinkRights:
        """Return the rights of a serial port, and of a TCP client, a local service or a search."""
        rights = super().link_rights()
        if self.link in ("network", "both"):
            rights |= network_rights("127.0.0.1", int(self.targets["allowed_port"]))
        if self.link in ("local", "both"):
            rights |= LinkRights(local_sockets=True)
        if self.link == "search":
            rights |= LinkRights(search=SEARCH)
        return rights


class HostileDriver(Driver[HostileSettings]):
    """One attempt at each opening; its outcome is the text of a fault."""

    family = Family("test_device")
    settings_model = HostileSettings
    observation_types: ClassVar[tuple[type[Observation], ...]] = ()

    async def open(self) -> Identity:
        """Open the port, and make the attempt."""
        self.link = await self.links.serial(self.settings)
        try:
            result = ATTEMPTS[self.settings.attempt](self.settings.targets)
            outcome = f"{SUCCEEDED}: {result}" if result else SUCCEEDED
        except OSError as error:
            outcome = errno.errorcode.get(error.errno or 0, str(error))
        # A state, because a production post refuses a pseudo-terminal before it sends an identity.
        raise LinkError(Cause.DEVICE_FAULT, outcome, Action.NONE)

    async def watch(self) -> AsyncIterator[Observation]:
        """Wait for the end of the line."""
        while True:
            await self.link.read()
            if False:
                yield
