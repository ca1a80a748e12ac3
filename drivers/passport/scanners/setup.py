"""Setup of a scanner: commands, their answers, and the error of a refused command."""

import asyncio
import re
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from drivers.driver import Identity
from drivers.links.link import Action, Cause, LinkError
from drivers.links.serial import SerialLink

ACK, ENQ = b"\x06", b"\x05"
STATUS = rb"[\x05\x06\x15]"
"""ENQ: no such command. ACK: done. NAK: no such value."""
LONGEST_REPLY_BYTES = 600
"""Upper bound on an answer without a text before it, in bytes."""
_KEPT_BYTES = 8192


@dataclass(frozen=True, slots=True)
class SetupReply:
    """A scanner's answer to one command."""

    status: bytes
    text: str
    """Text of the answer."""


class CommandSet(ABC):
    """Commands of one vendor's scanners. Their settings are lost without power."""

    setup: ClassVar[tuple[str, ...]] = ()
    """Commands that make the scanner read documents, and nothing else."""
    presentation_setup: ClassVar[tuple[str, ...]]
    """Commands for continuous scanning."""
    triggered_setup: ClassVar[tuple[str, ...]]
    """Commands that make the scanner wait for `trigger`."""
    trigger: ClassVar[bytes]
    """Command to scan until a document is read, until `release`, or until the scanner's own time limit."""
    release: ClassVar[bytes]
    trigger_names: ClassVar[tuple[str, ...]] = ()
    """Names of both triggers in answers, when they are answered."""

    @abstractmethod
    def encode_command(self, command: str) -> bytes:
        """Encode a command."""

    @abstractmethod
    def reply_pattern(self, command: str) -> re.Pattern[bytes]:
        """Match the answer to that command: group `status`, and `text` unless the text precedes the answer.

        A match has at most LONGEST_REPLY_BYTES, and begins with a fixed text.
        """

    @abstractmethod
    async def identity(self, exchange: "CommandExchange") -> Identity | None:
        """Request the identity; None without an answer."""


class ReplySearch:
    """Search for the answer to one command in bytes that arrive in any chunks."""

    def __init__(self, command_set: CommandSet, command: str) -> None:
        self._pattern = command_set.reply_pattern(command)
        self._received = bytearray()

    def feed(self, chunk: bytes) -> SetupReply | None:
        """Take a chunk; return the answer once it is complete. Of earlier bytes, _KEPT_BYTES are kept."""
        search_from = max(0, len(self._received) - LONGEST_REPLY_BYTES)
        self._received += chunk
        found = self._pattern.search(self._received, search_from)
        if found is None:
            del self._received[:-_KEPT_BYTES]
            return None
        text = found["text"] if "text" in self._pattern.groupindex else self._received[: found.start()]
        return SetupReply(found["status"], text[-_KEPT_BYTES:].decode("ascii", "replace").strip())


class CommandExchange:
    """Exchange of commands with one scanner, with a timeout for each answer."""

    def __init__(self, link: SerialLink, command_set: CommandSet, timeout_s: float) -> None:
        self._link = link
        self._command_set = command_set
        self._timeout_s = timeout_s

    async def __call__(self, command: str) -> SetupReply | None:
        """Send a command and return its answer, or None after the timeout.

        Other received bytes are discarded.
        """
        search = ReplySearch(self._command_set, command)
        await self._link.write(self._command_set.encode_command(command))
        try:
            async with asyncio.timeout(self._timeout_s):
                while True:
                    if (reply := search.feed(await self._link.read())) is not None:
                        return reply
        except TimeoutError:
            return None


async def configure(exchange: CommandExchange, commands: tuple[str, ...]) -> None:
    """Send commands one after the other; raises LinkError when one is refused.

    A scanner that does not answer is used nevertheless: some are configured not to answer.
    """
    for command in commands:
        reply = await exchange(command)
        if reply is not None and reply.status != ACK:
            raise refused_error(command, reply.status)


def refused_error(command: str, status: bytes) -> LinkError:
    """Build the error of a refused command, with its remedy."""
    why = "does not support" if status == ENQ else "refuses"
    return LinkError(
        Cause.WRONG_DEVICE,
        f"The scanner {why} the command {command}.",
        Action.CONFIGURE,
        "Check `model`, and that this scanner is made or licensed to read OCR-B;"
        " or set `setup` to commands that it supports.",
    )
