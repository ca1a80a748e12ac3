"""One door: where its limits say it is, whether it moves as it was told to, and whether that can be."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto

from drivers.barrier.observations import AlarmKind, BarrierAlarm, MachineState, Why
from drivers.barrier.wiring import BarrierSettings, DoorSensed

CHANGES_MOST = 3
"""A limit or photocell that changes more often within a second is not told by anything that moves."""
QUIET_S = 2.0
"""After so long without a change, a contact that chattered is believed again."""
IMPOSSIBLE = 1.5
"""Between the ends for so many times as long as it may travel: the limits are not believed any more."""


class Ending(Enum):
    """How a movement that was asked for ended."""

    ARRIVED = auto()
    NOT_STARTED = auto()
    NOT_ARRIVED = auto()
    STOPPED = auto()
    REVERSED = auto()
    """Somebody was in the way."""
    EMERGENCY = auto()


@dataclass(slots=True)
class Travel:
    """A movement that was asked for."""

    door: int
    goal: MachineState
    transaction: str | None
    asked_s: float
    was: MachineState
    ending: Ending | None = None
    ended_s: float = 0.0


class Door:
    """What is known of one door from its inputs. Times are seconds of one monotonic clock."""

    def __init__(self, name: str, settings: BarrierSettings) -> None:
        self.name = name
        self.state = MachineState.UNKNOWN
        self.fault: Why | None = None
        self.travel: Travel | None = None
        self.seen: DoorSensed | None = None
        self._settings = settings
        self._towards = MachineState.UNKNOWN
        self._between_s: float | None = None
        self._late = False
        """That it has not arrived was said."""
        self._stopped = False
        """Somebody had it stopped since it left its end."""
        self._may_leave_until_s: float | None = None
        """It was told to open, has not left its closed limit since, and may still do so by then."""
        self._open_s: float | None = None
        """Since when it is open; None also once that was reported as too long."""
        self._chatter = {name: _Chatter() for name in ("open_limit", "closed_limit", "presence")}

    @property
    def is_closing(self) -> bool:
        """Whether it may be closing, for all that is sensed and was asked."""
        if self.travel is not None:
            return self.travel.goal is MachineState.CLOSED and self.state is not MachineState.CLOSED
        return self.state is MachineState.CLOSING

    @property
    def is_stopped(self) -> bool:
        """Whether somebody had it stopped, and it has not been at an end or told to move since."""
        return self._stopped

    @property
    def is_granted(self) -> bool:
        """Whether it may be open, or on its way to that."""
        return self.state is not MachineState.CLOSED or self._may_leave_until_s is not None

    def asked(self, travel: Travel) -> None:
        """It is told to move."""
        self.travel = travel
        self._stopped = self._late = False
        opens = travel.goal is MachineState.OPEN and self.state is MachineState.CLOSED
        self._may_leave_until_s = travel.asked_s + self._settings.opens_within_s if opens else None
        if self._between_s is not None:
            self._between_s = travel.asked_s

    def not_asked(self) -> None:
        """The board has refused: nothing was told to move after all."""
        self.travel = None
        self._may_leave_until_s = None

    def stopped(self, now_s: float) -> None:
        """It is told to stop."""
        self._stopped = self._between_s is not None or self.travel is not None
        self.end_travel(Ending.STOPPED, now_s)

    def end_travel(self, ending: Ending, now_s: float) -> None:
        """What was asked for is over."""
        if self.travel is not None:
            self.travel.ending, self.travel.ended_s = ending, now_s
            self.travel = None

    def sensed(self, seen: DoorSensed, now_s: float, *, excused: bool) -> Iterator[BarrierAlarm]:
        """Take note of what the inputs say. `excused`: it may be opened by something else than us."""
        had_fault = self.fault
        left_closed = self.seen is not None and self.seen.closed_limit and not seen.closed_limit
        self._count_changes(seen, now_s)
        self.fault = self._look(seen, now_s)
        self.seen = seen
        if left_closed:
            if not (excused or self._may_leave_until_s is not None or self.fault):
                yield self._alarm(AlarmKind.FORCED_OPEN, "It was opened, and nothing had told it to.")
            self._may_leave_until_s = None
        elif self._may_leave_until_s is not None and now_s > self._may_leave_until_s:
            self._may_leave_until_s = None
        yield from self._supervise(now_s)
        if self.fault is not None and had_fault is None:
            yield self._alarm(AlarmKind.IMPLAUSIBLE, _IMPLAUSIBLE[self.fault])
        if self._open_s is not None and now_s - self._open_s > self._settings.open_at_most_s:
            self._open_s = None
            yield self._alarm(AlarmKind.OPEN_TOO_LONG, "It stands open for longer than it should.")

    def _look(self, seen: DoorSensed, now_s: float) -> Why | None:
        """Find the state; says what cannot be, if anything."""
        fault = Why.CHATTER if any(one.chatters(now_s) for one in self._chatter.values()) else None
        match (seen.open_limit, seen.closed_limit):
            case (True, True):
                self._at(MachineState.UNKNOWN, now_s)
                self._between_s = None
                fault = Why.BOTH_LIMITS
            case (True, False):
                self._at(MachineState.OPEN, now_s)
            case (False, True):
                self._at(MachineState.CLOSED, now_s)
            case _:
                self.state = self._between(now_s)
                if self.state is MachineState.BLOCKED and self._for_s(now_s) > IMPOSSIBLE * self._within_s():
                    fault = fault or Why.NO_LIMIT
        return fault

    def _at(self, end: MachineState, now_s: float) -> None:
        self._towards = {
            MachineState.OPEN: MachineState.CLOSING,
            MachineState.CLOSED: MachineState.OPENING,
        }.get(end, MachineState.UNKNOWN)
        if end is not MachineState.OPEN:
            self._open_s = None
        elif self.state is not MachineState.OPEN:
            self._open_s = now_s
        self.state, self._between_s = end, None
        self._stopped = self._stopped and self.travel is not None
        self._late = self._late and self.travel is not None

    def _between(self, now_s: float) -> MachineState:
        self._open_s = None
        if self._between_s is None:
            self._between_s = now_s
        if self._for_s(now_s) <= self._within_s():
            return self._towards
        return MachineState.STOPPED if self._stopped else MachineState.BLOCKED

    def _for_s(self, now_s: float) -> float:
        return 0.0 if self._between_s is None else now_s - self._between_s

    def _within_s(self) -> float:
        opens_s, closes_s = self._settings.opens_within_s, self._settings.closes_within_s
        match self._towards:
            case _ if self.travel is not None or self._towards is MachineState.UNKNOWN:
                return max(opens_s, closes_s)
            case MachineState.OPENING:
                return opens_s
            case _:
                return closes_s

    def _supervise(self, now_s: float) -> Iterator[BarrierAlarm]:
        """Whether what was asked for happens; nothing is asked for again."""
        travel = self.travel
        if travel is None:
            if self.state is MachineState.BLOCKED and not self._late:
                yield self._too_late()
            return
        within_s = (
            self._settings.opens_within_s
            if travel.goal is MachineState.OPEN
            else self._settings.closes_within_s
        )
        asked_for_s = now_s - travel.asked_s
        if self.state is travel.goal and self.fault is None:
            self.end_travel(Ending.ARRIVED, now_s)
        elif self.state is travel.was and self._at_rest() and asked_for_s > self._settings.starts_within_s:
            self.end_travel(Ending.NOT_STARTED, now_s)
            yield self._alarm(AlarmKind.NOT_STARTED, "It was told to move, and has not begun to.")
        elif asked_for_s > within_s:
            self.end_travel(Ending.NOT_ARRIVED, now_s)
            yield self._too_late()

    def _at_rest(self) -> bool:
        return self.state in (MachineState.OPEN, MachineState.CLOSED)

    def _too_late(self) -> BarrierAlarm:
        self._late = True
        return self._alarm(AlarmKind.NOT_ARRIVED, "It moves, or should, for longer than it may.")

    def _count_changes(self, seen: DoorSensed, now_s: float) -> None:
        for name, one in self._chatter.items():
            if self.seen is not None and getattr(seen, name) != getattr(self.seen, name):
                one.changed(now_s)

    def _alarm(self, kind: AlarmKind, text: str) -> BarrierAlarm:
        transaction = None if self.travel is None else self.travel.transaction
        return BarrierAlarm(kind=kind, door=self.name, text=text, transaction=transaction)


_IMPLAUSIBLE = {
    Why.BOTH_LIMITS: "Both limits are made at once.",
    Why.NO_LIMIT: "No limit is made for much longer than it travels.",
    Why.CHATTER: "A limit or photocell changes more often than anything moves.",
}


class _Chatter:
    """How often one contact changes."""

    def __init__(self) -> None:
        self._times: deque[float] = deque(maxlen=CHANGES_MOST + 1)
        self._until_s: float | None = None

    def changed(self, now_s: float) -> None:
        """It did."""
        self._times.append(now_s)
        often = len(self._times) > CHANGES_MOST and now_s - self._times[0] <= 1.0
        if often or self.chatters(now_s):
            self._until_s = now_s + QUIET_S

    def chatters(self, now_s: float) -> bool:
        """Whether it is not to be believed."""
        return self._until_s is not None and now_s < self._until_s
