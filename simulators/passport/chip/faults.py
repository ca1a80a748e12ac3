"""What goes wrong with a chip, each thing a small typed value.

Some are in the document from the day it was issued (`IssuingFault`), the others happen while it is read
(`SessionFault`): at the n-th command since the chip was last reset, counted from 1, and once each.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter


class CardRemovedError(Exception):
    """The chip has left the field; nothing answers any more."""


class ChipFault(BaseModel):
    """Something that goes wrong."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class IssuingFault(ChipFault):
    """Something wrong with the document itself."""


class SessionFault(ChipFault):
    """Something that happens at one command."""

    at: int = Field(ge=1, description="The command, counted from 1 since the last reset.")


class WrongKey(IssuingFault):
    """The chip is that of another document: no key read from this one opens it. BAC and PACE answer 6300."""

    fault: Literal["wrong-key"] = "wrong-key"


class RevokedSigner(IssuingFault):
    """The document signer is on the list of revoked certificates."""

    fault: Literal["revoked-signer"] = "revoked-signer"


class ExpiredSigner(IssuingFault):
    """The document signer's certificate is no longer valid."""

    fault: Literal["expired-signer"] = "expired-signer"


class UnknownCsca(IssuingFault):
    """The document signer was signed by a CSCA of the same state that nobody has heard of."""

    fault: Literal["unknown-csca"] = "unknown-csca"


class AlteredGroup(IssuingFault):
    """A data group was changed after it was signed; it stays well-formed."""

    fault: Literal["altered-group"] = "altered-group"
    group: int = Field(1, ge=1, le=16, description="Which data group.")


class AlteredSignature(IssuingFault):
    """The signature of the security object does not verify."""

    fault: Literal["altered-signature"] = "altered-signature"


class ComUnlikeSod(IssuingFault):
    """EF.COM lists a data group that the security object does not know, or leaves one out that it does."""

    fault: Literal["com-unlike-sod"] = "com-unlike-sod"
    extra: int | None = Field(None, ge=1, le=16, description="A data group that EF.COM has too many.")
    missing: int | None = Field(2, ge=1, le=16, description="A data group that EF.COM lacks.")


class ForeignState(IssuingFault):
    """The zone, printed and in DG1, names another state than the one whose signer signed it."""

    fault: Literal["foreign-state"] = "foreign-state"
    issuer: str = Field("XUT", pattern=r"^[A-Z]{3}$", description="The state in the zone.")


class MrzUnlikePrint(IssuingFault):
    """DG1 holds another name than is printed; the keys and the signature are right."""

    fault: Literal["mrz-unlike-print"] = "mrz-unlike-print"
    surname: str = "Otherwise"


class ClonedChip(IssuingFault):
    """A copy of all that can be read, without the private keys: Active and Chip Authentication fail."""

    fault: Literal["cloned-chip"] = "cloned-chip"


class CardRemoval(SessionFault):
    """The document is taken away: the command is never answered."""

    fault: Literal["removed"] = "removed"


class SecureMessagingError(SessionFault):
    """The chip finds the protection wrong and ends the session, with 6987 or 6988."""

    fault: Literal["sm-error"] = "sm-error"
    status: Literal[0x6987, 0x6988] = 0x6988


class WrongStatus(SessionFault):
    """The command is not carried out, and answered by a status word alone; a session goes on, protected."""

    fault: Literal["wrong-status"] = "wrong-status"
    status: int = Field(0x6F00, ge=0, le=0xFFFF)


class CorruptedReply(SessionFault):
    """One bit of the reply arrives wrong, which the CRC of the air interface let through."""

    fault: Literal["corrupted-reply"] = "corrupted-reply"
    bit: int = Field(0, ge=0, description="Which bit, from the first; wraps around.")


class CutReply(SessionFault):
    """The reply arrives without its end."""

    fault: Literal["cut-reply"] = "cut-reply"
    size: int = Field(1, ge=0, description="How many bytes of it arrive.")


class SlowField(ChipFault):
    """How long the air interface takes; not a fault but the truth about it, and worth having in a test."""

    fault: Literal["slow-field"] = "slow-field"
    kbit_s: float = Field(
        106.0, gt=0, description="Bit rate both ways: 106, 212, 424 or 848 (ISO/IEC 14443)."
    )
    per_command_s: float = Field(
        0.004, ge=0, description="What the chip itself takes for a command, in seconds."
    )

    def airtime_s(self, command: bytes, reply: bytes) -> float:
        """How long one exchange takes.

        A byte is nine bits on the air, parity included; blocks have 256 bytes at most, each with 5 bytes of
        frame and an acknowledgement of as many but the last (ISO/IEC 14443-4).
        """
        blocks = -(-len(command) // 251) + -(-len(reply) // 251)
        bits = 9 * (len(command) + len(reply) + 5 * (2 * blocks - 2 if blocks > 2 else blocks))
        return self.per_command_s + bits / (self.kbit_s * 1000)


AnyChipFault = Annotated[
    WrongKey
    | RevokedSigner
    | ExpiredSigner
    | UnknownCsca
    | AlteredGroup
    | AlteredSignature
    | ComUnlikeSod
    | ForeignState
    | MrzUnlikePrint
    | ClonedChip
    | CardRemoval
    | SecureMessagingError
    | WrongStatus
    | CorruptedReply
    | CutReply
    | SlowField,
    Field(discriminator="fault"),
]
_FAULTS: TypeAdapter[AnyChipFault] = TypeAdapter(AnyChipFault)


def chip_fault_of(name: str, arguments: dict[str, object] | None = None) -> AnyChipFault:
    """The fault of that name; pydantic's ValidationError, a ValueError, for one that cannot be."""
    return _FAULTS.validate_python({**(arguments or {}), "fault": name})
