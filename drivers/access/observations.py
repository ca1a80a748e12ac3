"""Observations of card readers: a card, and the status of the reader."""

from typing import ClassVar

from pydantic import Field

from drivers.observation import DataClass, Observation, OpenEnum


class CardFormat(OpenEnum):
    """Format of the bits of a card (IEC 60839-11-5, osdp_RAW)."""

    RAW = "raw"
    """Not specified: as they are on the card."""
    WIEGAND = "wiegand"
    """Bits of a Wiegand interface, parity included."""
    UNKNOWN = "unknown"


class CardRead(Observation):
    """A card was presented to the reader.

    It belongs to a person, so it is personal data with a short lifetime.
    """

    event_type: ClassVar[str] = "access.card_read"
    data_class: ClassVar[DataClass] = DataClass.TRAVELLER
    unredacted_fields = Observation.unredacted_fields | {"reader", "format", "bits"}

    reader: int = Field(ge=0, description="Number of the device's reader, counted from 0.", examples=[0])
    format: CardFormat = Field(description="Format of the bits.", examples=["wiegand"])
    bits: int = Field(ge=0, description="Number of bits.", examples=[26])
    data: str = Field(
        description="Bits as returned by the reader, first bit first, in hexadecimal; unused bits of the "
        "last byte have no meaning.",
        examples=["01020340"],
    )


class ReaderStatus(Observation):
    """Status of the reader, its inputs and outputs; null for a value not reported since open."""

    event_type: ClassVar[str] = "access.status"
    data_class: ClassVar[DataClass] = DataClass.RECORD
    is_state: ClassVar[bool] = True
    unredacted_fields = Observation.unredacted_fields | {"tampered", "power_failure", "inputs", "outputs"}

    tampered: bool | None = Field(description="True if its housing is open or torn off.", examples=[False])
    power_failure: bool | None = Field(description="True if its power supply fails.", examples=[False])
    inputs: tuple[bool, ...] | None = Field(
        description="For each of its inputs, true if active.", examples=[[True, False]]
    )
    outputs: tuple[bool, ...] | None = Field(
        description="For each of its outputs, true if active.", examples=[[False, False]]
    )


UNKNOWN_STATUS = ReaderStatus(tampered=None, power_failure=None, inputs=None, outputs=None)
"""Status of a reader that has just been opened."""
