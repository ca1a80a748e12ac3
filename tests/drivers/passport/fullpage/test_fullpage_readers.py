"""Full-page readers: told as it comes, whole at the end, and never more than what was seen."""

import asyncio
import hashlib

import pytest
from fullpage_fixture import (
    CARD_BACK,
    CARD_FRONT,
    DRIVERS,
    OPTICAL,
    PASSPORT,
    FullPageFixture,
    check,
    fullpage_fixture,
    outcomes,
    simulator,
    types,
)

from drivers.driver import BadFrame
from drivers.links.link import Cause, LinkError
from drivers.observation import Outcome
from drivers.passport.observations import (
    DocumentArea,
    DocumentChecked,
    DocumentPlaced,
    DocumentRead,
    DocumentRemoved,
    IlluminationType,
    ImageCaptured,
    MrzRead,
    TransactionEnd,
)

EVERY_SERVICE = pytest.mark.parametrize("kind", sorted(DRIVERS))
PARTS = {"document-bridge": 9, "desko": 7}
"""How many parts the answer to a scan of a passport has."""
GONE = range(4)


@EVERY_SERVICE
async def test_a_passport_is_told_as_it_comes_and_whole_at_the_end(kind: str) -> None:
    async with fullpage_fixture(kind) as here:
        await here.device.present(PASSPORT)
        said = await here.until(DocumentRead)
        await here.device.scanner.remove()
        said += await here.until(DocumentRemoved)

        assert types(said)[:2] == ["document.placed", "document.mrz"]
        assert types(said)[-2:] == ["document.read", "document.removed"]
        assert len({observation.transaction for observation in said}) == 1
        read = said[-2]
        assert (read.lines, read.ended, read.overall) == (
            PASSPORT.lines,
            TransactionEnd.COMPLETE,
            Outcome.SUCCESSFUL,
        )
        images = [one for one in said if isinstance(one, ImageCaptured)]
        assert {(one.light, one.area) for one in images} == {
            (IlluminationType.VISIBLE, DocumentArea.PAGE),
            (IlluminationType.VISIBLE, DocumentArea.FACE),
            (IlluminationType.INFRARED, DocumentArea.PAGE),
            (IlluminationType.ULTRAVIOLET, DocumentArea.PAGE),
        }
        assert [image.sha256 for image in read.images] == [
            hashlib.sha256(one.attachments[0].content).hexdigest() for one in images
        ]
        assert {one.attachments[0].media_type for one in images} == {"image/jpeg"}
        told = {made.id for one in said if isinstance(one, MrzRead | DocumentChecked) for made in one.checks}
        assert told == set(outcomes(read)) == OPTICAL | {"mrz.check_digits", "combined.not_expired"}


@EVERY_SERVICE
async def test_a_colour_copy_fails_under_infrared_and_ultraviolet(kind: str) -> None:
    async with fullpage_fixture(kind) as here:
        read = await here.read(PASSPORT.photocopy())
        assert {outcomes(read)[name] for name in OPTICAL} == {"failed"}
        assert read.overall_outcome is Outcome.FAILED
        assert check(read, "optical.uv_br_fu").vendor_code == "BRIGHT"
        assert check(read, "optical.ir_ab_mr").code == "ir_ab_mr"


@EVERY_SERVICE
async def test_the_zone_does_not_wait_for_the_images(kind: str) -> None:
    async with fullpage_fixture(kind, {"step_s": 0.02}) as here:
        await here.device.present(PASSPORT)
        await here.next(MrzRead)
        first = asyncio.get_running_loop().time()
        await here.next(DocumentRead)
        assert asyncio.get_running_loop().time() - first > 0.1


@EVERY_SERVICE
async def test_a_document_that_stays_is_read_once(kind: str) -> None:
    async with fullpage_fixture(kind) as here:
        await here.device.present(PASSPORT)
        await here.next(DocumentRead)
        asked = len(here.device.server.request_count)
        while len(here.device.server.request_count) < asked + (0 if kind == "document-bridge" else 10):
            await asyncio.sleep(0.001)
        assert here.said.empty()
        assert here.device.scanner.scans == 1
        await here.device.scanner.remove()
        assert (await here.next()).ended is TransactionEnd.COMPLETE


@EVERY_SERVICE
async def test_a_document_taken_away_during_the_scan_costs_only_itself(kind: str) -> None:
    async with fullpage_fixture(kind) as here:
        for after in range(PARTS[kind]):
            here.inject_fault("document-removed", after=after)
            await here.device.present(PASSPORT)
            said = await here.until(DocumentRemoved)
            read = said[-2]
            assert (read.ended, said[-1].ended) == (TransactionEnd.REMOVED, TransactionEnd.REMOVED), after
            assert read.overall is Outcome.ABORTED, after
            # Whatever was not seen did not run: nothing is `not_supported` because nobody looked.
            assert set(outcomes(read)) == OPTICAL | {"mrz.check_digits", "combined.not_expired"}
            assert set(outcomes(read).values()) <= {"successful", "aborted"}
            assert {c.reason for c in read.checks if c.outcome is Outcome.ABORTED} == {"document_removed"}
        assert (await here.read(PASSPORT)).overall_outcome is Outcome.SUCCESSFUL


@EVERY_SERVICE
async def test_a_service_that_dies_during_the_scan_is_told_of_and_comes_back(kind: str) -> None:
    async with fullpage_fixture(kind) as here:
        for after in range(PARTS[kind]):
            here.inject_fault("service-dies", after=after, for_s=0.01)
            await here.device.present(PASSPORT)
            said = await here.until(LinkError)
            read = said[-2]
            assert isinstance(read, DocumentRead), after
            assert (read.end_reason, read.overall_outcome) == (TransactionEnd.READER_LOST, Outcome.ABORTED), (
                after
            )
            assert set(outcomes(read)) == OPTICAL | {"mrz.check_digits", "combined.not_expired"}
            assert said[-1].cause in (Cause.LINK_FAILED, Cause.NO_RESPONSE), after
            await here.device.scanner.remove()
            await here.reopen()
        assert (await here.read(PASSPORT)).end_reason is TransactionEnd.COMPLETE


@EVERY_SERVICE
async def test_nonsense_in_one_result_costs_only_that_result(kind: str) -> None:
    async with fullpage_fixture(kind) as here:
        for at in range(PARTS[kind]):
            here.inject_fault("garbage", at=at)
            await here.device.present(PASSPORT)
            said = await here.until(DocumentRead)
            assert [type(one) for one in said].count(BadFrame) == 1, at
            assert said[-1].ended is TransactionEnd.COMPLETE
            await here.device.scanner.remove()
            await here.next(DocumentRemoved)
        assert (await here.read(PASSPORT)).overall_outcome is Outcome.SUCCESSFUL


@EVERY_SERVICE
async def test_an_image_that_is_missing_is_missed_and_the_rest_is_there(kind: str) -> None:
    async with fullpage_fixture(kind) as here:
        here.inject_fault("image-missing", light="ultraviolet")
        read = await here.read(PASSPORT)
        assert {image.light for image in read.images} == {IlluminationType.VISIBLE, IlluminationType.INFRARED}
        assert read.end_reason is TransactionEnd.COMPLETE


@EVERY_SERVICE
async def test_a_word_nobody_documented_is_undetermined_and_kept(kind: str) -> None:
    async with fullpage_fixture(kind) as here:
        here.inject_fault("unknown-word", word="QUITE_NICE")
        read = await here.read(PASSPORT)
        assert {outcomes(read)[name] for name in OPTICAL} == {"undetermined"}
        assert read.overall_outcome is Outcome.UNDETERMINED
        assert check(read, "optical.ir_ab_mr").vendor_code == "QUITE_NICE"


@EVERY_SERVICE
async def test_a_word_can_be_taught(kind: str) -> None:
    async with fullpage_fixture(kind, words={"successful": ["quite nice"]}) as here:
        here.inject_fault("unknown-word", word="QUITE_NICE")
        assert (await here.read(PASSPORT)).overall_outcome is Outcome.SUCCESSFUL


@EVERY_SERVICE
async def test_what_a_page_says_never_becomes_a_vendor_word(kind: str) -> None:
    async with fullpage_fixture(kind) as here:
        here.inject_fault("unknown-word", word=PASSPORT.lines[1])
        read = await here.read(PASSPORT)
        assert {check(read, name).vendor_code for name in OPTICAL} == {None}


@EVERY_SERVICE
async def test_wrong_credentials_are_refused_with_a_remedy_and_without_the_password(kind: str) -> None:
    async with fullpage_fixture(
        kind, {"username": "gw", "password": "hunter2"}, username="gw", password="hunter2"
    ) as here:
        assert (await here.read(PASSPORT)).overall_outcome is Outcome.SUCCESSFUL
        here.inject_fault("wrong-credentials")
        lost = await here.next(LinkError)
        assert lost.cause is Cause.NO_PERMISSION
        assert "hunter2" not in f"{lost.text}{lost.how}{here.driver.settings!r}"
        with pytest.raises(LinkError, match="refuses these credentials"):
            await here.open()
        here.device.scanner.rejects_password = False
        if kind == "desko":  # nobody could give the reader back meanwhile
            here.device.service.forget()
        await here.open()
        assert (await here.read(PASSPORT)).overall_outcome is Outcome.SUCCESSFUL


@EVERY_SERVICE
async def test_a_reader_unplugged_behind_its_service_is_said_so(kind: str) -> None:
    async with fullpage_fixture(kind) as here:
        here.inject_fault("reader-unplugged")
        with pytest.raises(LinkError) as refused:
            await here.open()
        assert refused.value.cause in (Cause.UNPLUGGED, Cause.NO_DEVICE)
        here.device.scanner.is_plugged = True
        await here.open()
        assert (await here.read(PASSPORT)).overall_outcome is Outcome.SUCCESSFUL


@EVERY_SERVICE
async def test_the_service_of_a_simulator_says_so(kind: str) -> None:
    async with fullpage_fixture(kind) as here:
        assert here.links.is_simulated
        assert (await here.open()).serial_number.startswith("SIM-")


@EVERY_SERVICE
async def test_the_two_sides_of_a_card_are_joined_and_the_next_card_is_not(kind: str) -> None:
    async with fullpage_fixture(kind) as here:
        front = await here.read(CARD_FRONT)
        back = await here.read(CARD_BACK)
        next_front = await here.read(CARD_FRONT)
        assert (front.previous_side_transaction, next_front.previous_side_transaction) == (None, None)
        assert back.previous_side_transaction == front.transaction
        assert check(front, "mrz.check_digits").outcome is Outcome.NOT_SUPPORTED


@EVERY_SERVICE
async def test_sides_too_far_apart_are_two_documents(kind: str) -> None:
    async with fullpage_fixture(kind, other_side_s=0) as here:
        await here.read(CARD_FRONT)
        assert (await here.read(CARD_BACK)).previous_side_transaction is None


@EVERY_SERVICE
async def test_a_passport_after_a_card_is_no_side_of_it(kind: str) -> None:
    async with fullpage_fixture(kind) as here:
        await here.read(CARD_FRONT)
        assert (await here.read(PASSPORT)).previous_side_transaction is None


@EVERY_SERVICE
async def test_a_scan_that_falls_silent_is_given_up(kind: str) -> None:
    async with fullpage_fixture(kind, scan_s=0.1, timeout_s=1) as here:
        here.inject_fault("slow", delay_s=30)
        await here.device.present(PASSPORT)
        said = await here.until(LinkError)
        assert said[-1].cause is Cause.NO_RESPONSE
        assert said[-2].ended is TransactionEnd.READER_LOST


@EVERY_SERVICE
async def test_only_the_lights_that_are_wanted_are_used(kind: str) -> None:
    async with fullpage_fixture(kind, lights=["visible"], face=False, image_format="image/png") as here:
        read = await here.read(PASSPORT)
        assert [(image.light, image.area, image.media_type) for image in read.images] == [
            (IlluminationType.VISIBLE, DocumentArea.PAGE, "image/png")
        ]
        assert not OPTICAL & set(outcomes(read))


@EVERY_SERVICE
async def test_an_image_that_is_too_large_is_not_taken(kind: str) -> None:
    async with fullpage_fixture(kind, {"image_bytes": 200_000}, image_max_bytes=65536) as here:
        await here.device.present(PASSPORT)
        said = await here.until(LinkError)
        assert said[-1].cause is Cause.WRONG_DEVICE
        assert said[-2].images == ()


@EVERY_SERVICE
async def test_opening_and_closing_many_times_leaves_nothing(kind: str) -> None:
    # The fixtures of conftest.py count descriptors, threads and tasks.
    async with fullpage_fixture(kind) as here:
        for _ in range(20):
            await here.open()
        assert (await here.read(PASSPORT)).overall_outcome is Outcome.SUCCESSFUL


@EVERY_SERVICE
async def test_closing_during_a_scan_leaves_nothing(kind: str) -> None:
    for step in GONE:
        async with fullpage_fixture(kind, {"step_s": 0.01}) as here:
            await here.device.present(PASSPORT)
            await here.next(DocumentPlaced)
            for _ in range(step):
                await here.next()
            await here.close()


@EVERY_SERVICE
async def test_two_readers_of_one_model_stay_apart(kind: str) -> None:
    async with fullpage_fixture(kind) as one, fullpage_fixture(kind) as two:
        await asyncio.gather(one.device.present(PASSPORT), two.device.present(CARD_BACK))
        assert (await one.next(DocumentRead)).lines == PASSPORT.lines
        assert (await two.next(DocumentRead)).lines == CARD_BACK.lines


@EVERY_SERVICE
async def test_nothing_there_is_said_with_a_remedy(kind: str) -> None:
    here = FullPageFixture(kind, simulator(kind), url="http://127.0.0.1:1")
    try:
        with pytest.raises(LinkError) as refused:
            await here.open()
    finally:
        await here.close()
    assert refused.value.cause is Cause.NO_RESPONSE
    assert "Start the reader's service" in refused.value.how


@pytest.mark.parametrize(("kind", "other"), [("desko", "document-bridge"), ("document-bridge", "desko")])
async def test_another_service_at_the_address_is_refused(kind: str, other: str) -> None:
    async with fullpage_fixture(other) as there:
        here = FullPageFixture(kind, there.device)
        try:
            with pytest.raises(LinkError) as refused:
                await here.open()
        finally:
            await here.close()
        assert refused.value.cause is Cause.WRONG_DEVICE
