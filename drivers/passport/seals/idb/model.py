"""Content of a barcode of the ICAO Datastructure for Barcodes."""

from datetime import date

from pydantic import Field

from drivers.observation import DataModel
from drivers.passport.mrz import Mrz
from drivers.passport.seals.parts import FeatureReading


class IdbMessage(DataModel):
    """One message, or one field inside a message."""

    unredacted_fields = frozenset({"path", "name", "status"})

    path: str = Field(
        pattern=r"^[0-9]+(\.[0-9]+)*$",
        description="Its tag, behind the tags of the messages around it.",
        examples=["4.9.36.51"],
    )
    name: str | None = Field(
        default=None,
        description="Its name, null where the standard defines none.",
        examples=["date_of_vaccination"],
    )
    status: FeatureReading = Field(description="Result of parsing it.", examples=["read"])
    text: str | None = Field(
        default=None,
        description="Its text. The lines of a zone are separated by line feeds; a date is YYYY-MM-DD with x "
        "for unknown digits.",
        examples=["2026-04-23"],
    )
    number: int | None = Field(default=None, ge=0, description="Its number.", examples=[None])
    value_hex: str | None = Field(
        default=None,
        pattern="^([0-9a-f]{2})*$",
        description="Its bytes, hexadecimal; null where messages are inside.",
        examples=["008edc9e"],
    )


class Idb(DataModel):
    """A barcode of the ICAO Datastructure for Barcodes, signed or not."""

    unredacted_fields = frozenset(
        {
            "identifier",
            "is_signed",
            "is_compressed",
            "issuer",
            "algorithm",
            "certificate_reference",
            "signed_on",
            "document_type",
            "messages",
            "missing_messages",
            "mrz",
        }
    )

    identifier: str = Field(
        description="First characters: RDB1, or NDB1 of the first edition.", examples=["RDB1"]
    )
    is_signed: bool = Field(description="True when the barcode says that it is signed.", examples=[True])
    is_compressed: bool = Field(description="True when its content is compressed.", examples=[False])
    issuer: str = Field(description="Issuing state or organization, as in a zone.", examples=["D"])
    algorithm: str | None = Field(
        default=None, description="Signature algorithm of RFC 7518, null without one.", examples=["ES256"]
    )
    certificate_reference: str | None = Field(
        default=None,
        pattern="^[0-9a-f]{10}$",
        description="Last five bytes of the SHA-1 of the signer's certificate, hexadecimal.",
        examples=["a57a790577"],
    )
    signed_on: date | None = Field(
        default=None, description="Date of the signature.", examples=["2025-02-11"]
    )
    document_type: str | None = Field(
        default=None,
        description="Kind of document of Germany's list, null where the barcode names none.",
        examples=["arrival_attestation"],
    )
    messages: tuple[IdbMessage, ...] = Field(
        description="Messages and the fields in them, in the order of the barcode.",
        examples=[[{"path": "132", "name": "expiry_date", "status": "read", "text": "2026-04-23"}]],
    )
    missing_messages: tuple[str, ...] = Field(
        default=(), description="Paths of fields that a message requires and lacks.", examples=[[]]
    )
    mrz: Mrz | None = Field(default=None, description="The zone among the messages.", examples=[None])
    valid_from: date | None = Field(
        default=None, description="First day of validity, if stated.", examples=[None]
    )
    valid_until: date | None = Field(
        default=None, description="Last day of validity, if stated.", examples=["2026-04-23"]
    )
    signed: bytes = Field(default=b"", exclude=True, repr=False, description="The bytes that were signed.")
    signature: bytes = Field(default=b"", exclude=True, repr=False, description="r and s, of equal length.")
    certificate: bytes = Field(
        default=b"",
        exclude=True,
        repr=False,
        description="The signer's certificate in DER; empty if left out.",
    )

    def text_at(self, *paths: str) -> str | None:
        """Return the text of the first of these fields that was read, or None."""
        found = {message.path: message.text for message in self.messages}
        return next((text for path in paths if (text := found.get(path)) is not None), None)
