"""A zone, then the chip, under one transaction; the reader's next event has priority."""

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
from support.patience import PATIENCE_S

from drivers.driver import BadFrame
from drivers.links.link import Action, Cause, LinkError
from drivers.observation import Outcome, redact
from drivers.passport.chip_reading import ChipReader, ChipSettings, add_chip_reads, open_chip_reader
from drivers.passport.jpeg2000 import jpeg2000_to_jpeg
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
    """A reader of zones, its slot, and the observations of both."""

    def __init__(self, links: SlotLinkFactory, chips: ChipReader) -> None:
        self.links = links
        self.slot = links.slot
        self.zones: asyncio.Queue[Any] = asyncio.Queue()
        self.output: list[Any] = []
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
                self.output.append(observation)

    async def until(self, kind: type[Any], count: int = 1, within_s: float = PATIENCE_S) -> Any:
        async with asyncio.timeout(within_s):
            while len(found := [one for one in self.output if isinstance(one, kind)]) < count:
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
    wanted = ChipSettings(
        **{
            "reader": "Slot",
            "trust": (tmp_path,),
            "card_timeout_s": 0.2,
            "return_timeout_s": 0.02,
            **settings,
        }
    )
    chips = await open_chip_reader(wanted, links)
    assert chips is not None
    running = Counter(links, chips)
    try:
        yield running
    finally:
        await running.close()
        await asyncio.get_running_loop().shutdown_default_executor()


async def test_document_pieces_share_one_transaction(tmp_path: Path) -> None:
    async with counter(tmp_path) as fixture:
        fixture.slot.place(issued())
        fixture.zones.put_nowait(zone_read())
        read = await fixture.until(DocumentRead)
        fixture.slot.place(None)
        await fixture.until(DocumentRemoved)

    kinds = [type(one) for one in fixture.output]
    assert kinds[0] is MrzRead
    assert set(kinds[1:-3]) == {ChipReadProgress}
    assert kinds[-3:] == [ChipRead, DocumentRead, DocumentRemoved]
    assert len({one.transaction for one in fixture.output}) == 1
    files = [one.progress.file for one in fixture.output if isinstance(one, ChipReadProgress)]
    assert 2 <= files.count("DG2") <= 6, "progress is reported in quarters, not in every command"
    chip = fixture.output[-3]
    assert [image.role for image in chip.attachments] == ["chip_face"]
    assert chip.attachments[0].content.startswith(b"\xff\xd8\xff")
    assert read.overall_outcome is Outcome.SUCCESSFUL
    assert read.chip.mrz.document_number == TRAVELLER.number
    assert {"mrz.check_digits", "combined.mrz_vs_dg1", "chip.sod_signature"} <= {c.id for c in read.checks}
    assert read.end_reason is TransactionEnd.COMPLETE
    assert TRAVELLER.number not in str([redact(one) for one in fixture.output])


@pytest.mark.parametrize(
    ("expected", "document", "outcome", "sum_"),
    [
        ("passports", TRAVELLER, Outcome.UNDETERMINED, Outcome.UNDETERMINED),
        ("passports", CARD, Outcome.NOT_SUPPORTED, Outcome.SUCCESSFUL),
        ("always", CARD, Outcome.UNDETERMINED, Outcome.UNDETERMINED),
        ("never", TRAVELLER, Outcome.NOT_SUPPORTED, Outcome.SUCCESSFUL),
    ],
)
async def test_missing_chip_counts_only_if_expected(
    tmp_path: Path, expected: str, document: Any, outcome: Outcome, sum_: Outcome
) -> None:
    async with counter(tmp_path, is_expected=expected, card_timeout_s=0.02) as fixture:
        fixture.zones.put_nowait(zone_read(document))
        read = await fixture.until(DocumentRead)
    assert {check.id: check.outcome for check in read.checks}["chip.access"] is outcome
    assert read.overall_outcome is sum_
    assert [type(one) for one in fixture.output] == [MrzRead, DocumentChecked, DocumentRead]


async def test_removal_at_any_command_aborts_read(tmp_path: Path) -> None:
    profile = Profile(details=False)
    async with counter(tmp_path, card_timeout_s=5) as fixture:
        for number, at in enumerate((1, 2, 5, 11, 30), start=1):
            fixture.slot.place(issued(profile, [fault.CardRemoval(at=at)]))
            fixture.zones.put_nowait(zone_read())
            read = await fixture.until(DocumentRead, number)
            assert read.end_reason is TransactionEnd.REMOVED
            assert {c.outcome for c in read.checks if c.reason == "card_removed"} == {Outcome.ABORTED}
            assert read.overall_outcome is Outcome.ABORTED
            await fixture.until(DocumentRemoved, number)
        fixture.slot.place(issued(profile))
        fixture.zones.put_nowait(zone_read())
        assert (await fixture.until(DocumentRead, 6)).overall_outcome is Outcome.SUCCESSFUL
    assert fixture.slot.released == 6


async def test_loss_at_every_command_in_turn_is_one_presentation(tmp_path: Path) -> None:
    async with counter(tmp_path, retry_budget_s=PATIENCE_S) as fixture:
        chip = issued(Profile(details=False), [fault.RepeatedFieldLoss(first=1, step=1)])
        fixture.slot.place(chip)
        fixture.zones.put_nowait(zone_read())
        read = await fixture.until(DocumentRead)
        fixture.slot.place(None)
        await fixture.until(DocumentRemoved)
    assert (read.overall_outcome, read.end_reason) == (Outcome.SUCCESSFUL, TransactionEnd.COMPLETE)
    assert read.chip.attempts == chip.field_losses + 1 == fixture.slot.renewals + 1 > 15
    steps = [one.progress.attempt for one in fixture.output if isinstance(one, ChipReadProgress)]
    assert steps[-1] == read.chip.attempts
    kinds = [type(one) for one in fixture.output]
    assert (kinds.count(ChipRead), kinds.count(BadFrame)) == (1, 0), "no bad frame: the line is sound"


async def test_document_lifted_and_put_back_goes_on(tmp_path: Path) -> None:
    async with counter(tmp_path, return_timeout_s=30) as fixture:
        chip = issued(Profile(details=False), [fault.CardRemoval(at=30)])
        fixture.slot.before_renewal = lambda: fixture.slot.loop.call_soon_threadsafe(
            fixture.slot.loop.call_later, 0.05, fixture.slot.place, chip
        )
        fixture.slot.place(chip)
        fixture.zones.put_nowait(zone_read())
        read = await fixture.until(DocumentRead)
    assert (read.overall_outcome, read.chip.attempts) == (Outcome.SUCCESSFUL, 2)


async def test_other_document_put_there_ends_read(tmp_path: Path) -> None:
    async with counter(tmp_path, return_timeout_s=30) as fixture:
        other = Chip.issue(OTHER, UTOPIA)
        fixture.slot.before_renewal = lambda: fixture.slot.loop.call_soon_threadsafe(
            fixture.slot.place, other
        )
        fixture.slot.place(issued(Profile(details=False), [fault.CardRemoval(at=30)]))
        fixture.zones.put_nowait(zone_read())
        read = await fixture.until(DocumentRead)
    assert (read.overall_outcome, read.end_reason) == (Outcome.ABORTED, TransactionEnd.REMOVED)
    assert "document_changed" in {check.reason for check in read.checks}
    assert read.chip.lines == TRAVELLER.lines


async def test_time_for_attempts_is_bounded(tmp_path: Path) -> None:
    async with counter(tmp_path, retry_budget_s=0.3) as fixture:
        fixture.slot.place(issued(Profile(), [fault.RepeatedFieldLoss(first=4, step=0)]))
        fixture.zones.put_nowait(zone_read())
        read = await fixture.until(DocumentRead)
    assert (read.overall_outcome, read.end_reason) == (Outcome.ABORTED, TransactionEnd.COMPLETE)
    assert "field_lost" in {check.reason for check in read.checks}
    assert fixture.slot.released == 1


async def test_next_document_ends_wait_for_lost_chip(tmp_path: Path) -> None:
    async with counter(tmp_path, return_timeout_s=30) as fixture:
        fixture.slot.place(issued(Profile(), [fault.CardRemoval(at=9)]))
        fixture.slot.before_renewal = lambda: fixture.slot.loop.call_soon_threadsafe(
            fixture.zones.put_nowait, zone_read(OTHER)
        )
        fixture.zones.put_nowait(zone_read())
        ended = await fixture.until(DocumentRead, within_s=20)  # less than the wait for the chip
    assert ended.end_reason is TransactionEnd.REPLACED


async def test_slot_of_short_commands_is_remembered(tmp_path: Path) -> None:
    long = Profile(extended_length=True, image_padding=3000, details=False)
    async with counter(tmp_path) as fixture:
        fixture.slot.passes_extended = False
        for number in (1, 2):
            fixture.slot.place(issued(long))
            fixture.zones.put_nowait(zone_read())
            read = await fixture.until(DocumentRead, number)
            assert read.overall_outcome is Outcome.SUCCESSFUL
            assert (read.chip.attempts, read.chip.read_limit) == (1, "reader")
            assert fixture.slot.extended_commands == 1, "the second document is read by short ones at once"
            fixture.slot.place(None)
            await fixture.until(DocumentRemoved, number)


@pytest.mark.parametrize(("stated", "extended"), [(0, False), (0x10000, True), (None, True)])
async def test_slot_is_asked_for_its_length(tmp_path: Path, stated: int | None, extended: bool) -> None:
    async with counter(tmp_path) as fixture:
        fixture.slot.stated_apdu_data_bytes = stated
        fixture.slot.place(issued(Profile(extended_length=True, image_padding=3000, details=False)))
        fixture.zones.put_nowait(zone_read())
        read = await fixture.until(DocumentRead)
    assert read.overall_outcome is Outcome.SUCCESSFUL
    assert (fixture.slot.extended_commands > 0) is extended
    assert read.chip.read_limit == ("chip" if extended else "reader")


async def test_document_below_another_is_read(tmp_path: Path) -> None:
    async with counter(tmp_path) as fixture:
        fixture.slot.place(Chip.issue(OTHER, UTOPIA), issued(Profile(details=False)))
        fixture.zones.put_nowait(zone_read())
        read = await fixture.until(DocumentRead)
    assert (read.overall_outcome, read.chip.attempts) == (Outcome.SUCCESSFUL, 2)


async def test_chip_without_response_has_its_own_sentence(tmp_path: Path) -> None:
    async with counter(tmp_path, card_timeout_s=0.02) as fixture:
        fixture.slot.is_mute = True
        fixture.slot.place(issued())
        fixture.zones.put_nowait(zone_read(CARD))
        read = await fixture.until(DocumentRead)
    (check,) = [check for check in read.checks if check.id == "chip.access"]
    assert (check.outcome, check.reason) == (Outcome.UNDETERMINED, "chip_mute")
    assert "Place it alone" in check.text


async def test_failed_reader_keeps_partial_result(tmp_path: Path) -> None:
    async with counter(tmp_path) as fixture:
        calls = iter(range(45))

        def fail() -> None:
            if next(calls, None) is None:
                fixture.slot.failure = LinkError(
                    Cause.UNPLUGGED, "The chip reader was disconnected.", Action.REPLUG
                )

        fixture.slot.before_command = fail
        fixture.slot.place(issued(Profile(details=False)))
        fixture.zones.put_nowait(zone_read())
        read = await fixture.until(DocumentRead)
    assert read.chip.lines == TRAVELLER.lines
    made = {check.id: check for check in read.checks}
    assert (made["chip.access"].outcome, made["chip.access"].reason) == (Outcome.ABORTED, "unplugged")
    assert made["chip.data_group_hash.DG2"].reason == "reader_failed"
    assert read.overall_outcome is Outcome.ABORTED


async def test_slot_is_not_touched_without_document(tmp_path: Path) -> None:
    async with counter(tmp_path) as fixture:
        fixture.zones.put_nowait(not_a_document_frame(b"x"))
        await fixture.until(ReadFailed)
        assert fixture.links.slots_opened == 0, "hours without a document cost nothing"
        fixture.slot.place(issued(Profile(details=False)))
        fixture.zones.put_nowait(zone_read())
        await fixture.until(DocumentRead)
        fixture.slot.place(None)
        await fixture.until(DocumentRemoved)
        opened = fixture.links.slots_opened
        fixture.zones.put_nowait(not_a_document_frame(b"x"))
        await fixture.until(ReadFailed, 2)
        assert fixture.links.slots_opened == opened
        assert fixture.links.slots_open == 0


async def test_next_document_replaces_running_read(tmp_path: Path) -> None:
    async with counter(tmp_path) as fixture:
        asked, go_on = threading.Event(), threading.Event()

        def hold() -> None:
            asked.set()
            assert go_on.wait(PATIENCE_S)

        fixture.slot.place(issued())
        fixture.slot.before_command = hold
        fixture.zones.put_nowait(zone_read())
        await asyncio.to_thread(asked.wait, PATIENCE_S)
        fixture.zones.put_nowait(zone_read(OTHER))
        await asyncio.sleep(0)
        while fixture.zones.qsize():
            await asyncio.sleep(0.001)
        await asyncio.sleep(0.01)
        fixture.slot.before_command = lambda: None
        fixture.slot.place(Chip.issue(OTHER, UTOPIA))
        go_on.set()
        first, second = await fixture.until(DocumentRead, 1), await fixture.until(DocumentRead, 2)
    assert first.end_reason is TransactionEnd.REPLACED
    assert first.overall_outcome is Outcome.ABORTED
    assert second.chip.mrz.document_number == OTHER.number
    assert second.overall_outcome is Outcome.SUCCESSFUL


async def test_next_document_ends_wait_for_chip(tmp_path: Path) -> None:
    async with counter(tmp_path, card_timeout_s=30) as fixture:
        fixture.zones.put_nowait(zone_read())
        await fixture.until(MrzRead)
        fixture.zones.put_nowait(zone_read(CARD))
        ended = await fixture.until(DocumentRead, within_s=20)  # less than the wait for a chip
        assert ended.end_reason is TransactionEnd.REPLACED
        fixture.slot.place(Chip.issue(CARD, UTOPIA))
        second = await fixture.until(DocumentRead, 2)
    assert second.chip is not None
    assert second.mrz.format is MrzFormat.TD1


async def test_failed_slot_is_no_document_finding(tmp_path: Path) -> None:
    async with counter(tmp_path) as fixture:
        fixture.slot.failure = LinkError(
            Cause.NO_RESPONSE, "The smart card service is not running.", Action.RESTART, "systemctl"
        )
        fixture.zones.put_nowait(zone_read())
        read = await fixture.until(DocumentRead)
        (check,) = [check for check in read.checks if check.id == "chip.access"]
        assert (check.outcome, check.reason) == (Outcome.ABORTED, "no_response")
        assert check.text == "The smart card service is not running. systemctl"
        fixture.slot.failure = None
        fixture.slot.place(issued())
        fixture.zones.put_nowait(zone_read())
        assert (await fixture.until(DocumentRead, 2)).overall_outcome is Outcome.SUCCESSFUL


async def test_lost_reader_still_gives_result(tmp_path: Path) -> None:
    async with counter(tmp_path, card_timeout_s=30) as fixture:
        fixture.zones.put_nowait(zone_read())
        await fixture.until(MrzRead)
        fixture.zones.put_nowait(LinkError(Cause.UNPLUGGED, "gone", Action.REPLUG))
        ended = await fixture.until(DocumentRead, within_s=20)  # less than the wait for a chip
        assert ended.end_reason is TransactionEnd.READER_LOST
        await fixture.failed()


async def test_other_reads_are_passed_on(tmp_path: Path) -> None:
    async with counter(tmp_path) as fixture:
        fixture.zones.put_nowait(not_a_document_frame(b"x"))
        fixture.zones.put_nowait(document_read(("BOARDING PASS",), None, ReadTrigger.SWIPE, b""))
        await fixture.until(ReadFailed)
        assert (await fixture.until(DocumentRead)).mrz is None
    assert len(fixture.output) == 2


async def test_jpeg2000_face_is_converted_too(tmp_path: Path) -> None:
    async with counter(tmp_path) as fixture:
        fixture.slot.place(issued(Profile(image=ImageFormat.JPEG_2000)))
        fixture.zones.put_nowait(zone_read())
        read = await fixture.until(ChipRead)
    original, decoded = read.attachments
    assert (original.role, original.media_type) == ("chip_face", "image/jp2")
    assert (decoded.role, decoded.media_type) == ("chip_face_decoded", "image/jpeg")
    with Image.open(io.BytesIO(original.content)) as one, Image.open(io.BytesIO(decoded.content)) as other:
        assert one.size == other.size


@pytest.mark.parametrize("image", [b"", b"\x00\x00\x00\x0cjP  \r\n\x87\n", b"\xff\xd8\xff no jp2"])
def test_undecodable_face_is_not_converted(image: bytes) -> None:
    assert jpeg2000_to_jpeg(image) is None
