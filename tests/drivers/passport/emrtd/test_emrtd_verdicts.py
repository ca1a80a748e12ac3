"""Verdicts from evidence: which check ends how, for every way in which a file or a proof may be missing."""

import hashlib
from dataclasses import replace
from datetime import UTC, date, datetime

import pytest
from support.chips.certificates import Issued, Key, certificate, revocation_list, security_object
from support.chips.files import COM, DG1, DG2, LINES, TODAY

from drivers.observation import CheckGroup, Outcome, Weight
from drivers.passport import check_results
from drivers.passport.chip_result import AccessMethod, ChipResult
from drivers.passport.emrtd.crypto.ciphers import Suite
from drivers.passport.emrtd.encoding.tlv import encode
from drivers.passport.emrtd.evidence import ChipEvidence
from drivers.passport.emrtd.inspection_result import InspectionResultBuilder
from drivers.passport.emrtd.passive_authentication import PassiveAuthentication
from drivers.passport.emrtd.pki.certificates import Certificate, RevocationList
from drivers.passport.emrtd.pki.trust_store import TrustStore
from drivers.passport.emrtd.protocols.access import OpenedChip
from drivers.passport.emrtd.protocols.security_infos import PaceInfo
from drivers.passport.emrtd.transport.files import ElementaryFile
from drivers.passport.mrz import Mrz
from drivers.passport.mrz.parser import parse

CARD = ("I<UTOD231458907<<<<<<<<<<<<<<<", "7408122F1204159UTO<<<<<<<<<<<6", "ERIKSSON<<ANNA<MARIA<<<<<<<<<<")
DG15 = encode(0x6F, b"a key")
# DG14: chip authentication with ECDH and AES-128; PACE with generic mapping and AES-128 over curve 13.
CHIP_AUTHENTICATION = bytes.fromhex("300F060A04007F00070202030202020101")
PACE = bytes.fromhex("3012060A04007F0007020204020202010202010D")
CSCA = certificate(Key("secp256r1"))
DSC = certificate(Key("secp256r1"), issuer=CSCA, common="DSC")
SOD = security_object({1: DG1, 2: DG2}, DSC, CSCA)
TRUST = TrustStore.from_bytes(CSCA.der, revocation_list(CSCA))
FILES = {
    ElementaryFile.COM: COM,
    ElementaryFile.SOD: SOD,
    ElementaryFile.DG1: DG1,
    ElementaryFile.DG2: DG2,
}
AA, CA = check_results.ACTIVE_AUTHENTICATION, check_results.CHIP_AUTHENTICATION

Found = dict[str, tuple[str, str | None]]


def zone(lines: tuple[str, ...]) -> Mrz:
    mrz = parse(lines, TODAY)
    assert mrz is not None
    return mrz


def dg14(*infos: bytes) -> bytes:
    return encode(0x6E, encode(0x31, b"".join(infos)))


def evidence(*without: str, more: dict[str, bytes] | None = None, **facts: object) -> ChipEvidence:
    files = {file: content for file, content in FILES.items() if file.name not in without}
    files |= {ElementaryFile[name]: content for name, content in (more or {}).items()}
    access = check_results.CHIP.successful(check_results.CHIP_ACCESS)
    return ChipEvidence(files, **{"access": access, **facts})  # type: ignore[arg-type]


def result(
    found: ChipEvidence, printed_mrz: Mrz | None = None, trust: TrustStore | None = TRUST
) -> ChipResult:
    return InspectionResultBuilder(found, printed_mrz or zone(LINES), trust, TODAY).build(7, 12.5)


def guarded_check(found: ChipEvidence, printed_mrz: Mrz | None = None) -> Found:
    return {check.id: (check.outcome.value, check.reason) for check in result(found, printed_mrz).checks}


def passive(found: ChipEvidence, trust: TrustStore = TRUST, issuer: str | None = "UTO") -> Found:
    checks = PassiveAuthentication(found, trust, TODAY, issuer).checks()
    return {check.id: (check.outcome.value, check.reason) for check in checks}


# The vocabulary.


@pytest.mark.parametrize(
    ("identifier", "weight"),
    [
        (check_results.CHIP_ACCESS, Weight.MANDATORY),
        (check_results.CHIP_SOD_SIGNATURE, Weight.MANDATORY),
        (check_results.CHIP_DSC_SIGNATURE, Weight.MANDATORY),
        (check_results.CHIP_CERTIFICATE_VALIDITY, Weight.MANDATORY),
        (check_results.CHIP_DSC_REVOCATION, Weight.OPTIONAL),
        (check_results.CHIP_TRUST, Weight.MANDATORY),
        (check_results.CHIP_COM_VS_SOD, Weight.OPTIONAL),
        (check_results.CHIP_ISSUING_STATE, Weight.MANDATORY),
        (check_results.ACTIVE_AUTHENTICATION, Weight.OPTIONAL),
        (check_results.CHIP_AUTHENTICATION, Weight.OPTIONAL),
        (check_results.MRZ_VS_DG1, Weight.MANDATORY),
        (check_results.data_group_hash(1), Weight.MANDATORY),
    ],
)
def test_weight_of_a_check(identifier: str, weight: Weight) -> None:
    check = check_results.CHIP.failed(identifier, "hash_wrong")
    combined = identifier.startswith("combined.")

    assert (check.id, check.weight) == (identifier, weight)
    assert check.group is (CheckGroup.COMBINED if combined else CheckGroup.ELECTRONIC)
    assert (check.reason, check.text) == (
        "hash_wrong",
        "The data differs from the data that the issuer signed.",
    )


@pytest.mark.parametrize(
    ("check", "outcome", "reason"),
    [
        (check_results.CHIP.successful(AA), Outcome.SUCCESSFUL, None),
        (check_results.CHIP.failed(AA, "aa_refused"), Outcome.FAILED, "aa_refused"),
        (check_results.CHIP.undetermined(AA, "chip_error"), Outcome.UNDETERMINED, "chip_error"),
        (check_results.CHIP.not_supported(AA, "not_in_document"), Outcome.NOT_SUPPORTED, "not_in_document"),
        (check_results.CHIP.not_supported(AA, "no_com"), Outcome.NOT_SUPPORTED, "no_com"),
        (check_results.CHIP.aborted(AA, "card_removed"), Outcome.ABORTED, "card_removed"),
    ],
)
def test_outcomes(check: object, outcome: Outcome, reason: str | None) -> None:
    assert (check.outcome, check.reason) == (outcome, reason)  # type: ignore[attr-defined]
    assert check.text == (check_results._CHIP_REASON_TEXTS[reason] if reason else None)  # type: ignore[attr-defined]


# Files that were not read.

ABSENCES = [
    ({"refused_status": {"file": 0x6A82}}, ("failed", "file_missing")),
    ({"refused_status": {"file": 0x6A88}}, ("failed", "file_missing")),
    ({"refused_status": {"file": 0x6982}}, ("undetermined", "file_refused")),
    ({"malformed_files": {"file"}}, ("failed", "file_malformed")),
    ({"refused_status": {"file": 0x6982}, "malformed_files": {"file"}}, ("undetermined", "file_refused")),
    ({"abort_reason": "card_removed"}, ("aborted", "card_removed")),
    ({}, ("aborted", "chip_error")),
]


def missing(how: dict[str, object], file: ElementaryFile) -> ChipEvidence:
    """All of the evidence without one file, and why it is not there."""
    facts: dict[str, object] = dict(how)
    if "refused_status" in facts:
        facts["refused_status"] = {file: next(iter(how["refused_status"].values()))}  # type: ignore[attr-defined]
    if "malformed_files" in facts:
        facts["malformed_files"] = {file}
    return evidence(file.name, **facts)


@pytest.mark.parametrize(("how", "expected"), ABSENCES)
def test_absent_data_group(how: dict[str, object], expected: tuple[str, str]) -> None:
    found = guarded_check(missing(how, ElementaryFile.DG1))

    assert found["chip.data_group_hash.DG1"] == expected
    assert found["chip.issuing_state"] == expected
    assert found["combined.mrz_vs_dg1"] == expected
    assert found["chip.data_group_hash.DG2"] == ("successful", None)


@pytest.mark.parametrize(("how", "expected"), ABSENCES)
def test_absent_security_object(how: dict[str, object], expected: tuple[str, str]) -> None:
    found = guarded_check(missing(how, ElementaryFile.SOD))
    resting = {
        name for name in found if name not in (check_results.CHIP_ACCESS, AA, CA, check_results.MRZ_VS_DG1)
    }

    assert {found[name] for name in resting} == {expected}
    assert found[check_results.MRZ_VS_DG1] == ("successful", None)


@pytest.mark.parametrize(("how", "expected"), ABSENCES)
def test_absent_ef_com(how: dict[str, object], expected: tuple[str, str]) -> None:
    """The chip need not have EF.COM; that it was not given all the same says nothing good."""
    found = guarded_check(missing(how, ElementaryFile.COM))

    none = ("not_supported", "no_com")
    assert found[check_results.CHIP_COM_VS_SOD] == (
        none if expected == ("failed", "file_missing") else expected
    )


def test_refused_and_malformed_groups_are_judged() -> None:
    found = passive(
        evidence(refused_status={ElementaryFile.DG11: 0x6982}, malformed_files={ElementaryFile.DG12})
    )

    assert found["chip.data_group_hash.DG11"] == ("undetermined", "file_refused")
    assert found["chip.data_group_hash.DG12"] == ("failed", "file_malformed")


def test_signed_group_that_was_not_read() -> None:
    sod = security_object({1: DG1, 2: DG2, 14: b"", 3: b""}, DSC, CSCA)
    found = passive(evidence(more={"SOD": sod}))

    assert found["chip.data_group_hash.DG14"] == ("aborted", "chip_error")
    assert "chip.data_group_hash.DG3" not in found, "fingerprints are never read"


def test_groups_without_security_object() -> None:
    found = passive(evidence("SOD", more={"DG15": DG15}))

    assert [name[-3:] for name in found if "hash" in name] == ["DG1", "DG2", "G15"]


# Access.


@pytest.mark.parametrize(("abort_reason", "reason"), [("card_removed", "card_removed"), (None, "chip_error")])
def test_access_that_was_not_tried(abort_reason: str | None, reason: str) -> None:
    assert guarded_check(evidence(access=None, abort_reason=abort_reason))[check_results.CHIP_ACCESS] == (
        "aborted",
        reason,
    )


@pytest.mark.parametrize(
    ("infos", "run", "expected"),
    [
        ((PACE,), 13, ("successful", None)),
        ((PACE,), 12, ("failed", "card_access_unlike_dg14")),
        # Documents exist whose DG14 leaves PACE out.
        ((CHIP_AUTHENTICATION,), 12, ("successful", None)),
    ],
)
def test_access_by_a_signed_protocol(
    infos: tuple[bytes, ...], run: int, expected: tuple[str, str | None]
) -> None:
    way = PaceInfo("0.4.0.127.0.7.2.2.4.2.2", "gm", Suite.AES_128, run)
    opened_chip = OpenedChip(AccessMethod.PACE_MRZ, way, 0xDF)
    found = evidence(more={"DG14": dg14(*infos)}, opened_chip=opened_chip)

    assert guarded_check(found)[check_results.CHIP_ACCESS] == expected


def test_access_without_pace_is_not_compared() -> None:
    opened_chip = OpenedChip(AccessMethod.BAC, None, 0xDF)
    found = evidence(more={"DG14": dg14(PACE)}, opened_chip=opened_chip)

    assert guarded_check(found)[check_results.CHIP_ACCESS] == ("successful", None)


def test_chip_of_another_kind_has_no_feature() -> None:
    found = guarded_check(
        evidence(access=check_results.CHIP.not_supported(check_results.CHIP_ACCESS, "no_application"))
    )

    assert set(found.values()) == {("not_supported", "no_application")}
    assert [name for name in found if "hash" in name] == [
        "chip.data_group_hash.DG1",
        "chip.data_group_hash.DG2",
    ]
    assert list(found)[-4:] == [check_results.CHIP_ISSUING_STATE, AA, CA, check_results.MRZ_VS_DG1]


# Proofs that the chip is no copy.


@pytest.mark.parametrize(
    ("without", "facts", "expected"),
    [
        ((), {}, ("not_supported", "not_in_document")),
        ((), {"abort_reason": "card_removed"}, ("not_supported", "not_in_document")),
        (("COM", "SOD"), {}, ("not_supported", "not_in_document")),
        (("COM", "SOD"), {"abort_reason": "card_removed"}, ("aborted", "card_removed")),
        (("SOD",), {"abort_reason": "card_removed"}, ("not_supported", "not_in_document")),
        ((), {"refused_status": {ElementaryFile.DG15: 0x6A82}}, ("failed", "file_missing")),
        ((), {"malformed_files": {ElementaryFile.DG15}}, ("failed", "file_malformed")),
    ],
)
def test_proof_without_a_key(
    without: tuple[str, ...], facts: dict[str, object], expected: tuple[str, str]
) -> None:
    assert guarded_check(evidence(*without, **facts))[AA] == expected


@pytest.mark.parametrize(
    ("listed_in", "abort_reason", "expected"),
    [
        ("SOD", "card_removed", ("aborted", "card_removed")),
        ("SOD", None, ("aborted", "chip_error")),
        ("COM", "card_removed", ("aborted", "card_removed")),
    ],
)
def test_proof_with_a_listed_key(listed_in: str, abort_reason: str | None, expected: tuple[str, str]) -> None:
    lists = {
        "SOD": security_object({1: DG1, 2: DG2, 15: DG15}, DSC, CSCA),
        "COM": encode(0x60, encode(0x5C, b"\x61\x75\x6f")),
    }

    assert (
        guarded_check(evidence(more={listed_in: lists[listed_in]}, abort_reason=abort_reason))[AA] == expected
    )


def test_proof_that_failed_stays_failed() -> None:
    """Authenticity of the key matters only for a proof that succeeded."""
    found = evidence(more={"DG15": DG15}, proofs={AA: check_results.CHIP.failed(AA, "signature_wrong")})

    assert guarded_check(found)[AA] == ("failed", "signature_wrong")


def test_proof_with_an_unsigned_key() -> None:
    found = evidence(more={"DG15": DG15}, proofs={AA: check_results.CHIP.successful(AA)})

    assert guarded_check(found)[AA] == ("undetermined", "key_not_authentic")


def test_proof_with_a_signed_key() -> None:
    sod = security_object({1: DG1, 2: DG2, 15: DG15}, DSC, CSCA)
    found = evidence(more={"DG15": DG15, "SOD": sod}, proofs={AA: check_results.CHIP.successful(AA)})

    assert guarded_check(found)[AA] == ("successful", None)


@pytest.mark.parametrize(
    ("content", "abort_reason", "expected"),
    [
        (dg14(CHIP_AUTHENTICATION), "card_removed", ("aborted", "card_removed")),
        (dg14(CHIP_AUTHENTICATION), None, ("aborted", "chip_error")),
        (dg14(PACE), None, ("not_supported", "not_in_document")),
        (b"\x6e\x01\x00", None, ("undetermined", "file_malformed")),
    ],
)
def test_chip_authentication_not_made(
    content: bytes, abort_reason: str | None, expected: tuple[str, str]
) -> None:
    assert guarded_check(evidence(more={"DG14": content}, abort_reason=abort_reason))[CA] == expected


@pytest.mark.parametrize(
    ("content", "active"),
    [(dg14(CHIP_AUTHENTICATION), None), (dg14(PACE), ("aborted", "chip_error"))],
)
def test_one_proof_is_enough(content: bytes, active: tuple[str, str] | None) -> None:
    found = guarded_check(evidence(more={"DG14": content, "DG15": DG15}))

    assert found.get(AA) == active
    assert CA in found


# The printed zone.


@pytest.mark.parametrize("lines", [CARD, CARD[::-1], (CARD[1], CARD[2], CARD[0]), ("".join(CARD),)])
def test_card_in_any_order(lines: tuple[str, ...]) -> None:
    dg1 = encode(0x61, encode(0x5F1F, "".join(CARD).encode()))

    assert guarded_check(evidence(more={"DG1": dg1}), zone(lines))[check_results.MRZ_VS_DG1] == (
        "successful",
        None,
    )


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("L898902C36", "L898902C37", ("failed", "differs_from_chip")),
        ("L898902C36", "?898902C36", ("undetermined", "printed_unreadable")),
    ],
)
def test_printed_zone_that_differs(old: str, new: str, expected: tuple[str, str]) -> None:
    printed_mrz = zone((LINES[0], LINES[1].replace(old, new)))

    assert guarded_check(evidence(), printed_mrz)[check_results.MRZ_VS_DG1] == expected


def test_no_printed_zone() -> None:
    checks = InspectionResultBuilder(evidence(), None, TRUST, TODAY).build(0, 0).checks

    assert (checks[-1].id, checks[-1].reason) == (check_results.MRZ_VS_DG1, "no_printed_mrz")


# Other parts of a result.


def test_result_names_what_was_read() -> None:
    way = PaceInfo("0.4.0.127.0.7.2.2.4.2.2", "gm", Suite.AES_128, 13)
    opened_chip = OpenedChip(AccessMethod.PACE_MRZ, way, 0xDF)
    made = result(evidence(more={"DG15": DG15}, opened_chip=opened_chip))

    assert (made.commands, made.duration_ms) == (7, 12.5)
    assert (made.access, made.pace_protocol) == (AccessMethod.PACE_MRZ, way.protocol)
    assert (made.data_groups_listed, made.data_groups_read) == ((1, 2), (1, 2, 15))
    assert made.sod_sha256 == hashlib.sha256(SOD).hexdigest()
    assert made.lines == LINES
    assert made.mrz == zone(LINES)
    assert (made.face, made.holder, made.document_details) == (None, None, None)


def test_result_of_nothing() -> None:
    made = result(ChipEvidence())

    assert (made.access, made.pace_protocol, made.sod_sha256, made.mrz) == (None,) * 4
    assert (made.data_groups_listed, made.data_groups_read, made.lines) == ((), (), ())


# Certificates and revocation lists.


def test_validity_counts_both_days() -> None:
    parsed = Certificate.parse(DSC.der)
    for first, last, valid in (
        (1, 1, True),
        (1, 2, True),
        (2, 3, False),
    ):
        one = replace(
            parsed,
            not_before=datetime(2027, 3, first, 23, tzinfo=UTC),
            not_after=datetime(2027, 3, last, 1, tzinfo=UTC),
        )
        assert one.is_valid_on(TODAY) is valid
    assert not replace(parsed, not_after=datetime(2027, 2, 28, 23, tzinfo=UTC)).is_valid_on(TODAY)


def test_list_is_current_on_its_last_day() -> None:
    known = RevocationList.parse(revocation_list(CSCA))
    for day, current in ((1, True), (2, True)):
        due = replace(known, next_update=datetime(2027, 3, day, tzinfo=UTC))
        assert due.is_current_on(TODAY) is current
    assert not replace(known, next_update=datetime(2027, 2, 28, tzinfo=UTC)).is_current_on(TODAY)
    assert replace(known, next_update=None).is_current_on(TODAY)


def test_lists_and_signers_are_joined_by_key() -> None:
    """A state keeps its name when it changes keys: the identifier decides where both have one."""
    newer = certificate(Key("secp256r1"))
    authority, other = Certificate.parse(CSCA.der), Certificate.parse(newer.der)
    signer, known = Certificate.parse(DSC.der), RevocationList.parse(revocation_list(CSCA))
    assert authority.subject == other.subject

    assert signer.names_as_issuer(authority)
    assert known.is_of(authority)
    assert not signer.names_as_issuer(other)
    assert not known.is_of(other)
    assert replace(signer, authority_key_id=None).names_as_issuer(other)
    assert replace(known, authority_key_id=None).is_of(replace(other, key_id=None))
    foreign = replace(other, key_id=None, subject=b"another")
    assert not signer.names_as_issuer(foreign)
    assert not known.is_of(foreign)


@pytest.mark.parametrize(
    ("usage", "may_sign"),
    [(b"\x03\x02\x01\x06", True), (b"\x03\x02\x02\x04", True), (b"\x03\x02\x01\x02", False)],
    ids=["certificates and lists", "certificates", "lists"],
)
def test_who_may_sign_certificates(usage: bytes, may_sign: bool) -> None:
    der = CSCA.der.replace(b"\x03\x02\x01\x06", usage)

    assert Certificate.parse(der).may_sign_certificates is may_sign


def test_authority_without_a_stated_use_may_sign() -> None:
    key_usage, unknown = bytes.fromhex("0603551D0F"), bytes.fromhex("0603551D63")

    assert Certificate.parse(CSCA.der.replace(key_usage, unknown)).may_sign_certificates
    assert not Certificate.parse(DSC.der).may_sign_certificates


def test_old_authority_is_known_by_its_own_name() -> None:
    old = certificate(Key("secp256r1"), identifiers=False)
    trust = TrustStore.from_bytes(CSCA.der.replace(b"\x03\x02\x01\x06", b"\x03\x02\x01\x02"), DSC.der)
    assert len(trust.authorities) == 1
    assert [one.serial_number for one in trust.signers] == [DSC.serial]
    assert Certificate.parse(old.der).issuer == Certificate.parse(old.der).subject


# Chains of trust.


def store(*authorities: Certificate, lists: tuple[RevocationList, ...] = ()) -> TrustStore:
    return TrustStore(authorities=authorities, revocation_lists=lists)


def spoilt(issued: Issued) -> Certificate:
    """An authority of the same name and key identifier, whose key is of an unknown kind."""
    curve = bytes.fromhex("06082A8648CE3D030107")
    return Certificate.parse(issued.der.replace(curve, curve[:-1] + b"\x7f"))


def test_every_claimed_authority_is_tried() -> None:
    authority = Certificate.parse(CSCA.der)
    wrong = replace(authority, key_info=Certificate.parse(DSC.der).key_info)
    for order in ((spoilt(CSCA), authority), (wrong, authority), (authority, wrong)):
        assert passive(evidence(), store(*order))[check_results.CHIP_TRUST] == ("successful", None)
    assert passive(evidence(), store(wrong))[check_results.CHIP_TRUST] == ("failed", "signature_wrong")
    for order in ((spoilt(CSCA), wrong), (wrong, spoilt(CSCA))):
        found = passive(evidence(), store(*order))
        assert found[check_results.CHIP_TRUST] == ("undetermined", "algorithm_unsupported")
        assert found[check_results.CHIP_DSC_REVOCATION] == ("undetermined", "algorithm_unsupported")


@pytest.mark.parametrize(
    ("first", "last", "reason"),
    [
        (date(2027, 3, 2), date(2030, 1, 1), "certificate_not_yet_valid"),
        (date(2020, 1, 1), date(2027, 2, 28), "certificate_expired"),
    ],
)
def test_authority_must_be_valid_too(first: date, last: date, reason: str) -> None:
    authority = replace(
        Certificate.parse(CSCA.der),
        not_before=datetime(first.year, first.month, first.day, tzinfo=UTC),
        not_after=datetime(last.year, last.month, last.day, tzinfo=UTC),
    )

    assert passive(evidence(), store(authority))[check_results.CHIP_CERTIFICATE_VALIDITY] == (
        "failed",
        reason,
    )


def test_latest_genuine_list_counts() -> None:
    """A later list with a wrong signature takes nothing from the genuine one before it."""
    authority = Certificate.parse(CSCA.der)
    day = datetime(2027, 1, 1, tzinfo=UTC)
    revoking = RevocationList.parse(revocation_list(CSCA, DSC.serial))
    acquitting = RevocationList.parse(revocation_list(CSCA, start=day))
    forged = replace(acquitting, signature=revoking.signature)
    for lists, expected in (
        ((revoking, acquitting), ("successful", None)),
        ((revoking, forged), ("failed", "revoked")),
        ((forged,), ("undetermined", "crl_invalid")),
        ((), ("undetermined", "no_crl")),
    ):
        trust = store(authority, lists=lists)
        assert passive(evidence(), trust)[check_results.CHIP_DSC_REVOCATION] == expected


def test_unsigned_group_is_no_wrong_hash() -> None:
    found = passive(evidence(more={"DG15": DG15, "DG2": DG2 + b"!"}))

    assert found["chip.data_group_hash.DG15"] == ("failed", "not_signed")
    assert found["chip.data_group_hash.DG2"] == ("failed", "hash_wrong")
