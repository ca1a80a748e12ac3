"""LCUS relay boards: four bytes per command, and no answer.

Source: the maker's sheet, as the protocol sheet has it (2b): ``A0 channel operation sum``, channels counted
from 1, operation 1 on and 0 off, the sum of the first three bytes modulo 256. The reaction to a wrong sum is
not documented: here it is ignored.
"""

from collections.abc import Iterator
from typing import ClassVar

from simulators.barrier.boards.serial_board import Command, SerialBoard
from simulators.barrier.timeline import Timeline
from simulators.barrier.wirelog import Effect, WireLog

START = 0xA0
SIZE = 4


class Lcus(SerialBoard):
    """A board with 1 to 8 relays."""

    model: ClassVar[str] = "lcus"

    def __init__(self, relays: int, timeline: Timeline, log: WireLog) -> None:
        super().__init__(relays, 0, timeline, log)

    def feed(self, data: bytes) -> Iterator[Command]:
        """See `SerialBoard`."""
        self._partial += data
        while self._partial:
            start = self._partial.find(START)
            if start:
                end = len(self._partial) if start < 0 else start
                yield _nothing(self._partial[:end])
                self._partial = self._partial[end:]
            elif len(self._partial) < SIZE:
                return
            else:
                yield from self._frame()

    def _frame(self) -> Iterator[Command]:
        wire = self._partial[:SIZE]
        _, channel, operation, check = wire
        if check != sum(wire[:3]) & 0xFF:
            # The start byte may have been noise, and the next one may be the real one.
            self._partial = self._partial[1:]
            yield _nothing(wire[:1])
            return
        self._partial = self._partial[SIZE:]
        if 1 <= channel <= len(self.relays) and operation <= 1:
            yield self.switch(wire, {channel - 1: bool(operation)}, b"")
        else:
            yield Command(wire, Effect.NONE, f"channel {channel}, operation {operation}", lambda _number: b"")


def _nothing(wire: bytes) -> Command:
    return Command(wire, Effect.NONE, "no command", None)
