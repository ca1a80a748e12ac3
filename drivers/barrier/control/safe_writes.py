"""Writes that make a barrier safer: stops, releases, reopenings, due until the board acknowledges them."""

from collections.abc import Sequence

from drivers.barrier.control.actuation import RELEASE, Actuation, ActuationKind
from drivers.barrier.control.admission import Situation
from drivers.barrier.control.doors.door_control import DoorControl
from drivers.barrier.control.doors.movement import Movement
from drivers.barrier.control.relays import RelayFault, RelayLedger
from drivers.barrier.observations import MovementState
from drivers.barrier.wiring import BarrierSettings

STUCK_AGAIN_S = 1.0
"""Time after which an acknowledged release is repeated while a relay still reads closed, in seconds."""


class SafeWrites:
    """Due writes of one barrier, and its relays.

    A stop is due until the board has acknowledged it, a reopening until the door is sensed open. A release is
    due while a contact may be closed that must not be: a CLOSE contact in an emergency, of an obstructed
    door, or while the inputs are read too slowly; and a relay that should have opened by itself.
    `release_timeout_s`: time after the end of a pulse until its relay is certainly open, in seconds.
    """

    def __init__(
        self, settings: BarrierSettings, doors: Sequence[DoorControl], release_timeout_s: float
    ) -> None:
        self.relay_faults: dict[int, RelayFault] = {}
        """Faults of relays at the last reading."""
        self._settings = settings
        self._doors = doors
        wired = [relay for one in doors for relay in one.wiring.relays]
        self._relays = RelayLedger(wired, settings.pulse_s + release_timeout_s)
        self._is_release_due = False
        """True if every relay must be opened, whatever the state of the contacts."""
        self._released_s: float | None = None
        """Time of the last acknowledged release."""
        self._writing: set[Actuation] = set()
        self._open_since_s: dict[Actuation, float | None] = {}
        """Time since when the relay of an actuation was open before it."""

    def has(self, fault: RelayFault) -> bool:
        """Return True if a relay has this fault."""
        return fault in self.relay_faults.values()

    def is_ready(self, opposite: int | None, now_s: float) -> bool:
        """Return True if the opposite contact has been open for the dead time."""
        return self._relays.is_open_for(opposite, self._settings.dead_time_s, now_s)

    def on_relays(self, closed: Sequence[bool], asked_s: float, now_s: float) -> None:
        """Take a reading of all relays."""
        self.relay_faults = self._relays.on_reading(closed, asked_s, now_s)

    def on_relays_at_start(self, closed: Sequence[bool], now_s: float) -> bool:
        """Take the reading at the start: a closed relay may be of an earlier run, and must be released."""
        for one in self._doors:
            for relay in one.wiring.relays:
                if closed[relay]:
                    self._relays.on_pulse(relay, now_s)
                    self._is_release_due = True
                else:
                    self._relays.on_found_open(relay, now_s)
        return self._is_release_due

    def on_stop(self) -> None:
        """Note a stop: without a stop contact, a release is due."""
        self._is_release_due = self._is_release_due or any(one.wiring.stop is None for one in self._doors)

    def due(self, now: Situation, now_s: float) -> tuple[Actuation, ...]:
        """Return the writes that are due now; a release comes first."""
        found = [RELEASE] if self._needs_release(now, now_s) else []
        for index, one in enumerate(self._doors):
            if one.door.stop.is_pending and one.wiring.stop is not None:
                found.append(Actuation(ActuationKind.STOP, index))
            elif (
                one.obstruction.is_due_at(now_s)
                and self._may_reopen(index, now, now_s)
                and self.is_ready(one.wiring.close, now_s)
            ):
                found.append(Actuation(ActuationKind.REOPEN, index))
        return tuple(one for one in found if one not in self._writing)

    def next_due_s(self) -> float | None:
        """Return the time at which the dead time of a due reopening ends; None: nothing waits for one."""
        ends_s = [
            since_s + self._settings.dead_time_s
            for one in self._doors
            if one.obstruction.is_due and (since_s := self._relays.open_since_s(one.wiring.close)) is not None
        ]
        return min(ends_s, default=None)

    @property
    def _is_stopping_by_release(self) -> bool:
        """True while a stop without a stop contact is not acknowledged, or must be repeated."""
        return any(one.wiring.stop is None and one.door.stop.is_pending for one in self._doors)

    def _needs_release(self, now: Situation, now_s: float) -> bool:
        if self._is_release_due or self._is_stopping_by_release:
            return True
        if self.has(RelayFault.STUCK):
            return self._released_s is None or now_s - self._released_s >= STUCK_AGAIN_S
        if self.has(RelayFault.FOREIGN):
            return False  # its master would close it again: a person must act
        danger = now.latches.emergency or now.is_sensing_slow
        return any(
            ((danger or one.obstruction.is_due) and self._relays.open_since_s(one.wiring.close) is None)
            or (
                one.obstruction.is_due
                and not one.obstruction.is_released
                and not self.is_ready(one.wiring.close, now_s)
            )
            for one in self._doors
        )

    def _may_reopen(self, index: int, now: Situation, now_s: float) -> bool:
        """Return True if an obstructed door may be opened, once the dead time is over.

        Local control has priority, and another master of the board needs a person. But a closing that this
        gateway commanded, and that no contact can stop, is not left to shut on a person because one of them
        began in the middle of it.
        """
        one = self._doors[index]
        is_left_alone = (now.maintenance is not None or now.latches.other_master) and not (
            one.obstruction.is_of_command and one.wiring.stop is None
        )
        others = [one.door for place, one in enumerate(self._doors) if place != index]
        return (
            not is_left_alone
            and not self.relay_faults
            and (now.emergency_active or not any(other.may_be_open(now_s) for other in others))
        )

    def hold_obstructed(self, index: int, now: Situation, now_s: float, *, was_ours: bool) -> None:
        """Stop an obstructed door that must not be opened.

        `was_ours`: this gateway commanded its movement, which ends when the obstruction is detected. Its
        closing goes on until the reopening is written, so local control that begins before that stops it.
        """
        one = self._doors[index]
        is_closing = one.obstruction.is_of_command and not one.obstruction.has_begun
        stop = one.door.stop
        present = one.door.inputs is not None and bool(one.door.inputs.presence)
        if not one.obstruction.is_due:
            return
        if stop.is_in_effect and one.wiring.stop is not None:
            if not stop.is_pending and (not present or now.maintenance is not None):
                one.obstruction.cancel()  # the way of the stopped door is free, or local control has it
        elif not self._may_reopen(index, now, now_s):
            if now.maintenance is not None and not (was_ours or is_closing):
                one.obstruction.cancel()  # local control has priority
            elif one.wiring.stop is not None:
                one.door.on_stop(now_s)

    def on_writing(self, actuation: Actuation, now_s: float) -> None:
        """Note that an actuation is about to be written."""
        self._writing.add(actuation)
        one = self._doors[actuation.door]
        if (relay := actuation.relay(one.wiring)) is not None:
            self._open_since_s[actuation] = self._relays.open_since_s(relay)
            self._relays.on_pulse(relay, now_s)
        if actuation.kind is ActuationKind.REOPEN and not one.obstruction.has_begun:
            one.obstruction.on_reopening()
            one.door.on_requested(
                Movement(actuation.door, MovementState.OPEN, None, now_s, start_state=one.door.state)
            )

    def on_acknowledged(self, actuation: Actuation, now_s: float) -> None:
        """Note that the board has acknowledged an actuation by now."""
        self._writing.discard(actuation)
        one = self._doors[actuation.door]
        if (relay := actuation.relay(one.wiring)) is not None:
            self._relays.on_pulse(relay, now_s, acknowledged=True)
        match actuation.kind:
            case ActuationKind.STOP:
                one.door.on_stop_acknowledged(now_s, by_contact=True)
            case ActuationKind.REOPEN:
                one.obstruction.on_reopening_acknowledged(now_s)
            case ActuationKind.RELEASE:
                self._relays.on_released(now_s)
                self._is_release_due, self._released_s = False, now_s
                for other in self._doors:
                    other.obstruction.is_released = True
                    if other.wiring.stop is None and other.door.stop.is_pending:
                        other.door.on_stop_acknowledged(now_s, by_contact=False)

    def on_unanswered(self, actuation: Actuation, now_s: float) -> None:
        """Note that the board may or may not have executed an actuation."""
        self._writing.discard(actuation)
        if (relay := actuation.relay(self._doors[actuation.door].wiring)) is not None:
            self._relays.on_pulse(relay, now_s)

    def on_refused(self, actuation: Actuation, now_s: float, *, sent: bool) -> None:
        """Note that the board refused, or that nothing was sent."""
        self.on_unanswered(actuation, now_s)
        relay = actuation.relay(self._doors[actuation.door].wiring)
        if not sent and relay is not None:
            self._relays.on_withdrawn(relay, self._open_since_s.get(actuation))
