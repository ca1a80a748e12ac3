"""Base driver of cameras that take pictures on command: `capture`, `cancel` and `preview`.

A driver of one protocol derives from `PictureCamera`, has settings of its own, and an `open` that creates the
`FrameSource`. A frame made before the command is never its result, nor is an incomplete one.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, TypeVar

from drivers.camera.commands import ShowPreview, ShowPreviewResult, Subject, TakePicture, TakePictureResult
from drivers.camera.imaging.image_quality import (
    UndecodableImageError,
    is_sufficient,
    measure_jpeg,
    quality_rank,
)
from drivers.camera.imaging.jpeg import CameraFrame, JpegInfo, parse_jpeg
from drivers.camera.imaging.portrait_guidance import PortraitGuide
from drivers.camera.observations import (
    FaceCaptured,
    FaceFeedback,
    PictureCaptured,
    PictureHint,
    SceneCaptured,
)
from drivers.camera.preview import PreviewSession
from drivers.camera.self_test import damaged_step, picture_steps
from drivers.clock import boot_ns
from drivers.command import (
    CommandArguments,
    CommandFailure,
    CommandOutput,
    CommandRefusal,
    Invocation,
    RefusalReason,
    command,
)
from drivers.driver import BadFrame, Driver, Family, PreviewFrame, StateCode, Status
from drivers.links.factory import LinkFactory
from drivers.links.link import Action, Cause, LinkError
from drivers.links.settings import Settings
from drivers.observation import Attachment, Observation
from drivers.self_test import SelfTestContext, SelfTestLevel, SelfTestStep

Output = Observation | BadFrame | Status | PreviewFrame
SettingsT = TypeVar("SettingsT", bound=Settings)
DAMAGED_LIMIT = 5
"""Limit of consecutive incomplete frames, after which a capture fails."""
WAITING_LIMIT = 8
"""Limit of queued output, above which preview frames are dropped."""
RAW_EXCERPT_BYTES = 64
"""Length of the excerpt of an incomplete frame, for the technician."""


@dataclass(frozen=True, slots=True)
class _MeasuredFrame:
    """A whole frame and its measurements."""

    source_frame: CameraFrame
    jpeg: JpegInfo
    hints: tuple[PictureHint, ...]
    frame: int


class FrameSource(ABC):
    """Source of a camera's frames."""

    is_stream = False
    """True if frames arrive unrequested, so that queued ones grow old."""

    @abstractmethod
    def frames(self) -> AsyncGenerator[CameraFrame | BadFrame, None]:
        """Yield frames made from now on, at the camera's rate; raises LinkError."""

    @abstractmethod
    async def monitor(self, camera: "PictureCamera[Any]") -> None:
        """Monitor the link while idle; ends only by raising LinkError."""


class PictureCamera(Driver[SettingsT]):
    """A camera that takes pictures on command only."""

    family = Family.CAMERA
    observation_types: ClassVar[tuple[type[Observation], ...]] = (FaceCaptured, SceneCaptured, FaceFeedback)
    self_test_levels = (SelfTestLevel.EXTERNAL,)

    def __init__(self, settings: SettingsT, links: LinkFactory) -> None:
        super().__init__(settings, links)
        self._preview = PreviewSession(self, self._show)
        self._portrait_guide = PortraitGuide()
        self._output_queue: asyncio.Queue[Output | LinkError | asyncio.Task[None]] = asyncio.Queue()
        self._limit: asyncio.Timeout | None = None
        self.is_idle = asyncio.Event()
        """Set while no picture is being taken."""
        self.is_idle.set()
        self._is_cancelled = False
        self._problems: dict[str, Status] = {}
        self._status = OK_STATUS
        self.frame_source: FrameSource
        """Set by `open`."""

    async def monitor(self) -> None:
        """Monitor the links while idle; ends only by raising LinkError."""
        await self.frame_source.monitor(self)

    def emit(self, output: Output) -> None:
        """Queue an item for `watch`."""
        self._output_queue.put_nowait(output)

    async def watch(self) -> AsyncIterator[Output]:
        """Yield queued items until the link fails."""
        beside = [asyncio.create_task(self.monitor()), asyncio.create_task(self._preview.run())]
        for task in beside:
            task.add_done_callback(self._output_queue.put_nowait)
        try:
            while True:
                match await self._output_queue.get():
                    case asyncio.Task() as ended:
                        await ended
                        return
                    case LinkError() as error:
                        raise error
                    case output:
                        yield output
        finally:
            for task in beside:
                task.cancel()
            await asyncio.gather(*beside, return_exceptions=True)

    async def self_test(self, _trial: SelfTestContext) -> AsyncGenerator[SelfTestStep]:
        """Take a frame, measure it and discard it."""
        if not self.is_idle.is_set():
            raise CommandRefusal(RefusalReason.BUSY, "Another picture is being taken.")
        asked_ns = boot_ns()
        self.is_idle.clear()
        try:
            measured = await self._first_whole(asked_ns)
        finally:
            self.is_idle.set()
        if measured is None:
            yield damaged_step(DAMAGED_LIMIT)
            return
        for step in picture_steps(
            measured.jpeg, measured.hints, (measured.source_frame.first_byte_ns - asked_ns) / 1e6
        ):
            yield step

    async def _first_whole(self, asked_ns: int) -> _MeasuredFrame | None:
        """Return the first whole frame made from now on; None after several incomplete ones."""
        torn = 0
        async with aclosing(self.frame_source.frames()) as shots:
            async for shot in shots:
                if isinstance(shot, CameraFrame) and shot.first_byte_ns < asked_ns:
                    continue
                measured = await self._measure_if_complete(shot, Subject.SCENE, 1)
                self.on_frame_integrity(whole=isinstance(measured, _MeasuredFrame))
                if isinstance(measured, _MeasuredFrame):
                    return measured
                torn += 1
                if torn == DAMAGED_LIMIT:
                    return None
        return None

    @command()
    async def capture(self, request: TakePicture, call: Invocation) -> TakePictureResult:
        """Take a picture; returns when it is available. The event carries it."""
        if request.subject is Subject.UNKNOWN:
            raise CommandRefusal(RefusalReason.NOT_SUPPORTED, "The subject must be a portrait or a scene.")
        if call.remaining_s <= 0:
            raise CommandRefusal(RefusalReason.EXPIRED, "The command came too late.")
        asked_ns = boot_ns()
        whole: list[_MeasuredFrame] = []
        self._is_cancelled = False
        self.is_idle.clear()
        try:
            async with asyncio.timeout(request.timeout_s) as self._limit:
                await self._collect_frames(request, call, asked_ns, whole)
        except TimeoutError:
            if self._limit is None or not self._limit.expired():
                raise
        except LinkError as error:
            self._output_queue.put_nowait(error)
            if not whole:
                raise
        finally:
            self._limit = None
            self.is_idle.set()
        if self._is_cancelled:
            raise CommandFailure(RefusalReason.CANCELLED, "The capture was cancelled.")
        if not whole:
            raise CommandFailure(RefusalReason.TIMED_OUT, "No whole frame came in time.")
        best = max(whole, key=lambda measured: quality_rank(measured.hints))
        captured = _captured(best, request, call, asked_ns, len(whole))
        self.emit(captured)
        return TakePictureResult(
            frame_count=len(whole), latency_ms=captured.latency_ms, measurements=best.hints
        )

    @command(is_urgent=True)
    async def cancel(self, _request: CommandArguments, _call: Invocation) -> CommandOutput:
        """Cancel the running capture; succeeds also without one."""
        if self._limit is not None and not self._limit.expired():
            self._is_cancelled = True
            self._limit.reschedule(asyncio.get_running_loop().time())
        return CommandOutput()

    @command(is_urgent=True, needs_claim=True)
    async def preview(self, request: ShowPreview, call: Invocation) -> ShowPreviewResult:
        """Send preview frames to the station with the claim, for a limited time or until it is ended."""
        if request.subject is Subject.UNKNOWN:
            raise CommandRefusal(RefusalReason.NOT_SUPPORTED, "The subject must be a portrait or a scene.")
        if not request.enabled:
            self._preview.stop()
            return ShowPreviewResult(duration_s=0)
        self._preview.start(request, call)
        return ShowPreviewResult(duration_s=request.duration_s)

    def on_claim_changed(self, station: str | None) -> None:
        """End the preview of another station."""
        if self._preview.station not in (None, station):
            self._preview.stop()

    def _show(self, preview_frame: PreviewFrame) -> None:
        if not preview_frame.content or self._output_queue.qsize() < WAITING_LIMIT:
            self.emit(preview_frame)

    async def measure_for_preview(
        self, frame: CameraFrame | BadFrame, subject: Subject, transaction: str
    ) -> bytes | None:
        """Check and measure a frame for the preview; None where it is incomplete."""
        measured = await self._measure_if_complete(frame, subject, 1)
        self.on_frame_integrity(whole=isinstance(measured, _MeasuredFrame))
        if isinstance(measured, BadFrame):
            self.emit(measured)
            return None
        self._update_guidance(measured, subject, transaction)
        return measured.source_frame.content

    def _update_guidance(self, measured: _MeasuredFrame, subject: Subject, transaction: str) -> None:
        feedback = (
            self._portrait_guide.update(measured.hints, boot_ns()) if subject is Subject.PORTRAIT else None
        )
        if feedback is not None:
            self.emit(feedback.model_copy(update={"transaction": transaction}))

    async def _collect_frames(
        self, request: TakePicture, call: Invocation, asked_ns: int, whole: list[_MeasuredFrame]
    ) -> None:
        """Measure frames until there are enough, or one is sufficient."""
        torn = 0
        async with aclosing(self.frame_source.frames()) as shots:
            async for shot in shots:
                if isinstance(shot, CameraFrame) and shot.first_byte_ns < asked_ns:
                    continue
                measured = await self._measure_if_complete(shot, request.subject, len(whole) + 1)
                self.on_frame_integrity(whole=isinstance(measured, _MeasuredFrame))
                if isinstance(measured, BadFrame):
                    self.emit(measured)
                    torn += 1
                    if torn == DAMAGED_LIMIT and whole:
                        return
                    if torn == DAMAGED_LIMIT:
                        raise CommandFailure(RefusalReason.LINK_FAILED, "The camera's frames are incomplete.")
                    continue
                torn = 0
                whole.append(measured)
                self._update_guidance(measured, request.subject, call.transaction)
                if len(whole) == request.best_of or is_sufficient(measured.hints):
                    return

    async def _measure_if_complete(
        self, shot: CameraFrame | BadFrame, subject: Subject, frame: int
    ) -> _MeasuredFrame | BadFrame:
        if isinstance(shot, BadFrame):
            return shot
        jpeg = parse_jpeg(shot.content)
        if not isinstance(jpeg, JpegInfo):
            return BadFrame(jpeg, shot.content[:RAW_EXCERPT_BYTES])
        content = shot.content[: jpeg.size_bytes]
        try:
            hints = await asyncio.to_thread(measure_jpeg, content, subject)
        except UndecodableImageError:
            return BadFrame("undecodable", content[:RAW_EXCERPT_BYTES])
        return _MeasuredFrame(CameraFrame(content, shot.first_byte_ns), jpeg, hints, frame)

    def on_frame_integrity(self, *, whole: bool) -> None:
        """Emit a status when frames become incomplete, or whole again."""
        self.set_problem("pictures", None if whole else _TORN)

    def set_problem(self, about: str, status: Status | None) -> None:
        """Set or clear the problem of one aspect; emit the most severe one when it changes."""
        self._problems.pop(about, None)
        if status is not None:
            self._problems[about] = status
        gravest = max(
            self._problems.values(), key=lambda each: each.state is StateCode.FAULT, default=OK_STATUS
        )
        if gravest != self._status:
            self._status = gravest
            self.emit(gravest)


OK_STATUS = Status(StateCode.ONLINE)
_TORN = Status(
    StateCode.DEGRADED,
    Cause.DEVICE_FAULT,
    "The camera responds, but its frames are incomplete.",
    Action.RESTART,
    "Restart the camera; if that does not help, check its cable and the load of its network.",
)


def _captured(
    best: _MeasuredFrame, request: TakePicture, call: Invocation, asked_ns: int, frames: int
) -> PictureCaptured:
    kind = FaceCaptured if request.subject is Subject.PORTRAIT else SceneCaptured
    age_s = (boot_ns() - best.source_frame.first_byte_ns) / 1e9
    return kind(
        width_px=best.jpeg.width_px,
        height_px=best.jpeg.height_px,
        received_at=datetime.now(UTC) - timedelta(seconds=age_s),
        latency_ms=round((best.source_frame.first_byte_ns - asked_ns) / 1e6, 1),
        age_ms=round(age_s * 1e3, 1),
        measurements=best.hints,
        frame_number=best.frame,
        frame_count=frames,
        best_of=request.best_of,
        transaction=call.transaction,
        attachments=(Attachment.from_bytes("picture", "image/jpeg", best.source_frame.content),),
    )
