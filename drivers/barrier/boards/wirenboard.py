"""Wiren Board's relay modules with six relays and seven inputs (WB-MR6C): no pulses, but a watchdog.

Source: Wiren Board wiki, "Relay modules: Modbus registers" and "Common registers of Modbus devices": holding
register 8 is the time in seconds without a request after which relays go to their safe state (0: never),
register 6 whether they come back as they were after power (0: they stay open), 200 to 205 the model's
letters. Both settings are looked at, and never written: whoever sets a board up says so in the configuration.
"""

from typing import Literal

from pydantic import Field

from drivers.barrier.board import PulseEnd
from drivers.barrier.boards.modbus_board import HostTimedModbus, ModbusBoardSettings
from drivers.driver import Identity
from drivers.links.factory import LinkFactory
from drivers.links.modbus.pdu import Function, ReadRegisters

RESTORE, SAFE_MODE_TIMEOUT, SIGNATURE = 6, 8, 200
SIGNATURE_LETTERS = 6


class WirenBoardSettings(ModbusBoardSettings):
    """A Wiren Board module with six relays and seven inputs."""

    model: Literal["wirenboard-6"]
    watchdog_s: int = Field(
        1,
        ge=1,
        le=10,
        description="What its register 8 is set to: so many seconds after the last request relays open.",
        examples=[1],
    )

    def build(self, links: LinkFactory) -> "WirenBoardModule":
        """See `BoardSettings`."""
        return WirenBoardModule(self, links)


class WirenBoardModule(HostTimedModbus[WirenBoardSettings]):
    """The module. See `Board`."""

    relays = 6
    inputs = 7
    pulse_end = PulseEnd.WATCHDOG

    def __init__(self, settings: WirenBoardSettings, links: LinkFactory) -> None:
        super().__init__(settings, links)
        self.release_timeout_s = float(settings.watchdog_s)

    async def _identify(self) -> Identity:
        if (restore := await self._register(RESTORE, "what its relays do after power")) != 0:
            raise self.not_configured_error(
                f"closes relays again when power returns (register {RESTORE} is {restore})",
                f"Write 0 to holding register {RESTORE}.",
            )
        wanted = self.settings.watchdog_s
        if (found := await self._register(SAFE_MODE_TIMEOUT, "its watchdog")) != wanted:
            is_off = ": it is off" if found == 0 else ""
            raise self.not_configured_error(
                f"has a watchdog of {found} seconds{is_off}; `watchdog_s` says {wanted}",
                f"Write {wanted} to holding register {SAFE_MODE_TIMEOUT}.",
            )
        letters = await self._ask(
            ReadRegisters(Function.READ_HOLDING_REGISTERS, SIGNATURE, SIGNATURE_LETTERS), "its model"
        )
        model = "".join(chr(letter) for letter in letters if 32 < letter < 127)
        return Identity(manufacturer="Wiren Board", model=model or "relay module")

    async def _register(self, address: int, about: str) -> int:
        (value,) = await self._ask(ReadRegisters(Function.READ_HOLDING_REGISTERS, address, 1), about)
        return value
