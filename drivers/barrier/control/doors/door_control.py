"""One door with everything that the state machine keeps about it."""

from drivers.barrier.control.doors.movement import DoorTracker
from drivers.barrier.control.doors.obstruction import ObstructionReversal
from drivers.barrier.control.doors.passages import PassageTracker
from drivers.barrier.control.doors.presence_check import PresenceCheck
from drivers.barrier.control.doors.presence_test import PresenceTest
from drivers.barrier.wiring import BarrierSettings, DoorWiring


class DoorControl:
    """A door with its permits and its obstruction handling."""

    def __init__(self, wiring: DoorWiring, settings: BarrierSettings) -> None:
        self.wiring = wiring
        self.door = DoorTracker(wiring.name, settings)
        self.passages = PassageTracker(wiring.name)
        self.obstruction = ObstructionReversal(self.door, has_stop_contact=wiring.stop is not None)
        self.presence_check = PresenceCheck(wiring)
        self.presence_test = PresenceTest(settings.pulse_s)
