"""Checker of the invariants, by the simulator's growing log alone, without access to the driver.

It knows what commands were given (which relay they are for, from when to when they may be written), and what
the board has told whoever asked: the bits of each answer that came in time. From that follows what may be
written, and what must be.
"""

from dataclasses import dataclass

from barrier_fixture import CLOSE, OPEN, STOP

from simulators.barrier.modbus_site import USUAL_INPUTS
from simulators.barrier.wirelog import Contact, Effect, Entry, Frame, FrameFate

SLACK_S = 1e-6
ANSWER_S = 0.3
DEAD_S = 0.3
APART_S = 2.0
FRESH_S = 0.5
READ_RELAYS, READ_INPUTS, RELEASE_ALL = 1, 2, 0xFF
SETTLE_S = 0.6
PACE_S = 0.35
"""Longest time from one reading's request to the next one's answer."""


@dataclass(slots=True)
class PulseCommand:
    """A command that may be written once, until its time is over."""

    relay: int
    until_s: float


@dataclass(frozen=True, slots=True)
class InputReading:
    """A reading of the board, as signals."""

    at_s: float
    bits: tuple[int, ...]

    def is_active(self, signal: str) -> bool:
        closed = bool(self.bits[USUAL_INPUTS[signal]])
        return closed != (signal in ("photocell", "fire", "key"))

    @property
    def between(self) -> bool:
        return not self.is_active("open-limit") and not self.is_active("closed-limit")


class InvariantChecker:
    """Invariant checker; `violations` has every violation."""

    def __init__(self) -> None:
        self.violations: list[str] = []
        self.orders: list[PulseCommand] = []
        self.now_s = 0.0
        self.read: InputReading | None = None
        """The last reading by the running driver."""
        self.emergency = False
        """True from a reading with an emergency until its acknowledgement."""
        self.leased_until_s = 0.0
        self._found_open: bool | None = None
        self._between_lives = True
        self._started_s = 0.0
        self._questions: dict[int, Frame] = {}
        self._closed: dict[int, float] = {}
        self._opened: dict[int, float] = {}
        self._moved_s = -10.0
        self._closing = False
        """True from a command to close until an end is reached or another command is given."""
        self._may_reopen = False
        """True from an obstruction until the door is steadily open, or closed and clear."""
        self._must_react: str | None = None
        self._stop_due = False
        """True from a stop until the board has acknowledged it."""
        self._stopped_s: float | None = None
        """Time of the last acknowledged stop."""
        self._relays: tuple[int, ...] = ()
        """The last reading of the relays."""
        self._release_due = False
        """True from a relay found closed at the start until the board has acknowledged a release."""
        self._waiting_release_until_s: float | None = None
        """Latest time of a release that a stop found waiting; None: none waits."""
        self._asked_s: float | None = None
        self._paces: list[bool] = []
        """Whether each of the last readings was slow."""
        self._steady = 0
        """Number of readings in a row that end an obstruction."""

    # Events of the gateway.

    def life_begins(self) -> None:
        """Note that a driver opens or closes: nothing may be written until `lives`."""
        self._between_lives = True
        self.orders.clear()

    def lives(self, now_s: float) -> None:
        """Note that a driver is open, without earlier commands."""
        self._between_lives, self._started_s = False, now_s
        self.read = self._found_open = self._must_react = self._asked_s = None
        self._waiting_release_until_s = None
        self._closing = self._may_reopen = False
        self._relays, self._paces, self._steady = (), [], 0
        self._questions.clear()

    def acknowledged(self) -> None:
        """A person has."""
        self.emergency = self._found_open = False

    def stopped(self, now_s: float) -> None:
        """Note a stop: no earlier command may be written any more.

        The release for an obstruction may wait for the line by now. It opens contacts only, goes before the
        stop, and is written even so, once, as soon as the exchange before it is over.
        """
        self._waiting_release_until_s = now_s + ANSWER_S if self._may_reopen else None
        self.orders.clear()
        self._closing = self._may_reopen = False
        self._must_react = self._stopped_s = None
        self._stop_due = True

    # Events of the simulator.

    def entry(self, entry: Entry) -> None:
        """Check a log entry."""
        self.now_s = entry.at_s
        match entry:
            case Frame(direction="request"):
                self._asked(entry)
            case Frame(answers=int(number)) if number in self._questions:
                question = self._questions.pop(number)
                in_time = entry.at_s - question.at_s < ANSWER_S - SLACK_S
                if in_time and entry.fate in (FrameFate.SENT, FrameFate.REPEATED):
                    self._answered(question, entry)
            case Contact():
                self._moved(entry)

    def overdue(self, now_s: float) -> None:
        """Check for missing reactions."""
        for relay, since_s in self._closed.items():
            if now_s - since_s > 1 + SLACK_S:
                self._report(f"relay {relay} has been closed since {since_s}")

    def _report(self, what: str) -> None:
        self.violations.append(f"{self.now_s:.3f} s: {what}")

    def _asked(self, frame: Frame) -> None:
        if frame.effect is Effect.CONFIGURE:
            self._report(f"a setting of the board is written: {frame.meaning}")
        relay = (frame.address or 0) & 0xFF
        if frame.writes_outputs:
            self._must_react = None
            safe = frame.effect is Effect.RELEASE or (relay == STOP and self._stop_due)
            if self._between_lives and not safe:
                self._report(f"written while it comes or goes: {frame.meaning}")
        if frame.effect is Effect.RELEASE and not (
            self._may_reopen
            or self._release_due
            or self.emergency
            or 1 in self._relays
            or any(self._paces)
            or self._was_waiting(frame.at_s)
        ):
            self._report("relays are released without a reason")
        if frame.is_actuation or frame.effect is Effect.RELEASE:
            self._questions[frame.number] = frame
        if frame.is_actuation:
            self._actuation(frame, (frame.address or 0) & 0xFF)
        if frame.function == READ_RELAYS:
            self._questions[frame.number] = frame
        if frame.function == READ_INPUTS:
            if self._must_react is not None:
                self._report(self._must_react)
                self._must_react = None
            self._questions[frame.number] = frame

    def _was_waiting(self, now_s: float) -> bool:
        """Return True if a stop found this release waiting: before the stop's own frame, and only once."""
        until_s, self._waiting_release_until_s = self._waiting_release_until_s, None
        return until_s is not None and now_s <= until_s + SLACK_S

    def _actuation(self, frame: Frame, relay: int) -> None:
        """Check a frame that closes a relay: it needs a command, and safe inputs."""
        fitting = [one for one in self.orders if one.relay == relay and frame.at_s <= one.until_s + SLACK_S]
        if relay == STOP:
            if STOP in self._closed:
                self._closed[STOP] = frame.at_s  # stopped again: a new pulse
            self._waiting_release_until_s = None
            if not (self._stop_due or self._may_hold(frame.at_s)):
                self._report("stopped without a command")
            return
        reopens = relay == OPEN and self._may_reopen
        if reopens and OPEN in self._closed:
            self._closed[OPEN] = frame.at_s  # reopened again: a new pulse
        too_soon = frame.at_s - max(self._moved_s, self._started_s) < APART_S - SLACK_S
        if fitting and not (reopens and too_soon):  # otherwise it is for the obstruction, not for the command
            self.orders.remove(fitting[0])
            if too_soon:
                self._report(f"{frame.meaning}, {frame.at_s - self._moved_s:.3f} s after the movement before")
        elif not reopens:
            self._report(f"{frame.meaning}: without a command, or after its time")
        self._moved_s = frame.at_s
        if not reopens:
            self._may_reopen = False
            self._check_sensed(frame, relay, read=self.read)
        self._closing = relay == CLOSE

    def _may_hold(self, now_s: float) -> bool:
        """Return True if an obstructed door may be stopped: it must not be reopened."""
        key = self.read is not None and self.read.is_active("key")
        return self._may_reopen and (key or now_s < self.leased_until_s + SLACK_S or 1 in self._relays)

    def _answered(self, question: Frame, answer: Frame) -> None:
        """Note an answer that came in time."""
        refused = (answer.function or 0) & 0x80
        if question.is_actuation and (question.address or 0) & 0xFF == STOP and not refused:
            self._stop_due, self._stopped_s = False, answer.at_s
        if question.effect is Effect.RELEASE and not refused:
            self._release_due = False
        if not isinstance(answer.value, tuple):
            return
        if question.function == READ_RELAYS:
            self._release_due = self._release_due or (self._between_lives and 1 in answer.value)
            self._relays = answer.value
        elif question.function == READ_INPUTS and not self._between_lives:
            if self._asked_s is not None:
                self._paces = [*self._paces[-9:], answer.at_s - self._asked_s > PACE_S - SLACK_S]
            self._asked_s = question.at_s
            self._told(InputReading(question.at_s, answer.value))

    def _check_sensed(self, frame: Frame, relay: int, read: InputReading | None) -> None:
        if read is None or frame.at_s - read.at_s > FRESH_S + SLACK_S:
            self._report(f"{frame.meaning}: by an old reading, or none")
            return
        if read.is_active("key") or frame.at_s < self.leased_until_s - SLACK_S:
            self._report(f"{frame.meaning}: during maintenance")
        if read.is_active("open-limit") and read.is_active("closed-limit"):
            self._report(f"{frame.meaning}: by implausible limit switches")
        if relay == CLOSE:
            for signal in ("photocell", "fire"):
                if read.is_active(signal):
                    self._report(f"told to close while {signal} was active")
            if self.emergency:
                self._report("told to close after an emergency without acknowledgement")
            if self._found_open:
                self._report("told to close, open at start, without acknowledgement")

    def _told(self, read: InputReading) -> None:
        """Note a reading by the driver."""
        before, self.read = self.read, read
        if (
            self._stopped_s is not None
            and before is not None
            and read.between
            and not before.between
            and read.at_s - self._stopped_s < SETTLE_S
        ):
            self._stop_due = True  # it moves in spite of the stop
        closed = read.is_active("closed-limit") and not read.is_active("open-limit")
        self._found_open = not closed and (self._found_open is None or self._found_open)
        if read.is_active("fire") and not self.emergency:
            self.emergency = True
            self.orders = [order for order in self.orders if order.relay == STOP]
        leased = read.at_s < self.leased_until_s
        if not read.between and not (read.is_active("open-limit") and self._closing):
            self._closing = False
        may_close = self._closing or read.between
        if read.is_active("photocell") and may_close and not self._may_reopen:
            self._may_reopen = True
            hands_off = self.emergency or read.is_active("key") or leased
            if self._closing and read.between and not hands_off:
                self._must_react = "no reaction to an obstruction while it closes"
        clear = closed and not read.is_active("photocell")
        self._steady = self._steady + 1 if (read.is_active("open-limit") or clear) else 0
        if self._steady > 3:
            self._may_reopen = False

    def _moved(self, contact: Contact) -> None:
        """Note that a relay's contact closes or opens."""
        relay = contact.relay
        if not contact.closed:
            since_s = self._closed.pop(relay, contact.at_s)
            self._opened[relay] = contact.at_s
            if contact.at_s - since_s > 1 + SLACK_S:
                self._report(f"relay {relay} was closed for {contact.at_s - since_s:.3f} s")
            return
        self._closed[relay] = contact.at_s
        other = {OPEN: CLOSE, CLOSE: OPEN}.get(relay)
        if other is None:
            return
        if other in self._closed:
            self._report("the contacts that open and close it are closed at once")
        elif contact.at_s - self._opened.get(other, -10.0) < DEAD_S - SLACK_S:
            self._report(f"only {contact.at_s - self._opened[other]:.3f} s between opposite contacts")
