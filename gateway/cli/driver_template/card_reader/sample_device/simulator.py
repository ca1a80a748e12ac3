"""Simulated Sample device: a card reader, with invented cards. Written from SHEET.md, not from the driver."""

from random import Random
from typing import Any, Literal

from simulators.errors import SimulatorError
from simulators.simulator import Simulator

from sample_device.simulated_line import LineSettings, LineSimulator


class SampleDeviceSettings(LineSettings):
    """Settings of one simulated card reader."""

    kind: Literal["sample-device"]

    def build(self) -> Simulator:
        """Build the reader."""
        return SampleDevice(self)


class SampleDevice(LineSimulator):
    """A card reader: `insert` presents a card of 26 bits, with `facility` and `number` of your choice."""

    def __init__(self, settings: LineSettings) -> None:
        super().__init__(settings)
        self._chance = Random(settings.seed)

    def next_message(
        self, facility: int | None = None, number: int | None = None, **other: Any
    ) -> tuple[bytes, bytes]:
        """Present a card."""
        facility = self._chance.randrange(256) if facility is None else facility
        number = self._chance.randrange(65536) if number is None else number
        if other or not (0 <= facility < 256 and 0 <= number < 65536):
            raise SimulatorError("insert: takes `facility` below 256 and `number` below 65536")
        held = facility << 16 | number
        # Parity of the 26-bit Wiegand format: even over the first twelve bits, odd over the last twelve.
        even, odd = (held >> 12).bit_count() & 1, 1 - (held & 0xFFF).bit_count() & 1
        return b"C", f"26;{(even << 25 | held << 1 | odd) << 6:08X}".encode()

    def answer(self, kind: bytes, payload: bytes) -> tuple[bytes, bytes] | None:
        """Stay silent: the sheet has no requests but that for the identity."""
        return None
