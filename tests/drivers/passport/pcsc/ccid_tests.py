"""Tests in a namespace, run by test_pcsc.py: pcscd, libccid and libusb are real, the USB reader is not."""

import os
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from support.devices.ccid_service import CCID_SLOT, CcidService
from support.devices.other_pcsc_program import other_program

from drivers.links.factory import LinkFactory
from drivers.observation import Outcome
from drivers.passport.chip_reading import ChipReader, ChipSettings, open_chip_reader
from drivers.passport.chip_result import ChipResult
from drivers.passport.read_result import parse_mrz
from simulators.mrz import Format
from simulators.passport.ccid import CcidReader, ReaderModel
from simulators.passport.chip import Access, Chip, Cipher, IssuingState, Profile
from simulators.passport.chip import faults as fault
from simulators.travellers import TravellerGenerator

UTOPIA = IssuingState.create()
TRAVELLER = TravellerGenerator(7).document(Format.TD3, issuer="UTO")
OTHER = TravellerGenerator(8).document(Format.TD3, issuer="UTO")
QUICK = Profile(access=Access.PACE, chip_authentication=(Cipher.AES_128,), details=False)
LONG = Profile(access=Access.BAC, extended_length=True, image_padding=8000, details=False)
EVERY = os.environ.get("BORDERPOST_CARDS", "6") != "6"


class Counter:
    """The service, its reader, and the driver of chips."""

    def __init__(self, service: CcidService, chips: ChipReader) -> None:
        self.service, self.reader, self.chips = service, service.reader, chips

    async def place(self, *chips: Chip) -> None:
        """Put documents on the reader, once the service has noticed that those before are gone."""
        self.reader.clear()
        await self.chips.wait_until_removed()
        self.reader.place(*chips)

    async def read(self) -> ChipResult:
        *_, result = [step async for step in self.chips.read(parse_mrz(TRAVELLER.lines))]
        assert isinstance(result, ChipResult)
        return result


@asynccontextmanager
async def counter(folder: Path, model: ReaderModel | None = None) -> AsyncIterator[Counter]:
    (folder / "csca.cer").write_bytes(UTOPIA.csca.der)
    (folder / "csca.crl").write_bytes(UTOPIA.crl())
    reader = CcidReader(model or ReaderModel())
    async with CcidService(folder, reader) as service:
        settings = ChipSettings(
            reader=CCID_SLOT,
            trust=(folder / "csca.cer", folder / "csca.crl"),
            # Nothing here is about time, and the machine may be busy.
            card_timeout_s=60,
            retry_budget_s=120,
            return_timeout_s=30,
        )
        chips = await open_chip_reader(settings, LinkFactory())
        assert chips is not None
        yield Counter(service, chips)


def issued(profile: Profile, *faults: fault.ChipFault) -> Chip:
    return Chip.issue(TRAVELLER, UTOPIA, profile, faults)


def is_whole(result: ChipResult) -> bool:
    return result.data_groups_read == result.data_groups_listed and {
        check.outcome for check in result.checks
    } <= {Outcome.SUCCESSFUL, Outcome.NOT_SUPPORTED}


@pytest.mark.parametrize(
    ("model", "refused", "read_bytes", "limit"),
    [
        (ReaderModel(), 0, 4032, "chip"),
        (ReaderModel(states_extended=False, passes_extended=False), 0, 223, "reader"),
        (ReaderModel(states_extended=True, passes_extended=False), 1, 223, "reader"),
    ],
)
async def test_chip_is_read_in_one_session_by_any_slot(
    tmp_path: Path, model: ReaderModel, refused: int, read_bytes: int, limit: str
) -> None:
    async with counter(tmp_path, model) as fixture:
        for _ in range(2):
            await fixture.place(issued(LONG))
            result = await fixture.read()
            assert is_whole(result)
            assert (result.attempts, result.read_bytes, result.read_limit) == (1, read_bytes, limit)
            assert fixture.reader.refused_lengths == refused, "not tried again with the second document"
            print(f"{model}: {result.commands} commands, {result.duration_ms:.0f} ms")


def losses(commands: int) -> Iterable[int]:
    return range(1, commands + 1) if EVERY else (2, 30)


@pytest.mark.parametrize("for_s", [0.0, 0.3])
async def test_lost_field_costs_one_attempt(tmp_path: Path, for_s: float) -> None:
    async with counter(tmp_path) as fixture:
        await fixture.place(issued(QUICK))
        commands = (await fixture.read()).commands
        for at in losses(commands):
            await fixture.place(issued(QUICK, fault.FieldLoss(at=at, for_s=for_s)))
            result = await fixture.read()
            assert is_whole(result), at
            assert result.attempts == 2, at
            print(f"lost at {at} for {for_s} s: {result.duration_ms:.0f} ms")


@pytest.mark.skipif(not EVERY, reason="takes half a minute")
async def test_loss_at_every_command_in_turn_is_one_presentation(tmp_path: Path) -> None:
    async with counter(tmp_path) as fixture:
        chip = issued(QUICK, fault.RepeatedFieldLoss(first=1, step=1))
        await fixture.place(chip)
        result = await fixture.read()
        assert is_whole(result)
        assert result.attempts == chip.field_losses + 1 > 15
        print(f"{result.attempts} attempts, {result.commands} commands, {result.duration_ms:.0f} ms")


async def test_lost_reply_costs_one_attempt(tmp_path: Path) -> None:
    async with counter(tmp_path) as fixture:
        for at in (11, 30):
            await fixture.place(issued(QUICK, fault.LostReply(at=at)))
            result = await fixture.read()
            assert is_whole(result)
            assert result.attempts == 2


async def test_cancelled_session_ends_its_transaction(tmp_path: Path) -> None:
    async with counter(tmp_path) as fixture:
        await fixture.place(issued(QUICK))
        steps = fixture.chips.read(parse_mrz(TRAVELLER.lines))
        await anext(steps)
        assert fixture.chips.cancel()
        *_, result = [step async for step in steps]
        assert "card_removed" in {check.reason for check in result.checks}
        async with other_program("hold", f"{CCID_SLOT} 00 00"):
            pass


async def test_document_below_another_is_read(tmp_path: Path) -> None:
    async with counter(tmp_path) as fixture:
        await fixture.place(issued(QUICK), Chip.issue(OTHER, UTOPIA, QUICK))
        result = await fixture.read()
        assert is_whole(result)
        assert result.lines == TRAVELLER.lines


async def test_service_may_restart_between_documents(tmp_path: Path) -> None:
    async with counter(tmp_path) as fixture:
        for _ in range(2):
            await fixture.place(issued(QUICK))
            assert is_whole(await fixture.read())
            fixture.reader.clear()
            await fixture.service.stop()
            await fixture.service.start()
