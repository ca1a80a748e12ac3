"""The counter page in Chromium: a whole traveller, and everything that can go wrong at a lane."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Locator, Page, expect
from support.console.chromium import CHROMIUM
from support.counter.documents import observations, passport, read_chip
from support.counter.pages import BARRIER, CAMERA, FINGER, PASSWORD, READER, sign_in
from support.counter.played import PIXEL, PlayedPost, data_of, played_post
from support.patience import PATIENCE_S

from drivers.barrier.observations import BarrierAlarm, BarrierPassage
from drivers.camera.observations import FaceCaptured
from drivers.fingerprint.observations import CaptureEnded, FingerCaptured, FingerFeedback
from drivers.observation import Attachment
from drivers.passport.observations import DocumentRemoved, ReadFailed
from simulators.passport.chip import faults as fault
from simulators.passport.chip.face import draw_face
from simulators.travellers import TravellerGenerator

pytestmark = [
    pytest.mark.thorough,
    pytest.mark.timeout(300),
    pytest.mark.skipif(not Path(CHROMIUM).exists(), reason="Chromium is not installed"),
]
expect.set_options(timeout=PATIENCE_S * 1000)
PEOPLE = TravellerGenerator(11)


@pytest.fixture
async def post() -> AsyncIterator[PlayedPost]:
    async with played_post() as post:
        yield post
        assert post.complaints == [], "browsers had nothing to complain of"


@pytest.fixture
async def page(post: PlayedPost) -> AsyncIterator[Page]:
    async with post.new_page() as page:
        await sign_in(page)
        yield page


async def place(post: PlayedPost, *faults: Any, **fields: Any) -> str:
    """Put a passport with a chip on the reader; returns the transaction."""
    document = passport(PEOPLE, **fields)
    return await post.gateway.publish_all(observations(document.lines, read_chip(document, *faults)))


def check(page: Page, title: str) -> Locator:
    """Return the entry of a check."""
    return page.locator(".checks-list li").filter(has_text=title)


async def take_portrait(post: PlayedPost, page: Page, transaction: str) -> None:
    """Take a portrait with the keyboard."""
    await page.keyboard.press("F2")
    await expect(page.get_by_role("button", name="Take the picture")).to_be_enabled()
    await page.keyboard.press("F2")
    assert (await post.gateway.command("capture"))["transaction"] == transaction
    picture = Attachment.from_bytes("picture", "image/jpeg", draw_face("counter"))
    await post.gateway.publish(CAMERA, data_of(FaceCaptured, attachments=(picture,)), transaction)


async def take_print(post: PlayedPost, page: Page, transaction: str) -> None:
    """Take a print with the keyboard, with advice on the way."""
    post.gateway.commands.clear()
    post.gateway.unfinished.add("capture")
    await page.keyboard.press("F4")
    await post.gateway.command("capture")
    for feedback, shown in (
        ("press_harder", "Press harder."),
        ("lift", "Press harder. Lift the finger."),
        ("place", "Press harder. Place the finger on the scanner."),
        ("assessing", "The print is being assessed."),
    ):
        await post.gateway.publish(FINGER, data_of(FingerFeedback, feedback=feedback), transaction)
        await expect(page.locator(".prints .advice")).to_have_text(shown)
    png = Attachment.from_bytes("png", "image/png", PIXEL)
    await post.gateway.publish(FINGER, data_of(FingerCaptured, attachments=(png,)), transaction)
    await post.gateway.publish(FINGER, data_of(CaptureEnded, outcome="captured", reason=None), transaction)
    await post.gateway.finish("capture")


async def test_whole_traveller(post: PlayedPost, page: Page) -> None:
    await expect(page.get_by_text("Waiting for a document")).to_be_visible()

    transaction = await place(post, surname="ERIKSSON")
    await expect(page.locator(".fields .value").first).to_have_text("ERIKSSON")
    await expect(page.get_by_text("The document is complete.")).to_be_visible()
    for portrait in ("On the page", "In the chip"):
        await expect(page.get_by_role("img", name=portrait)).to_be_visible()
    await expect(check(page, "Chip opened")).to_contain_text("opened with the key that is printed")
    await expect(page.locator(".counts")).to_contain_text("Successful")

    await take_portrait(post, page, transaction)
    await expect(page.get_by_role("img", name="At the counter")).to_be_visible()
    await take_print(post, page, transaction)
    await expect(page.locator(".prints-list")).to_contain_text("Right index finger")
    await expect(page.locator(".prints")).to_contain_text("The print was taken.")

    await page.keyboard.press("F9")
    assert (await post.gateway.command("open"))["transaction"] == transaction
    await post.gateway.gate("open")
    await expect(page.locator(".gate-state")).to_have_text("Open")
    await post.gateway.publish(
        BARRIER, data_of(BarrierPassage, permitted=True, tailgating=False), transaction
    )
    await expect(page.get_by_text("One person has passed.")).to_be_visible()
    await post.gateway.gate("closed")
    await expect(page.locator(".gate-state")).to_have_text("Closed")
    await expect(page.get_by_text("Waiting for a document")).to_be_visible()
    await expect(page.locator("borderpost-lane img:visible")).to_have_count(0)


async def test_checks_are_worst_first_and_not_summed_up(post: PlayedPost, page: Page) -> None:
    await place(post, fault.AlteredGroup(group=2), fault.AlteredSignature())
    await expect(page.get_by_text("The document is complete.")).to_be_visible()
    first = page.locator(".checks-list li").first
    await expect(first).to_have_attribute("data-outcome", "failed")
    await expect(check(page, "Unchanged: face")).to_contain_text("it was changed")
    counts = page.locator(".counts li")
    await expect(counts.nth(1)).to_be_visible()
    await expect(counts.first).to_contain_text("Failed")


async def test_dead_chip(post: PlayedPost, page: Page) -> None:
    await post.gateway.publish_all(observations(passport(PEOPLE).lines))
    await expect(page.locator(".portraits")).to_contain_text("No chip answered, although")
    await expect(check(page, "Chip opened")).to_have_attribute("data-outcome", "undetermined")


async def test_unreadable_zone_and_failed_read(post: PlayedPost, page: Page) -> None:
    await post.gateway.publish(READER, data_of(ReadFailed, fault="cut", detail=None))
    await expect(page.get_by_text("The document was pulled too early.")).to_be_visible()
    first, second = passport(PEOPLE).lines
    await post.gateway.publish_all(observations((first, second[:30])))
    await expect(page.get_by_text("The machine readable zone could not be read")).to_be_visible()
    await expect(page.get_by_text("The document was pulled too early.")).to_be_hidden()


async def test_devices_that_fail_say_what_still_works(post: PlayedPost, page: Page) -> None:
    await post.gateway.state(CAMERA, "no_device", "unplugged")
    await expect(page.locator(".sentences")).to_contain_text("Plug it in again.")
    await expect(page.locator(".sentences")).to_contain_text("Document, prints and gate work.")
    await expect(page.get_by_role("button", name="Portrait")).to_be_disabled()

    await post.gateway.state(FINGER, "degraded", "sensor_dirty")
    await expect(page.locator(".sentences")).to_contain_text("Wipe its window")
    await expect(page.get_by_role("button", name="Take the print")).to_be_enabled()


async def test_stuck_gate(post: PlayedPost, page: Page) -> None:
    await post.gateway.gate("fault", "not_arrived", conditions=["not_arrived"])
    await post.gateway.publish(BARRIER, data_of(BarrierAlarm, kind="not_arrived"))
    await expect(page.locator(".gate-state")).to_have_text("Fault")
    await expect(page.locator(".gate")).to_contain_text("It did not arrive at its end in time.")
    alarm = page.locator(".notices .note").filter(has_text="Alarm at the gate")
    await alarm.get_by_role("button").click()
    await expect(alarm).to_have_count(0)

    post.gateway.refusals[BARRIER, "open"] = "unsafe"
    await page.get_by_role("button", name="Open for one person").click()
    await expect(page.locator(".gate .failure")).to_contain_text("A person could be hurt.")


async def test_broker_gone_and_back(post: PlayedPost, page: Page) -> None:
    await place(post)
    await expect(page.get_by_text("The document is complete.")).to_be_visible()
    await post.stop_gateway()
    post.broker.stop()
    await expect(page.get_by_text("No connection to the post since")).to_be_visible()
    await expect(page.locator(".document[data-stale]")).to_be_visible()
    await expect(page.locator(".devices")).to_contain_text("not current")
    await expect(page.get_by_role("button", name="Open for one person")).to_be_disabled()

    post.broker.start()
    await post.start_gateway()
    await expect(page.get_by_text("No connection to the post since")).to_be_hidden()
    await expect(page.locator(".devices")).not_to_contain_text("not current")
    await place(post, surname="RETURNED")
    await expect(page.locator(".fields .value").first).to_have_text("RETURNED")
    await expect(page.get_by_role("button", name="Open for one person")).to_be_enabled()


async def test_silent_gateway_is_shown_as_outdated(post: PlayedPost, page: Page) -> None:
    await place(post)
    post.gateway.is_silent = True
    await expect(page.get_by_text("The gateway of the post does not answer")).to_be_visible()
    await expect(page.locator(".document[data-stale]")).to_be_visible()
    post.gateway.is_silent = False
    await expect(page.locator(".document[data-stale]")).to_have_count(0)


async def test_lane_taken_by_another_counter(post: PlayedPost, page: Page) -> None:
    await place(post, surname="ERIKSSON")
    await expect(page.locator(".fields .value").first).to_have_text("ERIKSSON")
    await post.gateway.claim(BARRIER, "counter-2")
    await expect(page.get_by_text("Counter counter-2 has this lane")).to_be_visible()
    await expect(page.get_by_text("ERIKSSON")).to_have_count(0)
    await place(post, surname="NOTMINE")
    await expect(page.get_by_text("NOTMINE")).to_have_count(0)

    await page.get_by_role("button", name="Take the lane over").click()
    await expect(page.get_by_text("Waiting for a document")).to_be_visible()
    await expect(page.get_by_text("NOTMINE")).to_have_count(0)


async def test_lane_comes_back_when_it_is_released(post: PlayedPost, page: Page) -> None:
    await post.gateway.claim(BARRIER, "counter-2")
    await expect(page.get_by_text("Counter counter-2 has this lane")).to_be_visible()
    await post.gateway.claim(BARRIER, None)
    await expect(page.get_by_text("Waiting for a document")).to_be_visible()
    await expect(page.get_by_role("button", name="Open for one person")).to_be_enabled()


async def test_lock_wipes_releases_and_wants_the_password(post: PlayedPost, page: Page) -> None:
    await place(post, surname="ERIKSSON")
    await expect(page.locator(".fields .value").first).to_have_text("ERIKSSON")
    await page.keyboard.press("Alt+l")
    await expect(page.get_by_role("heading", name="Locked")).to_be_visible()
    await expect(page.get_by_text("ERIKSSON")).to_have_count(0)
    async with asyncio.timeout(PATIENCE_S):
        while post.gateway.holders:
            await asyncio.sleep(0.01)

    await page.locator("#password").fill("wrong")
    await page.locator("form button").click()
    await expect(page.get_by_text("The post refuses this name or password.")).to_be_visible()
    await page.locator("#password").fill(PASSWORD)
    await page.keyboard.press("Enter")
    await expect(page.get_by_text("Waiting for a document")).to_be_visible()


async def test_next_document_wipes_the_person_before(post: PlayedPost, page: Page) -> None:
    first = await place(post, surname="FIRST")
    await take_portrait(post, page, first)
    await expect(page.get_by_role("img", name="At the counter")).to_be_visible()
    await place(post, surname="SECOND")
    await expect(page.locator(".fields .value").first).to_have_text("SECOND")
    await expect(page.get_by_role("img", name="At the counter")).to_be_hidden()
    await expect(page.get_by_text("FIRST")).to_have_count(0)


async def test_document_that_is_gone_is_wiped_unless_kept() -> None:
    async with played_post(wipe_after_s=21) as post, post.new_page() as page:
        await sign_in(page)
        transaction = await place(post, surname="ERIKSSON")
        await post.gateway.publish(READER, data_of(DocumentRemoved, end_reason="complete"), transaction)
        await page.get_by_role("button", name="Keep on the screen").click()
        await expect(page.locator(".fields .value").first).to_have_text("ERIKSSON")
        await expect(page.get_by_text("Waiting for a document")).to_be_visible()
        await expect(page.get_by_text("ERIKSSON")).to_have_count(0)
