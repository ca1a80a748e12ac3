"""Names that belong to this project, so that no other package can replace what they mean."""

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
