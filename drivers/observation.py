"""Observations of devices: their base class, attachments, and the five outcomes of a check."""

import hashlib
from abc import abstractmethod
from dataclasses import dataclass
from datetime import date, time, timedelta
from decimal import Decimal
from enum import Enum, StrEnum
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field


class OpenEnum(StrEnum):
    """Value of a vocabulary that may grow: a value unknown to this version reads as `unknown`."""

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        return cls("unknown") if isinstance(value, str) and value != "unknown" else None


class DataModel(BaseModel):
    """Immutable part of an observation: strict about its fields, without its values in errors.

    `unredacted_fields` names the fields that may appear in logs, traces, diagnostics and bundles. It is an
    allow-list: every other field counts as personal, and `redact` replaces its value by type and size.

    `varying_fields` names times and durations by the gateway's own clock. Each replay of a recording gives
    others, so its expected events leave them out.
    """

    model_config = ConfigDict(
        extra="forbid", frozen=True, hide_input_in_errors=True, validate_by_name=True, serialize_by_alias=True
    )
    unredacted_fields: ClassVar[frozenset[str]] = frozenset()
    varying_fields: ClassVar[frozenset[str]] = frozenset()

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        """Refuse a list that names a field which does not exist."""
        super().__pydantic_init_subclass__(**kwargs)
        for name in ("unredacted_fields", "varying_fields"):
            if stray := getattr(cls, name) - cls.model_fields.keys():
                raise TypeError(f"{cls.__name__}.{name} names no field of it: {', '.join(sorted(stray))}")


def redact(value: object) -> Any:
    """Render a part for a log or a bundle: unredacted fields unchanged, all others as type and size.

    Of an unredacted field, models, lists and single values are rendered. Anything else, such as a mapping, a
    model without an allow-list or bytes, may hold personal data that no list names: it is type and size too.
    """
    match value:
        case DataModel():
            return {
                name: redact(getattr(value, name))
                if name in value.unredacted_fields
                else _size(getattr(value, name))
                for name in type(value).model_fields
            }
        case tuple() | list():
            return [redact(item) for item in value]
        case str() | bool() | int() | float() | date() | time() | timedelta() | Decimal() | Enum():
            return value
        case _:
            return _size(value)


def _size(value: object) -> Any:
    """Redact a value: a DataModel keeps its unredacted fields, others become type and length."""
    match value:
        case None:
            return None
        case DataModel():
            return redact(value)
        case str() | bytes() | tuple() | list() | dict():
            return f"<{type(value).__name__} len={len(value)}>"
        case _:
            return f"<{type(value).__name__}>"


class DataClass(OpenEnum):
    """Retention of an event; see the delivery classes in gateway/README.md."""

    TRAVELLER = "traveller"
    """About a person: encrypted on disk, deleted after delivery or after its short lifetime."""
    DEVICE = "device"
    """About the equipment: only the latest event counts."""
    RECORD = "record"
    """Accountable: kept until every destination has acknowledged it."""
    UNKNOWN = "unknown"


class Outcome(OpenEnum):
    """Outcome of one check (after BSI TR-03135-1, section 3.5.2). Deliberately not a boolean."""

    SUCCESSFUL = "successful"
    """Completed; the feature passed."""
    FAILED = "failed"
    """Completed; the feature did not pass."""
    UNDETERMINED = "undetermined"
    """Completed without a decision: no trust anchor, unknown model, unreadable line."""
    NOT_SUPPORTED = "not_supported"
    """Completed; this document has no such feature."""
    ABORTED = "aborted"
    """Not completed: no statement about the document, and no input to another check."""
    UNKNOWN = "unknown"


class CheckGroup(OpenEnum):
    """Object of a check (BSI TR-03135-1, section 3.5)."""

    OPTICAL = "optical"
    ELECTRONIC = "electronic"
    SEAL = "seal"
    COMBINED = "combined"
    UNKNOWN = "unknown"


class Weight(OpenEnum):
    """Weight of a check in the overall outcome."""

    MANDATORY = "mandatory"
    OPTIONAL = "optional"
    EVALUATORY = "evaluatory"
    """Logged, never counted."""
    UNKNOWN = "unknown"


class Check(DataModel):
    """One check of a document or a capture, and its outcome."""

    unredacted_fields = frozenset(
        {"id", "group", "outcome", "weight", "code", "reason", "text", "vendor_code", "duration_ms"}
    )

    id: str = Field(
        description="Identifier of the check, in the vocabulary of the contract.",
        examples=["mrz.check_digits"],
        json_schema_extra={"x-vocabulary": "CheckId"},
    )
    group: CheckGroup = Field(description="Object of the check.", examples=["optical"])
    outcome: Outcome = Field(description="One of the five outcomes.", examples=["successful"])
    weight: Weight = Field(
        default=Weight.MANDATORY,
        description="Weight of the check in the overall outcome.",
        examples=["mandatory"],
    )
    code: str | None = Field(
        default=None, description="Generic optical code as light_property_feature.", examples=["ir_ab_mr"]
    )
    reason: str | None = Field(
        default=None,
        description="Machine-readable cause of an outcome other than `successful`.",
        examples=["document_removed"],
        json_schema_extra={"x-vocabulary": "CheckReason"},
    )
    text: str | None = Field(
        default=None,
        description="A short sentence for the user. Never personal data.",
        examples=["The document was removed during the read."],
    )
    vendor_code: str | None = Field(
        default=None,
        description="The vendor's word for the outcome, unchanged.",
        examples=["UV_DULL_PAPER_MRZ"],
    )
    duration_ms: float | None = Field(
        default=None, ge=0, description="Duration of the check, in milliseconds.", examples=[3.2]
    )


class Attachment(DataModel):
    """An image or other blob of an observation; its bytes travel as a separate message."""

    unredacted_fields = frozenset({"role", "media_type", "size_bytes"})

    role: str = Field(
        pattern=r"^[a-z0-9][a-z0-9_-]{0,31}$",
        description="Content of the attachment; the last level of its topic.",
        examples=["page_ir"],
    )
    media_type: str = Field(description="Media type of the bytes.", examples=["image/jpeg"])
    size_bytes: int = Field(ge=0, alias="bytes", description="Length in bytes.", examples=[184320])
    sha256: str = Field(
        pattern=r"^[0-9a-f]{64}$",
        description="SHA-256 of the bytes, lower-case hexadecimal.",
        examples=["e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"],
    )
    content: bytes = Field(
        default=b"", exclude=True, repr=False, description="The bytes themselves; never in JSON."
    )

    @classmethod
    def from_bytes(cls, role: str, media_type: str, content: bytes) -> Self:
        """Wrap bytes as they came from the device."""
        return cls(
            role=role,
            media_type=media_type,
            size_bytes=len(content),
            sha256=hashlib.sha256(content).hexdigest(),
            content=content,
        )


@dataclass(frozen=True, slots=True)
class ChipEffort:
    """Attempts and time that a chip read took, for the counters of the device."""

    attempts: int
    """Number of times that the chip was opened."""
    duration_ms: float


class Observation(DataModel):
    """One statement of a device, unchanged: nothing cached, nothing derived from earlier ones.

    A subclass defines its event type and its data class; the fields are the `data` of the published event.
    """

    unredacted_fields = frozenset({"attachments"})
    event_type: ClassVar[str]
    data_class: ClassVar[DataClass]
    is_state: ClassVar[bool] = False
    """Valid until the next observation of this type, such as the sensed state of a barrier.

    The event is delivered as any other. Besides, the last value is a retained message while the device is
    present. So it must not be about a person, and a driver emits it again after each open.
    """

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        """Refuse a state about a person: a retained message stays at brokers."""
        super().__pydantic_init_subclass__(**kwargs)
        if cls.is_state and getattr(cls, "data_class", None) is DataClass.TRAVELLER:
            raise TypeError(f"{cls.__name__} is about a person and must not be a state")

    transaction: str | None = Field(
        default=None,
        exclude=True,
        description="Transaction id, shared by all events of one traveller, document or capture.",
    )
    wire: bytes = Field(
        default=b"",
        exclude=True,
        repr=False,
        description="Device bytes that it was read from, for the technician at the post.",
    )
    attachments: tuple[Attachment, ...] = Field(
        default=(), description="Images sent before this event, one message each.", examples=[[]]
    )


class ChipObservation(Observation):
    """Observation of a chip read, whose effort the device's counters have."""

    @abstractmethod
    def chip_effort(self) -> ChipEffort | None:
        """Return the effort of the read; None when the chip was sent nothing."""
