"""A real driver, a real connection, and a simulated full-page reader under control of the test."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any, ClassVar

from support.patience import PATIENCE_S

from drivers.links.factory import LinkFactory
from drivers.links.link import LinkError
from drivers.observation import Check, Observation
from drivers.passport.fullpage.bridge import BridgeReader
from drivers.passport.fullpage.bridge import BridgeSettings as BridgeDriverSettings
from drivers.passport.fullpage.desko import DeskoReader
from drivers.passport.fullpage.desko import DeskoSettings as DeskoDriverSettings
from drivers.passport.fullpage.reader import FullPageReader
from drivers.passport.observations import DocumentRead, DocumentRemoved
from drivers.passport.read_result import today
from simulators.mrz import Format
from simulators.passport.fullpage.faults import fault_of
from simulators.passport.fullpage.page import Page
from simulators.passport.fullpage.readers import (
    BridgeSettings,
    DeskoSettings,
    PageReader,
    PageReaderSettings,
)
from simulators.travellers import TravellerGenerator

VALID = f"{today() + timedelta(days=900):%y%m%d}"
_TRAVELLERS = TravellerGenerator(3)
PASSPORT = Page(_TRAVELLERS.document(Format.TD3, expiry=VALID).lines)
CARD_BACK = Page(_TRAVELLERS.document(Format.TD1, expiry=VALID).lines)
CARD_FRONT = Page(())

FUZZ = int(os.environ.get("BORDERPOST_FUZZ", "40"))
SIMULATED: dict[str, type[PageReaderSettings]] = {"document-bridge": BridgeSettings, "desko": DeskoSettings}
DRIVERS: dict[str, tuple[type[FullPageReader[Any]], type[Any]]] = {
    "document-bridge": (BridgeReader, BridgeDriverSettings),
    "desko": (DeskoReader, DeskoDriverSettings),
}
OPTICAL = {"optical.ir_ab_mr", "optical.uv_br_fu", "optical.uv_br_ph", "optical.uv_br_mr"}


def simulator(kind: str, **settings: Any) -> PageReader:
    """Build a reader with immediate results and small images, whose documents stay until they are removed."""
    fast = {"port": 0, "dpi": 50, "step_s": 0.0, "dwell_s": 600}
    built = SIMULATED[kind](name="lane-1/reader", kind=kind, **fast | settings).build()
    assert isinstance(built, PageReader)
    return built


class FullPageFixture:
    """One opened driver before one simulated reader."""

    _FAST: ClassVar[dict[str, Any]] = {"poll_s": 0.005}

    def __init__(self, kind: str, device: PageReader | None, **settings: Any) -> None:
        """Prepare a driver; without a `device`, `url` is the address of another service."""
        self.kind = kind
        if device is not None:
            self.device = device
            settings = {"url": device.server.url} | settings
        self.settings = self._FAST | settings
        self.output: asyncio.Queue[Any] = asyncio.Queue()
        self.links = LinkFactory()
        self.driver: FullPageReader[Any] | None = None
        self._listening: asyncio.Task[None] | None = None

    async def open(self) -> Any:
        """Open the driver again, as a worker does after a failure."""
        await self.close()
        self.links = LinkFactory()
        driver, settings = DRIVERS[self.kind]
        self.driver = driver(settings(**self.settings), self.links)
        identity = await self.driver.open()
        self._listening = asyncio.create_task(self._listen(self.driver))
        return identity

    async def reopen(self) -> None:
        """Open it repeatedly until the service responds, as a worker does."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                with contextlib.suppress(LinkError):
                    await self.open()
                    return
                await asyncio.sleep(0.005)

    async def close(self) -> None:
        if self._listening is not None:
            self._listening.cancel()
            await asyncio.gather(self._listening, return_exceptions=True)
            self._listening = None
        if self.driver is not None:
            await self.driver.close()
            self.driver = None
        await self.links.close()

    async def _listen(self, driver: FullPageReader[Any]) -> None:
        async with contextlib.aclosing(driver.watch()) as observations:
            try:
                async for observation in observations:
                    self.output.put_nowait(observation)
            except LinkError as error:
                self.output.put_nowait(error)

    async def next(self, kind: type[Any] = object) -> Any:
        """Return the next observation of that kind; earlier ones are skipped."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                output = await self.output.get()
                if isinstance(output, kind):
                    return output
                assert not isinstance(output, LinkError), output.text

    async def until(self, kind: type[Any]) -> list[Any]:
        """Return all observations up to and including the next one of that kind."""
        found: list[Any] = []
        async with asyncio.timeout(PATIENCE_S):
            while not found or not isinstance(found[-1], kind):
                found.append(await self.output.get())
        return found

    async def read(self, page: Page) -> DocumentRead:
        """Place a page, and remove it once it is read."""
        await self.device.present(page)
        read = await self.next(DocumentRead)
        await self.device.scanner.remove()
        await self.next(DocumentRemoved)
        return read

    def inject_fault(self, fault: str, **arguments: Any) -> None:
        self.device.scanner.inject(fault_of(fault, arguments))


@contextlib.asynccontextmanager
async def fullpage_fixture(
    kind: str, device: dict[str, Any] | None = None, **settings: Any
) -> AsyncIterator[FullPageFixture]:
    """Run a simulated reader and an opened driver for it."""
    simulated = simulator(kind, **device or {})
    running = asyncio.create_task(_run(simulated, ready := asyncio.Event()))
    await ready.wait()
    fixture = FullPageFixture(kind, simulated, **settings)
    try:
        await fixture.open()
        yield fixture
    finally:
        await fixture.close()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def _run(simulated: PageReader, ready: asyncio.Event) -> None:
    await simulated.run(lambda event, _details: ready.set() if event == "ready" else None)


def outcomes(read: DocumentRead) -> dict[str, str]:
    return {check.id: str(check.outcome) for check in read.checks}


def check(read: DocumentRead, name: str) -> Check:
    return next(check for check in read.checks if check.id == name)


def types(output: list[Any]) -> list[str]:
    return [item.event_type if isinstance(item, Observation) else type(item).__name__ for item in output]
