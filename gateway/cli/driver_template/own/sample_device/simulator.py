"""Simulated Sample device: a luggage scale. Written from SHEET.md, not from the driver."""

from random import Random
from typing import Any, Literal

from simulators.errors import SimulatorError
from simulators.simulator import Simulator

from sample_device.simulated_line import LineSettings, LineSimulator


class SampleDeviceSettings(LineSettings):
    """Settings of one simulated scale."""

    kind: Literal["sample-device"]

    def build(self) -> Simulator:
        """Build the scale."""
        return SampleDevice(self)


class SampleDevice(LineSimulator):
    """A scale: `insert` with `mass_g` puts a load on it."""

    def __init__(self, settings: LineSettings) -> None:
        super().__init__(settings)
        self._chance = Random(settings.seed)
        self._load_g = 0
        self._zero_g = 0

    def next_message(self, mass_g: int | None = None, **other: Any) -> tuple[bytes, bytes]:
        """Put a load on the scale, by default an invented one."""
        if other or not (mass_g is None or (isinstance(mass_g, int) and 0 <= mass_g < 10**9)):
            raise SimulatorError("insert: takes `mass_g`, a whole number of grams")
        self._load_g = self._chance.randrange(1000, 32000) if mass_g is None else mass_g
        return b"W", str(max(0, self._load_g - self._zero_g)).encode()

    def answer(self, kind: bytes, payload: bytes) -> tuple[bytes, bytes] | None:
        """Answer `T`."""
        if kind != b"T":
            return None
        if payload.isdigit() and self._load_g > int(payload):
            return b"N", b""
        self._zero_g = self._load_g
        return b"A", str(self._zero_g).encode()
