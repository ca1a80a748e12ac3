"""Simulated Sample device: a swipe reader, with invented travellers. Written from SHEET.md, not from the driver."""

from typing import Any, Literal

from simulators.errors import SimulatorError
from simulators.mrz import Format
from simulators.simulator import Simulator
from simulators.travellers import TravellerGenerator

from sample_device.simulated_line import LineSettings, LineSimulator


class SampleDeviceSettings(LineSettings):
    """Settings of one simulated reader."""

    kind: Literal["sample-device"]

    def build(self) -> Simulator:
        """Build the reader."""
        return SampleDevice(self)


class SampleDevice(LineSimulator):
    """A reader: `insert` swipes a document, with `format` (TD1, TD2, TD3) and `fields` of your choice."""

    def __init__(self, settings: LineSettings) -> None:
        super().__init__(settings)
        self._travellers = TravellerGenerator(settings.seed)

    def next_message(
        self, format: str | None = None, fields: dict[str, Any] | None = None, **other: Any
    ) -> tuple[bytes, bytes]:
        """Swipe a document."""
        try:
            document = self._travellers.document(Format(format) if format else None, **(fields or {}), **other)
        except (ValueError, TypeError) as error:
            raise SimulatorError(f"insert: {error}") from None
        return b"M", "\r".join(document.lines).encode("ascii")

    def answer(self, kind: bytes, payload: bytes) -> tuple[bytes, bytes] | None:
        """Stay silent: the sheet has no requests but that for the identity."""
        return None
