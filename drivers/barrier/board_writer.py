"""Writes to the relays of a board: movements once, safe writes until the board has acknowledged them."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from drivers.barrier.board import Board, BoardLate, BoardRefused
from drivers.barrier.commands import RelayWrite, WriteOutcome
from drivers.barrier.control.actuation import RELEASE, Actuation, ActuationKind, Decision
from drivers.barrier.control.state_machine import BarrierStateMachine
from drivers.barrier.wiring import BarrierSettings
from drivers.command import CommandFailure, CommandRefusal, RefusalReason
from drivers.links.link import LinkError

RETRY_S = 0.02
"""Wait before an unacknowledged stop, release or reopening is written again, in seconds."""
LAST_WRITES_S = 0.5
"""Time after the loss of a link in which safe writes are repeated before it is closed, in seconds."""
MAX_WRITES_KEPT = 64
"""Number of recent writes that are kept for the record of a movement."""


@dataclass(slots=True)
class _Write:
    actuation: Actuation
    at_s: float
    outcome: WriteOutcome = WriteOutcome.PENDING


class BoardWriter:
    """Writer of one barrier. `publish` takes the decisions that follow from acknowledgements."""

    def __init__(
        self,
        board: Board,
        settings: BarrierSettings,
        machine: BarrierStateMachine,
        publish: Callable[[Decision], None],
    ) -> None:
        self._board = board
        self._settings = settings
        self._machine = machine
        self._publish = publish
        self._movements: set[asyncio.Task[None]] = set()
        """Writes of movements and reopenings that may still wait for the line."""
        self._safe_writes: set[asyncio.Task[None]] = set()
        """Stops, releases and reopenings that are being written."""
        self._recent: deque[_Write] = deque(maxlen=MAX_WRITES_KEPT)

    def writes_since(self, began_s: float) -> Iterator[RelayWrite]:
        """Yield the writes since then, for the record of a movement; `after_s` counts from then."""
        for write in self._recent:
            if write.at_s >= began_s:
                door = self._settings.doors[write.actuation.door]
                yield RelayWrite(
                    kind=write.actuation.kind.name.lower(),
                    door=door.name,
                    relay=write.actuation.relay(door),
                    after_s=round(write.at_s - began_s, 3),
                    outcome=write.outcome,
                )

    def withdraw_movements(self) -> None:
        """Withdraw the movements whose frames were not written yet."""
        for write in self._movements:
            write.cancel()

    async def move(self, actuation: Actuation, *, by_s: float) -> None:
        """Write the movement of a command, once, and not after `by_s` of the event loop.

        Raises CommandRefusal, CommandFailure and LinkError.
        """
        self._machine.on_writing(actuation, _now_s())
        write = asyncio.create_task(self._pulse(actuation, by_s=by_s), name="movement")
        self._movements.add(write)
        try:
            await asyncio.wait((write,))
        finally:
            self._movements.discard(write)
            if not write.done():
                write.cancel()
                self._machine.on_unanswered(actuation, _now_s())
                await asyncio.gather(write, return_exceptions=True)
        if write.cancelled():
            self._machine.on_unanswered(actuation, _now_s())
            raise CommandFailure(RefusalReason.CANCELLED, "The barrier was stopped in the meantime.")
        try:
            write.result()
        except BoardLate as late:
            self._machine.on_refused(actuation, _now_s(), sent=False)
            raise CommandRefusal(
                RefusalReason.EXPIRED, "The command could not be written to the board in time."
            ) from late
        except BoardRefused as refused:
            self._machine.on_refused(actuation, _now_s())
            raise CommandRefusal(RefusalReason.DEVICE_REFUSED, "The board refused.") from refused
        except LinkError:
            self._machine.on_unanswered(actuation, _now_s())  # it may have been executed nevertheless
            raise
        self._publish(self._machine.on_acknowledged(actuation, _now_s()))

    async def write_due(self) -> bool:
        """Write each safe write that is due, once; return True if any is due then.

        A release comes first, because it ends all pulses; the others do not wait for each other's outcome.
        """
        if RELEASE in self._machine.due(_now_s()):
            await self._write_all((RELEASE,))
        await self._write_all(one for one in self._machine.due(_now_s()) if one != RELEASE)
        return bool(self._machine.due(_now_s()))

    async def write_last(self) -> None:
        """Write what is due on a link that was lost, for a short time, before it is closed.

        Readings that fail do not mean that a stop fails as well, and opening the link again takes longer.
        """
        until_s = _now_s() + LAST_WRITES_S
        while _now_s() < until_s:
            if self._safe_writes:
                await asyncio.wait(self._safe_writes)
            elif await self.write_due():
                await asyncio.sleep(RETRY_S)
            else:
                return

    async def _write_all(self, actuations: Iterable[Actuation]) -> None:
        writes = {}
        for actuation in actuations:
            self._machine.on_writing(actuation, _now_s())
            write = asyncio.create_task(self._write_safely(actuation), name=actuation.kind.name.lower())
            writes[write] = actuation
            if actuation.kind is ActuationKind.REOPEN:
                self._movements.add(write)
        if not writes:
            return
        self._safe_writes.update(writes)
        try:
            await asyncio.wait(writes)
        finally:
            for write in writes:
                write.cancel()
            await asyncio.gather(*writes, return_exceptions=True)
            self._movements.difference_update(writes)
            self._safe_writes.difference_update(writes)
            for write, actuation in writes.items():
                if write.cancelled():
                    self._machine.on_unanswered(actuation, _now_s())
        for write in writes:
            if not write.cancelled():
                write.result()

    async def _write_safely(self, actuation: Actuation) -> None:
        """Write a stop, release or reopening. Without an acknowledgement it stays due."""
        try:
            await self._pulse(actuation, urgent=True)
        except (BoardRefused, LinkError):
            self._machine.on_unanswered(actuation, _now_s())
        else:
            self._publish(self._machine.on_acknowledged(actuation, _now_s()))

    async def _pulse(self, actuation: Actuation, *, urgent: bool = False, by_s: float | None = None) -> None:
        relay = actuation.relay(self._settings.doors[actuation.door])
        write = _Write(actuation, _now_s())
        self._recent.append(write)
        try:
            if relay is None:
                await self._board.open_all_relays()
            else:
                await self._board.pulse_relay(relay, self._settings.pulse_s, urgent=urgent, by_s=by_s)
        except BoardLate:
            write.outcome = WriteOutcome.NOT_SENT
            raise
        except BoardRefused:
            write.outcome = WriteOutcome.REFUSED
            raise
        except (LinkError, asyncio.CancelledError):
            write.outcome = WriteOutcome.UNANSWERED
            raise
        write.outcome = WriteOutcome.ACKNOWLEDGED


def _now_s() -> float:
    return asyncio.get_running_loop().time()
