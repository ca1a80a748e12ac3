"""Obstruction handling: reverse a closing door once without a command."""

from drivers.barrier.control.movement import DoorTracker, MovementResult
from drivers.barrier.observations import AlarmKind, BarrierAlarm, MovementState


class ObstructionReversal:
    """Obstruction handling of one door."""

    def __init__(self, door: DoorTracker) -> None:
        self.is_due = False
        """True if the door must be opened as soon as the dead time of its contacts allows it."""
        self.is_released = False
        """True once the close contact was opened, before its opposite may close."""
        self._door = door
        self._noticed = False
        """True once an obstruction was detected during this closing."""

    def cancel(self) -> None:
        """Cancel a pending reversal."""
        self.is_due = False

    def on_inputs(self, now_s: float) -> tuple[BarrierAlarm, ...]:
        """Check for an obstruction, after the door has processed its inputs."""
        door = self._door
        if not door.is_closing:
            if door.state in (MovementState.OPEN, MovementState.CLOSED):
                self._noticed = self.is_due = self.is_released = False
            return ()
        if self._noticed or door.inputs is None or not door.inputs.presence:
            return ()
        transaction = None if door.movement is None else door.movement.transaction
        self._noticed = True
        self.is_due = not door.is_stopped  # a stop has priority over everything
        door.end_movement(MovementResult.REVERSED, now_s)
        return (
            BarrierAlarm(
                kind=AlarmKind.OBSTRUCTION_WHILE_CLOSING,
                door=door.name,
                text="A person or object is in the way of the closing barrier.",
                transaction=transaction,
            ),
        )
