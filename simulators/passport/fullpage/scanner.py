"""The reader itself: the page on its glass, and the results of a scan, faults included."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from simulators.errors import SimulatorError
from simulators.links.tcp_service import ServiceStoppedError
from simulators.passport.fullpage.faults import (
    AnyFault,
    DocumentRemoved,
    Garbage,
    ImageMissing,
    ReaderUnplugged,
    ScanFault,
    ServiceDies,
    Slow,
    UnknownWord,
    WrongCredentials,
)
from simulators.passport.fullpage.page import Area, Light, Page, PageAppearance, draw_page

LIGHTS: tuple[Light, ...] = ("visible", "infrared", "ultraviolet")
B900, UV_PAGE, UV_PHOTO, UV_ZONE = "ir_ab_mr", "uv_br_fu", "uv_br_ph", "uv_br_mr"
Outcome = Literal["successful", "failed", "not_supported"]
_DULL: tuple[str, Outcome] = ("DULL", "successful")
_BRIGHT: tuple[str, Outcome] = ("BRIGHT", "failed")
CODES = (B900, UV_PAGE, UV_PHOTO, UV_ZONE)


@dataclass(frozen=True, slots=True)
class Result:
    """One result of a scan."""

    kind: Literal["mrz", "image", "check"]
    lines: tuple[str, ...] = ()
    light: Light = "visible"
    area: Area = "page"
    image: bytes = field(default=b"", repr=False)
    code: str = ""
    outcome: Outcome | None = None
    word: str = ""
    garbage: bool = False
    missing: bool = False


def findings(page: Page, lights: Sequence[str], *, face: bool) -> list[Result]:
    """Return all results of a scan of a page, the zone first; images are drawn when they are due."""
    found = [Result("mrz", lines=page.lines)] if page.lines else []
    for light in LIGHTS:
        if light in lights:
            found.append(Result("image", light=light))
    if face and "visible" in lights:
        found.append(Result("image", area="face"))
    if "infrared" in lights:
        found.append(_b900(page))
    if "ultraviolet" in lights:
        for code in (UV_PAGE, UV_PHOTO, UV_ZONE):
            is_bright = {UV_PAGE: page.is_bright, UV_PHOTO: page.has_bright_photo}.get(
                code, not page.dull_paper
            )
            word, outcome = _BRIGHT if is_bright else _DULL
            found.append(Result("check", code=code, word=word, outcome=outcome))
    return found


def _b900(page: Page) -> Result:
    if not page.lines:
        return Result("check", code=B900, word="NOT_APPLICABLE", outcome="not_supported")
    if page.b900_ink:
        return Result("check", code=B900, word="OK", outcome="successful")
    return Result("check", code=B900, word="NOT_DETECTED", outcome="failed")


class PageScanner:
    """The reader. Services start scans; tests and travellers place and remove documents and inject faults."""

    def __init__(self, look: PageAppearance | None = None, step_s: float = 0.0) -> None:
        self.appearance = look or PageAppearance()
        self.step_s = step_s
        """Time for each result of a scan, in seconds."""
        self.page: Page | None = None
        self.placements = 0
        self.is_plugged = True
        self.rejects_password = False
        """True if the service has another password than its clients."""
        self.scans = 0
        self.stop_service: Callable[[float | None], None] = lambda _for_s: None
        """Stops the service of the reader; set by its owner."""
        self._faults: list[tuple[ScanFault, int]] = []
        self._changed = asyncio.Condition()
        self._later: set[asyncio.Task[None]] = set()

    @property
    def state(self) -> Literal["present", "absent"]:
        """True if a document is on the glass."""
        return "absent" if self.page is None else "present"

    async def place(self, page: Page) -> None:
        """Put a document on the glass, in place of any other."""
        self.page = page
        self.placements += 1
        await self._notify()

    async def remove(self, placement: int | None = None) -> None:
        """Remove the document: any, or only the one of that placement."""
        if placement in (None, self.placements):
            self.page = None
            await self._notify()

    async def wait_until(self, true: Callable[[], bool], wait_s: float) -> bool:
        """Wait at most `wait_s` seconds until this is true; return whether it is."""
        try:
            async with asyncio.timeout(wait_s), self._changed:
                await self._changed.wait_for(true)
        except TimeoutError:
            return true()
        return True

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    def inject(self, fault: AnyFault) -> None:
        """Inject a fault, which applies now or to the next scans, depending on its kind."""
        match fault:
            case WrongCredentials(for_s=for_s):
                self.rejects_password = True
                self._soon(for_s, "rejects_password", False)
            case ReaderUnplugged(for_s=for_s):
                self.is_plugged = False
                self._soon(for_s, "is_plugged", True)
            case ScanFault():
                self._faults.append((fault, fault.scans))

    async def clear_faults(self) -> None:
        """Discard pending faults, end lasting ones, and plug in the reader."""
        await self.close()
        self._faults.clear()
        self.rejects_password = False
        self.is_plugged = True

    def _soon(self, for_s: float | None, attribute: str, value: bool) -> None:
        async def later(seconds: float) -> None:
            await asyncio.sleep(seconds)
            setattr(self, attribute, value)

        if for_s is not None:
            task = asyncio.create_task(later(for_s))
            self._later.add(task)
            task.add_done_callback(self._later.discard)

    async def close(self) -> None:
        """Cancel everything scheduled."""
        for task in tuple(self._later):
            task.cancel()
        await asyncio.gather(*self._later, return_exceptions=True)

    def scan(self, lights: Sequence[str], *, face: bool, png: bool = False) -> "Scan":
        """Start a scan of the page; raise SimulatorError without one."""
        if self.page is None:
            raise SimulatorError("no document on the glass: place one first")
        due = [fault for fault, _ in self._faults]
        self._faults = [(fault, left - 1) for fault, left in self._faults if left > 1]
        self.scans += 1
        found = findings(self.page, lights, face=face)
        return Scan(self, self.page, replace(self.appearance, png=png), found, due)


class Scan:
    """One scan, whose results become available one after the other."""

    def __init__(
        self,
        scanner: PageScanner,
        page: Page,
        look: PageAppearance,
        found: list[Result],
        faults: Sequence[ScanFault],
    ) -> None:
        self.number = scanner.scans
        self._scanner = scanner
        self._placement = scanner.placements
        self._page = page
        self._look = look
        self.results = found
        self._faults = faults

    @property
    def is_present(self) -> bool:
        """True if the document is still on the glass."""
        return self._scanner.page is not None and self._scanner.placements == self._placement

    async def result_at(self, index: int) -> Result | None:
        """Return the result with that number when available; None if the document is removed before."""
        result = self.results[index]
        delay_s = self._scanner.step_s
        for fault in self._faults:
            match fault:
                case Slow(delay_s=more_s):
                    delay_s += more_s
                case ServiceDies(after=after, for_s=for_s) if index >= after:
                    self._scanner.stop_service(for_s)
                    raise ServiceStoppedError
                case DocumentRemoved(after=after) if index >= after:
                    await self._scanner.remove(self._placement)
                case Garbage(at=at) if index == at:
                    result = replace(result, garbage=True)
                case ImageMissing(light=light) if result.kind == "image" and result.light == light:
                    result = replace(result, missing=True)
                case UnknownWord(word=word) if result.kind == "check":
                    result = replace(result, word=word, outcome=None)
        await asyncio.sleep(delay_s)
        if not self.is_present:
            return None
        if result.kind != "image":
            return result
        # A cropped photo is small, whatever the sensor.
        look = self._look if result.area == "page" else replace(self._look, size_bytes=None)
        return replace(result, image=draw_page(self._page, result.light, result.area, look))
