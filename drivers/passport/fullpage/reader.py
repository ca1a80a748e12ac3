"""What every full-page reader does, whatever its service speaks: each document told as it comes."""

import asyncio
from abc import abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from typing import ClassVar, Literal, TypeVar

from pydantic import Field

from drivers.clock import today
from drivers.driver import BadFrame, Driver, Family
from drivers.links.http.client import HttpSettings
from drivers.links.link import LinkError
from drivers.links.recording import dissect as meanings
from drivers.observation import Observation
from drivers.passport.chip_reading import ChipReader, ChipSettings, beside, chip_reader, not_read
from drivers.passport.chip_result import ChipProgress, ChipResult
from drivers.passport.fullpage.regula import Regula, RegulaSettings
from drivers.passport.fullpage.scan_items import Checked, Gone, Picture, Piece, Placed, Zone
from drivers.passport.fullpage.vendor_checks import Words
from drivers.passport.observations import (
    ChecksMade,
    ChipProgressed,
    ChipRead,
    DocumentPlaced,
    DocumentRead,
    DocumentRemoved,
    Ended,
    ImageCaptured,
    MrzRead,
    Trigger,
)
from drivers.passport.specimen import specimen_read
from drivers.passport.transaction import Side, Transaction
from drivers.self_test import CheckLevel, CheckStep, Trial

ChipStep = ChipProgress | ChipResult
LightWord = Literal["visible", "infrared", "ultraviolet"]


class FullPageSettings(HttpSettings):
    """Settings of one full-page reader behind a service."""

    lights: tuple[LightWord, ...] = Field(
        ("visible", "infrared", "ultraviolet"),
        min_length=1,
        description="Under which lights an image is taken.",
        examples=[["visible", "infrared", "ultraviolet"]],
    )
    face: bool = Field(True, description="Is the photo also taken as an image of its own?", examples=[True])
    image_format: Literal["image/jpeg", "image/png"] = Field(
        "image/jpeg", description="How images are asked for.", examples=["image/jpeg"]
    )
    image_max_bytes: int = Field(
        16 * 1024 * 1024,
        ge=64 * 1024,
        le=48 * 1024 * 1024,
        description="No image is larger, in bytes.",
        examples=[16777216],
    )
    poll_s: float = Field(
        0.3,
        gt=0,
        le=5,
        description="How often to ask whether a document lies there, in seconds.",
        examples=[0.3],
    )
    scan_s: float = Field(
        30.0,
        gt=0,
        le=120,
        description="How long a scan may keep silent before it is given up, in seconds.",
        examples=[30.0],
    )
    other_side_s: float = Field(
        10.0,
        ge=0,
        le=60,
        description="How soon after one side of a card what comes next may be its other side, in seconds.",
        examples=[10.0],
    )
    words: Words = Field(Words(), description="What the vendor's words for the outcome of a check mean.")
    regula: RegulaSettings | None = Field(
        None, description="A document server of the post's own that examines the images."
    )
    chip: ChipSettings | None = Field(
        None, description="The slot under the glass that reads chips, where there is one."
    )


SettingsT = TypeVar("SettingsT", bound=FullPageSettings)


class FullPageReader(Driver[SettingsT]):
    """A reader of pages. A kind of service says when a document lies there, and what it tells of it."""

    family = Family.PASSPORT_READER
    says: ClassVar[tuple[type[Observation], ...]] = (
        DocumentPlaced,
        MrzRead,
        ImageCaptured,
        ChipProgressed,
        ChipRead,
        ChecksMade,
        DocumentRead,
        DocumentRemoved,
    )
    checks = (CheckLevel.INTERACTIVE,)
    meaning = staticmethod(meanings.http)
    expected: tuple[str, ...] = ()
    """Checks the service will make: those of a scan that is cut short did not run to their end."""
    examiner: Regula | None = None
    chips: ChipReader | None = None

    @abstractmethod
    async def document(self) -> AsyncGenerator[Piece, None]:
        """Wait for a document, and return what will be told of it; raises LinkError."""

    @abstractmethod
    async def taken_away(self) -> None:
        """Wait until nothing lies there; raises LinkError."""

    def check(self, trial: Trial) -> AsyncGenerator[CheckStep]:
        """A specimen is read; see `specimen`."""
        return specimen_read(trial)

    async def watch(self) -> AsyncIterator[Observation | BadFrame]:
        """Yield the documents, each from placed to removed."""
        self.chips = await chip_reader(self.settings.chip, self.links)
        clock = asyncio.get_running_loop().time
        before: Side | None = None
        left_s = 0.0
        while True:
            async with aclosing(await self.document()) as pieces:
                if clock() - left_s > self.settings.other_side_s:
                    before = None
                transaction = Transaction(Trigger.INSERT, today(), before)
                before = None
                async with aclosing(self._told(transaction, pieces)) as observations:
                    async for observation in observations:
                        yield observation
                        if isinstance(observation, DocumentRead) and observation.continues is None:
                            # A card has two sides: after the second one, the next is somebody else's.
                            before = transaction.side()
                left_s = clock()

    async def _told(
        self, transaction: Transaction, pieces: AsyncIterator[Piece]
    ) -> AsyncGenerator[Observation | BadFrame, None]:
        """One document; raises LinkError after its result if the service is lost on the way."""
        yield transaction.placed()
        ended = Ended.COMPLETE
        lost: LinkError | None = None
        pictures: list[Picture] = []
        try:
            async with aclosing(beside(_until_gone(pieces), self._chip_of(transaction))) as all_of_it:
                async for piece in all_of_it:
                    if isinstance(piece, Gone):
                        ended = Ended.REMOVED
                        if self.chips is not None:
                            self.chips.abandon()
                    if isinstance(piece, Picture) and self.examiner is not None:
                        pictures.append(piece)
                    for said in _observed(transaction, piece):
                        yield said
        except LinkError as error:
            ended, lost = Ended.READER_LOST, error
        if ended is Ended.COMPLETE and self.examiner is not None:
            for piece in await self.examiner.examine(pictures, zone_known=transaction.mrz is not None):
                for said in _observed(transaction, piece):
                    yield said
        if ended is not Ended.COMPLETE:
            cut = transaction.cut_short(ended, self.expected)
            if cut.checks:
                yield cut
        yield transaction.result(ended)
        if lost is not None:
            raise lost
        if ended is Ended.COMPLETE:
            await self.taken_away()
        yield transaction.removed(ended)

    def _chip_of(
        self, transaction: Transaction
    ) -> Callable[[Piece | ChipStep], AsyncGenerator[Piece | ChipStep, None] | None]:
        """What begins the chip's read: a zone that opens it."""
        chips = self.chips

        def begin(piece: Piece | ChipStep) -> AsyncGenerator[Piece | ChipStep, None] | None:
            if chips is None or not isinstance(piece, Zone) or transaction.mrz is None:
                return None
            return _steps(chips, transaction)

        return begin


async def _steps(chips: ChipReader, transaction: Transaction) -> AsyncGenerator[Piece | ChipStep, None]:
    """The chip's read; a slot that fails is a check that was not made, and ends nothing else."""
    read = False
    try:
        async with aclosing(chips.read(transaction.mrz)) as steps:
            async for step in steps:
                read = read or isinstance(step, ChipResult)
                yield step
    except LinkError as error:
        yield Checked((not_read(error),))
    else:
        if not read:
            yield Checked(transaction.no_chip(chips.settings.expected).checks)


async def _until_gone(pieces: AsyncIterator[Piece]) -> AsyncGenerator[Piece | ChipStep, None]:
    async for piece in pieces:
        yield piece
        if isinstance(piece, Gone):
            return


def _observed(transaction: Transaction, piece: Piece | ChipStep) -> tuple[Observation | BadFrame, ...]:
    match piece:
        case Zone(lines, wire):
            return (transaction.zone(lines, wire=wire),)
        case Picture(light, area, media_type, content):
            return (transaction.image(light, area, media_type, content),)
        case Checked(checks) if checks:
            return (transaction.checked(checks),)
        case ChipResult():
            return (transaction.chip(piece),)
        case ChipProgress():
            return (transaction.progress(piece),)
        case BadFrame():
            return (piece,)
        case Placed() | Gone() | Checked():
            return ()
