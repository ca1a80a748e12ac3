"""What is said of how a barrier stands, and when that is news."""

from collections.abc import Sequence

from drivers.barrier.control.movement import DoorTracker
from drivers.barrier.observations import BarrierState, DoorState, MovementState, StateReason
from drivers.barrier.wiring import BarrierInputs

STATES_BY_SEVERITY = (
    MovementState.UNKNOWN,
    MovementState.BLOCKED,
    MovementState.STOPPED,
    MovementState.CLOSING,
    MovementState.OPENING,
    MovementState.OPEN,
    MovementState.CLOSED,
)
"""Of two doors, the state that comes first here is the barrier's."""


def most_severe(doors: Sequence[DoorTracker]) -> MovementState:
    """The state of that door which most calls for attention."""
    return min((door.state for door in doors), key=STATES_BY_SEVERITY.index)


class StateReporter:
    """Remembers what was said last, so that nothing is said twice."""

    def __init__(self) -> None:
        self._said: BarrierState | None = None

    def changes(
        self,
        sensed: BarrierInputs,
        doors: Sequence[DoorTracker],
        state: MovementState,
        why: StateReason,
        *,
        open_at_start: bool,
    ) -> tuple[BarrierState, ...]:
        """How it stands, where that is not what was said last."""
        said = self._said
        new = BarrierState(
            state=state,
            reason=why,
            doors=tuple(
                DoorState(
                    door=door.name,
                    state=MovementState.FAULT if door.fault else door.state,
                    open_limit=seen.open_limit,
                    closed_limit=seen.closed_limit,
                    presence=seen.presence,
                    entry_side=seen.entry_side,
                    exit_side=seen.exit_side,
                )
                for door, seen in zip(doors, sensed.doors, strict=True)
            ),
            emergency=sensed.emergency,
            key_switch=sensed.key_switch,
            controller_ok=sensed.controller_ok,
            open_at_start=open_at_start,
        )
        if said is not None and (
            new == said.model_copy(update={"transaction": None})
            or (
                why is StateReason.CHATTER and (state, why) == (said.state, said.reason)
            )  # not every bounce of it
        ):
            return ()
        transaction = next((door.movement.transaction for door in doors if door.movement is not None), None)
        self._said = new.model_copy(update={"transaction": transaction})
        return (self._said,)

    def mark_stale(self) -> tuple[BarrierState, ...]:
        """What was said last is how it was: the link has failed."""
        if self._said is None or self._said.stale:
            return ()
        self._said = self._said.model_copy(update={"stale": True})
        return (self._said,)
