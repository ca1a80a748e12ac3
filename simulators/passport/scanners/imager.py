"""Common behaviour of scanners with commands: settings, a trigger, and a document in view."""

import asyncio
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from enum import Enum
from typing import ClassVar

from simulators.errors import SimulatorError
from simulators.faults import Fault, Unplug
from simulators.links.serial_line import SerialLine
from simulators.mrz import Document
from simulators.passport.reader import MrzReader, lines_of
from simulators.passport.scanners.faults import CommandRefused
from simulators.passport.text import LineEnd, text_frame

NAME_LENGTH = 6
"""Length of tag and subtag, three characters each; the value follows."""


class Status(Enum):
    """Result of a command."""

    ACK = b"\x06"
    NAK = b"\x15"
    ENQ = b"\x05"
    SILENCE = b""


class CommandedImager(MrzReader):
    """A scanner with settings. It reads the document in view in presentation mode, or once when triggered.

    Settings are volatile: after the cable was pulled they have their values of `factory_settings`.
    """

    factory_settings: ClassVar[Mapping[str, str]]
    """Every known setting and its value at the factory."""
    values: ClassVar[Mapping[str, str]]
    """Characters allowed as value of each setting."""

    def __init__(
        self, line: SerialLine, *, line_end: LineEnd = LineEnd.CR, suffix: bytes | None = None
    ) -> None:
        super().__init__(line)
        self.line_end = line_end
        self.suffix = suffix
        self.commands_received: list[str] = []
        """Received commands in order."""
        self.refused: dict[str, Status] = {}
        """Refused commands and the answer to each."""
        self._power_up()

    def _power_up(self) -> None:
        self.settings = dict(self.factory_settings)
        self.triggered = False
        self._in_view: tuple[str, ...] = ()
        self._partial = b""

    @property
    @abstractmethod
    def is_presentation_mode(self) -> bool:
        """True if it looks for documents without a trigger."""

    @property
    def reads_documents(self) -> bool:
        """True if it is configured to read zones."""
        return True

    @abstractmethod
    def parse_commands(self) -> None:
        """Execute the complete commands in `_partial`."""

    def frame(self, lines: Sequence[str]) -> bytes:
        """See `text_frame`."""
        return text_frame(lines, self.line_end, self.suffix)

    def on_received(self, data: bytes) -> None:
        """Handle bytes from the host."""
        self._partial += data
        self.parse_commands()

    async def present(self, document: Document | Sequence[str]) -> bool:
        """Present a document; it stays in view until `remove`, or until it has been read.

        Returns whether it was read at once.
        """
        self.counters.documents_presented += 1
        self._in_view = lines_of(document)
        return await self._look() if self.is_presentation_mode or self.triggered else False

    def remove(self) -> None:
        """Remove the document."""
        self._in_view = ()

    async def inject(self, fault: Fault) -> None:
        """See `MrzReader.inject`; `CommandRefused` is only for these scanners."""
        if isinstance(fault, CommandRefused):
            if fault.command not in self.factory_settings:
                raise SimulatorError(f"refuse: {type(self).__name__} has no command {fault.command}")
            self.counters.faults += 1
            self.refused[fault.command] = Status[fault.answer.upper()]
            return
        await super().inject(fault)
        if isinstance(fault, Unplug):
            self._power_up()

    async def transmit(self, lines: tuple[str, ...]) -> bool:
        """See `MrzReader.transmit`; an unplug resets the settings."""
        received = await super().transmit(lines)
        if not self.line.is_plugged:
            self._power_up()
        return received

    def pull_trigger(self) -> None:
        """Look until a document has been read, or until `release_trigger`."""
        self.triggered = True
        if self._in_view:
            self.line.call_soon(self._look())

    def release_trigger(self) -> None:
        """Stop looking."""
        self.triggered = False

    async def _look(self) -> bool:
        await asyncio.sleep(0)  # commands of the same bytes are executed first
        if not self._in_view or not self.reads_documents or not (self.is_presentation_mode or self.triggered):
            return False
        self.triggered = False
        return await self.transmit(self._in_view)

    def _set(self, command: str) -> Status:
        """Execute one command that changes a setting."""
        self.commands_received.append(command)
        name, value = command[:NAME_LENGTH], command[NAME_LENGTH:]
        if name in self.refused:
            return self.refused[name]
        if name not in self.factory_settings:
            return Status.ENQ
        if value not in tuple(self.values[name]):
            return Status.NAK
        self.settings[name] = value
        return Status.ACK
