"""The driver that every camera is that reads plates and tells of them in one endless multipart answer.

A passage comes as a part that says what was read, and its pictures in parts behind it. How many there are the
camera may say, or not: a passage is told when the announced ones are there, when something else follows, or
when nothing has come for a while. A driver of one make derives from `PlateCamera` and says how it asks and
what a part means.
"""

import asyncio
from abc import abstractmethod
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import ClassVar, TypeVar

from pydantic import Field

from drivers.camera.anpr.plate_dedup import RAW_LIMIT, PassageDeduplicator, PlateDeduplicator, normalise_plate
from drivers.camera.anpr.timestamps import to_local_time
from drivers.camera.http_settings import CameraHttpSettings
from drivers.camera.imaging.jpeg import JpegInfo, parse_jpeg
from drivers.camera.multipart import BodyPart, MalformedPart, MultipartReader, parse_boundary
from drivers.camera.observations import PlateRead, VehicleDirection
from drivers.driver import BadFrame, Driver, Family
from drivers.links.factory import LinkFactory
from drivers.links.http.client import HttpLink, HttpStream
from drivers.links.link import Action, Cause, LinkError
from drivers.observation import Attachment, Observation

RAW_EXCERPT_BYTES = 64
SAME_PASSAGE_S = 5.0
"""A list and a stream may tell one passage at times that differ so much."""
TEXT_LIMIT = 16
"""How long a lane or a country may be; a longer one is none."""


class PlateCameraSettings(CameraHttpSettings):
    """Settings of one camera that tells of plates over HTTP."""

    no_data_timeout_s: float = Field(
        30.0,
        gt=0,
        le=300,
        description="After so long without a sign of life the camera counts as gone, in seconds. It gives "
        "one every few seconds.",
        examples=[30.0],
    )
    picture_timeout_s: float = Field(
        0.5,
        gt=0,
        le=5,
        description="How long to wait for the next picture of a vehicle, where the camera does not say how "
        "many there are, in seconds.",
        examples=[0.5],
    )

    @property
    def exclusive_key(self) -> str:
        """The plates of one camera; its pictures are another place."""
        return f"{self.url} (plates)"


SettingsT = TypeVar("SettingsT", bound=PlateCameraSettings)


@dataclass
class PlatePassage:
    """What a camera says of one vehicle, and the pictures of it that have come."""

    raw: str
    vendor_id: str
    names: tuple[object, ...]
    """Everything by which the same passage is known when it is told again."""
    country: str | None = None
    confidence: float | None = None
    direction: VehicleDirection = VehicleDirection.UNKNOWN
    lane: str | None = None
    camera_time: str | None = None
    announced_images: int | None = None
    is_backlog: bool = False
    received_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    pictures: list[tuple[str, bytes]] = field(default_factory=list)
    """What each shows, and its bytes."""
    damaged_images: int = 0

    @property
    def dedup_key(self) -> tuple[str | None, datetime | None]:
        """Which plate it was, and when, by the camera's clock."""
        return normalise_plate(self.raw), to_local_time(self.camera_time)

    @property
    def is_complete(self) -> bool:
        """Whether all pictures that it announced have come, whole or not."""
        return (
            self.announced_images is not None
            and len(self.pictures) + self.damaged_images >= self.announced_images
        )


class PlateCamera(Driver[SettingsT]):
    """A camera that tells of plates as vehicles pass."""

    family = Family.CAMERA
    observation_types: ClassVar[tuple[type[Observation], ...]] = (PlateRead,)
    link: HttpLink

    def __init__(self, settings: SettingsT, links: LinkFactory) -> None:
        super().__init__(settings, links)
        self._said = PassageDeduplicator()
        self._waiting: list[PlatePassage] = []
        """Told, and their pictures may still come."""
        self._keepalive_count = 0
        """How many signs of life came since."""
        self._streamed, self._caught = PlateDeduplicator(SAME_PASSAGE_S), PlateDeduplicator(SAME_PASSAGE_S)
        self._missed: list[PlatePassage] = []
        """What the camera listed after a loss: told once it is plain that the stream does not tell of it."""
        self._heard = False
        self._listening: tuple[AsyncExitStack, HttpStream, str] | None = None

    @abstractmethod
    def stream_path(self) -> str:
        """Where the camera tells of plates."""

    @abstractmethod
    def parse_passages(self, part: BodyPart) -> list[PlatePassage] | BadFrame:
        """What a part that is no picture says: passages; none where it is a sign of life."""

    def image_role(self, part: BodyPart) -> str:
        """What a picture shows, by its name: `plate`, `scene` or `picture`."""
        name = (part.headers.get("content-disposition", "") + part.headers.get("content-id", "")).lower()
        if "plate" in name:
            return "plate"
        return "scene" if any(word in name for word in ("detection", "vehicle", "scene")) else "picture"

    async def fetch_backlog(self) -> list[PlatePassage]:
        """Ask what passed while nobody listened, where the camera can say."""
        return []

    async def listen(self) -> None:
        """Begin to listen; for `open`."""
        stack = AsyncExitStack()
        try:
            answer = await stack.enter_async_context(
                self.link.stream("GET", self.stream_path(), silence_s=self.settings.no_data_timeout_s)
            )
            if (boundary := parse_boundary(answer.content_type)) is None:
                raise self.link.wrong_service_error("tells of no events")
        except BaseException:
            await stack.aclose()
            raise
        self._heard = False
        self._listening = stack, answer, boundary

    async def close(self) -> None:
        """Stop listening."""
        if self._listening is not None:
            listening, self._listening = self._listening, None
            await listening[0].aclose()

    async def watch(self) -> AsyncIterator[PlateRead | BadFrame]:
        """Tell of every vehicle once.

        An answer that ends is asked for again at once, and what passed meanwhile with it: only this driver
        knows what it has told already. When that fails, or nothing at all was heard, the link has failed.
        """
        while True:
            lost = None
            try:
                async with aclosing(self._stream()) as stream:
                    async for said in stream:
                        yield said
            except LinkError as error:
                lost = error
            for read in self._publish_all():
                yield read
            await self.close()
            if not self._heard:
                raise lost or self._ended()
            await self.listen()
            self._missed = await self.fetch_backlog()

    def _ended(self) -> LinkError:
        return LinkError(
            Cause.LINK_FAILED,
            f"{self.settings.url} ended its stream of events.",
            Action.RESTART,
            "Restart the camera if it does not come back by itself; it may serve too many already.",
        )

    async def _stream(self) -> AsyncGenerator[PlateRead | BadFrame, None]:
        """Listen until the answer ends; raises LinkError."""
        assert self._listening is not None
        _, answer, boundary = self._listening
        parts = MultipartReader(boundary, self.settings.picture_max_bytes)
        coming = asyncio.ensure_future(anext(answer.chunks, None))
        try:
            while True:
                # A cancelled `anext` would end the generator, so it is waited for and never timed out.
                await asyncio.wait({coming}, timeout=self._patience_s())
                if not coming.done():
                    for read in self._publish_all():
                        yield read
                    continue
                if (chunk := coming.result()) is None:
                    break
                for part in parts.feed(chunk):
                    for said in self._take(part):
                        yield said
                coming = asyncio.ensure_future(anext(answer.chunks, None))
        finally:
            coming.cancel()
            await asyncio.gather(coming, return_exceptions=True)
        for part in parts.finish():
            for said in self._take(part):
                yield said

    def _take(self, part: BodyPart | MalformedPart) -> Iterator[PlateRead | BadFrame]:
        if isinstance(part, MalformedPart):
            yield from self._spoilt(part.fault, part.content)
            return
        self._heard = True
        if part.media_type.startswith("image/"):
            yield from self._picture(part)
            return
        match self.parse_passages(part):
            case BadFrame() as bad:
                yield bad
            case []:
                self._keepalive_count += 1
                if self._keepalive_count > 1 or not self._counted():
                    yield from self._publish_all()
            case [passage, *_] if self._counted() and self._waiting[0].names == passage.names:
                pass  # another picture of the same vehicle follows
            case passages:
                yield from self._publish_waiting()
                self._begin(passages)
                yield from self._publish_complete()

    def _counted(self) -> bool:
        """Whether the camera has said how many pictures come."""
        return any(passage.announced_images is not None for passage in self._waiting)

    def _patience_s(self) -> float | None:
        if not self._waiting and not self._missed:
            return None
        return self.settings.timeout_s if self._counted() else self.settings.picture_timeout_s

    def _begin(self, passages: list[PlatePassage]) -> None:
        """Wait for the pictures of those that were told neither here nor by the list."""
        self._keepalive_count = 0
        for passage in passages:
            plate, when = passage.dedup_key
            new = self._said.is_first(passage.names)
            if new and not self._caught.is_duplicate(plate, when):
                self._waiting.append(passage)
            self._streamed.add(plate, when)

    def _picture(self, part: BodyPart) -> Iterator[PlateRead | BadFrame]:
        found = parse_jpeg(part.content)
        if not isinstance(found, JpegInfo):
            yield from self._spoilt(found, part.content)
            return
        for passage in self._waiting:
            passage.pictures.append((self.image_role(part), part.content[: found.size_bytes]))
        yield from self._publish_complete()

    def _spoilt(self, fault: str, content: bytes) -> Iterator[PlateRead | BadFrame]:
        """A part that is not whole; behind what was told of a vehicle it was its picture."""
        yield BadFrame(fault, content[:RAW_EXCERPT_BYTES])
        for passage in self._waiting:
            passage.damaged_images += 1
        yield from self._publish_complete()

    def _publish_complete(self) -> Iterator[PlateRead]:
        if all(passage.is_complete for passage in self._waiting):
            yield from self._publish_waiting()

    def _publish_all(self) -> Iterator[PlateRead]:
        yield from self._publish_waiting()
        missed, self._missed = self._missed, []
        for passage in missed:
            if self._said.is_first(passage.names) and not self._streamed.is_duplicate(*passage.dedup_key):
                self._caught.add(*passage.dedup_key)
                yield to_observation(passage)

    def _publish_waiting(self) -> Iterator[PlateRead]:
        waiting, self._waiting = self._waiting, []
        yield from map(to_observation, waiting)


def to_observation(passage: PlatePassage) -> PlateRead:
    """The event of a passage, whose pictures have come as far as they will."""
    seen: Counter[str] = Counter()
    attachments = []
    for shows, content in passage.pictures:
        seen[shows] += 1
        role = shows if seen[shows] == 1 else f"{shows}-{seen[shows]}"
        attachments.append(Attachment.from_bytes(role, "image/jpeg", content))
    missing = max(passage.damaged_images, (passage.announced_images or 0) - len(passage.pictures))
    return PlateRead(
        plate_raw=passage.raw[:RAW_LIMIT],
        plate=normalise_plate(passage.raw),
        country=short_code(passage.country),
        confidence=passage.confidence,
        direction=passage.direction,
        lane=short_code(passage.lane),
        camera_time=passage.camera_time,
        received_at=passage.received_at,
        vendor_id=passage.vendor_id[:128],
        backlog=passage.is_backlog,
        missing_images=missing,
        attachments=tuple(attachments),
    )


def short_code(text: str | None) -> str | None:
    """A code, or nothing where it is empty or too long to be one."""
    return text if text and len(text) <= TEXT_LIMIT else None
