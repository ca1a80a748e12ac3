"""Passive Authentication with a state of the test: each defect fails exactly its own checks."""

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest
from support.chips.certificates import (
    Issued,
    Key,
    certificate,
    integer,
    lds_security_object,
    oid,
    revocation_list,
    security_object,
    sequence,
    signed_data,
)
from support.chips.files import COM, DG1, DG2, GROUPS, TODAY

from drivers.passport.emrtd.encoding.tlv import encode, parse_whole
from drivers.passport.emrtd.errors import ChipError, MalformedError, UnsupportedError
from drivers.passport.emrtd.evidence import ChipEvidence
from drivers.passport.emrtd.passive_authentication import PassiveAuthentication
from drivers.passport.emrtd.pki.country_codes import alpha3_codes
from drivers.passport.emrtd.pki.security_object import SecurityObject
from drivers.passport.emrtd.pki.trust_store import TrustStore
from drivers.passport.emrtd.transport.files import ElementaryFile

CSCA = certificate(Key("secp384r1", "sha384"))
DSC = certificate(Key("secp256r1"), issuer=CSCA, common="DSC")
CRL = revocation_list(CSCA, 7)
SOD = security_object(GROUPS, DSC, CSCA)
GOOD = {
    "chip.sod_signature": ("successful", None),
    "chip.dsc_signature": ("successful", None),
    "chip.certificate_validity": ("successful", None),
    "chip.dsc_revocation": ("successful", None),
    "chip.trust": ("successful", None),
    "chip.com_vs_sod": ("successful", None),
    "chip.data_group_hash.DG1": ("successful", None),
    "chip.data_group_hash.DG2": ("successful", None),
    "chip.issuing_state": ("successful", None),
}


def trusting(*contents: bytes) -> TrustStore:
    trust = TrustStore.from_bytes(*contents)
    assert trust.faults == ()
    return trust


TRUST = trusting(CSCA.der, CRL)


def evidence(sod: bytes | None = SOD, com: bytes | None = COM, **groups: bytes) -> ChipEvidence:
    files = {ElementaryFile.DG1: DG1, ElementaryFile.DG2: DG2}
    files |= {ElementaryFile[name]: content for name, content in groups.items()}
    if sod is not None:
        files[ElementaryFile.SOD] = sod
    if com is not None:
        files[ElementaryFile.COM] = com
    return ChipEvidence(files)


def checks_of(
    found: ChipEvidence, trust: TrustStore | None = TRUST, *, today: date = TODAY, issuer: str | None = "UTO"
) -> dict[str, tuple[str, str | None]]:
    checks = list(PassiveAuthentication(found, trust, today, issuer).checks())
    assert [check.id for check in checks][: len(GOOD)] == [*GOOD][: len(checks)] or len(checks) > len(GOOD)
    return {check.id: (check.outcome.value, check.reason) for check in checks}


def unlike_good(*arguments: object, **options: object) -> dict[str, tuple[str, str | None]]:
    found = checks_of(*arguments, **options)
    assert found.keys() >= GOOD.keys()
    return {name: how for name, how in found.items() if how != ("successful", None)}


def signed_by(key: Key, csca_key: Key | None = None, **more: object) -> tuple[ChipEvidence, TrustStore]:
    csca = certificate(csca_key or key)
    signer = certificate(key, issuer=csca, common="DSC")
    sod = security_object(GROUPS, signer, csca, **more)
    return evidence(sod), trusting(csca.der, revocation_list(csca))


def test_genuine_document_passes() -> None:
    assert checks_of(evidence()) == GOOD


@pytest.mark.parametrize(
    "key",
    [
        Key("rsa"),
        Key("rsa", "sha1"),
        Key("rsa", "sha512"),
        Key("pss"),
        Key("pss", "sha384"),
        Key("secp256r1", "sha1"),
        Key("secp256r1", "sha224"),
        Key("secp384r1", "sha512"),
        Key("brainpoolP256r1"),
        Key("brainpoolP256r1", explicit=True),
        Key("secp256r1", explicit=True),
    ],
    ids=lambda key: f"{key.scheme} {key.hash_name}{' explicit' * key.explicit}",
)
def test_every_signature_scheme_is_verified(key: Key) -> None:
    found, trust = signed_by(key)
    assert checks_of(found, trust) == GOOD
    bent = bytearray(found.files[ElementaryFile.SOD])
    bent[-1] ^= 1
    found.files[ElementaryFile.SOD] = bytes(bent)
    assert unlike_good(found, trust) == {"chip.sod_signature": ("failed", "signature_wrong")}


@pytest.mark.parametrize("hash_name", ["sha1", "sha224", "sha256", "sha384", "sha512"])
def test_every_hash_function_of_data_groups(hash_name: str) -> None:
    assert checks_of(evidence(security_object(GROUPS, DSC, CSCA, hash_name))) == GOOD


def test_key_kind_in_place_of_algorithm() -> None:
    for key, kind in ((Key("rsa"), "1.2.840.113549.1.1.1"), (Key("secp256r1"), "1.2.840.10045.2.1")):
        assert checks_of(*signed_by(key, algorithm=sequence(oid(kind)))) == GOOD


def test_signer_by_key_identifier() -> None:
    assert checks_of(evidence(security_object(GROUPS, DSC, CSCA, by_key_id=True))) == GOOD


def test_signature_without_attributes() -> None:
    assert checks_of(evidence(security_object(GROUPS, DSC, CSCA, attributes=False))) == GOOD


@pytest.mark.parametrize("group", [1, 2])
def test_altered_data_group(group: int) -> None:
    content = GROUPS[group][:-1] + b"!"
    found = evidence(**{f"DG{group}": content})
    assert unlike_good(found) == {f"chip.data_group_hash.DG{group}": ("failed", "hash_wrong")}


def test_altered_hash_fails() -> None:
    at = SOD.index(encode(0x04, b"")[:1] + b"\x20", 60) + 2
    bent = SOD[:at] + bytes([SOD[at] ^ 1]) + SOD[at + 1 :]
    assert unlike_good(evidence(bent)) == {
        "chip.sod_signature": ("failed", "signature_wrong"),
        "chip.data_group_hash.DG1": ("failed", "hash_wrong"),
    }


def test_wrong_digest_attribute_fails() -> None:
    sod = security_object(GROUPS, DSC, CSCA, stated_digest=bytes(32))
    assert unlike_good(evidence(sod)) == {"chip.sod_signature": ("failed", "signature_wrong")}


@pytest.mark.parametrize(
    "broken",
    [
        b"",
        b"\x77\x00",
        SOD[:200],
        encode(0x77, b"\x30\x80" * 4000),
        COM,
        encode(0x77, parse_whole(SOD, 0x77) + b"\x05\x00"),
    ],
    ids=["nothing", "empty", "cut", "deep", "another file", "bytes after"],
)
def test_malformed_security_object_fails_all(broken: bytes) -> None:
    found = checks_of(evidence(broken))
    assert found.pop("chip.sod_signature") == ("failed", "sod_malformed")
    assert set(found) == GOOD.keys() - {"chip.sod_signature"}
    assert set(found.values()) == {("undetermined", "sod_malformed")}


def test_unknown_hash_is_undetermined() -> None:
    unknown = lds_security_object(GROUPS).replace(
        encode(0x06, b"\x60\x86\x48\x01\x65\x03\x04\x02\x01"),
        encode(0x06, b"\x60\x86\x48\x01\x65\x03\x04\x02\x7f"),
    )
    sod = encode(0x77, signed_data("2.23.136.1.1.1", unknown, DSC, issuer_name=CSCA.name))
    assert set(checks_of(evidence(sod)).values()) == {("undetermined", "algorithm_unsupported")}


def test_forged_signer_of_real_authority() -> None:
    forger = certificate(Key("secp384r1", "sha384"))
    forged = certificate(Key("secp256r1"), issuer=forger, common="DSC", authority_key_id=CSCA.key_id)
    assert unlike_good(evidence(security_object(GROUPS, forged, CSCA))) == {
        "chip.dsc_signature": ("failed", "signature_wrong"),
        "chip.dsc_revocation": ("undetermined", "signature_wrong"),
        "chip.trust": ("failed", "signature_wrong"),
    }


def test_signer_of_unknown_authority() -> None:
    other = certificate(Key("secp256r1"))
    unknown = certificate(Key("secp256r1"), issuer=other, common="DSC")
    assert unlike_good(evidence(security_object(GROUPS, unknown, other))) == {
        "chip.dsc_signature": ("undetermined", "csca_unknown"),
        "chip.dsc_revocation": ("undetermined", "csca_unknown"),
        "chip.trust": ("undetermined", "csca_unknown"),
    }


def test_issuer_by_name_without_identifiers() -> None:
    csca = certificate(Key("rsa"), identifiers=False)
    newer = certificate(Key("rsa"), identifiers=False)
    signer = certificate(Key("rsa"), issuer=csca, common="DSC", identifiers=False)
    sod = security_object(GROUPS, signer, csca)
    assert unlike_good(evidence(sod), trusting(newer.der, csca.der, revocation_list(csca))) == {}


@pytest.mark.parametrize("trust", [None, TrustStore()])
def test_no_trust_store_decides_nothing(trust: TrustStore | None) -> None:
    assert unlike_good(evidence(), trust) == {
        "chip.dsc_signature": ("undetermined", "no_trust_store"),
        "chip.dsc_revocation": ("undetermined", "no_trust_store"),
        "chip.trust": ("undetermined", "no_trust_store"),
    }


@pytest.mark.parametrize(
    ("start", "end", "reason"),
    [
        (datetime(2020, 1, 1, tzinfo=UTC), datetime(2027, 2, 28, tzinfo=UTC), "certificate_expired"),
        (datetime(2027, 3, 2, tzinfo=UTC), datetime(2030, 1, 1, tzinfo=UTC), "certificate_not_yet_valid"),
        (datetime(2020, 1, 1, tzinfo=UTC), datetime(2027, 3, 1, tzinfo=UTC), None),
    ],
)
@pytest.mark.parametrize("whose", ["DSC", "CSCA"])
def test_calendar(start: datetime, end: datetime, reason: str | None, whose: str) -> None:
    of_the_authority = {"start": start, "end": end} if whose == "CSCA" else {}
    of_the_signer = {"start": start, "end": end} if whose == "DSC" else {}
    csca = certificate(Key("secp256r1"), **of_the_authority)
    signer = certificate(Key("secp256r1"), issuer=csca, common="DSC", **of_the_signer)
    trust = trusting(csca.der, revocation_list(csca))
    expected = {"chip.certificate_validity": ("failed", reason)} if reason else {}
    assert unlike_good(evidence(security_object(GROUPS, signer, csca)), trust) == expected


@pytest.mark.parametrize(
    ("lists", "expected"),
    [
        ([], ("undetermined", "no_crl")),
        ([revocation_list(CSCA, DSC.serial)], ("failed", "revoked")),
        ([revocation_list(CSCA, DSC.serial, end=datetime(2026, 6, 1, tzinfo=UTC))], ("failed", "revoked")),
        ([revocation_list(CSCA, end=datetime(2026, 6, 1, tzinfo=UTC))], ("undetermined", "crl_stale")),
        ([revocation_list(CSCA, key=Key("secp384r1", "sha384"))], ("undetermined", "crl_invalid")),
        ([revocation_list(CSCA, end=None)], None),
        (
            # The later list counts, in any order of the files.
            [
                revocation_list(CSCA, DSC.serial, start=datetime(2027, 1, 1, tzinfo=UTC)),
                revocation_list(CSCA),
            ],
            ("failed", "revoked"),
        ),
    ],
)
def test_revocation(lists: list[bytes], expected: tuple[str, str] | None) -> None:
    found = unlike_good(evidence(), trusting(CSCA.der, *lists))
    assert found == ({"chip.dsc_revocation": expected} if expected else {})


@pytest.mark.parametrize(
    ("com", "expected"),
    [
        (encode(0x60, encode(0x5C, b"\x61\x75\x6f")), ("failed", "lists_differ")),
        (encode(0x60, encode(0x5C, b"\x61")), ("failed", "lists_differ")),
        (encode(0x60, encode(0x5C, b"\x61\x75\x01")), ("failed", "com_malformed")),
        (b"\x60\x00", ("failed", "com_malformed")),
    ],
)
def test_com_list_must_match_signed_list(com: bytes, expected: tuple[str, str]) -> None:
    assert unlike_good(evidence(com=com)) == {"chip.com_vs_sod": expected}


def test_chip_without_ef_com() -> None:
    found = evidence(com=None)
    found.refused_status[ElementaryFile.COM] = 0x6A82
    assert unlike_good(found) == {"chip.com_vs_sod": ("not_supported", "no_com")}


def test_unsigned_and_missing_data_groups() -> None:
    unsigned = evidence(DG11=encode(0x6B, b""))
    assert unlike_good(unsigned) == {"chip.data_group_hash.DG11": ("failed", "not_signed")}

    for how, expected in (
        ({"refused_status": {ElementaryFile.DG2: 0x6A82}}, ("failed", "file_missing")),
        ({"refused_status": {ElementaryFile.DG2: 0x6982}}, ("undetermined", "file_refused")),
        ({"malformed_files": {ElementaryFile.DG2}}, ("failed", "file_malformed")),
        ({"abort_reason": "card_removed"}, ("aborted", "card_removed")),
    ):
        missing = replace(evidence(), **how)
        del missing.files[ElementaryFile.DG2]
        assert unlike_good(missing) == {"chip.data_group_hash.DG2": expected}


@pytest.mark.parametrize(
    ("country", "issuer", "expected"),
    [
        ("UT", "UTO", None),
        ("ut", "UTO", None),
        ("KE", "KEN", None),
        ("DE", "D", None),
        ("D", "D", ("undetermined", "country_unknown")),
        ("KEN", "KEN", None),
        ("KE", "UGA", ("failed", "state_differs")),
        ("QQ", "KEN", ("undetermined", "country_unknown")),
        (None, "KEN", None),
        ("UT", None, ("undetermined", "dg1_malformed")),
    ],
)
def test_signer_state_against_document_state(
    country: str | None, issuer: str | None, expected: tuple[str, str] | None
) -> None:
    # A signer without a country has that of its authority.
    csca = certificate(Key("secp256r1"), country=country or "KE")
    signer = certificate(Key("secp256r1"), issuer=csca, country=country, common="DSC")
    found = unlike_good(
        evidence(security_object(GROUPS, signer, csca)),
        trusting(csca.der, revocation_list(csca)),
        issuer=issuer,
    )
    assert found == ({"chip.issuing_state": expected} if expected else {})


def test_every_issuer_has_a_country_code() -> None:
    from drivers.passport.mrz.codes import ISO_3166

    allowed = {
        code
        for first in map(chr, range(65, 91))
        for second in map(chr, range(65, 91))
        for code in alpha3_codes(first + second) or ()
    }
    assert allowed >= ISO_3166
    assert alpha3_codes("DEU") == {"DEU", "D"}


def test_signer_from_trust_store() -> None:
    sod = security_object(GROUPS, DSC, CSCA, certificates=())
    assert unlike_good(evidence(sod), trusting(CSCA.der, CRL, DSC.der)) == {}
    found = unlike_good(evidence(sod))
    assert set(found) == {
        "chip.sod_signature",
        "chip.dsc_signature",
        "chip.certificate_validity",
        "chip.dsc_revocation",
        "chip.trust",
        "chip.issuing_state",
    }
    assert set(found.values()) == {("undetermined", "signer_unknown")}


def test_single_certificate_with_other_name() -> None:
    sod = encode(0x77, signed_data("2.23.136.1.1.1", lds_security_object(GROUPS), DSC, issuer_name=DSC.name))
    assert checks_of(evidence(sod)) == GOOD


@pytest.mark.parametrize(
    "content",
    [
        sequence(integer(0), sequence(oid("1.3.14.3.2.26"))),
        sequence(integer(0), sequence(oid("1.3.14.3.2.26")), sequence(sequence(integer(17), b"\x04\0"))),
        sequence(
            integer(0), sequence(oid("1.3.14.3.2.26")), sequence(*[sequence(integer(1), b"\x04\0")] * 2)
        ),
        sequence(
            integer(0), sequence(oid("1.3.14.3.2.26")), sequence(*[sequence(integer(1), b"\x04\0")] * 17)
        ),
    ],
)
def test_lists_of_hashes_that_cannot_be(content: bytes) -> None:
    sod = encode(0x77, signed_data("2.23.136.1.1.1", content, DSC, issuer_name=CSCA.name))
    with pytest.raises(MalformedError):
        SecurityObject.parse(sod)


def test_other_content_type_is_malformed() -> None:
    for kind, fits in (("1.3.27.1.1.1", True), ("2.23.136.1.1.2", False)):
        sod = encode(0x77, signed_data(kind, lds_security_object(GROUPS), DSC, issuer_name=CSCA.name))
        if fits:
            assert SecurityObject.parse(sod).hash_matches(1, DG1)
        else:
            with pytest.raises(MalformedError):
                SecurityObject.parse(sod)


PSS = "1.2.840.113549.1.1.10"


@pytest.mark.parametrize(
    ("algorithm", "outcome"),
    [
        (sequence(oid("1.2.3.4")), UnsupportedError),
        (sequence(oid(PSS)), False),
        (sequence(oid(PSS), sequence(encode(0xA0, sequence(oid("1.2.3"))))), UnsupportedError),
        (sequence(oid(PSS), sequence(encode(0xA1, sequence(oid("1.2.3"))))), UnsupportedError),
        (sequence(oid(PSS), sequence(encode(0xA2, integer(9999)))), MalformedError),
        (sequence(oid(PSS), sequence(encode(0xA2, integer(500)))), False),
        (sequence(oid("1.2.840.10045.4.3.2")), UnsupportedError),
    ],
)
def test_unfit_signature_algorithm(algorithm: bytes, outcome: object) -> None:
    found, _ = signed_by(Key("rsa"), algorithm=algorithm)
    sod = SecurityObject.parse(found.files[ElementaryFile.SOD])
    signer = sod.signer(())
    assert signer is not None
    if isinstance(outcome, bool):
        assert sod.signed_data.signed_by(signer) is outcome
    else:
        with pytest.raises(outcome):
            sod.signed_data.signed_by(signer)


def test_unsupported_signature_is_undetermined() -> None:
    found, trust = signed_by(Key("rsa"), algorithm=sequence(oid("1.2.3.4")))
    assert unlike_good(found, trust) == {"chip.sod_signature": ("undetermined", "algorithm_unsupported")}


def weird(issued: Issued, old: bytes, new: bytes) -> bytes:
    assert len(old) == len(new)
    assert old in issued.der
    return issued.der.replace(old, new)


def test_unsupported_authority_is_undetermined() -> None:
    csca = certificate(Key("secp256r1"))
    signer = certificate(Key("secp256r1"), issuer=csca, common="DSC")
    curve = bytes.fromhex("06082A8648CE3D030107")
    strange = weird(csca, curve, bytes.fromhex("06082A8648CE3D03017F"))
    found = unlike_good(evidence(security_object(GROUPS, signer, csca)), trusting(strange))
    assert found["chip.dsc_signature"] == ("undetermined", "algorithm_unsupported")
    assert found["chip.trust"] == ("undetermined", "algorithm_unsupported")


def test_errors_do_not_quote_content() -> None:
    secret = certificate(Key("secp256r1"), common="ERIKSSON").der
    for cut in range(0, len(secret), 7):
        with pytest.raises(ChipError) as refused:
            SecurityObject.parse(encode(0x77, secret[:cut]))
        assert "ERIKSSON" not in str(refused.value)
        assert refused.value.__cause__ is None
