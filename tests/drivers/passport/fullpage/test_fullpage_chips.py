"""Chip under the glass: read from the zone on, reported beside the images, without delaying them."""

import asyncio
from typing import Any

import fullpage_fixture as fullpage_rig
import pytest
from fullpage_fixture import DRIVERS, FullPageFixture, check, fullpage_fixture, outcomes, types
from support.devices.pcsc_slot import FakePcscSlot, SlotLinkFactory

from drivers.links.link import Action, Cause, LinkError
from drivers.observation import Outcome
from drivers.passport.observations import (
    ChipRead,
    DocumentRead,
    DocumentRemoved,
    ImageCaptured,
    MrzRead,
    TransactionEnd,
)
from simulators.mrz import Document, Format
from simulators.passport.chip import Chip, IssuingState, Profile
from simulators.passport.chip import faults as fault
from simulators.passport.fullpage.page import Page
from simulators.travellers import TravellerGenerator

EVERY_SERVICE = pytest.mark.parametrize("kind", sorted(DRIVERS))
UTOPIA = IssuingState.create()
PASSPORT: Document = TravellerGenerator(5).document(Format.TD3, issuer="UTO", expiry=fullpage_rig.VALID)
PAGE = Page(PASSPORT.lines)


@pytest.fixture
async def slot(monkeypatch: pytest.MonkeyPatch) -> FakePcscSlot:
    slot = FakePcscSlot()
    monkeypatch.setattr(fullpage_rig, "LinkFactory", lambda: SlotLinkFactory(slot))
    return slot


@pytest.fixture
def chip(tmp_path: Any) -> dict[str, Any]:
    (tmp_path / "csca.cer").write_bytes(UTOPIA.csca.der)
    (tmp_path / "csca.crl").write_bytes(UTOPIA.crl())
    return {"reader": "Slot", "trust": (tmp_path,), "card_timeout_s": 0.2, "return_timeout_s": 0.02}


async def placed(fixture: FullPageFixture, slot: FakePcscSlot, *faults: Any) -> list[Any]:
    slot.place(Chip.issue(PASSPORT, UTOPIA, Profile(details=False), faults))
    await fixture.device.present(PAGE)
    return await fixture.until(DocumentRead)


@EVERY_SERVICE
async def test_page_and_chip_are_one_document(kind: str, slot: FakePcscSlot, chip: dict[str, Any]) -> None:
    async with fullpage_fixture(kind, chip=chip) as fixture:
        observations = await placed(fixture, slot)
        read = observations[-1]
        assert len({one.transaction for one in observations}) == 1
        assert types(observations)[:2] == ["document.placed", "document.mrz"]
        assert {ImageCaptured, ChipRead} <= {type(one) for one in observations}
        assert (read.overall_outcome, read.end_reason) == (Outcome.SUCCESSFUL, TransactionEnd.COMPLETE)
        assert read.chip.mrz.document_number == PASSPORT.number
        assert {"combined.mrz_vs_dg1", "optical.ir_ab_mr"} <= set(outcomes(read))
        await fixture.device.scanner.remove()
        slot.place(None)
        await fixture.until(DocumentRemoved)


@EVERY_SERVICE
async def test_page_without_chip_and_broken_slot(kind: str, slot: FakePcscSlot, chip: dict[str, Any]) -> None:
    async with fullpage_fixture(kind, chip=chip | {"card_timeout_s": 0.01}) as fixture:
        read = await fixture.read(PAGE)
        assert outcomes(read)["chip.access"] == Outcome.UNDETERMINED
        slot.failure = LinkError(Cause.UNPLUGGED, "The chip reader was disconnected.", Action.REPLUG)
        read = await fixture.read(PAGE)
        assert outcomes(read)["chip.access"] == Outcome.ABORTED
        assert read.end_reason is TransactionEnd.COMPLETE


@EVERY_SERVICE
async def test_removal_during_chip_read(kind: str, slot: FakePcscSlot, chip: dict[str, Any]) -> None:
    async with fullpage_fixture(kind, chip=chip) as fixture:
        observations = await placed(fixture, slot, fault.CardRemoval(at=9))
        assert outcomes(observations[-1])["chip.sod_signature"] == Outcome.ABORTED
        await fixture.device.scanner.remove()
        await fixture.until(DocumentRemoved)
        assert (await placed(fixture, slot))[-1].overall_outcome is Outcome.SUCCESSFUL


@EVERY_SERVICE
async def test_removal_ends_the_wait_for_a_chip(kind: str, slot: FakePcscSlot, chip: dict[str, Any]) -> None:
    slow = {"step_s": 0.05}
    async with fullpage_fixture(kind, slow, chip=chip | {"card_timeout_s": 60}) as fixture:
        await fixture.device.present(PAGE)
        await fixture.next(MrzRead)
        await fixture.device.scanner.remove()
        async with asyncio.timeout(20):
            read = await fixture.next(DocumentRead)
        assert read.end_reason is TransactionEnd.REMOVED
        access = check(read, "chip.access")
        assert (access.outcome, access.reason) == (Outcome.ABORTED, "document_removed")
        await fixture.next(DocumentRemoved)
