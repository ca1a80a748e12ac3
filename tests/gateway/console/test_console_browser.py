"""The console in Debian's Chromium, before a whole post with simulated devices.

One test of each run, so that broker, daemon, four devices and browser are started only once.
"""

import asyncio
import re
import statistics
import tomllib
from pathlib import Path

import httpx
import pytest
from playwright.async_api import Page, expect
from support.console.browsers import (
    BARRIER,
    CAMERA,
    CHROMIUM,
    READER,
    SWAPPED,
    BrowserFixture,
    browser_fixture,
    faults_of,
    now_ms,
    wait_until_present,
)
from support.console.consoles import PASSWORD
from support.patience import PATIENCE_S

from simulators.barrier import modbus_site
from simulators.barrier.modbus_site import ModbusSite
from simulators.travellers import TravellerGenerator

PAGES = [
    "/", "/events", "/barriers", "/cameras", "/delivery", "/health", "/discover", "/audit", "/contract",
    "/simulators",
]  # fmt: skip
MARKS = ("LEAKMARKER", "ZZLEAK999")
READS = 5
TOO_WIDE = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
SEEN = """
(row) => { window.seen = []; new MutationObserver(() => {
    const now = document.querySelector(row)?.dateTime;
    if (now !== window.was) { window.was = now; window.seen.push(Date.now()); }
}).observe(document.body, {childList: true, subtree: true}); }
"""


@pytest.mark.skipif(not Path(CHROMIUM).exists(), reason="Chromium is not installed")
@pytest.mark.timeout(300)
@pytest.mark.usefixtures("forked_simulators")
@pytest.mark.long(35)
async def test_technician_uses_console(tmp_path: Path) -> None:
    async with browser_fixture(tmp_path) as at, at.new_page() as page:
        await check_login(at, page)
        await show_live_read(at, page)
        await accept_replacement_device(at, page)
        await run_self_test(page)
        await run_acceptance(at, page)
        await begin_and_end_maintenance(page)
        await reveal_trace(at, page)
        await watch_barrier(at, page)
        await measure_camera(page)
        await check_language_and_keyboard(page)
        await check_viewer(at)
        await check_without_scripts(at)
        await check_no_personal_data(at, page)
        assert at.complaints == [], "browsers had nothing to complain of"


@pytest.mark.skipif(not Path(CHROMIUM).exists(), reason="Chromium is not installed")
@pytest.mark.timeout(300)
@pytest.mark.usefixtures("forked_simulators")
@pytest.mark.thorough
async def test_pages_are_accessible(tmp_path: Path) -> None:
    """Every page; the other test looks at those that it opens anyway."""
    async with browser_fixture(tmp_path) as at, at.new_page() as page:
        await at.log_in(page, "supervisor")
        await show_live_read(at, page)
        await find_devices(page)
        await check_accessibility(page)
        assert at.complaints == [], "browsers had nothing to complain of"


async def check_login(at: BrowserFixture, page: Page) -> None:
    await page.goto("/events")
    await expect(page).to_have_url(re.compile(r"/login\?next=/events"))
    await expect(page.get_by_role("note")).to_contain_text("TRAINING")
    assert await faults_of(page) == []
    await page.get_by_label("Name").fill("supervisor")
    await page.get_by_label("Password").fill("wrong-password")
    await page.get_by_role("button", name="Log in").click()
    await expect(page.get_by_role("alert")).to_contain_text("wrong")
    assert [text for text in at.complaints if "401" in text], "the browser tells of the status itself"
    at.complaints.clear()
    await page.get_by_label("Name").fill("supervisor")
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("button", name="Log in").click()
    await expect(page).to_have_url(re.compile("/events$|/$"))


async def show_live_read(at: BrowserFixture, page: Page) -> None:
    await page.goto("/")
    await expect(page.locator("#updates-status[data-state=live]")).to_be_visible()
    row = f"#device-{READER.replace('/', '--')}"
    await expect(page.locator(f"{row}[data-state=online]")).to_be_visible()
    await page.evaluate("window.here = true")
    await page.evaluate(SEEN, f"{row} .last-good time")
    people, took_ms = TravellerGenerator(1), []
    for _ in range(READS):
        before = await page.evaluate("window.seen.length")
        await at.reader.present(people.document_with())
        sent_ms = now_ms()
        await page.wait_for_function("(before) => window.seen.length > before", arg=before)
        took_ms.append(await page.evaluate("window.seen.at(-1)") - sent_ms)
    print(f"a read appears after {statistics.median(took_ms):.0f} ms, {[round(ms) for ms in took_ms]}")
    assert statistics.median(took_ms) < 300, took_ms
    assert await page.evaluate("window.here"), "it was not loaded again"
    await expect(page.locator(row)).to_contain_text("document.read")


async def accept_replacement_device(at: BrowserFixture, page: Page) -> None:
    await page.goto(f"/devices/{SWAPPED}")
    state = page.locator(f"#state-{SWAPPED.replace('/', '--')}")
    await expect(state).to_have_attribute("data-state", "online")
    at.gateway.wires[SWAPPED].unplug()
    await expect(state).to_have_attribute("data-state", "no_device")
    why = page.get_by_role("region", name="Why isn't it reading?")
    await expect(why.locator("[data-code=no_device]")).to_contain_text("→ unplug it and plug it in again")
    await at.exchange("SIM0002")
    await expect(state).to_have_attribute("data-state", "awaiting_acceptance")
    await expect(state).to_contain_text("awaits acceptance")
    await page.reload()
    assert await faults_of(page) == []
    await page.locator("#swap").get_by_label("Reason").fill("the old one was dropped")
    await page.get_by_role("button", name="Accept SIM0002").click()
    await expect(page.get_by_role("status")).to_contain_text("recorded in the audit")
    await expect(state).to_have_attribute("data-state", "online")


async def run_self_test(page: Page) -> None:
    await page.goto(f"/devices/{READER}")
    await page.get_by_role("button", name="Internal").click()
    await expect(page.locator("[data-step='link.open'][data-outcome=successful]")).to_be_visible()


async def run_acceptance(at: BrowserFixture, page: Page) -> None:
    await page.get_by_role("link", name="Guided acceptance").click()
    verdict = page.locator("#verdict")
    await expect(verdict).to_have_attribute("data-verdict", "incomplete")
    await expect(page.locator("[data-step='link.open']")).to_be_visible()
    presenting = asyncio.create_task(
        wait_until_present(at, TravellerGenerator(3))
    )  # the self-test receives one after it has begun
    await page.get_by_role("button", name="Start").click()
    await expect(verdict).to_have_attribute("data-verdict", "passed")
    presenting.cancel()
    await asyncio.gather(presenting, return_exceptions=True)
    await expect(page.locator("[data-step='specimen.check_digits'][data-outcome=successful]")).to_be_visible()
    assert await faults_of(page) == []
    await page.emulate_media(media="print")
    await expect(page.get_by_text("Technician: name, date, signature")).to_be_visible()
    await expect(page.get_by_role("button", name="Again")).to_be_hidden()
    await page.emulate_media(media="screen")


async def begin_and_end_maintenance(page: Page) -> None:
    await page.goto(f"/devices/{READER}")
    state = page.locator(f"#state-{READER.replace('/', '--')}")
    await page.get_by_label("Minutes").fill("5")
    await page.get_by_role("button", name="Begin maintenance").click()
    await expect(state).to_have_attribute("data-state", "maintenance")
    await page.get_by_role("button", name="End maintenance").click()
    await expect(state).to_have_attribute("data-state", "online")


async def reveal_trace(at: BrowserFixture, page: Page) -> None:
    traveller = TravellerGenerator(2).document_with()
    await page.goto(f"/devices/{READER}/trace")
    await expect(page.locator("#updates-status[data-state=live]")).to_be_visible()
    await at.reader.present(traveller)
    await expect(page.locator("#trace tr[data-direction=in]").first).to_be_visible()
    assert traveller.lines[0][:9].encode().hex(" ") not in await page.content()
    assert await faults_of(page) == []
    await page.get_by_label("Reason for revealing the bytes").fill("vendor asks for bytes")
    await page.get_by_role("button", name="Reveal").click()
    await expect(page.get_by_role("columnheader", name="Content")).to_be_visible()
    await expect(page.locator("#updates-status[data-state=live]")).to_be_visible()
    await at.reader.present(traveller)
    await expect(page.locator("#trace")).to_contain_text(traveller.lines[0][:5].encode().hex(" "))
    await page.goto("/audit")
    await expect(page.get_by_text("vendor asks for bytes")).to_be_visible()


async def watch_barrier(at: BrowserFixture, page: Page) -> None:
    await page.goto("/barriers")
    barrier = page.locator(f"#barrier-{BARRIER.replace('/', '--')}")
    await expect(barrier).to_have_attribute("data-sensed", "closed")
    await expect(barrier.get_by_role("img", name="closed limit: yes")).to_be_visible()
    async with at.new_page() as other:
        await at.log_in(other, "technician")
        await other.goto("/simulators")
        form = other.locator(f"#simulator-{BARRIER.replace('/', '--')}")
        await form.get_by_role("button", name="Insert").click()
        await expect(barrier.get_by_role("img", name="entry side: yes")).to_be_visible()
        await form.get_by_label("Fault to inject").fill("fire")
        await form.get_by_role("button", name="Inject").click()
        await expect(barrier).to_have_attribute("data-sensed", "emergency_open")
        await form.get_by_label("Fault to inject").fill("nonsense")
        await form.get_by_role("button", name="Inject").click()
        await expect(other.locator(".note.bad")).to_contain_text("nonsense")
    at.complaints[:] = [text for text in at.complaints if "409" not in text]


async def measure_camera(page: Page) -> None:
    await page.goto("/cameras")
    camera = page.locator(f"#calibration-{CAMERA.replace('/', '--')}")
    await camera.get_by_role("button", name="External").click()
    await expect(camera.get_by_role("img", name="sharpness").first).to_be_visible()
    assert await page.locator("main img, main canvas, main video").count() == 0


async def find_devices(page: Page) -> None:
    """A board that is not configured, with its table; the readers, open in the gateway."""
    async with ModbusSite.start(modbus_site.ModbusSettings()) as board:
        await page.goto("/")
        await page.get_by_role("link", name="Find devices").click()
        await page.get_by_label("Search the network for cameras").uncheck()
        await page.get_by_label("Modbus boards to read").fill(board.address)
        await page.get_by_role("button", name="Search").click()
        table = page.locator("section[data-kind=modbus] pre")
        await expect(table).to_be_visible()
        pasted = tomllib.loads(await table.inner_text())["device"]
    assert pasted["lane-2/barrier"]["board"]["port"] == f"tcp://{board.address}"
    reader = page.locator("section[data-kind=configured]").filter(has_text=READER)
    await expect(reader).to_contain_text(f"the gateway, for {READER} (pid ")
    assert await faults_of(page) == []
    await page.set_viewport_size({"width": 360, "height": 740})
    assert await page.evaluate(TOO_WIDE) == 0, "it does not fit a phone"
    await page.set_viewport_size({"width": 1280, "height": 720})


async def check_accessibility(page: Page) -> None:
    for path in PAGES:
        await page.goto(path)
        assert await faults_of(page) == []
    await page.emulate_media(color_scheme="dark")
    await page.set_viewport_size({"width": 360, "height": 740})
    for path in ("/", f"/devices/{CAMERA}", "/health"):
        await page.goto(path)
        assert await faults_of(page) == []
        assert await page.evaluate(TOO_WIDE) == 0, f"{path} does not fit a phone"


async def check_language_and_keyboard(page: Page) -> None:
    await page.goto("/health")
    await page.get_by_role("button", name="Kiswahili").click()
    await expect(page.locator("html")).to_have_attribute("lang", "sw")
    await expect(page.get_by_role("heading", name="Afya ya mfumo")).to_be_visible()
    await page.get_by_role("button", name="English").click()
    await expect(page.locator("html")).to_have_attribute("lang", "en")
    await page.goto("/events")
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("link", name="To the content")).to_be_focused()


async def check_viewer(at: BrowserFixture) -> None:
    async with at.new_page() as page:
        await at.log_in(page, "viewer")
        await page.goto(f"/devices/{READER}")
        await expect(page.get_by_role("heading", name="State")).to_be_visible()
        assert await page.locator("main button").count() == 0
        assert (await page.goto("/audit")).status == 403  # type: ignore[union-attr]
        await page.get_by_role("button", name="Log out").click()
        await expect(page).to_have_url(re.compile("/login"))
    at.complaints[:] = [text for text in at.complaints if "403" not in text]


async def check_without_scripts(at: BrowserFixture) -> None:
    async with at.new_page(java_script_enabled=False) as page:
        await at.log_in(page, "viewer")
        await expect(page.locator("tbody tr")).to_have_count(4)
        await expect(page.get_by_text("reload to update")).to_be_visible()


async def check_no_personal_data(at: BrowserFixture, page: Page) -> None:
    cookies = {cookie["name"]: cookie["value"] for cookie in await page.context.cookies()}
    updates = {
        "/updates/board": 2,
        "/updates/events": 1,
        f"/updates/device/{READER}": 2,
        "/updates/barriers": 1,
    }
    async with httpx.AsyncClient(base_url=at.url, cookies=cookies, timeout=PATIENCE_S) as client:
        for path in [
            *PAGES,
            f"/devices/{READER}",
            f"/devices/{READER}/trace",
            f"/devices/{READER}/acceptance",
        ]:
            answer = await client.get(path)
            assert answer.status_code == 200, path
            clean(answer.content, path)
        for path, pieces in updates.items():
            async with client.stream("GET", path) as answer:
                seen = b""
                async for chunk in answer.aiter_bytes():
                    seen += chunk
                    if seen.count(b"event: item") == pieces and seen.endswith(b"\n\n"):
                        break
                assert b"data: " in seen
                clean(seen, path)


def clean(content: bytes, path: str) -> None:
    for mark in MARKS:
        for form in (
            mark.encode(),
            mark.lower().encode(),
            mark.encode().hex().encode(),
            mark.encode().hex(" ").encode(),
        ):
            assert form not in content.lower() if form.islower() else form not in content, f"{mark} in {path}"
