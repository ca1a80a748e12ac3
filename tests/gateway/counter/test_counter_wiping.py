"""Nothing of a traveller stays: heap, document, storage and object URLs searched for planted marks."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Page, expect
from support.console.chromium import CHROMIUM
from support.counter.documents import observations, passport, read_chip
from support.counter.memory import COUNT_URLS, heap_bytes, traces_in
from support.counter.pages import BARRIER, CAMERA, FINGER, READER, sign_in
from support.counter.played import PIXEL, PlayedPost, data_of, played_post
from support.patience import PATIENCE_S

from drivers.barrier.observations import BarrierPassage
from drivers.camera.observations import FaceCaptured
from drivers.fingerprint.observations import FingerCaptured
from drivers.observation import Attachment
from drivers.passport.observations import DocumentRemoved
from simulators.mrz import Document
from simulators.passport.chip.face import draw_face
from simulators.travellers import TravellerGenerator

pytestmark = [
    pytest.mark.thorough,
    pytest.mark.timeout(600),
    pytest.mark.skipif(not Path(CHROMIUM).exists(), reason="Chromium is not installed"),
]
expect.set_options(timeout=PATIENCE_S * 1000)
MARK, NUMBER = "ZZLEAKMARKER", "ZZLEAK999"
PEOPLE = TravellerGenerator(17)
FEW, MANY, BATCH = 100, 1000, 10


@pytest.fixture
async def post() -> AsyncIterator[PlayedPost]:
    async with played_post(wipe_after_s=21) as post:
        yield post
        assert post.complaints == [], "browsers had nothing to complain of"


@pytest.fixture
async def page(post: PlayedPost) -> AsyncIterator[Page]:
    async with post.new_page(script=COUNT_URLS) as page:
        await sign_in(page)
        yield page


def marked() -> Document:
    return passport(PEOPLE, surname=MARK, number=NUMBER)


async def fill(post: PlayedPost, page: Page) -> str:
    """Show a marked traveller with everything, under the examination too; returns the transaction."""
    document = marked()
    transaction = await post.gateway.publish_all(observations(document.lines, read_chip(document)))
    await expect(page.get_by_text("The document is complete.")).to_be_visible()
    picture = Attachment.from_bytes("picture", "image/jpeg", draw_face(MARK))
    await post.gateway.publish(CAMERA, data_of(FaceCaptured, attachments=(picture,)), transaction)
    png = Attachment.from_bytes("png", "image/png", PIXEL)
    await post.gateway.publish(FINGER, data_of(FingerCaptured, attachments=(png,)), transaction)
    await expect(page.locator(".prints-list img")).to_be_visible()
    await page.keyboard.press("F8")
    await expect(page.get_by_role("heading", name="Examine")).to_be_visible()
    await expect(page.locator(".lights img")).to_have_count(3)
    assert await traces_in(page, MARK) != [], "the marks can be found"
    return transaction


async def assert_wiped(page: Page) -> None:
    """Assert that nothing of the traveller is left in the page."""
    await expect(page.get_by_text(MARK)).to_have_count(0)
    async with asyncio.timeout(PATIENCE_S):
        # What a wiped screen still holds is freed at the next turns of the event loop.
        while await traces_in(page, MARK, NUMBER):
            await asyncio.sleep(0.2)


async def test_officer_ends_traveller(post: PlayedPost, page: Page) -> None:
    await fill(post, page)
    await page.keyboard.press("Escape")
    await page.keyboard.press("F10")
    await assert_wiped(page)
    assert not any("ZZLEAK" in path for path in post.asked), "the web server was told nothing"


async def test_officer_locks(post: PlayedPost, page: Page) -> None:
    await fill(post, page)
    await page.keyboard.press("Alt+l")
    await expect(page.get_by_role("heading", name="Locked")).to_be_visible()
    await assert_wiped(page)


async def test_another_counter_takes_lane(post: PlayedPost, page: Page) -> None:
    await fill(post, page)
    await post.gateway.claim(BARRIER, "counter-2")
    await expect(page.get_by_text("Counter counter-2 has this lane")).to_be_visible()
    await assert_wiped(page)


async def test_link_is_lost(post: PlayedPost, page: Page) -> None:
    await fill(post, page)
    await post.stop_gateway()
    post.broker.stop()
    await expect(page.get_by_text("No connection to the post since")).to_be_visible()
    await assert_wiped(page)


async def test_document_is_gone(post: PlayedPost, page: Page) -> None:
    transaction = await fill(post, page)
    await post.gateway.publish(READER, data_of(DocumentRemoved, end_reason="complete"), transaction)
    await assert_wiped(page)


async def test_person_has_passed(post: PlayedPost, page: Page) -> None:
    transaction = await fill(post, page)
    await post.gateway.publish(
        BARRIER, data_of(BarrierPassage, permitted=True, tailgating=False), transaction
    )
    await assert_wiped(page)


async def test_counter_locks_itself_when_it_is_not_used() -> None:
    async with played_post(lock_after_s=25) as post, post.new_page(script=COUNT_URLS) as page:
        await sign_in(page)
        await fill(post, page)
        await expect(page.get_by_text("The counter was locked because it was not used.")).to_be_visible()
        await assert_wiped(page)


@pytest.mark.timeout(3000)
async def test_heap_does_not_grow_with_travellers(post: PlayedPost, page: Page) -> None:
    """The heap after 1,000 travellers is within 10 % of that after 100."""
    document = marked()
    chip = read_chip(document)
    served = 0
    sizes = []
    for until in (FEW, MANY):
        while served < until:
            for _ in range(BATCH - 1):
                await post.gateway.publish_all(observations(document.lines, chip))
            served += BATCH
            last = passport(PEOPLE, number=f"B{served:08}")
            await post.gateway.publish_all(observations(last.lines, pages=False))
            # Events expire: the page is waited for, however slow it is.
            await expect(page.locator(".fields .value").nth(2)).to_have_text(f"B{served:08}")
        await page.keyboard.press("F10")
        await expect(page.get_by_text("Waiting for a document")).to_be_visible()
        sizes.append(await heap_bytes(page))
    print(f"heap after {FEW} travellers {sizes[0]:,} bytes, after {MANY} {sizes[1]:,}")
    assert sizes[1] <= 1.1 * sizes[0]
    assert await traces_in(page, MARK, NUMBER) == []
