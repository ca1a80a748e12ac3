"""Numato's USB relay modules: text commands, an echo, a prompt.

Source: the maker's pages, as the protocol sheet has them (2b), and the expectations of public client
programs. A command ends in CR; the response is the command, LF CR, the answer and LF CR if there is one, and
``>``. The echo comes here when the command is complete, not letter by letter. Relays are numbered 0 to 9,
then A, B and so on; an unknown command is only echoed. An input reads 1 while its circuit is closed.
"""

import re
from collections.abc import Iterator
from typing import ClassVar

from simulators.barrier.boards.serial_board import Command, SerialBoard
from simulators.barrier.timeline import Timeline
from simulators.barrier.wirelog import Effect, WireLog

NUMBERS = "0123456789ABCDEFGHIJKLMNOPQRSTUV"
NEWLINE = b"\n\r"
PROMPT = b">"
LONGEST = 64


class Numato(SerialBoard):
    """A module with 1 to 32 relays and some inputs, called GPIO."""

    model: ClassVar[str] = "numato"

    def __init__(self, relays: int, inputs: int, timeline: Timeline, log: WireLog) -> None:
        super().__init__(relays, inputs, timeline, log)
        self.identifier = "SIM00001"

    def feed(self, data: bytes) -> Iterator[Command]:
        """See `SerialBoard`."""
        self._partial += data
        while b"\r" in self._partial:
            line, _, self._partial = self._partial.partition(b"\r")
            yield self._command(line + b"\r", line.strip(b"\n").decode("latin-1"))
        if len(self._partial) > LONGEST:
            noise, self._partial = self._partial, b""
            yield Command(noise, Effect.NONE, "no command", None)

    def _command(self, wire: bytes, text: str) -> Command:
        if switched := re.fullmatch(r"relay (on|off) (\w)", text):
            relay = self._relay(switched[2])
            if relay is not None:
                return self.switch(wire, {relay: switched[1] == "on"}, self._answer(text))
        if (written := re.fullmatch(r"relay writeall ([0-9a-fA-F]+)", text)) and len(
            written[1]
        ) == self._digits:
            bits = int(written[1], 16)
            states = {relay: bool(bits >> relay & 1) for relay in range(len(self.relays))}
            return self.switch(wire, states, self._answer(text))
        if text == "reset":
            return self.switch(wire, dict.fromkeys(range(len(self.relays)), False), self._answer(text))
        if named := re.fullmatch(r"id set (.{8})", text):
            return Command(wire, Effect.CONFIGURE, "id set", lambda _number: self._rename(text, named[1]))
        answer = self._read(text)
        meaning = "no command" if answer is None and text else text or "empty line"
        return Command(wire, Effect.NONE, meaning, lambda _number: self._answer(text, self._read(text)))

    def _read(self, text: str) -> str | None:
        """Return the answer to a read command; None for other text."""
        match text.split(" "):
            case ["ver"]:
                return "00000008"
            case ["id", "get"]:
                return self.identifier
            case ["relay", "readall"]:
                bits = sum(on << relay for relay, on in enumerate(self.relays.coils))
                return f"{bits:0{self._digits}x}"
            case ["relay", "read", number] if (relay := self._relay(number)) is not None:
                return "on" if self.relays.coils[relay] else "off"
            case ["gpio", "read", number] if number in NUMBERS[: self.inputs] and len(number) == 1:
                return str(int(self.sense(NUMBERS.index(number))))
        return None

    def _rename(self, text: str, identifier: str) -> bytes:
        self.identifier = identifier
        return self._answer(text)

    def _relay(self, number: str) -> int | None:
        known = NUMBERS[: len(self.relays)]
        return known.index(number) if number and number in known and len(number) == 1 else None

    @property
    def _digits(self) -> int:
        return (len(self.relays) + 3) // 4

    def _answer(self, text: str, answer: str | None = None) -> bytes:
        response = answer.encode("latin-1") + NEWLINE if answer is not None else b""
        return text.encode("latin-1") + NEWLINE + response + PROMPT
