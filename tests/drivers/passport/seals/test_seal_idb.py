"""ICAO Datastructure for Barcodes: published barcodes, and simulated ones with every defect."""

import base64
import zlib
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime

import pytest
from seal_reasons import NAMES, PRINTED, TODAY, Reasons, read, reasons
from seal_samples import IDB, certificate

from drivers.observation import redact
from drivers.passport.seals import BarcodeKind, Idb, SealFault
from drivers.passport.seals.checks import seal_checks
from drivers.passport.seals.store import SealSignerStore
from simulators.mrz import Format
from simulators.passport.chip.pki.issuing_state import IssuingState
from simulators.passport.seals import Holder, SealIssuer
from simulators.passport.seals.idb import (
    Edition,
    Message,
    encode_date,
    proof_of_vaccination,
    travel_authorization,
)
from simulators.passport.seals.idb import Idb as Content
from simulators.specimens import ERIKSSON

WHILE_VALID = date(2026, 4, 1)
PUBLISHED = SealSignerStore.from_bytes(certificate("sealgen_UTTS5B"), certificate("sealgen_DETS32"))
# Sealgen signs for any state: these say D, and their signer is of UT.
OF_SEALGEN = {
    "seal.issuing_state": ("failed", "state_differs"),
    "combined.mrz_vs_seal": ("undetermined", "no_printed_mrz"),
}


def content(text: str) -> Idb:
    barcode = read(text)
    assert barcode.idb is not None, barcode.fault
    return barcode.idb


# Published barcodes.


@pytest.mark.parametrize("name", IDB)
def test_published_barcode_is_verified(name: str) -> None:
    found = reasons(IDB[name], PUBLISHED, today=WHILE_VALID)
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
    found = reasons(IDB["substitute_identity_document"], PUBLISHED, today=date(2026, 4, 24))
    assert found["seal.not_expired"] == ("failed", "seal_expired")


@pytest.mark.parametrize("name", ["certificate_of_permanent_residence", "provisional_residence_document"])
def test_every_character_of_barcode_counts(name: str) -> None:
    text = IDB[name]
    for at in range(5, len(text) - 1):
        other = "A" if text[at] != "A" else "B"
        found = reasons(f"{text[:at]}{other}{text[at + 1 :]}", PUBLISHED, today=WHILE_VALID)
        assert "seal.signature" in found, at


def test_barcode_without_certificates_is_undetermined() -> None:
    found = reasons(IDB["arrival_attestation"], None)
    assert found["seal.signature"] == found["seal.certificate"] == ("undetermined", "no_trust_store")


# Simulated barcodes.

STATE = IssuingState.create(now=datetime(2027, 3, 1, 9, tzinfo=UTC))
ISSUER = SealIssuer(STATE, curve="secp256r1")
STORE = SealSignerStore.from_bytes(ISSUER.signer.certificate.der)
HOLDER = Holder.of(ERIKSSON[Format.TD3], TODAY)
SIGNED_ON = date(2026, 12, 1)
AUTHORIZATION = travel_authorization(
    HOLDER, number="DTA12345", valid=(date(2027, 1, 1), date(2027, 12, 31)), signed_on=SIGNED_ON
)
VACCINATION = proof_of_vaccination(
    replace(HOLDER, birth="1974-xx-xx"), number="U0193", given_on=date(2026, 11, 20), signed_on=SIGNED_ON
)


def issued(content: Content) -> str:
    return ISSUER.issue(content).decode()


def with_messages(*messages: Message) -> Content:
    return replace(AUTHORIZATION, messages=messages)


def born(birth: str) -> Content:
    """Return the travel authorization of another date of birth."""
    return travel_authorization(
        replace(HOLDER, birth=birth),
        number="DTA12345",
        valid=(date(2027, 1, 1), date(2027, 12, 31)),
        signed_on=SIGNED_ON,
    )


def forged(shown: Content) -> str:
    """Return a content with the signature of the travel authorization."""
    signer = ISSUER.signer
    return shown.barcode(signer, signer.sign(AUTHORIZATION.signed_bytes(signer))).decode()


def edited(content: Content, edit: Callable[[bytes], bytes]) -> str:
    """Change the bytes of a barcode, and encode it again."""
    text = issued(content)
    data = base64.b32decode(text[5:] + "=" * (-len(text[5:]) % 8))
    return text[:5] + base64.b32encode(edit(data)).decode().rstrip("=")


@pytest.mark.parametrize("compressed", [False, True])
def test_travel_authorization_of_its_passport(*, compressed: bool) -> None:
    text = issued(replace(AUTHORIZATION, is_compressed=compressed))

    assert reasons(text, STORE, PRINTED) == {}
    idb = content(text)
    assert (idb.valid_from, idb.valid_until) == (date(2027, 1, 1), date(2027, 12, 31))
    assert idb.is_compressed is compressed
    assert idb.text_at("6.3") == "L898902C3"


def test_vaccination_with_masked_date() -> None:
    idb = content(issued(VACCINATION))

    assert idb.text_at("4.5") == "1974-xx-xx"
    assert idb.text_at("4.9.36.51") == "2026-11-20"
    assert {message.status for message in idb.messages} == {"read"}
    assert idb.missing_messages == ()


DEFECTS: dict[str, tuple[str, Reasons]] = {
    "altered message": (
        forged(born("1974-08-13")),
        {
            "seal.signature": ("failed", "signature_wrong"),
            "combined.mrz_vs_seal": ("failed", "differs_from_seal"),
        },
    ),
    "other issuer": (
        issued(replace(AUTHORIZATION, issuer="KEN")),
        {"seal.issuing_state": ("failed", "state_differs")},
    ),
    "signed too early": (
        issued(replace(AUTHORIZATION, signed_on=date(2001, 1, 1))),
        {"seal.certificate": ("failed", "signed_too_early")},
    ),
    "field missing": (
        issued(with_messages(Message(6, (Message(9, encode_date("2027-12-31")),)))),
        {
            "seal.readable": ("failed", "feature_missing"),
            "combined.mrz_vs_seal": ("undetermined", "nothing_in_common"),
        },
    ),
    "no such day": (
        issued(with_messages(Message(132, encode_date("2027-02-31")))),
        {
            "seal.readable": ("failed", "feature_malformed"),
            "combined.mrz_vs_seal": ("undetermined", "nothing_in_common"),
            "seal.not_expired": ("not_supported", "no_expiry"),
        },
    ),
    "unknown message": (
        issued(with_messages(Message(99, b"?"))),
        {
            "seal.readable": ("undetermined", "profile_unknown"),
            "combined.mrz_vs_seal": ("undetermined", "nothing_in_common"),
            "seal.not_expired": ("not_supported", "no_expiry"),
        },
    ),
    "no signature": (
        issued(replace(AUTHORIZATION, is_signed=False)),
        dict.fromkeys(NAMES[1:4], ("undetermined", "seal_unsigned")),
    ),
    "known signer with certificate": (issued(replace(AUTHORIZATION, has_certificate=True)), {}),
}


@pytest.mark.parametrize("name", DEFECTS)
def test_defect_fails_its_own_checks(name: str) -> None:
    text, expected = DEFECTS[name]
    assert reasons(text, STORE, PRINTED) == expected


def test_certificate_in_barcode_is_no_anchor() -> None:
    found = reasons(issued(replace(AUTHORIZATION, has_certificate=True)), PUBLISHED, PRINTED)
    assert found["seal.certificate"][0] == "undetermined"


@pytest.mark.parametrize("today", [date(2026, 12, 31), date(2028, 1, 1)])
def test_validity_of_travel_authorization(today: date) -> None:
    reason = "seal_not_yet_valid" if today.year == 2026 else "seal_expired"
    found = reasons(issued(AUTHORIZATION), STORE, PRINTED, today)
    assert found["seal.not_expired"] == ("failed", reason)


FAULTY = {
    "no flag": ("RDB1", SealFault.UNSUPPORTED),
    "unknown flag": ("RDB1Z", SealFault.UNSUPPORTED),
    "nothing signed": ("RDB1B", SealFault.MALFORMED),
    "no base32": ("RDB1B1", SealFault.MALFORMED),
    "cut header": ("RDB1BNK6A", SealFault.MALFORMED),
    "not compressed": ("RDB1DNK6A", SealFault.MALFORMED),
    "nothing unsigned": ("NDB1A", SealFault.MALFORMED),
    "cut": (IDB["visa"][:-9], SealFault.MALFORMED),
    "signature unannounced": (IDB["visa"].replace("RDB1B", "RDB1A"), SealFault.MALFORMED),
    "unknown algorithm": (
        edited(AUTHORIZATION, lambda data: data[:2] + b"\x09" + data[3:]),
        SealFault.UNSUPPORTED,
    ),
    "messages twice": (edited(AUTHORIZATION, lambda data: data + b"\x61\x00"), SealFault.MALFORMED),
    "unknown part": (edited(AUTHORIZATION, lambda data: data + b"\x01\x00"), SealFault.MALFORMED),
    "message twice": (
        issued(with_messages(*AUTHORIZATION.messages, *AUTHORIZATION.messages)),
        SealFault.MALFORMED,
    ),
    "more after the compressed": (
        edited(replace(AUTHORIZATION, is_compressed=True), lambda data: data + b"?"),
        SealFault.MALFORMED,
    ),
}


@pytest.mark.parametrize("name", FAULTY)
def test_faulty_barcode_keeps_its_kind(name: str) -> None:
    text, fault = FAULTY[name]
    barcode = read(text)

    assert (barcode.kind, barcode.fault, barcode.idb) == (BarcodeKind.IDB, fault, None)
    outcomes = {check.id: check.outcome.value for check in seal_checks(barcode, None, STORE, TODAY)}
    assert set(outcomes) == set(NAMES)
    assert set(outcomes.values()) <= {"failed", "undetermined"}


def test_compressed_content_is_bounded() -> None:
    bomb = zlib.compress(bytes(50_000_000))
    assert read(f"RDB1C{base64.b32encode(bomb[:8000]).decode().rstrip('=')}").fault is SealFault.MALFORMED


def test_redacted_barcode_has_no_personal_data() -> None:
    shown = str(redact(read(issued(AUTHORIZATION))))

    for personal in ("ERIKSSON", "L898902C3", "1974", "2027-12-31", "HARBOUR"):
        assert personal not in shown
    assert "digital_travel_authorization" in shown


def test_first_edition_is_read() -> None:
    text = issued(replace(AUTHORIZATION, edition=Edition.FIRST))
    assert content(text).identifier == "NDB1"
    assert reasons(text, STORE, PRINTED) == {}


def test_line_end_of_reader_is_no_part() -> None:
    assert reasons(f"{issued(AUTHORIZATION)}\r\n", STORE, PRINTED) == {}
