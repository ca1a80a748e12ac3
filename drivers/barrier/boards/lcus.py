"""LCUS USB relay boards: commands of four bytes, without a response.

Source: LC Technology's sheets of LCUS-1 to LCUS-8, as public programs follow them: 9600 8N1, ``A0 channel
operation sum``, channels counted from 1, operation 1 on and 0 off, the sum that of the first three bytes
modulo 256. It neither acknowledges nor reports its relays, and it has no mechanism that ends a pulse: a
barrier may be wired to it only where another board reads its position and a time relay opens its contacts.
A lost frame cannot be noticed, so the frame that opens a relay is repeated at every poll, and so is the one
that closes the contact of a stop or a reopening, for as long as its pulse lasts. The frame of a movement is
written once.
"""

import asyncio
from collections.abc import Callable
from typing import ClassVar, Literal

from pydantic import Field

from drivers.barrier.board import BoardLate, BoardSettings
from drivers.barrier.boards.host_timed import HostTimedBoard
from drivers.barrier.boards.time_relay import TimeRelaySettings
from drivers.driver import Identity
from drivers.links.factory import LinkFactory
from drivers.links.link import Action, Cause, LinkError
from drivers.links.request_queue import RequestQueue
from drivers.links.serial import SerialLink, SerialSettings

WRITE_TIMEOUT_S = 0.1
START = 0xA0
TOGETHER_S = 0.02
"""Time within which urgent pulses belong together, as the stops of two doors do, in seconds."""


def _allow() -> None:
    """Allow the command."""


def frame(relay: int, closed: bool) -> bytes:
    """Return a command; relays are counted from 0 here."""
    body = bytes([START, relay + 1, closed])
    return body + bytes([sum(body) & 0xFF])


class LcusSettings(SerialSettings, TimeRelaySettings, BoardSettings):
    """An LCUS board."""

    reads_relays: ClassVar[bool] = False

    model: Literal["lcus"] = Field(description="Model of the board.")
    relays: int = Field(description="Number of relays.", ge=1, le=8, examples=[4])

    def build(self, links: LinkFactory) -> "LcusBoard":
        """Build the board, not opened yet."""
        return LcusBoard(self, links)


class LcusBoard(HostTimedBoard):
    """The board. See `Board`."""

    inputs = 0
    response_timeout_s = WRITE_TIMEOUT_S

    def __init__(self, settings: LcusSettings, links: LinkFactory) -> None:
        super().__init__()
        self.settings = settings
        self.links = links
        self.relays = settings.relays
        self.pulse_end = settings.pulse_end
        self.release_timeout_s = settings.release_timeout_s
        self.answer_time_s = 0.0
        self._told = [False] * settings.relays
        self._pulsed: set[int] = set()
        """Relays that this driver has closed since it opened the port."""
        self._repeated: dict[int, float] = {}
        """Relays in an urgent pulse, which are closed again at every poll, and the start of their pulses.

        A later urgent pulse ends that of earlier ones, because it may be the stop of what they have begun.
        """
        self._requests: RequestQueue
        self._link: SerialLink

    async def open(self) -> Identity:
        """Open the port and all relays: the board cannot be read, so their states are unknown."""
        self._link = await self.links.serial(self.settings)
        self._requests = await self.links.request_queue()
        await self._repeat_release()
        usb = self._link.usb
        return Identity(model=f"LCUS-{self.relays}", serial_number=usb and usb.serial_number)

    async def read_inputs(self) -> tuple[bool, ...]:
        """Return no inputs; raises LinkError when the board has been unplugged."""
        self._raise_if_stuck()
        _ = self._link.unsent_bytes  # fails on a port that is gone; the board sends nothing to wait for
        return ()

    async def read_relays(self) -> tuple[bool, ...]:
        """Return the last commanded states: the board cannot be read.

        Opens again each relay that was opened after a pulse, and closes again each one in an urgent pulse:
        the frame before may be lost, unnoticed.
        """
        await self.read_inputs()
        for relay in sorted(self._repeated):
            await self._requests.submit(lambda relay=relay: self._close_again(relay), urgent=True)  # type: ignore[misc]
        for relay in self._pulsed - self._closed_by_us:
            await self._requests.submit(lambda relay=relay: self._open_again(relay), urgent=False)  # type: ignore[misc]
        return tuple(self._told)

    async def _open_again(self, relay: int) -> None:
        if relay not in self._closed_by_us:  # a pulse may have come while this waited
            await self._send(relay, False, _allow)

    async def _close_again(self, relay: int) -> None:
        if relay in self._repeated:  # its pulse may have ended while this waited
            await self._send(relay, True, _allow)

    async def close(self) -> None:
        """Implement `Board.close`."""
        await self._open_on_close()

    async def _switch_relay(
        self, relay: int, closed: bool, *, urgent: bool, before_write: Callable[[], None]
    ) -> None:
        def check() -> None:
            if not urgent and self._link.unsent_bytes:
                raise BoardLate("Earlier commands still wait on the line: nothing was sent.")
            before_write()
            if closed:
                self._pulsed.add(relay)
                if urgent:
                    self._repeat(relay)

        self._repeated.pop(relay, None)
        await self._requests.submit(lambda: self._send(relay, closed, check), urgent=urgent)

    def _repeat(self, relay: int) -> None:
        now_s = asyncio.get_running_loop().time()
        since_s = now_s - TOGETHER_S
        self._repeated = {one: at_s for one, at_s in self._repeated.items() if at_s >= since_s}
        self._repeated[relay] = now_s

    async def _open_all(self) -> None:
        self._repeated.clear()
        for relay in range(self.relays):
            await self._requests.submit(lambda relay=relay: self._send(relay, False, _allow), urgent=True)  # type: ignore[misc]

    async def _send(self, relay: int, closed: bool, before_write: Callable[[], None]) -> None:
        """Send a command; return when the kernel has sent it. Raises LinkError."""
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        before_write()
        try:
            async with asyncio.timeout(WRITE_TIMEOUT_S):
                await self._link.write(frame(relay, closed))
                await self._link.drain()
        except TimeoutError:
            self._link.discard_output()
            self.answer_time_s = WRITE_TIMEOUT_S
            raise LinkError(
                Cause.NO_RESPONSE,
                f"The port {self.settings.port} did not send a command within {WRITE_TIMEOUT_S:g} seconds.",
                Action.REPLUG,
                "Unplug the board, wait five seconds, plug it in again.",
            ) from None
        self._told[relay] = closed
        self.answer_time_s = loop.time() - began_s
