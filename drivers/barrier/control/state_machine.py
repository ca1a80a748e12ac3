"""The barrier machine: from what is sensed and asked, to what is said and, at most, one thing to do.

It does no I/O and has no clock: times are seconds of one monotonic clock, given with every call. It asks for
movements and may withhold them; what keeps people from harm is wired in the machine's own controller. Only
one thing does it ever do by itself: have a door reopened that closes on somebody.
"""

from dataclasses import dataclass
from enum import Enum, auto

from drivers.barrier.commands import Acknowledge, CloseBarrier, Maintain, OpenBarrier
from drivers.barrier.control.movement import Door, Ending, Travel
from drivers.barrier.control.obstruction import Reopening
from drivers.barrier.control.passages import Passages
from drivers.barrier.control.rate_limit import Contact, Pace
from drivers.barrier.control.state_reporter import Reporter, gravest
from drivers.barrier.observations import (
    AlarmKind,
    BarrierAlarm,
    BarrierPassage,
    BarrierState,
    MachineState,
    Why,
)
from drivers.barrier.wiring import BarrierSettings, Sensed
from drivers.command import Reason, Refused, Request

FRESH_S = 0.5
"""What was sensed longer ago says nothing of now."""
LOCAL_S = 2.0
"""So long after the button at the barrier was pressed, an opening is explained by it."""


class Deed(Enum):
    """What there is to do at the board."""

    OPEN = auto()
    CLOSE = auto()
    RELEASE = auto()
    """Every relay is let go of."""


@dataclass(frozen=True, slots=True)
class Act:
    """One thing to do, now; nothing of it is kept for later."""

    deed: Deed
    door: int = 0


@dataclass(frozen=True, slots=True)
class Step:
    """What comes of it."""

    says: tuple[BarrierState | BarrierPassage | BarrierAlarm, ...] = ()
    act: Act | None = None
    travel: Travel | None = None
    """The movement that was asked for; its `ending` appears in it."""


class _Doorway:
    """A door with what belongs to it."""

    def __init__(self, name: str, settings: BarrierSettings) -> None:
        self.door = Door(name, settings)
        self.passages = Passages(name)
        self.reopening = Reopening(self.door)


class Machine:
    """One barrier, of one door or two."""

    def __init__(self, settings: BarrierSettings, now_s: float) -> None:
        self.settings = settings
        self.relay_closed = False
        """A relay is closed that should be open, as the board says."""
        self._all = [_Doorway(door.name, settings) for door in settings.doors]
        self._pace = Pace(settings, now_s)
        self._sensed: Sensed | None = None
        self._sensed_s = now_s
        self._emergency = False
        self.emergencies = 0
        """How many have begun."""
        self._lease_until_s: float | None = None
        self._local_s: float | None = None
        self._found_open = False
        self._reporter = Reporter()

    @property
    def doors(self) -> tuple[Door, ...]:
        """Its doors."""
        return tuple(one.door for one in self._all)

    @property
    def is_new(self) -> bool:
        """Whether it has asked for nothing yet."""
        return self._pace.is_new

    # What is sensed.

    def sensed(self, sensed: Sensed, now_s: float) -> Step:
        """Take note of what the inputs said at that time."""
        first = self._sensed is None
        says: list[BarrierState | BarrierPassage | BarrierAlarm] = []
        self._sensed, self._sensed_s = sensed, now_s
        if sensed.local:
            self._local_s = now_s
        if sensed.emergency and not self._emergency:
            self._emergency = True
            self.emergencies += 1
            self._call_off(Ending.EMERGENCY, now_s)
            says.append(BarrierAlarm(kind=AlarmKind.EMERGENCY, text="The emergency input is active."))
        for one, seen in zip(self._all, sensed.doors, strict=True):
            free = self._emergency or self._why_hands_off(now_s) is not None
            local = self._local_s is not None and now_s - self._local_s <= LOCAL_S
            travel = one.door.travel
            says += one.door.sensed(seen, now_s, excused=free or local)
            if travel is not None and travel.ending in (Ending.NOT_STARTED, Ending.NOT_ARRIVED):
                one.passages.revoke()
            if one.door.fault is not Why.CHATTER:
                says += one.passages.sensed(
                    seen,
                    now_s,
                    is_open=one.door.state is MachineState.OPEN,
                    is_closed=one.door.state is MachineState.CLOSED,
                    free=free,
                )
            says += one.reopening.notice(now_s)
        open_ = any(one.door.state is not MachineState.CLOSED for one in self._all)
        self._found_open = open_ and (first or self._found_open)
        return Step((*says, *self._news(now_s)), self._due(now_s))

    def lost(self) -> Step:
        """The link has failed: what is known is how it was."""
        return Step(self._reporter.stale())

    def relays(self, *, closed: bool, now_s: float) -> Step:
        """What the board says of its relays at a time when all that we use should be open."""
        news = closed and not self.relay_closed
        self.relay_closed = closed
        alarm = BarrierAlarm(kind=AlarmKind.RELAY, text="A relay of the board is closed that should be open.")
        return Step(((alarm,) if news else ()) + self._news(now_s))

    # What is asked. Each raises Refused, and then nothing has changed.

    def asked(self, request: Request, transaction: str, now_s: float) -> Step:
        """Decide about a command, at the moment of doing it."""
        match request:
            case OpenBarrier(door=name, passage_s=passage_s):
                return self._open(self._index(name), passage_s, transaction, now_s)
            case CloseBarrier(door=name):
                return self._close(self._index(name), transaction, now_s)
            case Acknowledge():
                return self._acknowledge(now_s)
            case Maintain(for_s=for_s):
                self._lease_until_s = now_s + for_s if for_s else None
                return Step(self._news(now_s))
        raise Refused(Reason.NOT_SUPPORTED, "A barrier cannot do that.")

    def stopped(self, now_s: float) -> Step:
        """Somebody stops it: never refused. All that was asked for is over."""
        self._call_off(Ending.STOPPED, now_s)
        for one in self._all:
            one.door.stopped(now_s)
        return Step(self._news(now_s))

    def sent(self, act: Act, now_s: float) -> None:
        """It was written, and the board has taken it or may have."""
        if act.deed is Deed.RELEASE:
            self._pace.released(now_s)
        else:
            self._pace.taken(act.door, now_s)

    def refused(self, act: Act, now_s: float) -> None:
        """The board said no: nothing has moved."""
        one = self._all[act.door]
        if act.deed is not Deed.RELEASE:
            one.door.not_asked()
            self._pace.not_taken(act.door, now_s)
        if act.deed is Deed.OPEN:
            one.passages.revoke()

    # How it is.

    def condition(self, now_s: float) -> tuple[MachineState, Why]:
        """The barrier's state as a whole."""
        if self._emergency:
            active = self._sensed is not None and self._sensed.emergency
            return MachineState.EMERGENCY_OPEN, Why.EMERGENCY if active else Why.UNACKNOWLEDGED
        if (why := self._why_hands_off(now_s)) is not None:
            return MachineState.MAINTENANCE, why
        if (why := self._why_fault()) is not None:
            return MachineState.FAULT, why
        return gravest(self.doors), Why.SENSED

    def _why_hands_off(self, now_s: float) -> Why | None:
        """Why nobody far away may move it."""
        if self._sensed is not None and self._sensed.key_switch:
            return Why.KEY_SWITCH
        leased = self._lease_until_s is not None and now_s < self._lease_until_s
        return Why.LEASE if leased else None

    def _why_fault(self) -> Why | None:
        if self.relay_closed:
            return Why.RELAY
        if self._sensed is not None and self._sensed.controller_ok is False:
            return Why.CONTROLLER
        return next((one.door.fault for one in self._all if one.door.fault is not None), None)

    def _news(self, now_s: float) -> tuple[BarrierState, ...]:
        """Its state, where that is not what was said last."""
        if self._sensed is None:
            return ()
        state, why = self.condition(now_s)
        return self._reporter.news(self._sensed, self.doors, state, why, found_open=self._found_open)

    # What becomes of what is asked.

    def _index(self, name: str) -> int:
        for index, one in enumerate(self._all):
            if one.door.name == name:
                return index
        names = ", ".join(one.door.name or '""' for one in self._all)
        raise Refused(Reason.NOT_SUPPORTED, f"There is no such door; there is {names}.")

    def _open(self, index: int, passage_s: float | None, transaction: str, now_s: float) -> Step:
        one = self._all[index]
        others = [other.door for other in self._all if other is not one]
        fault = self._check_move(index, Contact.OPEN, now_s)
        if fault is not None and (fault is Why.RELAY or not self.settings.open_in_fault):
            raise Refused(Reason.UNSAFE, f"What is sensed cannot be relied on: {_WORDS[fault]}.")
        emergency = self._sensed is not None and self._sensed.emergency
        if not emergency and any(other.is_granted for other in others):
            raise Refused(Reason.UNSAFE, "The other door is not sensed to be closed.")
        if not self._emergency:
            if one.passages.permit is not None:
                raise Refused(Reason.BUSY, "A permit waits for its passage already.")
            one.passages.grant(transaction, passage_s or self.settings.passage_s)
        return self._move(index, MachineState.OPEN, transaction, now_s)

    def _close(self, index: int, transaction: str, now_s: float) -> Step:
        one = self._all[index]
        if self.settings.doors[index].close is None:
            raise Refused(Reason.NOT_SUPPORTED, "Its own controller closes it: no relay is wired for that.")
        if self._emergency:
            raise Refused(Reason.UNSAFE, "It stays open for the emergency, until a person acknowledges.")
        if self._found_open:
            raise Refused(
                Reason.UNSAFE,
                "It stood open when the gateway came, maybe for an emergency: a person has to acknowledge.",
            )
        if not one.door.is_granted and one.door.fault is None:
            return Step()  # it is closed
        fault = self._check_move(index, Contact.CLOSE, now_s)
        if fault is not None:
            raise Refused(Reason.UNSAFE, f"What is sensed cannot be relied on: {_WORDS[fault]}.")
        if one.door.seen is None or one.door.seen.presence is not False:
            raise Refused(Reason.UNSAFE, "Somebody is in its way.")
        one.passages.revoke()
        return self._move(index, MachineState.CLOSED, transaction, now_s)

    def _check_move(self, index: int, contact: Contact, now_s: float) -> Why | None:
        """Refuse what no movement may be; gives what is sensed and cannot be, where something is."""
        hands_off = self._why_hands_off(now_s)
        if hands_off is not None:
            raise Refused(Reason.MAINTENANCE, f"Somebody works on it: {_WORDS[hands_off]}.")
        if self._sensed is None or now_s - self._sensed_s > FRESH_S:
            raise Refused(Reason.UNSAFE, "What its sensors say now is not known.")
        if self._all[index].door.travel is not None:
            raise Refused(Reason.BUSY, "It moves as it was told to before.")
        if self._pace.too_often(now_s):
            raise Refused(Reason.RATE_LIMITED, "Movements are asked for too soon after each other.")
        if not self._pace.allows(index, contact, now_s):
            raise Refused(Reason.BUSY, "The opposite contact has only just opened.")
        return self._why_fault()

    def _move(self, index: int, goal: MachineState, transaction: str, now_s: float) -> Step:
        one = self._all[index]
        travel = Travel(index, goal, transaction, now_s, was=one.door.state)
        opens = goal is MachineState.OPEN
        one.door.asked(travel)
        one.reopening.call_off()
        self._pace.asked(index, Contact.OPEN if opens else Contact.CLOSE, now_s)
        return Step(act=Act(Deed.OPEN if opens else Deed.CLOSE, index), travel=travel)

    def _acknowledge(self, now_s: float) -> Step:
        if self._sensed is None or now_s - self._sensed_s > FRESH_S:
            raise Refused(Reason.UNSAFE, "What its sensors say now is not known.")
        if self._sensed.emergency:
            raise Refused(Reason.UNSAFE, "The emergency input is still active.")
        cleared, self._emergency, self._found_open = self._emergency, False, False
        alarm = BarrierAlarm(
            kind=AlarmKind.EMERGENCY_CLEARED, text="A person has acknowledged that the emergency is over."
        )
        return Step(((alarm,) if cleared else ()) + self._news(now_s))

    def _call_off(self, ending: Ending, now_s: float) -> None:
        for one in self._all:
            one.door.end_travel(ending, now_s)
            one.passages.revoke()
            one.reopening.call_off()

    def _due(self, now_s: float) -> Act | None:
        """What is to be done now about somebody in the way; once for each closing."""
        for index, one in enumerate(self._all):
            if not one.reopening.due:
                continue
            if self._emergency or self._why_hands_off(now_s) is not None or self.relay_closed:
                one.reopening.call_off()
            elif not self._pace.allows(index, Contact.OPEN, now_s):
                if not one.reopening.released:
                    one.reopening.released = True
                    return Act(Deed.RELEASE, index)
            elif any(other.door.is_granted for other in self._all if other is not one):
                one.reopening.call_off()
            else:
                one.reopening.call_off()
                travel = Travel(index, MachineState.OPEN, None, now_s, was=one.door.state)
                one.door.asked(travel)
                self._pace.asked(index, Contact.OPEN, now_s)
                return Act(Deed.OPEN, index)
        return None


_WORDS = {
    Why.KEY_SWITCH: "the key switch at the barrier is turned",
    Why.LEASE: "a technician has said so",
    Why.BOTH_LIMITS: "both limits are made at once",
    Why.NO_LIMIT: "no limit is made",
    Why.CHATTER: "a contact chatters",
    Why.CONTROLLER: "its controller is not well",
    Why.RELAY: "a relay is closed that should be open",
}
