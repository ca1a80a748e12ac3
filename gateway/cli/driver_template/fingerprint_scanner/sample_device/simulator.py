"""Simulated Sample device: a scanner with invented fingers. Written from SHEET.md, not from the driver."""

import asyncio
from typing import Any, Literal

from pydantic import Field
from simulators.errors import SimulatorError
from simulators.fingerprint.fingers import Finger, Sensor
from simulators.fingerprint.platen import Platen
from simulators.simulator import Simulator

from sample_device.simulated_line import LineSettings, LineSimulator

SENSOR = Sensor(96, 112, 500)
"""Width and height in pixels, and their number per inch."""


class SampleDeviceSettings(LineSettings):
    """Settings of one simulated scanner."""

    kind: Literal["sample-device"]
    dwell_s: float = Field(default=2.0, gt=0, description="Time that a finger stays, in seconds.")

    def build(self) -> Simulator:
        """Build the scanner."""
        return SampleDevice(self)


class SampleDevice(LineSimulator):
    """A scanner: `insert` places the `finger` of that number, for some seconds."""

    def __init__(self, settings: SampleDeviceSettings) -> None:
        super().__init__(settings)
        self._dwell_s = settings.dwell_s
        self._platen = Platen(SENSOR)
        self._is_lit = False
        self._visit = 0

    def next_message(self, finger: int = 1, **other: Any) -> tuple[bytes, bytes] | None:
        """Place a finger."""
        if other or not isinstance(finger, int):
            raise SimulatorError("insert: takes `finger`, a number")
        self._platen.place(Finger(finger).touch())
        self._visit += 1
        self.line.call_soon(self._lift_later(self._visit))
        return (b"F", b"") if self._is_lit else None

    async def _lift_later(self, visit: int) -> None:
        await asyncio.sleep(self._dwell_s)
        if visit == self._visit:
            self._platen.lift()
            if self._is_lit:
                await self.send(b"L")

    def answer(self, kind: bytes, payload: bytes) -> tuple[bytes, bytes] | None:
        """Answer `S`, `X` and `G`."""
        match kind:
            case b"S":
                self._is_lit = True
                if self._platen.is_touched:
                    self.line.call_soon(self._report_touch())
                return b"A", b""
            case b"X":
                self._is_lit = False
                return b"A", b""
            case b"G" if self._platen.is_touched:
                pixels = self._platen.sense()
                height, width = pixels.shape
                return b"P", f"{width};{height};{pixels.tobytes().hex().upper()}".encode()
            case b"G":
                return b"N", b""
        return None

    async def _report_touch(self) -> None:
        await asyncio.sleep(0)  # after the answer
        await self.send(b"F")
