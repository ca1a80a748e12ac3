"""Common behaviour of simulated readers of machine readable zones: reads, lines, faults."""

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
    """Counters of a reader since it was built."""

    documents_presented: int = 0
    documents_sent: int = 0
    """Frames of a read that a host received completely, faulty ones included."""
    faults: int = 0


def lines_of(document: Document | Sequence[str]) -> tuple[str, ...]:
    """Return the lines of a document, or lines chosen by a test."""
    return document.lines if isinstance(document, Document) else tuple(document)


class MrzReader(ABC):
    """A reader on a serial line. One-way readers only define how they frame lines."""

    has_frame_check = False
    """True if a frame of this reader ends in a check byte of its own."""

    def __init__(self, line: SerialLine) -> None:
        self.line = line
        self.line.on_received = self.on_received
        self.counters = Counters()
        self.faults = PendingFaults()
        self._mute_until = 0.0
        self._resets = 0

    @abstractmethod
    def frame(self, lines: Sequence[str]) -> bytes:
        """Return the bytes this reader sends for these lines; without lines, its report of an empty read."""

    def on_received(self, data: bytes) -> None:  # noqa: B027 - most readers do not listen
        """Handle bytes from the host; a one-way reader ignores them."""

    async def present(self, document: Document | Sequence[str]) -> bool:
        """Read a document. Returns whether a host received the whole frame, faulty or not."""
        self.counters.documents_presented += 1
        return await self.transmit(lines_of(document))

    def remove(self) -> None:  # noqa: B027 - most readers have no slot
        """Remove the document; only readers with a slot detect it."""

    async def inject(self, fault: Fault) -> None:
        """Inject a fault, which applies now or to the next reads, depending on its kind.

        Raises SimulatorError for a fault this reader cannot have.
        """
        if isinstance(fault, WrongFrameCheck) and not self.has_frame_check:
            raise SimulatorError(f"{type(self).__name__}: wrong-frame-check: its frames have no check byte")
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

    def clear_faults(self) -> None:
        """Discard pending faults, end lasting ones, and plug in the cable."""
        self.faults.clear()
        self._mute_until = 0.0
        self.line.replug()

    def reset(self) -> None:
        """Clear the faults, remove the document, and send no more of earlier reads."""
        self.clear_faults()
        self.remove()
        self._resets += 1
        self.line.end_output()

    async def transmit(self, lines: tuple[str, ...]) -> bool:
        """Send the lines with the faults that are due."""
        faults = self.faults.take()
        for fault in faults:
            lines = fault.lines(lines)
        sent = Transmission(self.frame(lines))
        for fault in faults:
            sent = fault.frame(sent)
        resets = self._resets
        await asyncio.sleep(sent.delay_s)
        if sent.is_suppressed or resets != self._resets:
            return False
        received = await self.send(sent.data, chunk=sent.chunk, every_s=sent.every_s)
        if sent.then_unplug:
            # A pulled cable discards unread bytes; the host must have those before the cut.
            await self.line.wait_drained()
            self.line.unplug(sent.unplug_for_s)
        self.counters.documents_sent += received
        return received

    async def send(self, data: bytes, *, chunk: int | None = None, every_s: float = 0.0) -> bool:
        """Send bytes, unless the reader is silent."""
        if asyncio.get_running_loop().time() < self._mute_until:
            return False
        return await self.line.send(data, chunk=chunk, every_s=every_s)
