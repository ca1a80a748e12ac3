"""Waveshare's boards with eight relays and eight inputs: Modbus RTU Relay (D) and similar ones on Ethernet.

Source: Waveshare wiki, "Modbus RTU Relay (D)", development protocol V2. A pulse is function 05 at 0x0200 plus
the channel, its value the time in units of 100 ms, and the board times it. Registers from 0x1000 are the
control modes of the relays: 0 is by command, all others by inputs. Value 5500, which toggles, is not used:
without a known state it opens or closes. Not documented, and assumed: a command to a relay ends its pulse, so
that function 0F with zeros does.
"""

from typing import Literal

from pydantic import Field

from drivers.barrier.boards.modbus_board import BoardTimedModbus, ModbusBoardSettings
from drivers.driver import Identity
from drivers.links.factory import LinkFactory
from drivers.links.modbus.pdu import Function, ReadRegisters, WriteSingle

FLASH_ON = 0x0200
FLASH_UNIT_S = 0.1
FLASH_MOST = 0x7FFF
CONTROL_MODES, VERSION = 0x1000, 0x8000
CHANNELS = 8
_MODES = {1: "follows its input", 2: "is toggled by its input", 3: "is toggled by its input's edges"}


class WaveshareSettings(ModbusBoardSettings):
    """A Waveshare board with eight relays and eight inputs."""

    model: Literal["waveshare-8"] = Field(description="Model of the board.")

    def build(self, links: LinkFactory) -> "WaveshareBoard":
        """Build the board, not opened yet."""
        return WaveshareBoard(self, links)


class WaveshareBoard(BoardTimedModbus[WaveshareSettings]):
    """The board. See `Board`."""

    relays = inputs = CHANNELS
    release_timeout_s = FLASH_UNIT_S

    async def _identify(self) -> Identity:
        self._modes = await self._ask(
            ReadRegisters(Function.READ_HOLDING_REGISTERS, CONTROL_MODES, CHANNELS), "its control modes"
        )
        (version,) = await self._ask(
            ReadRegisters(Function.READ_HOLDING_REGISTERS, VERSION, 1), "its version"
        )
        return Identity(
            manufacturer="Waveshare",
            model="8 relays, 8 inputs",
            firmware=f"{version // 100}.{version % 100:02}",
        )

    async def _check_setup(self) -> None:
        for relay, mode in enumerate(self._modes):
            if mode:
                raise self.not_configured_error(
                    f"lets an input drive relay {relay}, which {_MODES.get(mode, f'is in mode {mode}')}",
                    f"Set its control mode to normal: write 0 to register 0x{CONTROL_MODES + relay:04X}.",
                )

    def _pulse(self, relay: int, for_s: float) -> WriteSingle:
        units = round(for_s / FLASH_UNIT_S)
        assert 0 <= relay < CHANNELS
        assert 1 <= units <= FLASH_MOST
        return WriteSingle(Function.WRITE_COIL, FLASH_ON + relay, units)
