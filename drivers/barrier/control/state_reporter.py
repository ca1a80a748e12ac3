"""Reports of a barrier's state, without repetitions."""

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
"""States by severity: of two doors, the one that comes first here is the state of the barrier."""


def most_severe(doors: Sequence[DoorTracker]) -> MovementState:
    """Return the most severe state of the doors."""
    return min((door.state for door in doors), key=STATES_BY_SEVERITY.index)


class StateReporter:
    """Filter that reports a state only when it has changed."""

    def __init__(self) -> None:
        self._last: BarrierState | None = None

    def changes(
        self,
        sensed: BarrierInputs,
        doors: Sequence[DoorTracker],
        state: MovementState,
        reason: StateReason,
        *,
        open_at_start: bool,
    ) -> tuple[BarrierState, ...]:
        """Return the state, if it differs from the last one reported."""
        last = self._last
        new = BarrierState(
            state=state,
            reason=reason,
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
        if last is not None and (
            new == last.model_copy(update={"transaction": None})
            or (
                reason is StateReason.CHATTER and (state, reason) == (last.state, last.reason)
            )  # not every bounce of the contact
        ):
            return ()
        transaction = next((door.movement.transaction for door in doors if door.movement is not None), None)
        self._last = new.model_copy(update={"transaction": transaction})
        return (self._last,)

    def mark_stale(self) -> tuple[BarrierState, ...]:
        """Return the last state as stale: the link has failed."""
        if self._last is None or self._last.stale:
            return ()
        self._last = self._last.model_copy(update={"stale": True})
        return (self._last,)
