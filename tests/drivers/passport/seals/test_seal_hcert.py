"""Health certificates: published ones, and ones made with independent libraries, with every defect."""

import base64
import json
import os
import zlib
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import cbor2
import pytest
from hcert_samples import GENERATED, PUBLISHED, SIGNERS
from seal_reasons import NAMES, PRINTED, TODAY, Reasons, read, reasons
from support.chips.certificates import Key, NegativeKey, oid, sequence, with_malformed_validity
from support.chips.certificates import certificate as issue

from drivers.observation import redact
from drivers.passport.emrtd.encoding.tlv import encode
from drivers.passport.mrz import Mrz
from drivers.passport.seals import (
    BarcodeKind,
    HealthCertificate,
    HealthScheme,
    MalformedSealError,
    SealFault,
)
from drivers.passport.seals.checks import seal_checks
from drivers.passport.seals.encoding import base45
from drivers.passport.seals.hcert import cose
from drivers.passport.seals.hcert.trust_list import HealthTrustLists
from simulators.passport.seals import hcert as simulated

SIGNED = NAMES[1:4]
LISTS = HealthTrustLists.from_bytes(*SIGNERS.values())


def base45_text(data: bytes) -> str:
    return simulated.base45(data).decode()


def content(text: str) -> HealthCertificate:
    barcode = read(text)
    assert barcode.health_certificate is not None, barcode.fault
    return barcode.health_certificate


def unlike_good(
    text: str, lists: HealthTrustLists | None = LISTS, printed: Mrz | None = PRINTED, today: date = TODAY
) -> Reasons:
    return reasons(text, None, printed, today, lists)


# Published certificates.


@pytest.mark.parametrize("name", [name for name in PUBLISHED if "certificate" in PUBLISHED[name]])
def test_published_certificate_is_verified(name: str) -> None:
    sample = PUBLISHED[name]
    lists = HealthTrustLists.from_bytes(base64.b64decode(sample["certificate"]))
    day = date.fromisoformat(sample["day"])

    found = unlike_good(sample["text"], lists, None, day)

    # The signer of the common tests names no country.
    country = (
        {} if name.startswith("austria") else {"seal.issuing_state": ("undetermined", "country_unknown")}
    )
    assert found == {"combined.mrz_vs_seal": ("undetermined", "no_printed_mrz"), **country}
    assert content(sample["text"]).scheme is HealthScheme.EU_DCC


def test_published_yellow_card_is_read() -> None:
    card = content(PUBLISHED["icvp"]["text"])

    assert (card.scheme, card.issuer, card.algorithm) == (HealthScheme.ICVP, "XL", "ES256")
    assert card.holder is not None
    assert (card.holder.document_number, card.holder.nationality) == ("16337361-9", "CL")
    assert (card.vaccinations[0].lot, card.vaccinations[0].disease) == ("123123123", "1D47")
    assert card.valid_until == date(2015, 2, 7)


@pytest.mark.skipif("DGC_TESTDATA" not in os.environ, reason="DGC_TESTDATA names no copy of dgc-testdata")
def test_every_public_test_of_the_european_union() -> None:
    """Run every test of a copy of dgc-testdata: those are verified that it expects to be, and no others."""
    differing = []
    for path in sorted(Path(os.environ["DGC_TESTDATA"]).glob("*/2DCode/raw/*.json")):
        test = json.loads(path.read_text("utf-8-sig"))
        wanted = test.get("EXPECTEDRESULTS", {}).get("EXPECTEDVERIFY")
        text, given = test.get("PREFIX"), test.get("TESTCTX", {}).get("CERTIFICATE")
        if wanted is None or not text or not given:
            continue
        lists = HealthTrustLists.from_bytes(base64.b64decode(given))
        verified = "seal.signature" not in unlike_good(text, lists, None)
        differing += [path.name] if verified is not wanted else []
    assert differing == []


# Certificates made with independent libraries.


GOOD = (
    "dcc vaccination, PS256",
    "dcc test, ES384",
    "dcc recovery, key id unprotected",
    "dcc vaccination, tagged twice",
    "icvp, first edition",
    "icvp, second edition",
    "icvp in the place of the dcc",
    "test by a signer of tests",
)


@pytest.mark.parametrize("name", GOOD)
def test_genuine_certificate_of_its_holder(name: str) -> None:
    found = unlike_good(GENERATED[name])
    if "recovery" in name:  # it states the year of birth alone
        assert found.pop("combined.mrz_vs_seal") == ("undetermined", "nothing_in_common")
    assert found == {}


def test_both_editions_of_yellow_card_are_alike() -> None:
    first, second = content(GENERATED["icvp, first edition"]), content(GENERATED["icvp, second edition"])

    assert first.holder == second.holder
    assert first.holder is not None
    assert (first.holder.document_number, first.holder.sex) == ("L898902C3", "female")
    assert [dose.given_on for dose in (*first.vaccinations, *second.vaccinations)] == ["2026-12-01"] * 2
    assert (first.version, second.version) == (None, "1.0.0")
    assert (first.valid_from, first.valid_until) == (date(2026, 12, 11), None)


def test_scheme_and_expiry_are_in_event() -> None:
    dcc = content(GENERATED["dcc recovery, key id unprotected"])

    assert (dcc.scheme, dcc.version, dcc.issuer) == (HealthScheme.EU_DCC, "1.3.0", "AT")
    assert dcc.expires_at == datetime(2027, 12, 31, tzinfo=UTC)
    assert (dcc.valid_from, dcc.valid_until) == (date(2026, 10, 12), date(2027, 4, 1))
    assert dcc.recoveries[0].first_positive_on == "2026-10-01"


DEFECTS: dict[str, Reasons] = {
    "vaccination by a signer of tests": {"seal.certificate": ("failed", "not_for_this_kind")},
    "issuer of another state": {"seal.issuing_state": ("failed", "state_differs")},
    "no issuer": {"seal.issuing_state": ("not_supported", "issuer_not_stated")},
    "expired": {"seal.not_expired": ("failed", "seal_expired")},
    "not yet valid": {"seal.not_expired": ("failed", "seal_not_yet_valid")},
    "unknown scheme": {
        "seal.readable": ("undetermined", "profile_unknown"),
        "combined.mrz_vs_seal": ("undetermined", "nothing_in_common"),
    },
    "health link": {
        "seal.readable": ("undetermined", "profile_unknown"),
        "combined.mrz_vs_seal": ("undetermined", "nothing_in_common"),
    },
}


@pytest.mark.parametrize("name", DEFECTS)
def test_defect_fails_its_own_checks(name: str) -> None:
    assert unlike_good(GENERATED[name]) == DEFECTS[name]


def forged(text: str, old: bytes, new: bytes) -> str:
    """Replace bytes of the signed content, and encode it again."""
    message = zlib.decompress(base45.decode(text.removeprefix("HC1:")))
    assert old in message
    return f"HC1:{base45_text(zlib.compress(message.replace(old, new)))}"


def test_altered_name_is_found() -> None:
    text = forged(GENERATED["icvp, first edition"], b"1974-08-12", b"1974-08-13")
    assert unlike_good(text) == {
        "seal.signature": ("failed", "signature_wrong"),
        "combined.mrz_vs_seal": ("failed", "differs_from_seal"),
    }


@pytest.mark.parametrize("name", ["dcc vaccination, PS256", "icvp, first edition", "dcc test, ES384"])
def test_every_byte_of_certificate_counts(name: str) -> None:
    message = zlib.decompress(base45.decode(GENERATED[name].removeprefix("HC1:")))
    for at in range(len(message)):
        altered = message[:at] + bytes([message[at] ^ 1]) + message[at + 1 :]
        found = unlike_good(f"HC1:{base45_text(zlib.compress(altered, 1))}")
        assert "seal.signature" in found, at


def test_without_lists_undetermined() -> None:
    text = GENERATED["icvp, first edition"]
    for lists in (None, HealthTrustLists()):
        assert unlike_good(text, lists) == dict.fromkeys(SIGNED, ("undetermined", "no_trust_store"))
    others = HealthTrustLists.from_bytes(SIGNERS["AT"])
    assert unlike_good(text, others) == dict.fromkeys(SIGNED, ("undetermined", "signer_unknown"))


def test_signer_expires() -> None:
    found = unlike_good(GENERATED["no issuer"], today=date(2036, 2, 1))
    assert found["seal.certificate"] == ("failed", "certificate_expired")


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("HC2:6BF", SealFault.UNSUPPORTED),
        ("HC1:", SealFault.MALFORMED),
        ("HC1:6BF", SealFault.MALFORMED),
        ("HC1:abc", SealFault.MALFORMED),
        ("HC1:::::", SealFault.MALFORMED),
        (GENERATED["expired"][:-30], SealFault.MALFORMED),
        (f"HC1:{base45_text(zlib.compress(b'{}'))}", SealFault.MALFORMED),
        (f"HC1:{base45_text(zlib.compress(bytes(10_000_000)))}", SealFault.MALFORMED),
        (f"HC1:{base45_text(zlib.decompress(base45.decode(GENERATED['expired'][4:])))}", SealFault.MALFORMED),
    ],
)
def test_faulty_certificate_keeps_its_kind(text: str, fault: SealFault) -> None:
    barcode = read(text)

    assert (barcode.kind, barcode.fault) == (BarcodeKind.HEALTH_CERTIFICATE, fault)
    outcomes = {check.id: check.outcome.value for check in seal_checks(barcode, None, None, TODAY, LISTS)}
    assert set(outcomes) == set(NAMES)
    assert set(outcomes.values()) <= {"failed", "undetermined"}


@pytest.mark.parametrize(
    "hostile",
    [
        b"\xc5\x82\x1b\x7f\xff\xff\xff\xff\xff\xff\xff\x01",  # a big float of an absurd exponent
        b"\xc4\x82\x1b\x7f\xff\xff\xff\xff\xff\xff\xff\x01",
        b"\x9b\x7f\xff\xff\xff\xff\xff\xff\xff",  # a list that says to be endless
        b"\x5b\x7f\xff\xff\xff\xff\xff\xff\xff",
        b"\x81" * 100_000 + b"\x00",
        b"\xd8\x23\x78\x10" + b"(a+)+$(a+)+$(a+)",
        b"\xa2\x01\x02\x01\x03",  # the same key twice
        b"\xff",
        b"",
    ],
)
def test_hostile_cbor_is_refused(hostile: bytes) -> None:
    with pytest.raises(MalformedSealError):
        cose.load(hostile)


HUGE = 256**3000 - 1
FIRST_YEAR = cbor2.CBORTag(0, "0001-01-01T00:00:00+14:00")


def health_text(claims: object) -> str:
    """Encode claims with a signature that is none."""
    message = cbor2.dumps([cbor2.dumps({1: -7}), {}, cbor2.dumps(claims), bytes(64)])
    return f"HC1:{base45_text(zlib.compress(message))}"


@pytest.mark.parametrize(
    "claims",
    [
        {-260: {1: {HUGE: 1}}},
        {-260: {1: {"nam": {"fn": "A"}, "v": [{"dn": HUGE}]}}},
        {-260: {1: {"a": HUGE}}},
        {-260: {1: {"a": -HUGE}}},
        {4: FIRST_YEAR, -260: {1: {"a": 1}}},
        {4: HUGE, -260: {1: {"a": 1}}},
        {6: -1e300, -260: {1: {"a": 1}}},
    ],
    ids=["name", "dose", "number", "negative", "first year", "expiry", "issue"],
)
def test_value_beyond_all_bounds_is_malformed(claims: object) -> None:
    """Python writes no integer of so many digits, and has no time before the first year."""
    barcode = read(health_text(claims))
    barcode.model_dump_json()
    assert barcode.fault is SealFault.MALFORMED


@pytest.mark.parametrize(
    ("text", "data"), [("BB8", b"AB"), ("%69 VD92EX0", b"Hello!!"), ("UJCLQE7W581", b"base-45")]
)
def test_base45_examples_of_the_standard(text: str, data: bytes) -> None:
    assert base45.decode(text) == data


@pytest.mark.parametrize("text", ["GGW", ":::", "A", "ABCD", "BB8a"])
def test_wrong_base45_is_refused(text: str) -> None:
    with pytest.raises(MalformedSealError):
        base45.decode(text)


def test_redacted_certificate_has_no_personal_data() -> None:
    shown = str(redact(read(GENERATED["icvp, first edition"])))

    for personal in ("Eriksson", "1974", "L898902C3", "23543657LOT", "Odera", "1D47"):
        assert personal not in shown
    assert "icvp" in shown


# Lists of the operator.

MADE = datetime(2027, 2, 20, 6, tzinfo=UTC)


def dcc_list(made: str | None = None) -> bytes:
    entries = [
        {"kid": "not used", "rawData": base64.b64encode(SIGNERS[name]).decode()}
        for name in ("KE", "AT", "UG")
    ]
    for entry, name in zip(entries, ("KE", "AT", "UG"), strict=True):
        (known,) = HealthTrustLists.from_bytes(SIGNERS[name]).keys
        entry["kid"] = base64.b64encode(known.key_id).decode()
    return json.dumps({"certificates": entries} | ({"issued": made} if made else {})).encode()


def did_document(*, chain: bool, domain: str = "-") -> bytes:
    """Write a list as WHO publishes it; without certificates, there are keys alone."""
    (known,) = HealthTrustLists.from_bytes(SIGNERS["KE"]).keys
    x, y = (
        base64.urlsafe_b64encode(number.to_bytes(32, "big")).decode().rstrip("=")
        for number in known.key.point
    )
    jwk = {"kty": "EC", "crv": "P-256", "x": x, "y": y}
    if chain:
        jwk |= {"x5c": [base64.b64encode(SIGNERS["KE"]).decode()]}
    key_id = (
        base64.b64encode(known.key_id).decode().replace("=", "%3D").replace("/", "%2F").replace("+", "%2B")
    )
    return json.dumps(
        {
            "id": "did:web:tng-cdn.who.int:trustlist",
            "verificationMethod": [
                {
                    "id": f"did:web:tng-cdn.who.int:v2:trustlist:{domain}:KEN:DSC#{key_id}",
                    "publicKeyJwk": jwk,
                }
            ],
            "proof": {"created": "2027-02-20T06:00:00Z"},
        }
    ).encode()


@pytest.mark.parametrize(
    "listed",
    [
        dcc_list(),
        b"c2lnbmF0dXJl\n" + dcc_list(),
        did_document(chain=True),
        did_document(chain=False),
        did_document(chain=False, domain="DCC"),
    ],
    ids=["list", "list behind a signature", "did document", "did document of keys", "one trust domain"],
)
def test_lists_of_every_kind(listed: bytes) -> None:
    lists = HealthTrustLists.from_bytes(listed, at=MADE)

    assert lists.faults == ()
    assert lists.list_dates == (("entry 1", MADE),)
    assert unlike_good(GENERATED["icvp, first edition"], lists) == {}


@pytest.mark.parametrize(("age_days", "reason"), [(30, None), (31, "trust_list_stale")])
def test_signer_of_old_list_is_undetermined(age_days: int, reason: str | None) -> None:
    lists = HealthTrustLists.from_bytes(
        dcc_list(), at=datetime(2027, 3, 1, tzinfo=UTC) - timedelta(days=age_days)
    )

    found = unlike_good(GENERATED["icvp, first edition"], lists)

    assert found == ({} if reason is None else {"seal.certificate": ("undetermined", reason)})


def test_date_of_list_comes_before_that_of_file(tmp_path: Path) -> None:
    (tmp_path / "stated.json").write_bytes(dcc_list("2027-01-05T00:00:00Z"))
    (tmp_path / "silent.json").write_bytes(dcc_list())
    os.utime(tmp_path / "silent.json", (MADE.timestamp(), MADE.timestamp()))

    dates = dict(HealthTrustLists.load(tmp_path).list_dates)

    assert dates == {"stated.json": datetime(2027, 1, 5, tzinfo=UTC), "silent.json": MADE}


def test_bad_entries_are_named(tmp_path: Path) -> None:
    whole = json.loads(dcc_list())
    whole["certificates"][1]["rawData"] = "AAAA"
    whole["certificates"].append({"kid": "x"})
    (tmp_path / "list.json").write_text(json.dumps(whole))
    (tmp_path / "page.html").write_bytes(b"<html>Log in</html>")

    lists = HealthTrustLists.load(tmp_path, tmp_path / "nowhere")

    assert len(lists.keys) == 2
    assert lists.faults == (
        "list.json, entry 2 of 4: a data object ends before its length",
        "list.json, entry 4 of 4: it has neither certificate nor key",
        "page.html: this is a web page and no certificate, as after a download without login: get it again",
        "nowhere: there is no such file or folder",
    )


def test_bad_certificate_of_list_is_named() -> None:
    broken = with_malformed_validity(issue(Key("secp256r1"), country="LT", common="DSC 7"))
    whole = json.loads(dcc_list())
    whole["certificates"][1]["rawData"] = base64.b64encode(broken).decode()

    lists = HealthTrustLists.from_bytes(json.dumps(whole).encode(), at=MADE)

    assert len(lists.keys) == 2
    assert lists.faults == ("entry 1, entry 2 of 3 (C=LT, CN=DSC 7): a certificate is malformed",)


def test_signer_of_unreadable_purpose_is_a_fault() -> None:
    usage = sequence(oid("2.5.29.37"), encode(0x04, b"\x05\x00\x01"))
    signer = issue(Key("secp256r1"), issuer=issue(Key("secp256r1")), common="DSC", more_extensions=(usage,))

    lists = HealthTrustLists.from_bytes(signer.der)

    assert lists.faults == ("entry 1 (C=UT, CN=DSC): the extended key usage cannot be read",)


@pytest.mark.parametrize("key", [NegativeKey("rsa"), Key("secp256r1")], ids=["negative modulus", "curve"])
def test_deviating_signer_is_used(key: Key) -> None:
    signer = issue(key, issuer=issue(Key("secp256r1")), common="DSC", key_id_value=b"\x04\x14\x01")

    lists = HealthTrustLists.from_bytes(signer.der)

    assert (lists.faults, len(lists.keys)) == ((), 1)


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (
            b"-----BEGIN CERTIFICATE-----\nAAAAA\n-----END CERTIFICATE-----",
            "entry 1: the text between BEGIN and END is no base64",
        ),
        (
            b'{"verificationMethod": [{"publicKeyJwk": "x"}]}',
            "entry 1, entry 1 of 1: it has neither certificate nor key",
        ),
        (
            b'{"verificationMethod": [{"publicKeyJwk": {"kty": "EC", "crv": "P-256", "x": 5, "y": 6}}]}',
            "entry 1, entry 1 of 1: it has neither certificate nor key",
        ),
        (
            b'{"certificates": [{"rawData": "AAAA", "kid": 5}], "issued": "0001-01-01T00:00:00+14:00"}',
            "entry 1, entry 1 of 1: a data object ends before its length",
        ),
    ],
)
def test_malformed_file_is_a_fault(content: bytes, fault: str) -> None:
    lists = HealthTrustLists.from_bytes(SIGNERS["KE"], content)
    assert len(lists.keys) == 1
    assert lists.faults == (fault.replace("entry 1", "entry 2", 1),)


def test_not_a_signed_message_is_malformed() -> None:
    text = base45_text(zlib.compress(cbor2.dumps([1, 2, 3])))
    assert read(f"HC1:{text}").fault is SealFault.MALFORMED
