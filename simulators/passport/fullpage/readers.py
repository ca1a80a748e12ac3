"""Kinds `document-bridge`, `desko` and `regula-server`: full-page readers and a server, with travellers."""

import asyncio
import contextlib
from collections.abc import Mapping
from dataclasses import replace
from random import Random
from typing import Any, Literal

from pydantic import Field, TypeAdapter, ValidationError

from simulators.cast.member import Light
from simulators.cast.presented import PresentedDocuments, drawn_truth
from simulators.errors import SimulatorError
from simulators.http.service import HttpSimulator, ServiceSettings
from simulators.mrz import Document, Format
from simulators.passport.chip.post_chips import ChipSettings, PostChips
from simulators.passport.fullpage.bridge import BridgeHost
from simulators.passport.fullpage.desko import DeskoService
from simulators.passport.fullpage.faults import FAULTS, REGULA_FAULTS, fault_of
from simulators.passport.fullpage.page import Page, PageAppearance
from simulators.passport.fullpage.regula import RegulaServer
from simulators.passport.fullpage.scanner import PageScanner
from simulators.simulator import EmitCallback, Simulator
from simulators.travellers import EVEN_MIX, TravellerGenerator


class PageReaderSettings(ServiceSettings):
    """One full-page reader and its service."""

    documents: dict[Format, float] = Field(
        default=EVEN_MIX, min_length=1, description="Weight of each format."
    )
    copied: float = Field(
        default=0.1, ge=0, le=1, description="Share of documents made with a colour copier."
    )
    every_s: float | None = Field(
        default=None, gt=0, description="Seconds between documents; only by command if omitted."
    )
    first_s: float = Field(default=1.0, ge=0, description="Time of the first one, in seconds.")
    dwell_s: float = Field(
        default=3.0, gt=0, description="Time that a document stays on the glass, in seconds."
    )
    step_s: float = Field(default=0.1, ge=0, description="Time for each result of a scan, in seconds.")
    dpi: int = Field(default=150, ge=40, le=600, description="Resolution of the images, in dots per inch.")
    image_bytes: int | None = Field(
        default=None,
        ge=1000,
        le=32_000_000,
        description="JPEG images of a page are padded to this size, in bytes.",
    )
    chip: ChipSettings | None = Field(default=None, description="Chips of passports, under the glass.")

    def build(self) -> Simulator:
        """Build the reader and its travellers."""
        return PageReader(self)

    def service(self, scanner: PageScanner) -> "BridgeHost | DeskoService":
        """Return the reader's service."""
        raise NotImplementedError


class BridgeSettings(PageReaderSettings):
    """A reader behind a bridge."""

    kind: Literal["document-bridge"]
    sees_documents: bool = Field(default=True, description="Whether the reader can detect a document.")

    def service(self, scanner: PageScanner) -> BridgeHost:
        """Return its bridge host."""
        return BridgeHost(scanner, self.credentials, sees_documents=self.sees_documents)


class DeskoSettings(PageReaderSettings):
    """A DESKO reader behind DESKO's service."""

    kind: Literal["desko"]

    def service(self, scanner: PageScanner) -> DeskoService:
        """Return its service."""
        return DeskoService(scanner, self.credentials)


class RegulaServerSettings(ServiceSettings):
    """A document server."""

    kind: Literal["regula-server"]

    def build(self) -> Simulator:
        """Build the server."""
        return RegulaSimulator(self)


class RegulaSimulator(HttpSimulator):
    """The server as its process runs it."""

    def __init__(self, settings: ServiceSettings) -> None:
        self.service = RegulaServer(settings.credentials)
        super().__init__(settings, self.service.answer)

    async def run(self, emit: EmitCallback) -> None:
        """Run until cancelled."""
        async with self.server:
            emit("ready", self.summary())
            await asyncio.Event().wait()

    @property
    def faults_adapter(self) -> TypeAdapter[Any]:
        """See `Simulator.faults_adapter`."""
        return REGULA_FAULTS

    async def clear_faults(self) -> None:
        """See `Simulator.clear_faults`."""
        self.service.garbage = False

    async def handle_command(self, verb: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """See `Simulator.handle_command`: `status`, and the fault `garbage`."""
        match verb, dict(arguments):
            case "status", {}:
                return self.summary() | {"requests": self.server.requests}
            case "fault", {"fault": "garbage"}:
                self.service.garbage = True
                return {}
        raise SimulatorError(
            f"{self.settings.kind} does not support {verb!r} this way: use status or fault garbage"
        )


class PageReader(HttpSimulator):
    """A reader, its service, its travellers and its faults."""

    def __init__(self, settings: PageReaderSettings) -> None:
        self.reader = settings
        self.scanner = PageScanner(
            PageAppearance(settings.dpi, size_bytes=settings.image_bytes), settings.step_s
        )
        self.service = settings.service(self.scanner)
        super().__init__(settings, self.service.answer)
        self.scanner.stop_service = self._die
        self.travellers = TravellerGenerator(settings.seed, mix=settings.documents)
        # Its files are written before a host can open the reader, because it loads them then.
        self._chips = None if settings.chip is None else PostChips(settings.chip, settings.seed)
        self._emit: EmitCallback = lambda _event, _details: None
        self._leaving: set[asyncio.Task[None]] = set()
        self._presented = 0
        self.presented = PresentedDocuments()

    def _die(self, for_s: float | None) -> None:
        if isinstance(self.service, DeskoService):
            self.service.reset()
        self.server.stop_for(for_s)

    async def run(self, emit: EmitCallback) -> None:
        """Run until cancelled."""
        self._emit = emit
        try:
            async with self.server, self._chips or contextlib.nullcontext():
                emit("ready", self.summary())
                if self.reader.every_s is None:
                    await asyncio.Event().wait()
                else:
                    await self._arrivals(self.reader.every_s)
        finally:
            await self.scanner.close()
            await self._no_removals()

    async def handle_command(self, verb: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """See `Simulator.handle_command`.

        `insert`: a `member` of the cast, or the `front` of its card; or `format` and `fields` of a Document,
        or raw `lines` (none: the side of a card without a zone), and `copied`. `remove`: takes the document
        away before its time. `truth`: about the `last` presentations. `fault`: its name and `args`.
        """
        match verb:
            case "remove":
                await self._remove()
                return {}
            case "insert":
                return await self._insert(**arguments)
            case "fault":
                return self._fault(**arguments)
            case "truth":
                return {"presented": self.presented.last(arguments.get("last", 1))}
            case "status":
                return self.summary() | {
                    "document": self.scanner.state,
                    "documents_presented": self._presented,
                    "scans": self.scanner.scans,
                    "requests": self.server.requests,
                }
        raise SimulatorError(
            f"{self.settings.kind} does not support {verb!r}: use insert, remove, fault, truth or status"
        )

    @property
    def faults_adapter(self) -> TypeAdapter[Any]:
        """See `Simulator.faults_adapter`."""
        return FAULTS

    async def clear_faults(self) -> None:
        """See `Simulator.clear_faults`."""
        await self.scanner.clear_faults()
        await self.server.resume()

    async def reset(self) -> None:
        """See `Simulator.reset`: also takes the document off the glass."""
        await self._remove()
        await self._no_removals()
        self.presented.clear()
        await self.clear_faults()

    async def _no_removals(self) -> None:
        """Cancel the removals of documents after their dwell time."""
        for task in tuple(self._leaving):
            task.cancel()
        await asyncio.gather(*self._leaving, return_exceptions=True)

    async def _insert(
        self,
        format: str | None = None,  # noqa: A002 - Doc 9303's word
        fields: Mapping[str, Any] | None = None,
        lines: list[str] | None = None,
        copied: bool = False,
        member: str | None = None,
        front: bool = False,
    ) -> dict[str, Any]:
        if member is not None:
            if format is not None or fields or lines is not None or copied:
                raise SimulatorError("insert: a member of the cast has its document: omit all else")
            return await self._insert_member(member, front=front)
        document: Document | None = None
        try:
            if lines is not None:
                if format is not None or fields:
                    raise ValueError("lines are used unchanged: omit format and fields")
                page = Page(tuple(lines))
            else:
                document = self.travellers.document(Format(format) if format else None, **(fields or {}))
                page = _page_of(document)
        except (ValueError, TypeError) as error:
            raise SimulatorError(f"insert: {error}") from None
        await self.present(page.photocopy() if copied else page, document)
        return {"lines": list(page.lines)}

    async def _insert_member(self, name: str, *, front: bool = False) -> dict[str, Any]:
        from simulators.cast.members import member_of  # loads chips

        member = member_of(name)
        made = member.presentation()
        if front:
            if not made.has_front:
                raise SimulatorError(f"insert: {name} has no front to show first")
            made = replace(made, lines=())
        page = Page(
            made.lines,
            dull_paper=made.has_dull_paper,
            b900_ink=made.has_b900_ink,
            is_washed=made.is_washed,
            photo_fault=made.photo_fault,
            face=made.document.number,
        )
        self._presented += 1
        chip = {} if self._chips is None else {"chip": await self._chips.place_made(made.chip)}
        truth = self.presented.note(member)
        await self._place(page, chip)
        return {"lines": list(made.lines), "truth": truth}

    def _fault(self, fault: str, args: dict[str, Any] | None = None) -> dict[str, Any]:
        try:
            injected = fault_of(fault, args)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            raise SimulatorError(f"fault {fault}: {first['msg']}") from None
        self._emit("fault", {"fault": injected.fault})
        self.scanner.inject(injected)
        return {}

    async def present(self, page: Page, document: Document | None = None) -> None:
        """Put a page on the glass, with the chip of its document, and remove it after its dwell time."""
        self._presented += 1
        chip = {}
        if self._chips is not None:
            chip = {"chip": await self._chips.place(document)}
        self.presented.note(_drawn_truth(page, document, chip.get("chip")))
        await self._place(page, chip)

    async def _place(self, page: Page, chip: Mapping[str, str]) -> None:
        await self.scanner.place(page)
        self._emit("document", {"zone": bool(page.lines), "copied": not page.dull_paper, **chip})
        task = asyncio.create_task(self._remove_later(self.scanner.placements))
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)

    async def _remove_later(self, placement: int) -> None:
        await asyncio.sleep(self.reader.dwell_s)
        await self._remove(placement)

    async def _remove(self, placement: int | None = None) -> None:
        """Remove the document: any, or only the one of that placement."""
        await self.scanner.remove(placement)
        if self._chips is not None and self.scanner.page is None:
            await self._chips.remove()

    async def _arrivals(self, every_s: float) -> None:
        chance = Random(f"{self.settings.seed}/copies")
        await asyncio.sleep(self.reader.first_s)
        while True:
            document = self.travellers.document()
            page = _page_of(document)
            await self.present(page.photocopy() if chance.random() < self.reader.copied else page, document)
            await asyncio.sleep(every_s)


def _drawn_truth(page: Page, document: Document | None, chip: str | None) -> Mapping[str, Any]:
    """Return the truth about a document outside the cast."""
    is_copy, is_forged = not page.dull_paper, chip == "forged"
    if not is_copy and not is_forged:
        return drawn_truth(None if document is None else True, shows=("chip",) if chip == "dead" else ())
    forged = [what for what, true in (("whole page", is_copy), ("portrait in the chip", is_forged)) if true]
    shows: tuple[Light, ...] = ("infrared", "ultraviolet") if is_copy else ()
    return drawn_truth(False, ", ".join(forged), (*shows, *(("chip",) if is_forged else ())))


def _page_of(document: Document) -> Page:
    """Return the page of a document, with the face that its chip has."""
    return Page(document.lines, face=document.number)
