"""Messages of the ICAO Datastructure for Barcodes: names, encodings and lengths by tag.

Source: ICAO technical report *Datastructure for Barcode*; the definitions and samples of
github.com/tsenger/vdstools. Tags of 128 and more are national: Germany's are here, whose list of document
types is the only public one.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Coding(StrEnum):
    """Encoding of a field."""

    C40 = "c40"
    MRZ = "mrz"
    VISA_ZONE = "visa_zone"
    """A zone whose second line ends after the digit of the last day of validity."""
    UTF8 = "utf8"
    NUMBER = "number"
    BYTES = "bytes"
    DATE = "date"
    """Four bytes: a mask of unknown digits, then month, day and year as the digits of one number."""
    TIME = "time"
    """Six bytes: month, day, year, hour, minute and second as the digits of one number."""
    DURATION = "duration"
    MESSAGES = "messages"


@dataclass(frozen=True, slots=True)
class Definition:
    """One message or field; lengths are in bytes."""

    name: str
    coding: Coding
    least: int
    most: int
    required: bool = False
    children: Mapping[int, "Definition"] = field(default_factory=dict)


def _fields(table: str) -> dict[int, Definition]:
    """Parse rows of `tag name coding least most`, a required field with a star after its name."""
    found = {}
    for row in table.strip().splitlines():
        tag, name, coding, least, most = row.split()
        found[int(tag)] = Definition(
            name.rstrip("*"), Coding(coding), int(least), int(most), required=name.endswith("*")
        )
    return found


def _message(name: str, children: dict[int, Definition], *, required: bool = False) -> Definition:
    return Definition(name, Coding.MESSAGES, 0, 4096, required, children)


# A published visa has a whole zone, one byte of duration and ten characters of number: both are read.
_VISA = _fields("""
    1 mrz visa_zone 48 60
    2 mrz visa_zone 44 48
    3 number_of_entries* number 1 1
    4 duration_of_stay* duration 1 3
    5 passport_number* c40 6 8
    6 visa_type bytes 1 4
    7 additional bytes 0 254
""")
_TESTING = _fields("""
    1 certificate_identifier c40 2 12
    2 name* c40 2 26
    3 date_of_birth* date 4 4
    4 document_type* c40 2 2
    5 document_number* c40 2 16
    6 testing_facility* c40 2 14
    7 country_of_test* c40 2 2
    8 testing_facility_telephone* c40 12 12
    9 testing_facility_email* utf8 1 255
    10 testing_facility_address* utf8 1 255
    11 specimen_collected_at* time 6 6
    12 reported_at* time 6 6
    13 test_conducted* number 1 1
    14 test_result* number 1 1
    15 method_used number 1 1
    16 optional c40 2 14
""")
_DOSE = _fields("""
    51 date_of_vaccination* date 4 4
    52 dose_number* c40 2 2
    53 total_doses c40 2 2
    54 country_of_vaccination* c40 2 2
    55 administering_centre* c40 2 14
    56 vaccine_batch_number* c40 2 14
    57 due_date_of_next_dose date 4 4
""")
_EVENT = _fields("""
    31 vaccine_or_prophylaxis* c40 2 6
    32 vaccine_brand* c40 2 254
    33 vaccine_manufacturer c40 2 254
    34 marketing_authorization_holder c40 2 254
    35 disease_or_agent* c40 2 6
""") | {36: _message("vaccination_details", _DOSE, required=True)}
_VACCINATION = _fields("""
    1 certificate_identifier* c40 2 12
    2 valid_from date 4 4
    3 valid_until date 4 4
    4 name* c40 2 26
    5 date_of_birth date 4 4
    6 sex* utf8 1 1
    7 unique_identifier c40 2 8
    8 additional_identifier c40 2 16
    10 optional c40 2 14
""") | {9: _message("vaccination_event", _EVENT, required=True)}
_RECOVERY = _fields("""
    1 certificate_identifier* c40 2 12
    2 valid_from date 4 4
    3 valid_until date 4 4
    4 name* c40 2 26
    5 date_of_birth* date 4 4
    6 document_type* c40 2 2
    7 document_number* c40 2 16
    8 country_of_test* c40 2 2
    9 date_of_first_positive_test* date 4 4
    10 optional c40 2 14
""")
_AUTHORIZATION = _fields("""
    1 authorization_number* c40 2 10
    2 name* c40 2 26
    3 passport_number* c40 2 8
    4 date_of_birth* date 4 4
    5 nationality* c40 2 2
    6 sex* utf8 1 1
    7 place_of_issue* c40 2 10
    8 valid_from* date 4 4
    9 valid_until* date 4 4
    10 duration_of_stay* c40 2 2
    11 number_of_entries* number 1 1
    12 type_class_category* c40 2 32
    13 additional c40 2 67
""")
MESSAGES: Mapping[int, Definition] = {
    1: _message("visa", _VISA),
    2: _message("emergency_travel_document", _fields("2 mrz* mrz 48 48")),
    3: _message("proof_of_testing", _TESTING),
    4: _message("proof_of_vaccination", _VACCINATION),
    5: _message("proof_of_recovery", _RECOVERY),
    6: _message("digital_travel_authorization", _AUTHORIZATION),
} | _fields("""
    7 mrz_td1 mrz 60 60
    8 mrz_td3 mrz 60 60
    9 card_access_number c40 4 4
    10 ef_card_access bytes 0 1024
    128 face_image bytes 1 4096
    129 mrz_td2 mrz 48 48
    130 document_reference c40 6 6
    131 azr_number c40 8 8
    132 expiry_date date 4 4
    133 document_number c40 6 6
    134 national_document_identifier number 1 1
""")

NATIONAL_IDENTIFIER = "134"
GERMAN_DOCUMENTS = (
    "substitute_identity_document",
    "substitute_passport_document",
    "emergency_travel_document",
    "temporary_identity_card",
    "temporary_official_passport",
    "temporary_passport",
    "temporary_diplomatic_passport",
    "temporary_travel_document_for_refugees",
    "temporary_travel_document_for_stateless_persons",
    "temporary_travel_document_for_foreigners",
    "permission_to_reside_pending_asylum_decision",
    "temporary_suspension_of_deportation",
    "arrival_attestation",
    "provisional_residence_document",
    "temporary_identity_document",
    "certificate_of_permanent_residence",
    "frontier_worker_permit",
    "supplementary_sheet_for_residence_permit",
)
"""Kinds of documents by `national_document_identifier`, which counts from 1."""
ZONES = ("7", "8", "129", "2.2", "1.1", "1.2")
VALID_FROM = ("4.2", "5.2", "6.8")
VALID_UNTIL = ("132", "4.3", "5.3", "6.9")
"""Paths of the fields that state zone and validity."""
