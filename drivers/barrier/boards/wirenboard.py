"""Wiren Board's relay modules with six relays and seven inputs (WB-MR6C): no pulses, but a watchdog.

Source: Wiren Board wiki, "Relay modules: Modbus registers" and "Common registers of Modbus devices": holding
register 8 is the time in seconds without a request after which relays go to their safe state (0: never),
register 6 the state of relays after power-up (0: they stay open), 200 to 205 the letters of the model. Both
settings are read, and never written: the installer sets them, and writes them in the configuration.
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
        description="Value of its register 8: seconds after the last request until relays open.",
        examples=[1],
    )

    def build(self, links: LinkFactory) -> "WirenBoardModule":
        """Build the board, not opened yet."""
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
        if (restore := await self._register(RESTORE, "the state of its relays after power-up")) != 0:
            raise self.not_configured_error(
                f"closes relays again when power returns (register {RESTORE} is {restore})",
                f"Write 0 to holding register {RESTORE}.",
            )
        wanted = self.settings.watchdog_s
        if (found := await self._register(SAFE_MODE_TIMEOUT, "its watchdog")) != wanted:
            is_off = ": it is off" if found == 0 else ""
            raise self.not_configured_error(
                f"has a watchdog of {found} seconds{is_off}; `watchdog_s` is {wanted}",
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
