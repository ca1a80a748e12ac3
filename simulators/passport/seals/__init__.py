"""Simulated seals and health certificates, valid and faulty, in barcodes.

Written from Doc 9303-13, BSI TR-03137, the reports on VDS-NC and the Datastructure for Barcode, and WHO's and
the European Union's specifications of health certificates.

issuer = SealIssuer(IssuingState.create())
data = issuer.issue(visa(document, passport="L898902C3", issued=date(2026, 3, 1)), AlteredField())
SymbolEncoding.BASE64.encode_bytes(data)
"""

from simulators.passport.seals.faults import (
    AlteredField,
    AlteredSignature,
    AnySealFault,
    EarlySigner,
    ExpiredSigner,
    RevokedSigner,
    SealFault,
    TruncatedSeal,
    UnknownProfile,
    WrongSigner,
)
from simulators.passport.seals.holder import Holder
from simulators.passport.seals.issuer import SealContent, SealIssuer
from simulators.passport.seals.signer import SealSigner
from simulators.passport.seals.symbol_encoding import SymbolEncoding
from simulators.passport.seals.vds import (
    HeaderVersion,
    Seal,
    arrival_attestation,
    emergency_travel_document,
    residence_permit,
    social_insurance_card,
    visa,
)

__all__ = [
    "AlteredField",
    "AlteredSignature",
    "AnySealFault",
    "EarlySigner",
    "ExpiredSigner",
    "HeaderVersion",
    "Holder",
    "RevokedSigner",
    "Seal",
    "SealContent",
    "SealFault",
    "SealIssuer",
    "SealSigner",
    "SymbolEncoding",
    "TruncatedSeal",
    "UnknownProfile",
    "WrongSigner",
    "arrival_attestation",
    "emergency_travel_document",
    "residence_permit",
    "social_insurance_card",
    "visa",
]
