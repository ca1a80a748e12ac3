"""What a card reader can say: a card, and how the reader itself is."""

from typing import ClassVar

from pydantic import Field

from drivers.observation import DataClass, Observation, OpenEnum


class CardFormat(OpenEnum):
    """How the bits of a card are to be read (IEC 60839-11-5, osdp_RAW)."""

    RAW = "raw"
    """Not specified: as they are on the card."""
    WIEGAND = "wiegand"
    """As a Wiegand interface would give them, parity included."""
    UNKNOWN = "unknown"


class CardRead(Observation):
    """A card was held before the reader. It belongs to somebody, so it is personal, and lives as short."""

    event_type: ClassVar[str] = "access.card_read"
    data_class: ClassVar[DataClass] = DataClass.TRAVELLER
    unredacted_fields = Observation.unredacted_fields | {"reader", "format", "bits"}

    reader: int = Field(ge=0, description="Which reader of the device, counted from 0.", examples=[0])
    format: CardFormat = Field(description="How the bits are to be read.", examples=["wiegand"])
    bits: int = Field(ge=0, description="How many bits there are.", examples=[26])
    data: str = Field(
        description="The bits as the reader gives them, first bit first, in hexadecimal; what is left of the "
        "last byte means nothing.",
        examples=["01020340"],
    )


class ReaderStatus(Observation):
    """How the reader and what is wired to it are; null is what it has not told since it was opened."""

    event_type: ClassVar[str] = "access.status"
    data_class: ClassVar[DataClass] = DataClass.RECORD
    is_state: ClassVar[bool] = True
    unredacted_fields = Observation.unredacted_fields | {"tampered", "power_failure", "inputs", "outputs"}

    tampered: bool | None = Field(description="Whether its housing is open or torn off.", examples=[False])
    power_failure: bool | None = Field(description="Whether its supply fails.", examples=[False])
    inputs: tuple[bool, ...] | None = Field(
        description="Which of its inputs are active.", examples=[[True, False]]
    )
    outputs: tuple[bool, ...] | None = Field(
        description="Which of its outputs are active.", examples=[[False, False]]
    )


UNKNOWN_STATUS = ReaderStatus(tampered=None, power_failure=None, inputs=None, outputs=None)
"""A reader that has just been opened."""
