"""Faults of a seal or health certificate, each a small typed value."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field


class SealFault(BaseModel):
    """A fault of a seal."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class AlteredField(SealFault):
    """A field changed after the signature: the first one, or the date of birth."""

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
    """A revoked certificate of the signer: on the state's revocation list, and in no list of signers."""

    fault: Literal["revoked-signer"] = "revoked-signer"


class TruncatedSeal(SealFault):
    """A barcode that ends early."""

    fault: Literal["cut-short"] = "cut-short"
    at: int = Field(ge=0, description="Number of bytes that are kept.")


class UnknownProfile(SealFault):
    """Content of an unknown kind: definition of the features, message, or scheme."""

    fault: Literal["unknown-profile"] = "unknown-profile"
    definition: int = Field(default=0x99, ge=0, le=255, description="Its number.")


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
