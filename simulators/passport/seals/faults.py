"""Faults of a seal, each a small typed value, and the encodings in which readers send seals."""

import base64
from dataclasses import replace
from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from simulators.passport.chip.pki.certificate import Validity
from simulators.passport.chip.pki.issuing_state import IssuingState
from simulators.passport.seals.signer import SealSigner
from simulators.passport.seals.vds import Seal


class SealFault(BaseModel):
    """A fault of a seal."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class AlteredField(SealFault):
    """A feature changed after the signature: the last byte of the first one."""

    fault: Literal["altered-field"] = "altered-field"


class AlteredSignature(SealFault):
    """One inverted bit of the signature."""

    fault: Literal["altered-signature"] = "altered-signature"


class WrongSigner(SealFault):
    """A signature by another key than that of the named signer."""

    fault: Literal["wrong-signer"] = "wrong-signer"


class ExpiredSigner(SealFault):
    """An expired certificate of the signer; it was valid when the seal was signed."""

    fault: Literal["expired-signer"] = "expired-signer"


class EarlySigner(SealFault):
    """A seal dated before the signer's certificate became valid."""

    fault: Literal["early-signer"] = "early-signer"


class RevokedSigner(SealFault):
    """A signer's certificate on the state's revocation list."""

    fault: Literal["revoked-signer"] = "revoked-signer"


class TruncatedSeal(SealFault):
    """A barcode that ends early."""

    fault: Literal["cut-short"] = "cut-short"
    at: int = Field(ge=0, description="Number of bytes that are kept.")


class UnknownProfile(SealFault):
    """An unknown definition of the features."""

    fault: Literal["unknown-profile"] = "unknown-profile"
    definition: int = Field(0x99, ge=0, le=255, description="Its reference.")


AnySealFault = Annotated[
    AlteredField
    | AlteredSignature
    | WrongSigner
    | ExpiredSigner
    | EarlySigner
    | RevokedSigner
    | TruncatedSeal
    | UnknownProfile,
    Field(discriminator="fault"),
]


class SealIssuer:
    """An issuer of a state's seals, valid and faulty.

    The certificates that a fault needs are in `signers` and `state.crl()` once the seal is issued.
    """

    def __init__(self, state: IssuingState, *, curve: str = "brainpoolP256r1") -> None:
        self.state = state
        self.curve = curve
        self.signer = SealSigner.issue(state, curve=curve)
        self.signers: list[SealSigner] = [self.signer]

    def issue(self, seal: Seal, fault: SealFault | None = None) -> bytes:
        """Return the bytes of the barcode."""
        match fault:
            case WrongSigner():
                return seal.sign(self.signer, key_of=SealSigner.issue(self.state, curve=self.curve))
            case ExpiredSigner():
                day = timedelta(days=1)
                return seal.sign(self._another(Validity(self.state.now - 900 * day, self.state.now - day)))
            case EarlySigner():
                day = timedelta(days=1)
                return seal.sign(self._another(Validity(self.state.now - day, self.state.now + 900 * day)))
            case RevokedSigner():
                revoked = self._another(None)
                self.state.revoke(revoked.certificate)
                return seal.sign(revoked)
            case UnknownProfile(definition=definition):
                return replace(seal, definition=definition).sign(self.signer)
            case _:
                return apply_fault(seal.sign(self.signer), seal, fault)

    def _another(self, validity: Validity | None) -> SealSigner:
        serial = 0x100 + len(self.signers)
        signer = SealSigner.issue(self.state, serial=serial, curve=self.curve, validity=validity)
        self.signers.append(signer)
        return signer


def apply_fault(sealed: bytes, seal: Seal, fault: SealFault | None) -> bytes:
    """Return the signed seal with a change of its bytes."""
    match fault:
        case AlteredField():
            # Another last character of the first value: a digit is replaced by its neighbour.
            tag, value = seal.features[0]
            at = sealed.index(bytes([tag, len(value)]) + value) + 2 + len(value) - 1
            return sealed[:at] + bytes([sealed[at] ^ 1]) + sealed[at + 1 :]
        case AlteredSignature():
            return sealed[:-1] + bytes([sealed[-1] ^ 1])
        case TruncatedSeal(at=at):
            return sealed[:at]
        case _:
            return sealed


class SymbolEncoding(StrEnum):
    """Encodings in which a reader writes bytes that are not text."""

    BINARY = "binary"
    UTF8 = "utf8"
    """Each byte as the character of ISO 8859-1 with its number."""
    BASE64 = "base64"
    BASE64_URL = "base64-url"
    BASE32 = "base32"
    BASE32_LOWER = "base32-lower"
    HEX = "hex"

    def encode_bytes(self, data: bytes) -> bytes:
        """Return the reader's output for these bytes."""
        match self:
            case SymbolEncoding.BINARY:
                return data
            case SymbolEncoding.UTF8:
                return data.decode("iso-8859-1").encode()
            case SymbolEncoding.BASE64:
                return base64.b64encode(data)
            case SymbolEncoding.BASE64_URL:
                return base64.urlsafe_b64encode(data).rstrip(b"=")
            case SymbolEncoding.BASE32:
                return base64.b32encode(data)
            case SymbolEncoding.BASE32_LOWER:
                return base64.b32encode(data).lower().rstrip(b"=")
            case SymbolEncoding.HEX:
                return data.hex().encode()
