"""ICAO Datastructure for Barcodes: published barcodes, and barcodes made here with every defect."""

import base64
import hashlib
import zlib
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cache

import pytest
from seal_samples import IDB, certificate

from drivers.observation import redact
from drivers.passport.mrz import Mrz
from drivers.passport.mrz import parse as parse_zone
from drivers.passport.seals import Barcode, BarcodeKind, Idb, SealFault, parse_barcode
from drivers.passport.seals.checks import seal_checks
from drivers.passport.seals.store import SealSignerStore
from simulators.passport.chip.pki.issuing_state import IssuingState
from simulators.passport.seals import SealSigner

TODAY = date(2027, 3, 1)
NOW = datetime(2027, 3, 1, 9, tzinfo=UTC)
WHILE_VALID = date(2026, 4, 1)
PUBLISHED = SealSignerStore.from_bytes(certificate("sealgen_UTTS5B"), certificate("sealgen_DETS32"))
# Sealgen signs for any state: these say D, and their signer is of UT.
OF_SEALGEN = {
    "seal.issuing_state": ("failed", "state_differs"),
    "combined.mrz_vs_seal": ("undetermined", "no_printed_mrz"),
}
NAMES = (
    "seal.readable",
    "seal.signature",
    "seal.certificate",
    "seal.issuing_state",
    "combined.mrz_vs_seal",
    "seal.not_expired",
)
PASSPORT = ("P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<", "L898902C36UTO7408122F3204153ZE184226B<<<<<16")

Found = dict[str, tuple[str, str | None]]


def read(text: str, today: date = TODAY) -> Barcode:
    return parse_barcode(text.encode(), None, today)


def content(text: str) -> Idb:
    barcode = read(text)
    assert barcode.idb is not None, barcode.fault
    return barcode.idb


def unlike_good(
    text: str, store: SealSignerStore | None, printed: Mrz | None = None, today: date = TODAY
) -> Found:
    checks = seal_checks(read(text, today), printed, store, today)
    assert tuple(check.id for check in checks) == NAMES
    assert all(check.text for check in checks if check.reason)
    return {check.id: (check.outcome.value, check.reason) for check in checks if check.reason}


# Published barcodes.


@pytest.mark.parametrize("name", IDB)
def test_published_barcode_is_verified(name: str) -> None:
    found = unlike_good(IDB[name], PUBLISHED, today=WHILE_VALID)
    found.pop("seal.not_expired", None)

    assert found == OF_SEALGEN
    assert content(IDB[name]).document_type == (None if name == "visa" else name)


@pytest.mark.parametrize(
    ("name", "zone"),
    [
        (
            "substitute_identity_document",
            ("AID<<KOEPPENIK<<JONATHAN<GERALD<<<<<", "2L1T3QPB04D<<8506210M2604239<<<<<<<8"),
        ),
        (
            "temporary_passport",
            ("PPD<<FOLKS<<TALLULAH<<<<<<<<<<<<<<<<<<<<<<<<", "3113883489D<<9709155F1601013<<<<<<<<<<<<<<04"),
        ),
        (
            "supplementary_sheet_for_residence_permit",
            (
                "AZD<<5W1ETCGE25<<<<<<<<<<<<<<<",
                "8703123F2908258CHL<<<<<<<<<<<4",
                "BORIC<<BRYAN<<<<<<<<<<<<<<<<<<",
            ),
        ),
    ],
)
def test_published_zone_and_content(name: str, zone: tuple[str, ...]) -> None:
    idb = content(IDB[name])

    assert idb.mrz is not None
    assert idb.mrz.lines == zone
    assert (idb.issuer, idb.algorithm, idb.certificate_reference) == ("D", "ES256", "a57a790577")
    assert idb.missing_messages == ()


def test_published_expiry_is_in_event() -> None:
    idb = content(IDB["substitute_identity_document"])

    assert (idb.valid_until, idb.signed_on) == (date(2026, 4, 23), date(2025, 2, 7))
    found = unlike_good(IDB["substitute_identity_document"], PUBLISHED, today=date(2026, 4, 24))
    assert found["seal.not_expired"] == ("failed", "seal_expired")


@pytest.mark.parametrize("name", ["certificate_of_permanent_residence", "provisional_residence_document"])
def test_every_character_of_barcode_counts(name: str) -> None:
    text = IDB[name]
    for at in range(5, len(text) - 1):
        other = "A" if text[at] != "A" else "B"
        found = unlike_good(f"{text[:at]}{other}{text[at + 1 :]}", PUBLISHED, today=WHILE_VALID)
        assert "seal.signature" in found, at


def test_barcode_without_certificates_is_undetermined() -> None:
    found = unlike_good(IDB["arrival_attestation"], None)
    assert found["seal.signature"] == found["seal.certificate"] == ("undetermined", "no_trust_store")


# Barcodes made here.


def der(tag: int, *values: bytes) -> bytes:
    value = b"".join(values)
    size = len(value)
    if size < 0x80:
        return bytes([tag, size]) + value
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + value


def c40(text: str) -> bytes:
    """Encode capitals, digits and spaces, in groups of three."""
    alphabet = "\0\0\0 0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    encoded = b""
    for start in range(0, len(text), 3):
        group = text[start : start + 3]
        if len(group) == 1:
            encoded += bytes([0xFE, ord(group) + 1])
            continue
        values = [alphabet.index(character, 3) for character in group] + [0] * (3 - len(group))
        encoded += (1600 * values[0] + 40 * values[1] + values[2] + 1).to_bytes(2, "big")
    return encoded


def day(text: str) -> bytes:
    """Encode a date YYYY-MM-DD with x for unknown digits."""
    digits = text[5:7] + text[8:10] + text[:4]
    mask = sum(0x80 >> at for at, digit in enumerate(digits) if digit == "x")
    return bytes([mask]) + int(digits.replace("x", "0")).to_bytes(3, "big")


@cache
def utopia() -> IssuingState:
    return IssuingState.create(now=NOW)


@cache
def signer() -> SealSigner:
    return SealSigner.issue(utopia(), curve="secp256r1")


@dataclass(frozen=True)
class Made:
    """A barcode before it is encoded."""

    messages: bytes
    issuer: str = "UTO"
    algorithm: int = 1
    signed_on: str = "2026-12-01"
    compressed: bool = False
    is_signed: bool = True
    certificate: bool = False
    altered: bytes | None = None
    after: bytes = b""

    def text(self) -> str:
        issued = signer()
        encoded = issued.certificate.der
        reference = hashlib.sha1(encoded, usedforsecurity=False).digest()[-5:]
        header = c40(self.issuer.ljust(3))
        if self.is_signed:
            header += bytes([self.algorithm]) + reference + day(self.signed_on)
        body = header + der(0x61, self.messages)
        tail = der(0x7E, encoded) if self.certificate else b""
        if self.is_signed:
            tail += der(0x7F, issued.sign(body))
        if self.altered is not None:
            body = header + der(0x61, self.altered)
        whole = body + tail + self.after
        flag = "ABCD"[self.is_signed + 2 * self.compressed]
        packed = zlib.compress(whole) if self.compressed else whole
        return f"RDB1{flag}{base64.b32encode(packed).decode().rstrip('=')}"


def store() -> SealSignerStore:
    return SealSignerStore.from_bytes(signer().certificate.der)


AUTHORIZATION = der(
    6,
    der(1, c40("DTA12345")),
    der(2, c40("ERIKSSON ANNA MARIA")),
    der(3, c40("L898902C3")),
    der(4, day("1974-08-12")),
    der(5, c40("UTO")),
    der(6, b"F"),
    der(7, c40("NAIROBI")),
    der(8, day("2027-01-01")),
    der(9, day("2027-12-31")),
    der(10, c40("090")),
    der(11, b"\x01"),
    der(12, c40("TOURISM")),
)
DOSE = der(
    36,
    der(51, day("2026-11-20")),
    der(52, c40("01")),
    der(54, c40("UTO")),
    der(55, c40("CLINIC 12")),
    der(56, c40("LOT77")),
)
EVENT = der(9, der(31, c40("XM0N24")), der(32, c40("STAMARIL")), der(35, c40("1D47")), DOSE)
VACCINATION = der(
    4, der(1, c40("U0193")), der(4, c40("ERIKSSON ANNA")), der(5, day("1974-xx-xx")), der(6, b"F"), EVENT
)
PRINTED = parse_zone(PASSPORT, TODAY)


@pytest.mark.parametrize("compressed", [False, True])
def test_travel_authorization_of_its_passport(*, compressed: bool) -> None:
    text = Made(AUTHORIZATION, compressed=compressed).text()

    assert unlike_good(text, store(), PRINTED) == {}
    idb = content(text)
    assert (idb.valid_from, idb.valid_until) == (date(2027, 1, 1), date(2027, 12, 31))
    assert idb.is_compressed is compressed
    assert idb.text_at("6.3") == "L898902C3"


def test_vaccination_with_masked_date() -> None:
    idb = content(Made(VACCINATION).text())

    assert idb.text_at("4.5") == "1974-xx-xx"
    assert idb.text_at("4.9.36.51") == "2026-11-20"
    assert {message.status for message in idb.messages} == {"read"}
    assert idb.missing_messages == ()


DEFECTS: dict[str, tuple[Made, Found]] = {
    "altered message": (
        Made(AUTHORIZATION, altered=AUTHORIZATION.replace(day("1974-08-12"), day("1974-08-13"))),
        {
            "seal.signature": ("failed", "signature_wrong"),
            "combined.mrz_vs_seal": ("failed", "differs_from_seal"),
        },
    ),
    "other issuer": (Made(AUTHORIZATION, issuer="KEN"), {"seal.issuing_state": ("failed", "state_differs")}),
    "signed too early": (
        Made(AUTHORIZATION, signed_on="2001-01-01"),
        {"seal.certificate": ("failed", "signed_too_early")},
    ),
    "field missing": (
        Made(der(6, der(9, day("2027-12-31")))),
        {
            "seal.readable": ("failed", "feature_missing"),
            "combined.mrz_vs_seal": ("undetermined", "nothing_in_common"),
        },
    ),
    "no such day": (
        Made(der(132, bytes([0]) + (2312027).to_bytes(3, "big"))),
        {
            "seal.readable": ("failed", "feature_malformed"),
            "combined.mrz_vs_seal": ("undetermined", "nothing_in_common"),
            "seal.not_expired": ("not_supported", "no_expiry"),
        },
    ),
    "unknown message": (
        Made(der(99, b"?")),
        {
            "seal.readable": ("undetermined", "profile_unknown"),
            "combined.mrz_vs_seal": ("undetermined", "nothing_in_common"),
            "seal.not_expired": ("not_supported", "no_expiry"),
        },
    ),
    "no signature": (
        Made(AUTHORIZATION, is_signed=False),
        dict.fromkeys(NAMES[1:4], ("undetermined", "seal_unsigned")),
    ),
    "unknown signer with certificate": (Made(AUTHORIZATION, certificate=True), {}),
}


@pytest.mark.parametrize("name", DEFECTS)
def test_defect_fails_its_own_checks(name: str) -> None:
    made, expected = DEFECTS[name]
    assert unlike_good(made.text(), store(), PRINTED) == expected


def test_certificate_in_barcode_does_not_vouch_for_itself() -> None:
    found = unlike_good(Made(AUTHORIZATION, certificate=True).text(), PUBLISHED, PRINTED)
    assert found["seal.certificate"][0] == "undetermined"


@pytest.mark.parametrize("today", [date(2026, 12, 31), date(2028, 1, 1)])
def test_validity_of_travel_authorization(today: date) -> None:
    reason = "seal_not_yet_valid" if today.year == 2026 else "seal_expired"
    found = unlike_good(Made(AUTHORIZATION).text(), store(), PRINTED, today)
    assert found["seal.not_expired"] == ("failed", reason)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("RDB1", SealFault.UNSUPPORTED),
        ("RDB1Z", SealFault.UNSUPPORTED),
        ("RDB1B", SealFault.MALFORMED),
        ("RDB1B1", SealFault.MALFORMED),
        ("RDB1BNK6A", SealFault.MALFORMED),
        ("RDB1DNK6A", SealFault.MALFORMED),
        ("NDB1A", SealFault.MALFORMED),
        (IDB["visa"][:-9], SealFault.MALFORMED),
        (IDB["visa"].replace("RDB1B", "RDB1A"), SealFault.MALFORMED),
        (Made(AUTHORIZATION, algorithm=9).text(), SealFault.UNSUPPORTED),
        (Made(AUTHORIZATION, after=der(0x61, b"")).text(), SealFault.MALFORMED),
        (Made(AUTHORIZATION, after=b"\x01\x00").text(), SealFault.MALFORMED),
        (Made(AUTHORIZATION + AUTHORIZATION).text(), SealFault.MALFORMED),
    ],
)
def test_faulty_barcode_keeps_its_kind(text: str, fault: SealFault) -> None:
    barcode = read(text)

    assert (barcode.kind, barcode.fault, barcode.idb) == (BarcodeKind.IDB, fault, None)
    outcomes = {check.id: check.outcome.value for check in seal_checks(barcode, None, store(), TODAY)}
    assert set(outcomes) == set(NAMES)
    assert set(outcomes.values()) <= {"failed", "undetermined"}


def test_compressed_content_is_bounded() -> None:
    bomb = zlib.compress(bytes(50_000_000))
    assert read(f"RDB1C{base64.b32encode(bomb[:8000]).decode().rstrip('=')}").fault is SealFault.MALFORMED


def test_redacted_barcode_has_no_personal_data() -> None:
    shown = str(redact(read(Made(AUTHORIZATION).text())))

    for personal in ("ERIKSSON", "L898902C3", "1974", "2027-12-31", "NAIROBI"):
        assert personal not in shown
    assert "digital_travel_authorization" in shown


def test_first_edition_is_read() -> None:
    text = Made(AUTHORIZATION).text().replace("RDB1", "NDB1")
    assert content(text).identifier == "NDB1"
    assert unlike_good(text, store(), PRINTED) == {}


def test_line_end_of_reader_is_no_part() -> None:
    assert unlike_good(f"{Made(AUTHORIZATION).text()}\r\n", store(), PRINTED) == {}
