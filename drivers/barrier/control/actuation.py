"""Actuations of a barrier, and decisions of its state machine."""

from dataclasses import dataclass
from enum import Enum, auto

from drivers.barrier.control.doors.movement import Movement
from drivers.barrier.observations import BarrierAlarm, BarrierPassage, BarrierState
from drivers.barrier.wiring import DoorWiring

Report = BarrierState | BarrierPassage | BarrierAlarm


class ActuationKind(Enum):
    """Kind of actuation at the board."""

    OPEN = auto()
    CLOSE = auto()
    STOP = auto()
    """The stop contact of a door is closed for a pulse."""
    RELEASE = auto()
    """Every relay is opened."""
    TEST = auto()
    """The test input of a door's presence detector is closed for a pulse: nothing moves."""
    REOPEN = auto()
    """The open contact of a door is closed for a pulse, because of an obstruction."""


@dataclass(frozen=True, slots=True)
class Actuation:
    """One actuation, to be executed now; none is queued for later."""

    kind: ActuationKind
    door: int = 0

    def relay(self, door: DoorWiring) -> int | None:
        """Return the relay of its door that it closes; None: it closes none."""
        match self.kind:
            case ActuationKind.OPEN | ActuationKind.REOPEN:
                return door.open
            case ActuationKind.CLOSE:
                return door.close
            case ActuationKind.STOP:
                return door.stop
            case ActuationKind.TEST:
                return door.presence_test
        return None


RELEASE = Actuation(ActuationKind.RELEASE)


@dataclass(frozen=True, slots=True)
class Decision:
    """Result of one input of the state machine: observations, and the actuation of a command."""

    observations: tuple[Report, ...] = ()
    actuation: Actuation | None = None
    movement: Movement | None = None
    """The commanded movement; its `result` is set when it ends."""
