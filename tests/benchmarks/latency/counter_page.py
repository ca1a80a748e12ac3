"""From a reader's last byte to the fields on the counter page in Chromium.

`PYTHONPATH=tests python -m benchmarks.latency.counter_page`: a whole gateway, Mosquitto over WebSockets, and
the page as `make counter` builds it. Both clocks are the wall clock: the moment before the document is
written to the pseudo-terminal, which takes no time of a line, and the page's at the change of the text and in
the next frame, when a person can see it.
"""

import argparse
import asyncio
import contextlib
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from playwright.async_api import Page
from support.brokers.mosquitto import Mosquitto
from support.counter.files import static_server
from support.counter.pages import READER, chromium, settings_of, sign_in
from support.gateway.gateways import GatewayFixture
from support.patience import PATIENCE_S

from simulators.mrz import Document, Format
from simulators.travellers import TravellerGenerator

PAUSE_S = 0.3
LIMIT_MS = 100
WATCH = """
() => {
  window.shown = new Map()
  const look = () => {
    const root = document.querySelector('borderpost-lane').shadowRoot ?? document
    const text = root.querySelector('.document')?.textContent ?? ''
    const number = /B\\d{8}/.exec(text)?.[0]
    if (number === undefined || window.shown.has(number)) return
    const at = performance.timeOrigin + performance.now()
    window.shown.set(number, [at, undefined])
    requestAnimationFrame(() => setTimeout(() => {
      window.shown.set(number, [at, performance.timeOrigin + performance.now()])
    }))
  }
  const seen = document.querySelector('borderpost-lane').shadowRoot ?? document
  new MutationObserver(look).observe(seen, { subtree: true, childList: true, characterData: true })
}
"""
SHOWN = "number => window.shown.get(number)?.[1] === undefined ? null : window.shown.get(number)"


async def measure(folder: Path, reads: int) -> list[tuple[float, float]]:
    """Return the milliseconds until the text, and until the frame, of each read."""
    travellers = TravellerGenerator(5)
    with Mosquitto(websockets=True) as broker:
        gateway = GatewayFixture(folder, broker)
        async with contextlib.AsyncExitStack() as stack:
            stack.push_async_callback(gateway.stack.aclose)
            wire = await gateway.wire(READER)
            gateway.describe(READER, "mrz-serial", 'framing = "text"')
            settings = settings_of(broker, passwords=False) | {"lanes": {"lane-1": [READER]}}
            url = stack.enter_context(static_server(settings, []))
            browser = await stack.enter_async_context(chromium())
            await gateway.start()
            stack.push_async_callback(gateway.stop)
            await wire.wait_for_host()
            page = await browser.new_page()
            await page.goto(url)
            await sign_in(page)
            await page.evaluate(WATCH)
            found = []
            for number in range(reads + 1):
                document = travellers.document(Format.TD3, number=f"B{number:08d}")
                found.append(await _one(wire, page, document))
                await asyncio.sleep(PAUSE_S)
            return found[1:]  # the first one loads modules


async def _one(wire: Any, page: Page, document: Document) -> tuple[float, float]:
    sent_ms = time.time() * 1000
    await wire.send("".join(f"{line}\r" for line in document.lines).encode())
    async with asyncio.timeout(PATIENCE_S):
        while (shown := await page.evaluate(SHOWN, document.number)) is None:
            await asyncio.sleep(0.02)
    return shown[0] - sent_ms, shown[1] - sent_ms


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.latency.counter_page", description=__doc__)
    parser.add_argument("--reads", type=int, default=100)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = asyncio.run(measure(Path(folder), options.reads))
    for name, times in zip(("text", "frame"), zip(*found, strict=True), strict=True):
        ordered = sorted(times)
        p99 = ordered[min(len(ordered) - 1, len(ordered) * 99 // 100)]
        median, longest = statistics.median(times), ordered[-1]
        late = sum(each > LIMIT_MS for each in times)
        sys.stdout.write(
            f"last byte to {name}: p50 {median:.1f}, p99 {p99:.1f}, max {longest:.1f} ms, "
            f"{late} of {len(times)} above {LIMIT_MS} ms\n"
        )


if __name__ == "__main__":
    main()
