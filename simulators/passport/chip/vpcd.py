"""A chip on a virtual reader: the protocol of vsmartcard's vpcd, from the side of the card.

vpcd is a driver of pcscd that listens on TCP, a port a slot (35963, 35964). Every message is a 16-bit
big-endian length and so many bytes. One byte is a control: 00 power off, 01 power on, 02 reset, none of them
answered, and 04, answered with the ATR, by which vpcd also looks whether a card is there. Anything longer is
an APDU, answered with the reply. A closed connection is a card taken away.
"""

import asyncio
import contextlib
import socket
import sys
from collections.abc import Callable
from types import TracebackType
from typing import Self

from simulators.errors import SimulatorError
from simulators.passport.chip.chip import Chip
from simulators.passport.chip.faults import CardRemovedError

DEFAULT_PORT = 35963


class VpcdSlot:
    """A slot of a virtual reader. Leaving its context takes away what is in it."""

    def __init__(self, host: str = "127.0.0.1", port: int = DEFAULT_PORT) -> None:
        self.host, self.port = host, port
        self.inserted = 0
        """How many chips were laid on it."""
        self._serving: asyncio.Task[None] | None = None
        self._writer: asyncio.StreamWriter | None = None
        self.on_removed: Callable[[], None] | None = None
        """Called when a chip is gone, whoever took it."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.remove()

    @property
    def is_occupied(self) -> bool:
        """Whether a chip is in the field."""
        return self._serving is not None and not self._serving.done()

    async def insert(self, chip: Chip) -> None:
        """Lay a chip on the reader; SimulatorError where one lies there already or no vpcd listens."""
        if self.is_occupied:
            raise SimulatorError(f"{self.host}:{self.port}: a chip is there already; take it away first")
        await self.remove()
        try:
            reader, writer = await asyncio.open_connection(self.host, self.port)
        except OSError as error:
            raise SimulatorError(
                f"{self.host}:{self.port}: no vpcd listens there ({error}); is pcscd running with its reader?"
            ) from error
        chip.insert()
        self.inserted += 1
        self._writer = writer
        self._serving = asyncio.create_task(self._serve(chip, reader, writer), name=f"vpcd {self.port}")

    async def remove(self) -> None:
        """Take the chip away; nothing happens where there is none."""
        serving, self._serving = self._serving, None
        writer, self._writer = self._writer, None
        if serving is None or writer is None:
            return
        serving.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await serving
        # A task cancelled before it first ran has closed nothing.
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()

    async def wait_removed(self) -> None:
        """Wait until the chip is gone: taken away, by a fault, or because vpcd left."""
        if self._serving is not None:
            await asyncio.wait([self._serving])

    async def _serve(self, chip: Chip, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                # vpcd sends length and message apart, and its second packet waits for our acknowledgement of
                # the first: without this, 40 ms every time. The kernel forgets the option: set it again.
                _acknowledge_at_once(writer)
                size = int.from_bytes(await reader.readexactly(2), "big")
                reply = await _reply(chip, await reader.readexactly(size))
                if reply is not None:
                    writer.write(len(reply).to_bytes(2, "big") + reply)
                    await writer.drain()
        except (CardRemovedError, asyncio.IncompleteReadError, ConnectionError):
            pass  # whichever side it was, the card is away
        finally:
            # `remove` waits for the end of it: a wait that is cancelled cancels every later one too.
            writer.close()
            if self.on_removed is not None:
                self.on_removed()


def _acknowledge_at_once(writer: asyncio.StreamWriter) -> None:
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)


async def _reply(chip: Chip, message: bytes) -> bytes | None:
    """What to answer; None for what vpcd expects no answer to."""
    if len(message) > 1:
        answer = chip.answer(message)
        if answer.airtime_s:
            await asyncio.sleep(answer.airtime_s)
        return answer.reply
    match message[0] if message else None:
        case 0x04:
            if not chip.present:
                raise CardRemovedError
            return chip.atr
        case 0x00 | 0x01 | 0x02:
            chip.reset()
    return None
