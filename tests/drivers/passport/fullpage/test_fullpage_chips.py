"""The chip under the glass: begun with the zone, told beside the images, never in their way."""

from typing import Any

import fullpage_fixture as fullpage_rig
import pytest
from fullpage_fixture import DRIVERS, Rig, outcomes, rig, types
from support.devices.pcsc_slot import Slot, SlotLinks

from drivers.links.link import Action, Cause, LinkError
from drivers.observation import Outcome
from drivers.passport.observations import ChipRead, DocumentRead, DocumentRemoved, Ended, ImageCaptured
from simulators.mrz import Document, Format
from simulators.passport.chip import Chip, IssuingState, Profile
from simulators.passport.chip import faults as fault
from simulators.passport.fullpage.page import Page
from simulators.travellers import Travellers

EVERY_SERVICE = pytest.mark.parametrize("kind", sorted(DRIVERS))
UTOPIA = IssuingState.found()
PASSPORT: Document = Travellers(5).document(Format.TD3, issuer="UTO", expiry=fullpage_rig.VALID)
PAGE = Page(PASSPORT.lines)


@pytest.fixture
async def slot(monkeypatch: pytest.MonkeyPatch) -> Slot:
    slot = Slot()
    monkeypatch.setattr(fullpage_rig, "Links", lambda: SlotLinks(slot))
    return slot


@pytest.fixture
def chip(tmp_path: Any) -> dict[str, Any]:
    (tmp_path / "csca.cer").write_bytes(UTOPIA.csca.der)
    (tmp_path / "csca.crl").write_bytes(UTOPIA.crl())
    return {"reader": "Slot", "trust": (tmp_path,), "wait_s": 0.2}


async def placed(here: Rig, slot: Slot, *faults: Any) -> list[Any]:
    slot.lay(Chip.issued(PASSPORT, UTOPIA, Profile(details=False), faults))
    await here.device.present(PAGE)
    return await here.until(DocumentRead)


@EVERY_SERVICE
async def test_page_and_chip_are_one_document(kind: str, slot: Slot, chip: dict[str, Any]) -> None:
    async with rig(kind, chip=chip) as here:
        said = await placed(here, slot)
        read = said[-1]
        assert len({one.transaction for one in said}) == 1
        assert types(said)[:2] == ["document.placed", "document.mrz"]
        assert {ImageCaptured, ChipRead} <= {type(one) for one in said}
        assert (read.overall, read.ended) == (Outcome.SUCCESSFUL, Ended.COMPLETE)
        assert read.chip.mrz.document_number == PASSPORT.number
        assert {"combined.mrz_vs_dg1", "optical.ir_ab_mr"} <= set(outcomes(read))
        await here.device.glass.take()
        slot.lay(None)
        await here.until(DocumentRemoved)


@EVERY_SERVICE
async def test_a_page_without_a_chip_and_one_with_a_broken_slot(
    kind: str, slot: Slot, chip: dict[str, Any]
) -> None:
    async with rig(kind, chip=chip | {"wait_s": 0.01}) as here:
        read = await here.read(PAGE)
        assert outcomes(read)["chip.access"] == Outcome.UNDETERMINED
        slot.failure = LinkError(Cause.UNPLUGGED, "The chip reader went away.", Action.REPLUG)
        read = await here.read(PAGE)
        assert outcomes(read)["chip.access"] == Outcome.ABORTED
        assert read.ended is Ended.COMPLETE


@EVERY_SERVICE
async def test_a_document_taken_away_during_the_chip(kind: str, slot: Slot, chip: dict[str, Any]) -> None:
    async with rig(kind, chip=chip) as here:
        said = await placed(here, slot, fault.Removed(at=9))
        assert outcomes(said[-1])["chip.sod_signature"] == Outcome.ABORTED
        await here.device.glass.take()
        await here.until(DocumentRemoved)
        assert (await placed(here, slot))[-1].overall is Outcome.SUCCESSFUL
