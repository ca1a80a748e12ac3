"""A Modbus board of any make: where it has what stands in the configuration."""

from typing import Literal, Self

from pydantic import Field, model_validator

from drivers.barrier.board import Board, DeviceRefused, PulseEnd
from drivers.barrier.boards.modbus_board import BoardTimed, HostTimedModbus, ModbusBoard, ModbusBoardSettings
from drivers.driver import Identity
from drivers.links.factory import Links
from drivers.links.modbus.pdu import Function, ReadBits, ReadRegisters, Write

_WORD_BITS = 16


class GenericSettings(ModbusBoardSettings):
    """A board of any make, by its map. With relays, one of `pulse_at` and `watchdog_at` must be there."""

    model: Literal["generic"]
    name: str = Field("Modbus board", description="Make and model, for people to read.", max_length=60)
    relays: int = Field(8, ge=0, le=64, description="How many relays it has.", examples=[8])
    inputs: int = Field(8, ge=1, le=64, description="How many inputs it has.", examples=[8])
    relays_at: int = Field(0, ge=0, le=0xFFFF, description="Address of the first relay's coil.")
    inputs_at: int = Field(0, ge=0, le=0xFFFF, description="Address of the first input.")
    inputs_as: Literal["discrete-inputs", "coils", "input-register", "holding-register"] = Field(
        "discrete-inputs", description="A bit each, or all of them in registers of 16, the lowest bit first."
    )
    pulse_at: int | None = Field(
        None,
        ge=0,
        le=0xFFFF,
        description="The board times pulses: address of the first relay's time, which closes the relay.",
        examples=[0x0200],
    )
    pulse_by: Literal["coil", "register"] = Field(
        "register", description="How that is written: function 05 with the time as its value, or function 06."
    )
    pulse_unit_s: float = Field(0.1, gt=0, le=0.5, description="What 1 means there, in seconds.")
    watchdog_at: int | None = Field(
        None,
        ge=0,
        le=0xFFFF,
        description="Or it has a watchdog: holding register of the time after which relays open; 0 is never.",
        examples=[8],
    )
    watchdog_unit_s: float = Field(1.0, gt=0, le=60, description="What 1 means there, in seconds.")
    watchdog_s: float = Field(
        1.0, gt=0, le=10, description="What it is set to, in seconds; it is read, and never written."
    )

    @model_validator(mode="after")
    def _ends_its_pulses(self) -> Self:
        if self.relays and (self.pulse_at is None) == (self.watchdog_at is None):
            raise ValueError(
                "nothing is said to end a pulse when the gateway is dead, or two things; write `pulse_at` if "
                "the board times pulses, or `watchdog_at` if it opens relays when it hears nothing, not both"
            )
        if self.inputs_as == "coils" and not self._apart:
            raise ValueError("relays and inputs are the same coils; correct `inputs_at` or `relays_at`")
        return self

    @property
    def _apart(self) -> bool:
        return (
            self.inputs_at >= self.relays_at + self.relays or self.relays_at >= self.inputs_at + self.inputs
        )

    def board(self, links: Links) -> Board:
        """See `BoardSettings`."""
        if not self.relays:
            return GenericInputs(self, links)
        return GenericTimed(self, links) if self.pulse_at is not None else GenericWatched(self, links)

    def pulse(self, relay: int, for_s: float) -> Write:
        """The frame of a pulse."""
        units = max(1, round(for_s / self.pulse_unit_s))
        assert self.pulse_at is not None
        assert 0 <= relay < self.relays
        # FF00 and 0000 in a coil would be on for ever, and off.
        assert units <= (0x7FFF if self.pulse_by == "coil" else 0xFFFF)
        by = Function.WRITE_COIL if self.pulse_by == "coil" else Function.WRITE_REGISTER
        return Write(by, self.pulse_at + relay, units)


class _Mapped(ModbusBoard[GenericSettings]):
    """Relays and inputs where the map has them."""

    def __init__(self, settings: GenericSettings, links: Links) -> None:
        super().__init__(settings, links)
        self.relays, self.relays_at = settings.relays, settings.relays_at
        self.inputs, self.inputs_at = settings.inputs, settings.inputs_at

    async def sense(self) -> tuple[bool, ...]:
        """See `Board`."""
        kind = self.settings.inputs_as
        if kind == "discrete-inputs":
            return await super().sense()
        if kind == "coils":
            return await self._ask(ReadBits(Function.READ_COILS, self.inputs_at, self.inputs), "its inputs")
        by = Function.READ_INPUT_REGISTERS if kind == "input-register" else Function.READ_HOLDING_REGISTERS
        words = (self.inputs + _WORD_BITS - 1) // _WORD_BITS
        told = await self._ask(ReadRegisters(by, self.inputs_at, words), "its inputs")
        return tuple(bool(told[n // _WORD_BITS] >> n % _WORD_BITS & 1) for n in range(self.inputs))

    async def _who(self) -> Identity:
        await self.sense()
        return Identity(model=self.settings.name)


class GenericInputs(_Mapped):
    """One that has inputs alone, beside a board with relays. See `Board`."""

    pulse_end = PulseEnd.NOTHING
    released_within_s = 0.0

    async def closed_relays(self) -> tuple[bool, ...]:
        """See `Board`."""
        return ()

    async def pulse(self, relay: int, for_s: float, *, urgent: bool = False) -> None:  # noqa: ARG002
        """It cannot."""
        raise DeviceRefused("It has no relays.")

    async def release(self) -> None:
        """See `Board`."""

    async def close(self) -> None:
        """See `Board`."""


class GenericTimed(BoardTimed[GenericSettings], _Mapped):
    """One that times pulses. See `Board`."""

    def __init__(self, settings: GenericSettings, links: Links) -> None:
        super().__init__(settings, links)
        self.released_within_s = settings.pulse_unit_s

    def _pulse(self, relay: int, for_s: float) -> Write:
        return self.settings.pulse(relay, for_s)


class GenericWatched(HostTimedModbus[GenericSettings], _Mapped):
    """One with a watchdog. See `Board`."""

    pulse_end = PulseEnd.WATCHDOG

    def __init__(self, settings: GenericSettings, links: Links) -> None:
        super().__init__(settings, links)
        self.released_within_s = settings.watchdog_s

    async def _who(self) -> Identity:
        address, wanted_s = self.settings.watchdog_at, self.settings.watchdog_s
        unit_s = self.settings.watchdog_unit_s
        assert address is not None
        register = ReadRegisters(Function.READ_HOLDING_REGISTERS, address, 1)
        (units,) = await self._ask(register, "its watchdog")
        if units == 0 or units * unit_s > wanted_s:
            found = "is off" if units == 0 else f"waits {units * unit_s:g} seconds"
            raise self.not_set_up(
                f"has a watchdog that {found}; `watchdog_s` says {wanted_s:g}",
                f"Write {max(1, int(wanted_s / unit_s))} to holding register {address}.",
            )
        return await super()._who()
