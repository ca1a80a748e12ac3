"""Plausibility of one door's presence detector: passages that the sides detect and the detector misses.

A detector that reads clear by a fault of its own permits every closing. It is compared with the loops or mats
beside it (UL 325 and EN 12453 require monitored detectors; this is what inputs alone can show).
"""

from drivers.barrier.wiring import DoorInputs, DoorWiring

MAX_MISSED_PASSAGES = 3
"""Number of missed passages in a row after which the detector is not trusted."""
MAX_PASSAGE_S = 10.0
"""Longest time from one side to the other that counts as one passage, in seconds."""
_OTHER_SIDE = {"entry_side": "exit_side", "exit_side": "entry_side"}


class PresenceCheck:
    """Count of the passages of one door that its presence detector has missed."""

    def __init__(self, wiring: DoorWiring) -> None:
        self._is_possible = None not in (wiring.presence, wiring.entry_side, wiring.exit_side)
        self.is_tested = not self._is_possible
        """True if it has responded since the start, and since it missed passages."""
        self._missed = 0
        self._from: dict[str, float] = {}
        """Time at which a side was last active, by side; empty once the detector has responded."""

    def on_inputs(self, seen: DoorInputs, now_s: float, *, is_open: bool) -> bool:
        """Process the inputs; return True when one passage too many was missed."""
        if not self._is_possible:
            return False
        if seen.presence:
            self._missed, self.is_tested = 0, True
        if seen.presence or not is_open:
            self._from.clear()
            return False
        for side, other in _OTHER_SIDE.items():
            began_s = self._from.get(other)
            if getattr(seen, side) and began_s is not None:
                self._from.clear()
                if now_s - began_s <= MAX_PASSAGE_S:
                    self._missed += 1
                    self.is_tested = self.is_tested and self._missed < MAX_MISSED_PASSAGES
                    return self._missed == MAX_MISSED_PASSAGES
        self._from |= {side: now_s for side in _OTHER_SIDE if getattr(seen, side)}
        return False
