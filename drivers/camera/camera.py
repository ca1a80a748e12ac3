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

from drivers.camera.commands import PictureTaken, PreviewShown, ShowPreview, Subject, TakePicture
from drivers.camera.imaging.image_quality import UnreadableError, examine, rank, suffices
from drivers.camera.imaging.jpeg import Jpeg, Shot, look
from drivers.camera.imaging.portrait_guidance import Adviser
from drivers.camera.observations import Captured, FaceCaptured, FaceFeedback, Hint, SceneCaptured
from drivers.camera.preview import Preview
from drivers.camera.self_test import measured_steps, not_whole
from drivers.command import Call, Done, Failed, Reason, Refused, Request, boot_ns, command
from drivers.driver import BadFrame, Condition, Driver, Family, Glimpse, Status
from drivers.links.factory import Links
from drivers.links.link import Action, Cause, LinkError
from drivers.links.settings import Settings
from drivers.observation import Attachment, Observation
from drivers.self_test import CheckLevel, CheckStep, Trial

Said = Observation | BadFrame | Status | Glimpse
SettingsT = TypeVar("SettingsT", bound=Settings)
TORN_LIMIT = 5
"""So many pictures in a row that are not whole, and a capture gives up."""
WAITING_LIMIT = 8
"""With more to say than this, previews are dropped."""
KEPT_BYTES = 64
"""What is kept of a picture that is not whole, for the technician."""


@dataclass(frozen=True, slots=True)
class _Looked:
    """A whole picture, and what was measured of it."""

    shot: Shot
    jpeg: Jpeg
    hints: tuple[Hint, ...]
    frame: int


class Eye(ABC):
    """The way by which pictures come from a camera."""

    flows = False
    """Pictures come whether or not somebody takes them, and those that wait grow old."""

    @abstractmethod
    def shots(self) -> AsyncGenerator[Shot | BadFrame, None]:
        """Yield pictures that the camera makes from now on, as fast as it gives them; raises LinkError."""

    @abstractmethod
    async def tend(self, camera: "PictureCamera[Any]") -> None:
        """Watch over the link while nothing is asked; ends only by raising LinkError."""


class PictureCamera(Driver[SettingsT]):
    """A camera that takes pictures when it is told to, and says nothing unasked."""

    family = Family.CAMERA
    says: ClassVar[tuple[type[Observation], ...]] = (FaceCaptured, SceneCaptured, FaceFeedback)
    checks = (CheckLevel.EXTERNAL,)

    def __init__(self, settings: SettingsT, links: Links) -> None:
        super().__init__(settings, links)
        self._preview = Preview(self, self._show)
        self._adviser = Adviser()
        self._said: asyncio.Queue[Said | LinkError | asyncio.Task[None]] = asyncio.Queue()
        self._limit: asyncio.Timeout | None = None
        self.idle = asyncio.Event()
        """No picture is being taken."""
        self.idle.set()
        self._called_off = False
        self._troubles: dict[str, Status] = {}
        self._status = WELL
        self.eye: Eye
        """Made by `open`."""

    async def tend(self) -> None:
        """Watch over the links while nothing is asked; ends only by raising LinkError."""
        await self.eye.tend(self)

    def say(self, said: Said) -> None:
        """Let `watch` yield it."""
        self._said.put_nowait(said)

    async def watch(self) -> AsyncIterator[Said]:
        """Yield what there is to say, until the link fails."""
        beside = [asyncio.create_task(self.tend()), asyncio.create_task(self._preview.run())]
        for task in beside:
            task.add_done_callback(self._said.put_nowait)
        try:
            while True:
                match await self._said.get():
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

    async def check(self, _trial: Trial) -> AsyncGenerator[CheckStep]:
        """Take a picture, measure it and forget it."""
        if not self.idle.is_set():
            raise Refused(Reason.BUSY, "A picture is just being taken.")
        asked_ns = boot_ns()
        self.idle.clear()
        try:
            looked = await self._first_whole(asked_ns)
        finally:
            self.idle.set()
        if looked is None:
            yield not_whole(TORN_LIMIT)
            return
        for step in measured_steps(looked.jpeg, looked.hints, (looked.shot.begun_ns - asked_ns) / 1e6):
            yield step

    async def _first_whole(self, asked_ns: int) -> _Looked | None:
        """The first picture made from now on that is whole; None where several are not."""
        torn = 0
        async with aclosing(self.eye.shots()) as shots:
            async for shot in shots:
                if isinstance(shot, Shot) and shot.begun_ns < asked_ns:
                    continue
                looked = await self._whole(shot, Subject.SCENE, 1)
                self.well(whole=isinstance(looked, _Looked))
                if isinstance(looked, _Looked):
                    return looked
                torn += 1
                if torn == TORN_LIMIT:
                    return None
        return None

    @command()
    async def capture(self, request: TakePicture, call: Call) -> PictureTaken:
        """Take a picture; answers when it is there. The event carries it."""
        if request.subject is Subject.UNKNOWN:
            raise Refused(Reason.NOT_SUPPORTED, "Pictures are of a portrait or a scene.")
        if call.left_s <= 0:
            raise Refused(Reason.EXPIRED, "The command came too late.")
        asked_ns = boot_ns()
        whole: list[_Looked] = []
        self._called_off = False
        self.idle.clear()
        try:
            async with asyncio.timeout(request.timeout_s) as self._limit:
                await self._look_at(request, call, asked_ns, whole)
        except TimeoutError:
            if self._limit is None or not self._limit.expired():
                raise
        except LinkError as error:
            self._said.put_nowait(error)
            if not whole:
                raise
        finally:
            self._limit = None
            self.idle.set()
        if self._called_off:
            raise Failed(Reason.CANCELLED, "It was called off.")
        if not whole:
            raise Failed(Reason.TIMED_OUT, "No whole picture came in the time there was.")
        best = max(whole, key=lambda looked: rank(looked.hints))
        captured = _captured(best, request, call, asked_ns, len(whole))
        self.say(captured)
        return PictureTaken(frames=len(whole), waited_ms=captured.waited_ms, hints=best.hints)

    @command(urgent=True)
    async def cancel(self, _request: Request, _call: Call) -> Done:
        """Call off the picture that is being taken; done also where there is none."""
        if self._limit is not None and not self._limit.expired():
            self._called_off = True
            self._limit.reschedule(asyncio.get_running_loop().time())
        return Done()

    @command(urgent=True, claimed=True)
    async def preview(self, request: ShowPreview, call: Call) -> PreviewShown:
        """Show what the camera sees to the station that has claimed it, for a while or until it is ended."""
        if request.subject is Subject.UNKNOWN:
            raise Refused(Reason.NOT_SUPPORTED, "Pictures are of a portrait or a scene.")
        if not request.on:
            self._preview.end()
            return PreviewShown(for_s=0)
        self._preview.begin(request, call)
        return PreviewShown(for_s=request.for_s)

    def claimed_by(self, station: str | None) -> None:
        """End a preview that is another station's."""
        if self._preview.station not in (None, station):
            self._preview.end()

    def _show(self, glimpse: Glimpse) -> None:
        if not glimpse.content or self._said.qsize() < WAITING_LIMIT:
            self.say(glimpse)

    async def glance(self, shot: Shot | BadFrame, subject: Subject, transaction: str) -> bytes | None:
        """Look at a picture for the preview: whole, and what could be better; None where it is not whole."""
        looked = await self._whole(shot, subject, 1)
        self.well(whole=isinstance(looked, _Looked))
        if isinstance(looked, BadFrame):
            self.say(looked)
            return None
        self._advise(looked, subject, transaction)
        return looked.shot.content

    def _advise(self, looked: _Looked, subject: Subject, transaction: str) -> None:
        feedback = self._adviser.of(looked.hints, boot_ns()) if subject is Subject.PORTRAIT else None
        if feedback is not None:
            self.say(feedback.model_copy(update={"transaction": transaction}))

    async def _look_at(self, request: TakePicture, call: Call, asked_ns: int, whole: list[_Looked]) -> None:
        """Look at pictures until there are enough, or one that suffices."""
        torn = 0
        async with aclosing(self.eye.shots()) as shots:
            async for shot in shots:
                if isinstance(shot, Shot) and shot.begun_ns < asked_ns:
                    continue
                looked = await self._whole(shot, request.subject, len(whole) + 1)
                self.well(whole=isinstance(looked, _Looked))
                if isinstance(looked, BadFrame):
                    self.say(looked)
                    torn += 1
                    if torn == TORN_LIMIT and whole:
                        return
                    if torn == TORN_LIMIT:
                        raise Failed(Reason.LINK_FAILED, "The camera's pictures are not whole.")
                    continue
                torn = 0
                whole.append(looked)
                self._advise(looked, request.subject, call.transaction)
                if len(whole) == request.best_of or suffices(looked.hints):
                    return

    async def _whole(self, shot: Shot | BadFrame, subject: Subject, frame: int) -> _Looked | BadFrame:
        if isinstance(shot, BadFrame):
            return shot
        jpeg = look(shot.content)
        if not isinstance(jpeg, Jpeg):
            return BadFrame(jpeg, shot.content[:KEPT_BYTES])
        content = shot.content[: jpeg.size_bytes]
        try:
            hints = await asyncio.to_thread(examine, content, subject)
        except UnreadableError:
            return BadFrame("undecodable", content[:KEPT_BYTES])
        return _Looked(Shot(content, shot.begun_ns), jpeg, hints, frame)

    def well(self, *, whole: bool) -> None:
        """Say that pictures come torn, or whole again, where that is news."""
        self.trouble("pictures", None if whole else _TORN)

    def trouble(self, about: str, status: Status | None) -> None:
        """Take note of what is wrong in one respect, or that nothing is; say the gravest, if it is news."""
        self._troubles.pop(about, None)
        if status is not None:
            self._troubles[about] = status
        gravest = max(
            self._troubles.values(), key=lambda each: each.condition is Condition.FAULT, default=WELL
        )
        if gravest != self._status:
            self._status = gravest
            self.say(gravest)


WELL = Status(Condition.ONLINE)
_TORN = Status(
    Condition.DEGRADED,
    Cause.DEVICE_FAULT,
    "The camera answers, but its pictures are not whole.",
    Action.RESTART,
    "Restart the camera; if that does not help, look at its cable and the load of its network.",
)


def _captured(best: _Looked, request: TakePicture, call: Call, asked_ns: int, frames: int) -> Captured:
    kind = FaceCaptured if request.subject is Subject.PORTRAIT else SceneCaptured
    age_s = (boot_ns() - best.shot.begun_ns) / 1e9
    return kind(
        width_px=best.jpeg.width_px,
        height_px=best.jpeg.height_px,
        received_at=datetime.now(UTC) - timedelta(seconds=age_s),
        waited_ms=round((best.shot.begun_ns - asked_ns) / 1e6, 1),
        age_ms=round(age_s * 1e3, 1),
        hints=best.hints,
        frame=best.frame,
        frames=frames,
        best_of=request.best_of,
        transaction=call.transaction,
        attachments=(Attachment.of("picture", "image/jpeg", best.shot.content),),
    )
