"""Full-page readers in general, independent of their service: each document is reported piece by piece."""

import asyncio
from abc import abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from typing import ClassVar, Literal, TypeVar

from pydantic import Field

from drivers.driver import BadFrame, Driver, Family
from drivers.links.http.client import HttpSettings
from drivers.links.link import LinkError
from drivers.links.recording import dissect as meanings
from drivers.observation import Observation
from drivers.passport.chip_reading import (
    ChipReader,
    ChipSettings,
    merge_chip_steps,
    open_chip_reader,
    slot_failed_status,
)
from drivers.passport.chip_result import ChipProgress, ChipResult
from drivers.passport.fullpage.regula import RegulaClient, RegulaSettings
from drivers.passport.fullpage.scan_items import (
    ChecksItem,
    ImageItem,
    MrzItem,
    PlacedItem,
    RemovedItem,
    ScanItem,
)
from drivers.passport.fullpage.vendor_checks import OutcomeWords
from drivers.passport.observations import (
    ChipRead,
    ChipReadProgress,
    DocumentChecked,
    DocumentPlaced,
    DocumentRead,
    DocumentRemoved,
    ImageCaptured,
    MrzRead,
    ReadTrigger,
    TransactionEnd,
)
from drivers.passport.read_result import today
from drivers.passport.specimen import specimen_steps
from drivers.passport.transaction import CardSide, DocumentTransaction
from drivers.self_test import SelfTestContext, SelfTestLevel, SelfTestStep

ChipStep = ChipProgress | ChipResult
LightWord = Literal["visible", "infrared", "ultraviolet"]


class FullPageSettings(HttpSettings):
    """Settings of one full-page reader behind a service."""

    lights: tuple[LightWord, ...] = Field(
        default=("visible", "infrared", "ultraviolet"),
        min_length=1,
        description="Lights under which an image is taken.",
        examples=[["visible", "infrared", "ultraviolet"]],
    )
    face: bool = Field(
        default=True, description="True: the photo is also published as an image of its own.", examples=[True]
    )
    image_format: Literal["image/jpeg", "image/png"] = Field(
        default="image/jpeg", description="Media type in which images are requested.", examples=["image/jpeg"]
    )
    image_max_bytes: int = Field(
        default=16 * 1024 * 1024,
        ge=64 * 1024,
        le=48 * 1024 * 1024,
        description="Upper bound on an image, in bytes.",
        examples=[16777216],
    )
    poll_s: float = Field(
        default=0.3,
        gt=0,
        le=5,
        description="Interval of polls for a document, in seconds.",
        examples=[0.3],
    )
    scan_timeout_s: float = Field(
        default=30.0,
        gt=0,
        le=120,
        description="Silence after which a scan is given up, in seconds.",
        examples=[30.0],
    )
    other_side_timeout_s: float = Field(
        default=10.0,
        ge=0,
        le=60,
        description="Time after one side of a card within which the next document may be its other "
        "side, in seconds.",
        examples=[10.0],
    )
    outcome_words: OutcomeWords = Field(
        default=OutcomeWords(), description="Meaning of the vendor's words for the outcome of a check."
    )
    regula: RegulaSettings | None = Field(
        default=None, description="A document server of the post's own that examines the images."
    )
    chip: ChipSettings | None = Field(
        default=None, description="The slot under the glass that reads chips, where there is one."
    )


SettingsT = TypeVar("SettingsT", bound=FullPageSettings)


class FullPageReader(Driver[SettingsT]):
    """A reader of pages. The driver of a service implements the wait for a document and its scan items."""

    family = Family.PASSPORT_READER
    observation_types: ClassVar[tuple[type[Observation], ...]] = (
        DocumentPlaced,
        MrzRead,
        ImageCaptured,
        ChipReadProgress,
        ChipRead,
        DocumentChecked,
        DocumentRead,
        DocumentRemoved,
    )
    self_test_levels = (SelfTestLevel.INTERACTIVE,)
    describe_chunk = staticmethod(meanings.describe_http)
    expected_checks: tuple[str, ...] = ()
    """Checks that the service will make: when a scan is cut short, they were not completed."""
    examiner: RegulaClient | None = None
    chips: ChipReader | None = None

    @abstractmethod
    async def wait_for_document(self) -> AsyncGenerator[ScanItem, None]:
        """Wait for a document, and return its scan items; raises LinkError."""

    @abstractmethod
    async def wait_until_removed(self) -> None:
        """Wait until no document is placed; raises LinkError."""

    def self_test(self, trial: SelfTestContext) -> AsyncGenerator[SelfTestStep]:
        """Read a specimen; see `specimen`."""
        return specimen_steps(trial)

    async def watch(self) -> AsyncIterator[Observation | BadFrame]:
        """Yield the documents, each from placed to removed."""
        self.chips = await open_chip_reader(self.settings.chip, self.links)
        clock = asyncio.get_running_loop().time
        before: CardSide | None = None
        left_s = 0.0
        while True:
            async with aclosing(await self.wait_for_document()) as pieces:
                if clock() - left_s > self.settings.other_side_timeout_s:
                    before = None
                transaction = DocumentTransaction(ReadTrigger.INSERT, today(), before)
                before = None
                async with aclosing(self._transaction_events(transaction, pieces)) as observations:
                    async for observation in observations:
                        yield observation
                        if (
                            isinstance(observation, DocumentRead)
                            and observation.previous_side_transaction is None
                        ):
                            # A card has two sides: after the second one, the next is another document.
                            before = transaction.side()
                left_s = clock()

    async def _transaction_events(
        self, transaction: DocumentTransaction, pieces: AsyncIterator[ScanItem]
    ) -> AsyncGenerator[Observation | BadFrame, None]:
        """Yield the observations of one document.

        Raises LinkError after its result if the service is lost.
        """
        yield transaction.on_placed()
        ended = TransactionEnd.COMPLETE
        lost: LinkError | None = None
        pictures: list[ImageItem] = []
        try:
            async with aclosing(
                merge_chip_steps(_until_removed(pieces), self._chip_of(transaction))
            ) as all_of_it:
                async for piece in all_of_it:
                    if isinstance(piece, RemovedItem):
                        ended = TransactionEnd.REMOVED
                        if self.chips is not None:
                            self.chips.cancel()
                    if isinstance(piece, ImageItem) and self.examiner is not None:
                        pictures.append(piece)
                    for observation in _observed(transaction, piece):
                        yield observation
        except LinkError as error:
            ended, lost = TransactionEnd.READER_LOST, error
        if ended is TransactionEnd.COMPLETE and self.examiner is not None:
            for piece in await self.examiner.examine(pictures, zone_known=transaction.mrz is not None):
                for observation in _observed(transaction, piece):
                    yield observation
        if ended is not TransactionEnd.COMPLETE:
            chip = ("chip.access",) if self.chips is not None and transaction.mrz is not None else ()
            cut = transaction.on_interrupted(ended, (*self.expected_checks, *chip))
            if cut.checks:
                yield cut
        yield transaction.result(ended)
        if lost is not None:
            raise lost
        if ended is TransactionEnd.COMPLETE:
            await self.wait_until_removed()
        yield transaction.on_removed(ended)

    def _chip_of(
        self, transaction: DocumentTransaction
    ) -> Callable[[ScanItem | ChipStep], AsyncGenerator[ScanItem | ChipStep, None] | None]:
        """Return the function that starts the chip read at the item with a zone that opens the chip."""
        chips = self.chips

        def begin(piece: ScanItem | ChipStep) -> AsyncGenerator[ScanItem | ChipStep, None] | None:
            if chips is None or not isinstance(piece, MrzItem) or transaction.mrz is None:
                return None
            return _steps(chips, transaction)

        return begin


async def _steps(
    chips: ChipReader, transaction: DocumentTransaction
) -> AsyncGenerator[ScanItem | ChipStep, None]:
    """Yield the chip read; a slot that fails becomes a check that was not made, and ends nothing else."""
    read = False
    try:
        async with aclosing(chips.read(transaction.mrz)) as steps:
            async for step in steps:
                read = read or isinstance(step, ChipResult)
                yield step
    except LinkError as error:
        yield ChecksItem((slot_failed_status(error),))
    else:
        if not read and not chips.is_cancelled:
            missing = transaction.on_no_chip(chips.settings.is_expected, is_mute=chips.is_mute)
            yield ChecksItem(missing.checks)


async def _until_removed(pieces: AsyncIterator[ScanItem]) -> AsyncGenerator[ScanItem | ChipStep, None]:
    async for piece in pieces:
        yield piece
        if isinstance(piece, RemovedItem):
            return


def _observed(
    transaction: DocumentTransaction, piece: ScanItem | ChipStep
) -> tuple[Observation | BadFrame, ...]:
    match piece:
        case MrzItem(lines, wire):
            return (transaction.on_mrz(lines, wire=wire),)
        case ImageItem(light, area, media_type, content):
            return (transaction.on_image(light, area, media_type, content),)
        case ChecksItem(checks) if checks:
            return (transaction.on_checks(checks),)
        case ChipResult():
            return (transaction.on_chip_result(piece),)
        case ChipProgress():
            return (transaction.on_chip_progress(piece),)
        case BadFrame():
            return (piece,)
        case PlacedItem() | RemovedItem() | ChecksItem():
            return ()
