"""The counter page in Chromium: its settings, screens, and what browsers complain of."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

from playwright.async_api import Browser, BrowserContext, Page, async_playwright, expect

from support.brokers.mosquitto import Mosquitto
from support.console.chromium import CHROMIUM
from support.patience import PATIENCE_S

READER, CAMERA, FINGER, BARRIER = "lane-1/reader", "lane-1/camera", "lane-1/finger", "lane-1/barrier"
POSITIONS = (READER, CAMERA, FINGER, BARRIER)
STATION, PASSWORD = "counter-1", "jambo-busia-2026"
SCREENS = {"desk": (1366, 768), "tablet": (820, 1180)}


def settings_of(broker: Mosquitto, site: str = "uto-test", **more: Any) -> dict[str, Any]:
    """Return the page's settings for a broker."""
    return {
        "site": site,
        "broker": f"ws://{broker.host}:{broker.ws_port}",
        "lanes": {"lane-1": list(POSITIONS)},
        "sign": False,
    } | more


@dataclass
class CounterFixture:
    """Browsers before a page, and what they complained of."""

    url: str
    browser: Browser
    asked: list[str] = field(default_factory=list)
    """Paths that the web server was asked for."""
    complaints: list[str] = field(default_factory=list)
    """Errors reported by browsers: scripts, violations of the policy, foreign requests."""

    @contextlib.asynccontextmanager
    async def new_page(
        self, screen: str = "desk", language: str = "en", script: str | None = None, **more: Any
    ) -> AsyncIterator[Page]:
        """Open the page in a new browser context; `script` runs before the page's own."""
        width, height = SCREENS[screen]
        context: BrowserContext = await self.browser.new_context(
            base_url=self.url,
            locale={"en": "en-GB", "sw": "sw-KE", "fr": "fr-FR"}[language],
            viewport={"width": width, "height": height},
            has_touch=screen == "tablet",
            **more,
        )
        context.set_default_timeout(PATIENCE_S * 1000)
        if script is not None:
            await context.add_init_script(script)
        page = await context.new_page()
        page.on("console", lambda said: self._record(said.type, said.text))
        page.on("pageerror", lambda error: self._record("error", str(error)))
        page.on("request", self._on_request)
        try:
            await page.goto("/")
            yield page
        finally:
            await context.close()

    def _record(self, kind: str, text: str) -> None:
        # The network's own complaints are of tests that cut it.
        if kind in ("error", "warning") and "WebSocket connection" not in text:
            self.complaints.append(text)

    def _on_request(self, request: Any) -> None:
        if not request.url.startswith((self.url, "blob:", "data:")):
            self.complaints.append(f"foreign request: {request.url}")


async def sign_in(page: Page, name: str = STATION, password: str = PASSWORD) -> None:
    """Begin at the lane."""
    await page.locator("#name").fill(name)
    if await page.locator("#password").count():
        await page.locator("#password").fill(password)
    await page.locator("form button").click()
    await expect(page.locator("borderpost-lane .screen")).to_be_visible(timeout=PATIENCE_S * 1000)


@contextlib.asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """Run a browser."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        )
        try:
            yield browser
        finally:
            await browser.close()
