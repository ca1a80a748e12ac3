"""Parts of several kinds of seals: results of parsing, holders, and what is attested of their health."""

from pydantic import Field

from drivers.observation import DataModel, OpenEnum


class FeatureReading(OpenEnum):
    """Result of parsing a feature."""

    READ = "read"
    RAW = "raw"
    """The profile does not define it; its bytes are kept."""
    MALFORMED = "malformed"
    """Not as the profile requires; its bytes are kept."""
    UNKNOWN = "unknown"


class SealHolder(DataModel):
    """Holder of a VDS-NC or health certificate; fields that the issuer left out are null."""

    unredacted_fields = frozenset({"document_type"})

    name: str | None = Field(
        default=None, description="Name in the issuer's spelling.", examples=["Cook Gerald"]
    )
    birth_date: str | None = Field(
        default=None, description="Date of birth, ISO 8601.", examples=["1990-01-29"]
    )
    sex: str | None = Field(default=None, description="Sex: M, F or X.", examples=["M"])
    document_type: str | None = Field(default=None, description="Kind of document.", examples=["P"])
    document_number: str | None = Field(
        default=None, description="Number of the travel document.", examples=["E1234567P"]
    )
    nationality: str | None = Field(default=None, description="Nationality as stated.", examples=["UTO"])
    additional_identifier: str | None = Field(
        default=None, description="Any other number of the issuer's.", examples=["L4567890Z"]
    )


class Vaccination(DataModel):
    """One dose (VDS-NC, type icao.vacc; health certificate)."""

    vaccine: str | None = Field(
        default=None,
        description="Vaccine, code of ICD-11, SNOMED CT or WHO's product list.",
        examples=["XM68M6"],
    )
    product: str | None = Field(default=None, description="Brand of the vaccine.", examples=["Comirnaty"])
    disease: str | None = Field(
        default=None, description="Disease, code of ICD-11 or SNOMED CT.", examples=["RA01.0"]
    )
    given_on: str | None = Field(
        default=None, description="Date of the dose, ISO 8601.", examples=["2021-03-03"]
    )
    dose: int | None = Field(default=None, ge=0, description="Number of the dose.", examples=[1])
    country: str | None = Field(default=None, description="Country, three letters.", examples=["UTO"])
    centre: str | None = Field(default=None, description="Administering centre.", examples=["RIVM"])
    lot: str | None = Field(default=None, description="Number of the lot.", examples=["VC35679"])
    next_on: str | None = Field(
        default=None, description="Date of the next dose, ISO 8601.", examples=["2021-03-24"]
    )
    doses: int | None = Field(
        default=None, ge=0, description="Number of doses of the whole series.", examples=[2]
    )
    clinician: str | None = Field(default=None, description="Supervising clinician.", examples=["DR A"])
    identifier: str | None = Field(
        default=None, description="Number of the certificate of this dose.", examples=[None]
    )
    valid_from: str | None = Field(
        default=None,
        description="First day on which it counts, ISO 8601, if stated.",
        examples=["2026-03-13"],
    )
    valid_until: str | None = Field(
        default=None, description="Last day on which it counts, ISO 8601, if stated.", examples=[None]
    )


class ProofOfTest(DataModel):
    """One test (VDS-NC, type icao.test; health certificate)."""

    facility: str | None = Field(default=None, description="Test centre.", examples=["General Hospital"])
    country: str | None = Field(default=None, description="Country, three letters.", examples=["UTO"])
    sampled_at: str | None = Field(
        default=None, description="Time of sampling, ISO 8601.", examples=["2020-12-12T12:00:00+08:00"]
    )
    reported_at: str | None = Field(
        default=None, description="Time of the report, ISO 8601.", examples=["2021-02-11T14:00:00+08:00"]
    )
    test: str | None = Field(default=None, description="Kind of test.", examples=["molecular(PCR)"])
    method: str | None = Field(default=None, description="Sampling method.", examples=["nasopharyngeal"])
    result: str | None = Field(default=None, description="Result of the test.", examples=["negative"])


class Recovery(DataModel):
    """One recovery from a disease (health certificate)."""

    disease: str | None = Field(
        default=None, description="Disease, code of SNOMED CT.", examples=["840539006"]
    )
    first_positive_on: str | None = Field(
        default=None, description="Date of the first positive test, ISO 8601.", examples=["2021-04-21"]
    )
    country: str | None = Field(default=None, description="Country, two letters.", examples=["AT"])
    identifier: str | None = Field(default=None, description="Number of the certificate.", examples=[None])
    valid_from: str | None = Field(
        default=None, description="First day on which it counts, ISO 8601.", examples=["2021-05-01"]
    )
    valid_until: str | None = Field(
        default=None, description="Last day on which it counts, ISO 8601.", examples=["2021-10-21"]
    )
