"""Obstruction handling of one door: reopening is due until the door is sensed open."""

from drivers.barrier.control.doors.movement import DoorTracker, MovementResult
from drivers.barrier.control.doors.opening_grant import CONFIRM_S
from drivers.barrier.observations import AlarmKind, BarrierAlarm, MovementState

REOPEN_AGAIN_S = 2.0
"""Time after which an acknowledged reopening is repeated while the door is not sensed open, in seconds."""
LEFT_AGAIN_S = 1.0
"""The same for a door that was sensed open and has left its end again: the pulse before is over."""


class ObstructionReversal:
    """Obstruction handling of one door.

    A stop ends it only with a stop contact: without one, the stop releases the contacts, and the door may
    move on towards the person.
    """

    def __init__(self, door: DoorTracker, *, has_stop_contact: bool) -> None:
        self._has_stop_contact = has_stop_contact
        self.is_due = False
        """True until the door is sensed open."""
        self.was_noticed = False
        """True once an obstruction was detected during this movement."""
        self.is_of_command = False
        """True if this gateway commanded the closing that was obstructed, maybe before its last start.

        An emergency, or a late start, may have ended the command before the door was closed.
        """
        self.is_released = False
        """True once the board has acknowledged a release for this obstruction."""
        self.has_begun = False
        """True once a reopening was written for this obstruction."""
        self._door = door
        self._acknowledged_s: float | None = None
        """Time of the last acknowledged reopening."""
        self._ended_s: float | None = None
        """Time since when the door is at an end that ends the handling."""
        self._was_open = False
        """True if the door was sensed open at the last reading."""
        self._has_left_again = False
        """True once the door has left the open limit since the last acknowledged reopening."""

    def on_movement(self) -> None:
        """Note a commanded movement: an obstruction of it is a new one. A reopening stays due."""
        self.was_noticed = self.is_due

    def on_stop(self) -> None:
        """Note a stop, which has priority over the reopening."""
        if self._has_stop_contact:
            self.cancel()

    def cancel(self) -> None:
        """Cancel the reopening."""
        self.is_due = False

    def on_reopening(self) -> None:
        """Note that a reopening is written."""
        self.has_begun = True

    def on_reopening_acknowledged(self, now_s: float) -> None:
        """Note that the board has acknowledged a reopening: readings from now on show its effect."""
        self._acknowledged_s, self._ended_s, self._has_left_again = now_s, None, False

    def is_due_at(self, now_s: float) -> bool:
        """Return True if a reopening must be written now; not again while the door is sensed open."""
        again_s = LEFT_AGAIN_S if self._has_left_again else REOPEN_AGAIN_S
        waits = self._acknowledged_s is not None and (
            self._was_open or now_s - self._acknowledged_s < again_s
        )
        return self.is_due and not waits

    def on_inputs(self, now_s: float) -> tuple[BarrierAlarm, ...]:
        """Check for an obstruction, after the door has processed its inputs."""
        door = self._door
        present = door.inputs is not None and bool(door.inputs.presence)
        self._check_ended(now_s, present=present)
        if not present or door.is_at_end:
            self.was_noticed = self.is_due
        if self.was_noticed or not present or not door.may_be_closing:
            return ()
        transaction = None if door.movement is None else door.movement.transaction
        self.is_of_command = (
            door.is_commanded_closing or door.state is MovementState.UNKNOWN
            if door.movement is None
            else door.movement.goal is MovementState.CLOSED
        )
        self.was_noticed, self.is_released, self.has_begun = True, False, False
        self._acknowledged_s = self._ended_s = None
        if not (door.stop.is_in_effect and self._has_stop_contact):
            self.is_due = True
            door.end_movement(MovementResult.REVERSED, now_s)
        return (
            BarrierAlarm(
                kind=AlarmKind.OBSTRUCTION_WHILE_CLOSING,
                door=door.name,
                text="A person or object is in the way of the closing barrier.",
                transaction=transaction,
            ),
        )

    def _check_ended(self, now_s: float, *, present: bool) -> None:
        """End the handling at the open limit, or at the closed one once the way is free; not by a flicker.

        Before a reopening is acknowledged, an open limit proves little: the door may not have left it yet.
        """
        is_open = self._door.state is MovementState.OPEN
        self._has_left_again = self._has_left_again or (self._was_open and not is_open)
        self._was_open = is_open
        at_end = is_open or (self._door.state is MovementState.CLOSED and not present)
        if not at_end:
            self._ended_s = None
        elif self._ended_s is None:
            self._ended_s = now_s
        elif now_s - self._ended_s >= CONFIRM_S or (is_open and self._acknowledged_s is not None):
            self.is_due = False
