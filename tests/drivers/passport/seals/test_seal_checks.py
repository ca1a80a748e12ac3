"""Checks of seals: each defect fails exactly its own checks.

Public samples against the certificates published with them, and simulated seals of a simulated state.
"""

import base64
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Any

import pytest
from seal_samples import ADMINISTRATIVE, SEALGEN, TR, WITH_FACE, certificate, nc

from drivers.observation import Outcome, Weight
from drivers.passport.emrtd import TrustStore
from drivers.passport.mrz import Mrz
from drivers.passport.mrz.parser import parse as parse_zone
from drivers.passport.read_result import overall_outcome
from drivers.passport.seals import Symbology, vds_nc
from drivers.passport.seals.checks import seal_checks
from drivers.passport.seals.payload import parse_barcode
from drivers.passport.seals.store import SealSignerStore
from simulators.mrz import Document, Format
from simulators.passport.chip.pki.certificate import State, Validity
from simulators.passport.chip.pki.issuing_state import IssuingState
from simulators.passport.chip.pki.signing_keys import SignatureScheme
from simulators.passport.seals import (
    AlteredField,
    AlteredSignature,
    EarlySigner,
    ExpiredSigner,
    RevokedSigner,
    SealFault,
    SealIssuer,
    SealSigner,
    SymbolEncoding,
    TruncatedSeal,
    UnknownProfile,
    WrongSigner,
    arrival_attestation,
    emergency_travel_document,
    residence_permit,
    social_insurance_card,
    visa,
)
from simulators.passport.seals import vds_nc as simulated_nc
from simulators.specimens import ERIKSSON

TODAY = date(2027, 3, 1)
NOW = datetime(2027, 3, 1, 9, tzinfo=UTC)
ISSUED = date(2026, 12, 1)
NAMES = ("seal.readable", "seal.signature", "seal.certificate", "seal.issuing_state", "combined.mrz_vs_seal")
NO_PRINT = {"combined.mrz_vs_seal": ("undetermined", "no_printed_mrz")}

Found = dict[str, tuple[str, str | None]]


def unlike_good(
    data: bytes, store: SealSignerStore | None, printed: Mrz | None = None, today: date = TODAY
) -> Found:
    """Return the checks that did not succeed."""
    barcode = parse_barcode(data, Symbology.DATA_MATRIX, today)
    checks = seal_checks(barcode, printed, store, today)
    assert tuple(check.id for check in checks) == NAMES
    assert all(check.text for check in checks if check.reason)
    return {check.id: (check.outcome.value, check.reason) for check in checks if check.reason}


def zone(*lines: str) -> Mrz:
    found = parse_zone(lines, TODAY)
    assert found is not None
    return found


def printed_of(document: Document) -> Mrz:
    return zone(*document.lines)


# Published samples.

UTTS5B, DETS32, CSCA_AUS = (certificate(name) for name in ("sealgen_UTTS5B", "sealgen_DETS32", "csca_aus"))
WHILE_VALID = date(2024, 6, 1)


@pytest.mark.parametrize("name", SEALGEN)
def test_published_seals_on_brainpool_p256(name: str) -> None:
    assert unlike_good(SEALGEN[name], SealSignerStore.from_bytes(UTTS5B), today=WHILE_VALID) == NO_PRINT


@pytest.mark.parametrize("name", ["visa", "address sticker", "residence sticker"])
def test_worked_examples_on_brainpool_p224(name: str) -> None:
    assert unlike_good(TR[name], SealSignerStore.from_bytes(UTTS5B, DETS32), today=WHILE_VALID) == NO_PRINT


@pytest.mark.parametrize("name", SEALGEN)
def test_every_byte_of_seal_counts(name: str) -> None:
    store, whole = SealSignerStore.from_bytes(UTTS5B), SEALGEN[name]
    for at in range(len(whole)):
        altered = whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :]
        found = unlike_good(altered, store, today=WHILE_VALID)
        assert "seal.signature" in found, at


def test_published_signers_expire() -> None:
    assert unlike_good(TR["visa"], SealSignerStore.from_bytes(DETS32)) == {
        "seal.certificate": ("failed", "certificate_expired"),
        **NO_PRINT,
    }


def test_published_seal_of_other_state() -> None:
    # Sealgen accepts any issuer: this one is UTO and names a signer of DE.
    seal = bytes.fromhex(
        """DC03D9C56D32C8A72CB10F71347D00175D01022CDD52134A74DA1347C6FED95CB89F9FCE133C133C133C133C203833734A
        AF47F0C32F1A1E20EB2625393AFE310403A00000050633BE1FED20C6FF389FD029C66FB2E4BF361CDBFFD8F5931B6259F645B0
        77702C617F453D0B898A55E6E7870974FFE7B3AC416ACDE6B03B3C3A8CB5A22B456816"""
    )
    assert unlike_good(seal, SealSignerStore.from_bytes(DETS32), today=date(2022, 6, 1)) == {
        "seal.issuing_state": ("failed", "state_differs"),
        **NO_PRINT,
    }


@pytest.mark.parametrize("name", ["proof_of_test", "proof_of_vaccination"])
def test_published_json_seals_of_unknown_state(name: str) -> None:
    store = SealSignerStore.from_bytes(UTTS5B)
    assert unlike_good(nc(name), store, today=WHILE_VALID) == {
        "seal.certificate": ("undetermined", "csca_unknown"),
        **NO_PRINT,
    }


AUSTRALIA = SealSignerStore(trust=TrustStore.from_bytes(CSCA_AUS))


def test_published_json_seal_up_to_state() -> None:
    assert unlike_good(nc("proof_of_vaccination_aus"), AUSTRALIA) == NO_PRINT


def test_altered_name_in_published_seal() -> None:
    forged = nc("proof_of_vaccination_aus").replace(b"JANE SUE", b"JANE SUZ")
    assert unlike_good(forged, AUSTRALIA) == {
        "seal.signature": ("failed", "signature_wrong"),
        **NO_PRINT,
    }


def test_reordered_json_seal_is_the_same() -> None:
    content = nc("proof_of_vaccination_aus")
    header = b'{"is":"AUS","t":"icao.vacc","v":1}'
    assert header in content
    other = content.replace(header, b'{ "v" : 1, "t":"icao\\u002evacc",\n"is":"AUS"}')
    assert unlike_good(other, AUSTRALIA) == NO_PRINT


def test_administrative_seal_has_no_profile() -> None:
    assert unlike_good(ADMINISTRATIVE, SealSignerStore.from_bytes(UTTS5B))["seal.readable"] == (
        "undetermined",
        "profile_unknown",
    )


# Without certificates of the operator.


@pytest.mark.parametrize("store", [None, SealSignerStore(), SealSignerStore(trust=TrustStore())])
@pytest.mark.parametrize("data", [*SEALGEN.values(), nc("proof_of_vaccination_aus"), WITH_FACE])
def test_without_certificates_undetermined(data: bytes, store: SealSignerStore | None) -> None:
    found = unlike_good(data, store)
    assert found["seal.signature"] == found["seal.certificate"] == ("undetermined", "no_trust_store")


def test_other_barcode_does_not_count() -> None:
    checks = seal_checks(parse_barcode(b"4006381333931", None, TODAY), None, None, TODAY)
    assert {check.outcome for check in checks} == {Outcome.NOT_SUPPORTED}
    assert {check.weight for check in checks} == {Weight.OPTIONAL}
    assert tuple(check.id for check in checks) == NAMES


# A simulated state.

CARD = replace(ERIKSSON[Format.TD2], expiry="301210")
PASSPORT = replace(ERIKSSON[Format.TD3], expiry="301210")
VISA_A = replace(ERIKSSON[Format.MRV_A], expiry="301210")
VISA_B = replace(ERIKSSON[Format.MRV_B], expiry="301210")
PERMIT = residence_permit(CARD, passport=PASSPORT.number, issued=ISSUED)
SEALS = {
    "residence permit": (PERMIT, CARD),
    "visa A": (visa(VISA_A, passport=PASSPORT.number, issued=ISSUED), VISA_A),
    "visa B": (visa(VISA_B, passport=PASSPORT.number, issued=ISSUED, entries=None), VISA_B),
    "emergency travel document": (emergency_travel_document(CARD, issued=ISSUED), CARD),
    "arrival attestation": (arrival_attestation(CARD, azr_number="160113000085", issued=ISSUED), CARD),
}


@dataclass
class Post:
    """A state with its seal issuer, and the operator's store for it."""

    seal_issuer: SealIssuer

    def issue(self, fault: SealFault | None = None, seal: Any = PERMIT) -> bytes:
        return self.seal_issuer.issue(seal, fault)

    @property
    def store(self) -> SealSignerStore:
        state = self.seal_issuer.state
        signers = (signer.certificate.der for signer in self.seal_issuer.signers)
        return SealSignerStore.from_bytes(*signers, trust=TrustStore.from_bytes(state.csca.der, state.crl()))


@cache
def utopia() -> IssuingState:
    return IssuingState.create(now=NOW)


@pytest.fixture
def post() -> Post:
    return Post(SealIssuer(replace(utopia(), revoked=[])))


@pytest.mark.parametrize("name", SEALS)
def test_genuine_seal_on_its_document(name: str, post: Post) -> None:
    seal, document = SEALS[name]
    assert unlike_good(post.issue(seal=seal), post.store, printed_of(document)) == {}


@pytest.mark.parametrize(
    "curve",
    [
        "secp224r1",
        "secp256r1",
        "secp384r1",
        "secp521r1",
        "brainpoolP256r1",
        "brainpoolP384r1",
        "brainpoolP512r1",
    ],
)
def test_every_curve_with_its_hash(curve: str) -> None:
    post = Post(SealIssuer(utopia(), curve=curve))
    whole = post.issue()
    assert unlike_good(whole, post.store, printed_of(CARD)) == {}
    assert unlike_good(post.issue(AlteredSignature()), post.store, printed_of(CARD)) == {
        "seal.signature": ("failed", "signature_wrong")
    }


FAULTS: dict[str, tuple[SealFault, Found]] = {
    "altered field": (
        AlteredField(),
        {
            "seal.signature": ("failed", "signature_wrong"),
            "combined.mrz_vs_seal": ("failed", "differs_from_seal"),
        },
    ),
    "altered signature": (AlteredSignature(), {"seal.signature": ("failed", "signature_wrong")}),
    "wrong signer": (WrongSigner(), {"seal.signature": ("failed", "signature_wrong")}),
    "expired signer": (ExpiredSigner(), {"seal.certificate": ("failed", "certificate_expired")}),
    "early signer": (EarlySigner(), {"seal.certificate": ("failed", "signed_too_early")}),
    "revoked signer": (RevokedSigner(), {"seal.certificate": ("failed", "revoked")}),
    "unknown profile": (
        UnknownProfile(),
        {
            "seal.readable": ("undetermined", "profile_unknown"),
            "combined.mrz_vs_seal": ("undetermined", "nothing_in_common"),
        },
    ),
    "cut": (
        TruncatedSeal(at=90),
        {
            "seal.readable": ("failed", "seal_malformed"),
            **dict.fromkeys(NAMES[1:], ("undetermined", "seal_malformed")),
        },
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_fault_fails_its_own_checks(name: str, post: Post) -> None:
    fault, expected = FAULTS[name]
    sealed = post.issue(fault)
    assert unlike_good(sealed, post.store, printed_of(CARD)) == expected
    assert (
        unlike_good(SymbolEncoding.BASE32_LOWER.encode_bytes(sealed), post.store, printed_of(CARD))
        == expected
    )


def test_unknown_version_is_undetermined(post: Post) -> None:
    sealed = post.issue()
    assert unlike_good(sealed[:1] + b"\x04" + sealed[2:], post.store) == dict.fromkeys(
        NAMES, ("undetermined", "seal_unsupported")
    )


def test_seal_signed_after_signer_expiry(post: Post) -> None:
    expired = post.seal_issuer.issue(replace(PERMIT, signed=date(2027, 2, 28)), ExpiredSigner())
    late = replace(PERMIT, signed=date(2027, 3, 5))
    assert unlike_good(post.issue(ExpiredSigner(), late), post.store, printed_of(CARD)) == {
        "seal.certificate": ("failed", "signed_after_expiry")
    }
    assert unlike_good(expired, post.store, printed_of(CARD)) == {
        "seal.certificate": ("failed", "certificate_expired")
    }
    assert unlike_good(expired, post.store, printed_of(CARD), date(2027, 2, 28)) == {}, "on its last day"


def test_signer_that_is_not_valid_yet(post: Post) -> None:
    assert unlike_good(post.issue(), post.store, printed_of(CARD), date(2020, 1, 1)) == {
        "seal.certificate": ("failed", "certificate_not_yet_valid")
    }


def test_unknown_signer(post: Post) -> None:
    store = SealSignerStore.from_bytes(UTTS5B, trust=TrustStore.from_bytes(post.seal_issuer.state.csca.der))
    # Of the same name and number as ours, so that only its key differs.
    assert unlike_good(post.issue(), store, printed_of(CARD))["seal.signature"] == (
        "failed",
        "signature_wrong",
    )
    other = Post(SealIssuer(utopia()))
    other.seal_issuer.signers = [SealSigner.issue(utopia(), name="XX")]
    unknown = ("undetermined", "signer_unknown")
    assert unlike_good(post.issue(), other.store, printed_of(CARD)) == dict.fromkeys(NAMES[1:4], unknown)


def test_signers_of_same_identifier_are_tried(post: Post) -> None:
    twin = SealSigner.issue(utopia())
    post.seal_issuer.signers = [twin, post.seal_issuer.signer]
    assert unlike_good(post.issue(), post.store, printed_of(CARD)) == {}


def test_signer_of_state_without_certificate(post: Post) -> None:
    other_issuer = IssuingState.create(now=NOW)
    store = SealSignerStore.from_bytes(
        post.seal_issuer.signer.certificate.der, trust=TrustStore.from_bytes(other_issuer.csca.der)
    )
    assert unlike_good(post.issue(), store, printed_of(CARD)) == {
        "seal.certificate": ("undetermined", "csca_unknown")
    }


def test_signer_not_signed_by_state(post: Post) -> None:
    whole = bytearray(post.seal_issuer.signer.certificate.der)
    whole[-1] ^= 1
    store = SealSignerStore.from_bytes(bytes(whole), trust=TrustStore.from_bytes(utopia().csca.der))
    assert unlike_good(post.issue(), store, printed_of(CARD)) == {
        "seal.certificate": ("failed", "signature_wrong")
    }


def test_empty_trust_store_is_undetermined(post: Post) -> None:
    store = SealSignerStore.from_bytes(post.seal_issuer.signer.certificate.der, trust=TrustStore())
    assert unlike_good(post.issue(), store, printed_of(CARD)) == {
        "seal.certificate": ("undetermined", "no_trust_store")
    }


def test_signers_trusted_without_trust_store(post: Post) -> None:
    store = SealSignerStore.from_bytes(post.seal_issuer.signer.certificate.der)
    assert unlike_good(post.issue(), store, printed_of(CARD)) == {}


def test_expired_state_certificate() -> None:
    was = Validity(NOW - timedelta(days=900), NOW - timedelta(days=1))
    post = Post(SealIssuer(IssuingState.create(now=NOW, validity=was)))
    assert unlike_good(post.issue(), post.store, printed_of(CARD)) == {
        "seal.certificate": ("failed", "certificate_expired")
    }


def test_seal_and_signer_of_other_states(post: Post) -> None:
    foreign = replace(PERMIT, issuer="KEN")
    assert unlike_good(post.issue(seal=foreign), post.store, printed_of(CARD)) == {
        "seal.issuing_state": ("failed", "state_differs")
    }


def test_signer_of_no_known_country() -> None:
    nowhere = IssuingState.create(State("ZZ", "ZZZ"), now=NOW)
    post = Post(SealIssuer(nowhere))
    assert unlike_good(post.issue(), post.store, printed_of(CARD)) == {
        "seal.issuing_state": ("undetermined", "country_unknown")
    }


def test_seal_without_required_feature(post: Post) -> None:
    assert unlike_good(post.issue(seal=PERMIT.without_feature(3)), post.store, printed_of(CARD)) == {
        "seal.readable": ("failed", "feature_missing")
    }
    assert unlike_good(post.issue(seal=PERMIT.with_feature(3, b"??")), post.store, printed_of(CARD)) == {
        "seal.readable": ("failed", "feature_malformed")
    }
    assert unlike_good(post.issue(seal=PERMIT.with_feature(9, b"??")), post.store, printed_of(CARD)) == {}


# The seal against the printed zone.

DIFFERS = {"combined.mrz_vs_seal": ("failed", "differs_from_seal")}
NOTHING = {"combined.mrz_vs_seal": ("undetermined", "nothing_in_common")}
PRINTED = {
    "another card": (PERMIT, replace(CARD, number="D23145891"), DIFFERS),
    "another name": (PERMIT, replace(CARD, given_names="Anna Marla"), DIFFERS),
    "the passport that the permit names": (PERMIT, PASSPORT, {}),
    "another passport": (PERMIT, replace(PASSPORT, number="L898902C4"), DIFFERS),
    "a card of another size": (PERMIT, ERIKSSON[Format.TD1], NOTHING),
    "another visa": (SEALS["visa A"][0], replace(VISA_A, number="L8988901D"), DIFFERS),
    "optional data, which a visa's seal leaves out": (
        SEALS["visa A"][0],
        replace(VISA_A, optional="SOMETHINGELSE"),
        {},
    ),
    "a visa of the other size": (SEALS["visa A"][0], VISA_B, DIFFERS),
    "the passport that the visa names": (SEALS["visa B"][0], PASSPORT, {}),
}


@pytest.mark.parametrize("name", PRINTED)
def test_printed_zone_against_seal(name: str, post: Post) -> None:
    seal, document, expected = PRINTED[name]
    assert unlike_good(post.issue(seal=seal), post.store, printed_of(document)) == expected


def test_reordered_zone_is_the_same(post: Post) -> None:
    assert unlike_good(post.issue(), post.store, zone(*reversed(CARD.lines))) == {}


def test_incomplete_zone_is_no_forgery(post: Post) -> None:
    first, second = CARD.lines
    assert unlike_good(post.issue(), post.store, zone(first, f"?{second[1:]}")) == {
        "combined.mrz_vs_seal": ("undetermined", "printed_unreadable")
    }


def test_nothing_in_common_does_not_count(post: Post) -> None:
    seal = social_insurance_card(
        "UTO", number="65170839J003", surname="Ériksson", first_name="Anna", issued=ISSUED
    )
    barcode = parse_barcode(post.issue(seal=seal), None, TODAY)
    checks = seal_checks(barcode, printed_of(CARD), post.store, TODAY)
    assert checks[-1].reason == "nothing_in_common"
    assert overall_outcome(checks) is Outcome.SUCCESSFUL


def test_uncompared_seal_does_not_pass(post: Post) -> None:
    checks = seal_checks(parse_barcode(post.issue(), None, TODAY), None, post.store, TODAY)
    assert overall_outcome(checks) is Outcome.UNDETERMINED


# Seals in JSON.

TEST = simulated_nc.proof_of_test(
    name="Eriksson Anna Maria", birth="1974-08-12", document_number=PASSPORT.number, country="UTO"
)
DOSES = simulated_nc.proof_of_vaccination(
    name="Eriksson Anna Maria", birth="1974-08-12", sex="F", document_number="L898902C3", country="UTO"
)


def in_json(signer: SealSigner, message: Any = TEST, kind: str = vds_nc.TEST, **more: Any) -> bytes:
    return simulated_nc.sign(message, signer, kind=kind, **{"issuer": "UTO", **more})


STATE_ONLY = SealSignerStore(trust=TrustStore.from_bytes(utopia().csca.der))


@pytest.mark.parametrize(
    ("curve", "algorithm"), [("secp256r1", "ES256"), ("secp384r1", "ES384"), ("secp521r1", "ES512")]
)
def test_json_seal_with_every_algorithm(curve: str, algorithm: str) -> None:
    signer = SealSigner.issue(utopia(), curve=curve)
    for message, kind in ((TEST, vds_nc.TEST), (DOSES, vds_nc.VACCINATION)):
        sealed = in_json(signer, message, kind)
        assert algorithm.encode() in sealed
        assert unlike_good(sealed, STATE_ONLY, printed_of(PASSPORT)) == {}


@cache
def json_signer() -> SealSigner:
    return SealSigner.issue(utopia(), curve="secp256r1")


JSON_FAULTS: dict[str, tuple[dict[str, Any], Found]] = {
    "another message": (
        {"altered": TEST | {"opt": "x"}},
        {"seal.signature": ("failed", "signature_wrong")},
    ),
    "another issuer": ({"issuer": "KEN"}, {"seal.issuing_state": ("failed", "state_differs")}),
    "no certificate": (
        {"certificate": False},
        dict.fromkeys(NAMES[1:4], ("undetermined", "signer_unknown")),
    ),
    "another holder": (
        {"message": DOSES | {"pid": {"n": "X", "i": "L898902C4"}}, "kind": vds_nc.VACCINATION},
        DIFFERS,
    ),
    "born on another day": (
        {"message": DOSES | {"pid": {"n": "X", "dob": "1974-08-13"}}, "kind": vds_nc.VACCINATION},
        DIFFERS,
    ),
    "of another sex": (
        {"message": DOSES | {"pid": {"n": "X", "sex": "M"}}, "kind": vds_nc.VACCINATION},
        DIFFERS,
    ),
    "no holder": ({"message": DOSES | {"pid": {}}, "kind": vds_nc.VACCINATION}, NOTHING),
    "another type": (
        {"kind": "uto.evisa"},
        {"seal.readable": ("undetermined", "profile_unknown"), **NOTHING},
    ),
}


@pytest.mark.parametrize("name", JSON_FAULTS)
def test_each_fault_of_a_seal_in_json(name: str) -> None:
    more, expected = JSON_FAULTS[name]
    assert unlike_good(in_json(json_signer(), **more), STATE_ONLY, printed_of(PASSPORT)) == expected


def test_printed_sex_is_compared_both_ways() -> None:
    sealed = in_json(json_signer(), message=DOSES | {"pid": {"n": "X", "sex": "F"}}, kind=vds_nc.VACCINATION)
    assert unlike_good(sealed, STATE_ONLY, printed_of(PASSPORT)) == {}
    upper, lower = PASSPORT.lines
    male = zone(upper, f"{lower[:20]}M{lower[21:]}")  # no check digit covers the sex
    assert unlike_good(sealed, STATE_ONLY, male) == DIFFERS


def test_unknown_algorithm_is_undetermined() -> None:
    sealed = in_json(json_signer()).replace(b"ES256", b"HS256")
    assert unlike_good(sealed, STATE_ONLY, printed_of(PASSPORT)) == {
        "seal.signature": ("undetermined", "algorithm_unsupported")
    }


def test_malformed_certificate_in_seal() -> None:
    encoded = base64.urlsafe_b64encode(json_signer().certificate.der)
    sealed = in_json(json_signer()).replace(encoded, b"AAAA")
    malformed = ("undetermined", "signer_malformed")
    assert unlike_good(sealed, STATE_ONLY, printed_of(PASSPORT)) == dict.fromkeys(NAMES[1:4], malformed)


def test_certificate_without_key_usage() -> None:
    whole = json_signer().certificate.der
    # The extended key usage: its identifier, then an octet string, then the sequence that is now none.
    at = whole.index(bytes.fromhex("0603551d25")) + 5
    at = whole.index(b"\x04", at) + 2
    damaged = whole[:at] + b"\x05" + whole[at + 1 :]
    encoded = (base64.urlsafe_b64encode(der) for der in (whole, damaged))
    sealed = in_json(json_signer()).replace(*encoded)
    malformed = ("undetermined", "signer_malformed")
    assert unlike_good(sealed, STATE_ONLY, printed_of(PASSPORT)) == dict.fromkeys(NAMES[1:4], malformed)


def test_passport_signer_may_not_sign_seals() -> None:
    passports = utopia().new_document_signer(SignatureScheme())
    sealed = in_json(SealSigner("XX", "UT", passports))
    assert unlike_good(sealed, STATE_ONLY, printed_of(PASSPORT)) == {
        "seal.certificate": ("failed", "not_for_seals")
    }


P256 = bytes.fromhex("06082a8648ce3d030107")
NO_CURVE = bytes.fromhex("06082a8648ce3d03017f")


def test_unknown_curve_is_undetermined(post: Post) -> None:
    signer = SealSigner.issue(utopia(), curve="secp256r1").certificate.der.replace(P256, NO_CURVE)
    assert unlike_good(post.issue(), SealSignerStore.from_bytes(signer), printed_of(CARD)) == {
        "seal.signature": ("undetermined", "algorithm_unsupported")
    }
    state = TrustStore.from_bytes(utopia().csca.der.replace(P256, NO_CURVE))
    assert state.authorities
    store = SealSignerStore.from_bytes(post.seal_issuer.signer.certificate.der, trust=state)
    assert unlike_good(post.issue(), store, printed_of(CARD)) == {
        "seal.certificate": ("undetermined", "algorithm_unsupported")
    }


def test_seal_does_not_prove_itself() -> None:
    """Without the state's certificate, only a signer that the operator gave counts."""
    other_issuer = SealSigner.issue(IssuingState.create(now=NOW), curve="secp256r1")
    known = SealSignerStore.from_bytes(json_signer().certificate.der)
    assert unlike_good(in_json(json_signer()), known, printed_of(PASSPORT)) == {}
    assert unlike_good(in_json(other_issuer), known, printed_of(PASSPORT)) == {
        "seal.certificate": ("undetermined", "csca_unknown")
    }


def test_expired_signer_of_json_seal() -> None:
    day = date(2037, 3, 1) + timedelta(days=30)
    assert unlike_good(in_json(json_signer()), STATE_ONLY, printed_of(PASSPORT), day) == {
        "seal.certificate": ("failed", "certificate_expired")
    }
