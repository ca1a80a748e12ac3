"""Sample device: a luggage scale on a serial line. Source: SHEET.md."""

import asyncio
from collections.abc import AsyncGenerator
from typing import ClassVar

from drivers.command import CommandRefusal, Invocation, RefusalReason, command
from drivers.driver import BadFrame, Driver, Family, Identity
from drivers.links.framing import CompleteFrame
from drivers.links.serial import SerialSettings
from drivers.observation import Observation
from pydantic import Field

from sample_device.exchange import Exchange
from sample_device.frames import encode
from sample_device.vocabulary import VOCABULARY, Tare, TareResult, Weighed


class SampleDeviceSettings(SerialSettings):
    """Settings of one scale."""

    response_timeout_s: float = Field(
        default=1.0, gt=0, le=10, description="Time limit of an answer, in seconds.", examples=[1.0]
    )


class SampleDevice(Driver[SampleDeviceSettings]):
    """A scale that reports each load that rests on it."""

    driver_api = 1
    family = Family("sampleco")
    settings_model = SampleDeviceSettings
    vocabulary = VOCABULARY
    observation_types: ClassVar[tuple[type[Observation], ...]] = (Weighed,)
    # Loads are no personal data. A driver that reads people's data names its own function: see SHIP.md.
    anonymizer = "drivers.anonymize.anonymizer:keep_all"

    _exchange: Exchange
    _answer: "asyncio.Future[bytes] | None" = None
    """Answer that a running `tare` waits for."""

    async def open(self) -> Identity:
        """Open the port and identify the scale; raises LinkError."""
        link = await self.links.serial(self.settings)
        self._exchange = Exchange(link, self.settings.response_timeout_s)
        return await self._exchange.identify()

    async def watch(self) -> AsyncGenerator[Observation | BadFrame]:
        """Yield a `Weighed` for each load; hand answers to the command that waits for one."""
        while True:
            match await self._exchange.receive():
                case BadFrame() as bad:
                    yield bad
                case CompleteFrame(payload, _) if payload[:1] in (b"A", b"N"):
                    if self._answer is not None and not self._answer.done():
                        self._answer.set_result(payload)
                case CompleteFrame(payload, wire):
                    yield _weighed(payload, wire)

    @command()
    async def tare(self, request: Tare, _call: Invocation) -> TareResult:
        """Set the present load as zero: the request is sent once, and `watch` receives its answer."""
        self._answer = asyncio.get_running_loop().create_future()
        limit = b"" if request.limit_g is None else str(request.limit_g).encode()
        await self._exchange.link.write(encode(b"T", limit))
        try:
            async with asyncio.timeout(self._exchange.timeout_s):
                answer = await self._answer
        except TimeoutError:
            raise self._exchange.no_answer() from None
        finally:
            self._answer = None
        zero_g = _grams(answer[1:])
        if answer[:1] != b"A" or zero_g is None:
            raise CommandRefusal(RefusalReason.DEVICE_REFUSED, "The load on the scale is above the limit.")
        return TareResult(zero_g=zero_g)


def _weighed(payload: bytes, wire: bytes) -> Observation | BadFrame:
    mass_g = _grams(payload[1:]) if payload[:1] == b"W" else None
    return BadFrame("malformed", wire) if mass_g is None else Weighed(mass_g=mass_g, wire=wire)


def _grams(text: bytes) -> int | None:
    """Return the number of a text of digits; None for any other text."""
    return int(text) if text.isdigit() and len(text) <= 9 else None
