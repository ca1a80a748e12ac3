"""Registry of all events and commands of the contract.

Imports observations, never a driver or a device library.
"""

from drivers.access.commands import PulseOutput, PulseOutputResult
from drivers.access.observations import CardRead, ReaderStatus
from drivers.barrier.commands import (
    AcknowledgeEmergency,
    CloseBarrier,
    MoveResult,
    OpenBarrier,
    SetMaintenance,
    StopResult,
)
from drivers.barrier.observations import BarrierAlarm, BarrierPassage, BarrierState
from drivers.camera.commands import ShowPreview, ShowPreviewResult, TakePicture, TakePictureResult
from drivers.camera.observations import FaceCaptured, FaceFeedback, PlateRead, SceneCaptured
from drivers.command import CommandArguments, CommandOutput, CommandType
from drivers.fingerprint.commands import CaptureFinger, CaptureFingerResult, StealLock
from drivers.fingerprint.observations import CaptureEnded, FingerCaptured, FingerFeedback
from drivers.observation import Observation
from drivers.passport.observations import (
    BarcodeRead,
    ChipRead,
    ChipReadProgress,
    DocumentChecked,
    DocumentPlaced,
    DocumentRead,
    DocumentRemoved,
    ImageCaptured,
    MrzRead,
    ReadFailed,
)
from gateway.contract.commands import CLAIM_COMMAND_TYPES
from gateway.contract.events import (
    AuditCheckpoint,
    ClaimChanged,
    ClockStepped,
    CommandDecided,
    CommandEnded,
    TechnicianOperationPerformed,
)

EVENTS: tuple[type[Observation], ...] = (
    DocumentRead,
    ReadFailed,
    DocumentPlaced,
    MrzRead,
    ImageCaptured,
    BarcodeRead,
    ChipReadProgress,
    ChipRead,
    DocumentChecked,
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
    TechnicianOperationPerformed,
    AuditCheckpoint,
)
"""Events, in the order of the documents.

An event that is not listed is in no schema and in no AsyncAPI document.
"""

GATEWAY_EVENTS: frozenset[type[Observation]] = frozenset((ClockStepped, AuditCheckpoint))
"""Events of the gateway itself, published at `_gw/{gateway}`."""

COMMANDS: tuple[CommandType, ...] = (
    *CLAIM_COMMAND_TYPES,
    CommandType("fingerprint_scanner.capture", CaptureFinger, CaptureFingerResult),
    CommandType("fingerprint_scanner.cancel", CommandArguments, CommandOutput),
    CommandType("fingerprint_scanner.steal-lock", StealLock, CommandOutput),
    CommandType("barrier.open", OpenBarrier, MoveResult),
    CommandType("barrier.close", CloseBarrier, MoveResult),
    CommandType("barrier.stop", CommandArguments, StopResult),
    CommandType("barrier.acknowledge", AcknowledgeEmergency, CommandOutput),
    CommandType("barrier.maintenance", SetMaintenance, CommandOutput),
    CommandType("card_reader.pulse", PulseOutput, PulseOutputResult),
    CommandType("camera.capture", TakePicture, TakePictureResult),
    CommandType("camera.cancel", CommandArguments, CommandOutput),
    CommandType("camera.preview", ShowPreview, ShowPreviewResult),
)
"""Commands: those of the gateway, then those of drivers, by the models that they share."""
