"""Relays of one board with inputs of another, for boards with no inputs or too few."""

from drivers.barrier.board import Board
from drivers.driver import Identity


class CompositeBoard:
    """Two boards as one. See `Board`. Inputs of the second are numbered after those of the first."""

    def __init__(self, first: Board, inputs_from: Board) -> None:
        self._first = first
        self._second = inputs_from
        self.relays = first.relays
        self.inputs = first.inputs + inputs_from.inputs
        self.pulse_end = first.pulse_end
        self.release_timeout_s = first.release_timeout_s
        self.response_timeout_s = max(first.response_timeout_s, inputs_from.response_timeout_s)
        self.inputs_at_opening: tuple[bool, ...] | None = None

    @property
    def is_left_open(self) -> bool:
        """See `Board`: that of the board with the relays."""
        return self._first.is_left_open

    @is_left_open.setter
    def is_left_open(self, is_left_open: bool) -> None:
        self._first.is_left_open = is_left_open

    @property
    def answer_time_s(self) -> float:
        """Time that the last request to either board took, in seconds: the longer one."""
        return max(self._first.answer_time_s, self._second.answer_time_s)

    async def open(self) -> Identity:
        """Open both; the identity is that of the board with the relays."""
        identity = await self._first.open()
        await self._second.open()
        own = self._first.inputs_at_opening if self._first.inputs else ()
        others = self._second.inputs_at_opening
        self.inputs_at_opening = None if own is None or others is None else (*own, *others)
        return identity

    async def read_inputs(self) -> tuple[bool, ...]:
        """Read the inputs, with one request to each board."""
        return (*await self._first.read_inputs(), *await self._second.read_inputs())

    async def read_relays(self) -> tuple[bool, ...]:
        """Implement `Board.read_relays`."""
        return await self._first.read_relays()

    async def pulse_relay(
        self, relay: int, for_s: float, *, urgent: bool = False, by_s: float | None = None
    ) -> None:
        """Implement `Board.pulse_relay`."""
        await self._first.pulse_relay(relay, for_s, urgent=urgent, by_s=by_s)

    async def open_all_relays(self) -> None:
        """Implement `Board.open_all_relays`."""
        await self._first.open_all_relays()

    async def close(self) -> None:
        """Implement `Board.close`."""
        try:
            await self._first.close()
        finally:
            await self._second.close()
