"""Names that belong to this project, so that no other package can replace what they mean."""

from collections.abc import Mapping

NAMESPACES = frozenset(
    {
        "access",
        "audit",
        "barcode",
        "barrier",
        "bgw",
        "borderpost",
        "camera",
        "capture",
        "card",
        "card_reader",
        "chip",
        "claim",
        "clock",
        "command",
        "device",
        "document",
        "face",
        "finger",
        "fingerprint",
        "fingerprint_scanner",
        "gateway",
        "image",
        "message",
        "mrz",
        "passport",
        "passport_reader",
        "plate",
        "reader",
        "scene",
        "technician",
        "unknown",
    }
)
"""First parts of our event types, families of our commands, and words of the contract."""
SETTINGS = frozenset({"driver", "expected_firmware", "licence_expires"})
"""Keys of every device's table in a post's file, which no driver gets."""
OUR_COMMANDS: Mapping[str, tuple[str, str]] = {
    "fingerprint_scanner.capture": ("CaptureFinger", "CaptureFingerResult"),
    "fingerprint_scanner.cancel": ("CommandArguments", "CommandOutput"),
    "fingerprint_scanner.steal-lock": ("StealLock", "CommandOutput"),
    "barrier.open": ("OpenBarrier", "MoveResult"),
    "barrier.close": ("CloseBarrier", "MoveResult"),
    "barrier.stop": ("CommandArguments", "StopResult"),
    "barrier.acknowledge": ("AcknowledgeEmergency", "CommandOutput"),
    "barrier.maintenance": ("SetMaintenance", "CommandOutput"),
    "card_reader.pulse": ("PulseOutput", "PulseOutputResult"),
    "camera.capture": ("TakePicture", "TakePictureResult"),
    "camera.cancel": ("CommandArguments", "CommandOutput"),
    "camera.preview": ("ShowPreview", "ShowPreviewResult"),
}
"""Commands of our drivers, and the models of their arguments and results."""
