"""Files, access conditions and the commands that read them; and invalid commands."""

import hashlib

import pytest
from chip_terminal import StatusError, Terminal, do, undo
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from simulators.errors import SimulatorError
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
from simulators.passport.chip.lds import VERSION_1_8, mrz_information
from simulators.passport.chip.personalisation import personalise
from simulators.specimens import ERIKSSON

PASSPORT = ERIKSSON[Format.TD3]
MRZ_KEY = hashlib.sha1(mrz_information(PASSPORT).encode()).digest()
PACE_INFO = Profile().pace[0]
EVERYTHING = Profile(
    access=Access.BOTH,
    can="123456",
    chip_authentication=(Cipher.TDES, Cipher.AES_128),
    active_authentication=ActiveAuthentication.RSA_SHA1,
    fingerprints=True,
)


@pytest.fixture(scope="module")
def utopia() -> IssuingState:
    return IssuingState.create()


@pytest.fixture(scope="module")
def written(utopia: IssuingState):
    return personalise(PASSPORT, utopia, EVERYTHING)


@pytest.fixture
def chip(written) -> Chip:
    return Chip(written)


@pytest.fixture
def terminal(chip: Chip) -> Terminal:
    terminal = Terminal(chip.transmit)
    terminal.bac(mrz_information(PASSPORT))
    return terminal


def plain(chip: Chip, *commands: str) -> str:
    """Return the status word of the last of these commands."""
    return [chip.transmit(bytes.fromhex(command)) for command in commands][-1][-2:].hex()


SELECT_APPLICATION = "00A4040C07A0000002471001"


class TestMasterFile:
    def test_card_access_is_readable_by_all(self, chip: Chip) -> None:
        reader = Terminal(chip.transmit)
        assert reader.read(0x011C)[0] == 0x31
        assert reader.read(0x2F01).hex() == "4703e00180"
        assert undo(undo(reader.read(0x2F00))[0][1]) == [(0x4F, bytes.fromhex("A0000002471001"))]
        reader.select_master_file()
        reader.send(0, 0xA4, 0, 0x0C, b"\x3f\x00")
        assert reader.send(0, 0xB0, 0x9C, 0, le=0)[0] == 0x31
        assert reader.send(0, 0xB0, 0x81, 0, le=0).hex() == "4703e00180"

    def test_extended_length_is_announced(self, utopia: IssuingState) -> None:
        chip = Chip.issue(PASSPORT, utopia, Profile(extended_length=True))
        assert Terminal(chip.transmit).read(0x2F01).hex().startswith("4703e001c0")
        parts = dict(undo(chip.personalisation.file(0x2F01, in_application=False)))
        assert undo(parts[0x7F66]) == [(2, b"\x10\x00"), (2, b"\x10\x00")]
        assert chip.atr.hex() == "3b8580018073e001c0d6"

    def test_atr_checks(self, chip: Chip) -> None:
        check = 0
        for byte in chip.atr[1:]:
            check ^= byte
        assert check == 0

    def test_chip_without_pace_has_no_card_access(self, utopia: IssuingState) -> None:
        chip = Chip.issue(PASSPORT, utopia, Profile(access=Access.BAC))
        assert plain(chip, "00A4020C02011C") == "6a82"
        assert plain(chip, "0022C1A40F800A04007F00070202040202830101") == "6a86"

    def test_card_security_requires_pace(self, utopia: IssuingState) -> None:
        info = PaceInfo(Mapping.CHIP_AUTHENTICATION, Cipher.AES_128, 13)
        chip = Chip.issue(PASSPORT, utopia, Profile(access=Access.BOTH, pace=(info,)))
        assert plain(chip, "00A4020C02011D") == "6982"
        reader = Terminal(chip.transmit)
        reader.bac(mrz_information(PASSPORT))
        reader.select_master_file()
        with pytest.raises(StatusError, match="6982"):
            reader.read(0x011D)
        chip.reset()
        reader = Terminal(chip.transmit)
        reader.pace(info.oid, 13, MRZ_KEY)
        assert reader.read(0x011D)[0] == 0x30


class TestAccess:
    @pytest.mark.parametrize("fid", ["011E", "011D", "0101", "0102", "0103", "010B", "010E", "010F"])
    def test_nothing_is_read_without_key(self, chip: Chip, fid: str) -> None:
        assert plain(chip, SELECT_APPLICATION, f"00A4020C02{fid}") == "6982"
        sfi = int(fid, 16) & 0x1F | 0x80
        assert plain(chip, f"00B0{sfi:02X}0000") == "6982"
        assert plain(chip, f"00B1{fid}0354010000") == "6982"

    def test_pace_alone_opens_application(self, utopia: IssuingState) -> None:
        chip = Chip.issue(PASSPORT, utopia, Profile(access=Access.PACE))
        assert plain(chip, SELECT_APPLICATION) == "6982"
        assert plain(chip, "0084000008") == "6d00"

    def test_fingerprints_stay_sealed(self, terminal: Terminal) -> None:
        assert b"\x63" in undo(undo(terminal.read(0x011E))[0][1])[2][1]
        with pytest.raises(StatusError, match="6982"):
            terminal.read(0x0103)

    def test_bac_only_in_application_unprotected(self, chip: Chip, terminal: Terminal) -> None:
        with pytest.raises(StatusError, match="6985"):
            terminal.send(0, 0x84, 0, 0, le=8)
        with pytest.raises(StatusError, match="6985"):
            terminal.send(0, 0x22, 0xC1, 0xA4, b"")
        chip.reset()
        assert plain(chip, "0084000008") == "6985"
        assert plain(chip, SELECT_APPLICATION, "0084000004") == "6700"
        assert plain(chip, "0084010008") == "6a86"
        assert plain(chip, "0022C1A40F800A04007F00070202040202830101") == "6985"

    def test_challenge_is_valid_for_one_answer(self, chip: Chip) -> None:
        answer = "0082000028" + "00" * 40 + "28"
        assert plain(chip, SELECT_APPLICATION, answer) == "6985"
        assert plain(chip, "0084000008", answer) == "6300"
        assert plain(chip, answer) == "6985"
        assert plain(chip, "0084000008", "00820000" + "08" + "00" * 8) == "6700"

    def test_reset_clears_the_session(self, chip: Chip, terminal: Terminal) -> None:
        chip.reset()
        assert plain(chip, "00B0820000") == "6a82"  # short identifier 01 would be EF.ATR/INFO here
        assert plain(chip, SELECT_APPLICATION, "00B0810000") == "6982"

    def test_chip_authentication_needs_session(self, chip: Chip) -> None:
        assert plain(chip, SELECT_APPLICATION, "002241A40C800A04007F00070202030202") == "6985"
        assert plain(chip, "008600000C7C0A8008" + "00" * 8 + "00") == "6985"
        assert plain(chip, "00880000080000000000000000" + "00") == "6982"

    def test_active_authentication_needs_application(self, chip: Chip, terminal: Terminal) -> None:
        terminal.select_master_file()
        with pytest.raises(StatusError, match="6985"):
            terminal.active_authentication(bytes(8))


class TestPaceSteps:
    MSE = "0022C1A40F800A04007F00070202040202830101"

    @pytest.mark.parametrize(("data", "sw"), [
        ("830101", "6a80"),
        ("800A04007F00070202040202", "6a80"),
        ("800A04007F00070202040204830101", "6a80"),
        ("800A04007F0007020204020283010184010C", "6a88"),
        ("800A04007F00070202040202830103", "6a88"),
        ("800A04", "6a80"),
        ("800A04007F000702020402028301017F4C0101", "9000"),
    ])  # fmt: skip
    def test_unsupported_selection_is_refused(self, chip: Chip, data: str, sw: str) -> None:
        assert plain(chip, f"0022C1A4{len(data) // 2:02X}{data}") == sw

    @pytest.mark.parametrize(("steps", "sw"), [
        (["10860000027C0000"], "9000"),
        (["00860000027C0000"], "6985"),
        (["10860000047C02810000"], "6a80"),
        (["10860000017C00"], "6a80"),
        (["10860000027C0000", "10860000027C0000"], "6a80"),
        (["10860000027C0000", "10860000457C438141" + "04" + "11" * 64 + "00"], "6a80"),
        (["10860000027C0000", "10860000057C0381010400"], "6a80"),
        (["1086010002 7C0000"], "6a86"),
        (["10B0000000"], "6884"),
    ])  # fmt: skip
    def test_pace_steps_in_order_with_points(self, chip: Chip, steps: list[str], sw: str) -> None:
        assert plain(chip, self.MSE, *steps) == sw
        if sw != "9000":
            assert plain(chip, "10860000027C0000") == "6985"

    def test_terminal_echo_is_refused(self, chip: Chip) -> None:
        plain(chip, self.MSE, "10860000027C0000")
        generator = chip.personalisation.profile.pace[0].group
        g = generator.encode(generator.generator).hex()  # type: ignore[arg-type]
        assert plain(chip, f"10860000457C438141{g}00") == "9000"
        pace = chip._session._pace
        assert pace is not None
        pace._random = lambda size: (5).to_bytes(size, "big")
        mapped = pace._mapped
        own = mapped.encode(mapped.times(mapped.generator, 5)).hex()  # type: ignore[arg-type]
        assert plain(chip, f"10860000457C438341{own}00") == "6300"

    def test_wrong_password_fails_at_end(self, chip: Chip) -> None:
        with pytest.raises(StatusError, match="6300"):
            Terminal(chip.transmit).pace(PACE_INFO.oid, 13, bytes(20))


class TestReading:
    def test_every_file_is_as_written(self, chip: Chip, terminal: Terminal) -> None:
        for file in chip.personalisation.application:
            if file.file_id != 0x0103:
                assert terminal.read(file.file_id) == file.content

    def test_by_short_identifier(self, terminal: Terminal) -> None:
        assert terminal.send(0, 0xB0, 0x81, 0, le=4) == b"\x61\x5b\x5f\x1f"
        assert terminal.send(0, 0xB0, 0, 4, le=3) == b"\x58P<"
        assert terminal.send(0, 0xB0, 0x9E, 0, le=1) == b"\x60"

    def test_reply_has_maximum_size(self, terminal: Terminal) -> None:
        assert len(terminal.send(0, 0xB0, 0x82, 0, le=256)) == 231

    @pytest.mark.parametrize("warning", [True, False])
    def test_end_of_file(self, utopia: IssuingState, warning: bool) -> None:
        chip = Chip.issue(PASSPORT, utopia, Profile(end_of_file_warning=warning))
        terminal = Terminal(chip.transmit)
        terminal.bac(mrz_information(PASSPORT))
        assert len(terminal.send(0, 0xB0, 0x81, 90, le=3, ok=(0x9000,))) == 3
        assert len(terminal.send(0, 0xB0, 0x81, 91, le=3, ok=(0x6282 if warning else 0x9000,))) == 2
        assert len(terminal.send(0, 0xB0, 0x81, 0, le=256, ok=(0x9000,))) == 93
        with pytest.raises(StatusError, match="6B00"):
            terminal.send(0, 0xB0, 0x81, 93, le=1)

    @pytest.mark.parametrize(("command", "sw"), [
        ((0xB0, 0, 0, b"", 4), 0x6986),
        ((0xB0, 0xA1, 0, b"", 4), 0x6A86),
        ((0xB0, 0x84, 0, b"", 4), 0x6A82),
        ((0xB0, 0x81, 0, b"", None), 0x6700),
        ((0xB1, 0, 1, do(0x54, b"\x00"), None), 0x6700),
        ((0xB1, 0, 1, b"\x00", 4), 0x6A80),
        ((0xB1, 0, 0, do(0x54, b"\x00"), 4), 0x6986),
        ((0xA4, 2, 0x0C, b"\x01", None), 0x6A82),
        ((0xA4, 2, 0x00, b"\x01\x01", None), 0x6A86),
        ((0xA4, 1, 0x0C, b"\x01\x01", None), 0x6A86),
        ((0xA4, 0, 0x0C, b"\x01\x01", None), 0x6A82),
        ((0xA4, 4, 0x0C, b"\xa0\x00", None), 0x6A82),
        ((0x22, 0x41, 0xB6, b"", None), 0x6A86),
        ((0x22, 0x41, 0xA4, b"\x80", None), 0x6A80),
        ((0x22, 0x41, 0xA4, do(0x84, b"\x01"), None), 0x6A80),
        ((0x22, 0x41, 0xA4, do(0x80, b"\x01"), None), 0x6A80),
        ((0x22, 0x41, 0xA6, do(0x91, b"\x01"), None), 0x6A88),
        ((0x22, 0x41, 0xA6, do(0x91, b"\x01") + do(0x84, b"\x01"), None), 0x6A80),
        ((0x86, 0, 0, b"\x7c\x00", 0), 0x6985),
        ((0x20, 0, 0, b"", None), 0x6D00),
    ])  # fmt: skip
    def test_refused_commands(self, utopia: IssuingState, command, sw: int) -> None:
        profile = Profile(access=Access.BAC, chip_authentication=(Cipher.TDES, Cipher.TDES))
        terminal = Terminal(Chip.issue(PASSPORT, utopia, profile).transmit)
        terminal.bac(mrz_information(PASSPORT))
        ins, p1, p2, data, le = command
        with pytest.raises(StatusError, match=f"{sw:04X}"):
            terminal.send(0, ins, p1, p2, data, le)
        assert terminal.read(0x0101)[0] == 0x61  # a refusal does not end the session

    def test_chip_authentication_key_off_curve(self, terminal: Terminal) -> None:
        terminal.send(
            0, 0x22, 0x41, 0xA4, do(0x80, bytes.fromhex("04007F00070202030202")) + do(0x84, b"\x02")
        )
        with pytest.raises(StatusError, match="6A80"):
            terminal.send(0, 0x86, 0, 0, do(0x7C, do(0x80, b"\x04" + bytes(64))), 256)
        terminal.send(0, 0x22, 0x41, 0xA4, do(0x80, bytes.fromhex("04007F00070202030202")))
        with pytest.raises(StatusError, match="6A80"):
            terminal.send(0, 0x86, 0, 0, b"\x01", 256)
        with pytest.raises(StatusError, match="6884"):
            terminal.send(0x10, 0x86, 0, 0, b"\x7c\x00", 256)

    def test_odd_instructions_read_beyond_32_kib(self, utopia: IssuingState) -> None:
        chip = Chip.issue(PASSPORT, utopia, Profile(image_padding=40_000))
        terminal = Terminal(chip.transmit)
        terminal.bac(mrz_information(PASSPORT))
        assert terminal.read(0x0102) == chip.personalisation.file(0x0102)
        reply = terminal.send(0, 0xB1, 1, 2, do(0x54, b"\x00"), le=6)
        assert reply == do(0x53, chip.personalisation.file(0x0102)[:4])

    def test_extended_length_reads_few_commands(self, utopia: IssuingState) -> None:
        chip = Chip.issue(
            PASSPORT, utopia, Profile(image_padding=40_000, extended_length=True, version=VERSION_1_8)
        )
        terminal = Terminal(chip.transmit, extended=True)
        terminal.bac(mrz_information(PASSPORT))
        before = chip.commands
        assert terminal.read(0x0102, chunk=4000) == chip.personalisation.file(0x0102)
        assert chip.commands - before < 20

    def test_unannounced_extended_length_is_refused(self, chip: Chip) -> None:
        assert plain(chip, "00A4040C000007A0000002471001") == "6700"
        assert plain(chip, "00B09C00000000") == "6700"


@pytest.fixture(scope="module")
def recorded(written) -> list[bytes]:
    """Return a PACE and a BAC session with everything after it, as the chip received them."""
    commands: list[bytes] = []
    for open_it in (
        lambda t: (t.pace(PACE_INFO.oid, 13, MRZ_KEY), t.select_application()),
        lambda t: t.bac(mrz_information(PASSPORT)),
    ):
        chip = Chip(written, random=lambda size: bytes(size - 1) + b"\x07")

        def overheard(apdu: bytes, chip: Chip = chip) -> bytes:
            commands.append(apdu)
            return chip.transmit(apdu)

        terminal = Terminal(overheard)
        open_it(terminal)
        terminal.read(0x0101)
        terminal.active_authentication(bytes(8))
        dg14 = chip.personalisation.file(0x010E)
        terminal.chip_authentication(dg14, 2)
        terminal.chip_authentication(dg14, 1, by_kat=True)
        terminal.send(0, 0xB1, 1, 2, do(0x54, b"\x00"), le=6)
    return commands


class TestBytes:
    @pytest.mark.parametrize(
        "apdu", ["", "00", "00B000", "00B000000200", "00A4040C07A000", "00B0000000000000", "00A4040C000000"]
    )
    def test_lengths_that_do_not_fit(self, chip: Chip, apdu: str) -> None:
        assert plain(chip, apdu) == "6700"

    @pytest.mark.parametrize("cla", ["80", "04", "08", "20", "FF"])
    def test_classes_of_others(self, chip: Chip, cla: str) -> None:
        assert plain(chip, f"{cla}B09C0000") == "6e00"

    @settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(apdus=st.lists(st.binary(max_size=80), max_size=6))
    def test_any_bytes_are_answered(self, written, apdus: list[bytes]) -> None:
        chip = Chip(written)
        for apdu in apdus:
            assert len(chip.transmit(apdu)) >= 2

    @settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(data=st.data())
    def test_mutated_commands_are_answered(self, written, recorded: list[bytes], data: st.DataObject) -> None:
        chip = Chip(written, random=lambda size: bytes(size - 1) + b"\x07")
        for apdu in recorded[: data.draw(st.integers(0, len(recorded) - 1))]:
            assert len(chip.transmit(apdu)) >= 2
        apdu = bytearray(data.draw(st.sampled_from(recorded)))
        for _ in range(data.draw(st.integers(1, 4))):
            at = data.draw(st.integers(0, len(apdu) - 1))
            match data.draw(st.sampled_from("xid")):
                case "x":
                    apdu[at] ^= data.draw(st.integers(1, 255))
                case "i":
                    apdu.insert(at, data.draw(st.integers(0, 255)))
                case _ if len(apdu) > 1:
                    del apdu[at]
        assert len(chip.transmit(bytes(apdu))) >= 2


class TestProfiles:
    @pytest.mark.parametrize("chosen", [
        {"pace": ()},
        {"can": "12A456"},
        {"pace": (PaceInfo(Mapping.GENERIC, Cipher.AES_128, 1),)},
        {"chip_authentication_group": "modp2048-224"},
        {"pace": (PaceInfo(Mapping.CHIP_AUTHENTICATION, Cipher.AES_128, 12),
                  PaceInfo(Mapping.CHIP_AUTHENTICATION, Cipher.AES_128, 13))},
    ])  # fmt: skip
    def test_impossible_chips(self, chosen) -> None:
        with pytest.raises(ValueError, match=r"."):
            Profile(**chosen)

    @pytest.mark.parametrize("info", [
        (Mapping.CHIP_AUTHENTICATION, Cipher.AES_128, 0),
        (Mapping.CHIP_AUTHENTICATION, Cipher.TDES, 13),
        (Mapping.INTEGRATED, Cipher.AES_128, 10),
    ])  # fmt: skip
    def test_impossible_pace_variants(self, info) -> None:
        with pytest.raises(ValueError, match=r"."):
            PaceInfo(*info)

    def test_visas_have_no_chip(self, utopia: IssuingState) -> None:
        with pytest.raises(SimulatorError, match="MRV-A has no chip"):
            personalise(ERIKSSON[Format.MRV_A], utopia)

    def test_log_has_no_data_of_bearer(self, written) -> None:
        assert "L898902C3674" not in repr(written)
