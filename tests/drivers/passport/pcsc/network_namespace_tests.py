"""Tests in a network namespace, run by test_pcsc.py: driver, pty and pcscd are real, card and reader are not.

`BORDERPOST_CARDS` sets how often a document is placed and removed.
"""

import asyncio
import os
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from support.devices.chip_counter import SLOT as SLOT_NAME
from support.devices.chip_counter import ChipCounter, counter_in
from support.devices.other_pcsc_program import other_program

from drivers.links.factory import LinkFactory
from drivers.links.link import Cause, LinkError
from drivers.observation import Outcome
from drivers.passport.observations import ChipRead, DocumentRemoved, MrzRead, TransactionEnd
from simulators.mrz import Format
from simulators.passport.chip import (
    Access,
    ActiveAuthentication,
    Chip,
    Cipher,
    IssuingState,
    Profile,
)
from simulators.passport.chip import faults as fault
from simulators.travellers import TravellerGenerator

UTOPIA = IssuingState.create()
TRAVELLERS = TravellerGenerator(20261124)
TIMES = int(os.environ.get("BORDERPOST_CARDS", "6"))
QUICK = Profile(access=Access.PACE, chip_authentication=(Cipher.AES_128,), details=False)


@pytest.fixture
async def post(tmp_path: Path) -> AsyncIterator[ChipCounter]:
    async with counter_in(tmp_path, UTOPIA) as counter:
        yield counter


@pytest.fixture
async def patient_post(tmp_path: Path) -> AsyncIterator[ChipCounter]:
    """The post, waiting for a lost chip for as long as it takes on a busy machine."""
    async with counter_in(tmp_path, UTOPIA, return_timeout_s=30) as counter:
        yield counter


@pytest.mark.parametrize(
    ("profile", "check"),
    [
        (QUICK, "chip.chip_authentication"),
        (
            Profile(access=Access.BAC, active_authentication=ActiveAuthentication.RSA_SHA1),
            "chip.active_authentication",
        ),
    ],
)
async def test_genuine_document_is_authenticated(post: ChipCounter, profile: Profile, check: str) -> None:
    document = TRAVELLERS.document(Format.TD3, issuer="UTO")
    read = await post.present(document, Chip.issue(document, UTOPIA, profile))
    outcomes = {made.id: made.outcome for made in read.checks}
    assert outcomes[check] is Outcome.SUCCESSFUL
    assert outcomes["chip.dsc_signature"] is Outcome.SUCCESSFUL
    assert outcomes["combined.mrz_vs_dg1"] is Outcome.SUCCESSFUL
    assert read.overall_outcome is Outcome.SUCCESSFUL
    assert (await post.until(ChipRead)).attachments[0].role == "chip_face"
    await post.remove_chip()
    assert isinstance(post.said[0], MrzRead)


async def test_removal_aborts_and_next_read_is_clean(post: ChipCounter) -> None:
    document = TRAVELLERS.document(Format.TD3, issuer="UTO")
    commands = (await post.present(document, Chip.issue(document, UTOPIA, QUICK))).chip.commands
    await post.remove_chip()
    every = range(1, commands + 1) if TIMES > 100 else (1, 2, 7, commands // 2, commands)
    for at in every:
        read = await post.present(document, Chip.issue(document, UTOPIA, QUICK, [fault.CardRemoval(at=at)]))
        assert read.end_reason is TransactionEnd.REMOVED, at
        assert {made.outcome for made in read.checks if made.reason == "card_removed"} == {Outcome.ABORTED}
        assert Outcome.FAILED not in {made.outcome for made in read.checks}
        await post.until(DocumentRemoved)
    read = await post.present(document, Chip.issue(document, UTOPIA, QUICK))
    assert read.overall_outcome is Outcome.SUCCESSFUL


async def test_lost_field_is_opened_again(patient_post: ChipCounter) -> None:
    post = patient_post
    document = TRAVELLERS.document(Format.TD3, issuer="UTO")
    commands = (await post.present(document, Chip.issue(document, UTOPIA, QUICK))).chip.commands
    await post.remove_chip()
    for at in range(1, commands + 1) if TIMES > 100 else (11, 30):
        chip = Chip.issue(document, UTOPIA, QUICK, [fault.FieldLoss(at=at)])
        read = await post.present(document, chip)
        assert read.end_reason is TransactionEnd.COMPLETE, at
        assert Outcome.ABORTED not in {made.outcome for made in read.checks}, at
        assert read.chip.attempts == 2
        assert read.chip.data_groups_read == (1, 2, 14)
        await post.remove_chip()


async def test_other_program_does_not_break_session(post: ChipCounter) -> None:
    document = TRAVELLERS.document(Format.TD3, issuer="UTO")
    await post.place_chip(Chip.issue(document, UTOPIA, QUICK))
    async with other_program("meddle", SLOT_NAME):
        read = await post.present(document, None)
        assert read.chip.attempts == 1
        assert Outcome.ABORTED not in {made.outcome for made in read.checks}
        assert read.chip.data_groups_read == (1, 2, 14)
    await post.remove_chip()


async def test_program_that_holds_the_slot_is_named(post: ChipCounter) -> None:
    document = TRAVELLERS.document(Format.TD3, issuer="UTO")
    await post.place_chip(Chip.issue(document, UTOPIA, QUICK))
    async with other_program("hold", SLOT_NAME) as program:
        for _ in range(2):
            read = await post.present(document, None)
            (check,) = [made for made in read.checks if made.id == "chip.access"]
            assert (check.outcome, check.reason) == (Outcome.ABORTED, "port_held")
            assert f"(pid {program.pid}) keeps the chip reader for itself" in check.text
            waiting = [one for one in threading.enumerate() if one.name == "pcsc-connect"]
            assert len(waiting) == 1, "one wait for the slot, however many documents come"
    read = await post.present(document, None)
    assert read.chip.data_groups_read == (1, 2, 14)
    await post.remove_chip()


async def test_many_documents_leak_nothing(post: ChipCounter) -> None:
    def usage() -> tuple[int, int]:
        return threading.active_count(), len([*Path("/proc/self/fd").iterdir()])

    before = None
    for _ in range(TIMES):
        document = TRAVELLERS.document(Format.TD3, issuer="UTO")
        read = await post.present(document, Chip.issue(document, UTOPIA, QUICK))
        # Some travellers have an expired passport.
        assert {made.id for made in read.checks if made.outcome is Outcome.FAILED} <= {"combined.not_expired"}
        assert read.chip.lines == document.lines
        await post.remove_chip()
        threads, descriptors = usage()
        before = before or (threads, descriptors)
        assert threads <= before[0] + 2, "threads of the loop's own executor"
        assert descriptors <= before[1] + 1


async def test_no_chip_and_missing_reader(post: ChipCounter) -> None:
    document = TRAVELLERS.document(Format.TD3, issuer="UTO")
    read = await post.present(document, None)
    (check,) = [made for made in read.checks if made.id == "chip.access"]
    assert (check.outcome, check.reason) == (Outcome.UNDETERMINED, "chip_expected")

    with pytest.raises(LinkError, match=r'No chip reader "ACS" .* lists: "Virtual PCD') as caught:
        async with LinkFactory().smart_card("ACS"):
            pass
    assert caught.value.cause is Cause.NO_DEVICE
    with pytest.raises(LinkError, match="2 slots begin with") as caught:
        async with LinkFactory().smart_card("Virtual"):
            pass
    assert caught.value.cause is Cause.ADDRESS_AMBIGUOUS


async def test_cancelled_wait_releases_slot() -> None:
    async def hold() -> None:
        async with LinkFactory().smart_card("Virtual PCD 00 00"):
            await asyncio.Event().wait()

    for _ in range(5):
        holding = asyncio.create_task(hold())
        await asyncio.sleep(0)  # it is waiting for the service, in its thread
        holding.cancel()
        await asyncio.gather(holding, return_exceptions=True)
