"""Progress and result of a chip read. Imports no library, because workstations load this module too."""

from pydantic import Field

from drivers.observation import Attachment, Check, DataModel, OpenEnum
from drivers.passport.mrz import Mrz


class AccessMethod(OpenEnum):
    """Protocol by which the chip was opened."""

    PACE_MRZ = "pace_mrz"
    """PACE with the printed zone."""
    PACE_CAN = "pace_can"
    """PACE with the card access number."""
    BAC = "bac"
    """Basic Access Control."""
    NONE = "none"
    """The chip requires no key."""
    UNKNOWN = "unknown"


class ChipStage(OpenEnum):
    """Stage of a chip read."""

    ACCESS = "access"
    """The chip has been opened."""
    READING = "reading"
    """A part of a file has arrived."""
    AUTHENTICATION = "authentication"
    """The chip is challenged to prove that it is no copy."""
    UNKNOWN = "unknown"


class ReadLimit(OpenEnum):
    """Reason why reads of a chip are not longer."""

    CHIP = "chip"
    """The chip states no more."""
    READER = "reader"
    """The chip reader passes on short commands only."""
    ERRORS = "errors"
    """Longer reads failed."""
    UNKNOWN = "unknown"


class ChipProgress(DataModel):
    """Progress of a chip read."""

    unredacted_fields = frozenset({"stage", "access", "file", "bytes_read", "bytes_total", "attempt"})

    stage: ChipStage = Field(description="Stage of the read.", examples=["reading"])
    access: AccessMethod | None = Field(
        default=None,
        description="Protocol by which the chip was opened, from that stage on.",
        examples=["pace_mrz"],
    )
    file: str | None = Field(default=None, description="The file that is being read.", examples=["DG2"])
    bytes_read: int | None = Field(
        default=None, ge=0, description="Bytes of the file that have arrived.", examples=[4460]
    )
    bytes_total: int | None = Field(
        default=None, ge=0, description="Length of the file, in bytes.", examples=[17860]
    )
    attempt: int = Field(
        default=1,
        ge=1,
        description="Number of the attempt, counted from 1: the next one begins when the chip was lost while "
        "the document lay there, and goes on where it ended.",
        examples=[1],
    )


class HolderDetails(DataModel):
    """Holder details in DG11. Names have the issuer's own spelling, which the zone cannot represent."""

    full_name: str | None = Field(
        default=None,
        repr=False,
        description="Name in full, primary and secondary identifier separated by `<<`.",
        examples=["SMITH<<JOHN<J"],
    )
    other_names: tuple[str, ...] = Field(default=(), repr=False, description="Further names.", examples=[[]])
    birth_date: str | None = Field(
        default=None,
        repr=False,
        pattern=r"^[0-9]{8}$",
        description="Date of birth with its century as YYYYMMDD; unknown parts are zeros.",
        examples=["19740812"],
    )
    birth_place: str | None = Field(
        default=None,
        repr=False,
        description="Place of birth, its parts separated by `<`.",
        examples=["ANYTOWN<UTOPIA"],
    )
    personal_number: str | None = Field(
        default=None, repr=False, description="Personal number.", examples=[None]
    )


class DocumentDetails(DataModel):
    """Document details in DG12."""

    unredacted_fields = frozenset({"issuing_authority"})

    issuing_authority: str | None = Field(
        default=None, repr=False, description="Issuing authority.", examples=["PASSPORT OFFICE UTOPIA"]
    )
    issue_date: str | None = Field(
        default=None,
        repr=False,
        pattern=r"^[0-9]{8}$",
        description="Date of issue as YYYYMMDD.",
        examples=["20220412"],
    )


class ChipDeviation(DataModel):
    """Deviation of a file of the chip from its standard that no check depends on."""

    unredacted_fields = frozenset({"file", "subject", "text"})

    file: str = Field(description="The file.", examples=["EF.SOD"])
    subject: str | None = Field(
        default=None,
        description="Subject of the certificate in that file, null for other parts.",
        examples=["C=UT, CN=DS 12"],
    )
    text: str = Field(
        description="A sentence for a technician. Never personal data.",
        examples=["The subject key identifier cannot be read and is not used."],
    )


class ChipResult(DataModel):
    """Result of one chip read. A check explains every part that is missing."""

    unredacted_fields = frozenset(
        {
            "access",
            "pace_protocol",
            "data_groups_listed",
            "data_groups_read",
            "sod_sha256",
            "document_details",
            "deviations",
            "checks",
            "commands",
            "attempts",
            "read_bytes",
            "read_limit",
            "duration_ms",
        }
    )

    access: AccessMethod | None = Field(
        default=None,
        description="Protocol by which the chip was opened, null if it was not opened.",
        examples=["pace_mrz"],
    )
    pace_protocol: str | None = Field(
        default=None,
        description="Object identifier of the PACE protocol run.",
        examples=["0.4.0.127.0.7.2.2.4.2.2"],
    )
    data_groups_listed: tuple[int, ...] = Field(
        default=(),
        description="Data groups that EF.COM or the security object lists.",
        examples=[[1, 2, 14, 15]],
    )
    data_groups_read: tuple[int, ...] = Field(
        default=(), description="Data groups that were read; 3 and 4 never are.", examples=[[1, 2, 14, 15]]
    )
    sod_sha256: str | None = Field(
        default=None,
        pattern=r"^[0-9a-f]{64}$",
        description="SHA-256 of EF.SOD as read, lower-case hexadecimal.",
        examples=["e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"],
    )
    lines: tuple[str, ...] = Field(
        default=(), repr=False, description="The lines of the zone in DG1.", examples=[[]]
    )
    mrz: Mrz | None = Field(
        default=None,
        repr=False,
        description="The zone in DG1, null where it could not be read.",
        examples=[None],
    )
    holder: HolderDetails | None = Field(
        default=None, repr=False, description="Holder details in DG11.", examples=[None]
    )
    document_details: DocumentDetails | None = Field(
        default=None, repr=False, description="Document details in DG12.", examples=[None]
    )
    face: Attachment | None = Field(
        default=None,
        repr=False,
        description="The face from DG2 as encoded there, JPEG or JPEG 2000.",
        examples=[None],
    )
    face_decoded: Attachment | None = Field(
        default=None,
        repr=False,
        description="A JPEG 2000 face converted to JPEG, when this gateway can decode it; the "
        "original counts.",
        examples=[None],
    )
    checks: tuple[Check, ...] = Field(
        description="Every check of the chip, each with one of five outcomes.",
        examples=[[{"id": "chip.access", "group": "electronic", "outcome": "successful"}]],
    )
    deviations: tuple[ChipDeviation, ...] = Field(
        default=(), description="Deviations from the standard that no check depends on.", examples=[[]]
    )
    commands: int = Field(
        default=0, ge=0, description="Number of commands that the chip was sent.", examples=[94]
    )
    attempts: int = Field(
        default=1,
        ge=1,
        description="Number of times that the chip was opened: more than 1 when it was lost while the "
        "document lay there.",
        examples=[1],
    )
    read_bytes: int | None = Field(
        default=None,
        ge=0,
        description="Most bytes of one read, at the end; null if nothing was read.",
        examples=[223],
    )
    read_limit: ReadLimit | None = Field(
        default=None,
        description="Reason why reads are not longer; null if nothing was read.",
        examples=["chip"],
    )
    duration_ms: float | None = Field(
        default=None, ge=0, description="Duration of the read, in milliseconds.", examples=[2840.5]
    )
