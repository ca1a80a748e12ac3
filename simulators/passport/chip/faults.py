"""Faults of a chip, each a small typed value.

Some are in the document since it was issued (`IssuingFault`), the others happen while it is read
(`SessionFault`): at the n-th command since the chip's last reset, counted from 1, and once each.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter


class CardRemovedError(Exception):
    """The chip has left the field and no longer responds."""


class FieldLostError(CardRemovedError):
    """The chip lost its power while the document lies there; it is back after `for_s` seconds."""

    def __init__(self, for_s: float) -> None:
        super().__init__(for_s)
        self.for_s = for_s


class ReplyLostError(FieldLostError):
    """The reply did not arrive; the chip has its power, and its session goes on."""

    def __init__(self) -> None:
        super().__init__(0.0)


class ChipFault(BaseModel):
    """A fault of a chip."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class IssuingFault(ChipFault):
    """A fault of the document itself."""


class SessionFault(ChipFault):
    """A fault at one command."""

    at: int = Field(ge=1, description="Number of the command, counted from 1 since the last reset.")


class WrongKey(IssuingFault):
    """Keys of another document: keys read from this one do not open the chip. BAC and PACE answer 6300."""

    fault: Literal["wrong-key"] = "wrong-key"


class RevokedSigner(IssuingFault):
    """The document signer is on the list of revoked certificates."""

    fault: Literal["revoked-signer"] = "revoked-signer"


class ExpiredSigner(IssuingFault):
    """The document signer's certificate is no longer valid."""

    fault: Literal["expired-signer"] = "expired-signer"


class UnknownCsca(IssuingFault):
    """The document signer was signed by an unknown CSCA of the same state."""

    fault: Literal["unknown-csca"] = "unknown-csca"


class AlteredGroup(IssuingFault):
    """A data group was changed after it was signed; it stays well-formed."""

    fault: Literal["altered-group"] = "altered-group"
    group: int = Field(default=1, ge=1, le=16, description="Number of the data group.")


class AlteredSignature(IssuingFault):
    """The signature of the security object does not verify."""

    fault: Literal["altered-signature"] = "altered-signature"


class ComUnlikeSod(IssuingFault):
    """EF.COM lists a data group that is not in the security object, or omits one that is."""

    fault: Literal["com-unlike-sod"] = "com-unlike-sod"
    extra: int | None = Field(
        default=None, ge=1, le=16, description="Data group that EF.COM lists in addition."
    )
    missing: int | None = Field(default=2, ge=1, le=16, description="Data group that EF.COM omits.")


class ForeignState(IssuingFault):
    """The zone, printed and in DG1, names another state than the signer's."""

    fault: Literal["foreign-state"] = "foreign-state"
    issuer: str = Field(default="XUT", pattern=r"^[A-Z]{3}$", description="State in the zone.")


class MrzUnlikePrint(IssuingFault):
    """DG1 has another name than the printed one; the keys and the signature are right."""

    fault: Literal["mrz-unlike-print"] = "mrz-unlike-print"
    surname: str = "Otherwise"


class ClonedChip(IssuingFault):
    """A copy of all readable data without the private keys: Active and Chip Authentication fail."""

    fault: Literal["cloned-chip"] = "cloned-chip"


class WrongKeyIdentifier(IssuingFault):
    """The document signer's subject key identifier is text, as in certificates that states have issued."""

    fault: Literal["wrong-key-identifier"] = "wrong-key-identifier"


class NegativeModulus(IssuingFault):
    """The RSA modulus in DG15 is a negative number, as in the sample documents of the BSI of 2008."""

    fault: Literal["negative-modulus"] = "negative-modulus"


class CardRemoval(SessionFault):
    """The document is removed: the command gets no answer."""

    fault: Literal["removed"] = "removed"


class FieldLoss(SessionFault):
    """The chip loses its power: the command gets no answer, and the document stays on the reader."""

    fault: Literal["field-loss"] = "field-loss"
    for_s: float = Field(default=0.0, ge=0, description="Time until the chip is found again, in seconds.")


class LostReply(SessionFault):
    """The command is executed and its reply lost, as after errors of the air interface. Power is not lost."""

    fault: Literal["lost-reply"] = "lost-reply"


class RepeatedFieldLoss(ChipFault):
    """The chip loses its power in every session, in each one `step` commands later than in the one before."""

    fault: Literal["repeated-field-loss"] = "repeated-field-loss"
    first: int = Field(default=1, ge=1, description="Command of the first session that gets no answer.")
    step: int = Field(default=1, ge=0, description="Further commands that each next session answers.")
    for_s: float = Field(default=0.0, ge=0, description="Time until the chip is found again, in seconds.")


class LimitedReads(ChipFault):
    """Reads of more than `most` bytes fail, whatever EF.ATR/INFO states.

    Seen with phones as readers: 160 bytes always worked (AndyQ/NFCPassportReader, issues 89 and 91).
    """

    fault: Literal["limited-reads"] = "limited-reads"
    most: int = Field(default=160, ge=4, description="Bytes of a file that one read may return.")
    effect: Literal["field-loss", "wrong-length", "session-end"] = Field(
        default="field-loss",
        description="Loss of power; 6700, protected; or 6988, with which the chip ends the session.",
    )


class SecureMessagingError(SessionFault):
    """The chip rejects the protection and ends the session, with 6987 or 6988."""

    fault: Literal["sm-error"] = "sm-error"
    status: Literal[0x6987, 0x6988] = 0x6988


class WrongStatus(SessionFault):
    """The command is not executed and gets only a status word; a session continues, protected."""

    fault: Literal["wrong-status"] = "wrong-status"
    status: int = Field(default=0x6F00, ge=0, le=0xFFFF)


class CorruptedReply(SessionFault):
    """One bit of the reply is wrong, which the CRC of the air interface did not detect."""

    fault: Literal["corrupted-reply"] = "corrupted-reply"
    bit: int = Field(default=0, ge=0, description="Number of the bit, from the first; wraps around.")


class CutReply(SessionFault):
    """A truncated reply."""

    fault: Literal["cut-reply"] = "cut-reply"
    size: int = Field(default=1, ge=0, description="Number of bytes that arrive.")


class SlowField(ChipFault):
    """Duration of the air interface: not a fault, but real chips take this time."""

    fault: Literal["slow-field"] = "slow-field"
    kbit_s: float = Field(
        default=106.0, gt=0, description="Bit rate both ways: 106, 212, 424 or 848 (ISO/IEC 14443)."
    )
    per_command_s: float = Field(
        default=0.004, ge=0, description="Processing time of the chip per command, in seconds."
    )

    def airtime_s(self, command: bytes, reply: bytes) -> float:
        """Return the duration of one exchange.

        A byte is nine bits on the air, parity included; blocks have at most 256 bytes, each with 5 bytes of
        framing and, except the last, an acknowledgement of the same size (ISO/IEC 14443-4).
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
    | WrongKeyIdentifier
    | NegativeModulus
    | CardRemoval
    | FieldLoss
    | LostReply
    | RepeatedFieldLoss
    | LimitedReads
    | SecureMessagingError
    | WrongStatus
    | CorruptedReply
    | CutReply
    | SlowField,
    Field(discriminator="fault"),
]
_FAULTS: TypeAdapter[AnyChipFault] = TypeAdapter(AnyChipFault)


def chip_fault_of(name: str, arguments: dict[str, object] | None = None) -> AnyChipFault:
    """Return the fault with that name; raise pydantic's ValidationError, a ValueError, if it is invalid."""
    return _FAULTS.validate_python({**(arguments or {}), "fault": name})
