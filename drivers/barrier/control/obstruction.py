"""Somebody in the way of a door that closes: the one thing about which something is done unasked, once."""

from drivers.barrier.control.movement import DoorTracker, MovementResult
from drivers.barrier.observations import AlarmKind, BarrierAlarm, MovementState


class ObstructionReversal:
    """What is done about it at one door."""

    def __init__(self, door: DoorTracker) -> None:
        self.is_due = False
        """It is to be opened as soon as its contacts let it."""
        self.is_released = False
        """The contact that has it closed was let go of, before its opposite may close."""
        self._door = door
        self._noticed = False
        """It was, for this closing."""

    def cancel(self) -> None:
        """Nothing is to be done."""
        self.is_due = False

    def on_inputs(self, now_s: float) -> tuple[BarrierAlarm, ...]:
        """Look whether somebody is in the way, after the door has taken note of its inputs."""
        door = self._door
        if not door.is_closing:
            if door.state in (MovementState.OPEN, MovementState.CLOSED):
                self._noticed = self.is_due = self.is_released = False
            return ()
        if self._noticed or door.inputs is None or not door.inputs.presence:
            return ()
        transaction = None if door.movement is None else door.movement.transaction
        self._noticed = True
        self.is_due = not door.is_stopped  # a stop goes before everything
        door.end_movement(MovementResult.REVERSED, now_s)
        return (
            BarrierAlarm(
                kind=AlarmKind.OBSTRUCTION_WHILE_CLOSING,
                door=door.name,
                text="Somebody is in the way while it closes.",
                transaction=transaction,
            ),
        )
