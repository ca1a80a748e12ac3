"""Previews: what a camera sees, some times a second and small, for the one station that has claimed it.

Nothing of it is kept: the picture of this moment replaces the one before, and what cannot be sent at once is
dropped. It ends by itself unless it is renewed, and what was shown is wiped then.
"""

import asyncio
import io
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Protocol

from PIL import Image

from drivers.camera.commands import ShowPreview, Subject
from drivers.camera.imaging.image_quality import PIXELS_LIMIT, UndecodableImageError
from drivers.camera.imaging.jpeg import CameraFrame
from drivers.command import Invocation
from drivers.driver import BadFrame, PreviewFrame

QUALITY = 70


@dataclass(slots=True)
class _ActivePreview:
    """What was asked for last."""

    request: ShowPreview
    call: Invocation
    ends_s: float


class PreviewFrameSource(Protocol):
    """What is needed of the way by which pictures come."""

    is_stream: bool
    """Pictures come whether or not somebody takes them, and those that wait grow old."""

    def frames(self) -> AsyncGenerator[CameraFrame | BadFrame, None]:
        """Pictures from now on."""
        ...


class PreviewedCamera(Protocol):
    """What is needed of a camera."""

    is_idle: asyncio.Event
    """No capture is under way; those go first."""

    @property
    def frame_source(self) -> PreviewFrameSource:
        """By which pictures come."""
        ...

    async def measure_for_preview(
        self, frame: CameraFrame | BadFrame, subject: Subject, transaction: str
    ) -> bytes | None:
        """The picture, after a look whether it is whole; None where it is not."""
        ...


class PreviewSession:
    """Of one camera, while its driver is open."""

    def __init__(self, camera: PreviewedCamera, show: Callable[[PreviewFrame], None]) -> None:
        self._camera = camera
        self._show = show
        self._asked: _ActivePreview | None = None
        self._begun = asyncio.Event()

    @property
    def station(self) -> str | None:
        """Who is shown it, while it lasts."""
        return None if self._asked is None else self._asked.call.issuer

    def start(self, request: ShowPreview, call: Invocation) -> None:
        """Show from now on, or go on showing, to whoever calls."""
        if self._asked is not None and self._asked.call.issuer != call.issuer:
            self.stop()
        now_s = asyncio.get_running_loop().time()
        self._asked = _ActivePreview(request, call, now_s + request.duration_s)
        self._begun.set()

    def stop(self) -> None:
        """Show nothing more, and have what was shown wiped."""
        asked, self._asked = self._asked, None
        self._begun.clear()
        if asked is not None:
            self._show(PreviewFrame(asked.call.issuer, b""))

    async def run(self) -> None:
        """Show while it is asked for; raises LinkError."""
        try:
            while True:
                await self._begun.wait()
                await self._camera.is_idle.wait()
                await self._show_some()
        finally:
            self.stop()

    async def _show_some(self) -> None:
        """Until it ends, or a capture begins."""
        loop, camera = asyncio.get_running_loop(), self._camera
        due_s = loop.time()
        async with aclosing(camera.frame_source.frames()) as shots:
            while camera.is_idle.is_set() and (asked := self._asked) is not None:
                try:
                    async with asyncio.timeout_at(asked.ends_s) as limit:
                        shot = await anext(shots)
                except TimeoutError:
                    if not limit.expired():
                        raise
                    if self._asked is asked:  # and was not renewed
                        self.stop()
                    return
                if loop.time() >= due_s:
                    due_s = max(due_s + 1 / asked.request.frames_per_s, loop.time())
                    await self._show_one(shot, asked)
                    if not camera.frame_source.is_stream:
                        await asyncio.sleep(min(due_s, asked.ends_s) - loop.time())

    async def _show_one(self, shot: CameraFrame | BadFrame, asked: _ActivePreview) -> None:
        request, call = asked.request, asked.call
        picture = await self._camera.measure_for_preview(shot, request.subject, call.transaction)
        if picture is None:
            return
        try:
            small = await asyncio.to_thread(downscale_jpeg, picture, request.width_px)
        except UndecodableImageError:
            return
        if self._asked is not None and self._asked.call.issuer == call.issuer:
            self._show(PreviewFrame(call.issuer, small))


def downscale_jpeg(content: bytes, width_px: int) -> bytes:
    """A JPEG of at most that width; raises UnreadableError. Takes some milliseconds."""
    try:
        with Image.open(io.BytesIO(content), formats=("JPEG",)) as image:
            if image.width * image.height > PIXELS_LIMIT:
                raise UndecodableImageError("too large")
            height_px = max(1, round(image.height * width_px / image.width))
            image.draft("RGB", (width_px, height_px))
            small = image.convert("RGB")
        small.thumbnail((width_px, height_px))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise UndecodableImageError("no whole picture") from error
    written = io.BytesIO()
    small.save(written, "JPEG", quality=QUALITY)
    return written.getvalue()
