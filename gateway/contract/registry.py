"""Every event of the contract. Imports what devices can say, never a driver or a device library."""

from drivers.access.commands import Pulse, Pulsed
from drivers.access.observations import CardRead, ReaderStatus
from drivers.barrier.commands import Acknowledge, CloseBarrier, Maintain, Moved, OpenBarrier, Stopped
from drivers.barrier.observations import BarrierAlarm, BarrierPassage, BarrierState
from drivers.camera.commands import PictureTaken, PreviewShown, ShowPreview, TakePicture
from drivers.camera.observations import FaceCaptured, FaceFeedback, PlateRead, SceneCaptured
from drivers.command import Done, Request
from drivers.fingerprint.commands import Capture, CaptureDone, StealLock
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
from gateway.contract.commands import CLAIM_KINDS, CommandKind
from gateway.contract.events import (
    AuditSealed,
    ClaimChanged,
    ClockStepped,
    CommandDecided,
    CommandEnded,
    TechnicianActed,
)

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
    BarrierState,
    BarrierPassage,
    BarrierAlarm,
    CardRead,
    ReaderStatus,
    FaceCaptured,
    SceneCaptured,
    FaceFeedback,
    PlateRead,
    ClockStepped,
    CommandDecided,
    CommandEnded,
    ClaimChanged,
    TechnicianActed,
    AuditSealed,
)
"""In the order of the documents. An event that is not here is in no schema and in no AsyncAPI document."""

GATEWAY_EVENTS: frozenset[type[Observation]] = frozenset((ClockStepped, AuditSealed))
"""Those that a gateway says of itself, at `_gw/{gateway}`."""

COMMANDS: tuple[CommandKind, ...] = (
    *CLAIM_KINDS,
    CommandKind("fingerprint_scanner.capture", Capture, CaptureDone),
    CommandKind("fingerprint_scanner.cancel", Request, Done),
    CommandKind("fingerprint_scanner.steal-lock", StealLock, Done),
    CommandKind("barrier.open", OpenBarrier, Moved),
    CommandKind("barrier.close", CloseBarrier, Moved),
    CommandKind("barrier.stop", Request, Stopped),
    CommandKind("barrier.acknowledge", Acknowledge, Done),
    CommandKind("barrier.maintenance", Maintain, Done),
    CommandKind("card_reader.pulse", Pulse, Pulsed),
    CommandKind("camera.capture", TakePicture, PictureTaken),
    CommandKind("camera.cancel", Request, Done),
    CommandKind("camera.preview", ShowPreview, PreviewShown),
)
"""Every command of the contract: those of the gateway, then those of drivers, by the models they share."""
