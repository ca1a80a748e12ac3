"""A zone, then the chip, under one transaction; whatever the reader says next comes first."""

import asyncio
import contextlib
import io
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from support.devices.pcsc_slot import SlotLinkFactory

from drivers.links.link import Action, Cause, LinkError
from drivers.observation import Outcome, redact
from drivers.passport.chip_reading import ChipReader, ChipSettings, add_chip_reads, open_chip_reader
from drivers.passport.emrtd.jpeg2000 import jpeg2000_to_jpeg
from drivers.passport.mrz import MrzFormat
from drivers.passport.observations import (
    ChipRead,
    ChipReadProgress,
    DocumentChecked,
    DocumentRead,
    DocumentRemoved,
    MrzRead,
    ReadFailed,
    ReadTrigger,
    TransactionEnd,
)
from drivers.passport.read_result import document_read, not_a_document_frame, parse_mrz
from simulators.mrz import Format as Printed
from simulators.passport.chip import Chip, IssuingState, Profile
from simulators.passport.chip import faults as fault
from simulators.passport.chip.face import ImageFormat
from simulators.travellers import TravellerGenerator

UTOPIA = IssuingState.create()
TRAVELLER = TravellerGenerator(7).document(Printed.TD3, issuer="UTO")
OTHER = TravellerGenerator(8).document(Printed.TD3, issuer="UTO")
CARD = TravellerGenerator(9).document(Printed.TD1, issuer="UTO")


def issued(profile: Profile | None = None, faults: Any = ()) -> Chip:
    return Chip.issue(TRAVELLER, UTOPIA, profile or Profile(), faults)


def zone_read(document: Any = TRAVELLER) -> DocumentRead:
    return document_read(document.lines, parse_mrz(document.lines), ReadTrigger.SWIPE, b"wire")


class Counter:
    """A reader of zones, its slot, and what came of both."""

    def __init__(self, links: SlotLinkFactory, chips: ChipReader) -> None:
        self.slot = links.slot
        self.zones: asyncio.Queue[Any] = asyncio.Queue()
        self.said: list[Any] = []
        self._listening = asyncio.create_task(self._listen(chips))

    async def _zones(self) -> AsyncIterator[Any]:
        while True:
            zone = await self.zones.get()
            if isinstance(zone, Exception):
                raise zone
            yield zone

    async def _listen(self, chips: ChipReader) -> None:
        async with contextlib.aclosing(add_chip_reads(self._zones(), chips)) as observations:
            async for observation in observations:
                self.said.append(observation)

    async def until(self, kind: type[Any], count: int = 1) -> Any:
        async with asyncio.timeout(20):
            while len(found := [one for one in self.said if isinstance(one, kind)]) < count:
                assert not self._listening.done(), self._listening.exception()
                await asyncio.sleep(0.005)
        return found[count - 1]

    async def failed(self) -> Exception:
        with pytest.raises(LinkError) as caught:
            await self._listening
        return caught.value

    async def close(self) -> None:
        self._listening.cancel()
        await asyncio.gather(self._listening, return_exceptions=True)


@contextlib.asynccontextmanager
async def counter(tmp_path: Path, **settings: Any) -> AsyncIterator[Counter]:
    (tmp_path / "csca.cer").write_bytes(UTOPIA.csca.der)
    (tmp_path / "csca.crl").write_bytes(UTOPIA.crl())
    links = SlotLinkFactory()
    wanted = ChipSettings(**{"reader": "Slot", "trust": (tmp_path,), "wait_s": 0.2, **settings})
    chips = await open_chip_reader(wanted, links)
    assert chips is not None
    running = Counter(links, chips)
    try:
        yield running
    finally:
        await running.close()
        await asyncio.get_running_loop().shutdown_default_executor()


async def test_a_document_is_told_in_pieces_under_one_transaction(tmp_path: Path) -> None:
    async with counter(tmp_path) as desk:
        desk.slot.place(issued())
        desk.zones.put_nowait(zone_read())
        read = await desk.until(DocumentRead)
        desk.slot.place(None)
        await desk.until(DocumentRemoved)

    kinds = [type(one) for one in desk.said]
    assert kinds[0] is MrzRead
    assert set(kinds[1:-3]) == {ChipReadProgress}
    assert kinds[-3:] == [ChipRead, DocumentRead, DocumentRemoved]
    assert len({one.transaction for one in desk.said}) == 1
    files = [one.progress.file for one in desk.said if isinstance(one, ChipReadProgress)]
    assert 2 <= files.count("DG2") <= 6, "progress is told in quarters, not in every command"
    chip = desk.said[-3]
    assert [image.role for image in chip.attachments] == ["chip_face"]
    assert chip.attachments[0].content.startswith(b"\xff\xd8\xff")
    assert read.overall is Outcome.SUCCESSFUL
    assert read.chip.mrz.document_number == TRAVELLER.number
    assert {"mrz.check_digits", "combined.mrz_vs_dg1", "chip.sod_signature"} <= {c.id for c in read.checks}
    assert read.ended is TransactionEnd.COMPLETE
    assert TRAVELLER.number not in str([redact(one) for one in desk.said])


@pytest.mark.parametrize(
    ("expected", "document", "outcome", "sum_"),
    [
        ("passports", TRAVELLER, Outcome.UNDETERMINED, Outcome.UNDETERMINED),
        ("passports", CARD, Outcome.NOT_SUPPORTED, Outcome.SUCCESSFUL),
        ("always", CARD, Outcome.UNDETERMINED, Outcome.UNDETERMINED),
        ("never", TRAVELLER, Outcome.NOT_SUPPORTED, Outcome.SUCCESSFUL),
    ],
)
async def test_no_chip_is_a_finding_only_where_one_is_expected(
    tmp_path: Path, expected: str, document: Any, outcome: Outcome, sum_: Outcome
) -> None:
    async with counter(tmp_path, expected=expected, wait_s=0.02) as desk:
        desk.zones.put_nowait(zone_read(document))
        read = await desk.until(DocumentRead)
    assert {check.id: check.outcome for check in read.checks}["chip.access"] is outcome
    assert read.overall is sum_
    assert [type(one) for one in desk.said] == [MrzRead, DocumentChecked, DocumentRead]


async def test_taken_away_at_any_command_it_is_aborted_and_the_next_is_read(tmp_path: Path) -> None:
    profile = Profile(details=False)
    async with counter(tmp_path, wait_s=5) as desk:
        for number, at in enumerate((1, 2, 5, 11, 30), start=1):
            desk.slot.place(issued(profile, [fault.CardRemoval(at=at)]))
            desk.zones.put_nowait(zone_read())
            read = await desk.until(DocumentRead, number)
            assert read.ended is TransactionEnd.REMOVED
            assert {c.outcome for c in read.checks if c.reason == "card_removed"} == {Outcome.ABORTED}
            assert read.overall is Outcome.ABORTED
            await desk.until(DocumentRemoved, number)
        desk.slot.place(issued(profile))
        desk.zones.put_nowait(zone_read())
        assert (await desk.until(DocumentRead, 6)).overall is Outcome.SUCCESSFUL
    assert desk.slot.released == 6


async def test_the_next_document_does_not_wait_for_the_chip_of_the_one_before(tmp_path: Path) -> None:
    async with counter(tmp_path) as desk:
        asked, go_on = threading.Event(), threading.Event()

        def hold() -> None:
            asked.set()
            assert go_on.wait(10)

        desk.slot.place(issued())
        desk.slot.before_command = hold
        desk.zones.put_nowait(zone_read())
        await asyncio.to_thread(asked.wait, 10)
        desk.zones.put_nowait(zone_read(OTHER))
        await asyncio.sleep(0)
        while desk.zones.qsize():
            await asyncio.sleep(0.001)
        await asyncio.sleep(0.01)
        desk.slot.before_command = lambda: None
        desk.slot.place(Chip.issue(OTHER, UTOPIA))
        go_on.set()
        first, second = await desk.until(DocumentRead, 1), await desk.until(DocumentRead, 2)
    assert first.ended is TransactionEnd.REPLACED
    assert first.overall is Outcome.ABORTED
    assert second.chip.mrz.document_number == OTHER.number
    assert second.overall is Outcome.SUCCESSFUL


async def test_who_waits_for_a_chip_is_not_waited_for_by_the_next(tmp_path: Path) -> None:
    async with counter(tmp_path, wait_s=30) as desk:
        desk.zones.put_nowait(zone_read())
        await desk.until(MrzRead)
        desk.zones.put_nowait(zone_read(CARD))
        assert (await desk.until(DocumentRead)).ended is TransactionEnd.REPLACED
        desk.slot.place(Chip.issue(CARD, UTOPIA))
        second = await desk.until(DocumentRead, 2)
    assert second.chip is not None
    assert second.mrz.format is MrzFormat.TD1


async def test_a_slot_that_fails_says_nothing_about_the_document(tmp_path: Path) -> None:
    async with counter(tmp_path) as desk:
        desk.slot.failure = LinkError(
            Cause.NO_RESPONSE, "The smart card service is not running.", Action.RESTART, "systemctl"
        )
        desk.zones.put_nowait(zone_read())
        read = await desk.until(DocumentRead)
        (check,) = [check for check in read.checks if check.id == "chip.access"]
        assert (check.outcome, check.reason) == (Outcome.ABORTED, "no_response")
        assert check.text == "The smart card service is not running. systemctl"
        desk.slot.failure = None
        desk.slot.place(issued())
        desk.zones.put_nowait(zone_read())
        assert (await desk.until(DocumentRead, 2)).overall is Outcome.SUCCESSFUL


async def test_a_reader_that_is_lost_meanwhile_still_leaves_a_result(tmp_path: Path) -> None:
    async with counter(tmp_path, wait_s=30) as desk:
        desk.zones.put_nowait(zone_read())
        await desk.until(MrzRead)
        desk.zones.put_nowait(LinkError(Cause.UNPLUGGED, "gone", Action.REPLUG))
        assert (await desk.until(DocumentRead)).ended is TransactionEnd.READER_LOST
        await desk.failed()


async def test_what_is_no_zone_is_passed_on(tmp_path: Path) -> None:
    async with counter(tmp_path) as desk:
        desk.zones.put_nowait(not_a_document_frame(b"x"))
        desk.zones.put_nowait(document_read(("BOARDING PASS",), None, ReadTrigger.SWIPE, b""))
        await desk.until(ReadFailed)
        assert (await desk.until(DocumentRead)).mrz is None
    assert len(desk.said) == 2


async def test_a_face_in_jpeg_2000_comes_with_one_that_a_browser_shows(tmp_path: Path) -> None:
    async with counter(tmp_path) as desk:
        desk.slot.place(issued(Profile(image=ImageFormat.JPEG_2000)))
        desk.zones.put_nowait(zone_read())
        told = await desk.until(ChipRead)
    original, decoded = told.attachments
    assert (original.role, original.media_type) == ("chip_face", "image/jp2")
    assert (decoded.role, decoded.media_type) == ("chip_face_decoded", "image/jpeg")
    with Image.open(io.BytesIO(original.content)) as one, Image.open(io.BytesIO(decoded.content)) as other:
        assert one.size == other.size


@pytest.mark.parametrize("image", [b"", b"\x00\x00\x00\x0cjP  \r\n\x87\n", b"\xff\xd8\xff no jp2"])
def test_what_cannot_be_decoded_is_left_alone(image: bytes) -> None:
    assert jpeg2000_to_jpeg(image) is None
