"""What every simulated reader of machine readable zones does: read a document, say its lines, go wrong."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

from simulators.errors import SimulatorError
from simulators.faults import (
    Fault,
    NoDocument,
    Noise,
    PendingFaults,
    ReadFault,
    Silence,
    Transmission,
    Unplug,
    WrongFrameCheck,
)
from simulators.links.serial_line import SerialLine
from simulators.mrz import Document


@dataclass(slots=True)
class Counters:
    """What a reader has done since it was built."""

    documents_presented: int = 0
    documents_sent: int = 0
    """Frames of a read that a host took whole, spoiled ones included."""
    faults: int = 0


def lines_of(document: Document | Sequence[str]) -> tuple[str, ...]:
    """The lines to read, of a document or of whatever a test wants read."""
    return document.lines if isinstance(document, Document) else tuple(document)


class MrzReader(ABC):
    """A reader on a serial line. One-way readers need only say how they frame lines."""

    has_frame_check = False
    """Whether a frame of this reader ends in a check byte of its own."""

    def __init__(self, line: SerialLine) -> None:
        self.line = line
        self.line.on_received = self.on_received
        self.counters = Counters()
        self.faults = PendingFaults()
        self._mute_until = 0.0

    @abstractmethod
    def frame(self, lines: Sequence[str]) -> bytes:
        """The bytes this reader sends for these lines; for none, how it reports that it read nothing."""

    def on_received(self, data: bytes) -> None:  # noqa: B027 - most readers do not listen
        """Bytes from the host; a one-way reader ignores them."""

    async def present(self, document: Document | Sequence[str]) -> bool:
        """Have a document read. Returns whether a host took the whole frame, spoiled or not."""
        self.counters.documents_presented += 1
        return await self.transmit(lines_of(document))

    def remove(self) -> None:  # noqa: B027 - most readers have no slot
        """Take the document away; only readers with a slot notice."""

    async def inject(self, fault: Fault) -> None:
        """Let something go wrong, now or at the next reads, as its kind is.

        Raises SimulatorError for a fault this reader cannot have.
        """
        if isinstance(fault, WrongFrameCheck) and not self.has_frame_check:
            raise SimulatorError(f"{type(self).__name__}: wrong-frame-check: its frames carry no check byte")
        self.counters.faults += 1
        match fault:
            case Unplug():
                self.line.unplug(fault.for_s)
            case Noise():
                await self.send(fault.data)
            case NoDocument():
                await self.send(self.frame(()))
            case Silence(for_s=float(for_s)):
                self._mute_until = asyncio.get_running_loop().time() + for_s
            case ReadFault():
                self.faults.add(fault)

    async def transmit(self, lines: tuple[str, ...]) -> bool:
        """Say what was read, with the faults that are due."""
        faults = self.faults.take()
        for fault in faults:
            lines = fault.lines(lines)
        sent = Transmission(self.frame(lines))
        for fault in faults:
            sent = fault.frame(sent)
        await asyncio.sleep(sent.delay_s)
        if sent.is_suppressed:
            return False
        heard = await self.send(sent.data, chunk=sent.chunk, every_s=sent.every_s)
        if sent.then_unplug:
            # A pulled cable takes unread bytes with it; the host is to have had those before the cut.
            await self.line.wait_drained()
            self.line.unplug(sent.unplug_for_s)
        self.counters.documents_sent += heard
        return heard

    async def send(self, data: bytes, *, chunk: int | None = None, every_s: float = 0.0) -> bool:
        """Send bytes, unless the reader has gone silent."""
        if asyncio.get_running_loop().time() < self._mute_until:
            return False
        return await self.line.send(data, chunk=chunk, every_s=every_s)
