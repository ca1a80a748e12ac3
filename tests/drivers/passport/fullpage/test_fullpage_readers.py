"""Full-page readers: pieces as they come, the whole at the end, and no claim about unseen parts."""

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
"""Number of parts in the answer to a scan of a passport."""
GONE = range(4)


@EVERY_SERVICE
async def test_passport_in_pieces_and_as_a_whole(kind: str) -> None:
    async with fullpage_fixture(kind) as fixture:
        await fixture.device.present(PASSPORT)
        observations = await fixture.until(DocumentRead)
        await fixture.device.scanner.remove()
        observations += await fixture.until(DocumentRemoved)

        assert types(observations)[:2] == ["document.placed", "document.mrz"]
        assert types(observations)[-2:] == ["document.read", "document.removed"]
        assert len({observation.transaction for observation in observations}) == 1
        read = observations[-2]
        assert (read.lines, read.end_reason, read.overall_outcome) == (
            PASSPORT.lines,
            TransactionEnd.COMPLETE,
            Outcome.SUCCESSFUL,
        )
        images = [one for one in observations if isinstance(one, ImageCaptured)]
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
        seen = {
            made.id
            for one in observations
            if isinstance(one, MrzRead | DocumentChecked)
            for made in one.checks
        }
        assert seen == set(outcomes(read)) == OPTICAL | {"mrz.check_digits", "combined.not_expired"}


@EVERY_SERVICE
async def test_colour_copy_fails_infrared_and_uv(kind: str) -> None:
    async with fullpage_fixture(kind) as fixture:
        read = await fixture.read(PASSPORT.photocopy())
        assert {outcomes(read)[name] for name in OPTICAL} == {"failed"}
        assert read.overall_outcome is Outcome.FAILED
        assert check(read, "optical.uv_br_fu").vendor_code == "BRIGHT"
        assert check(read, "optical.ir_ab_mr").code == "ir_ab_mr"


@EVERY_SERVICE
async def test_zone_does_not_wait_for_images(kind: str) -> None:
    async with fullpage_fixture(kind, {"step_s": 0.02}) as fixture:
        await fixture.device.present(PASSPORT)
        await fixture.next(MrzRead)
        first = asyncio.get_running_loop().time()
        await fixture.next(DocumentRead)
        assert asyncio.get_running_loop().time() - first > 0.1


@EVERY_SERVICE
async def test_document_that_stays_is_read_once(kind: str) -> None:
    async with fullpage_fixture(kind) as fixture:
        await fixture.device.present(PASSPORT)
        await fixture.next(DocumentRead)
        asked = len(fixture.device.server.request_count)
        while len(fixture.device.server.request_count) < asked + (0 if kind == "document-bridge" else 10):
            await asyncio.sleep(0.001)
        assert fixture.output.empty()
        assert fixture.device.scanner.scans == 1
        await fixture.device.scanner.remove()
        assert (await fixture.next()).end_reason is TransactionEnd.COMPLETE


@EVERY_SERVICE
async def test_removal_during_scan_aborts_only_it(kind: str) -> None:
    async with fullpage_fixture(kind) as fixture:
        for after in range(PARTS[kind]):
            fixture.inject_fault("document-removed", after=after)
            await fixture.device.present(PASSPORT)
            observations = await fixture.until(DocumentRemoved)
            read = observations[-2]
            assert (read.end_reason, observations[-1].end_reason) == (
                TransactionEnd.REMOVED,
                TransactionEnd.REMOVED,
            ), after
            assert read.overall_outcome is Outcome.ABORTED, after
            # A check of an unseen part did not run, so it is not `not_supported`.
            assert set(outcomes(read)) == OPTICAL | {"mrz.check_digits", "combined.not_expired"}
            assert set(outcomes(read).values()) <= {"successful", "aborted"}
            assert {c.reason for c in read.checks if c.outcome is Outcome.ABORTED} == {"document_removed"}
        assert (await fixture.read(PASSPORT)).overall_outcome is Outcome.SUCCESSFUL


@EVERY_SERVICE
async def test_service_death_during_scan_recovers(kind: str) -> None:
    async with fullpage_fixture(kind) as fixture:
        for after in range(PARTS[kind]):
            fixture.inject_fault("service-dies", after=after, for_s=0.01)
            await fixture.device.present(PASSPORT)
            observations = await fixture.until(LinkError)
            read = observations[-2]
            assert isinstance(read, DocumentRead), after
            assert (read.end_reason, read.overall_outcome) == (TransactionEnd.READER_LOST, Outcome.ABORTED), (
                after
            )
            assert set(outcomes(read)) == OPTICAL | {"mrz.check_digits", "combined.not_expired"}
            assert observations[-1].cause in (Cause.LINK_FAILED, Cause.NO_RESPONSE), after
            await fixture.device.scanner.remove()
            await fixture.reopen()
        assert (await fixture.read(PASSPORT)).end_reason is TransactionEnd.COMPLETE


@EVERY_SERVICE
async def test_malformed_result_costs_only_itself(kind: str) -> None:
    async with fullpage_fixture(kind) as fixture:
        for at in range(PARTS[kind]):
            fixture.inject_fault("garbage", at=at)
            await fixture.device.present(PASSPORT)
            observations = await fixture.until(DocumentRead)
            assert [type(one) for one in observations].count(BadFrame) == 1, at
            assert observations[-1].end_reason is TransactionEnd.COMPLETE
            await fixture.device.scanner.remove()
            await fixture.next(DocumentRemoved)
        assert (await fixture.read(PASSPORT)).overall_outcome is Outcome.SUCCESSFUL


@EVERY_SERVICE
async def test_missing_image_costs_only_itself(kind: str) -> None:
    async with fullpage_fixture(kind) as fixture:
        fixture.inject_fault("image-missing", light="ultraviolet")
        read = await fixture.read(PASSPORT)
        assert {image.light for image in read.images} == {IlluminationType.VISIBLE, IlluminationType.INFRARED}
        assert read.end_reason is TransactionEnd.COMPLETE


@EVERY_SERVICE
async def test_unknown_word_is_undetermined(kind: str) -> None:
    async with fullpage_fixture(kind) as fixture:
        fixture.inject_fault("unknown-word", word="QUITE_NICE")
        read = await fixture.read(PASSPORT)
        assert {outcomes(read)[name] for name in OPTICAL} == {"undetermined"}
        assert read.overall_outcome is Outcome.UNDETERMINED
        assert check(read, "optical.ir_ab_mr").vendor_code == "QUITE_NICE"


@EVERY_SERVICE
async def test_word_can_be_taught(kind: str) -> None:
    async with fullpage_fixture(kind, outcome_words={"successful": ["quite nice"]}) as fixture:
        fixture.inject_fault("unknown-word", word="QUITE_NICE")
        assert (await fixture.read(PASSPORT)).overall_outcome is Outcome.SUCCESSFUL


@EVERY_SERVICE
async def test_page_text_is_no_vendor_word(kind: str) -> None:
    async with fullpage_fixture(kind) as fixture:
        fixture.inject_fault("unknown-word", word=PASSPORT.lines[1])
        read = await fixture.read(PASSPORT)
        assert {check(read, name).vendor_code for name in OPTICAL} == {None}


@EVERY_SERVICE
async def test_wrong_credentials_give_remedy(kind: str) -> None:
    async with fullpage_fixture(
        kind, {"username": "gw", "password": "hunter2"}, username="gw", password="hunter2"
    ) as fixture:
        assert (await fixture.read(PASSPORT)).overall_outcome is Outcome.SUCCESSFUL
        fixture.inject_fault("wrong-credentials")
        lost = await fixture.next(LinkError)
        assert lost.cause is Cause.NO_PERMISSION
        assert "hunter2" not in f"{lost.text}{lost.how}{fixture.driver.settings!r}"
        with pytest.raises(LinkError, match="refuses these credentials"):
            await fixture.open()
        fixture.device.scanner.rejects_password = False
        if kind == "desko":  # the reservation could not be ended meanwhile
            fixture.device.service.reset()
        await fixture.open()
        assert (await fixture.read(PASSPORT)).overall_outcome is Outcome.SUCCESSFUL


@EVERY_SERVICE
async def test_reader_unplugged_behind_service(kind: str) -> None:
    async with fullpage_fixture(kind) as fixture:
        fixture.inject_fault("reader-unplugged")
        with pytest.raises(LinkError) as refused:
            await fixture.open()
        assert refused.value.cause in (Cause.UNPLUGGED, Cause.NO_DEVICE)
        fixture.device.scanner.is_plugged = True
        await fixture.open()
        assert (await fixture.read(PASSPORT)).overall_outcome is Outcome.SUCCESSFUL


@EVERY_SERVICE
async def test_simulated_service_is_recognised(kind: str) -> None:
    async with fullpage_fixture(kind) as fixture:
        assert fixture.links.is_simulated
        assert (await fixture.open()).serial_number.startswith("SIM-")


@EVERY_SERVICE
async def test_two_sides_of_card_are_linked(kind: str) -> None:
    async with fullpage_fixture(kind) as fixture:
        front = await fixture.read(CARD_FRONT)
        back = await fixture.read(CARD_BACK)
        next_front = await fixture.read(CARD_FRONT)
        assert (front.previous_side_transaction, next_front.previous_side_transaction) == (None, None)
        assert back.previous_side_transaction == front.transaction
        assert check(front, "mrz.check_digits").outcome is Outcome.NOT_SUPPORTED


@EVERY_SERVICE
async def test_late_side_is_another_document(kind: str) -> None:
    async with fullpage_fixture(kind, other_side_timeout_s=0) as fixture:
        await fixture.read(CARD_FRONT)
        assert (await fixture.read(CARD_BACK)).previous_side_transaction is None


@EVERY_SERVICE
async def test_passport_after_card_is_not_linked(kind: str) -> None:
    async with fullpage_fixture(kind) as fixture:
        await fixture.read(CARD_FRONT)
        assert (await fixture.read(PASSPORT)).previous_side_transaction is None


@EVERY_SERVICE
async def test_silent_scan_is_given_up(kind: str) -> None:
    async with fullpage_fixture(kind, scan_timeout_s=0.1, timeout_s=1) as fixture:
        fixture.inject_fault("slow", delay_s=30)
        await fixture.device.present(PASSPORT)
        observations = await fixture.until(LinkError)
        assert observations[-1].cause is Cause.NO_RESPONSE
        assert observations[-2].end_reason is TransactionEnd.READER_LOST


@EVERY_SERVICE
async def test_only_configured_lights_are_used(kind: str) -> None:
    async with fullpage_fixture(kind, lights=["visible"], face=False, image_format="image/png") as fixture:
        read = await fixture.read(PASSPORT)
        assert [(image.light, image.area, image.media_type) for image in read.images] == [
            (IlluminationType.VISIBLE, DocumentArea.PAGE, "image/png")
        ]
        assert not OPTICAL & set(outcomes(read))


@EVERY_SERVICE
async def test_too_large_image_is_refused(kind: str) -> None:
    async with fullpage_fixture(kind, {"image_bytes": 200_000}, image_max_bytes=65536) as fixture:
        await fixture.device.present(PASSPORT)
        observations = await fixture.until(LinkError)
        assert observations[-1].cause is Cause.WRONG_DEVICE
        assert observations[-2].images == ()


@EVERY_SERVICE
async def test_repeated_open_close_leaks_nothing(kind: str) -> None:
    # The fixtures of conftest.py count descriptors, threads and tasks.
    async with fullpage_fixture(kind) as fixture:
        for _ in range(20):
            await fixture.open()
        assert (await fixture.read(PASSPORT)).overall_outcome is Outcome.SUCCESSFUL


@EVERY_SERVICE
async def test_close_during_scan_leaks_nothing(kind: str) -> None:
    for step in GONE:
        async with fullpage_fixture(kind, {"step_s": 0.01}) as fixture:
            await fixture.device.present(PASSPORT)
            await fixture.next(DocumentPlaced)
            for _ in range(step):
                await fixture.next()
            await fixture.close()


@EVERY_SERVICE
async def test_two_readers_of_one_model(kind: str) -> None:
    async with fullpage_fixture(kind) as one, fullpage_fixture(kind) as two:
        await asyncio.gather(one.device.present(PASSPORT), two.device.present(CARD_BACK))
        assert (await one.next(DocumentRead)).lines == PASSPORT.lines
        assert (await two.next(DocumentRead)).lines == CARD_BACK.lines


@EVERY_SERVICE
async def test_absent_service_gives_remedy(kind: str) -> None:
    fixture = FullPageFixture(kind, simulator(kind), url="http://127.0.0.1:1")
    try:
        with pytest.raises(LinkError) as refused:
            await fixture.open()
    finally:
        await fixture.close()
    assert refused.value.cause is Cause.NO_RESPONSE
    assert "Start the reader's service" in refused.value.how


@pytest.mark.parametrize(("kind", "other"), [("desko", "document-bridge"), ("document-bridge", "desko")])
async def test_other_service_is_refused(kind: str, other: str) -> None:
    async with fullpage_fixture(other) as there:
        fixture = FullPageFixture(kind, there.device)
        try:
            with pytest.raises(LinkError) as refused:
                await fixture.open()
        finally:
            await fixture.close()
        assert refused.value.cause is Cause.WRONG_DEVICE
