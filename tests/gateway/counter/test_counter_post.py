"""The counter page before a whole simulated post: gateway, drivers, simulators and broker are real.

The other tests play the gateway. One test, so that the post and the browser are started only once.
"""

import asyncio
import re
from pathlib import Path

import pytest
from playwright.async_api import Page, expect
from support.console.chromium import CHROMIUM
from support.counter.pages import BARRIER, CAMERA, FINGER, sign_in
from support.counter.posts import CounterPost, counter_post
from support.gateway.gateways import until
from support.patience import PATIENCE_S

pytestmark = [
    pytest.mark.thorough,
    pytest.mark.long(70),
    pytest.mark.timeout(900),
    pytest.mark.usefixtures("forked_simulators"),
    pytest.mark.skipif(not Path(CHROMIUM).exists(), reason="Chromium is not installed"),
]
expect.set_options(timeout=PATIENCE_S * 1000)


async def test_officer_works_at_simulated_post(tmp_path: Path) -> None:
    async with counter_post(tmp_path, wipe_after_s=3600) as post, post.new_page() as page:
        await sign_in(page)
        await expect(page.locator(".devices [data-light=good]")).to_have_count(4)
        await serve_whole_traveller(post, page)
        await show_forged_chip(post, page)
        await show_dead_chip(post, page)
        await show_unreadable_zone(post, page)
        await lose_camera(post, page)
        await jam_gate(post, page)
        await lose_broker(post, page)
        await lose_lane(post, page)
        await dirty_scanner(post, page)
        assert post.complaints == [], "browsers had nothing to complain of"


async def serve_whole_traveller(post: CounterPost, page: Page) -> None:
    await post.place(post.document(surname="ERIKSSON"))
    await expect(page.locator(".fields .value").first).to_have_text("ERIKSSON")
    await expect(page.get_by_text("The document is complete.")).to_be_visible()
    for portrait in ("On the page", "In the chip"):
        await expect(page.get_by_role("img", name=portrait)).to_be_visible()

    await page.keyboard.press("F2")
    await expect(page.get_by_role("img", name="At the counter")).to_be_visible()
    await expect(page.get_by_role("button", name="Take the picture")).to_be_enabled()
    await page.keyboard.press("F2")
    await expect(page.get_by_role("button", name="Take again")).to_be_visible()

    await page.keyboard.press("F4")
    advice = page.locator(".prints .advice")
    for _ in range(3):  # the best of three
        await expect(advice).to_have_text("Place the finger on the scanner.")
        await post.do("insert", FINGER, finger=1, for_s=1)
        await expect(advice).not_to_have_text("Place the finger on the scanner.")
    await expect(page.locator(".prints-list img").first).to_be_visible()

    await open_gate(page)
    await expect(page.locator(".gate-state")).to_have_text("Open")
    await post.do("insert", BARRIER, manner="waits")
    await expect(page.get_by_text("One person has passed.")).to_be_visible()
    await expect(page.get_by_text("Waiting for a document")).to_be_visible()
    await expect(page.get_by_text("ERIKSSON")).to_have_count(0)
    await expect(page.locator(".gate-state")).to_have_text("Closed")


async def open_gate(page: Page) -> None:
    """Open the gate by key; on a busy machine its board may be too slow to be safe for a moment."""
    await expect(page.get_by_role("button", name="Open for one person")).to_be_enabled()
    await page.keyboard.press("F9")


async def show_forged_chip(post: CounterPost, page: Page) -> None:
    await post.place(post.document("FORGED"))
    await expect(page.locator(".checks-list li").first).to_have_attribute("data-outcome", "failed")
    await expect(page.locator(".checks")).to_contain_text("Data in the chip is not what the issuer signed")


async def show_dead_chip(post: CounterPost, page: Page) -> None:
    await post.place(post.document("DEAD"))
    await expect(page.locator(".portraits")).to_contain_text("No chip answered, although")


async def show_unreadable_zone(post: CounterPost, page: Page) -> None:
    first, second = post.document().lines
    await post.place(lines=[first, second[:30]])
    await expect(page.get_by_text("The machine readable zone could not be read")).to_be_visible()
    await page.keyboard.press("F10")


async def lose_camera(post: CounterPost, page: Page) -> None:
    camera = post.simulators.members[CAMERA]
    await camera.stop()
    await page.keyboard.press("F2")  # a camera without a stream is missed when it is used
    await expect(page.locator(".sentences")).to_contain_text("No portrait can be taken.")
    await camera.start()
    await expect(page.locator(".sentences")).not_to_contain_text("No portrait can be taken.")


async def dirty_scanner(post: CounterPost, page: Page) -> None:
    await post.place(post.document())
    await expect(page.get_by_text("The document is complete.")).to_be_visible()
    await post.fault(FINGER, "dirty-sensor")
    await post.do("insert", FINGER, finger=1, for_s=600)
    await page.keyboard.press("F4")
    wipe = page.get_by_text(re.compile("Wipe (it|its window) with a soft cloth"))
    await expect(wipe.first).to_be_visible()


async def jam_gate(post: CounterPost, page: Page) -> None:
    await post.fault(BARRIER, "stuck-boom", for_s=15)
    await post.place(post.document())
    await expect(page.get_by_text("The document is complete.")).to_be_visible()
    await open_gate(page)
    await expect(page.locator(".notices")).to_contain_text("Alarm at the gate")
    await page.locator(".notices button").first.click()
    await page.keyboard.press("F10")


async def lose_broker(post: CounterPost, page: Page) -> None:
    await post.place(post.document())
    await expect(page.get_by_text("The document is complete.")).to_be_visible()
    post.broker.stop()
    await expect(page.get_by_text("No connection to the post since")).to_be_visible()
    await expect(page.locator(".document[data-stale]")).to_be_visible()
    await until(lambda: not post.desk.connected_event.is_set())
    post.broker.start()
    await expect(page.get_by_text("No connection to the post since")).to_be_hidden()
    await expect(page.locator(".devices [data-light=stale]")).to_have_count(0)
    await post.desk.connected_event.wait()  # without a session: it hears nothing of what comes before


async def lose_lane(post: CounterPost, page: Page) -> None:
    other = post.gateway.workstation(BARRIER, station="chief", username="chief", password="three")
    async with other as desk, asyncio.timeout(PATIENCE_S):
        while not desk.status(BARRIER).is_usable:
            await asyncio.sleep(0.02)
        async with desk.claim(BARRIER, steal="Test of the counter."):
            await expect(page.get_by_text("Counter chief has this lane")).to_be_visible()
    await expect(page.get_by_text("Waiting for a document")).to_be_visible()
