"""A chip on a virtual reader: the card's side of the protocol of vsmartcard's vpcd.

vpcd is a driver of pcscd that listens on TCP, one port per slot (35963, 35964). Every message is a 16-bit
big-endian length and that many bytes. One byte is a control: 00 power off, 01 power on, 02 reset, none of
them answered, and 04, answered with the ATR, by which vpcd also checks whether a card is present. Longer
messages are APDUs, answered with the reply. Closing the connection removes the card. A chip that loses its
power does so too, and connects again when it is found again.
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
from simulators.passport.chip.faults import CardRemovedError, FieldLostError

DEFAULT_PORT = 35963


class VpcdSlot:
    """A slot of a virtual reader. Leaving its context removes its chip."""

    def __init__(self, host: str = "127.0.0.1", port: int = DEFAULT_PORT) -> None:
        self.host, self.port = host, port
        self.inserted = 0
        """Number of chips inserted."""
        self._serving: asyncio.Task[None] | None = None
        self._writer: asyncio.StreamWriter | None = None
        self.on_removed: Callable[[], None] | None = None
        """Called when a chip is removed, by either side."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.remove()

    @property
    def is_occupied(self) -> bool:
        """True if a chip is in the field."""
        return self._serving is not None and not self._serving.done()

    async def insert(self, chip: Chip) -> None:
        """Put a chip on the reader; raise SimulatorError if it is occupied or no vpcd listens."""
        if self.is_occupied:
            raise SimulatorError(f"{self.host}:{self.port}: a chip is there already; remove it first")
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
        self._serving = asyncio.create_task(self._lie(chip, reader, writer), name=f"vpcd {self.port}")

    async def remove(self) -> None:
        """Remove the chip, if there is one."""
        serving, self._serving = self._serving, None
        writer, self._writer = self._writer, None
        if serving is None or writer is None:
            return
        serving.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await serving
        # A task cancelled before it first ran has not closed its socket.
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()

    async def wait_removed(self) -> None:
        """Wait until the chip is removed: by a test, by a fault, or because vpcd disconnected."""
        if self._serving is not None:
            await asyncio.wait([self._serving])

    async def _lie(self, chip: Chip, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve the chip until it is removed; one that loses its power is found again."""
        try:
            while (lost := await serve(chip, reader, writer)) is not None:
                await asyncio.sleep(lost.for_s)
                reader, writer = await self._found_again()
                self._writer = writer
        finally:
            if self.on_removed is not None:
                self.on_removed()

    async def _found_again(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Connect again: vpcd keeps its port closed until it has polled the empty slot."""
        while True:
            try:
                return await asyncio.open_connection(self.host, self.port)
            except OSError:
                await asyncio.sleep(0.02)


async def serve(
    chip: Chip, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> FieldLostError | None:
    """Answer until the end of the connection; return the loss of power that ended it, or None."""
    try:
        while True:
            # vpcd sends length and message apart, and its second packet waits for our acknowledgement of
            # the first: without this, 40 ms every time. The kernel clears the option: set it again.
            _acknowledge_at_once(writer)
            size = int.from_bytes(await reader.readexactly(2), "big")
            reply = await _reply(chip, await reader.readexactly(size))
            if reply is not None:
                writer.write(len(reply).to_bytes(2, "big") + reply)
                await writer.drain()
    except FieldLostError as lost:
        return lost
    except (CardRemovedError, asyncio.IncompleteReadError, ConnectionError):
        return None  # the card is removed, whichever side closed the connection
    finally:
        # `remove` waits for the end of it: a wait that is cancelled cancels every later one too.
        writer.close()


def _acknowledge_at_once(writer: asyncio.StreamWriter) -> None:
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)


async def _reply(chip: Chip, message: bytes) -> bytes | None:
    """Return the answer; None for messages without one."""
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
