"""The driver that every camera is that takes pictures when it is asked: `capture`, `cancel` and `preview`.

A driver of one protocol derives from `PictureCamera`, has settings of its own, and an `open` that makes the
`Eye` by which pictures come. A picture that the camera made before it was asked is never an answer, nor is
one that is torn.
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
"""So many pictures in a row that are not whole, and a capture gives up."""
WAITING_LIMIT = 8
"""With more to say than this, previews are dropped."""
RAW_EXCERPT_BYTES = 64
"""What is kept of a picture that is not whole, for the technician."""


@dataclass(frozen=True, slots=True)
class _MeasuredFrame:
    """A whole picture, and what was measured of it."""

    source_frame: CameraFrame
    jpeg: JpegInfo
    hints: tuple[PictureHint, ...]
    frame: int


class FrameSource(ABC):
    """The way by which pictures come from a camera."""

    is_stream = False
    """Pictures come whether or not somebody takes them, and those that wait grow old."""

    @abstractmethod
    def frames(self) -> AsyncGenerator[CameraFrame | BadFrame, None]:
        """Yield pictures that the camera makes from now on, as fast as it gives them; raises LinkError."""

    @abstractmethod
    async def monitor(self, camera: "PictureCamera[Any]") -> None:
        """Watch over the link while nothing is asked; ends only by raising LinkError."""


class PictureCamera(Driver[SettingsT]):
    """A camera that takes pictures when it is told to, and says nothing unasked."""

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
        """No picture is being taken."""
        self.is_idle.set()
        self._is_cancelled = False
        self._problems: dict[str, Status] = {}
        self._status = OK_STATUS
        self.frame_source: FrameSource
        """Made by `open`."""

    async def monitor(self) -> None:
        """Watch over the links while nothing is asked; ends only by raising LinkError."""
        await self.frame_source.monitor(self)

    def emit(self, said: Output) -> None:
        """Let `watch` yield it."""
        self._output_queue.put_nowait(said)

    async def watch(self) -> AsyncIterator[Output]:
        """Yield what there is to say, until the link fails."""
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
                    case said:
                        yield said
        finally:
            for task in beside:
                task.cancel()
            await asyncio.gather(*beside, return_exceptions=True)

    async def self_test(self, _trial: SelfTestContext) -> AsyncGenerator[SelfTestStep]:
        """Take a picture, measure it and forget it."""
        if not self.is_idle.is_set():
            raise CommandRefusal(RefusalReason.BUSY, "A picture is just being taken.")
        asked_ns = boot_ns()
        self.is_idle.clear()
        try:
            looked = await self._first_whole(asked_ns)
        finally:
            self.is_idle.set()
        if looked is None:
            yield damaged_step(DAMAGED_LIMIT)
            return
        for step in picture_steps(
            looked.jpeg, looked.hints, (looked.source_frame.first_byte_ns - asked_ns) / 1e6
        ):
            yield step

    async def _first_whole(self, asked_ns: int) -> _MeasuredFrame | None:
        """The first picture made from now on that is whole; None where several are not."""
        torn = 0
        async with aclosing(self.frame_source.frames()) as shots:
            async for shot in shots:
                if isinstance(shot, CameraFrame) and shot.first_byte_ns < asked_ns:
                    continue
                looked = await self._measure_if_complete(shot, Subject.SCENE, 1)
                self.on_frame_integrity(whole=isinstance(looked, _MeasuredFrame))
                if isinstance(looked, _MeasuredFrame):
                    return looked
                torn += 1
                if torn == DAMAGED_LIMIT:
                    return None
        return None

    @command()
    async def capture(self, request: TakePicture, call: Invocation) -> TakePictureResult:
        """Take a picture; answers when it is there. The event carries it."""
        if request.subject is Subject.UNKNOWN:
            raise CommandRefusal(RefusalReason.NOT_SUPPORTED, "Pictures are of a portrait or a scene.")
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
            raise CommandFailure(RefusalReason.CANCELLED, "It was called off.")
        if not whole:
            raise CommandFailure(RefusalReason.TIMED_OUT, "No whole picture came in the time there was.")
        best = max(whole, key=lambda looked: quality_rank(looked.hints))
        captured = _captured(best, request, call, asked_ns, len(whole))
        self.emit(captured)
        return TakePictureResult(
            frame_count=len(whole), latency_ms=captured.latency_ms, measurements=best.hints
        )

    @command(is_urgent=True)
    async def cancel(self, _request: CommandArguments, _call: Invocation) -> CommandOutput:
        """Call off the picture that is being taken; done also where there is none."""
        if self._limit is not None and not self._limit.expired():
            self._is_cancelled = True
            self._limit.reschedule(asyncio.get_running_loop().time())
        return CommandOutput()

    @command(is_urgent=True, needs_claim=True)
    async def preview(self, request: ShowPreview, call: Invocation) -> ShowPreviewResult:
        """Show what the camera sees to the station that has claimed it, for a while or until it is ended."""
        if request.subject is Subject.UNKNOWN:
            raise CommandRefusal(RefusalReason.NOT_SUPPORTED, "Pictures are of a portrait or a scene.")
        if not request.enabled:
            self._preview.stop()
            return ShowPreviewResult(duration_s=0)
        self._preview.start(request, call)
        return ShowPreviewResult(duration_s=request.duration_s)

    def on_claim_changed(self, station: str | None) -> None:
        """End a preview that is another station's."""
        if self._preview.station not in (None, station):
            self._preview.stop()

    def _show(self, glimpse: PreviewFrame) -> None:
        if not glimpse.content or self._output_queue.qsize() < WAITING_LIMIT:
            self.emit(glimpse)

    async def measure_for_preview(
        self, frame: CameraFrame | BadFrame, subject: Subject, transaction: str
    ) -> bytes | None:
        """Look at a picture for the preview: whole, and what could be better; None where it is not whole."""
        looked = await self._measure_if_complete(frame, subject, 1)
        self.on_frame_integrity(whole=isinstance(looked, _MeasuredFrame))
        if isinstance(looked, BadFrame):
            self.emit(looked)
            return None
        self._update_guidance(looked, subject, transaction)
        return looked.source_frame.content

    def _update_guidance(self, looked: _MeasuredFrame, subject: Subject, transaction: str) -> None:
        feedback = (
            self._portrait_guide.update(looked.hints, boot_ns()) if subject is Subject.PORTRAIT else None
        )
        if feedback is not None:
            self.emit(feedback.model_copy(update={"transaction": transaction}))

    async def _collect_frames(
        self, request: TakePicture, call: Invocation, asked_ns: int, whole: list[_MeasuredFrame]
    ) -> None:
        """Look at pictures until there are enough, or one that suffices."""
        torn = 0
        async with aclosing(self.frame_source.frames()) as shots:
            async for shot in shots:
                if isinstance(shot, CameraFrame) and shot.first_byte_ns < asked_ns:
                    continue
                looked = await self._measure_if_complete(shot, request.subject, len(whole) + 1)
                self.on_frame_integrity(whole=isinstance(looked, _MeasuredFrame))
                if isinstance(looked, BadFrame):
                    self.emit(looked)
                    torn += 1
                    if torn == DAMAGED_LIMIT and whole:
                        return
                    if torn == DAMAGED_LIMIT:
                        raise CommandFailure(
                            RefusalReason.LINK_FAILED, "The camera's pictures are not whole."
                        )
                    continue
                torn = 0
                whole.append(looked)
                self._update_guidance(looked, request.subject, call.transaction)
                if len(whole) == request.best_of or is_sufficient(looked.hints):
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
        """Say that pictures come torn, or whole again, where that is news."""
        self.set_problem("pictures", None if whole else _TORN)

    def set_problem(self, about: str, status: Status | None) -> None:
        """Take note of what is wrong in one respect, or that nothing is; say the gravest, if it is news."""
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
    "The camera answers, but its pictures are not whole.",
    Action.RESTART,
    "Restart the camera; if that does not help, look at its cable and the load of its network.",
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
