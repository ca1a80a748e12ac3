"""Chips that lose the field or fail at long reads, and readers that pass on short commands only."""

from collections.abc import Iterable

import pytest
from support.chips.sessions import OTHER, TRAVELLER, ChipSlot, issued, outcomes, unlike_good, zone

from drivers.passport.chip_result import ReadLimit
from drivers.passport.emrtd import ReaderFailedError
from drivers.passport.emrtd.transport.read_length import SAFE_CHUNK, SHORT_CHUNK, ReadLength
from simulators.passport.chip import Access, ActiveAuthentication, Cipher, Mapping, PaceInfo, Profile
from simulators.passport.chip import faults as fault

PACE = Profile(access=Access.PACE, chip_authentication=(Cipher.AES_128,), details=False)
BAC = Profile(access=Access.BAC, active_authentication=ActiveAuthentication.ECDSA, details=False)
LONG = Profile(access=Access.BAC, details=False, extended_length=True, image_padding=3000)


# A chip that loses the field


def commands_of(profile: Profile) -> int:
    return ChipSlot(issued(profile)).read().commands


def check_loss_at(profile: Profile, every: Iterable[int]) -> None:
    for at in every:
        result = ChipSlot(issued(profile, fault.FieldLoss(at=at))).read()
        assert unlike_good(result) == {}, at
        assert result.attempts == 2
        assert result.data_groups_read == result.data_groups_listed


@pytest.mark.parametrize("profile", [PACE, BAC])
def test_loss_at_some_commands_costs_one_attempt(profile: Profile) -> None:
    check_loss_at(profile, (1, 5, 12, 13, 20, 33, commands_of(profile) - 1, commands_of(profile)))


@pytest.mark.thorough
@pytest.mark.parametrize("profile", [PACE, BAC])
def test_loss_at_each_command_costs_one_attempt(profile: Profile) -> None:
    check_loss_at(profile, range(1, commands_of(profile) + 1))


@pytest.mark.parametrize("at", [2, 9, 12, 30])
def test_lost_reply_costs_one_attempt(at: int) -> None:
    for profile in (BAC, LONG):
        result = ChipSlot(issued(profile, fault.LostReply(at=at))).read()
        assert unlike_good(result) == {}
        assert result.attempts == (2 if at < commands_of(profile) else 1)


def test_loss_at_every_command_in_turn_is_read_whole() -> None:
    chip = issued(BAC, fault.RepeatedFieldLoss(first=1, step=1))
    progress, result = ChipSlot(chip).run()
    assert unlike_good(result) == {}
    assert result.attempts == chip.field_losses + 1 > 15
    assert [step.attempt for step in progress] == sorted(step.attempt for step in progress)


def test_chip_that_never_lasts_for_a_file_is_read() -> None:
    # Some thirty reads of the face, and ten in each session.
    result = ChipSlot(issued(BAC, fault.RepeatedFieldLoss(first=20, step=0))).read()
    assert unlike_good(result) == {}


def test_bytes_that_arrived_are_not_read_again() -> None:
    whole = ChipSlot(issued(BAC)).read()
    result = ChipSlot(issued(BAC, fault.FieldLoss(at=40))).read()
    # The lost command, an opening, and the choice of the file again.
    assert result.commands <= whole.commands + 10


def test_lost_for_good_keeps_what_was_read() -> None:
    lasting = issued(BAC, fault.RepeatedFieldLoss(first=30, step=0))
    result = ChipSlot(lasting, power_ups=0).read()
    assert result.lines == TRAVELLER.lines
    assert result.attempts == 1
    assert ("aborted", "field_lost") in outcomes(result).values()
    assert "failed" not in {outcome for outcome, _ in outcomes(result).values()}


def test_document_lifted_and_put_back_goes_on() -> None:
    chip = issued(BAC, fault.CardRemoval(at=30))
    reader = ChipSlot(chip)
    reader.before_power_up = chip.insert
    assert unlike_good(reader.read()) == {}


def test_other_document_put_there_is_named() -> None:
    reader = ChipSlot(issued(BAC, fault.CardRemoval(at=30)))
    reader.before_power_up = lambda: setattr(reader, "chips", [issued(BAC, document=OTHER)])
    result = reader.read()
    assert result.lines == TRAVELLER.lines
    assert unlike_good(result)["chip.data_group_hash.DG2"] == ("aborted", "document_changed")
    assert "failed" not in {outcome for outcome, _ in outcomes(result).values()}


def test_files_of_chips_without_key_are_not_mixed() -> None:
    first = issued(Profile(access=Access.OPEN, details=False), fault.CardRemoval(at=14))
    reader = ChipSlot(first)
    reader.before_power_up = lambda: setattr(
        reader, "chips", [issued(Profile(access=Access.OPEN, details=False), document=OTHER)]
    )
    result = reader.read(printed=zone(OTHER.lines))
    assert result.lines == OTHER.lines
    assert unlike_good(result) == {"chip.access": ("not_supported", "access_uncontrolled")}


def test_document_below_another_is_found() -> None:
    result = ChipSlot(issued(BAC, document=OTHER), issued(BAC)).read()
    assert unlike_good(result) == {}
    assert result.attempts == 2


def test_wrong_key_is_tried_twice_only() -> None:
    reader = ChipSlot(issued(BAC, fault.WrongKey()))
    result = reader.read()
    assert result.attempts == 2
    assert unlike_good(result)["chip.access"] == ("failed", "access_denied")


def test_failed_reader_keeps_what_was_read() -> None:
    reader = ChipSlot(issued(BAC))
    calls = iter(range(30))

    def fail() -> None:
        if next(calls, None) is None:
            raise ReaderFailedError

    reader.before_command = fail
    result = reader.read()
    assert result.lines == TRAVELLER.lines
    assert result.attempts == 1
    assert ("aborted", "reader_failed") in outcomes(result).values()


# Lengths


@pytest.mark.parametrize("effect", ["field-loss", "wrong-length", "session-end"])
@pytest.mark.parametrize(("most", "left"), [(160, SAFE_CHUNK), (223, SHORT_CHUNK), (1000, SHORT_CHUNK)])
def test_long_reads_that_fail_become_shorter(effect: str, most: int, left: int) -> None:
    chip = issued(LONG, fault.LimitedReads.model_validate({"most": most, "effect": effect}))
    result = ChipSlot(chip).read()
    assert unlike_good(result) == {}
    assert (result.read_bytes, result.read_limit) == (left, ReadLimit.ERRORS)
    assert result.attempts <= 3
    assert (result.attempts == 1) == (effect == "wrong-length")


def test_reader_of_short_commands_reads_in_one_session() -> None:
    reader = ChipSlot(issued(LONG), passes_extended=False)
    result = reader.read()
    assert unlike_good(result) == {}
    assert (result.attempts, reader.extended) == (1, 1)
    assert (result.read_bytes, result.read_limit) == (SHORT_CHUNK, ReadLimit.READER)


def test_reader_that_states_short_gets_no_long_command() -> None:
    reader = ChipSlot(issued(LONG), passes_extended=False)
    result = reader.read(extended_length=False)
    assert unlike_good(result) == {}
    assert (reader.extended, result.read_limit) == (0, ReadLimit.READER)


def test_loss_at_first_long_command_is_not_blamed_on_reader() -> None:
    # Two files without access, the application, BAC, and the choice of EF.COM come before.
    reader = ChipSlot(issued(LONG, fault.FieldLoss(at=8)))
    result = reader.read()
    assert unlike_good(result) == {}
    assert (reader.extended > 0, result.attempts) == (True, 2)
    assert result.read_limit is not ReadLimit.READER


@pytest.mark.parametrize("stated", [True, False])
def test_long_signature_needs_a_reader_for_it(stated: bool) -> None:
    profile = Profile(
        access=Access.BAC,
        active_authentication=ActiveAuthentication.RSA_SHA256,
        active_authentication_bits=2048,
        extended_length=True,
        details=False,
    )
    reader = ChipSlot(issued(profile), passes_extended=False)
    assert unlike_good(reader.read(extended_length=not stated)) == {
        "chip.active_authentication": ("undetermined", "reader_short_only")
    }


@pytest.mark.parametrize("stated", [True, False])
def test_long_key_agreement_needs_a_reader_for_it(stated: bool) -> None:
    info = PaceInfo(Mapping.GENERIC, Cipher.AES_128, 2)  # a group of 2,048 bits
    profile = Profile(access=Access.PACE, pace=(info,), extended_length=True, details=False)
    result = ChipSlot(issued(profile), passes_extended=False).read(extended_length=not stated)
    found = unlike_good(result)
    assert found.pop("chip.access") == ("undetermined", "reader_short_only")
    assert set(found.values()) == {("aborted", "reader_short_only")}


@pytest.mark.parametrize("longest", [SAFE_CHUNK, SHORT_CHUNK, 0x1000])
def test_steps_end_at_safe_length(longest: int) -> None:
    length = ReadLength(longest)
    for _ in range(5):
        length.in_flight = length.longest
        length.on_lost()
        length.in_flight = length.longest
        length.on_lost()
    assert length.longest == SAFE_CHUNK
    length.in_flight = SAFE_CHUNK
    assert not length.step_down()


def test_one_loss_at_a_proved_length_changes_nothing() -> None:
    length = ReadLength(0x1000)
    length.in_flight = 0x1000
    length.on_answer()
    length.in_flight = 0x1000
    length.on_lost()
    assert (length.longest, length.limit) == (0x1000, ReadLimit.CHIP)
    length.in_flight = 0x1000
    length.on_lost()
    assert (length.longest, length.limit) == (SHORT_CHUNK, ReadLimit.ERRORS)
