"""KMtronic's RS-485 relay boards: eight relays, no inputs, nothing that ends a pulse.

Source: KMtronic, "RS485 8 channel relay controller, Modbus RTU": functions 01, 05 and 0F, coils 0 to 7, 9600
8N1, address by switches. Neither watchdog nor timer is described, so none is relied upon.
"""

from typing import Literal

from drivers.barrier.boards.modbus_board import HostTimedModbus, ModbusBoardSettings
from drivers.barrier.boards.time_relay import TimeRelay
from drivers.driver import Identity
from drivers.links.factory import Links

CHANNELS = 8


class KMtronicSettings(ModbusBoardSettings, TimeRelay):
    """A KMtronic board with eight relays."""

    model: Literal["kmtronic-8"]

    def board(self, links: Links) -> "KMtronic":
        """See `BoardSettings`."""
        return KMtronic(self, links)


class KMtronic(HostTimedModbus[KMtronicSettings]):
    """The board. See `Board`."""

    relays = CHANNELS
    inputs = 0

    def __init__(self, settings: KMtronicSettings, links: Links) -> None:
        super().__init__(settings, links)
        self.pulse_end = settings.pulse_end
        self.released_within_s = settings.released_within_s

    async def _who(self) -> Identity:
        """It tells nothing of itself; that relays can be read is all that is asked of it."""
        return Identity(manufacturer="KMtronic", model="8 relays")

    async def sense(self) -> tuple[bool, ...]:
        """It has no inputs."""
        self._usable()
        return ()
