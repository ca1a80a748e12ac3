"""Sample device: a swipe reader of travel documents on a serial line. Source: SHEET.md.

Events are those of every passport reader (`drivers.passport.observations`), so workstations know them.
"""

from collections.abc import AsyncGenerator
from typing import ClassVar

from drivers.driver import BadFrame, Driver, Family, Identity
from drivers.links.framing import CompleteFrame, DamagedFrame
from drivers.links.serial import SerialSettings
from drivers.observation import Observation
from drivers.passport.observations import DocumentRead, ReadFailed, ReadTrigger
from drivers.passport.read_result import decode_text, document_read, parse_mrz, read_failed, split_lines
from pydantic import Field

from sample_device.exchange import Exchange


class SampleDeviceSettings(SerialSettings):
    """Settings of one reader."""

    response_timeout_s: float = Field(
        default=1.0, gt=0, le=10, description="Time limit of an answer, in seconds.", examples=[1.0]
    )


class SampleDevice(Driver[SampleDeviceSettings]):
    """A reader that sends the machine readable zone of each document."""

    driver_api = 1
    family = Family.PASSPORT_READER
    settings_model = SampleDeviceSettings
    observation_types: ClassVar[tuple[type[Observation], ...]] = (DocumentRead, ReadFailed)
    anonymizer = "sample_device.anonymizer:anonymize"
    _exchange: Exchange

    async def open(self) -> Identity:
        """Open the port and identify the reader; raises LinkError."""
        link = await self.links.serial(self.settings)
        self._exchange = Exchange(link, self.settings.response_timeout_s)
        return await self._exchange.identify()

    async def watch(self) -> AsyncGenerator[Observation | BadFrame]:
        """Yield a read for each document, and a failed read for each damaged frame."""
        while True:
            match await self._exchange.receive():
                case BadFrame(fault, wire):
                    yield read_failed(DamagedFrame(fault, wire))
                case CompleteFrame(payload, wire) if payload[:1] == b"M":
                    lines = split_lines(decode_text(payload[1:]))
                    yield document_read(lines, parse_mrz(lines), ReadTrigger.SWIPE, wire)
                case CompleteFrame(_, wire):
                    yield BadFrame("malformed", wire)
