"""Content of a barcode on a document: seals, zones, and other content unchanged."""

from datetime import date

from pydantic import Field, JsonValue

from drivers.observation import DataModel, OpenEnum
from drivers.passport.mrz import Mrz
from drivers.passport.seals.hcert.model import HealthCertificate
from drivers.passport.seals.idb.model import Idb
from drivers.passport.seals.parts import FeatureReading, ProofOfTest, SealHolder, Vaccination


class Symbology(OpenEnum):
    """Kind of barcode, when the reader reports it."""

    AZTEC = "aztec"
    DATA_MATRIX = "data_matrix"
    QR = "qr"
    PDF417 = "pdf417"
    CODE_39 = "code_39"
    CODE_128 = "code_128"
    INTERLEAVED_2_OF_5 = "interleaved_2_of_5"
    UNKNOWN = "unknown"


class BarcodeKind(OpenEnum):
    """Kind of content of a barcode."""

    VDS = "vds"
    """A visible digital seal (ICAO Doc 9303-13; BSI TR-03137)."""
    VDS_NC = "vds_nc"
    """A visible digital seal for non-constrained environments: signed JSON."""
    IDB = "idb"
    """A barcode of the ICAO Datastructure for Barcodes."""
    HEALTH_CERTIFICATE = "health_certificate"
    """A signed health certificate (HCERT): of the European Union, of WHO, or of another scheme."""
    MRZ = "mrz"
    """A machine readable zone."""
    OTHER = "other"
    UNKNOWN = "unknown"


class PayloadEncoding(OpenEnum):
    """Encoding in which the reader sent the bytes of the barcode."""

    BINARY = "binary"
    UTF8 = "utf8"
    """Each byte as the character of ISO 8859-1 with its number, written in UTF-8."""
    BASE64 = "base64"
    BASE32 = "base32"
    BASE45 = "base45"
    HEX = "hex"
    UNKNOWN = "unknown"


class SealFault(OpenEnum):
    """Reason why a seal cannot be parsed."""

    MALFORMED = "malformed"
    UNSUPPORTED = "unsupported"
    """A version that this release does not support."""
    UNKNOWN = "unknown"


class SealProfile(OpenEnum):
    """Document of a seal, by feature definition and document category."""

    VISA = "visa"
    EMERGENCY_TRAVEL_DOCUMENT = "emergency_travel_document"
    ARRIVAL_ATTESTATION = "arrival_attestation"
    SOCIAL_INSURANCE_CARD = "social_insurance_card"
    RESIDENCE_PERMIT = "residence_permit"
    RESIDENCE_PERMIT_SUPPLEMENT = "residence_permit_supplement"
    ADDRESS_STICKER = "address_sticker"
    """On a German identity card or residence permit."""
    RESIDENCE_STICKER = "residence_sticker"
    """In a German passport."""
    UNKNOWN = "unknown"


class FeatureName(OpenEnum):
    """Name of a feature of a known profile."""

    MRZ = "mrz"
    PASSPORT_NUMBER = "passport_number"
    DOCUMENT_NUMBER = "document_number"
    NUMBER_OF_ENTRIES = "number_of_entries"
    DURATION_OF_STAY = "duration_of_stay"
    VISA_TYPE = "visa_type"
    ADDITIONAL = "additional"
    AZR_NUMBER = "azr_number"
    SOCIAL_INSURANCE_NUMBER = "social_insurance_number"
    SURNAME = "surname"
    FIRST_NAME = "first_name"
    BIRTH_NAME = "birth_name"
    SHEET_NUMBER = "sheet_number"
    MUNICIPALITY_CODE = "municipality_code"
    ADDRESS = "address"
    POSTAL_CODE = "postal_code"
    UNKNOWN = "unknown"


class Feature(DataModel):
    """One feature of a seal."""

    unredacted_fields = frozenset({"tag", "name", "status"})

    tag: int = Field(ge=0, le=254, description="Its tag, of one byte.", examples=[3])
    name: FeatureName = Field(description="Name of the feature.", examples=["passport_number"])
    status: FeatureReading = Field(description="Result of parsing it.", examples=["read"])
    text: str | None = Field(
        default=None,
        description="Its text. The lines of a zone are separated by line feeds, a duration of stay "
        "is a period of "
        "ISO 8601.",
        examples=["UFO001979"],
    )
    number: int | None = Field(
        default=None, ge=0, description="Its number. For entries, 0 is any number of them.", examples=[None]
    )
    value_hex: str = Field(
        pattern="^([0-9a-f]{2})*$", description="Its bytes, hexadecimal.", examples=["d79519a65306"]
    )


class Vds(DataModel):
    """A visible digital seal."""

    unredacted_fields = frozenset(
        {
            "version",
            "issuer",
            "signer",
            "certificate_reference",
            "signed_on",
            "feature_definition",
            "document_category",
            "profile",
            "features",
            "missing_features",
            "mrz",
        }
    )

    version: int = Field(ge=3, le=4, description="Version of the header: 3 or 4.", examples=[4])
    issuer: str = Field(description="Issuing state or organization, as in a zone.", examples=["UTO"])
    signer: str = Field(description="Country and name of the signer, four characters.", examples=["UTTS"])
    certificate_reference: str = Field(
        description="Serial number of the signer's certificate, hexadecimal.", examples=["5B"]
    )
    issued_on: date = Field(description="Date of issue of the document.", examples=["2020-01-01"])
    signed_on: date = Field(description="Date of signature of the seal.", examples=["2020-03-01"])
    feature_definition: int = Field(
        ge=0, le=255, description="Reference of the definition of the features.", examples=[251]
    )
    document_category: int = Field(ge=0, le=255, description="Category of the document.", examples=[6])
    profile: SealProfile = Field(description="Document of this category.", examples=["residence_permit"])
    features: tuple[Feature, ...] = Field(
        description="The features, in the order of the seal.",
        examples=[
            [
                {
                    "tag": 3,
                    "name": "passport_number",
                    "status": "read",
                    "text": "UFO001979",
                    "value_hex": "d79519a65306",
                }
            ]
        ],
    )
    missing_features: tuple[FeatureName, ...] = Field(
        default=(), description="Features that the profile requires and the seal lacks.", examples=[[]]
    )
    mrz: Mrz | None = Field(
        default=None,
        description="The zone among the features. A visa's seal has no optional data; fillers stand for it.",
        examples=[None],
    )
    signed: bytes = Field(default=b"", exclude=True, repr=False, description="The bytes that were signed.")
    signature: bytes = Field(default=b"", exclude=True, repr=False, description="r and s, of equal length.")

    def text_of(self, name: FeatureName) -> str | None:
        """Return the text of a feature that was read, or None."""
        return next((feature.text for feature in self.features if feature.name is name), None)


class VdsNc(DataModel):
    """A visible digital seal for non-constrained environments."""

    unredacted_fields = frozenset({"type", "version", "issuer", "algorithm"})

    type: str = Field(max_length=64, description="Type of the message.", examples=["icao.test"])
    version: int = Field(ge=0, description="Version of that type.", examples=[1])
    issuer: str = Field(max_length=3, description="Issuing state, three letters.", examples=["UTO"])
    identifier: str | None = Field(
        default=None, description="Number of the certificate, where its type is known.", examples=["U01932"]
    )
    holder: SealHolder | None = Field(
        default=None, description="Holder, when the type is known.", examples=[{"name": "Cook Gerald"}]
    )
    vaccinations: tuple[Vaccination, ...] = Field(
        default=(), description="Doses, of the type icao.vacc.", examples=[[]]
    )
    test: ProofOfTest | None = Field(
        default=None, description="The test, of the type icao.test.", examples=[{"result": "negative"}]
    )
    message: dict[str, JsonValue] = Field(
        description="The message as it was signed, of whatever type.", examples=[{"utci": "U01932"}]
    )
    algorithm: str = Field(max_length=16, description="Signature algorithm of RFC 7518.", examples=["ES256"])
    signed: bytes = Field(default=b"", exclude=True, repr=False, description="The bytes that were signed.")
    signature: bytes = Field(default=b"", exclude=True, repr=False, description="r and s, of equal length.")
    certificate: bytes = Field(
        default=b"",
        exclude=True,
        repr=False,
        description="The signer's certificate in DER; empty if left out.",
    )


class Barcode(DataModel):
    """One barcode and its content. Exactly one content field is not null, none when a seal is faulty."""

    unredacted_fields = frozenset(
        {
            "symbology",
            "kind",
            "payload_encoding",
            "size_bytes",
            "truncated",
            "fault",
            "vds",
            "vds_nc",
            "idb",
            "health_certificate",
            "mrz",
        }
    )

    symbology: Symbology | None = Field(
        default=None,
        description="The kind of barcode; null when the reader does not report it.",
        examples=["data_matrix"],
    )
    kind: BarcodeKind = Field(description="Kind of content.", examples=["other"])
    payload_encoding: PayloadEncoding = Field(
        description="Encoding in which the reader sent it.", examples=["binary"]
    )
    size_bytes: int = Field(ge=0, description="Length as the reader sent it, in bytes.", examples=[5])
    fault: SealFault | None = Field(
        default=None, description="Reason why a seal cannot be parsed; null when it can.", examples=[None]
    )
    vds: Vds | None = Field(default=None, description="The seal.", examples=[None])
    vds_nc: VdsNc | None = Field(default=None, description="The seal, in JSON.", examples=[None])
    idb: Idb | None = Field(default=None, description="The ICAO Datastructure for Barcodes.", examples=[None])
    health_certificate: HealthCertificate | None = Field(
        default=None, description="The health certificate.", examples=[None]
    )
    mrz: Mrz | None = Field(default=None, description="The machine readable zone.", examples=[None])
    text: str | None = Field(default=None, description="Other content that is text.", examples=["12345"])
    content_base64: str | None = Field(
        default=None, description="Other content that is not text, in base64.", examples=[None]
    )
    truncated: int = Field(
        default=0,
        ge=0,
        description="Number of bytes of other content that were left out as too many.",
        examples=[0],
    )
