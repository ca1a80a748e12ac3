"""Chip reads of documents whose zone is known, at the PC/SC slot beside or inside the reader.

The chip read starts as soon as the zone is known. New events of the reader have priority: the next document
ends the transaction of the one before.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import Field, field_validator

from drivers.driver import BadFrame, Status
from drivers.links.address import VPCD_ADDRESS
from drivers.links.factory import LinkFactory
from drivers.links.link import LinkError, NotInstalledError
from drivers.links.settings import LinkRights, Settings, network_rights
from drivers.observation import Attachment, Check, CheckGroup, Observation, Outcome
from drivers.passport.chip_result import ChipProgress, ChipResult, ReadLimit
from drivers.passport.jpeg2000 import jpeg2000_to_jpeg
from drivers.passport.mrz import Mrz
from drivers.passport.observations import (
    ChipRead,
    ChipReadProgress,
    DocumentChecked,
    DocumentRead,
    DocumentRemoved,
    MrzRead,
    TransactionEnd,
)
from drivers.passport.read_result import today
from drivers.passport.transaction import ChipExpectation, DocumentTransaction

if TYPE_CHECKING:
    from drivers.links.smartcard import Card, SmartCardLink
    from drivers.links.smartcard.vpcd import VpcdCard, VpcdLink
    from drivers.passport.emrtd import TrustStore

Output = Observation | BadFrame | Status
Piece = TypeVar("Piece")
Step = TypeVar("Step")
CHIP_OBSERVATION_TYPES: tuple[type[Observation], ...] = (
    MrzRead,
    ChipReadProgress,
    ChipRead,
    DocumentChecked,
    DocumentRemoved,
)
"""Additional observation types of a zone reader that has a slot for chips."""
PROGRESS_STEPS_PER_FILE = 4
_CUT = frozenset({"card_removed", "document_changed"})
"""Reasons of checks of a document that was removed too early."""


class ChipSettings(Settings):
    """PC/SC slot for chips, and the certificates for their verification."""

    reader: str = Field(
        min_length=1,
        description="Name of the PC/SC slot, or enough of its beginning to tell it from the others; "
        "`vpcd://HOST:PORT` for a simulated one.",
        examples=["ACS ACR1252 Dual Reader [ACR1252 Dual Reader PICC]"],
    )
    trust: tuple[Path, ...] = Field(
        default=(),
        description="Files and folders with the operator's CSCA certificates, revocation lists and master "
        "lists. Without any, no chip is reported as genuine: those checks are `undetermined`.",
        examples=[["/etc/borderpost/trust"]],
    )
    card_timeout_s: float = Field(
        default=4.0,
        gt=0,
        le=60,
        description="Time after the zone within which the document may be placed on the slot, in seconds.",
        examples=[4.0],
    )
    is_expected: ChipExpectation = Field(
        default="passports",
        description="Documents that are expected to have a chip; one of them without a chip is "
        "`undetermined`.",
        examples=["passports"],
    )
    retry_budget_s: float = Field(
        default=15.0,
        ge=0,
        le=120,
        description="Time from the beginning of a chip read within which a chip that was lost is opened "
        "again, in seconds; 0: never.",
        examples=[15.0],
    )
    return_timeout_s: float = Field(
        default=1.5,
        ge=0,
        le=30,
        description="Time within which a lost chip must be back on the slot, in seconds; after it the "
        "document counts as removed.",
        examples=[1.5],
    )
    extended_length: bool = Field(
        default=True,
        description="False if the slot passes short APDUs only and neither states nor shows it. Longer ones "
        "are used when chip and slot offer them.",
        examples=[True],
    )

    def link_rights(self) -> LinkRights:
        """Return the rights to a simulated slot, or to the UNIX socket of the smart card service."""
        simulated = VPCD_ADDRESS.fullmatch(self.reader)
        if simulated is not None:
            return super().link_rights() | network_rights(simulated["host"], int(simulated["port"]))
        return super().link_rights() | LinkRights(local_sockets=True)

    @field_validator("reader")
    @classmethod
    def _check_address(cls, reader: str) -> str:
        if reader.startswith("vpcd:") and not VPCD_ADDRESS.fullmatch(reader):
            raise ValueError("is no address of a simulated slot; write vpcd://HOST:PORT")
        return reader


class ChipReader:
    """One PC/SC slot and the trust store.

    The slot is opened for each document, because it may come and go.
    """

    def __init__(self, settings: ChipSettings, links: LinkFactory, trust: "TrustStore | None") -> None:
        self.settings = settings
        self._links = links
        self._trust = trust
        self._card: Card | VpcdCard | None = None
        self._short_only: set[str] = set()
        """Slots that were found to pass short APDUs only, whatever they state."""
        self.is_mute = False
        """True if a document lay there last whose chip did not respond."""
        self._cancelled = asyncio.Event()

    @property
    def is_cancelled(self) -> bool:
        """True if the last read was cancelled."""
        return self._cancelled.is_set()

    def cancel(self) -> bool:
        """End the running session at its next command, or the wait for a chip; false when no session runs."""
        self._cancelled.set()
        if self._card is None:
            return False
        self._card.abandon()
        return True

    async def read(self, printed: Mrz | None) -> AsyncGenerator[ChipProgress | ChipResult, None]:
        """Yield progress and the result, or nothing when no chip is placed; raises LinkError."""
        self._cancelled.clear()
        async with self._links.smart_card(self.settings.reader) as slot:
            card = await self._placed_card(slot)
            self.is_mute = card is None and slot.is_mute
            if card is None:
                return
            extended = (
                self.settings.extended_length
                and card.max_apdu_data_bytes != 0
                and slot.name not in self._short_only
            )
            self._card = card
            loop = asyncio.get_running_loop()
            steps: asyncio.Queue[ChipProgress | ChipResult | None] = asyncio.Queue()

            def session() -> None:
                failures: list[LinkError] = []
                try:
                    for step in self._session(card, printed, failures, extended=extended):
                        loop.call_soon_threadsafe(steps.put_nowait, step)
                finally:
                    loop.call_soon_threadsafe(steps.put_nowait, None)
                if failures:
                    raise failures[0]

            running = asyncio.ensure_future(slot.run_blocking(session))
            try:
                last: ChipProgress | None = None
                while (step := await steps.get()) is not None:
                    if isinstance(step, ChipResult):
                        if extended and step.read_limit is ReadLimit.READER:
                            self._short_only.add(slot.name)
                        yield await asyncio.to_thread(_with_decoded_face, step)
                    elif _is_notable(last, step):
                        yield step
                        last = step
                await running
            finally:
                self._card = None
                card.abandon()
                await asyncio.wait([running])
                await slot.run_blocking(card.release)

    async def _placed_card(self, slot: "SmartCardLink | VpcdLink") -> "Card | VpcdCard | None":
        """Wait for a card; None when there is none in time, or when the read is cancelled."""
        card = asyncio.ensure_future(slot.wait_for_card(self.settings.card_timeout_s))
        cancelled = asyncio.ensure_future(self._cancelled.wait())
        try:
            await asyncio.wait([card, cancelled], return_when=asyncio.FIRST_COMPLETED)
            return None if cancelled.done() else card.result()
        finally:
            await _cancel(card)
            await _cancel(cancelled)

    async def wait_until_removed(self) -> None:
        """Wait until no document is on the slot; raises LinkError."""
        async with self._links.smart_card(self.settings.reader) as slot:
            while not await slot.wait_until_empty(60):
                pass

    def _session(
        self, card: "Card | VpcdCard", printed: Mrz | None, failures: list[LinkError], *, extended: bool
    ) -> Iterator[ChipProgress | ChipResult]:
        """Yield the session's steps; a failure of the reader ends it and is put into `failures`."""
        from drivers.links import smartcard
        from drivers.passport import emrtd

        def transmit(command: bytes) -> bytes:
            try:
                return card.transmit(command)
            except smartcard.NotTransacted:
                raise emrtd.NotTransacted from None
            except smartcard.CardUnavailable:
                raise emrtd.CardRemoved from None
            except LinkError as failure:
                failures.append(failure)
                raise emrtd.ReaderFailedError from None

        ends_s = time.monotonic() + self.settings.retry_budget_s

        def power_up() -> None:
            if time.monotonic() >= ends_s:
                raise emrtd.RetriesExhaustedError
            try:
                is_back = card.renew(self.settings.return_timeout_s)
            except LinkError as failure:
                failures.append(failure)
                raise emrtd.ReaderFailedError from None
            if not is_back:
                raise emrtd.CardRemoved

        return emrtd.ChipSession(
            transmit,
            today=today(),
            printed=printed,
            trust=self._trust,
            extended_length=extended,
            power_up=power_up if self.settings.retry_budget_s else None,
        ).run()


def _with_decoded_face(result: ChipResult) -> ChipResult:
    if result.face is None or result.face.media_type == "image/jpeg":
        return result
    jpeg = jpeg2000_to_jpeg(result.face.content)
    if jpeg is None:
        return result
    return result.model_copy(
        update={"face_decoded": Attachment.from_bytes("chip_face_decoded", "image/jpeg", jpeg)}
    )


async def open_chip_reader(settings: ChipSettings | None, links: LinkFactory) -> ChipReader | None:
    """Prepare to read chips where a slot is configured: the trust store may hold hundreds of certificates."""
    if settings is None:
        return None
    try:
        from drivers.passport.emrtd import TrustStore
    except ImportError as error:
        raise NotInstalledError(
            f"Reading chips needs {error.name}, which is not installed.", "chip"
        ) from error
    trust = await asyncio.to_thread(TrustStore.load, *settings.trust) if settings.trust else None
    return ChipReader(settings, links, trust)


def _is_notable(last: ChipProgress | None, now: ChipProgress) -> bool:
    """Return true when progress is worth an event: another attempt, stage, file or quarter of a file."""
    if last is None or (last.attempt, last.stage, last.file) != (now.attempt, now.stage, now.file):
        return True
    if not now.bytes_total or now.bytes_read is None or last.bytes_read is None:
        return False
    return (
        PROGRESS_STEPS_PER_FILE * now.bytes_read // now.bytes_total
        > PROGRESS_STEPS_PER_FILE * last.bytes_read // now.bytes_total
    )


async def add_chip_reads(reads: AsyncIterator[Output], chips: ChipReader) -> AsyncGenerator[Output, None]:
    """Turn each read of a zone into the beginning of a transaction that continues with the chip."""
    upcoming: asyncio.Future[Any] = asyncio.ensure_future(anext(reads))
    try:
        while True:
            try:
                observation = await upcoming
            except StopAsyncIteration:
                return
            upcoming = asyncio.ensure_future(anext(reads))
            if isinstance(observation, DocumentRead) and observation.mrz is not None:
                async with aclosing(_document(observation, chips, upcoming)) as observations:
                    async for observation in observations:
                        yield observation
            else:
                yield observation
    finally:
        await _cancel(upcoming)


async def _document(
    read: DocumentRead, chips: ChipReader, upcoming: "asyncio.Future[Any]"
) -> AsyncGenerator[Output, None]:
    """Yield the observations of one document, from its zone to its removal or the reader's next event."""
    transaction = DocumentTransaction(read.trigger, today())
    yield transaction.on_mrz(read.lines, wire=read.wire)
    result: ChipResult | None = None
    try:
        async with aclosing(_steps(chips, transaction.mrz, upcoming)) as steps:
            async for step in steps:
                if isinstance(step, ChipResult):
                    result = step
                    yield transaction.on_chip_result(step)
                else:
                    yield transaction.on_chip_progress(step)
        if result is None:
            yield transaction.on_no_chip(chips.settings.is_expected, is_mute=chips.is_mute)
    except LinkError as error:
        yield transaction.on_checks([slot_failed_status(error)])
    ended = _ended(result, upcoming)
    yield transaction.result(ended)
    if result is not None and await _wait_removed(chips, upcoming):
        yield transaction.on_removed(ended)


async def _steps(
    chips: ChipReader, printed: Mrz | None, upcoming: "asyncio.Future[Any]"
) -> AsyncGenerator[ChipProgress | ChipResult, None]:
    """Yield the steps of a chip read; the reader's next event cuts it short."""
    async with aclosing(chips.read(printed)) as steps:
        while True:
            step: asyncio.Future[Any] = asyncio.ensure_future(anext(steps))
            try:
                await asyncio.wait([step, upcoming], return_when=asyncio.FIRST_COMPLETED)
                if not step.done():
                    if not chips.cancel():
                        return  # no document is there yet, and its result is no longer needed
                    await asyncio.wait([step])
                yield step.result()
            except StopAsyncIteration:
                return
            finally:
                await _cancel(step)


async def _wait_removed(chips: ChipReader, upcoming: "asyncio.Future[Any]") -> bool:
    """Wait until the document is removed; return false when the reader's next event comes first."""
    away: asyncio.Future[Any] = asyncio.ensure_future(chips.wait_until_removed())
    try:
        await asyncio.wait([away, upcoming], return_when=asyncio.FIRST_COMPLETED)
        return away.done() and away.exception() is None
    finally:
        await _cancel(away)


async def merge_chip_steps(
    pieces: AsyncIterator[Piece], begin: Callable[[Piece], AsyncGenerator[Step, None] | None]
) -> AsyncGenerator[Piece | Step, None]:
    """Merge the pieces of a document with the steps of its chip.

    `begin` returns a generator for the piece that starts the chip read, else None. Ends when both have ended;
    an error of either ends both.
    """
    piece: asyncio.Future[Any] | None = asyncio.ensure_future(anext(pieces))
    step: asyncio.Future[Any] | None = None
    steps: AsyncGenerator[Step, None] | None = None
    try:
        while waits := [future for future in (piece, step) if future is not None]:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            if piece is not None and piece.done():
                try:
                    item = piece.result()
                except StopAsyncIteration:
                    piece = None
                else:
                    piece = asyncio.ensure_future(anext(pieces))
                    yield item
                    if steps is None and (steps := begin(item)) is not None:
                        step = asyncio.ensure_future(anext(steps))
            if step is not None and steps is not None and step.done():
                try:
                    chip_step = step.result()
                except StopAsyncIteration:
                    step = None
                else:
                    step = asyncio.ensure_future(anext(steps))
                    yield chip_step
    finally:
        for future in (piece, step):
            if future is not None:
                await _cancel(future)
        if steps is not None:
            await steps.aclose()


async def _cancel(future: "asyncio.Future[Any]") -> None:
    """Cancel a future whose result is no longer needed, and await its end."""
    future.cancel()
    await asyncio.wait([future])
    if not future.cancelled():
        future.exception()  # the error was reported already


def _ended(result: ChipResult | None, upcoming: "asyncio.Future[Any]") -> TransactionEnd:
    cut = result is not None and any(check.reason in _CUT for check in result.checks)
    if upcoming.done() and (cut or result is None):
        lost = not upcoming.cancelled() and upcoming.exception() is not None
        return TransactionEnd.READER_LOST if lost else TransactionEnd.REPLACED
    return TransactionEnd.REMOVED if cut else TransactionEnd.COMPLETE


def slot_failed_status(error: LinkError) -> Check:
    """Return the check of a slot that failed: it is no finding about the document."""
    return Check(
        id="chip.access",
        group=CheckGroup.ELECTRONIC,
        outcome=Outcome.ABORTED,
        reason=error.cause,
        text=f"{error.text} {error.how}".rstrip(),
    )
