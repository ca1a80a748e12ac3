"""Whole sessions against a chip with an independent implementation of the standard."""

from dataclasses import replace
from datetime import date, timedelta
from itertools import pairwise

import pytest
from support.chips.sessions import (
    NOW,
    TODAY,
    TRAVELLER,
    TRUST,
    UTOPIA,
    ChipSlot,
    issued,
    outcomes,
    unlike_good,
    zone,
)

from drivers.observation import Outcome
from drivers.passport.check_results import ACTIVE_AUTHENTICATION, CHIP, CHIP_ACCESS, CHIP_AUTHENTICATION
from drivers.passport.emrtd import (
    AccessMethod,
    ChipProgress,
    ChipResult,
    ChipSession,
    ChipStage,
    TrustStore,
)
from drivers.passport.emrtd.crypto import groups
from drivers.passport.emrtd.crypto.ciphers import Suite
from drivers.passport.emrtd.crypto.public_keys import DhKey
from drivers.passport.emrtd.errors import MalformedError, UnsupportedError
from drivers.passport.emrtd.evidence import ChipEvidence
from drivers.passport.emrtd.inspection_result import InspectionResultBuilder
from drivers.passport.emrtd.protocols import active_authentication
from drivers.passport.emrtd.protocols.access import OpenedChip
from drivers.passport.emrtd.protocols.security_infos import PaceInfo as PaceWay
from drivers.passport.emrtd.transport.files import ElementaryFile
from drivers.passport.mrz import Mrz
from drivers.passport.mrz.parser import parse
from drivers.passport.read_result import overall_outcome
from simulators.mrz import Format
from simulators.passport.chip import (
    Access,
    ActiveAuthentication,
    Chip,
    Cipher,
    IssuingState,
    Mapping,
    PaceInfo,
    Profile,
)
from simulators.passport.chip import faults as fault
from simulators.passport.chip.crypto.domain_parameters import BY_NAME
from simulators.travellers import TravellerGenerator

PRINTED = TRAVELLER.lines
GM = PaceInfo(Mapping.GENERIC, Cipher.AES_128, BY_NAME["brainpoolP256r1"])

COMPLETE = [
    "chip.access",
    "chip.sod_signature",
    "chip.dsc_signature",
    "chip.certificate_validity",
    "chip.dsc_revocation",
    "chip.trust",
    "chip.com_vs_sod",
    "chip.data_group_hash.DG1",
    "chip.data_group_hash.DG2",
    "chip.data_group_hash.DG11",
    "chip.data_group_hash.DG12",
    "chip.issuing_state",
    "chip.active_authentication",
    "chip.chip_authentication",
    "combined.mrz_vs_dg1",
]


def read(chip: Chip, **options: object) -> ChipResult:
    """Read a chip in one session: one that is lost is not opened again."""
    return ChipSlot(chip).read(power_up=None, **options)


def test_genuine_document_passes_all_checks() -> None:
    result = read(issued(Profile(access=Access.BOTH)))

    assert [check.id for check in result.checks] == COMPLETE
    assert unlike_good(result) == {}
    assert overall_outcome(result.checks) is Outcome.SUCCESSFUL
    assert result.access is AccessMethod.PACE_MRZ
    assert result.pace_protocol == "0.4.0.127.0.7.2.2.4.2.2"
    assert result.lines == PRINTED
    assert result.mrz is not None
    assert result.mrz.document_number == TRAVELLER.number
    assert result.data_groups_read == (1, 2, 11, 12)
    assert result.face is not None
    assert (result.face.media_type, result.face.content[:3]) == ("image/jpeg", b"\xff\xd8\xff")
    assert result.holder is not None
    assert result.holder.birth_date is not None
    assert result.document_details is not None


def test_progress_of_each_file() -> None:
    steps = list(ChipSession(issued().transmit, today=TODAY, printed=zone(PRINTED)).run())[:-1]
    assert steps[0] == ChipProgress(stage=ChipStage.ACCESS, access=AccessMethod.BAC)
    files = [step.file for step in steps if step.bytes_read == 4]
    assert files == ["COM", "SOD", "DG1", "DG2", "DG11", "DG12"]
    face = [step.bytes_read for step in steps if step.file == "DG2"]
    assert face == sorted(face)
    assert all(b - a <= 0xDF for a, b in pairwise(face))


@pytest.mark.parametrize("mapping", [Mapping.GENERIC, Mapping.INTEGRATED])
@pytest.mark.parametrize("cipher", [*Cipher])
@pytest.mark.parametrize("group", ["secp256r1", "brainpoolP512r1"])
def test_pace_in_every_suite(mapping: Mapping, cipher: Cipher, group: str) -> None:
    info = PaceInfo(mapping, cipher, BY_NAME[group])
    result = read(issued(Profile(access=Access.PACE, pace=(info,), details=False)))
    assert result.access is AccessMethod.PACE_MRZ
    assert unlike_good(result) == {}


@pytest.mark.parametrize(("mapping", "number"), [(Mapping.GENERIC, 0), (Mapping.INTEGRATED, 0)])
def test_pace_in_groups(mapping: Mapping, number: int) -> None:
    info = PaceInfo(mapping, Cipher.AES_128, number)
    assert unlike_good(read(issued(Profile(access=Access.PACE, pace=(info,), details=False)))) == {}


def test_pace_cam_opens_chip() -> None:
    info = PaceInfo(Mapping.CHIP_AUTHENTICATION, Cipher.AES_128, BY_NAME["brainpoolP256r1"])
    result = read(issued(Profile(access=Access.PACE, pace=(info,), details=False)))
    assert result.access is AccessMethod.PACE_MRZ
    assert outcomes(result)["chip.access"] == ("successful", None)


def test_pace_with_several_parameters() -> None:
    ways = tuple(PaceInfo(Mapping.GENERIC, Cipher.AES_256, BY_NAME[n]) for n in ("secp384r1", "secp256r1"))
    assert read(issued(Profile(access=Access.PACE, pace=ways, details=False))).access is AccessMethod.PACE_MRZ


def test_can_alone_opens_chip() -> None:
    chip = issued(Profile(access=Access.PACE, can="500540", details=False))
    result = read(chip, printed=None, can="500540")
    assert result.access is AccessMethod.PACE_CAN
    assert unlike_good(result) == {"combined.mrz_vs_dg1": ("undetermined", "no_printed_mrz")}


def test_misread_zone_falls_back_to_can() -> None:
    other = zone(TravellerGenerator(8).document(Format.TD3, issuer="UTO").lines)
    result = read(issued(Profile(access=Access.PACE, can="500540")), printed=other, can="500540")
    assert result.access is AccessMethod.PACE_CAN
    assert unlike_good(result) == {"combined.mrz_vs_dg1": ("failed", "differs_from_chip")}


def test_chip_without_access_control_is_read() -> None:
    result = read(issued(Profile(access=Access.OPEN)))
    assert result.access is AccessMethod.NONE
    assert unlike_good(result) == {"chip.access": ("not_supported", "access_uncontrolled")}


@pytest.mark.parametrize("access", [Access.BAC, Access.PACE])
def test_chip_of_another_document_stays_closed(access: Access) -> None:
    result = outcomes(read(issued(Profile(access=access), fault.WrongKey())))
    assert result.pop("chip.access") == ("failed", "access_denied")
    assert set(result.values()) == {("aborted", "no_access")}


def test_without_password_nothing_is_tried() -> None:
    result = read(issued(), printed=None)
    assert outcomes(result)["chip.access"] == ("undetermined", "no_password")
    assert result.commands == 0


def test_card_without_travel_document() -> None:
    *_, result = ChipSession(lambda command: b"\x6a\x82", today=TODAY, printed=zone(PRINTED)).run()
    found = outcomes(result)
    assert set(found.values()) == {("not_supported", "no_application")}
    assert set(found) == set(COMPLETE) - {"chip.data_group_hash.DG11", "chip.data_group_hash.DG12"}


@pytest.mark.parametrize(
    ("profile", "check"),
    [
        (
            Profile(access=Access.BAC, active_authentication=ActiveAuthentication.RSA_SHA1, details=False),
            "active",
        ),
        (
            Profile(access=Access.BAC, active_authentication=ActiveAuthentication.RSA_SHA256, details=False),
            "active",
        ),
        (
            Profile(access=Access.BAC, active_authentication=ActiveAuthentication.ECDSA, details=False),
            "active",
        ),
        (
            Profile(access=Access.PACE, active_authentication=ActiveAuthentication.ECDSA_DER, details=False),
            "active",
        ),
        (
            Profile(
                access=Access.PACE,
                active_authentication=ActiveAuthentication.RSA_SHA256,
                active_authentication_bits=2048,
                extended_length=True,
                details=False,
            ),
            "active",
        ),
        *(
            (Profile(access=Access.PACE, chip_authentication=(cipher,), details=False), "chip")
            for cipher in Cipher
        ),
        *(
            (
                Profile(
                    access=Access.PACE,
                    chip_authentication=(cipher,),
                    chip_authentication_group="modp1024-160",
                    details=False,
                ),
                "chip",
            )
            for cipher in (Cipher.TDES, Cipher.AES_192)
        ),
        (
            Profile(
                access=Access.BAC,
                chip_authentication=(Cipher.TDES, Cipher.AES_256),
                chip_authentication_group="secp384r1",
                details=False,
            ),
            "chip",
        ),
    ],
)
def test_chip_proves_authenticity(profile: Profile, check: str) -> None:
    identifier = f"chip.{check}_authentication"
    genuine = read(issued(profile))
    assert unlike_good(genuine) == {}
    assert outcomes(genuine)[identifier] == ("successful", None)

    copy = read(issued(profile, fault.ClonedChip()))
    assert set(unlike_good(copy)) == {identifier}
    assert outcomes(copy)[identifier][0] == "failed"


def test_chip_authentication_is_preferred() -> None:
    profile = Profile(
        access=Access.PACE,
        chip_authentication=(Cipher.AES_128,),
        active_authentication=ActiveAuthentication.ECDSA,
    )
    found = outcomes(read(issued(profile)))
    assert found["chip.chip_authentication"] == ("successful", None)
    assert "chip.active_authentication" not in found


@pytest.mark.parametrize(
    ("corrupted", "expected"),
    [
        (fault.AlteredGroup(group=1), {"chip.data_group_hash.DG1": ("failed", "hash_wrong")}),
        (fault.AlteredGroup(group=2), {"chip.data_group_hash.DG2": ("failed", "hash_wrong")}),
        (fault.AlteredSignature(), {"chip.sod_signature": ("failed", "signature_wrong")}),
        (
            fault.UnknownCsca(),
            {
                "chip.dsc_signature": ("undetermined", "csca_unknown"),
                "chip.dsc_revocation": ("undetermined", "csca_unknown"),
                "chip.trust": ("undetermined", "csca_unknown"),
            },
        ),
        (fault.ExpiredSigner(), {"chip.certificate_validity": ("failed", "certificate_expired")}),
        (fault.ComUnlikeSod(missing=2), {"chip.com_vs_sod": ("failed", "lists_differ")}),
        (fault.MrzUnlikePrint(), {"combined.mrz_vs_dg1": ("failed", "differs_from_chip")}),
    ],
)
def test_defect_fails_its_own_checks_only(
    corrupted: fault.ChipFault, expected: dict[str, tuple[str, str]]
) -> None:
    result = read(issued(None, corrupted))
    found = unlike_good(result)
    if isinstance(corrupted, fault.AlteredGroup) and corrupted.group == 1:
        # The altered zone no longer equals the printed one either.
        assert found.pop("combined.mrz_vs_dg1") == ("failed", "differs_from_chip")
    assert found == expected


@pytest.mark.parametrize(
    ("deviating", "file", "text"),
    [
        (fault.WrongKeyIdentifier(), "EF.SOD", "The subject key identifier cannot be read and is not used."),
        (
            fault.NegativeModulus(),
            "DG15",
            "The RSA modulus is written as a negative number and was read as a positive one.",
        ),
    ],
)
def test_deviation_of_states_is_a_note(deviating: fault.ChipFault, file: str, text: str) -> None:
    profile = Profile(access=Access.BAC, active_authentication=ActiveAuthentication.RSA_SHA1)
    result = read(issued(profile, deviating))
    assert unlike_good(result) == {}
    assert [(note.file, note.text) for note in result.deviations] == [(file, text)]


def test_document_and_signer_of_other_states() -> None:
    result = read(
        issued(document=TravellerGenerator(7).document(Format.TD3, issuer="KEN")), printed=None, can="1"
    )
    assert outcomes(result)["chip.access"][0] != "successful"
    kenyan = TravellerGenerator(7).document(Format.TD3, issuer="KEN")
    found = unlike_good(read(issued(document=kenyan), printed=zone(kenyan.lines)))
    assert found == {"chip.issuing_state": ("failed", "state_differs")}


def test_revoked_signer() -> None:
    state = IssuingState.create(now=NOW)
    chip = issued(None, fault.RevokedSigner(), issuer=state)
    trust = TrustStore.from_bytes(state.csca.der, state.crl())
    assert unlike_good(read(chip, trust=trust)) == {"chip.dsc_revocation": ("failed", "revoked")}


@pytest.mark.parametrize("trust", [None, TrustStore()])
def test_without_trust_store_undetermined(trust: TrustStore | None) -> None:
    assert unlike_good(read(issued(), trust=trust)) == {
        "chip.dsc_signature": ("undetermined", "no_trust_store"),
        "chip.dsc_revocation": ("undetermined", "no_trust_store"),
        "chip.trust": ("undetermined", "no_trust_store"),
    }


FULL = Profile(access=Access.PACE, chip_authentication=(Cipher.AES_128,), details=False)
ACTIVE = Profile(access=Access.BAC, active_authentication=ActiveAuthentication.ECDSA, details=False)


@pytest.mark.parametrize("profile", [FULL, ACTIVE])
def test_removal_aborts_remaining_checks(profile: Profile) -> None:
    chip = issued(profile)
    commands = read(chip).commands
    for at in range(1, commands + 1):
        chip.insert()
        chip.inject(fault.CardRemoval(at=at))
        found = outcomes(read(chip))
        assert {how for how in found.values() if how[0] not in {"successful", "not_supported"}} == {
            ("aborted", "card_removed")
        }, at
        assert "failed" not in {outcome for outcome, _ in found.values()}
        chip.insert()
    assert unlike_good(read(chip)) == {}


@pytest.mark.parametrize(
    ("profile", "spoil"),
    [
        (FULL, lambda at: fault.SecureMessagingError(at=at)),
        (ACTIVE, lambda at: fault.CorruptedReply(at=at, bit=at * 7)),
        (FULL, lambda at: fault.CutReply(at=at, size=at % 4)),
        (ACTIVE, lambda at: fault.WrongStatus(at=at, status=0x6F00)),
        (FULL, lambda at: fault.WrongStatus(at=at, status=0x6A82)),
    ],
)
def test_fault_at_any_command_is_an_outcome(profile: Profile, spoil: object) -> None:
    chip = issued(profile)
    commands = read(chip).commands
    # One read of the face is like the next.
    for at in (*range(1, 24), *range(commands - 6, commands + 1)):
        chip.insert()
        chip.inject(spoil(at))
        result = read(chip)
        assert result.checks
        assert overall_outcome(result.checks) is not Outcome.UNKNOWN


def test_signed_file_must_be_present() -> None:
    chip = issued(ACTIVE)
    application = tuple(f for f in chip.personalisation.application if f.file_id != 0x010F)
    object.__setattr__(chip.personalisation, "application", application)
    found = unlike_good(read(chip))
    assert found == {
        "chip.data_group_hash.DG15": ("failed", "file_missing"),
        "chip.active_authentication": ("failed", "file_missing"),
    }


def test_fingerprints_are_never_requested() -> None:
    chip = issued(Profile(access=Access.BAC, fingerprints=True))
    sent: list[bytes] = []
    session = ChipSession(
        lambda command: (sent.append(command), chip.transmit(command))[1],
        today=TODAY,
        printed=zone(PRINTED),
        trust=TRUST,
    )
    *_, result = session.run()
    assert 3 in result.data_groups_listed
    assert "chip.data_group_hash.DG3" not in outcomes(result)
    assert unlike_good(result) == {}


@pytest.mark.parametrize("padding", [0, 40_000])
@pytest.mark.parametrize("extended", [False, True])
def test_long_face_in_short_and_extended_reads(padding: int, extended: bool) -> None:
    chip = issued(Profile(access=Access.BAC, image_padding=padding, extended_length=extended, details=False))
    result = read(chip)
    assert unlike_good(result) == {}
    if padding:
        assert (result.commands < 60) == extended
    chip.insert()
    short = read(chip, extended_length=False)
    assert unlike_good(short) == {}
    assert short.commands >= result.commands - 2  # EF.ATR/INFO is not read


def test_cards_in_their_own_format() -> None:
    for format_ in (Format.TD1, Format.TD2):
        card = TravellerGenerator(3).document(format_, issuer="UTO")
        result = read(issued(Profile(access=Access.PACE), document=card), printed=zone(card.lines))
        assert unlike_good(result) == {}
        assert result.lines == card.lines


def test_result_repr_has_no_personal_data() -> None:
    result = read(issued())
    assert TRAVELLER.number not in repr(result)
    assert TRAVELLER.number not in str(result)
    assert TRAVELLER.number in result.model_dump_json()
    for check in result.checks:
        assert TRAVELLER.number not in (check.text or "")


def test_master_list_certificates_are_trusted() -> None:
    trust = TrustStore.from_bytes(UTOPIA.master_list([UTOPIA.csca]), UTOPIA.crl())
    assert trust.faults == ()
    assert unlike_good(read(issued(), trust=trust)) == {}


def test_day_before_and_after_signer_validity() -> None:
    chip = issued()
    for today, reason in (
        (date(2026, 1, 1), "certificate_not_yet_valid"),
        (TODAY + timedelta(days=3660), "certificate_expired"),
    ):
        chip.insert()
        found = outcomes(read(chip, today=today))
        assert found["chip.certificate_validity"] == ("failed", reason)


def evidence_of(chip: Chip) -> ChipEvidence:
    application = {f.file_id: f.content for f in chip.personalisation.application}
    files = {f: application[f.file_id] for f in ElementaryFile if f.file_id in application}
    way = PaceWay("0.4.0.127.0.7.2.2.4.2.2", "gm", Suite.AES_128, 13)
    opened = OpenedChip(AccessMethod.PACE_MRZ, way, 0xDF)
    return ChipEvidence(files, opened_chip=opened, access=CHIP.successful(CHIP_ACCESS))


def checks_of(evidence: ChipEvidence, printed: Mrz | None = None) -> dict[str, tuple[str, str | None]]:
    return outcomes(InspectionResultBuilder(evidence, printed or zone(PRINTED), TRUST, TODAY).build(0, 0.0))


def test_card_access_unlike_dg14_fails() -> None:
    evidence = evidence_of(issued(FULL))
    assert checks_of(evidence)["chip.access"] == ("successful", None)
    assert evidence.opened_chip is not None
    evidence.opened_chip = replace(
        evidence.opened_chip, pace=PaceWay("0.4.0.127.0.7.2.2.4.2.1", "gm", Suite.TDES, 8)
    )
    assert checks_of(evidence)["chip.access"] == ("failed", "card_access_unlike_dg14")


def test_incomplete_zone_is_undetermined() -> None:
    first, second = PRINTED
    printed = zone((first, "?" + second[1:]))
    assert checks_of(evidence_of(issued()), printed)["combined.mrz_vs_dg1"] == (
        "undetermined",
        "printed_unreadable",
    )


def test_reordered_or_joined_lines_match() -> None:
    for lines in (PRINTED[::-1], ("".join(PRINTED),)):
        assert checks_of(evidence_of(issued()), zone(lines))["combined.mrz_vs_dg1"] == ("successful", None)


def test_malformed_zone_in_chip() -> None:
    evidence = evidence_of(issued())
    evidence.files[ElementaryFile.DG1] = b"\x61\x00"
    found = checks_of(evidence)
    assert found["combined.mrz_vs_dg1"] == ("undetermined", "dg1_malformed")
    assert found["chip.issuing_state"] == ("undetermined", "dg1_malformed")


@pytest.mark.parametrize(("group", "proof"), [(14, CHIP_AUTHENTICATION), (15, ACTIVE_AUTHENTICATION)])
@pytest.mark.parametrize("which", ["the key", "the signature"])
def test_proof_with_unsigned_key_counts_not(group: int, proof: str, which: str) -> None:
    evidence = evidence_of(issued(FULL if group == 14 else ACTIVE))
    evidence.proofs[proof] = CHIP.successful(proof)
    assert checks_of(evidence)[proof] == ("successful", None)
    corrupted = ElementaryFile.SOD if which == "the signature" else ElementaryFile[f"DG{group}"]
    evidence.files[corrupted] = evidence.files[corrupted][:-1] + bytes([evidence.files[corrupted][-1] ^ 1])
    assert checks_of(evidence)[proof] == ("undetermined", "key_not_authentic")


def test_malformed_dg14_is_undetermined() -> None:
    evidence = evidence_of(issued(FULL))
    evidence.files[ElementaryFile.DG14] = b"\x6e\x01\x00"
    assert checks_of(evidence)["chip.chip_authentication"] == ("undetermined", "file_malformed")


def altered_session(chip: Chip, file_id: int, content: bytes) -> dict[str, tuple[str, str | None]]:
    """Read a chip with one file replaced."""
    for file in chip.personalisation.application:
        if file.file_id == file_id:
            object.__setattr__(file, "content", content)
    return outcomes(read(chip))


def test_unknown_key_is_undetermined() -> None:
    unknown = bytes.fromhex("6F11300F300506032A0304" + "0306" + "0001020304" + "05")
    found = altered_session(issued(ACTIVE), 0x010F, unknown)
    assert found["chip.active_authentication"] == ("undetermined", "algorithm_unsupported")
    stated = bytes.fromhex("6E133111300F060A04007F00070202030202020101")
    found = altered_session(issued(FULL), 0x010E, stated)
    assert found["chip.chip_authentication"] == ("undetermined", "algorithm_unsupported")


@pytest.mark.parametrize(
    ("status", "expected"),
    [(0x6700, ("undetermined", "long_answer_unsupported")), (0x6985, ("failed", "aa_refused"))],
)
def test_chip_that_does_not_sign(status: int, expected: tuple[str, str]) -> None:
    chip = issued(ACTIVE)
    last = read(chip).commands
    chip.insert()
    chip.inject(fault.WrongStatus(at=last, status=status))
    assert outcomes(read(chip))["chip.active_authentication"] == expected


def test_dh_key_cannot_sign() -> None:
    dh = DhKey(groups.BY_PARAMETER_ID[0], 4)
    with pytest.raises(UnsupportedError):
        active_authentication.verify(dh, bytes(8), bytes(128))


def test_zone_without_dates_opens_nothing() -> None:
    french = parse(("IDFRABERTHIER<<<<<<<<<<<<<<<<<<<<<<<", "8806923102858CORINNE<<<<<<<6512068F6"), TODAY)
    assert french is not None
    result = read(issued(), printed=french)
    assert outcomes(result)["chip.access"] == ("undetermined", "no_password")


def test_elements_that_agree_on_nothing() -> None:
    group = groups.BY_PARAMETER_ID[0]
    for element in (0, 1, group.p - 1, group.p, 3):
        with pytest.raises(MalformedError):
            group.decode(group.encode(element))


def test_trivial_power_is_refused() -> None:
    group = groups.BY_PARAMETER_ID[0]
    assert group.order is not None
    with pytest.raises(MalformedError):
        group.power(group.generator, group.order)
    with pytest.raises(MalformedError):
        group.decode(bytes(129))
    with pytest.raises(MalformedError):
        groups.validated_group(group.p, group.p, None)


def test_cut_challenge_is_aborted() -> None:
    # Before it, EF.CardAccess and EF.ATR/INFO are read and the application is selected.
    chip = issued(Profile(access=Access.BAC), fault.CutReply(at=5, size=1))
    assert set(outcomes(read(chip)).values()) == {("aborted", "chip_error")}


def test_chip_refuses_all_access() -> None:
    chip = issued(Profile(access=Access.BAC), fault.WrongStatus(at=4, status=0x6F00))
    found = outcomes(read(chip))
    assert found.pop("chip.access") == ("failed", "access_failed")
    assert set(found.values()) == {("aborted", "no_access")}
