"""Driver of all fingerprint scanners: `capture` and `cancel`, and the observations of a capture.

The driver of one protocol derives from `FingerprintScanner`, implements `open`, `close` and the methods of
`capture.ScannerProtocol`, and has settings that derive from `ScannerSettings`.
"""

import asyncio
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from importlib.util import find_spec
from typing import Any, ClassVar, TypeVar

from pydantic import Field, field_validator

from drivers.command import (
    CommandArguments,
    CommandFailure,
    CommandOutput,
    CommandRefusal,
    Invocation,
    RefusalReason,
    command,
)
from drivers.driver import BadFrame, Driver, Family, StateCode, Status
from drivers.fingerprint.assessment import CaptureRequirements, assess
from drivers.fingerprint.capture import CaptureTransaction, ScannerProtocol
from drivers.fingerprint.commands import CaptureFinger, CaptureFingerResult
from drivers.fingerprint.encoding import FingerImage, RecordImage, encode_attachments
from drivers.fingerprint.observations import (
    SINGLE_FINGERS,
    CaptureEnded,
    CaptureOutcome,
    FingerCaptured,
    FingerFeedback,
    ImageEncoding,
    ImageQuality,
)
from drivers.fingerprint.quality import MeasureName, QualityMeasure, load_measure, need_measure
from drivers.fingerprint.raster import Raster
from drivers.fingerprint.self_test import (
    FINGER_S,
    START_TIMEOUT_S,
    capture_failed_step,
    capture_step,
    glass_step,
)
from drivers.links.factory import LinkFactory
from drivers.links.link import Action, Cause, LinkError, NotInstalledError
from drivers.links.settings import Settings
from drivers.observation import Attachment, Observation
from drivers.self_test import SelfTestContext, SelfTestLevel, SelfTestStep

Output = Observation | BadFrame | Status


class ScannerSettings(Settings):
    """Common settings of all fingerprint scanners; the settings of a driver derive from this class, too."""

    encodings: tuple[ImageEncoding, ...] = Field(
        default=(ImageEncoding.PNG,),
        min_length=1,
        description="Encodings of images if a command names none: png, wsq, and the finger image "
        "records of ISO/IEC 19794-4, fir_2005 and fir_2011.",
        examples=[["png", "wsq"]],
    )
    record_image: RecordImage = Field(
        default="wsq",
        description="Compression of the image inside a finger image record: wsq, png or none.",
        examples=["wsq"],
    )
    quality: MeasureName = Field(
        default="auto",
        description="Quality measure: nfiq2 (NIST Fingerprint Image Quality 2, an extra), "
        "ridge_clarity (own measure), or auto, which is nfiq2 if it is installed.",
        examples=["nfiq2"],
    )
    minimum_quality: float | None = Field(
        default=None,
        ge=0,
        le=100,
        description="Minimum quality, for every purpose. Without it, enrolments must reach the minima of "
        "BSI TR-03121 for NFIQ 2, and nothing else has a minimum.",
        examples=[30],
    )

    @field_validator("encodings")
    @classmethod
    def _known(cls, encodings: tuple[ImageEncoding, ...]) -> tuple[ImageEncoding, ...]:
        if ImageEncoding.UNKNOWN in encodings:
            raise ValueError(
                f"choose among {', '.join(e for e in ImageEncoding if e is not ImageEncoding.UNKNOWN)}"
            )
        return encodings


def need_libraries(settings: ScannerSettings) -> None:
    """Raise LinkError if a library is not installed that is imported only with the first image."""
    if find_spec("wsq") is None:
        raise NotInstalledError("WSQ, a compression of fingerprints, is not installed.", "fingerprint")
    need_measure(settings.quality)


SettingsT = TypeVar("SettingsT", bound=ScannerSettings)
ResultT = TypeVar("ResultT")


@dataclass
class _CaptureJob:
    """A requested capture."""

    request: CaptureFinger
    transaction: str
    result: "asyncio.Future[CaptureFingerResult]"
    is_started: asyncio.Event = field(default_factory=asyncio.Event)
    is_cancelled: bool = False

    def set_result(self, answer: CaptureFingerResult | Exception) -> None:
        """Set the result of the command, unless it was cancelled."""
        if self.result.done():
            return
        if isinstance(answer, Exception):
            self.result.set_exception(answer)
        else:
            self.result.set_result(answer)


class FingerprintScanner(Driver[SettingsT], ScannerProtocol):
    """A scanner that captures on command, and emits nothing otherwise."""

    family = Family.FINGERPRINT_SCANNER
    observation_types: ClassVar[tuple[type[Observation], ...]] = (
        FingerFeedback,
        FingerCaptured,
        CaptureEnded,
    )
    self_test_levels = (SelfTestLevel.INTERNAL, SelfTestLevel.INTERACTIVE)

    def __init__(self, settings: SettingsT, links: LinkFactory) -> None:
        super().__init__(settings, links)
        self._output_queue: asyncio.Queue[Output | asyncio.Future[Any]] = asyncio.Queue()
        self._next: _CaptureJob | None = None
        self._current: _CaptureJob | None = None
        self._idling: asyncio.Timeout | None = None
        self._limit: asyncio.Timeout | None = None
        self._dirty: bool | None = None
        """True if the last image showed that the platen must be cleaned; None: no image yet."""

    def emit(self, output: Output) -> None:
        """Emit it by `watch`; for drivers: a BadFrame or a Status of their own."""
        self._output_queue.put_nowait(output)

    async def watch(self) -> AsyncIterator[Output]:
        """Execute the requested captures, and yield their observations."""
        self._computing = ThreadPoolExecutor(1, thread_name_prefix="images")
        working = asyncio.create_task(self._work())
        working.add_done_callback(self._output_queue.put_nowait)
        try:
            while not isinstance(output := await self._output_queue.get(), asyncio.Future):
                yield output
            await output
        finally:
            working.cancel()
            await asyncio.gather(working, return_exceptions=True)
            for job in (self._current, self._next):
                if job is not None:
                    job.set_result(CommandFailure(RefusalReason.LINK_FAILED, "The scanner was closed."))
            self._current = self._next = None
            self._computing.shutdown(wait=False)

    def run_in_worker(self, work: Callable[..., ResultT], *arguments: Any) -> "asyncio.Future[ResultT]":
        """Run work on images in one thread: each thread that does some keeps 5 MB of heap."""
        return asyncio.get_running_loop().run_in_executor(self._computing, work, *arguments)

    async def self_test(self, trial: SelfTestContext) -> AsyncGenerator[SelfTestStep]:
        """Report whether the platen was clean; interactive: capture a print of the participant."""
        if trial.level is SelfTestLevel.INTERNAL:
            yield glass_step(dirty=self._dirty)
            return
        wanted = min(self.positions & SINGLE_FINGERS, default=min(self.positions))
        call = Invocation(
            f"check-{uuid.uuid4()}", "local", str(uuid.uuid4()), Invocation.local(START_TIMEOUT_S).deadline_ns
        )
        try:
            done = await self.capture(CaptureFinger(position=wanted, timeout_s=FINGER_S), call)
        except CommandFailure as failed:
            yield capture_failed_step(failed.text)
        else:
            yield capture_step(done)
        yield glass_step(dirty=self._dirty)

    @command()
    async def capture(self, request: CaptureFinger, call: Invocation) -> CaptureFingerResult:
        """Capture a print; return when it has ended, whatever the outcome. Its events report the progress."""
        if request.position not in self.positions:
            raise CommandRefusal(
                RefusalReason.NOT_SUPPORTED, f"This scanner does not support {request.position}."
            )
        if call.remaining_s <= 0:
            raise CommandRefusal(RefusalReason.EXPIRED, "The command came too late.")
        if self._next is not None:
            raise CommandRefusal(RefusalReason.BUSY, "Another capture is waiting already.")
        loop = asyncio.get_running_loop()
        job = self._next = _CaptureJob(request, call.transaction, loop.create_future())
        _end(self._idling)
        try:
            async with asyncio.timeout(call.remaining_s):
                await job.is_started.wait()
        except TimeoutError:
            if self._next is job:
                self._next = None
                raise CommandRefusal(
                    RefusalReason.BUSY, "The scanner has not finished its previous work."
                ) from None
        except asyncio.CancelledError:
            job.result.cancel()  # its command is cancelled
            self._cancel(job)
            raise
        try:
            return await job.result
        except asyncio.CancelledError:
            self._cancel(job)
            raise

    @command(is_urgent=True)
    async def cancel(self, _request: CommandArguments, _call: Invocation) -> CommandOutput:
        """Cancel the running capture and a waiting one; succeeds also if there is none."""
        for job in (self._next, self._current):
            if job is not None:
                self._cancel(job)
        return CommandOutput()

    def _cancel(self, job: _CaptureJob) -> None:
        job.is_cancelled = True
        if job is self._next:
            self._next = None
            job.is_started.set()
            job.set_result(
                CommandRefusal(RefusalReason.CANCELLED, "The capture was cancelled before it began.")
            )
        elif job is self._current:
            _end(self._limit)

    async def _work(self) -> None:
        """Communicate with the device: the only task that does."""
        # Loading may take a second, and only captures wait for it.
        measure = self.run_in_worker(load_measure, self.settings.quality)
        measure.add_done_callback(self._no_measure)
        try:
            while True:
                await self._until_asked()
                job, self._next = self._next, None
                if job is not None:
                    self._current = job
                    await self._carry_out(job, measure)
                    self._current = None
        finally:
            measure.cancel()

    def _no_measure(self, measure: asyncio.Future[QualityMeasure]) -> None:
        """End the watch if the measure does not load."""
        if not measure.cancelled() and measure.exception() is not None:
            self._output_queue.put_nowait(measure)

    async def _until_asked(self) -> None:
        if self._next is not None:
            return
        try:
            async with asyncio.timeout(None) as self._idling:
                await self.watch_idle()
        except TimeoutError:
            if self._idling is None or not self._idling.expired():
                raise
        else:
            raise LinkError(
                Cause.LINK_FAILED,
                "The driver stopped listening.",
                Action.WAIT,
                "It opens again by itself. If this repeats, send a bundle to support (borderpost bundle).",
            )
        finally:
            self._idling = None

    async def _carry_out(self, job: _CaptureJob, measure: asyncio.Future[QualityMeasure]) -> None:
        """Run one capture, and publish its outcome as soon as it is known."""
        job.is_started.set()
        self.emit(Status(StateCode.BUSY))
        transaction = CaptureTransaction(
            self,
            job.request,
            job.transaction,
            self.emit,
            lambda raster: self.run_in_worker(assess, raster, self._asked_of(job.request), measure.result()),
            partial(self.run_in_worker, self._encoded, job.request),
        )
        try:
            cut = await self._run(transaction, job, measure)
        except CommandRefusal as refusal:
            job.set_result(refusal)
            await self._rest(transaction)
            return
        except Exception as error:
            broken = not isinstance(error, LinkError)
            await transaction.conclude(CaptureOutcome.DEVICE_LOST, broken=broken)
            job.set_result(_broken() if broken else error)
            raise
        job.set_result(_answer(await transaction.conclude(cut)))
        await self._rest(transaction)

    async def _run(
        self, transaction: CaptureTransaction, job: _CaptureJob, measure: asyncio.Future[QualityMeasure]
    ) -> CaptureOutcome | None:
        """Run a capture within its time limit; return the outcome that interrupted it, or None."""
        try:
            async with asyncio.timeout(job.request.timeout_s) as self._limit:
                await asyncio.shield(measure)
                await transaction.run()
        except TimeoutError:
            if self._limit is None or not self._limit.expired():
                raise
            return CaptureOutcome.CANCELLED if job.is_cancelled else CaptureOutcome.TIMED_OUT
        finally:
            self._limit = None
        return CaptureOutcome.CANCELLED if job.is_cancelled else None

    async def _rest(self, transaction: CaptureTransaction) -> None:
        await self.end_capture()
        self._dirty = transaction.is_dirty
        self.emit(_DIRTY if transaction.is_dirty else self.idle_status())

    def _encoded(
        self, wanted: CaptureFinger, raster: Raster, quality: ImageQuality
    ) -> tuple[Attachment, ...]:
        found = FingerImage(raster, wanted.position, quality, datetime.now(UTC))
        return encode_attachments(
            found, wanted.encodings or self.settings.encodings, self.settings.record_image
        )

    def _asked_of(self, wanted: CaptureFinger) -> CaptureRequirements:
        return CaptureRequirements(
            wanted.position, wanted.purpose, wanted.count, self.settings.minimum_quality
        )


_DIRTY = Status(
    StateCode.DEGRADED,
    Cause.SENSOR_DIRTY,
    "Something other than a finger is on the scanner's platen.",
    Action.CLEAN,
    "Wipe the platen with a soft, dry cloth.",
)


def _end(scope: asyncio.Timeout | None) -> None:
    """End an open timeout scope now."""
    if scope is not None and not scope.expired():
        scope.reschedule(asyncio.get_running_loop().time())


def _broken() -> CommandFailure:
    return CommandFailure(RefusalReason.LINK_FAILED, "The driver has an internal error.")


def _answer(done: CaptureFingerResult) -> CaptureFingerResult | CommandFailure:
    match done.outcome:
        case CaptureOutcome.TIMED_OUT:
            return CommandFailure(RefusalReason.TIMED_OUT, "No print sufficed within the time limit.")
        case CaptureOutcome.CANCELLED:
            return CommandFailure(RefusalReason.CANCELLED, "The capture was cancelled.")
        case _:
            return done
