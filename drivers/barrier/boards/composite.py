"""Relays of one board and inputs of another: for boards that have no inputs of their own, or too few."""

from drivers.barrier.board import Board
from drivers.driver import Identity


class Joined:
    """Two boards as one. See `Board`. The second's inputs are counted on after the first's."""

    def __init__(self, first: Board, inputs_from: Board) -> None:
        self._first = first
        self._second = inputs_from
        self.relays = first.relays
        self.inputs = first.inputs + inputs_from.inputs
        self.pulse_end = first.pulse_end
        self.released_within_s = first.released_within_s
        self.answer_within_s = max(first.answer_within_s, inputs_from.answer_within_s)

    async def open(self) -> Identity:
        """See `Board`; who it is, is who works the relays."""
        identity = await self._first.open()
        await self._second.open()
        return identity

    async def sense(self) -> tuple[bool, ...]:
        """See `Board`: one question to each."""
        return (*await self._first.sense(), *await self._second.sense())

    async def closed_relays(self) -> tuple[bool, ...]:
        """See `Board`."""
        return await self._first.closed_relays()

    async def pulse(self, relay: int, for_s: float, *, urgent: bool = False) -> None:
        """See `Board`."""
        await self._first.pulse(relay, for_s, urgent=urgent)

    async def release(self) -> None:
        """See `Board`."""
        await self._first.release()

    async def close(self) -> None:
        """See `Board`."""
        try:
            await self._first.close()
        finally:
            await self._second.close()
