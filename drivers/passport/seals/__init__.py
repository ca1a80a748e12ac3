"""Barcodes on documents, and the digital seals among them.

ICAO Doc 9303-13 and BSI TR-03137 (VDS), VDS-NC, the ICAO Datastructure for Barcodes, health certificates.

    barcode = payload.parse_barcode(data, Symbology.DATA_MATRIX, today)
    results = checks.seal_checks(barcode, printed, store, today)

No clock, and no I/O except the loading of stores. The names exported here are models, which a workstation
loads to read events, and errors; `checks.seal_checks`, `store.SealSignerStore` and the content of health
certificates need the extra `chip` (asn1crypto, cbor2).
"""

from drivers.passport.seals.errors import MalformedSealError, SealError, UnsupportedSealError
from drivers.passport.seals.hcert.model import HealthCertificate, HealthScheme
from drivers.passport.seals.idb.model import Idb, IdbMessage
from drivers.passport.seals.model import (
    Barcode,
    BarcodeKind,
    Feature,
    FeatureName,
    PayloadEncoding,
    SealFault,
    SealProfile,
    Symbology,
    Vds,
    VdsNc,
)
from drivers.passport.seals.parts import FeatureReading, ProofOfTest, Recovery, SealHolder, Vaccination

__all__ = [
    "Barcode",
    "BarcodeKind",
    "Feature",
    "FeatureName",
    "FeatureReading",
    "HealthCertificate",
    "HealthScheme",
    "Idb",
    "IdbMessage",
    "MalformedSealError",
    "PayloadEncoding",
    "ProofOfTest",
    "Recovery",
    "SealError",
    "SealFault",
    "SealHolder",
    "SealProfile",
    "Symbology",
    "UnsupportedSealError",
    "Vaccination",
    "Vds",
    "VdsNc",
]
