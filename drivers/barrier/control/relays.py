"""State of the wired relays, by acknowledgements and readings of the board, never by the gateway's clock."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum, auto

OVERDUE_MARGIN_S = 0.1
"""Margin after the latest end of a pulse before its relay counts as stuck, in seconds."""


class RelayFault(Enum):
    """Fault of a relay that reads closed."""

    STUCK = auto()
    """Still closed after the end of a pulse of this gateway."""
    FOREIGN = auto()
    """Closed, and not by this gateway."""


@dataclass(slots=True)
class _Relay:
    """Knowledge about one relay. Times are seconds of one monotonic clock."""

    open_since_s: float | None
    """Time since when it is known to be open; None: it may be closed."""
    is_ours: bool = False
    """True if this gateway has closed it, or may have."""
    is_acknowledged: bool = False
    """True if the board has acknowledged the pulse."""
    overdue_s: float = float("-inf")
    """Time after which a pulse of this gateway is certainly over."""


class RelayLedger:
    """Ledger of the wired relays: pulses, releases and readings.

    `longest_s`: upper bound on the time from the acceptance of a pulse to its certain end, in seconds. A
    relay counts as open only from an acknowledged release or a reading on, so the dead time of opposite
    contacts starts there.
    """

    def __init__(self, relays: Iterable[int], longest_s: float) -> None:
        self._relays = {relay: _Relay(float("-inf")) for relay in relays}
        self._longest_s = longest_s + OVERDUE_MARGIN_S

    def on_pulse(self, relay: int, now_s: float, *, acknowledged: bool = False) -> None:
        """Note that a pulse is written, or was acknowledged by now. A refused one may have been executed."""
        known = self._relays[relay]
        known.open_since_s, known.is_ours, known.is_acknowledged = None, True, acknowledged
        known.overdue_s = now_s + self._longest_s

    def on_found_open(self, relay: int, now_s: float) -> None:
        """Note that a relay reads open at the start: an earlier run may have opened it just now."""
        self._relays[relay].open_since_s = now_s

    def on_withdrawn(self, relay: int, before_s: float | None) -> None:
        """Note that a pulse was not sent; `before_s`: `open_since_s` before it."""
        if before_s is not None:
            self._relays[relay] = _Relay(before_s)

    def on_released(self, now_s: float) -> None:
        """Note that the board has acknowledged the release of every relay by now."""
        for known in self._relays.values():
            if known.open_since_s is None:
                known.open_since_s, known.is_ours = now_s, False

    def on_reading(self, closed: Sequence[bool], asked_s: float, now_s: float) -> dict[int, RelayFault]:
        """Take a reading that was asked for at `asked_s` and has come by now; return the faults."""
        faults = {}
        for relay, known in self._relays.items():
            over = asked_s > known.overdue_s
            if not closed[relay]:
                if known.open_since_s is None and (known.is_acknowledged or over):
                    known.open_since_s, known.is_ours = now_s, False
            elif not known.is_ours:
                if known.open_since_s is None or asked_s >= known.open_since_s:
                    known.open_since_s = None
                    faults[relay] = RelayFault.FOREIGN
            elif over:
                faults[relay] = RelayFault.STUCK
        return faults

    def open_since_s(self, relay: int | None) -> float | None:
        """Return the time since when a relay is open; None: it may be closed. No relay is always open."""
        return float("-inf") if relay is None else self._relays[relay].open_since_s

    def is_open_for(self, relay: int | None, dead_time_s: float, now_s: float) -> bool:
        """Return True if a relay has been open for this time."""
        since_s = self.open_since_s(relay)
        return since_s is not None and now_s - since_s >= dead_time_s - 1e-9
