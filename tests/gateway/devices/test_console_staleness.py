"""Staleness of an open page: how long it says a state as true that nothing confirms any more."""

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from playwright.async_api import Page
from support.brokers.cable import Cable
from support.console.browsers import BARRIER, CHROMIUM, browser_fixture

UNKNOWN_WITHIN_S, GREY_WITHIN_S = 6.0, 10.0
PATIENCE_S = 60.0
BARRIER_ID = f"barrier-{BARRIER.replace('/', '--')}"
SAID_AS_TRUE = f"""() => {{
    const barrier = document.getElementById("{BARRIER_ID}");
    const shown = [...barrier.querySelectorAll(".note.bad")].some((one) => one.checkVisibility());
    return barrier.dataset.sensed !== "" && !shown;
}}"""
COLOURED = f"""() => {{
    const lane = document.querySelector("#{BARRIER_ID} .lane");
    return lane !== null && !getComputedStyle(lane).filter.includes("grayscale");
}}"""


async def shown_for(page: Page, began_s: float) -> tuple[float, float]:
    """Return how long the page says the barrier's state as true, and shows it in colour, in seconds."""
    ends = []
    for condition in (SAID_AS_TRUE, COLOURED):
        while await page.evaluate(condition) and time.monotonic() - began_s < PATIENCE_S:
            await asyncio.sleep(0.05)
        ends.append(time.monotonic() - began_s)
    return ends[0], ends[1]


@contextlib.contextmanager
def stopped(pid: int) -> Iterator[None]:
    """Stop a process."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


def worker_pid(daemon: int) -> int:
    """Return the process of the barrier's worker."""
    children = psutil.Process(daemon).children(recursive=True)
    return next(one.pid for one in children if one.name() == BARRIER)


async def look(page: Page) -> None:
    """Open the page of the barriers, and wait until it is live."""
    await page.goto("/barriers")
    await page.wait_for_selector("#updates-status[data-state=live]")
    await page.wait_for_function(SAID_AS_TRUE)


@pytest.mark.thorough
@pytest.mark.skipif(not Path(CHROMIUM).exists(), reason="Chromium is not installed")
@pytest.mark.timeout(600)
async def test_unconfirmed_state_is_greyed(tmp_path: Path) -> None:
    took: dict[str, tuple[float, float]] = {}
    async with browser_fixture(tmp_path, heartbeat_timeout_s=5) as at:
        daemon = at.gateway.process
        assert daemon is not None
        cable = Cable(int(at.url.rpartition(":")[2]))
        async with cable.laid() as port, at.new_page(port) as page:
            await at.log_in(page, "technician")
            for name in ("cable", "daemon hangs", "worker hangs"):
                await look(page)
                with {
                    "cable": cable.cut,
                    "daemon hangs": lambda: stopped(daemon.pid),
                    "worker hangs": lambda: stopped(worker_pid(daemon.pid)),
                }[name]():
                    took[name] = await shown_for(page, time.monotonic())
                await page.wait_for_function(SAID_AS_TRUE)
            await look(page)
            began_s = time.monotonic()
            await at.gateway.stop(signal.SIGKILL)
            took["daemon killed"] = await shown_for(page, began_s)
            await at.gateway.start()
            await page.wait_for_function(SAID_AS_TRUE)  # it comes back by itself
    print("said as true for, in colour for (s):", took)
    assert max(said_s for said_s, _ in took.values()) <= UNKNOWN_WITHIN_S, took
    assert max(coloured_s for _, coloured_s in took.values()) <= GREY_WITHIN_S, took
