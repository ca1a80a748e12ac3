"""Simulated digital seals, valid and faulty, written from Doc 9303-13, BSI TR-03137 and the VDS-NC report.

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
    SealIssuer,
    SymbolEncoding,
    TruncatedSeal,
    UnknownProfile,
    WrongSigner,
)
from simulators.passport.seals.signer import SealSigner
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
    "RevokedSigner",
    "Seal",
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
