"""Travellers: what came of one transaction, and what is missing."""

from typing import Any

import pytest
from support.client.events import event

from drivers.barrier.observations import BarrierPassage, BarrierState
from drivers.camera.observations import FaceCaptured
from drivers.fingerprint.observations import CaptureEnded, FingerCaptured
from drivers.observation import Observation
from drivers.passport.chip_result import ChipResult
from drivers.passport.observations import (
    ChipRead,
    DocumentChecked,
    DocumentRead,
    DocumentRemoved,
    ImageCaptured,
    MrzRead,
)
from gateway.client import Part, ReceivedEvent, Traveller, TravellerGathering, gather_travellers
from gateway.contract.documents.schemas import example

WANTED = (Part.DOCUMENT, Part.CHIP, Part.PAGE, Part.PORTRAIT, Part.PRINTS, Part.PASSAGE)
CHECK = {"id": "chip.trust", "group": "electronic", "outcome": "successful"}


def chip() -> dict[str, Any]:
    return example(ChipResult) | {"checks": [CHECK]}


def test_whole_traveller_is_gathered() -> None:
    gathering = TravellerGathering(WANTED)
    steps: list[tuple[ReceivedEvent, Part | None]] = [
        (event(MrzRead), None),
        (event(ImageCaptured, images={"page_visible": b"page"}), Part.PAGE),
        (event(ChipRead, images={"chip_face": b"face"}, chip=chip()), Part.CHIP),
        (event(DocumentRead, previous_side_transaction=None), Part.DOCUMENT),
        (event(FaceCaptured, images={"face": b"portrait"}), Part.PORTRAIT),
        (event(FingerCaptured, images={"image_png": b"print"}), Part.PRINTS),
        (event(CaptureEnded), None),
        (event(BarrierPassage), Part.PASSAGE),
    ]
    missing = list(WANTED)
    seen = set()
    for arrived, part in steps:
        traveller = gathering.take(arrived)
        assert traveller is not None
        seen.add(id(traveller))
        if part is not None:
            missing.remove(part)
        assert list(traveller.missing) == [one for one in Part if one in missing]

    assert len(seen) == 1
    assert traveller.is_complete
    assert traveller.images == {"page_visible": b"page", "chip_face": b"face"}
    assert traveller.portrait is not None
    assert traveller.portrait.image == b"portrait"
    assert [one.images for one in traveller.prints] == [{"image_png": b"print"}]
    assert {check.id for check in traveller.checks} >= {"mrz.check_digits", "chip.trust"}
    assert traveller.is_simulated


def test_document_without_chip_misses_none() -> None:
    traveller = TravellerGathering((Part.DOCUMENT, Part.CHIP)).take(event(DocumentRead, chip=None))

    assert traveller is not None
    assert traveller.missing == ()


def test_person_who_turned_back_has_not_passed() -> None:
    traveller = Traveller("t-1", frozenset({Part.PASSAGE}))
    traveller.take(event(BarrierPassage, direction="turned_back"))
    assert traveller.missing == (Part.PASSAGE,)
    traveller.take(event(BarrierPassage, direction="forward"))
    assert traveller.is_complete


def test_newest_result_of_a_check_counts() -> None:
    traveller = Traveller("t-1")
    traveller.take(event(DocumentChecked, checks=[CHECK | {"outcome": "aborted"}]))
    traveller.take(event(DocumentChecked, checks=[CHECK]))

    assert [check.outcome for check in traveller.checks] == ["successful"]


def test_presence_of_the_document_follows_the_reader() -> None:
    traveller = Traveller("t-1")
    traveller.take(event(MrzRead))
    assert traveller.is_document_present
    traveller.take(event(DocumentRemoved))
    assert not traveller.is_document_present


def test_image_that_did_not_arrive_is_named() -> None:
    lost = event(ImageCaptured, images={"page_ir": b"x"})
    lost.images.clear()
    traveller = Traveller("t-1")
    traveller.take(lost)

    assert traveller.lost_images == ["page_ir"]


def test_second_side_of_a_card_knows_the_first() -> None:
    gathering = TravellerGathering()
    front = gathering.take(event(DocumentRead, "front", previous_side_transaction=None))
    back = gathering.take(event(DocumentRead, "back", previous_side_transaction="front"))

    assert back is not None
    assert back.other_side is front


@pytest.mark.parametrize("of", [BarrierState])
def test_event_about_no_traveller_makes_none(of: type[Observation]) -> None:
    assert TravellerGathering().take(event(of)) is None


def test_forgotten_and_old_travellers_are_wiped() -> None:
    gathering = TravellerGathering(limit=2)
    travellers = [gathering.take(event(DocumentRead, f"t-{number}")) for number in range(3)]
    oldest, kept, newest = (one for one in travellers if one is not None)
    assert (oldest.document, oldest.checks, oldest.transaction) == (None, (), "t-0")
    assert kept.document is not None

    gathering.forget(newest)
    assert (newest.document, newest.images, newest.mrz) == (None, {}, None)
    again = gathering.take(event(DocumentRemoved, "t-2"))
    assert again is not newest

    gathering.forget_all()
    assert kept.document is None


def test_kept_traveller_outlasts_any_number_of_others() -> None:
    """A reader goes on reading while a person is at the gate."""
    gathering = TravellerGathering(limit=2)
    travellers = []
    for number in range(4):
        traveller = gathering.take(event(DocumentRead, f"t-{number}"))
        assert traveller is not None
        travellers.append(traveller)
        gathering.keep(travellers[0])

    assert [one.document is not None for one in travellers] == [True, False, True, True]
    assert gathering.take(event(BarrierPassage, "t-0")) is travellers[0]
    gathering.forget(travellers[0])
    assert travellers[0].document is None


def test_wiping_old_traveller_keeps_new_one_of_its_transaction() -> None:
    gathering = TravellerGathering()
    first = gathering.take(event(DocumentRead))
    assert first is not None
    gathering.forget(first)
    second = gathering.take(event(DocumentRead))
    gathering.forget(first)

    assert gathering.take(event(DocumentRemoved)) is second


def test_nothing_of_a_person_is_printed() -> None:
    traveller = Traveller("t-1")
    traveller.take(event(DocumentRead))
    traveller.take(event(FaceCaptured, images={"face": b"portrait"}))

    assert "ERIKSSON" not in repr(traveller)
    assert "portrait'" not in repr(traveller)


async def test_traveller_comes_with_each_event() -> None:
    async def events() -> Any:
        for one in (event(MrzRead), event(BarrierState), event(DocumentRead)):
            yield one

    gathering = TravellerGathering((Part.DOCUMENT,))
    found = [traveller.missing async for traveller in gather_travellers(events(), gathering)]

    assert found == [(Part.DOCUMENT,), ()]
