"""Pulses timed by the host, for boards without a timer, and the handling of relays that do not open."""

import asyncio
from abc import abstractmethod
from collections.abc import Callable

from drivers.barrier.board import BoardRefused, PulseEnd
from drivers.barrier.boards.release import (
    REFUSED_PAUSE_S,
    RELEASE_ATTEMPTS,
    ReleaseRefusedError,
    ReleasingBoard,
    take_back,
)
from drivers.links.link import Action, Cause, LinkError

SILENCE_MARGIN_S = 0.3
"""Silence beyond a watchdog's time, in seconds, so that it certainly opens the relays."""
TIME_RELAY_RESET_S = 0.1
"""Time for which a contact is open until a time relay behind it is ready again, in seconds."""


def _allow() -> None:
    """Allow the frame."""


class HostTimedBoard(ReleasingBoard):
    """A board whose relays the host closes and opens again.

    A relay is closed by one frame, never repeated. The frame that opens it is repeated until the board
    acknowledges it. If the board does not, the driver reads nothing more from it, and a board that refuses to
    open its relays gets no request at all for longer than its watchdog waits: requests would restart that
    watchdog. A later release that is acknowledged ends both.

    `PulseEnd.BOARD_TIMED` means a time relay behind such a board, of `release_timeout_s`. It starts when the
    contact closes: a frame that closes a closed relay once more does not restart it.
    """

    pulse_end: PulseEnd
    release_timeout_s: float

    def __init__(self) -> None:
        super().__init__()
        self._closed_by_us: set[int] = set()
        """Relays that a frame of this driver has closed, or may have closed."""
        self._closed_since_s: dict[int, float] = {}
        """Time of the first frame that has closed a relay, or may have, since it was certainly open."""
        self._ends: dict[int, asyncio.Task[None]] = {}
        self._safe_until_s = 0.0
        """End of the last acknowledged pulse for a stop or a reopening; a time of the loop."""
        self._stuck: LinkError | None = None
        self._failed_releases = 0
        """Number of releases in a row that the board did not acknowledge."""
        self._silent_until_s = 0.0
        """Until this time of the loop, the watchdog is left to open the relays."""

    @abstractmethod
    async def _switch_relay(
        self, relay: int, closed: bool, *, urgent: bool, before_write: Callable[[], None]
    ) -> None:
        """Close or open one relay with one frame; `before_write` is called right before it is written.

        Raises BoardRefused, LinkError, and the errors of `before_write`.
        """

    def _raise_if_stuck(self) -> None:
        """Raise LinkError once a relay did not open."""
        if self._stuck is not None:
            raise self._stuck

    def _raise_if_silent(self) -> None:
        """Raise LinkError while the watchdog is left to open the relays."""
        if self._stuck is not None and asyncio.get_running_loop().time() < self._silent_until_s:
            raise self._stuck

    async def pulse_relay(
        self, relay: int, for_s: float, *, urgent: bool = False, by_s: float | None = None
    ) -> None:
        """Implement `Board.pulse_relay`."""
        self._raise_if_silent() if urgent else self._raise_if_stuck()

        with self._permit(relay, by_s) as permit:
            lost_reset = None
            if urgent and self._must_open_first(relay, for_s):
                lost_reset = await self._reset_time_relay(relay)
            going_on = relay in self._closed_by_us

            def before_write() -> None:
                permit.use()
                if end := self._ends.pop(relay, None):
                    end.cancel()
                if relay not in self._closed_by_us:
                    self._closed_since_s[relay] = asyncio.get_running_loop().time()
                self._closed_by_us.add(relay)

            try:
                await self._switch_relay(relay, True, urgent=urgent, before_write=before_write)
                if lost_reset is not None:
                    raise lost_reset
                if urgent:
                    self._safe_until_s = asyncio.get_running_loop().time() + for_s
            except BoardRefused:
                if permit.is_used and not going_on:
                    self._closed_by_us.discard(relay)
                raise
            except LinkError as lost:
                if not urgent and not permit.is_withdrawn:
                    await take_back(permit, lost, lambda allow: self._open_relay_once(relay, allow))
                raise
            finally:
                # Also when no response came, or the command was cancelled: the relay may have closed. And
                # also when this pulse was refused during an earlier one, whose end was cancelled for it.
                # But a later pulse has an end of its own.
                is_closed = permit.is_used and relay in self._closed_by_us
                if is_closed and permit.is_last and not permit.is_withdrawn:
                    self._ends[relay] = asyncio.create_task(self._end(relay, for_s), name="end of a pulse")

    def _must_open_first(self, relay: int, for_s: float) -> bool:
        """Return True if a time relay would open the contact before the end of a pulse that begins now."""
        if self.pulse_end is not PulseEnd.BOARD_TIMED or relay not in self._closed_by_us:
            return False
        left_s = self._closed_since_s[relay] + self.release_timeout_s - asyncio.get_running_loop().time()
        return left_s < for_s

    async def _reset_time_relay(self, relay: int) -> LinkError | None:
        """Open a relay, so that closing it is a new pulse; return the error if that is not acknowledged.

        The relay is closed all the same then: the frame before may have been lost as well. But the pulse
        counts as unacknowledged.
        """
        try:
            await self._open_relay_once(relay)
        except BoardRefused as refused:
            return ReleaseRefusedError(str(refused))
        except LinkError as lost:
            return lost
        await asyncio.sleep(TIME_RELAY_RESET_S)
        return None

    async def _end(self, relay: int, after_s: float) -> None:
        await asyncio.sleep(after_s)
        try:
            await self._open_relay(relay)
        except LinkError as error:
            self._give_up(relay, error)
        finally:
            if self._ends.get(relay) is asyncio.current_task():
                del self._ends[relay]

    async def _open_relay(self, relay: int) -> None:
        """Open one relay; repeat that until the board acknowledges it. Raises the last LinkError.

        The others stay as they are: one may have been closed meanwhile, for a stop.
        """
        for left in reversed(range(1 + RELEASE_ATTEMPTS)):
            try:
                await self._open_relay_once(relay)
            except BoardRefused as refused:
                if not left:
                    raise ReleaseRefusedError(str(refused)) from None
                await asyncio.sleep(REFUSED_PAUSE_S)
            except LinkError:
                if not left:
                    raise
            else:
                return

    async def _open_relay_once(self, relay: int, before_write: Callable[[], None] = _allow) -> None:
        """Open one relay with one frame; note it once acknowledged, unless a pulse has come meanwhile."""
        pulses = self._pulse_counts[relay]
        await self._switch_relay(relay, False, urgent=True, before_write=before_write)
        if self._pulse_counts[relay] == pulses:
            self._closed_by_us.discard(relay)
            self._failed_releases = 0

    async def open_all_relays(self) -> None:
        """Implement `Board.open_all_relays`."""
        self._withdraw_pulses()
        self._raise_if_silent()
        await self._cancel_pulses()
        ours = set(self._closed_by_us)
        try:
            await self._release()
        except LinkError as error:
            self._failed_releases += 1
            if (ours or self._stuck) and self._failed_releases >= RELEASE_ATTEMPTS:
                self._give_up(min(ours, default=None), error)
            raise
        self._closed_by_us -= ours
        self._safe_until_s = 0.0
        self._stuck, self._failed_releases = None, 0

    def _give_up(self, relay: int | None, error: LinkError) -> None:
        """Read nothing more; keep silent for the watchdog's time if the board refuses to open its relays."""
        self._stuck, self._failed_releases = _did_not_open(relay), 0
        if isinstance(error, ReleaseRefusedError) and self.pulse_end is PulseEnd.WATCHDOG:
            silence_s = self.release_timeout_s + SILENCE_MARGIN_S
            self._silent_until_s = asyncio.get_running_loop().time() + silence_s

    async def _open_on_close(self) -> None:
        """Open the relays that a pulse of this driver still keeps closed.

        A stop or a reopening that the board has acknowledged is not cut short: it will not be repeated. If
        the board does not acknowledge it, this takes longer than its watchdog waits: the next opening
        begins with readings, which would restart the watchdog.
        """
        self._withdraw_pulses()
        await asyncio.sleep(self._safe_until_s - asyncio.get_running_loop().time())
        await self._cancel_pulses()
        if self._closed_by_us:
            try:
                self._raise_if_silent()
                await self._repeat_release()
            except LinkError:
                await self._stay_silent()
        self._closed_by_us.clear()

    async def _cancel_pulses(self) -> None:
        ends, self._ends = list(self._ends.values()), {}
        for end in ends:
            end.cancel()
        await asyncio.gather(*ends, return_exceptions=True)

    async def _stay_silent(self) -> None:
        """Send nothing for longer than the watchdog waits, so that it opens relays that stayed closed."""
        if self.pulse_end is PulseEnd.WATCHDOG:
            await asyncio.sleep(self.release_timeout_s + SILENCE_MARGIN_S)


def relay_closed_error(relay: int) -> LinkError:
    """Build the error for a relay that is closed at opening, and does not open."""
    return LinkError(
        Cause.DEVICE_FAULT,
        f"Relay {relay} was closed before the gateway came, and does not open.",
        Action.CALL_SUPPORT,
        "Use the barrier's own switch; switch the board off and on.",
    )


def _did_not_open(relay: int | None) -> LinkError:
    which = "A relay" if relay is None else f"Relay {relay}"
    return LinkError(
        Cause.DEVICE_FAULT,
        f"{which} did not confirm that it has opened: it may be closed.",
        Action.CALL_SUPPORT,
        "Use the barrier's own switch. The gateway reads nothing more from the board, and opens its relays "
        "as soon as it responds; check its cable.",
    )
