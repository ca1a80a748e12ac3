"""Barcodes on documents, and the digital seals among them (ICAO Doc 9303-13; BSI TR-03137; VDS-NC).

    barcode = parse_barcode(data, Symbology.DATA_MATRIX, today)
    checks = seal_checks(barcode, printed, store, today)

No clock, and no I/O except the loading of a store. The names exported here need no library, so that a
workstation can read events; `checks.seal_checks` and `store.SealSignerStore` need the extra `chip`
(asn1crypto).
"""

from drivers.passport.seals.errors import MalformedSealError, SealError, UnsupportedSealError
from drivers.passport.seals.model import (
    Barcode,
    BarcodeKind,
    Feature,
    FeatureName,
    FeatureReading,
    PayloadEncoding,
    ProofOfTest,
    SealFault,
    SealHolder,
    SealProfile,
    Symbology,
    Vaccination,
    Vds,
    VdsNc,
)
from drivers.passport.seals.payload import parse_barcode

__all__ = [
    "Barcode",
    "BarcodeKind",
    "Feature",
    "FeatureName",
    "FeatureReading",
    "MalformedSealError",
    "PayloadEncoding",
    "ProofOfTest",
    "SealError",
    "SealFault",
    "SealHolder",
    "SealProfile",
    "Symbology",
    "UnsupportedSealError",
    "Vaccination",
    "Vds",
    "VdsNc",
    "parse_barcode",
]
