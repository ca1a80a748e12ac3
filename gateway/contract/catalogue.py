"""Every event of the contract. Imports what devices can say, never a driver or a device library."""

from drivers.fingerprint.observations import CaptureEnded, FingerCaptured, FingerFeedback
from drivers.observation import Observation
from drivers.passport.observations import (
    BarcodeRead,
    ChecksMade,
    ChipProgressed,
    ChipRead,
    DocumentPlaced,
    DocumentRead,
    DocumentRemoved,
    ImageCaptured,
    MrzRead,
    ReadFailed,
)
from gateway.contract.gateway_events import ClockStepped

EVENTS: tuple[type[Observation], ...] = (
    DocumentRead,
    ReadFailed,
    DocumentPlaced,
    MrzRead,
    ImageCaptured,
    BarcodeRead,
    ChipProgressed,
    ChipRead,
    ChecksMade,
    DocumentRemoved,
    FingerFeedback,
    FingerCaptured,
    CaptureEnded,
    ClockStepped,
)
"""In the order of the documents. An event that is not here is in no schema and in no AsyncAPI document."""

GATEWAY_EVENTS: frozenset[type[Observation]] = frozenset({ClockStepped})
"""Those that a gateway says of itself, at `_gw/{gateway}`."""
