"""The counter page for everybody: axe on every state in every language, and the whole flow by keyboard."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Page, expect
from support.clients.web_desks import WEB
from support.console.chromium import CHROMIUM
from support.counter.documents import observations, passport, read_chip
from support.counter.pages import PASSWORD, STATION, sign_in
from support.counter.played import PlayedPost, played_post
from support.counter.states import STATES, to_idle
from support.patience import PATIENCE_S

from simulators.travellers import TravellerGenerator

pytestmark = [
    pytest.mark.thorough,
    pytest.mark.timeout(900),
    pytest.mark.skipif(not Path(CHROMIUM).exists(), reason="Chromium is not installed"),
]
expect.set_options(timeout=PATIENCE_S * 1000)
AXE = WEB / "node_modules/axe-core/axe.min.js"
LOOK = """
axe.run(document, {resultTypes: ["violations"]})
    .then(({violations}) => JSON.stringify(violations.flatMap(({id, help, nodes}) =>
        nodes.map(({html}) => `${id}: ${help}: ${html.slice(0, 200)}`))))
"""
FOCUSED = """
() => {
    let at = document.activeElement;
    while (at?.shadowRoot?.activeElement) at = at.shadowRoot.activeElement;
    const label = at?.querySelector(".label")?.textContent;
    return at?.id || at?.getAttribute("aria-label") || label || at?.tagName;
}
"""


@pytest.fixture
async def post() -> AsyncIterator[PlayedPost]:
    async with played_post(wipe_after_s=3600, lock_after_s=0) as post:
        yield post
        assert post.complaints == [], "browsers had nothing to complain of"


async def violations(page: Page, state: str) -> list[str]:
    """Return what axe finds in a page."""
    return [f"{state}: {each}" for each in json.loads(await page.evaluate(LOOK))]


@pytest.mark.parametrize(("screen", "language"), [("desk", "en"), ("desk", "sw"), ("tablet", "fr")])
async def test_no_state_has_violations(post: PlayedPost, screen: str, language: str) -> None:
    found: list[str] = []
    async with post.new_page(screen, language) as page:
        await page.evaluate(AXE.read_text())
        found += await violations(page, "signed out")
        await sign_in(page)
        for state in STATES:
            await state(post, page)
            found += await violations(page, state.__name__)
            await to_idle(post, page)
        await page.evaluate("document.querySelector('borderpost-lane').shadowRoot.append(new Image())")
        assert await violations(page, "planted") != [], "axe looks into the element"
    assert found == []


async def test_nothing_is_wider_than_the_screen(post: PlayedPost) -> None:
    """This holds at 320 pixels too, where a page is enlarged four times (WCAG 2.2, 1.4.10)."""
    async with post.new_page() as page:
        await sign_in(page)
        document = passport(TravellerGenerator(5))
        await post.gateway.publish_all(observations(document.lines, read_chip(document)))
        await expect(page.get_by_text("The document is complete.")).to_be_visible()
        for width in (1366, 1024, 820, 320):
            await page.set_viewport_size({"width": width, "height": 768})
            wide = await page.evaluate("document.documentElement.scrollWidth - innerWidth")
            assert wide <= 0, f"{wide} pixels too wide at {width}"


async def test_whole_flow_by_keyboard(post: PlayedPost) -> None:
    async with post.new_page() as page:
        await expect(page.locator("#name")).to_be_focused()
        await page.keyboard.type(STATION)
        await page.keyboard.press("Tab")
        await page.keyboard.type(PASSWORD)
        await page.keyboard.press("Enter")
        await expect(page.get_by_text("Waiting for a document")).to_be_visible()

        document = passport(TravellerGenerator(6))
        await post.gateway.publish_all(observations(document.lines, read_chip(document)))
        await expect(page.get_by_text("The document is complete.")).to_be_visible()
        await page.keyboard.press("F8")
        await expect(page.get_by_role("heading", name="Examine")).to_be_visible()
        await page.keyboard.press("+")
        await expect(page.locator(".zoom-level")).to_have_text("Zoom 125 %")
        await page.keyboard.press("0")
        await expect(page.locator(".zoom-level")).to_have_text("Zoom 100 %")
        await page.keyboard.press("Escape")
        await expect(page.get_by_role("heading", name="Examine")).to_be_hidden()

        reached = set()
        for _ in range(25):
            await page.keyboard.press("Tab")
            reached.add(await page.evaluate(FOCUSED))
        wanted = {
            "language",
            "Lock",
            "Examine",
            "End the traveller",
            "Portrait",
            "finger",
            "missing",
            "Take the print",
        }
        assert wanted | {"Open for one person", "Close", "Stop", "Checks"} <= reached

        await page.keyboard.press("F9")
        await post.gateway.command("open")
        await expect(page.locator(".gate-state")).to_have_text("Closed")
        assert [verb for _, verb, _, _ in post.gateway.commands] == ["open"]
        await page.keyboard.press("F10")
        await expect(page.get_by_text("Waiting for a document")).to_be_visible()
        await page.keyboard.press("F9")  # without a traveller it only goes to the button
        assert await page.evaluate(FOCUSED) == "Open for one person"
        assert [verb for _, verb, _, _ in post.gateway.commands] == ["open"]
        await page.keyboard.press("Alt+l")
        await expect(page.locator("#password")).to_be_focused()
