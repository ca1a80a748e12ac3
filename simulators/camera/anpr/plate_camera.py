"""Common behaviour of cameras that read number plates: vehicles pass, and clients get each passage."""

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
from simulators.simulator import ScheduledFault

KEPT = 200
"""Number of passages that a camera stores."""


class PlateCameraSettings(CameraSettings):
    """One camera over a lane."""

    every_s: float | None = Field(
        default=None, gt=0, description="Seconds between vehicles; only by command if omitted."
    )
    first_s: float = Field(default=1.0, ge=0, description="Time of the first one, in seconds.")
    jitter_s: float = Field(
        default=0.0, ge=0, description="Maximum additional time between them, in seconds."
    )
    dwell_s: float = Field(default=3.0, gt=0, description="Time that a vehicle is in view, in seconds.")
    utc_offset_min: int = Field(default=0, ge=-720, le=840, description="The camera's time zone, in minutes.")
    resends: bool = Field(
        default=False,
        description="Whether an event cut by the end of a connection is sent again to the next client.",
    )

    @property
    def zone(self) -> timezone:
        """The camera's time zone."""
        return timezone(timedelta(minutes=self.utc_offset_min))


@dataclass(frozen=True, slots=True)
class Passage:
    """One passage of a vehicle, as the camera reports it."""

    number: int
    """Counted from 1."""
    vehicle: Vehicle
    reported_plate: str
    """The plate as the camera read it."""
    at: datetime
    """By the camera's clock, in its time zone, to the millisecond; later than all before."""
    stamp: FrameStamp
    """Stamp of the picture."""
    picture: bytes = field(repr=False)
    close_up: bytes = field(repr=False)
    is_repeat: bool = False
    """True if it is sent again to a client that had missed it."""

    def unique(self, bits: int = 128) -> int:
        """Return a number that is unique to this passage and camera."""
        return Random(f"{self.stamp.camera}/{self.number}/{self.stamp.at_ms}").getrandbits(bits)


class PlateCamera(HttpCamera):
    """A camera over a lane. Each kind defines how a passage is sent."""

    def __init__(self, settings: PlateCameraSettings, faults: Sequence[ScheduledFault[Any]] = ()) -> None:
        super().__init__(settings, View("lane"), faults)
        self.lane = settings
        self.passages: deque[Passage] = deque(maxlen=KEPT)
        self._vehicles = Vehicles(settings.seed)
        self._passed = 0
        self._resets = 0

    @abstractmethod
    async def announce(self, passage: Passage, met: ActiveFaults) -> None:
        """Send a passage to the clients."""

    async def work(self) -> None:
        """Let vehicles pass."""
        if (every_s := self.lane.every_s) is None:
            return
        chance = Random(f"{self.lane.seed}/intervals")
        await asyncio.sleep(self.lane.first_s)
        while True:
            vehicle = next(self._vehicles)
            if self.server.is_running:
                self.pass_vehicle(vehicle)
            await asyncio.sleep(every_s + chance.uniform(0, self.lane.jitter_s))

    async def reset(self) -> None:
        """See `Simulator.reset`: also discards passages that are still to be sent."""
        self._resets += 1
        await super().reset()

    def insert(self, **given: Any) -> dict[str, Any]:
        """Let a vehicle pass: the next one, with the given fields."""
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
        """Let a vehicle pass, and send its passage."""
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
        self._emit("vehicle", {"number": passage.number})
        self.tasks.create_task(self._announce(passage, met))
        return passage

    def _moment(self) -> datetime:
        now = datetime.fromtimestamp(self.sensor.now_ms() / 1000, self.lane.zone)
        if self.passages and self.passages[-1].at >= now and self.sensor.clock_off_s == 0:
            return self.passages[-1].at + timedelta(milliseconds=1)
        return now

    async def _announce(self, passage: Passage, met: ActiveFaults) -> None:
        if (late := met.get(Late)) is not None:
            resets = self._resets
            await asyncio.sleep(late.delay_s)
            if resets != self._resets:
                return
        await self.announce(passage, met)

    def status(self) -> dict[str, Any]:
        """Return also the number of passages."""
        return super().status() | {"vehicles": self._passed}


class StreamingPlateCamera(PlateCamera):
    """A camera that streams to connected clients, with heartbeats between events."""

    def __init__(
        self, settings: PlateCameraSettings, heartbeat_s: float, faults: Sequence[ScheduledFault[Any]] = ()
    ) -> None:
        super().__init__(settings, faults)
        self.heartbeat_s = heartbeat_s
        self.undelivered: deque[Passage] = deque(maxlen=KEPT)
        """Passages to send again: there was no client, or the connection ended during the event."""
        self.listening: set[asyncio.Queue[tuple[Passage, ActiveFaults]]] = set()
        self.has_connected = asyncio.Event()
        """Set while a client is connected."""

    @abstractmethod
    def heartbeat(self) -> bytes:
        """Return the part that is sent while there are no events."""

    @abstractmethod
    def event(self, passage: Passage, met: ActiveFaults) -> bytes:
        """Return a passage as it is sent."""

    async def reset(self) -> None:
        """See `PlateCamera.reset`."""
        self.undelivered.clear()
        await super().reset()

    async def announce(self, passage: Passage, met: ActiveFaults) -> None:
        """Send to all clients; with `resends`, and without clients, to the next one."""
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
        """Yield all events for one client, without end."""
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
        """Return also the number of clients."""
        return super().status() | {"listening": len(self.listening)}
