"""The demo's counter: served by the demo until somebody opens its page, and then by that person."""

import asyncio
import re

import pytest
from playwright.async_api import Page, expect
from support.counter.pages import chromium, sign_in
from support.patience import PATIENCE_S
from support.process.demos import Demo

pytestmark = pytest.mark.thorough
ADDRESS = r"http://127\.0\.0\.1:\d+/counter/"


@pytest.mark.long(60)
@pytest.mark.parametrize("broker", ["mosquitto", "iotcore"])
async def test_page_takes_the_lane_and_gives_it_back(broker: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BORDERPOST_DEMO_BROKER", broker)
    with Demo(".venv/bin/borderpost", "demo", "--port", "0") as demo:

        async def shows(text: str) -> None:
            await asyncio.to_thread(demo.shows, text, PATIENCE_S)

        await shows("capture for officer: done")
        address = re.search(ADDRESS, demo.screen)
        assert address is not None
        async with chromium() as browser:
            context = await browser.new_context(permissions=["local-network-access"])
            context.set_default_timeout(PATIENCE_S * 1000)
            page = await context.new_page()
            await page.goto(address[0])
            await sign_in(page, "counter")
            await shows("lane-1 is served by counter")
            await until_whole(page)
            await page.keyboard.press("F2")
            await shows("preview for counter: done")
            await context.close()
        await shows("lane-1 is served by the demo's officer again")


async def until_whole(page: Page) -> None:
    """Wait for a passport with its portraits, of page and chip."""
    await expect(page.locator(".checks-list li").first).to_be_visible(timeout=PATIENCE_S * 1000)
    await expect(page.locator(".portraits img")).not_to_have_count(1, timeout=PATIENCE_S * 1000)
