"""Setting a scanner up: a command, its answer, and what it means when the scanner refuses."""

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
_KEPT_BYTES = 8192


@dataclass(frozen=True, slots=True)
class SetupReply:
    """A scanner's answer to one command."""

    status: bytes
    text: str
    """What a question was answered with."""


class CommandSet(ABC):
    """How the scanners of one maker are spoken to. What commands set is forgotten without power."""

    setup: ClassVar[tuple[str, ...]] = ()
    """What makes it read documents, and nothing else."""
    presentation_setup: ClassVar[tuple[str, ...]]
    """What makes it look for documents by itself."""
    triggered_setup: ClassVar[tuple[str, ...]]
    """What makes it wait for `trigger`."""
    trigger: ClassVar[bytes]
    """Look for a document, until one is read, until `release`, or until the scanner's own time limit."""
    release: ClassVar[bytes]
    trigger_names: ClassVar[tuple[str, ...]] = ()
    """What those two are called where they are answered."""

    @abstractmethod
    def encode_command(self, command: str) -> bytes:
        """The bytes of a command."""

    @abstractmethod
    def reply_pattern(self, command: str) -> re.Pattern[bytes]:
        """Match the answer to that command: groups `status` and `text`."""

    @abstractmethod
    async def identity(self, ask: "CommandExchange") -> Identity | None:
        """Who answers; None when nobody does."""


class CommandExchange:
    """Asks one scanner, and waits so many seconds for an answer."""

    def __init__(self, link: SerialLink, maker: CommandSet, answer_s: float) -> None:
        self._link = link
        self._maker = maker
        self._answer_s = answer_s

    async def __call__(self, command: str) -> SetupReply | None:
        """The answer, or None when none came. Whatever else comes meanwhile is lost: nobody watches yet."""
        pattern = self._maker.reply_pattern(command)
        heard = b""
        await self._link.write(self._maker.encode_command(command))
        try:
            async with asyncio.timeout(self._answer_s):
                while True:
                    heard = (heard + await self._link.read())[-_KEPT_BYTES:]
                    if found := pattern.search(heard):
                        return SetupReply(found["status"], found["text"].decode("ascii", "replace").strip())
        except TimeoutError:
            return None


async def configure(ask: CommandExchange, commands: tuple[str, ...]) -> None:
    """Send commands one after the other; raises LinkError when one is refused.

    A scanner that does not answer is used all the same: some are set not to.
    """
    for command in commands:
        reply = await ask(command)
        if reply is not None and reply.status != ACK:
            raise refused_error(command, reply.status)


def refused_error(command: str, status: bytes) -> LinkError:
    """What a technician should know about a command that the scanner does not obey."""
    why = "does not know" if status == ENQ else "refuses"
    return LinkError(
        Cause.WRONG_DEVICE,
        f"The scanner {why} the command {command}.",
        Action.CONFIGURE,
        "Check `model`, and that this scanner is made or licensed to read OCR-B;"
        " or set `setup` to the commands that it knows.",
    )
