"""Screenshots of the console for the README, taken of a simulated post: `make screenshots`."""

import asyncio
import tempfile
from io import BytesIO
from pathlib import Path

from PIL import Image
from playwright.async_api import Page, expect
from support.console.browsers import BARRIER, READER, SWAPPED, browser_fixture, wait_until_present

from gateway.console.web import jinja
from simulators.travellers import TravellerGenerator

FOLDER = jinja.TEMPLATES.parent / "screenshots"
LARGEST_BYTES = 100_000


async def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        async with (
            browser_fixture(Path(folder)) as at,
            at.new_page(viewport={"width": 1280, "height": 760}) as page,
        ):
            await at.log_in(page, "supervisor")
            people = TravellerGenerator(7)
            for _ in range(12):
                await at.reader.present(next(people))
            at.gateway.wires[SWAPPED].unplug()
            await page.goto("/simulators")
            vehicle = page.locator(f"#simulator-{BARRIER.replace('/', '--')}")
            await vehicle.get_by_role("button", name="Insert").click()
            await page.goto("/")
            await expect(page.locator("tr[data-state=no_device]")).to_be_visible()
            await expect(page.locator("tr[data-state=online]")).to_have_count(3)
            await shoot(page, "board")
            await page.goto("/barriers")
            await expect(page.get_by_role("img", name="entry side: yes")).to_be_visible()
            await shoot(page, "barriers")
            await page.goto(f"/devices/{SWAPPED}")
            await shoot(page, "device")
            await page.goto(f"/devices/{READER}/acceptance")
            await page.get_by_role("button", name="Start").first.click()
            presenting = asyncio.create_task(wait_until_present(at, people))
            await page.get_by_role("button", name="Start").click()
            await expect(page.locator("[data-verdict=passed]")).to_be_visible()
            presenting.cancel()
            await asyncio.gather(presenting, return_exceptions=True)
            await page.goto(f"/devices/{READER}/acceptance")
            await page.emulate_media(media="print")
            await shoot(page, "acceptance")


async def shoot(page: Page, name: str) -> None:
    file = FOLDER / f"{name}.png"
    taken = await page.screenshot(animations="disabled")
    Image.open(BytesIO(taken)).convert("P", palette=Image.Palette.ADAPTIVE, colors=64).save(
        file, optimize=True
    )
    assert file.stat().st_size < LARGEST_BYTES, f"{file} is {file.stat().st_size} bytes"


if __name__ == "__main__":
    asyncio.run(main())
