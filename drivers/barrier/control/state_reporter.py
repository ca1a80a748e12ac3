"""Reports of a barrier's state, without repetitions."""

from collections.abc import Sequence

from drivers.barrier.control.doors.movement import DoorTracker
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


CHATTER_REPORT_S = 1.0
"""Shortest interval between reports while a contact chatters, in seconds: not every bounce is reported."""
LIMIT_STATES = frozenset(STATES_BY_SEVERITY) | {MovementState.FAULT}
"""States that follow from present inputs, so that they are unknown without them."""


class StateReporter:
    """Filter that reports a state only when it has changed."""

    def __init__(self) -> None:
        self._last: BarrierState | None = None
        self._reported_s = 0.0

    def changes(
        self,
        sensed: BarrierInputs,
        doors: Sequence[DoorTracker],
        state: MovementState,
        reason: StateReason,
        conditions: tuple[StateReason, ...],
        now_s: float,
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
            conditions=conditions,
            open_at_start=StateReason.OPEN_AT_START in conditions,
        )
        if last is not None:
            unchanged = new == last.model_copy(update={"transaction": None})
            bounces = StateReason.CHATTER in conditions and (state, reason, conditions) == (
                last.state,
                last.reason,
                last.conditions,
            )
            if unchanged or (bounces and now_s - self._reported_s < CHATTER_REPORT_S):
                return ()
        transaction = next((door.movement.transaction for door in doors if door.movement is not None), None)
        self._last, self._reported_s = new.model_copy(update={"transaction": transaction}), now_s
        return (self._last,)

    def on_marked(self, state: BarrierState, marked: BarrierState) -> None:
        """Note that a reported state is shown with a mark; a newer one is marked on its own."""
        if self._last == state:
            self._last = marked

    def mark_stale(self) -> tuple[BarrierState, ...]:
        """Return the last state as stale: without the link, the position is unknown."""
        last = self._last
        if last is None or last.stale:
            return ()
        unknown = {"state": MovementState.UNKNOWN, "reason": StateReason.LINK_LOST}
        self._last = last.model_copy(
            update={
                **(unknown if last.state in LIMIT_STATES else {}),
                "doors": tuple(
                    door.model_copy(update={"state": MovementState.UNKNOWN}) for door in last.doors
                ),
                "stale": True,
            }
        )
        return (self._last,)
