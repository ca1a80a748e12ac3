"""A scripted fingerprint scanner, an opened driver, and its observations."""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Iterable
from typing import Any

from support.patience import PATIENCE_S

from drivers.clock import boot_ns
from drivers.command import CommandArguments, CommandOutput, Invocation
from drivers.driver import Identity, Status
from drivers.fingerprint.commands import CaptureFinger, CaptureFingerResult
from drivers.fingerprint.observations import CaptureEnded, FeedbackCode, FingerFeedback
from drivers.fingerprint.raster import CaptureFailure, Raster
from drivers.fingerprint.scanner import FingerprintScanner, ScannerSettings
from drivers.links.factory import LinkFactory
from drivers.links.link import LinkError

Step = Raster | CaptureFailure | Exception


class ScriptedScanner(FingerprintScanner[ScannerSettings]):
    """A scanner with scripted finger and images; it records its calls."""

    settings_model = ScannerSettings

    def __init__(self, settings: ScannerSettings, links: LinkFactory) -> None:
        super().__init__(settings, links)
        self.finger = asyncio.Event()
        self.no_finger = asyncio.Event()
        self.no_finger.set()
        self.images: deque[Step] = deque()
        self.called: list[str] = []
        self.shown: list[FeedbackCode] = []
        self.stuck = asyncio.Event()
        """Set while the current step may continue."""
        self.stuck.set()
        self.lost = asyncio.get_running_loop().create_future()

    async def open(self) -> Identity:
        return Identity(model="played")

    async def watch_idle(self) -> None:
        self.called.append("idle")
        await self._going_on(asyncio.Event().wait())

    async def prepare_capture(self, wanted: CaptureFinger) -> None:
        self.called.append("ready")

    async def wait_for_finger(self) -> None:
        self.called.append("finger_on")
        await self._going_on(self.finger.wait())

    async def wait_for_lift(self) -> None:
        self.called.append("finger_off")
        await self._going_on(self.no_finger.wait())

    async def capture_image(self) -> Raster | CaptureFailure:
        self.called.append("take")
        await self._going_on(self.stuck.wait())
        image = self.images.popleft()
        if isinstance(image, Exception):
            raise image
        return image

    async def show_feedback(self, feedback: FeedbackCode) -> None:
        self.shown.append(feedback)

    async def end_capture(self) -> None:
        self.called.append("rest")
        await self._going_on(self.stuck.wait())

    async def _going_on(self, step: Any) -> None:
        """Wait for a step, or for the link to be lost."""
        waiting = asyncio.ensure_future(step)
        try:
            await asyncio.wait({waiting, self.lost}, return_when=asyncio.FIRST_COMPLETED)
            if self.lost.done():
                raise self.lost.result()
        finally:
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)

    def place(self, *images: Step) -> None:
        """Place a finger with these images, one per placement."""
        self.images.extend(images)
        self.no_finger.clear()
        self.finger.set()

    def lift(self) -> None:
        self.finger.clear()
        self.no_finger.set()


class ScannerFixture:
    """A watched driver. `device`: the scripted or simulated device at the other end."""

    def __init__(self, driver: FingerprintScanner[Any], device: Any, identity: Identity) -> None:
        self.driver = driver
        self.device = device
        self.identity = identity
        self.said: asyncio.Queue[Any] = asyncio.Queue()
        self.everything: list[Any] = []
        self._calls: set[asyncio.Task[Any]] = set()

    def ask(self, *, within_s: float = 3, **wanted: Any) -> "asyncio.Task[CaptureFingerResult]":
        """Start a capture command in a task."""
        call = Invocation("c-1", "lane-1", "t-1", boot_ns() + round(within_s * 1e9))
        return self._task(self.driver.capture(CaptureFinger(**wanted), call))

    async def cancel(self) -> CommandOutput:
        return await self.driver.cancel(CommandArguments(), Invocation.local())

    def _task(self, command: Any) -> "asyncio.Task[Any]":
        task = asyncio.ensure_future(command)
        self._calls.add(task)
        return task

    async def listen(self) -> None:
        async with contextlib.aclosing(self.driver.watch()) as said:
            try:
                async for each in said:
                    self.everything.append(each)
                    self.said.put_nowait(each)
            except LinkError as error:
                self.said.put_nowait(error)

    async def next(self, kind: type[Any] = object) -> Any:
        """Return the next output of that kind; others before it are skipped."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                said = await self.said.get()
                if isinstance(said, kind):
                    return said

    async def told(self, feedback: FeedbackCode) -> FingerFeedback:
        """Wait for this feedback."""
        while (said := await self.next(FingerFeedback)).feedback is not feedback:
            pass
        return said

    async def ended(self) -> CaptureEnded:
        return await self.next(CaptureEnded)

    async def next_state(self) -> Any:
        return (await self.next(Status)).state

    async def close(self) -> None:
        for call in self._calls:
            call.cancel()
        await asyncio.gather(*self._calls, return_exceptions=True)


@contextlib.asynccontextmanager
async def listened(desk: ScannerFixture) -> AsyncIterator[ScannerFixture]:
    """Watch an opened driver."""
    listening = asyncio.create_task(desk.listen())
    try:
        yield desk
    finally:
        await desk.close()
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)


@contextlib.asynccontextmanager
async def open_scanner(
    driver: FingerprintScanner[Any], links: LinkFactory, device: Any = None
) -> AsyncIterator[ScannerFixture]:
    """Open a driver and watch it, and close it at the end."""
    try:
        desk = ScannerFixture(driver, device, await driver.open())
        try:
            async with listened(desk):
                yield desk
        finally:
            await driver.close()
    finally:
        await links.close()


@contextlib.asynccontextmanager
async def open_scripted_scanner(**settings: Any) -> AsyncIterator[tuple[ScriptedScanner, ScannerFixture]]:
    """Open and watch a scripted scanner."""
    links = LinkFactory()
    driver = ScriptedScanner(ScannerSettings(**{"quality": "ridge_clarity"} | settings), links)
    async with open_scanner(driver, links) as desk:
        while "idle" not in driver.called:
            await asyncio.sleep(0)
        yield driver, desk


def words(said: Iterable[Any]) -> list[str]:
    """Return the outputs in short form: feedback by code, events by type, states by code."""
    found = []
    for each in said:
        match each:
            case FingerFeedback():
                found.append(str(each.feedback))
            case Status():
                found.append(f"[{each.state}]")
            case _:
                found.append(each.event_type)
    return found
