"""The relays of a board: commanded coils, pulses with an end, contacts that may weld."""

from collections.abc import Callable
from functools import partial

from simulators.barrier.timeline import Timeline, TimerHandle
from simulators.barrier.wirelog import Cause, WireLog


class RelayBank:
    """Some relays; all off at first. `unit` identifies their board in the log."""

    def __init__(self, unit: int, count: int, timeline: Timeline, log: WireLog) -> None:
        self.unit = unit
        self.coils = [False] * count
        """Last commanded state of each relay, which a board reads back."""
        self.on_contact: Callable[[int, bool], None] = lambda _relay, _closed: None
        """Called when the contact of a relay has closed or opened."""
        self._timeline = timeline
        self._log = log
        self._welded: set[int] = set()
        self._ending: dict[int, TimerHandle] = {}

    def __len__(self) -> int:
        return len(self.coils)

    def is_closed(self, relay: int) -> bool:
        """Return whether the contact is closed, as the controller sees it."""
        return self.coils[relay] or relay in self._welded

    def set(self, relay: int, on: bool, cause: Cause = Cause.COMMAND, request: int | None = None) -> None:
        """Energise or release one; this ends its pulse."""
        if ending := self._ending.pop(relay, None):
            ending.cancel()
        before = self.is_closed(relay)
        self.coils[relay] = on
        self._moved(relay, before, cause, request)

    def is_pulsing(self, relay: int) -> bool:
        """Return whether it gives a pulse."""
        return relay in self._ending

    def pulse(
        self,
        relay: int,
        on: bool,
        seconds: float,
        request: int | None = None,
        *,
        afterwards: Callable[[], bool] | None = None,
    ) -> None:
        """Energise (or release) one; then do the opposite, or the result of `afterwards`."""
        self.set(relay, on, Cause.COMMAND, request)

        def over() -> None:
            self.set(relay, afterwards() if afterwards else not on, Cause.PULSE_ENDED, request)

        self._ending[relay] = self._timeline.call_at(self._timeline.now_s + seconds, over)

    def click(self, seconds: float) -> None:
        """Energise them all for a moment, as some boards do while they start."""
        for relay in range(len(self.coils)):
            self.set(relay, True, Cause.POWER)
            self._ending[relay] = self._timeline.call_at(
                self._timeline.now_s + seconds, partial(self._end_click, relay)
            )

    def _end_click(self, relay: int) -> None:
        self.set(relay, False, Cause.POWER)

    def release(self, cause: Cause) -> None:
        """Release them all."""
        for relay in range(len(self.coils)):
            self.set(relay, False, cause)

    def weld(self, relay: int) -> None:
        """Keep its contact closed from the next time on that it closes; now, if it is closed."""
        before = self.is_closed(relay)
        self._welded.add(relay)
        self._moved(relay, before, Cause.WELDED, None)

    def unweld(self, relay: int) -> None:
        """Free the contact."""
        before = self.is_closed(relay)
        self._welded.discard(relay)
        self._moved(relay, before, Cause.WELDED, None)

    def _moved(self, relay: int, before: bool, cause: Cause, request: int | None) -> None:
        closed = self.is_closed(relay)
        if closed != before:
            self._log.contact(self.unit, relay, closed, cause, request)
            self.on_contact(relay, closed)
