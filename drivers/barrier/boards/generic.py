"""A Modbus board of any make, by the register map in the configuration."""

import math
from typing import Literal, Self

from pydantic import Field, model_validator

from drivers.barrier.board import Board, BoardRefused, PulseEnd
from drivers.barrier.boards.modbus_board import (
    BoardTimedModbus,
    HostTimedModbus,
    ModbusBoard,
    ModbusBoardSettings,
)
from drivers.driver import Identity
from drivers.links.factory import LinkFactory
from drivers.links.modbus.pdu import Function, ReadBits, ReadRegisters, WriteSingle

_WORD_BITS = 16
ROUNDING = 1e-9
"""Allowance for a time that is no exact multiple of its unit as a float: 0.7 s are seven times 0.1 s."""
MIN_WATCHDOG_S = 0.4
"""Shortest time of a watchdog, in seconds, unless less is configured: two of the slowest intervals of polls.

A shorter one opens relays between two polls, so the contact of a stop may be too short for the machine.
"""


class GenericSettings(ModbusBoardSettings):
    """A board of any make, by its map. With relays, `pulse_address` or `watchdog_address` is required."""

    model: Literal["generic"] = Field(description="Model of the board.")
    name: str = Field(default="Modbus board", description="Make and model, for people.", max_length=60)
    relays: int = Field(default=8, ge=0, le=64, description="Number of relays.", examples=[8])
    inputs: int = Field(default=8, ge=1, le=64, description="Number of inputs.", examples=[8])
    relay_address: int = Field(default=0, ge=0, le=0xFFFF, description="Address of the first relay's coil.")
    input_address: int = Field(default=0, ge=0, le=0xFFFF, description="Address of the first input.")
    input_table: Literal["discrete-inputs", "coils", "input-register", "holding-register"] = Field(
        default="discrete-inputs",
        description="A bit each, or all of them in registers of 16, the lowest bit first.",
    )
    pulse_address: int | None = Field(
        default=None,
        ge=0,
        le=0xFFFF,
        description="For boards that time pulses: address of the first relay's time, which closes the relay.",
        examples=[0x0200],
    )
    pulse_write: Literal["coil", "register"] = Field(
        default="register",
        description="How that is written: function 05 with the time as its value, or function 06.",
    )
    pulse_unit_s: float = Field(default=0.1, gt=0, le=0.5, description="What 1 means there, in seconds.")
    watchdog_address: int | None = Field(
        default=None,
        ge=0,
        le=0xFFFF,
        description="Or it has a watchdog: holding register of the time after which relays open; 0 is never.",
        examples=[8],
    )
    watchdog_unit_s: float = Field(default=1.0, gt=0, le=60, description="What 1 means there, in seconds.")
    watchdog_s: float = Field(
        default=1.0, gt=0, le=10, description="What it is set to, in seconds; it is read, and never written."
    )

    @model_validator(mode="after")
    def _ends_its_pulses(self) -> Self:
        if self.relays and (self.pulse_address is None) == (self.watchdog_address is None):
            raise ValueError(
                "nothing is said to end a pulse when the gateway is dead, or two things; write "
                "`pulse_address` if the board times pulses, or `watchdog_address` if it opens relays when "
                "it hears nothing, not both"
            )
        if self.input_table == "coils" and not self._apart:
            raise ValueError(
                "relays and inputs are the same coils; correct `input_address` or `relay_address`"
            )
        return self

    @property
    def _apart(self) -> bool:
        return (
            self.input_address >= self.relay_address + self.relays
            or self.relay_address >= self.input_address + self.inputs
        )

    def build(self, links: LinkFactory) -> Board:
        """Build the board of this map, not opened yet."""
        if not self.relays:
            return GenericInputBoard(self, links)
        return (
            GenericBoardTimed(self, links)
            if self.pulse_address is not None
            else GenericWatchdogBoard(self, links)
        )

    def pulse(self, relay: int, for_s: float) -> WriteSingle:
        """Return the frame of a pulse."""
        units = max(1, round(for_s / self.pulse_unit_s))
        assert self.pulse_address is not None
        assert 0 <= relay < self.relays
        # FF00 and 0000 in a coil would mean on without an end, and off.
        assert units <= (0x7FFF if self.pulse_write == "coil" else 0xFFFF)
        by = Function.WRITE_COIL if self.pulse_write == "coil" else Function.WRITE_REGISTER
        return WriteSingle(by, self.pulse_address + relay, units)


class _GenericBoard(ModbusBoard[GenericSettings]):
    """Relays and inputs at the addresses of the map."""

    def __init__(self, settings: GenericSettings, links: LinkFactory) -> None:
        super().__init__(settings, links)
        self.relays, self.relay_address = settings.relays, settings.relay_address
        self.inputs, self.input_address = settings.inputs, settings.input_address

    async def read_inputs(self) -> tuple[bool, ...]:
        """Implement `Board.read_inputs`."""
        kind = self.settings.input_table
        if kind == "discrete-inputs":
            return await super().read_inputs()
        if kind == "coils":
            return await self._ask(
                ReadBits(Function.READ_COILS, self.input_address, self.inputs), "its inputs"
            )
        by = Function.READ_INPUT_REGISTERS if kind == "input-register" else Function.READ_HOLDING_REGISTERS
        words = (self.inputs + _WORD_BITS - 1) // _WORD_BITS
        values = await self._ask(ReadRegisters(by, self.input_address, words), "its inputs")
        return tuple(bool(values[n // _WORD_BITS] >> n % _WORD_BITS & 1) for n in range(self.inputs))

    async def _identify(self) -> Identity:
        self.inputs_at_opening = await self.read_inputs()
        return Identity(model=self.settings.name)


class GenericInputBoard(_GenericBoard):
    """A board with inputs alone, beside a board with relays. See `Board`."""

    pulse_end = PulseEnd.NONE
    release_timeout_s = 0.0

    async def read_relays(self) -> tuple[bool, ...]:
        """Return no relays."""
        return ()

    async def pulse_relay(
        self,
        relay: int,  # noqa: ARG002 - see `Board`
        for_s: float,  # noqa: ARG002
        *,
        urgent: bool = False,  # noqa: ARG002
        by_s: float | None = None,  # noqa: ARG002
    ) -> None:
        """Raise BoardRefused: there are no relays."""
        raise BoardRefused("The board has no relays.")

    async def open_all_relays(self) -> None:
        """Do nothing: there are no relays."""

    async def close(self) -> None:
        """Do nothing: no pulse is running."""


class GenericBoardTimed(BoardTimedModbus[GenericSettings], _GenericBoard):
    """A board that times pulses. See `Board`."""

    def __init__(self, settings: GenericSettings, links: LinkFactory) -> None:
        super().__init__(settings, links)
        self.release_timeout_s = settings.pulse_unit_s

    def _pulse(self, relay: int, for_s: float) -> WriteSingle:
        return self.settings.pulse(relay, for_s)


class GenericWatchdogBoard(HostTimedModbus[GenericSettings], _GenericBoard):
    """A board with a watchdog. See `Board`."""

    pulse_end = PulseEnd.WATCHDOG

    def __init__(self, settings: GenericSettings, links: LinkFactory) -> None:
        super().__init__(settings, links)
        self.release_timeout_s = settings.watchdog_s

    async def _check_setup(self) -> None:
        address, wanted_s = self.settings.watchdog_address, self.settings.watchdog_s
        unit_s = self.settings.watchdog_unit_s
        assert address is not None
        register = ReadRegisters(Function.READ_HOLDING_REGISTERS, address, 1)
        (units,) = await self._ask(register, "its watchdog")
        most = max(1, math.floor(wanted_s / unit_s + ROUNDING))
        least = min(most, math.ceil(MIN_WATCHDOG_S / unit_s - ROUNDING))
        if not least <= units <= most:
            found = "is off" if units == 0 else f"waits {units * unit_s:g} seconds"
            raise self.not_configured_error(
                f"has a watchdog that {found}; `watchdog_s` says {wanted_s:g}",
                f"Write {most} to holding register {address}.",
            )
