"""Release of relays: cancels pulses that are not written yet, and is repeated until it is acknowledged."""

import asyncio
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress

from drivers.barrier.board import BoardLate, BoardRefused
from drivers.links.link import Action, Cause, LinkError

RELEASE_ATTEMPTS = 3
REFUSED_PAUSE_S = 0.05
"""Pause after a refused release: a board that is busy refuses for a moment."""
CANCELLED_BY_RELEASE = "A release came first and cancelled the pulse: nothing was sent."


class PulsePermit:
    """Permit to write the frame of one pulse; `by_s` is a time of the loop.

    `pulse_counts`: number of pulses that were written, by relay.
    """

    def __init__(self, relay: int, by_s: float | None, pulse_counts: Counter[int]) -> None:
        self._relay = relay
        self._by_s = by_s
        self._pulse_counts = pulse_counts
        self._number = 0
        """Number of its pulse among those of the relay, once written."""
        self.is_withdrawn = False
        """True once a release came, or the caller has gone."""
        self.is_used = False
        """True once the frame was written."""

    def use(self) -> None:
        """Allow the frame at this moment; raises BoardRefused or BoardLate, and then it is never written."""
        if self.is_withdrawn:
            raise BoardRefused(CANCELLED_BY_RELEASE)
        if self._by_s is not None and asyncio.get_running_loop().time() >= self._by_s:
            raise BoardLate("The line was not free in time: nothing was sent.")
        self._pulse_counts[self._relay] += 1
        self._number = self._pulse_counts[self._relay]
        self.is_used = True

    @property
    def is_last(self) -> bool:
        """True while no later pulse of the same relay was written."""
        return self._pulse_counts[self._relay] == self._number

    def allow_release(self) -> None:
        """Allow the release of the relay at this moment; raises LaterPulse, and then it is never written."""
        if not self.is_last:
            raise LaterPulse


class LaterPulse(BoardRefused):
    """A later pulse keeps the relay closed: the release of an earlier one is not written any more."""

    def __init__(self) -> None:
        super().__init__("A later pulse has closed the relay: its release was not sent.")


class ReleasingBoard(ABC):
    """Common part of all boards with relays."""

    inputs_at_opening: tuple[bool, ...] | None = None
    is_left_open = False

    def __init__(self) -> None:
        self._permits: set[PulsePermit] = set()
        self._pulse_counts: Counter[int] = Counter()
        """Number of pulses that were written, by relay."""

    @abstractmethod
    async def _open_all(self) -> None:
        """Open every relay, urgently, once; returns when acknowledged. Raises BoardRefused and LinkError."""

    @contextmanager
    def _permit(self, relay: int, by_s: float | None) -> Iterator[PulsePermit]:
        """Permit one pulse, until a release or the end of the block."""
        permit = PulsePermit(relay, by_s, self._pulse_counts)
        self._permits.add(permit)
        try:
            yield permit
        finally:
            self._permits.discard(permit)
            permit.is_withdrawn = True  # a queue may still write it when the caller was cancelled

    def _allow_unless_pulsed(self, relay: int) -> Callable[[], None]:
        """Return a check for the moment of writing a release: raises LaterPulse after a pulse from now on."""
        pulses = self._pulse_counts[relay]

        def allow() -> None:
            if self._pulse_counts[relay] != pulses:
                raise LaterPulse

        return allow

    def _withdraw_pulses(self) -> None:
        """Keep all waiting pulses from being written."""
        for permit in self._permits:
            permit.is_withdrawn = True

    async def _release(self) -> None:
        """Open every relay, once; raises LinkError, also if the board refuses."""
        try:
            await self._open_all()
        except BoardRefused as refused:
            raise ReleaseRefusedError(str(refused)) from None

    async def _repeat_release(self) -> None:
        """Open every relay; repeat that until the board acknowledges it. Raises the last LinkError."""
        for left in reversed(range(RELEASE_ATTEMPTS)):
            try:
                await self._release()
            except LinkError as error:
                if not left:
                    raise
                if isinstance(error, ReleaseRefusedError):
                    await asyncio.sleep(REFUSED_PAUSE_S)
            else:
                return


async def take_back(
    permit: PulsePermit, lost: LinkError, open_relay: Callable[[Callable[[], None]], Awaitable[None]]
) -> None:
    """Open the relay of a pulse without a response, once; the others stay as they are, maybe for a stop.

    The frame may still wait in an adapter whose buffer this host cannot empty: the release follows it in
    the same buffer, so that the relay closes for the length of one frame at most. After a later pulse of the
    same relay, maybe of a reopening, it is not written: it would end that pulse. `open_relay` writes it, and
    calls its argument right before.
    """
    if lost.cause is Cause.NO_RESPONSE:
        with suppress(BoardRefused, LinkError):
            await open_relay(permit.allow_release)


class ReleaseRefusedError(LinkError):
    """The board refuses to open its relays."""

    def __init__(self, why: str) -> None:
        super().__init__(
            Cause.DEVICE_FAULT,
            f"The board does not open its relays, so one may be closed. {why}",
            Action.CALL_SUPPORT,
            "Use the barrier's own switch; switch the board off and on.",
        )
