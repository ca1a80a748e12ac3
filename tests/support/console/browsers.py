"""A browser in front of a whole post: real daemon and broker, simulated devices, Debian's Chromium."""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, BrowserContext, Page, async_playwright
from support.brokers.mosquitto import Mosquitto
from support.console.chromium import CHROMIUM
from support.console.consoles import PASSWORD, users
from support.gateway.gateways import GatewayFixture, until
from support.ports import free_port

from simulators.passport.accessis import AccessIs
from simulators.passport.elyctis import Elyctis, Nameplate
from simulators.post import Post
from simulators.travellers import TravellerGenerator

AXE = Axe().axe_script
# Only violations, and as text: Playwright takes a second to unpack the complete result of axe-core.
LOOK = """
axe.run(document, {resultTypes: ["violations"]}).then(({violations}) => JSON.stringify(violations
    .filter(({impact}) => impact === "serious" || impact === "critical")
    .map(({id, help, nodes}) => `${id}: ${help}: ${nodes[0].html.slice(0, 200)}`)))
"""
READER, SWAPPED, BARRIER, CAMERA = "lane-1/reader", "lane-2/reader", "lane-1/barrier", "lane-1/camera"
SIMULATED = """
[[simulator]]
name = "lane-1/barrier"
kind = "modbus-barrier"
path = "{run}/barrier"
baud = 115200
mechanics = {{ controller = {{ closes_behind_s = 1 }} }}
[[simulator.boards]]
model = "waveshare-8"
outputs = {{ open = 0, close = 1, stop = 2 }}
inputs = {{ open-limit = 0, closed-limit = 1, approach = 2, exit = 3, photocell = 4, fire = 5 }}
[[simulator]]
name = "lane-1/camera"
kind = "camera-snapshot"
port = {camera}
"""
DEVICES = """
[device."lane-1/barrier"]
driver = "modbus-barrier"
emergency = {{ input = 5, contact = "nc" }}
[device."lane-1/barrier".board]
model = "waveshare-8"
port = "{run}/barrier"
baud = 115200
[[device."lane-1/barrier".doors]]
open = 0
close = 1
stop = 2
open_limit = {{ input = 0, contact = "no" }}
closed_limit = {{ input = 1, contact = "no" }}
entry_side = {{ input = 2, contact = "no" }}
exit_side = {{ input = 3, contact = "no" }}
presence = {{ input = 4, contact = "nc" }}
[device."lane-1/camera"]
driver = "camera-snapshot"
url = "http://127.0.0.1:{camera}"
path = "/snapshot.jpg"
"""


@dataclass
class BrowserFixture:
    """A post, its console's address, and a browser."""

    gateway: GatewayFixture
    post: Post
    url: str
    browser: Browser
    reader: AccessIs
    swapped: Elyctis
    complaints: list[str] = field(default_factory=list)
    """Errors reported by browsers: scripts, violations of the Content-Security-Policy."""

    @contextlib.asynccontextmanager
    async def new_page(self, port: int | None = None, **more: object) -> AsyncIterator[Page]:
        """New browser context, maybe by another port of the console; `more` is Playwright's."""
        url = self.url if port is None else f"http://127.0.0.1:{port}"
        context: BrowserContext = await self.browser.new_context(base_url=url, locale="en-GB", **more)  # type: ignore[arg-type]
        context.set_default_timeout(40_000)
        page = await context.new_page()
        page.on("console", lambda said: self._record_error(said.type, said.text))
        page.on("pageerror", lambda error: self._record_error("error", str(error)))
        try:
            yield page
        finally:
            await context.close()

    def _record_error(self, kind: str, text: str) -> None:
        if kind in ("error", "warning"):
            self.complaints.append(text)

    async def log_in(self, page: Page, name: str) -> None:
        """Log in through the form."""
        await page.goto("/login")
        await page.get_by_label("Name").fill(name)
        await page.get_by_label("Password").fill(PASSWORD)
        await page.get_by_role("button", name="Log in").click()
        await page.wait_for_url("**/")

    async def exchange(self, serial_number: str) -> None:
        """Replace a reader by another one."""
        self.swapped.nameplate = Nameplate(serial_number)
        self.gateway.wires[SWAPPED].replug()


async def wait_until_present(at: BrowserFixture, people: TravellerGenerator) -> None:
    """Present one specimen after the other, until cancelled."""
    while True:
        await at.reader.present(people.document_with())
        await asyncio.sleep(0.3)


async def faults_of(page: Page) -> list[str]:
    """Return the accessibility violations that axe-core finds in a page."""
    await page.evaluate(AXE)
    found = json.loads(await page.evaluate(LOOK))
    return [f"{page.url}: {each}" for each in found]


@contextlib.asynccontextmanager
async def browser_fixture(
    folder: Path, profile: str = "training", heartbeat_timeout_s: float = 30
) -> AsyncIterator[BrowserFixture]:
    """Run everything; ends all of it afterwards.

    `heartbeat_timeout_s`: by default long, because a camera's worker takes seconds to load libraries while
    many tests run beside this one.
    """
    run, camera, console = folder / "run", free_port(), free_port()
    url = f"http://127.0.0.1:{console}"
    described = folder / "simulators.toml"
    described.write_text(SIMULATED.format(run=run, camera=camera))
    async with contextlib.AsyncExitStack() as stack:
        gateway = GatewayFixture(folder, stack.enter_context(Mosquitto()), profile=profile)
        gateway.extra = (
            f'[console]\nlisten = "127.0.0.1:{console}"\nusers_file = "{users(folder)}"\n'
            f'simulators = "{run}/simulators.sock"\nidle_timeout_s = 60\n'
            + DEVICES.format(run=run, camera=camera)
        )
        stack.push_async_callback(gateway.stack.aclose)
        reader = AccessIs(await gateway.wire(READER))
        swapped = Elyctis(await gateway.wire(SWAPPED), nameplate=Nameplate("SIM0001"))
        gateway.describe(READER, "mrz-serial", 'framing = "accessis"')
        gateway.describe(SWAPPED, "mrz-serial", 'framing = "elyctis"')
        text = gateway.config.read_text()
        text = text.replace("heartbeat_timeout_s = 1", f"heartbeat_timeout_s = {heartbeat_timeout_s}")
        gateway.config.write_text(text)
        post = await stack.enter_async_context(Post.start(described, run_dir=run))
        playwright = await stack.enter_async_context(async_playwright())
        browser = await playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        )
        stack.push_async_callback(browser.close)
        await gateway.start()
        stack.push_async_callback(_stopped, gateway)
        await until((folder / "state" / "console.sock").exists)
        async with httpx.AsyncClient(timeout=60) as client:  # the console's process has started
            assert (await client.get(f"{url}/login")).status_code == 200
        yield BrowserFixture(gateway, post, url, browser, reader, swapped)


async def _stopped(gateway: GatewayFixture) -> None:
    assert await gateway.stop() == 0, gateway.log[-3000:]


def now_ms() -> float:
    """Return the clock that a page's `Date.now()` reads."""
    return time.time() * 1000
