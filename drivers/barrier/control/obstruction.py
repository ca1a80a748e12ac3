"""Somebody in the way of a door that closes: the one thing about which something is done unasked, once."""

from drivers.barrier.control.movement import Door, Ending
from drivers.barrier.observations import AlarmKind, BarrierAlarm, MachineState


class Reopening:
    """What is done about it at one door."""

    def __init__(self, door: Door) -> None:
        self.due = False
        """It is to be opened as soon as its contacts let it."""
        self.released = False
        """The contact that has it closed was let go of, before its opposite may close."""
        self._door = door
        self._noticed = False
        """It was, for this closing."""

    def call_off(self) -> None:
        """Nothing is to be done."""
        self.due = False

    def notice(self, now_s: float) -> tuple[BarrierAlarm, ...]:
        """Look whether somebody is in the way, after the door has taken note of its inputs."""
        door = self._door
        if not door.is_closing:
            if door.state in (MachineState.OPEN, MachineState.CLOSED):
                self._noticed = self.due = self.released = False
            return ()
        if self._noticed or door.seen is None or not door.seen.presence:
            return ()
        transaction = None if door.travel is None else door.travel.transaction
        self._noticed = True
        self.due = not door.is_stopped  # a stop goes before everything
        door.end_travel(Ending.REVERSED, now_s)
        return (
            BarrierAlarm(
                kind=AlarmKind.PRESENCE_WHILE_CLOSING,
                door=door.name,
                text="Somebody is in the way while it closes.",
                transaction=transaction,
            ),
        )
