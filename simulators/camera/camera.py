"""Common behaviour of simulated cameras: settings, access control, faults, commands."""

import asyncio
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar, get_args

from pydantic import Field, TypeAdapter

from simulators.camera.faults import (
    AccountLock,
    CameraFault,
    FormatChanged,
    ServiceDies,
    Size,
    StalePicture,
    WaitingFaults,
    WrongClock,
    WrongCredentials,
    fault_of,
    pixels,
)
from simulators.camera.scene import Light, Place, View
from simulators.camera.sensor import Sensor
from simulators.errors import SimulatorError
from simulators.faults import Fault
from simulators.http.access import AccessControl, Algorithm, Scheme
from simulators.http.server import HttpServer, Request, Response
from simulators.http.service import ServiceSettings
from simulators.links.tcp_listener import HOST
from simulators.links.tcp_service import TcpService
from simulators.simulator import EmitCallback, ScheduledFault, Simulator

MOST_PEOPLE = 4


class CameraSettings(ServiceSettings):
    """Settings of every camera of a post. With a user name and no `auth`, it requires Digest."""

    auth: Scheme | None = Field(default=None, description="Authentication of clients.")
    digest: Algorithm = Field(default="MD5", description="The hash of Digest authentication.")
    nonce_s: float = Field(default=300.0, gt=0, description="Lifetime of a nonce, in seconds.")
    size: Size = Field(default="640x360", description="Width and height of its pictures, in pixels.")
    who: int = Field(default=0, description="Number of the camera: another one shows other people and cars.")

    @property
    def pixels(self) -> tuple[int, int]:
        """Width and height."""
        return pixels(self.size)

    @property
    def access(self) -> AccessControl:
        """Access control of these settings."""
        scheme = self.auth or ("none" if self.username is None else "digest")
        return AccessControl(
            scheme, self.username or "", self.password, "Simulated camera", self.digest, nonce_s=self.nonce_s
        )


class Camera(Simulator):
    """One camera as its process runs it. Each kind defines its answers, its view and its faults."""

    FAULTS: ClassVar[TypeAdapter[Any]]

    server: TcpService
    """Set by the kind."""

    def __init__(
        self, settings: CameraSettings, view: View, faults: Sequence[ScheduledFault[Any]] = ()
    ) -> None:
        self.settings = settings
        self.access = settings.access
        self.view = view
        """View of its settings, to which `reset` returns."""
        self.sensor = Sensor(view, settings.pixels, settings.seed)
        self.waiting = WaitingFaults()
        self._faults = faults
        self._password_back: asyncio.TimerHandle | None = None
        self._emit: EmitCallback = lambda _event, _details: None
        self.tasks: asyncio.TaskGroup
        """Background tasks while it runs."""

    async def run(self, emit: EmitCallback) -> None:
        """Run until cancelled."""
        self._emit = emit
        async with self.server, asyncio.TaskGroup() as self.tasks:
            emit("ready", self.summary())
            for timed in self._faults:
                self.tasks.create_task(self._at_its_time(timed))
            await self.work()
            await asyncio.Event().wait()

    async def work(self) -> None:
        """Do background work until cancelled."""

    async def _at_its_time(self, timed: ScheduledFault[Any]) -> None:
        await self.server.first_request.wait()
        await asyncio.sleep(timed.at_s)
        self.inject_fault(timed.fault)
        while timed.every_s is not None:
            await asyncio.sleep(timed.every_s)
            self.inject_fault(timed.fault)

    async def handle_command(self, verb: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """See `Simulator.handle_command`: `insert` depends on the kind, `fault` takes its name and `args`."""
        match verb, dict(arguments):
            case "insert", given:
                return self.insert(**given)
            case "status", {}:
                return self.status()
            case "fault", {"fault": str(name), **more} if more.keys() <= {"args"}:
                self.inject_fault(fault_of(self.FAULTS, name, more.get("args")))
                return {}
        raise SimulatorError(
            f"{self.settings.kind} does not support {verb!r} this way: use insert, fault or status"
        )

    @property
    def faults_adapter(self) -> TypeAdapter[Any]:
        """See `Simulator.faults_adapter`."""
        return self.FAULTS

    async def clear_faults(self) -> None:
        """See `Simulator.clear_faults`."""
        self.waiting.clear()
        if self._password_back is not None:
            self._password_back.cancel()
        self.access.password = self.settings.password
        self.sensor.thaw()
        self.sensor.clock_off_s = 0.0
        self.sensor.size = self.settings.pixels
        await self.server.resume()

    async def reset(self) -> None:
        """See `Simulator.reset`: also returns to the view of the settings."""
        await self.clear_faults()
        self.sensor.set_view(replace(self.view))

    def insert(self, *_places: Any, **given: Any) -> dict[str, Any]:
        """Change the view: see `set_view`, unless the kind overrides it."""
        return self.set_view(**given)

    def set_view(
        self,
        people: int | None = None,
        plate: str | None = None,
        light: Light = "good",
        blurred: bool = False,
        for_s: float | None = None,
    ) -> dict[str, Any]:
        """Change the view, permanently or for some seconds."""
        now = self.sensor.view
        view = replace(
            now,
            people=now.people if people is None else people,
            plate=now.plate if plate is None else plate,
            light=light,
            blurred=blurred,
        )
        if not 0 <= view.people <= MOST_PEOPLE or light not in get_args(Light):
            raise SimulatorError(f"insert: up to {MOST_PEOPLE} people; light is {', '.join(get_args(Light))}")
        self.sensor.set_view(view, for_s)
        return {}

    def summary(self) -> dict[str, Any]:
        """Return name, kind and address."""
        return self.settings.summary() | {"url": self.url}

    @property
    @abstractmethod
    def url(self) -> str:
        """Address of the camera."""

    def status(self) -> dict[str, Any]:
        """Return the counters."""
        return self.summary() | {"pictures": self.sensor.exposure_count, "requests": self.server.requests}

    def inject_fault(self, fault: Fault) -> None:
        """Inject a fault."""
        self._emit("fault", {"fault": getattr(fault, "fault", "")})
        match fault:
            case WrongCredentials(for_s=for_s):
                self._change_password(for_s)
            case AccountLock(after=after, for_s=for_s):
                self.access.locks_after = after
                if for_s is not None:
                    asyncio.get_running_loop().call_later(for_s, self.access.unlock)
            case ServiceDies(for_s=for_s):
                self.stop_for(for_s)
            case StalePicture(for_s=for_s):
                self.sensor.freeze(for_s)
            case WrongClock(ahead_s=ahead_s):
                self.sensor.clock_off_s = ahead_s
            case FormatChanged(size=size):
                self.sensor.size = pixels(size)
            case CameraFault():
                self.waiting.add(fault)

    def stop_for(self, for_s: float | None) -> None:
        """Stop with all connections."""
        self.server.stop_for(for_s)

    def _change_password(self, for_s: float | None) -> None:
        before = self.access.password
        self.access.password = before + "+"
        if for_s is not None:
            self._password_back = asyncio.get_running_loop().call_later(for_s, self._restore, before)

    def _restore(self, password: str) -> None:
        self.access.password = password


class HttpCamera(Camera):
    """A camera that answers HTTP requests."""

    def __init__(
        self, settings: CameraSettings, view: View, faults: Sequence[ScheduledFault[Any]] = ()
    ) -> None:
        super().__init__(settings, view, faults)
        self.server = HttpServer(self.answer, settings.port)

    @property
    def url(self) -> str:
        """Address of the camera."""
        return f"http://{HOST}:{self.server.port}"

    async def answer(self, request: Request) -> Response:
        """Answer one request: 401 without authorization."""
        challenge = self.access.refusal(request.method, request.target, request.authorization)
        if challenge is not None:
            return Response(401, b"", "text/html", headers=(("WWW-Authenticate", challenge),))
        return await self.handle_authorized(request)

    @abstractmethod
    async def handle_authorized(self, request: Request) -> Response:
        """Answer an authorized request."""


class SceneSettings(CameraSettings):
    """View of a camera, and its frame rate."""

    scene: Place = Field(default="counter", description="Kind of scene.")
    people: int = Field(default=1, ge=0, le=MOST_PEOPLE, description="Number of people at the counter.")
    plate: str = Field(
        default="", max_length=16, description="Plate of the vehicle in the lane; none if empty."
    )
    frames_per_s: float = Field(default=10.0, gt=0, le=60, description="Pictures per second of its stream.")

    @property
    def view(self) -> View:
        """The view of these settings."""
        return View(self.scene, self.people, self.plate, caption=self.who)
