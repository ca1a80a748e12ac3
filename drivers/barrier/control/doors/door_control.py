"""One door with everything that the state machine keeps about it."""

from drivers.barrier.control.doors.movement import DoorTracker
from drivers.barrier.control.doors.obstruction import ObstructionReversal
from drivers.barrier.control.doors.passages import PassageTracker
from drivers.barrier.control.doors.presence_check import PresenceCheck
from drivers.barrier.control.doors.presence_test import PresenceTest
from drivers.barrier.wiring import BarrierSettings, DoorInputs, DoorWiring


class DoorControl:
    """A door with its permits and its obstruction handling."""

    def __init__(self, wiring: DoorWiring, settings: BarrierSettings) -> None:
        self.wiring = wiring
        self.door = DoorTracker(wiring.name, settings)
        self.passages = PassageTracker(wiring.name)
        self.obstruction = ObstructionReversal(self.door, has_stop_contact=wiring.stop is not None)
        self.presence_check = PresenceCheck(wiring)
        self.presence_test = PresenceTest(settings.pulse_s)
        self._clear_since_s: float | None = None
        """Time since when the presence detector reports no person; None while it does, or is not wired."""

    def on_presence(self, seen: DoorInputs, now_s: float) -> None:
        """Note the presence of a reading, without that which a test of the detector makes."""
        if seen.presence is not False:
            self._clear_since_s = None
        elif self._clear_since_s is None:
            self._clear_since_s = now_s

    def clear_for_s(self, now_s: float) -> float:
        """Return the time for which the way has been clear, in seconds."""
        return 0.0 if self._clear_since_s is None else now_s - self._clear_since_s
