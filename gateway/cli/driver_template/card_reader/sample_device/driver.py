"""Sample device: a card reader on a serial line. Source: SHEET.md.

Events are those of every card reader (`drivers.access.observations`), so workstations know them.
"""

import re
from collections.abc import AsyncGenerator
from typing import ClassVar

from drivers.access.observations import CardFormat, CardRead
from drivers.driver import BadFrame, Driver, Family, Identity
from drivers.links.serial import SerialSettings
from drivers.observation import Observation
from pydantic import Field

from sample_device.exchange import Exchange

CARD = re.compile(rb"C([0-9]{1,3});((?:[0-9A-F]{2}){1,32})")


class SampleDeviceSettings(SerialSettings):
    """Settings of one card reader."""

    response_timeout_s: float = Field(
        default=1.0, gt=0, le=10, description="Time limit of an answer, in seconds.", examples=[1.0]
    )


class SampleDevice(Driver[SampleDeviceSettings]):
    """A reader that sends the bits of each card."""

    driver_api = 1
    family = Family.CARD_READER
    settings_model = SampleDeviceSettings
    observation_types: ClassVar[tuple[type[Observation], ...]] = (CardRead,)
    anonymizer = "sample_device.anonymizer:anonymize"
    _exchange: Exchange

    async def open(self) -> Identity:
        """Open the port and identify the reader; raises LinkError."""
        link = await self.links.serial(self.settings)
        self._exchange = Exchange(link, self.settings.response_timeout_s)
        return await self._exchange.identify()

    async def watch(self) -> AsyncGenerator[Observation | BadFrame]:
        """Yield a read for each card."""
        while True:
            message = await self._exchange.receive()
            yield message if isinstance(message, BadFrame) else _card(message.payload, message.wire)


def _card(payload: bytes, wire: bytes) -> Observation | BadFrame:
    found = CARD.fullmatch(payload)
    if found is None or not 0 < int(found[1]) <= 4 * len(found[2]):
        return BadFrame("malformed", wire)
    return CardRead(
        reader=0, format=CardFormat.WIEGAND, bits=int(found[1]), data=found[2].decode().lower(), wire=wire
    )
