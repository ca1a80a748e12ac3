"""Base driver of cameras that report plate reads in one endless multipart response.

A passage is a part with the plate read, followed by parts with its pictures. The camera may announce their
number: a passage is reported when the announced ones have arrived, when another part follows, or when nothing
arrives for a while. A driver of one make derives from `PlateCamera` and defines the request and the parsing
of a part.
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
MAX_PICTURES = 8
"""Upper bound on the pictures of a passage; cameras send up to four. Further ones are ignored."""
SAME_PASSAGE_S = 5.0
"""Tolerance between the times of one passage in the list and in the stream."""
TEXT_LIMIT = 16
"""Upper limit of a lane's or a country's length; a longer one is ignored."""


SLOW_PARTS = 4
"""Time limit of a part whose bytes keep arriving, as a multiple of the limit without any byte."""


class PlateCameraSettings(CameraHttpSettings):
    """Settings of one camera that reports plates over HTTP."""

    no_data_timeout_s: float = Field(
        default=30.0,
        gt=0,
        le=300,
        description="Without a heartbeat for so long the camera is offline, in seconds. It sends "
        "one every few seconds.",
        examples=[30.0],
    )
    picture_timeout_s: float = Field(
        default=0.5,
        gt=0,
        le=5,
        description="Time limit for the next picture of a vehicle, where the camera does not announce their "
        "number, in seconds.",
        examples=[0.5],
    )

    @property
    def exclusive_key(self) -> str:
        """Key that only one device may have: the plates of one camera; its pictures have another."""
        return f"{self.url} (plates)"


SettingsT = TypeVar("SettingsT", bound=PlateCameraSettings)


@dataclass
class PlatePassage:
    """Plate read of one vehicle, and its pictures so far."""

    raw: str
    vendor_id: str
    names: tuple[object, ...]
    """Keys of the passage, repeated when the camera reports it again."""
    country: str | None = None
    confidence: float | None = None
    direction: VehicleDirection = VehicleDirection.UNKNOWN
    lane: str | None = None
    camera_time: str | None = None
    announced_images: int | None = None
    is_backlog: bool = False
    received_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    pictures: list[tuple[str, bytes]] = field(default_factory=list)
    """Role and bytes of each picture."""
    damaged_images: int = 0

    @property
    def dedup_key(self) -> tuple[str | None, datetime | None]:
        """Plate and time by the camera's clock."""
        return normalise_plate(self.raw), to_local_time(self.camera_time)

    @property
    def is_complete(self) -> bool:
        """True if all announced pictures have arrived, whole or damaged."""
        return self.announced_images is not None and len(self.pictures) + self.damaged_images >= min(
            self.announced_images, MAX_PICTURES
        )


class PlateCamera(Driver[SettingsT]):
    """A camera that reports plates as vehicles pass."""

    family = Family.CAMERA
    observation_types: ClassVar[tuple[type[Observation], ...]] = (PlateRead,)
    link: HttpLink

    def __init__(self, settings: SettingsT, links: LinkFactory) -> None:
        super().__init__(settings, links)
        self._reported = PassageDeduplicator()
        self._waiting: list[PlatePassage] = []
        """Passages whose pictures may still arrive."""
        self._keepalive_count = 0
        """Number of heartbeats since."""
        self._streamed, self._caught = PlateDeduplicator(SAME_PASSAGE_S), PlateDeduplicator(SAME_PASSAGE_S)
        self._backlog: list[PlatePassage] = []
        """Passages listed after a lost connection: reported once the stream has not repeated them."""
        self._has_received = False
        self._listening: tuple[AsyncExitStack, HttpStream, str] | None = None

    @abstractmethod
    def stream_path(self) -> str:
        """Return the path of the stream of plates."""

    @abstractmethod
    def parse_passages(self, part: BodyPart) -> list[PlatePassage] | BadFrame:
        """Parse a part that is not a picture: its passages; none for a heartbeat."""

    def image_role(self, part: BodyPart) -> str:
        """Return the role of a picture, by its name: `plate`, `scene` or `picture`."""
        name = (part.headers.get("content-disposition", "") + part.headers.get("content-id", "")).lower()
        if "plate" in name:
            return "plate"
        return "scene" if any(word in name for word in ("detection", "vehicle", "scene")) else "picture"

    async def fetch_backlog(self) -> list[PlatePassage]:
        """Fetch passages during a lost connection, where the camera lists them."""
        return []

    async def listen(self) -> None:
        """Open the stream; for `open`."""
        stack = AsyncExitStack()
        try:
            answer = await stack.enter_async_context(
                self.link.stream("GET", self.stream_path(), silence_s=self.settings.no_data_timeout_s)
            )
            if (boundary := parse_boundary(answer.content_type)) is None:
                raise self.link.wrong_service_error("provides no events")
        except BaseException:
            await stack.aclose()
            raise
        self._has_received = False
        self._listening = stack, answer, boundary

    async def close(self) -> None:
        """Close the stream."""
        if self._listening is not None:
            listening, self._listening = self._listening, None
            await listening[0].aclose()

    async def watch(self) -> AsyncIterator[PlateRead | BadFrame]:
        """Yield one plate read for each vehicle.

        A response that ends is requested again at once, together with the passages missed meanwhile: only
        this driver can deduplicate them. When that fails, or nothing at all was received, the link has
        failed.
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
            if not self._has_received:
                raise lost or self._ended()
            await self.listen()
            self._backlog = await self.fetch_backlog()

    def _ended(self) -> LinkError:
        return LinkError(
            Cause.LINK_FAILED,
            f"{self.settings.url} ended its stream of events.",
            Action.RESTART,
            "Restart the camera if it does not come back by itself; it may have too many clients.",
        )

    async def _stream(self) -> AsyncGenerator[PlateRead | BadFrame, None]:
        """Read until the response ends; raises LinkError."""
        assert self._listening is not None
        _, answer, boundary = self._listening
        parts = MultipartReader(boundary, self.settings.picture_max_bytes)
        coming = asyncio.ensure_future(anext(answer.chunks, None))
        loop = asyncio.get_running_loop()
        part_s = loop.time()
        """Time of the last complete part: bytes that arrive for ever must not delay a read."""
        try:
            while True:
                patience_s = self._patience_s()
                elapsed_s = loop.time() - part_s
                if patience_s is not None:
                    patience_s = min(patience_s, max(0.0, SLOW_PARTS * patience_s - elapsed_s))
                # A cancelled `anext` would end the generator, so it is awaited without a timeout.
                await asyncio.wait({coming}, timeout=patience_s)
                if not coming.done() or patience_s == 0:
                    for read in self._publish_all():
                        yield read
                if elapsed_s > SLOW_PARTS * self.settings.no_data_timeout_s:
                    raise self.link.silence_error(SLOW_PARTS * self.settings.no_data_timeout_s)
                if not coming.done():
                    continue
                if (chunk := coming.result()) is None:
                    break
                for part in parts.feed(chunk):
                    part_s = loop.time()
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
            yield from self._damaged_part(part.fault, part.content)
            return
        self._has_received = True
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
        """Return True if the camera has announced the number of pictures."""
        return any(passage.announced_images is not None for passage in self._waiting)

    def _patience_s(self) -> float | None:
        if not self._waiting and not self._backlog:
            return None
        return self.settings.timeout_s if self._counted() else self.settings.picture_timeout_s

    def _begin(self, passages: list[PlatePassage]) -> None:
        """Collect pictures for passages reported neither here nor by the list."""
        self._keepalive_count = 0
        for passage in passages:
            plate, when = passage.dedup_key
            new = self._reported.is_first(passage.names)
            if new and not self._caught.is_duplicate(plate, when):
                self._waiting.append(passage)
            self._streamed.add(plate, when)

    def _picture(self, part: BodyPart) -> Iterator[PlateRead | BadFrame]:
        found = parse_jpeg(part.content)
        if not isinstance(found, JpegInfo):
            yield from self._damaged_part(found, part.content)
            return
        for passage in self._waiting:
            if len(passage.pictures) < MAX_PICTURES:
                passage.pictures.append((self.image_role(part), part.content[: found.size_bytes]))
        yield from self._publish_complete()

    def _damaged_part(self, fault: str, content: bytes) -> Iterator[PlateRead | BadFrame]:
        """Handle a damaged part; after the plate read of a vehicle it was one of its pictures."""
        yield BadFrame(fault, content[:RAW_EXCERPT_BYTES])
        for passage in self._waiting:
            passage.damaged_images += 1
        yield from self._publish_complete()

    def _publish_complete(self) -> Iterator[PlateRead]:
        if all(passage.is_complete for passage in self._waiting):
            yield from self._publish_waiting()

    def _publish_all(self) -> Iterator[PlateRead]:
        yield from self._publish_waiting()
        missed, self._backlog = self._backlog, []
        for passage in missed:
            if self._reported.is_first(passage.names) and not self._streamed.is_duplicate(*passage.dedup_key):
                self._caught.add(*passage.dedup_key)
                yield to_observation(passage)

    def _publish_waiting(self) -> Iterator[PlateRead]:
        waiting, self._waiting = self._waiting, []
        yield from map(to_observation, waiting)


def to_observation(passage: PlatePassage) -> PlateRead:
    """Create the observation of a passage, with the pictures that have arrived."""
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
    """Return a code, or None where it is empty or too long."""
    return text if text and len(text) <= TEXT_LIMIT else None
