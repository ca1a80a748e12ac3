"""Chip of a travel document: access, reading and inspection (ICAO Doc 9303, parts 10 to 12).

APDUs are sent by a function of the caller, so that this package runs without a reader. Needs the extra `chip`
(asn1crypto).
"""

from drivers.passport.chip_result import AccessMethod, ChipProgress, ChipResult, ChipStage, ReadLimit
from drivers.passport.emrtd.errors import (
    CardRemoved,
    ChipError,
    NotTransacted,
    ReaderFailedError,
    RetriesExhaustedError,
)
from drivers.passport.emrtd.pki.trust_store import TrustStore
from drivers.passport.emrtd.session import ChipSession
from drivers.passport.emrtd.transport.apdu import Transmit

__all__ = [
    "AccessMethod",
    "CardRemoved",
    "ChipError",
    "ChipProgress",
    "ChipResult",
    "ChipSession",
    "ChipStage",
    "NotTransacted",
    "ReadLimit",
    "ReaderFailedError",
    "RetriesExhaustedError",
    "Transmit",
    "TrustStore",
]
