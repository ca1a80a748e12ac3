"""Issuer of a state's seals and certificates, valid and faulty, and the lists of its signers."""

import base64
import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Protocol, Self
from urllib.parse import quote

from cryptography.hazmat.primitives.asymmetric import ec

from simulators.passport.chip.pki.certificate import Validity
from simulators.passport.chip.pki.issuing_state import IssuingState
from simulators.passport.chip.pki.signing_keys import SignatureScheme
from simulators.passport.seals.faults import (
    AlteredField,
    AlteredSignature,
    EarlySigner,
    ExpiredSigner,
    RevokedSigner,
    SealFault,
    TruncatedSeal,
    UnknownProfile,
    WrongSigner,
)
from simulators.passport.seals.signer import SEAL_SIGNING, SealSigner

_DAY = timedelta(days=1)


class SealContent(Protocol):
    """Content that an issuer signs and writes into a barcode."""

    def signed_bytes(self, signer: SealSigner) -> bytes:
        """Encode the bytes that are signed."""
        ...

    def barcode(self, signer: SealSigner, signature: bytes) -> bytes:
        """Encode the barcode with a signature."""
        ...

    def altered(self) -> Self:
        """Return a copy that a forger has changed."""
        ...

    def with_unknown_profile(self, number: int) -> Self:
        """Return a copy of a kind that no reader knows."""
        ...


class SealIssuer:
    """An issuer. The certificates that a fault needs are in `signers` and `state.crl()` once it has issued.

    `usages`: extended key usages of its signers' certificates.
    """

    def __init__(
        self,
        state: IssuingState,
        *,
        curve: str = "brainpoolP256r1",
        scheme: SignatureScheme | None = None,
        usages: Sequence[str] = (SEAL_SIGNING,),
    ) -> None:
        self.state = state
        self._curve, self._scheme, self._usages = curve, scheme, usages
        self.signer = self._new_signer(0x5B)
        self.signers: list[SealSigner] = [self.signer]

    def issue(self, content: SealContent, fault: SealFault | None = None) -> bytes:
        """Return the bytes of the barcode."""
        signer = key_of = self.signer
        match fault:
            case WrongSigner():
                key_of = self._new_signer(0x5B)
            case ExpiredSigner():
                now = self.state.now
                signer = key_of = self._another(Validity(now - 900 * _DAY, now - _DAY))
            case EarlySigner():
                now = self.state.now
                signer = key_of = self._another(Validity(now - _DAY, now + 900 * _DAY))
            case RevokedSigner():
                signer = key_of = self._another(None)
                self.state.revoke(signer.certificate)
            case UnknownProfile(definition=number):
                content = content.with_unknown_profile(number)
        signature = key_of.sign(content.signed_bytes(signer))
        match fault:
            case AlteredField():
                return content.altered().barcode(signer, signature)
            case AlteredSignature():
                return content.barcode(signer, signature[:-1] + bytes([signature[-1] ^ 1]))
            case TruncatedSeal(at=at):
                return content.barcode(signer, signature)[:at]
            case _:
                return content.barcode(signer, signature)

    def _another(self, validity: Validity | None) -> SealSigner:
        signer = self._new_signer(0x100 + len(self.signers), validity)
        self.signers.append(signer)
        return signer

    def _new_signer(self, serial: int, validity: Validity | None = None) -> SealSigner:
        return SealSigner.issue(
            self.state,
            serial=serial,
            curve=self._curve,
            scheme=self._scheme,
            validity=validity,
            usages=self._usages,
        )

    @property
    def listed(self) -> list[SealSigner]:
        """Signers that a list of today has: all but the revoked ones."""
        return [signer for signer in self.signers if signer.certificate not in self.state.revoked]

    def trust_list(self, made: datetime) -> bytes:
        """Return the list in the form of a national back end: certificates with their key identifiers."""
        entries = [
            {
                "kid": base64.b64encode(signer.key_id).decode("ascii"),
                "country": signer.country,
                "rawData": base64.b64encode(signer.certificate.der).decode("ascii"),
            }
            for signer in self.listed
        ]
        return _json({"issued": made.isoformat(), "certificates": entries})

    def did_document(self, made: datetime) -> bytes:
        """Return the list in the form of WHO's trust network: keys on elliptic curves alone."""
        state = self.state.state.alpha_3
        methods = []
        for signer in self.listed:
            key_id = base64.b64encode(signer.key_id).decode("ascii")
            place = f"did:web:tng-cdn.who.int:v2:trustlist:-:{state}:DSC"
            methods.append(
                {
                    "id": f"{place}#{quote(key_id, safe='')}",
                    "type": "JsonWebKey2020",
                    "controller": place,
                    "publicKeyJwk": _jwk(signer, key_id),
                }
            )
        return _json(
            {
                "id": f"did:web:tng-cdn.who.int:v2:trustlist:-:{state}:DSC",
                "verificationMethod": methods,
                "proof": {"type": "JsonWebSignature2020", "created": made.isoformat()},
            }
        )


def _jwk(signer: SealSigner, key_id: str) -> dict[str, str]:
    """Return a key as a JSON Web Key (RFC 7518, section 6.2)."""
    key = signer.certificate.key.key
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise TypeError("only keys on elliptic curves are listed without a certificate")
    numbers, size = key.public_key().public_numbers(), (key.key_size + 7) // 8
    x, y = (
        base64.urlsafe_b64encode(number.to_bytes(size, "big")).decode("ascii").rstrip("=")
        for number in (numbers.x, numbers.y)
    )
    return {"kty": "EC", "crv": f"P-{key.key_size}", "x": x, "y": y, "kid": key_id}


def _json(value: object) -> bytes:
    return json.dumps(value, indent=1).encode()
