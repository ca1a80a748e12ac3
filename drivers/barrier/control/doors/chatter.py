"""Detection of contacts that change more often than any machine moves."""

from collections import deque

from drivers.barrier.wiring import DoorInputs

MAX_CHANGES_PER_S = 3
"""Highest number of changes per second of a limit switch or photocell; no machine moves faster."""
CHATTER_HOLD_S = 2.0
"""Time without a change after which a contact that chattered is trusted again, in seconds."""


class ChatterDetector:
    """Chatter detection of one door: both limit switches, and presence."""

    def __init__(self) -> None:
        self._contacts = {name: _ChangeCounter() for name in ("open_limit", "closed_limit", "presence")}
        self._last: DoorInputs | None = None

    def on_inputs(self, seen: DoorInputs, now_s: float) -> None:
        """Process a reading."""
        for name, contact in self._contacts.items():
            if self._last is not None and getattr(seen, name) != getattr(self._last, name):
                contact.on_change(now_s)
        self._last = seen

    def is_chattering(self, now_s: float) -> bool:
        """Return True if a contact must not be trusted."""
        return any(contact.is_chattering(now_s) for contact in self._contacts.values())


class _ChangeCounter:
    """Counter of the changes of one contact."""

    def __init__(self) -> None:
        self._times: deque[float] = deque(maxlen=MAX_CHANGES_PER_S + 1)
        self._until_s: float | None = None

    def on_change(self, now_s: float) -> None:
        """Note a change."""
        self._times.append(now_s)
        often = len(self._times) > MAX_CHANGES_PER_S and now_s - self._times[0] <= 1.0
        if often or self.is_chattering(now_s):
            self._until_s = now_s + CHATTER_HOLD_S

    def is_chattering(self, now_s: float) -> bool:
        """Return True if the contact must not be trusted."""
        return self._until_s is not None and now_s < self._until_s
