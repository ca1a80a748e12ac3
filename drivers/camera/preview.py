"""Previews: small frames of a camera, a few times a second, for the station that has claimed it.

Nothing is stored: each frame replaces the one before, and a frame that cannot be sent at once is dropped. A
preview ends by itself unless it is renewed, and the last frame is then cleared.
"""

import asyncio
import io
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Protocol

from PIL import Image

from drivers.camera.commands import ShowPreview, Subject
from drivers.camera.imaging.image_quality import UndecodableImageError
from drivers.camera.imaging.jpeg import CameraFrame
from drivers.command import Invocation
from drivers.driver import BadFrame, PreviewFrame

QUALITY = 70


@dataclass(slots=True)
class _ActivePreview:
    """The latest request."""

    request: ShowPreview
    call: Invocation
    ends_s: float


class PreviewFrameSource(Protocol):
    """Requirements on the source of frames."""

    is_stream: bool
    """True if frames arrive unrequested, so that queued ones grow old."""

    def frames(self) -> AsyncGenerator[CameraFrame | BadFrame, None]:
        """Yield frames from now on."""
        ...


class PreviewedCamera(Protocol):
    """Requirements on a camera."""

    is_idle: asyncio.Event
    """Set while no capture runs; captures have precedence."""

    @property
    def frame_source(self) -> PreviewFrameSource:
        """Source of the frames."""
        ...

    async def measure_for_preview(
        self, frame: CameraFrame | BadFrame, subject: Subject, transaction: str
    ) -> bytes | None:
        """Check and return the frame; None where it is incomplete."""
        ...


class PreviewSession:
    """Preview of one camera, while its driver is open."""

    def __init__(self, camera: PreviewedCamera, show: Callable[[PreviewFrame], None]) -> None:
        self._camera = camera
        self._show = show
        self._asked: _ActivePreview | None = None
        self._begun = asyncio.Event()

    @property
    def station(self) -> str | None:
        """Station that receives the preview, while it runs."""
        return None if self._asked is None else self._asked.call.issuer

    def start(self, request: ShowPreview, call: Invocation) -> None:
        """Start or renew the preview for the issuer."""
        if self._asked is not None and self._asked.call.issuer != call.issuer:
            self.stop()
        now_s = asyncio.get_running_loop().time()
        self._asked = _ActivePreview(request, call, now_s + request.duration_s)
        self._begun.set()

    def stop(self) -> None:
        """End the preview and clear the last frame."""
        asked, self._asked = self._asked, None
        self._begun.clear()
        if asked is not None:
            self._show(PreviewFrame(asked.call.issuer, b""))

    async def run(self) -> None:
        """Send frames while requested; raises LinkError."""
        try:
            while True:
                await self._begun.wait()
                await self._camera.is_idle.wait()
                await self._show_some()
        finally:
            self.stop()

    async def _show_some(self) -> None:
        """Send frames until the preview ends or a capture begins."""
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
    """Scale a JPEG that `parse_jpeg` has accepted down to at most that width; raises UndecodableImageError.

    Takes some milliseconds.
    """
    try:
        with Image.open(io.BytesIO(content), formats=("JPEG",)) as image:
            height_px = max(1, round(image.height * width_px / image.width))
            image.draft("RGB", (width_px, height_px))
            small = image.convert("RGB")
        small.thumbnail((width_px, height_px))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise UndecodableImageError("not a whole picture") from error
    written = io.BytesIO()
    small.save(written, "JPEG", quality=QUALITY)
    return written.getvalue()
