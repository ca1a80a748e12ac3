r"""Elyctis ID BOX: a reader with a slot that answers commands and can read continuously.

Wire format, *Scanner Command Set* 1.7 and the vendor's web-serial demonstrations: both ways ``CMD LEN_hi
LEN_lo DATA``, without start byte, terminator or checksum. A host that has lost synchronization sends one
``00`` and discards input for 500 ms.

Continuous mode (command 43) has a trap. It reads a document once, when it is inserted, and switches itself
off; and it does not read a document again that is still in the slot until the host has switched the mode off
and on. A driver that only switches it on gets one document and then nothing.

The available excerpts are incomplete. Our choices: a zone always has three line ends (the demonstration's
``L1\r\nL2\r\n\r\n`` and the empty read ``49 00 03 0D 0D 0D`` both do); the one-line command returns the lines
joined with one line end; unknown or malformed commands get no answer; an incomplete command is discarded
after 500 ms of silence.
"""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Literal

from simulators.links.serial_line import SerialLine
from simulators.mrz import Document
from simulators.passport.reader import MrzReader, lines_of

PARTIAL_TIMEOUT_S = 0.5


class Command(IntEnum):
    """The command bytes."""

    FLUSH = 0x00
    CONTINUOUS = 0x43
    INQUIRE = 0x49
    INQUIRE_LINE = 0x4C
    SERIAL_NUMBER = 0x52
    PRODUCT = 0x54
    FIRMWARE = 0x56
    NET = 0x57
    """Version of the network for character recognition ("NNA")."""


@dataclass(frozen=True, slots=True)
class Nameplate:
    """Identification of the reader."""

    serial_number: str = "SIM0001"
    product: str = "ID BOX One SIM"
    firmware: str = "OCR 1.07 SIM"
    net: str = "NNA 1.02 SIM"


def message(command: int, data: bytes = b"") -> bytes:
    """Return a command or an answer: command, length in two bytes (high first), data."""
    return bytes([command]) + len(data).to_bytes(2, "big") + data


def inquire_answer(lines: Sequence[str], line_end: bytes = b"\r") -> bytes:
    """Return the zone, in any number of lines but always with three line ends. Without lines: no document."""
    ends = max(3 - len(lines), 0)
    text = b"".join(line.encode("ascii") + line_end for line in lines)
    return message(Command.INQUIRE, text + line_end * ends)


def inquire_line_answer(lines: Sequence[str], line_end: bytes = b"\r") -> bytes:
    """Return the zone as a single line."""
    return message(Command.INQUIRE_LINE, "".join(lines).encode("ascii") + line_end)


class Elyctis(MrzReader):
    """An ID BOX with its slot."""

    def __init__(
        self,
        line: SerialLine,
        *,
        nameplate: Nameplate | None = None,
        line_end: Literal["cr", "crlf"] = "cr",
    ) -> None:
        super().__init__(line)
        self.nameplate = nameplate or Nameplate()
        self.line_end = b"\r\n" if line_end == "crlf" else b"\r"
        self.continuous = False
        self._inserted: tuple[str, ...] = ()
        self._read_already = False
        self._partial = b""
        self._last_byte_at = 0.0

    @property
    def document_inserted(self) -> bool:
        """True if a document is in the slot."""
        return bool(self._inserted)

    def frame(self, lines: Sequence[str]) -> bytes:
        """See `inquire_answer`."""
        return inquire_answer(lines, self.line_end)

    async def present(self, document: Document | Sequence[str]) -> bool:
        """Put a document into the slot; it stays until `remove`.

        Returns whether it was read at once, which needs continuous mode and a host. Otherwise the host gets
        it on request.
        """
        self.counters.documents_presented += 1
        self._inserted = lines_of(document)
        self._read_already = False
        return await self._read_if_armed()

    def remove(self) -> None:
        """Take the document out of the slot."""
        self._inserted = ()
        self._read_already = False

    def on_received(self, data: bytes) -> None:
        """Handle bytes from the host: execute complete commands in order."""
        now = asyncio.get_running_loop().time()
        if now - self._last_byte_at > PARTIAL_TIMEOUT_S:
            self._partial = b""
        self._last_byte_at = now
        self._partial += data
        for command, argument in self._commands():
            self.line.call_soon(self._execute(command, argument))

    def _commands(self) -> Iterator[tuple[int, bytes]]:
        while self._partial:
            if self._partial[0] == Command.FLUSH:
                self._partial = self._partial[1:]
                continue
            end = 3 + int.from_bytes(self._partial[1:3], "big")
            if len(self._partial) < 3 or len(self._partial) < end:
                return
            command, argument = self._partial[0], self._partial[3:end]
            self._partial = self._partial[end:]
            yield command, argument

    async def _execute(self, command: int, argument: bytes) -> None:
        match command, argument:
            case Command.INQUIRE, b"" if self._inserted:
                await self.transmit(self._inserted)
            case Command.INQUIRE, b"":
                await self.send(self.frame(()))
            case Command.INQUIRE_LINE, b"":
                await self.send(inquire_line_answer(self._inserted, self.line_end))
            case Command.CONTINUOUS, b"\x00":
                self.continuous = self._read_already = False
                await self.send(message(command, argument))
            case Command.CONTINUOUS, b"\x01":
                self.continuous = True
                await self.send(message(command, argument))
                await self._read_if_armed()
            case Command.SERIAL_NUMBER, b"":
                await self._answer_inquiry(command, self.nameplate.serial_number)
            case Command.PRODUCT, b"":
                await self._answer_inquiry(command, self.nameplate.product)
            case Command.FIRMWARE, b"":
                await self._answer_inquiry(command, self.nameplate.firmware)
            case Command.NET, b"":
                await self._answer_inquiry(command, self.nameplate.net)

    async def _answer_inquiry(self, command: int, text: str) -> None:
        await self.send(message(command, text.encode("ascii")))

    async def _read_if_armed(self) -> bool:
        if not self.continuous or not self._inserted or self._read_already:
            return False
        self.continuous = False
        self._read_already = True
        return await self.transmit(self._inserted)
