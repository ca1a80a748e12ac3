"""What is said of how a barrier stands, and when that is news."""

from collections.abc import Sequence

from drivers.barrier.control.movement import Door
from drivers.barrier.observations import BarrierState, DoorState, MachineState, Why
from drivers.barrier.wiring import Sensed

GRAVITY = (
    MachineState.UNKNOWN,
    MachineState.BLOCKED,
    MachineState.STOPPED,
    MachineState.CLOSING,
    MachineState.OPENING,
    MachineState.OPEN,
    MachineState.CLOSED,
)
"""Of two doors, the state that comes first here is the barrier's."""


def gravest(doors: Sequence[Door]) -> MachineState:
    """The state of that door which most calls for attention."""
    return min((door.state for door in doors), key=GRAVITY.index)


class Reporter:
    """Remembers what was said last, so that nothing is said twice."""

    def __init__(self) -> None:
        self._said: BarrierState | None = None

    def news(
        self, sensed: Sensed, doors: Sequence[Door], state: MachineState, why: Why, *, found_open: bool
    ) -> tuple[BarrierState, ...]:
        """How it stands, where that is not what was said last."""
        said = self._said
        new = BarrierState(
            state=state,
            why=why,
            doors=tuple(
                DoorState(
                    door=door.name,
                    state=MachineState.FAULT if door.fault else door.state,
                    open_limit=seen.open_limit,
                    closed_limit=seen.closed_limit,
                    presence=seen.presence,
                    before=seen.before,
                    behind=seen.behind,
                )
                for door, seen in zip(doors, sensed.doors, strict=True)
            ),
            emergency=sensed.emergency,
            key_switch=sensed.key_switch,
            controller_ok=sensed.controller_ok,
            found_open=found_open,
        )
        if said is not None and (
            new == said.model_copy(update={"transaction": None})
            or (why is Why.CHATTER and (state, why) == (said.state, said.why))  # not every bounce of it
        ):
            return ()
        transaction = next((door.travel.transaction for door in doors if door.travel is not None), None)
        self._said = new.model_copy(update={"transaction": transaction})
        return (self._said,)

    def stale(self) -> tuple[BarrierState, ...]:
        """What was said last is how it was: the link has failed."""
        if self._said is None or self._said.stale:
            return ()
        self._said = self._said.model_copy(update={"stale": True})
        return (self._said,)
