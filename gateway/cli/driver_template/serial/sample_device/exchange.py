"""Messages of the Sample device on its line: received ones, and requests with their answers."""

import asyncio
from collections import deque
from collections.abc import Iterator

from drivers.driver import BadFrame, Identity
from drivers.links.framing import CompleteFrame, DamagedFrame, Frame
from drivers.links.link import Action, Cause, LinkError
from drivers.links.serial import SerialLink

from sample_device.frames import SampleDeviceFraming, encode

GAP_S = 0.5
"""Silence after which half a frame is given up, in seconds."""
LATE_S = 0.01
"""Time of a second look, in seconds: a process that was stalled finds the gap over and bytes waiting."""


class Exchange:
    """One open line. One task receives; what it has received, a cancelled call does not lose."""

    def __init__(self, link: SerialLink, timeout_s: float) -> None:
        """`timeout_s`: time limit of an answer, in seconds."""
        self.link = link
        self.timeout_s = timeout_s
        self._framing = SampleDeviceFraming()
        self._waiting: deque[Frame] = deque()

    async def receive(self) -> CompleteFrame | BadFrame:
        """Wait for the next message; raises LinkError when the device is unplugged."""
        while not self._waiting:
            self._waiting.extend(await self._read())
        match self._waiting.popleft():
            case DamagedFrame(fault, wire):
                return BadFrame(fault, wire)
            case CompleteFrame() as message:
                return message

    async def _read(self) -> Iterator[Frame]:
        for wait_s in (GAP_S, LATE_S):
            try:
                async with asyncio.timeout(wait_s if self._framing.has_pending else None):
                    return self._framing.feed(await self.link.read())
            except TimeoutError:
                continue
        return self._framing.on_silence()

    async def ask(self, kind: bytes, payload: bytes = b"", *, answers: tuple[bytes, ...]) -> bytes:
        """Send a request once, and receive until one of its answers comes; return that with its kind.

        Messages before the answer are dropped. Raises LinkError.
        """
        await self.link.write(encode(kind, payload))
        try:
            async with asyncio.timeout(self.timeout_s):
                while True:
                    message = await self.receive()
                    if isinstance(message, CompleteFrame) and message.payload[:1] in answers:
                        return message.payload
        except TimeoutError:
            raise self.no_answer() from None

    async def identify(self) -> Identity:
        """Ask the device for its identity; raises LinkError."""
        stated = (await self.ask(b"?", answers=(b"I",)))[1:].decode("ascii", "replace")
        model, serial_number, firmware, *_ = (*stated.split(";"), "", "", "")
        return Identity(model=model, serial_number=serial_number or None, firmware=firmware or None)

    def no_answer(self) -> LinkError:
        """Return the error of a device that does not answer."""
        return LinkError(
            Cause.NO_RESPONSE,
            f"The device does not answer within {self.timeout_s:g} seconds.",
            Action.REPLUG,
            "Unplug the device, wait five seconds and plug it in again; check `port` and `baud`.",
        )
