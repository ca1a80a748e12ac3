"""Relays of one board and inputs of another: for boards that have no inputs of their own, or too few."""

from drivers.barrier.board import Board
from drivers.driver import Identity


class CompositeBoard:
    """Two boards as one. See `Board`. The second's inputs are counted on after the first's."""

    def __init__(self, first: Board, inputs_from: Board) -> None:
        self._first = first
        self._second = inputs_from
        self.relays = first.relays
        self.inputs = first.inputs + inputs_from.inputs
        self.pulse_end = first.pulse_end
        self.release_timeout_s = first.release_timeout_s
        self.response_timeout_s = max(first.response_timeout_s, inputs_from.response_timeout_s)

    async def open(self) -> Identity:
        """See `Board`; who it is, is who works the relays."""
        identity = await self._first.open()
        await self._second.open()
        return identity

    async def read_inputs(self) -> tuple[bool, ...]:
        """See `Board`: one question to each."""
        return (*await self._first.read_inputs(), *await self._second.read_inputs())

    async def read_relays(self) -> tuple[bool, ...]:
        """See `Board`."""
        return await self._first.read_relays()

    async def pulse_relay(self, relay: int, for_s: float, *, urgent: bool = False) -> None:
        """See `Board`."""
        await self._first.pulse_relay(relay, for_s, urgent=urgent)

    async def open_all_relays(self) -> None:
        """See `Board`."""
        await self._first.open_all_relays()

    async def close(self) -> None:
        """See `Board`."""
        try:
            await self._first.close()
        finally:
            await self._second.close()
