"""What simulated cameras have in common: settings, who may ask, faults that happen, being commanded."""

import asyncio
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

from pydantic import Field, TypeAdapter

from simulators.camera.faults import (
    CameraFault,
    ServiceDies,
    StalePicture,
    Waiting,
    WrongClock,
    WrongCredentials,
    fault_of,
)
from simulators.camera.scene import View
from simulators.camera.sensor import Sensor
from simulators.errors import SimulatorError
from simulators.faults import Fault
from simulators.http.access import Access, Algorithm, Scheme
from simulators.http.server import Request, Response
from simulators.http.service import Served, ServiceSettings
from simulators.simulator import Tell
from simulators.timed import Timed

Size = Literal["640x360", "1280x720", "1920x1080"]


class CameraSettings(ServiceSettings):
    """What every camera of a post has. With a user name and no `auth`, it asks for Digest."""

    auth: Scheme | None = Field(None, description="How clients prove who they are.")
    digest: Algorithm = Field("MD5", description="The hash of Digest authentication.")
    size: Size = Field("640x360", description="Width and height of its pictures, in pixels.")
    who: int = Field(0, description="Another number, other people at the counter and other cars.")

    @property
    def pixels(self) -> tuple[int, int]:
        """Width and height."""
        width, _, height = self.size.partition("x")
        return int(width), int(height)

    @property
    def access(self) -> Access:
        """Who may ask."""
        scheme = self.auth or ("none" if self.username is None else "digest")
        return Access(scheme, self.username or "", self.password, "Simulated camera", self.digest)


class Camera(Served):
    """One camera as its process runs it. A kind says how it answers, what it shows and what goes wrong."""

    FAULTS: ClassVar[TypeAdapter[Any]]

    def __init__(
        self, settings: CameraSettings, view: View, faults: Sequence[Timed[Any]] = (), *, name: str = ""
    ) -> None:
        super().__init__(settings, self.answer)
        self.access = settings.access
        self.sensor = Sensor(view, settings.pixels, settings.seed)
        self.waiting = Waiting()
        self.asked_first = asyncio.Event()
        self._faults = faults
        self._name = name or settings.kind
        self._tell: Tell = lambda _event, _details: None

    async def answer(self, request: Request) -> Response:
        """Answer one request: 401 for who may not ask."""
        self.asked_first.set()
        challenge = self.access.refusal(request.method, request.target, request.authorization)
        if challenge is not None:
            return Response(401, b"", "text/html", headers=(("WWW-Authenticate", challenge),))
        return await self.admitted(request)

    @abstractmethod
    async def admitted(self, request: Request) -> Response:
        """Answer somebody who may ask."""

    async def run(self, tell: Tell) -> None:
        """Be there until cancelled."""
        self._tell = tell
        async with self.server, asyncio.TaskGroup() as tasks:
            tell("ready", self.summary())
            for timed in self._faults:
                tasks.create_task(self._at_its_time(timed))
            await self.work()
            await asyncio.Event().wait()

    async def work(self) -> None:
        """Do what is done without being asked, until cancelled."""

    async def _at_its_time(self, timed: Timed[Any]) -> None:
        await self.asked_first.wait()
        await asyncio.sleep(timed.at_s)
        self.let(timed.what)
        while timed.every_s is not None:
            await asyncio.sleep(timed.every_s)
            self.let(timed.what)

    async def obey(self, verb: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """See `Simulator.obey`: `insert` is the kind's own, `fault` takes its name and `args`."""
        match verb, dict(arguments):
            case "insert", given:
                return self.insert(**given)
            case "status", {}:
                return self.status()
            case "fault", {"fault": str(name), **more} if more.keys() <= {"args"}:
                self.let(fault_of(self.FAULTS, name, more.get("args")))
                return {}
        raise SimulatorError(f"{self._name} does not know {verb!r} with this: insert, fault, status")

    def insert(self, *_places: Any, **_given: Any) -> dict[str, Any]:
        """Put something before the camera."""
        raise SimulatorError(f"{self._name} does not know 'insert'")

    def status(self) -> dict[str, Any]:
        """What it did so far."""
        return self.summary() | {"pictures": self.sensor.taken, "requests": len(self.server.asked)}

    def let(self, fault: Fault) -> None:
        """Let something go wrong."""
        self._tell("fault", {"fault": getattr(fault, "fault", "")})
        match fault:
            case WrongCredentials(for_s=for_s):
                self._change_password(for_s)
            case ServiceDies(for_s=for_s):
                self.die(for_s)
            case StalePicture(for_s=for_s):
                self.sensor.freeze(for_s)
            case WrongClock(ahead_s=ahead_s):
                self.sensor.clock_off_s = ahead_s
            case CameraFault():
                self.waiting.add(fault)

    def die(self, for_s: float | None) -> None:
        """Be gone, connections and all."""
        self.server.die(for_s)

    def _change_password(self, for_s: float | None) -> None:
        before = self.access.password
        self.access.password = before + "+"
        if for_s is not None:
            asyncio.get_running_loop().call_later(for_s, self._restore, before)

    def _restore(self, password: str) -> None:
        self.access.password = password
