"""Content of a health certificate."""

from datetime import date, datetime

from pydantic import Field, JsonValue

from drivers.observation import DataModel, OpenEnum
from drivers.passport.seals.parts import ProofOfTest, Recovery, SealHolder, Vaccination


class HealthScheme(OpenEnum):
    """Scheme of a health certificate, by its place in the claim."""

    EU_DCC = "eu_dcc"
    """Digital COVID Certificate of the European Union, and of states that joined."""
    ICVP = "icvp"
    """International Certificate of Vaccination or Prophylaxis of WHO: the digital yellow card."""
    DDCC_VACCINATION = "ddcc_vaccination"
    """WHO's documentation of COVID-19 vaccination."""
    DDCC_TEST = "ddcc_test"
    """WHO's documentation of COVID-19 tests."""
    HEALTH_LINK = "health_link"
    """A link to data elsewhere: it is not followed."""
    UNKNOWN = "unknown"


class HealthCertificate(DataModel):
    """A signed health certificate."""

    unredacted_fields = frozenset(
        {"scheme", "version", "issuer", "issued_at", "expires_at", "algorithm", "key_id"}
    )

    scheme: HealthScheme = Field(description="Scheme.", examples=["icvp"])
    version: str | None = Field(
        default=None, description="Version of the scheme, if stated.", examples=["1.3.0"]
    )
    issuer: str | None = Field(
        default=None,
        max_length=64,
        description="Issuing country, mostly two letters, if stated.",
        examples=["AT"],
    )
    issued_at: datetime | None = Field(
        default=None, description="Time of the signature, if stated.", examples=["2026-05-06T18:00:00Z"]
    )
    expires_at: datetime | None = Field(
        default=None,
        description="End of the signature's validity, if stated.",
        examples=["2027-05-06T18:00:00Z"],
    )
    algorithm: str | None = Field(
        default=None,
        description="Signature algorithm of RFC 9053, null for an unknown one.",
        examples=["ES256"],
    )
    key_id: str | None = Field(
        default=None,
        description="Identifier of the signer's key, hexadecimal.",
        examples=["d919375fc1e7b6b2"],
    )
    holder: SealHolder | None = Field(
        default=None, description="Holder, where the scheme is known.", examples=[{"name": "Cook, Gerald"}]
    )
    vaccinations: tuple[Vaccination, ...] = Field(default=(), description="Doses.", examples=[[]])
    tests: tuple[ProofOfTest, ...] = Field(default=(), description="Tests.", examples=[[]])
    recoveries: tuple[Recovery, ...] = Field(default=(), description="Recoveries.", examples=[[]])
    valid_from: date | None = Field(
        default=None, description="First day on which it counts, by its own scheme.", examples=["2026-03-13"]
    )
    valid_until: date | None = Field(
        default=None, description="Last day on which it counts, by its own scheme.", examples=[None]
    )
    message: dict[str, JsonValue] = Field(
        description="The certificate as it was signed; bytes are in base64.", examples=[{"ver": "1.3.0"}]
    )
    signed: bytes = Field(default=b"", exclude=True, repr=False, description="The bytes that were signed.")
    signature: bytes = Field(default=b"", exclude=True, repr=False, description="The signature.")
