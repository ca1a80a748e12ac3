"""What cameras that read number plates have in common: vehicles pass, and each is told to whoever listens."""

import asyncio
import contextlib
from abc import abstractmethod
from collections import deque
from collections.abc import AsyncGenerator, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta, timezone
from random import Random
from typing import Any

from pydantic import Field, ValidationError

from simulators.camera.anpr.vehicles import Vehicle, Vehicles
from simulators.camera.camera import CameraSettings, HttpCamera
from simulators.camera.faults import ActiveFaults, Duplicate, Late, Misread
from simulators.camera.frame_stamp import FrameStamp
from simulators.camera.scene import View, jpeg, plate_close_up
from simulators.camera.slow_writer import chunks_to_send, delayed
from simulators.errors import SimulatorError
from simulators.scheduled_faults import ScheduledFault

KEPT = 200
"""How many passages a camera remembers."""


class PlateCameraSettings(CameraSettings):
    """One camera over a lane."""

    every_s: float | None = Field(None, gt=0, description="Seconds between vehicles; else by command only.")
    first_s: float = Field(1.0, ge=0, description="When the first one comes, in seconds.")
    jitter_s: float = Field(0.0, ge=0, description="Up to so many seconds more between them.")
    dwell_s: float = Field(3.0, gt=0, description="How long a vehicle is before the camera, in seconds.")
    utc_offset_min: int = Field(0, ge=-720, le=840, description="The camera's time zone, in minutes.")
    resends: bool = Field(
        False, description="It tells again, to who listens next, what it was telling when a connection ended."
    )

    @property
    def zone(self) -> timezone:
        """The camera's time zone."""
        return timezone(timedelta(minutes=self.utc_offset_min))


@dataclass(frozen=True, slots=True)
class Passage:
    """One vehicle that passed, and what the camera makes of it."""

    number: int
    """Counts from 1."""
    vehicle: Vehicle
    reported_plate: str
    """The plate as the camera read it."""
    at: datetime
    """By the camera's clock, in its time zone, to the millisecond; later than that of every one before."""
    stamp: FrameStamp
    """Of the picture."""
    picture: bytes = field(repr=False)
    close_up: bytes = field(repr=False)
    is_repeat: bool = False
    """Told to somebody who had lost it."""

    def unique(self, bits: int = 128) -> int:
        """A number that no other passage has, nor the same one of another camera."""
        return Random(f"{self.stamp.camera}/{self.number}/{self.stamp.at_ms}").getrandbits(bits)


class PlateCamera(HttpCamera):
    """A camera over a lane. A kind says how a passage is told."""

    def __init__(self, settings: PlateCameraSettings, faults: Sequence[ScheduledFault[Any]] = ()) -> None:
        super().__init__(settings, View("lane"), faults)
        self.lane = settings
        self.passages: deque[Passage] = deque(maxlen=KEPT)
        self._vehicles = Vehicles(settings.seed)
        self._passed = 0

    @abstractmethod
    async def announce(self, passage: Passage, met: ActiveFaults) -> None:
        """Tell whoever listens."""

    async def work(self) -> None:
        """Have vehicles pass."""
        if (every_s := self.lane.every_s) is None:
            return
        chance = Random(f"{self.lane.seed}/intervals")
        await asyncio.sleep(self.lane.first_s)
        while True:
            vehicle = next(self._vehicles)
            if self.server.is_running:
                self.pass_vehicle(vehicle)
            await asyncio.sleep(every_s + chance.uniform(0, self.lane.jitter_s))

    def insert(self, **given: Any) -> dict[str, Any]:
        """Have a vehicle pass: the next one, or one that differs from it in the fields given."""
        if not self.server.is_running:
            raise SimulatorError("insert: the camera has no power")
        try:
            vehicle = Vehicle(**asdict(next(self._vehicles)) | given)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            raise SimulatorError(f"insert: {first['loc'][-1]}: {first['msg']}") from None
        passage = self.pass_vehicle(vehicle)
        return {"number": passage.number, "plate": vehicle.plate, "said": passage.reported_plate}

    def pass_vehicle(self, vehicle: Vehicle) -> Passage:
        """Have a vehicle pass, and tell of it."""
        met = self.waiting.take()
        self._passed += 1
        self.sensor.set_view(View("lane", plate=vehicle.plate, caption=self._passed), self.lane.dwell_s)
        taken = self.sensor.expose()
        misread = met.get(Misread)
        passage = Passage(
            self._passed,
            vehicle,
            misread.text if misread else vehicle.plate,
            self._moment(),
            taken.stamp,
            taken.jpeg,
            jpeg(plate_close_up(vehicle.plate)),
        )
        self.passages.append(passage)
        self._tell("vehicle", {"number": passage.number})
        self.tasks.create_task(self._announce(passage, met))
        return passage

    def _moment(self) -> datetime:
        now = datetime.fromtimestamp(self.sensor.now_ms() / 1000, self.lane.zone)
        if self.passages and self.passages[-1].at >= now and self.sensor.clock_off_s == 0:
            return self.passages[-1].at + timedelta(milliseconds=1)
        return now

    async def _announce(self, passage: Passage, met: ActiveFaults) -> None:
        if (late := met.get(Late)) is not None:
            await asyncio.sleep(late.delay_s)
        await self.announce(passage, met)

    def status(self) -> dict[str, Any]:
        """How many passed, too."""
        return super().status() | {"vehicles": self._passed}


class StreamingPlateCamera(PlateCamera):
    """One that tells whoever keeps a connection open, and beats on it while nothing happens."""

    def __init__(
        self, settings: PlateCameraSettings, heartbeat_s: float, faults: Sequence[ScheduledFault[Any]] = ()
    ) -> None:
        super().__init__(settings, faults)
        self.heartbeat_s = heartbeat_s
        self.undelivered: deque[Passage] = deque(maxlen=KEPT)
        """To be told again: nobody listened, or the connection ended in the middle of it."""
        self.listening: set[asyncio.Queue[tuple[Passage, ActiveFaults]]] = set()
        self.has_connected = asyncio.Event()
        """Set while somebody listens."""

    @abstractmethod
    def heartbeat(self) -> bytes:
        """What is sent while nothing happens."""

    @abstractmethod
    def event(self, passage: Passage, met: ActiveFaults) -> bytes:
        """A passage as it is sent."""

    async def announce(self, passage: Passage, met: ActiveFaults) -> None:
        """Tell all who listen; with `resends`, and nobody there, whoever comes next."""
        for queue in self.listening:
            queue.put_nowait((passage, met))
            if Duplicate in met:
                queue.put_nowait((passage, ActiveFaults()))
        if not self.listening:
            self._keep(passage)

    def _keep(self, passage: Passage) -> None:
        if self.lane.resends:
            self.undelivered.append(replace(passage, is_repeat=True))

    async def stream_events(self, heartbeat_s: float) -> AsyncGenerator[bytes, None]:
        """All there is to tell one client, without end."""
        queue: asyncio.Queue[tuple[Passage, ActiveFaults]] = asyncio.Queue()
        unfinished: list[Passage] = []
        self.listening.add(queue)
        self.has_connected.set()
        try:
            while self.undelivered:
                queue.put_nowait((self.undelivered.popleft(), ActiveFaults()))
            yield self.heartbeat()
            while True:
                try:
                    passage, met = await asyncio.wait_for(queue.get(), heartbeat_s)
                except TimeoutError:
                    yield self.heartbeat()
                    continue
                unfinished.append(passage)
                await delayed(met)
                async with contextlib.aclosing(chunks_to_send(self.event(passage, met), met)) as pieces:
                    async for piece in pieces:
                        yield piece
                unfinished.clear()
        finally:
            self.listening.discard(queue)
            if not self.listening:
                self.has_connected.clear()
            for passage in unfinished:
                self._keep(passage)
            while not queue.empty():
                self._keep(queue.get_nowait()[0])

    def status(self) -> dict[str, Any]:
        """How many listen, too."""
        return super().status() | {"listening": len(self.listening)}
