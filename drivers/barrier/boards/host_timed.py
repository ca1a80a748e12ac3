"""Pulses timed by the host, for boards without a timer, and the handling of relays that do not open."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import suppress

from drivers.barrier.board import BoardRefused
from drivers.links.link import Action, Cause, LinkError
from drivers.links.request_queue import RequestCancelled

CANCELLED_BY_RELEASE = "A release came first and cancelled the pulse: nothing was sent."


class HostTimedBoard(ABC):
    """A board whose relays the host closes and opens again: one frame each, and none twice.

    A relay that does not confirm that it has opened is opened once more, by the frame that opens all relays.
    If that fails too, the board gets no more requests: its watchdog then opens the relay, and would not do so
    if the driver went on reading its inputs.
    """

    def __init__(self) -> None:
        self._releases = 0
        self._closed_by_us: set[int] = set()
        """Relays that a frame of this driver has closed, or may have closed."""
        self._ends: dict[int, asyncio.Task[None]] = {}
        self._stuck: LinkError | None = None

    @abstractmethod
    async def _switch_relay(
        self, relay: int, closed: bool, *, urgent: bool, wanted: Callable[[], bool]
    ) -> None:
        """Close or open one relay with one frame, if it is still `wanted` when that is sent.

        Raises Withdrawn, BoardRefused and LinkError.
        """

    @abstractmethod
    async def _open_all(self) -> None:
        """Open every relay, urgently, with as few frames as possible; raises BoardRefused and LinkError."""

    def _raise_if_stuck(self) -> None:
        """Raise LinkError once a relay did not open."""
        if self._stuck is not None:
            raise self._stuck

    async def pulse_relay(self, relay: int, for_s: float, *, urgent: bool = False) -> None:
        """Implement `Board.pulse_relay`."""
        self._raise_if_stuck()
        releases = self._releases
        going_on = relay in self._closed_by_us

        def go() -> bool:
            if releases != self._releases:
                return False
            if end := self._ends.pop(relay, None):
                end.cancel()
            self._closed_by_us.add(relay)
            return True

        try:
            await self._switch_relay(relay, True, urgent=urgent, wanted=go)
        except RequestCancelled:
            raise BoardRefused(CANCELLED_BY_RELEASE) from None
        except BoardRefused:
            if not going_on:
                self._closed_by_us.discard(relay)
            raise
        finally:
            # Also when no response came, or the command was cancelled: the relay may have closed. And also
            # when this pulse was refused during an earlier one, whose end was cancelled for it.
            if relay in self._closed_by_us and releases == self._releases:
                self._ends[relay] = asyncio.create_task(self._end(relay, for_s), name="end of a pulse")

    async def _end(self, relay: int, after_s: float) -> None:
        await asyncio.sleep(after_s)
        try:
            try:
                await self._switch_relay(relay, False, urgent=True, wanted=lambda: True)
            except (BoardRefused, LinkError):
                await self._open_all()
        except (BoardRefused, LinkError):
            self._stuck = _did_not_open(relay)
        else:
            self._closed_by_us.discard(relay)
        finally:
            if self._ends.get(relay) is asyncio.current_task():
                del self._ends[relay]

    async def open_all_relays(self) -> None:
        """Implement `Board.open_all_relays`."""
        self._raise_if_stuck()
        self._releases += 1
        await self._cancel_pulses()
        ours = set(self._closed_by_us)
        try:
            await self._open_all()
        except (BoardRefused, LinkError):
            if ours:
                self._stuck = _did_not_open(min(ours))
            raise
        self._closed_by_us -= ours

    async def _open_on_close(self) -> None:
        """Open the relays that a pulse of this driver still keeps closed, if the board responds."""
        self._releases += 1
        await self._cancel_pulses()
        if self._closed_by_us and self._stuck is None:
            with suppress(BoardRefused, LinkError):
                await self._open_all()
        self._closed_by_us.clear()

    async def _cancel_pulses(self) -> None:
        ends, self._ends = list(self._ends.values()), {}
        for end in ends:
            end.cancel()
        await asyncio.gather(*ends, return_exceptions=True)


def relay_closed_error(relay: int) -> LinkError:
    """Build the error for a relay that is closed at opening: no pulse of this driver would end it."""
    return LinkError(
        Cause.DEVICE_FAULT,
        f"Relay {relay} is closed, and not by the gateway.",
        Action.WAIT,
        "A watchdog opens it when the board gets no requests; without one, switch the board off and on.",
    )


def _did_not_open(relay: int) -> LinkError:
    return LinkError(
        Cause.DEVICE_FAULT,
        f"Relay {relay} did not confirm that it has opened: it may be closed.",
        Action.CALL_SUPPORT,
        "Use the barrier's own switch. The gateway sends no more requests to the board, so that its "
        "watchdog opens the relay; check its cable.",
    )
