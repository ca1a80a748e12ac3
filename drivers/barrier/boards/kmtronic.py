"""KMtronic's RS-485 relay boards: eight relays, no inputs, no mechanism that ends a pulse.

Source: KMtronic, "RS485 8 channel relay controller, Modbus RTU": functions 01, 05 and 0F, coils 0 to 7, 9600
8N1, address by switches. Neither watchdog nor timer is described, so none is relied upon.
"""

from typing import Literal

from pydantic import Field

from drivers.barrier.boards.modbus_board import HostTimedModbus, ModbusBoardSettings
from drivers.barrier.boards.time_relay import TimeRelaySettings
from drivers.driver import Identity
from drivers.links.factory import LinkFactory

CHANNELS = 8


class KMtronicSettings(ModbusBoardSettings, TimeRelaySettings):
    """A KMtronic board with eight relays."""

    model: Literal["kmtronic-8"] = Field(description="Model of the board.")

    def build(self, links: LinkFactory) -> "KMtronicBoard":
        """Build the board, not opened yet."""
        return KMtronicBoard(self, links)


class KMtronicBoard(HostTimedModbus[KMtronicSettings]):
    """The board. See `Board`."""

    relays = CHANNELS
    inputs = 0

    def __init__(self, settings: KMtronicSettings, links: LinkFactory) -> None:
        super().__init__(settings, links)
        self.pulse_end = settings.pulse_end
        self.release_timeout_s = settings.release_timeout_s

    async def _identify(self) -> Identity:
        """Identify the board: it has no identity to read, so only its relays are read."""
        await self.read_relays()
        return Identity(manufacturer="KMtronic", model="8 relays")

    async def read_inputs(self) -> tuple[bool, ...]:
        """Return no inputs."""
        self._raise_if_stuck()
        return ()
