"""Wiren Board's relay modules with six relays and six inputs (WB-MR6C): no pulses, but a watchdog.

Source: Wiren Board wiki, "Relay modules: Modbus registers" and "Common registers of Modbus devices", and the
maker's public template of WB-MR6C (wb-mqtt-serial): holding register 8 is the time in seconds without a
request after which safe mode begins (0: never); then each output whose register from 938 is 1 takes the state
in its register from 930, and from the factory none does. Register 6 is the state of relays after power-up
(0: the safe state). Registers 9 to 14 and 16 are the modes of inputs 1 to 6 and 0: in every mode but 3 an
input drives outputs, also from the factory. Registers 200 to 205 are the letters of the model. The settings
are read, and never written: the installer sets them.

Inputs 1 to 6 are discrete inputs 0 to 5. Its seventh input, input 0, is discrete input 7, with none at 6, so
one request cannot read them all: it is not used.
"""

from typing import Literal

from pydantic import Field

from drivers.barrier.board import PulseEnd
from drivers.barrier.boards.modbus_board import HostTimedModbus, ModbusBoardSettings
from drivers.driver import Identity
from drivers.links.factory import LinkFactory
from drivers.links.modbus.pdu import Function, ReadRegisters

RESTORE, SAFE_MODE_TIMEOUT, SIGNATURE = 6, 8, 200
INPUT_MODES, INPUT_0_MODE, NO_CONTROL = 9, 16, 3
SAFE_STATES, IN_SAFE_MODE = 930, 938
CHANNELS = 6
SIGNATURE_LETTERS = 6


class WirenBoardSettings(ModbusBoardSettings):
    """A Wiren Board module: relays 0 to 5, and inputs 0 to 5, which are its inputs 1 to 6."""

    model: Literal["wirenboard-6"] = Field(description="Model of the board.")
    watchdog_s: int = Field(
        default=1,
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

    relays = inputs = CHANNELS
    pulse_end = PulseEnd.WATCHDOG

    def __init__(self, settings: WirenBoardSettings, links: LinkFactory) -> None:
        super().__init__(settings, links)
        self.release_timeout_s = float(settings.watchdog_s)

    async def _identify(self) -> Identity:
        letters = await self._registers(SIGNATURE, SIGNATURE_LETTERS, "its model")
        model = "".join(chr(letter) for letter in letters if 32 < letter < 127)
        return Identity(manufacturer="Wiren Board", model=model or "relay module")

    async def _check_setup(self) -> None:
        wanted = self.settings.watchdog_s
        (found,) = await self._registers(SAFE_MODE_TIMEOUT, 1, "its watchdog")
        if found != wanted:
            is_off = ": it is off" if found == 0 else ""
            raise self.not_configured_error(
                f"has a watchdog of {found} seconds{is_off}; `watchdog_s` is {wanted}",
                f"Write {wanted} to holding register {SAFE_MODE_TIMEOUT}.",
            )
        for first, wanted, count, what, then in (
            (RESTORE, 0, 1, "the state of its relays after power-up", "closes relays when power returns"),
            (IN_SAFE_MODE, 1, CHANNELS, "its safe mode", "leaves relay {n} closed when its watchdog ends"),
            (SAFE_STATES, 0, CHANNELS, "its safe states", "closes relay {n} when its watchdog ends"),
            (INPUT_MODES, NO_CONTROL, CHANNELS, "its input modes", "lets its input {number} drive relays"),
            (INPUT_0_MODE, NO_CONTROL, 1, "the mode of its input 0", "lets its input 0 drive relays"),
        ):
            for n, found in enumerate(await self._registers(first, count, what)):
                if found != wanted:
                    raise self.not_configured_error(
                        f"{then.format(n=n, number=n + 1)} (register {first + n} is {found})",
                        f"Write {wanted} to holding register {first + n}.",
                    )

    async def _registers(self, address: int, count: int, about: str) -> tuple[int, ...]:
        return await self._ask(ReadRegisters(Function.READ_HOLDING_REGISTERS, address, count), about)
