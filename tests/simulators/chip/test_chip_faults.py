"""Faults of a chip, one at a time, without other effects."""

import hashlib
import itertools
from collections.abc import Callable

import pytest
from asn1crypto import cms
from chip_terminal import MacError, StatusError, Terminal, undo
from cryptography import x509
from pydantic import ValidationError

from simulators.errors import SimulatorError
from simulators.mrz import Format
from simulators.passport.chip import (
    Access,
    ActiveAuthentication,
    CardRemovedError,
    Chip,
    Cipher,
    IssuingState,
    Profile,
    chip_fault_of,
)
from simulators.passport.chip import faults as chip_faults
from simulators.passport.chip.faults import (
    AlteredGroup,
    CardRemoval,
    ChipFault,
    ComUnlikeSod,
    CorruptedReply,
    CutReply,
    FieldLoss,
    FieldLostError,
    ForeignState,
    IssuingFault,
    LimitedReads,
    LostReply,
    MrzUnlikePrint,
    NegativeModulus,
    RepeatedFieldLoss,
    ReplyLostError,
    SecureMessagingError,
    SlowField,
    WrongKey,
    WrongStatus,
)
from simulators.passport.chip.lds import mrz_information
from simulators.specimens import ERIKSSON

PASSPORT = ERIKSSON[Format.TD3]
FULL = Profile(
    access=Access.BAC,
    chip_authentication=(Cipher.AES_128,),
    active_authentication=ActiveAuthentication.RSA_SHA1,
)


@pytest.fixture(scope="module")
def utopia() -> IssuingState:
    return IssuingState.create()


def opened(chip: Chip) -> Terminal:
    terminal = Terminal(chip.transmit)
    terminal.bac(mrz_information(chip.personalisation.document))
    return terminal


def read_out(chip: Chip) -> None:
    """Read everything in one session."""
    terminal = opened(chip)
    for fid in (0x011E, 0x011D, 0x0101):
        terminal.read(fid)
    terminal.chip_authentication(terminal.read(0x010E), 2)
    terminal.active_authentication(bytes(8))
    terminal.read(0x010C)


def signed_hashes(chip: Chip) -> dict[int, bytes]:
    """Return the signed hash of each data group, even if the signature is wrong."""
    info = cms.ContentInfo.load(undo(chip.personalisation.file(0x011D))[0][1])
    content = undo(bytes(info["content"]["encap_content_info"]["content"]))[0][1]
    return {undo(entry)[0][1][0]: undo(entry)[1][1] for _, entry in undo(undo(content)[2][1])}


def wrong_groups(chip: Chip) -> list[int]:
    """Return the data groups whose hash is not the signed one."""
    return [
        number for number, digest in signed_hashes(chip).items()
        if hashlib.sha256(chip.personalisation.file(0x0100 + number)).digest() != digest
    ]  # fmt: skip


class TestIssued:
    def test_document_without_faults_is_right(self, utopia: IssuingState) -> None:
        assert wrong_groups(Chip.issue(PASSPORT, utopia, FULL)) == []

    @pytest.mark.parametrize("group", [1, 2, 11, 12, 14, 15])
    def test_altered_group_is_only_one(self, utopia: IssuingState, group: int) -> None:
        chip = Chip.issue(PASSPORT, utopia, FULL, [AlteredGroup(group=group)])
        assert wrong_groups(chip) == [group]
        assert opened(chip).read(0x0100 + group) == chip.personalisation.file(0x0100 + group)

    def test_altered_group_must_exist(self, utopia: IssuingState) -> None:
        with pytest.raises(SimulatorError, match="no DG7"):
            Chip.issue(PASSPORT, utopia, faults=[AlteredGroup(group=7)])

    def test_negative_modulus_needs_an_rsa_key(self, utopia: IssuingState) -> None:
        with pytest.raises(SimulatorError, match="no RSA key"):
            Chip.issue(PASSPORT, utopia, faults=[NegativeModulus()])

    def test_wrong_key_opens_nothing(self, utopia: IssuingState) -> None:
        chip = Chip.issue(PASSPORT, utopia, Profile(can="000000"), [WrongKey()])
        with pytest.raises(StatusError, match="6300"):
            opened(chip)
        info = chip.personalisation.profile.pace[0]
        for password, reference in (
            (hashlib.sha1(mrz_information(PASSPORT).encode()).digest(), 1),
            (b"000000", 2),
        ):
            chip.reset()
            with pytest.raises(StatusError, match="6300"):
                Terminal(chip.transmit).pace(info.oid, info.parameter_id, password, reference)

    @pytest.mark.parametrize(("fault", "listed"), [
        (ComUnlikeSod(), [0x61, 0x6B, 0x6C]),
        (ComUnlikeSod(missing=None, extra=16), [0x61, 0x75, 0x6B, 0x6C, 0x70]),
        (ComUnlikeSod(missing=12, extra=13), [0x61, 0x75, 0x6B, 0x6D]),
    ])  # fmt: skip
    def test_com_unlike_security_object(
        self, utopia: IssuingState, fault: ChipFault, listed: list[int]
    ) -> None:
        chip = Chip.issue(PASSPORT, utopia, Profile(), [fault])
        assert list(undo(undo(opened(chip).read(0x011E))[0][1])[2][1]) == listed
        assert sorted(signed_hashes(chip)) == [1, 2, 11, 12]
        assert wrong_groups(chip) == []

    def test_foreign_state_is_only_in_zone(self, utopia: IssuingState) -> None:
        chip = Chip.issue(PASSPORT, utopia, Profile(), [ForeignState()])
        assert chip.personalisation.document.lines[0].startswith("P<XUT")
        assert b"P<XUT" in opened(chip).read(0x0101)
        assert wrong_groups(chip) == []
        signer = x509.load_der_x509_certificate(chip.personalisation.signer.der)
        assert signer.subject.get_attributes_for_oid(x509.NameOID.COUNTRY_NAME)[0].value == "UT"

    def test_zone_differs_from_print(self, utopia: IssuingState) -> None:
        chip = Chip.issue(PASSPORT, utopia, Profile(), [MrzUnlikePrint()])
        zone = opened(chip).read(0x0101)[5:].decode()
        assert zone[5:14] == "OTHERWISE"
        assert zone[44:] == PASSPORT.lines[1]
        assert wrong_groups(chip) == []


class TestDuringASession:
    def test_removed_at_every_command(self, utopia: IssuingState) -> None:
        whole = Chip.issue(PASSPORT, utopia, FULL)
        read_out(whole)
        for at in range(1, whole.commands + 1):
            chip = Chip(whole.personalisation, [CardRemoval(at=at)])
            with pytest.raises(CardRemovedError):
                read_out(chip)
            assert chip.commands == at
            with pytest.raises(CardRemovedError):
                chip.transmit(b"\x00\xb0\x9c\x00\x00")
            chip.insert()
            read_out(chip)  # and the next read is right

    def test_lost_field_ends_session_and_chip_stays(self, utopia: IssuingState) -> None:
        chip = Chip.issue(PASSPORT, utopia, FULL, [FieldLoss(at=9, for_s=0.25)])
        with pytest.raises(FieldLostError) as lost:
            read_out(chip)
        assert lost.value.for_s == 0.25
        assert (chip.present, chip.field_losses, chip.commands) == (True, 1, 0)
        read_out(chip)

    def test_lost_reply_is_of_an_executed_command(self, utopia: IssuingState) -> None:
        chip = Chip.issue(PASSPORT, utopia, Profile(access=Access.OPEN), [LostReply(at=1)])
        with pytest.raises(ReplyLostError):
            chip.transmit(bytes.fromhex("00A4040C07A0000002471001"))
        assert chip.transmit(bytes.fromhex("00A4020C020101")).hex() == "9000"
        assert (chip.commands, chip.field_losses) == (2, 0)

    def test_repeated_loss_comes_later_each_time(self, utopia: IssuingState) -> None:
        chip = Chip.issue(PASSPORT, utopia, FULL, [RepeatedFieldLoss(first=2, step=3)])
        lost = []
        for number in range(1, 18):
            try:
                chip.transmit(bytes.fromhex("00A4020C011C"))
            except FieldLostError:
                lost.append(number)
        assert lost == [2, 7, 15], "the second, then the fifth, then the eighth of a session"

    @pytest.mark.parametrize(
        ("effect", "status"), [("wrong-length", "6700"), ("session-end", "6988"), ("field-loss", None)]
    )
    def test_limited_reads_fail_above_limit(
        self, utopia: IssuingState, effect: str, status: str | None
    ) -> None:
        fault = LimitedReads.model_validate({"most": 100, "effect": effect})
        chip = Chip.issue(PASSPORT, utopia, Profile(access=Access.OPEN), [fault])
        chip.transmit(bytes.fromhex("00A4040C07A0000002471001"))
        chip.transmit(bytes.fromhex("00A4020C020102"))
        assert len(chip.transmit(bytes.fromhex("00B0000064"))) == 102
        if status is None:
            with pytest.raises(FieldLostError):
                chip.transmit(bytes.fromhex("00B0000065"))
        else:
            assert chip.transmit(bytes.fromhex("00B0000065")).hex() == status

    @pytest.mark.parametrize("status", [0x6987, 0x6988])
    def test_secure_messaging_error_ends_session(self, utopia: IssuingState, status: int) -> None:
        chip = Chip.issue(PASSPORT, utopia, FULL, [SecureMessagingError(at=6, status=status)])  # type: ignore[arg-type]
        terminal = opened(chip)
        with pytest.raises(StatusError, match=f"{status:X}"):
            list(itertools.starmap(terminal.read, [(0x011E,), (0x011D,)]))
        with pytest.raises(StatusError, match="6985"):
            terminal.read(0x0101)
        chip.reset()
        read_out(chip)

    def test_wrong_status_is_for_one_command(self, utopia: IssuingState) -> None:
        chip = Chip.issue(PASSPORT, utopia, FULL, [WrongStatus(at=4, status=0x6A82), WrongStatus(at=1)])
        assert chip.transmit(bytes.fromhex("00A4040C07A0000002471001")).hex() == "6f00"
        chip.reset()
        terminal = opened(chip)
        with pytest.raises(StatusError, match="6A82"):
            terminal.read(0x011E)
        assert terminal.read(0x011E)[0] == 0x60

    @pytest.mark.parametrize("bit", range(0, 90, 7))
    def test_corrupted_reply_is_detected(self, utopia: IssuingState, bit: int) -> None:
        chip = Chip.issue(PASSPORT, utopia, FULL, [CorruptedReply(at=4, bit=bit)])
        with pytest.raises((MacError, StatusError, KeyError, IndexError)):
            opened(chip).read(0x011E)

    @pytest.mark.parametrize("size", [0, 1, 2, 5])
    def test_cut_reply_has_given_length(self, utopia: IssuingState, size: int) -> None:
        chip = Chip.issue(PASSPORT, utopia, FULL, [CutReply(at=1, size=size)])
        assert len(chip.transmit(bytes.fromhex("00A4020C011C"))) == min(size, 2)

    def test_slow_field_takes_its_time(self, utopia: IssuingState) -> None:
        slept: list[float] = []

        def time_of(kbit_s: float) -> float:
            slept.clear()
            field = SlowField(kbit_s=kbit_s)
            read_out(Chip.issue(PASSPORT, utopia, FULL, [field], sleep=slept.append))
            return sum(slept)

        slow, fast = time_of(106), time_of(424)
        assert fast < slow < 4 * fast
        field = SlowField(kbit_s=106, per_command_s=0)
        assert field.airtime_s(bytes(5), bytes(5)) == pytest.approx(9 * (10 + 10) / 106_000)
        assert field.airtime_s(bytes(5), bytes(256)) == pytest.approx(9 * (261 + 20) / 106_000)

    def test_issuing_fault_is_refused_later(self, utopia: IssuingState) -> None:
        with pytest.raises(ValueError, match="WrongKey is a fault of issuing"):
            Chip.issue(PASSPORT, utopia).inject(WrongKey())


NAMED: dict[str, Callable[..., ChipFault]] = {
    kind.model_fields["fault"].default: kind
    for kind in vars(chip_faults).values()
    if isinstance(kind, type) and issubclass(kind, ChipFault) and "fault" in kind.model_fields
}


class TestNames:
    @pytest.mark.parametrize("name", NAMED)
    def test_every_fault_has_a_name(self, name: str) -> None:
        kind = NAMED[name]
        at = {"at": 3} if issubclass(kind, chip_faults.SessionFault) else {}  # type: ignore[arg-type]
        assert isinstance(chip_fault_of(name, at), kind)  # type: ignore[arg-type]

    def test_number_of_faults(self) -> None:
        assert len(NAMED) == 22
        assert sum(issubclass(kind, IssuingFault) for kind in NAMED.values()) == 12  # type: ignore[arg-type]

    @pytest.mark.parametrize(("name", "arguments"), [
        ("removed", {}), ("removed", {"at": 0}), ("sm-error", {"at": 1, "status": 0x6A82}), ("lost", {}),
        ("slow-field", {"kbit_s": 0}), ("foreign-state", {"issuer": "d"}),
    ])  # fmt: skip
    def test_impossible_fault_is_refused(self, name: str, arguments: dict[str, object]) -> None:
        with pytest.raises(ValidationError):
            chip_fault_of(name, arguments)
