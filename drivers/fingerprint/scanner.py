"""The driver that every fingerprint scanner is: `capture` and `cancel`, and what is said meanwhile.

A driver of one protocol derives from `FingerprintScanner`, writes `open`, `close` and the methods of
`capture.Scanner`, and has settings that derive from `ScannerSettings`.
"""

import asyncio
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any, ClassVar, TypeVar

from pydantic import Field, field_validator

from drivers.command import Call, Done, Failed, Reason, Refused, Request, command
from drivers.driver import BadFrame, Condition, Driver, Family, Status
from drivers.fingerprint.assessment import Asked, assess
from drivers.fingerprint.capture import Scanner, Transaction
from drivers.fingerprint.commands import Capture, CaptureDone
from drivers.fingerprint.encoding import Print, RecordImage, attachments
from drivers.fingerprint.observations import (
    SINGLE_FINGERS,
    CaptureEnded,
    CaptureOutcome,
    Encoding,
    FingerCaptured,
    FingerFeedback,
    Quality,
)
from drivers.fingerprint.quality import MeasureName, QualityMeasure, installed, load_measure
from drivers.fingerprint.raster import Raster
from drivers.fingerprint.self_test import BEGUN_S, FINGER_S, clean, not_taken, taken
from drivers.links.factory import Links
from drivers.links.link import Action, Cause, LinkError
from drivers.links.settings import Settings
from drivers.observation import Attachment, Observation
from drivers.self_test import CheckLevel, CheckStep, Trial

Said = Observation | BadFrame | Status


class ScannerSettings(Settings):
    """What all fingerprint scanners are configured by; the settings of a driver derive from this, too."""

    encodings: tuple[Encoding, ...] = Field(
        (Encoding.PNG,),
        min_length=1,
        description="How images are delivered, where a command does not say: png, wsq, and as finger image "
        "records of ISO/IEC 19794-4, fir_2005 and fir_2011.",
        examples=[["png", "wsq"]],
    )
    record_image: RecordImage = Field(
        "wsq",
        description="How the image inside a finger image record is compressed: wsq, png or none.",
        examples=["wsq"],
    )
    quality: MeasureName = Field(
        "auto",
        description="How images are measured: nfiq2 (NIST Fingerprint Image Quality 2, an extra), "
        "ridge_clarity (our own), or auto, which is nfiq2 where it is installed.",
        examples=["nfiq2"],
    )
    minimum_quality: float | None = Field(
        None,
        ge=0,
        le=100,
        description="What an image must reach, whatever it is for. Without it, enrolments must reach what "
        "BSI TR-03121 asks of NFIQ 2, and nothing else is asked for.",
        examples=[30],
    )

    @field_validator("encodings")
    @classmethod
    def _known(cls, encodings: tuple[Encoding, ...]) -> tuple[Encoding, ...]:
        if Encoding.UNKNOWN in encodings:
            raise ValueError(f"choose among {', '.join(e for e in Encoding if e is not Encoding.UNKNOWN)}")
        return encodings

    @field_validator("quality")
    @classmethod
    def _installed(cls, quality: MeasureName) -> MeasureName:
        if not installed(quality):
            raise ValueError(
                "is not installed here: install borderpost-gateway[nfiq2], or choose auto or ridge_clarity"
            )
        return quality


SettingsT = TypeVar("SettingsT", bound=ScannerSettings)
ResultT = TypeVar("ResultT")


@dataclass
class _Asked:
    """A capture that somebody waits for."""

    request: Capture
    transaction: str
    done: "asyncio.Future[CaptureDone]"
    begun: asyncio.Event = field(default_factory=asyncio.Event)
    called_off: bool = False

    def answer(self, answer: CaptureDone | Exception) -> None:
        """Tell whoever waits, if anybody still does."""
        if self.done.done():
            return
        if isinstance(answer, Exception):
            self.done.set_exception(answer)
        else:
            self.done.set_result(answer)


class FingerprintScanner(Driver[SettingsT], Scanner):
    """A scanner that captures when it is told to, and says nothing unasked."""

    family = Family.FINGERPRINT_SCANNER
    says: ClassVar[tuple[type[Observation], ...]] = (FingerFeedback, FingerCaptured, CaptureEnded)
    checks = (CheckLevel.INTERNAL, CheckLevel.INTERACTIVE)

    def __init__(self, settings: SettingsT, links: Links) -> None:
        super().__init__(settings, links)
        self._said: asyncio.Queue[Said | asyncio.Future[Any]] = asyncio.Queue()
        self._next: _Asked | None = None
        self._current: _Asked | None = None
        self._idling: asyncio.Timeout | None = None
        self._limit: asyncio.Timeout | None = None
        self._dirty: bool | None = None
        """Whether the last image showed that the glass should be cleaned; None: there was none yet."""

    def say(self, said: Said) -> None:
        """Let `watch` yield it; for drivers, that is a BadFrame or a Status of their own."""
        self._said.put_nowait(said)

    async def watch(self) -> AsyncIterator[Said]:
        """Do what is asked for, and yield what there is to say."""
        self._computing = ThreadPoolExecutor(1, thread_name_prefix="images")
        working = asyncio.create_task(self._work())
        working.add_done_callback(self._said.put_nowait)
        try:
            while not isinstance(said := await self._said.get(), asyncio.Future):
                yield said
            await said
        finally:
            working.cancel()
            await asyncio.gather(working, return_exceptions=True)
            for asked in (self._current, self._next):
                if asked is not None:
                    asked.answer(Failed(Reason.LINK_FAILED, "The scanner was closed."))
            self._current = self._next = None
            self._computing.shutdown(wait=False)

    def computed(self, work: Callable[..., ResultT], *arguments: Any) -> "asyncio.Future[ResultT]":
        """The result of work on images, done in one thread: each that did some would keep 5 MB of heap."""
        return asyncio.get_running_loop().run_in_executor(self._computing, work, *arguments)

    async def check(self, trial: Trial) -> AsyncGenerator[CheckStep]:
        """Tell whether the glass was clean; interactive: take a print of whoever takes part."""
        if trial.level is CheckLevel.INTERNAL:
            yield clean(dirty=self._dirty)
            return
        wanted = min(self.positions & SINGLE_FINGERS, default=min(self.positions))
        call = Call(f"check-{uuid.uuid4()}", "local", str(uuid.uuid4()), Call.at_hand(BEGUN_S).deadline_ns)
        try:
            done = await self.capture(Capture(position=wanted, timeout_s=FINGER_S), call)
        except Failed as failed:
            yield not_taken(failed.text)
        else:
            yield taken(done)
        yield clean(dirty=self._dirty)

    @command()
    async def capture(self, request: Capture, call: Call) -> CaptureDone:
        """Capture a print; answers when it has ended, however it did. The events say more, as it goes on."""
        if request.position not in self.positions:
            raise Refused(Reason.NOT_SUPPORTED, f"This scanner takes no {request.position}.")
        if call.left_s <= 0:
            raise Refused(Reason.EXPIRED, "The command came too late.")
        if self._next is not None:
            raise Refused(Reason.BUSY, "Another capture waits already.")
        loop = asyncio.get_running_loop()
        asked = self._next = _Asked(request, call.transaction, loop.create_future())
        _end(self._idling)
        try:
            async with asyncio.timeout(call.left_s):
                await asked.begun.wait()
        except TimeoutError:
            if self._next is asked:
                self._next = None
                raise Refused(Reason.BUSY, "The scanner has not finished what it did before.") from None
        except asyncio.CancelledError:
            asked.done.cancel()  # nobody waits for it any more
            self._call_off(asked)
            raise
        try:
            return await asked.done
        except asyncio.CancelledError:
            self._call_off(asked)
            raise

    @command(urgent=True)
    async def cancel(self, _request: Request, _call: Call) -> Done:
        """Call off the capture that goes on, and one that waits; done also where there is none."""
        for asked in (self._next, self._current):
            if asked is not None:
                self._call_off(asked)
        return Done()

    def _call_off(self, asked: _Asked) -> None:
        asked.called_off = True
        if asked is self._next:
            self._next = None
            asked.begun.set()
            asked.answer(Refused(Reason.CANCELLED, "The capture was called off before it began."))
        elif asked is self._current:
            _end(self._limit)

    async def _work(self) -> None:
        """The one task that speaks with the device."""
        # It may take a second, and nobody has to wait for it but who needs it.
        measure = self.computed(load_measure, self.settings.quality)
        measure.add_done_callback(self._no_measure)
        try:
            while True:
                await self._until_asked()
                asked, self._next = self._next, None
                if asked is not None:
                    self._current = asked
                    await self._carry_out(asked, measure)
                    self._current = None
        finally:
            measure.cancel()

    def _no_measure(self, measure: asyncio.Future[QualityMeasure]) -> None:
        """End the watch if there is none."""
        if not measure.cancelled() and measure.exception() is not None:
            self._said.put_nowait(measure)

    async def _until_asked(self) -> None:
        if self._next is not None:
            return
        try:
            async with asyncio.timeout(None) as self._idling:
                await self.idle()
        except TimeoutError:
            if self._idling is None or not self._idling.expired():
                raise
        else:
            raise LinkError(Cause.LINK_FAILED, "The driver stopped listening.", Action.WAIT)
        finally:
            self._idling = None

    async def _carry_out(self, asked: _Asked, measure: asyncio.Future[QualityMeasure]) -> None:
        """One capture, with its outcome said as soon as it is known."""
        asked.begun.set()
        self.say(Status(Condition.BUSY))
        transaction = Transaction(
            self,
            asked.request,
            asked.transaction,
            self.say,
            lambda raster: self.computed(assess, raster, self._asked_of(asked.request), measure.result()),
            partial(self.computed, self._encoded, asked.request),
        )
        try:
            cut = await self._run(transaction, asked, measure)
        except Refused as refusal:
            asked.answer(refusal)
            await self._rest(transaction)
            return
        except Exception as error:
            broken = not isinstance(error, LinkError)
            await transaction.conclude(CaptureOutcome.DEVICE_LOST, broken=broken)
            asked.answer(_broken() if broken else error)
            raise
        asked.answer(_answer(await transaction.conclude(cut)))
        await self._rest(transaction)

    async def _run(
        self, transaction: Transaction, asked: _Asked, measure: asyncio.Future[QualityMeasure]
    ) -> CaptureOutcome | None:
        """Run a capture within its time; says what cut it short, if anything did."""
        try:
            async with asyncio.timeout(asked.request.timeout_s) as self._limit:
                await asyncio.shield(measure)
                await transaction.run()
        except TimeoutError:
            if self._limit is None or not self._limit.expired():
                raise
            return CaptureOutcome.CANCELLED if asked.called_off else CaptureOutcome.TIMED_OUT
        finally:
            self._limit = None
        return CaptureOutcome.CANCELLED if asked.called_off else None

    async def _rest(self, transaction: Transaction) -> None:
        await self.rest()
        self._dirty = transaction.dirty
        self.say(_DIRTY if transaction.dirty else self.at_rest())

    def _encoded(self, wanted: Capture, raster: Raster, quality: Quality) -> tuple[Attachment, ...]:
        found = Print(raster, wanted.position, quality, datetime.now(UTC))
        return attachments(found, wanted.encodings or self.settings.encodings, self.settings.record_image)

    def _asked_of(self, wanted: Capture) -> Asked:
        return Asked(wanted.position, wanted.purpose, wanted.count, self.settings.minimum_quality)


_DIRTY = Status(
    Condition.DEGRADED,
    Cause.SENSOR_DIRTY,
    "Something else than a finger is on the scanner's glass.",
    Action.CLEAN,
    "Wipe the glass with a soft, dry cloth.",
)


def _end(scope: asyncio.Timeout | None) -> None:
    """End a scope that is open, now."""
    if scope is not None and not scope.expired():
        scope.reschedule(asyncio.get_running_loop().time())


def _broken() -> Failed:
    return Failed(Reason.LINK_FAILED, "The driver met something that it does not understand.")


def _answer(done: CaptureDone) -> CaptureDone | Failed:
    match done.outcome:
        case CaptureOutcome.TIMED_OUT:
            return Failed(Reason.TIMED_OUT, "No print sufficed in the time there was.")
        case CaptureOutcome.CANCELLED:
            return Failed(Reason.CANCELLED, "The capture was called off.")
        case _:
            return done
