"""Kind `ws-bd`: a maker's WS-BD service, with a simulated scanner behind it.

Written from NIST SP 500-288 and OASIS WS-BD 1.0: XML over HTTP, a lock of one client, a capture request that
is answered when a finger was captured, an image to download afterwards.
"""

import asyncio
import base64
import io
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import numpy as np
from defusedxml import ElementTree
from PIL import Image
from pydantic import Field, TypeAdapter, ValidationError

from simulators.errors import SimulatorError
from simulators.fingerprint.wsbd_faults import (
    FAULTS,
    BadImage,
    Canceled,
    CaptureFault,
    DownloadDelayed,
    Garbage,
    LockHeld,
    SensorBusy,
    SensorFailure,
    SensorTimeout,
    ServiceDies,
    SessionForgotten,
    Slow,
    WsBdFault,
    wsbd_fault,
)
from simulators.http.server import Request, Response
from simulators.http.service import HttpSimulator, ServiceSettings
from simulators.links.tcp_service import ServiceStoppedError
from simulators.simulator import EmitCallback, Simulator

NAMESPACES = {
    "nist": "urn:oid:2.16.840.1.101.3.9.3.1",
    "oasis": "http://docs.oasis-open.org/bioserv/ns/wsbd-1.0",
}
OTHER_CLIENT = "another client"
"""Session of another client."""


class WsBdSettings(ServiceSettings):
    """One service with its scanner."""

    kind: Literal["ws-bd"]
    edition: Literal["nist", "oasis"] = Field(
        default="nist", description="Edition whose namespace its answers have."
    )
    width_px: int = Field(default=400, ge=64, le=4000, description="Width of its images, in pixels.")
    height_px: int = Field(default=500, ge=64, le=4000, description="Height of its images, in pixels.")
    finger_s: float | None = Field(
        default=1.0,
        ge=0,
        description="Seconds from a capture until a finger is placed; only by command if omitted.",
    )
    capture_s: float = Field(
        default=0.3, ge=0, description="Time for a capture once a finger is there, in seconds."
    )
    timeout_s: float = Field(default=20.0, gt=0, description="Time limit for a finger, in seconds.")

    def build(self) -> Simulator:
        """Build the service."""
        return WsBdSimulator(self)


@dataclass
class Capture:
    """One captured image."""

    image: bytes
    submodality: str
    preparing: int = 0
    """Number of download requests that are still answered with "preparing"."""


@dataclass
class WsBdService:
    """State of the service, and the finger on the scanner."""

    settings: WsBdSettings
    sessions: set[str] = field(default_factory=set)
    lock: str | None = None
    is_initialised: bool = False
    parameters: dict[str, str] | None = None
    captures: dict[str, Capture] = field(default_factory=dict)
    finger: asyncio.Event = field(default_factory=asyncio.Event)
    canceled: asyncio.Event = field(default_factory=asyncio.Event)
    capturing: bool = False
    captured: int = 0
    faults: list[CaptureFault] = field(default_factory=list)
    slow_s: float = 0.0
    garbage: int = 0
    stop_service: Callable[[float | None], None] = lambda _for_s: None
    """Stops the service; set by its owner."""

    async def answer(self, request: Request) -> Response:
        """Answer one request."""
        if self.settings.credentials not in (None, request.credentials):
            return Response(401)
        await asyncio.sleep(self.slow_s)
        if self.garbage:
            self.garbage -= 1
            return Response(body=b"<html>It works!", media_type="text/html")
        body = await self._done(request)
        if body is None:
            return Response(404)
        return Response(body=_result(NAMESPACES[self.settings.edition], body), media_type="application/xml")

    async def _done(self, request: Request) -> dict[str, Any] | None:
        match request.method, request.path.strip("/").split("/"):
            case "GET", ["info"]:
                return self._info()
            case "POST", ["register"]:
                self.sessions.add(session := str(uuid.uuid4()))
                return {"status": "success", "sessionId": session}
            case "GET", ["download", capture]:
                return self._download(capture)
            case method, [what, session]:
                operation = self._operations().get((method, what))
                if operation is None:
                    return None
                if session not in self.sessions:
                    return {"status": "invalidId"}
                return await operation(session, request.body)
        return None

    def _operations(self) -> dict[tuple[str, str], Callable[[str, bytes], Awaitable[dict[str, Any]]]]:
        return {
            ("DELETE", "register"): self._unregister,
            ("POST", "lock"): self._locked,
            ("PUT", "lock"): self._stolen,
            ("DELETE", "lock"): self._unlocked,
            ("POST", "initialize"): self._initialised,
            ("POST", "configure"): self._configured,
            ("POST", "capture"): self._capture,
            ("POST", "cancel"): self._cancel,
        }

    def _info(self) -> dict[str, Any]:
        parameters = {"manufacturer": "Utopia Optics", "model": "Slap One", "serialNumber": "SIM-S1-0001"}
        return {
            "status": "success",
            "metadata": {key: {"defaultValue": text} for key, text in parameters.items()},
        }

    async def _unregister(self, session: str, _body: bytes) -> dict[str, Any]:
        self.sessions.discard(session)
        if self.lock == session:
            self.lock = None
        return {"status": "success"}

    async def _locked(self, session: str, _body: bytes) -> dict[str, Any]:
        if self.lock not in (None, session):
            return {"status": "lockHeldByAnother"}
        self.lock = session
        return {"status": "success"}

    async def _stolen(self, session: str, _body: bytes) -> dict[str, Any]:
        self.lock = session
        self.canceled.set()
        return {"status": "success"}

    async def _unlocked(self, session: str, _body: bytes) -> dict[str, Any]:
        if (status := self._not_held(session)) is not None:
            return status
        self.lock = None
        return {"status": "success"}

    def _not_held(self, session: str) -> dict[str, Any] | None:
        if self.lock is None:
            return {"status": "lockNotHeld"}
        return None if self.lock == session else {"status": "lockHeldByAnother"}

    async def _initialised(self, session: str, _body: bytes) -> dict[str, Any]:
        if (status := self._not_held(session)) is not None:
            return status
        self.is_initialised = True
        return {"status": "success"}

    async def _configured(self, session: str, body: bytes) -> dict[str, Any]:
        if (status := self._not_held(session)) is not None:
            return status
        if not self.is_initialised:
            return {"status": "initializationNeeded"}
        parameters = _parameters(body)
        if strange := sorted(parameters.keys() - {"submodality", "contentType", "captureTimeout"}):
            return {"status": "noSuchParameter", "badFields": strange}
        if not parameters.get("submodality"):
            return {"status": "badValue", "badFields": ["submodality"]}
        self.parameters = parameters
        return {"status": "success"}

    async def _capture(self, session: str, _body: bytes) -> dict[str, Any]:
        if (status := self._not_held(session)) is not None:
            return status
        if self.parameters is None:
            return {"status": "configurationNeeded"}
        if self.capturing:
            return {"status": "sensorBusy"}
        match fault := self.faults.pop(0) if self.faults else None:
            case SensorBusy() | SensorFailure() | SensorTimeout():
                return {"status": fault.status}
        self.capturing = True
        self.canceled.clear()
        coming = self._place_finger()
        try:
            return await self._taken(fault)
        finally:
            self.capturing = False
            if coming is not None:
                coming.cancel()

    def _place_finger(self) -> asyncio.TimerHandle | None:
        if self.settings.finger_s is None:
            return None
        return asyncio.get_running_loop().call_later(self.settings.finger_s, self.finger.set)

    async def _taken(self, fault: CaptureFault | None) -> dict[str, Any]:
        if not await _first(self.finger, self.canceled, self.settings.timeout_s):
            return {"status": "canceled" if self.canceled.is_set() else "sensorTimeout"}
        if isinstance(fault, ServiceDies):
            self.stop_service(fault.for_s)
            raise ServiceStoppedError
        if await _first(self.canceled, asyncio.Event(), self.settings.capture_s):
            return {"status": "canceled"}
        self.finger.clear()
        self.captured += 1
        content = (self.parameters or {}).get("contentType", "image/png")
        image = b"no image" if isinstance(fault, BadImage) else self._image()
        self.captures = {
            (capture := str(uuid.uuid4())): Capture(
                image,
                (self.parameters or {})["submodality"],
                fault.times if isinstance(fault, DownloadDelayed) else 0,
            )
        }
        return {"status": "success", "captureIds": [capture], "message": content}

    def _image(self) -> bytes:
        width, height = self.settings.width_px, self.settings.height_px
        file = io.BytesIO()
        seed = self.settings.seed + self.captured
        Image.fromarray(_drawn(width, height, seed)).save(file, "PNG", dpi=(500, 500), compress_level=1)
        return file.getvalue()

    def _download(self, name: str) -> dict[str, Any]:
        capture = self.captures.get(name)
        if capture is None:
            return {"status": "invalidId"}
        if capture.preparing:
            capture.preparing -= 1
            return {"status": "preparingDownload"}
        metadata = {
            "contentType": (self.parameters or {}).get("contentType", "image/png"),
            "modality": "finger",
            "submodality": capture.submodality,
            "resolution": {"width": "500", "height": "500", "unit": "ppi"},
        }
        return {"status": "success", "metadata": metadata, "sensorData": capture.image}

    async def _cancel(self, session: str, _body: bytes) -> dict[str, Any]:
        if (status := self._not_held(session)) is not None:
            return status
        self.canceled.set()
        return {"status": "success"}

    def inject(self, fault: WsBdFault) -> None:
        """Inject a fault, which applies now or to the next captures, depending on its kind."""
        match fault:
            case LockHeld(for_s=for_s):
                self.lock = OTHER_CLIENT
                self.canceled.set()
                if for_s is not None:
                    asyncio.get_running_loop().call_later(for_s, self._released)
            case Canceled():
                self.canceled.set()
            case SessionForgotten():
                self.sessions.clear()
                self.lock, self.is_initialised, self.parameters = None, False, None
            case Slow(delay_s=delay_s):
                self.slow_s = delay_s
            case Garbage(answers=answers):
                self.garbage = answers
            case ServiceDies(capturing=False, for_s=for_s):
                self.stop_service(for_s)
            case CaptureFault():
                self.faults += [fault] * fault.captures

    def _released(self) -> None:
        if self.lock == OTHER_CLIENT:
            self.lock = None

    def clear_faults(self) -> None:
        """Discard pending faults, and end lasting ones."""
        self.faults.clear()
        self.slow_s, self.garbage = 0.0, 0
        self._released()

    def reset(self) -> None:
        """Reset to the state after a start."""
        self.sessions.clear()
        self.captures.clear()
        self.lock, self.is_initialised, self.parameters = None, False, None


class WsBdSimulator(HttpSimulator):
    """The service as its process runs it."""

    kind: ClassVar[str] = "ws-bd"

    def __init__(self, settings: WsBdSettings) -> None:
        self.service = WsBdService(settings)
        super().__init__(settings, self.service.answer)
        self.service.stop_service = self._die

    def _die(self, for_s: float | None) -> None:
        self.service.reset()
        self.server.stop_for(for_s)

    async def run(self, emit: EmitCallback) -> None:
        """Run until cancelled."""
        self._emit = emit
        async with self.server:
            emit("ready", self.summary())
            await asyncio.Event().wait()

    @property
    def faults_adapter(self) -> TypeAdapter[Any]:
        """See `Simulator.faults_adapter`."""
        return FAULTS

    async def clear_faults(self) -> None:
        """See `Simulator.clear_faults`."""
        self.service.clear_faults()
        await self.server.resume()

    async def reset(self) -> None:
        """See `Simulator.reset`: also takes the finger away."""
        self.service.finger.clear()
        await self.clear_faults()

    async def handle_command(self, verb: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """See `Simulator.handle_command`: `insert` places a finger, `fault` takes its name and `args`."""
        match verb, dict(arguments):
            case "insert", {}:
                self.service.finger.set()
                self._emit("finger", {})
                return {}
            case "status", {}:
                return self.summary() | {
                    "locked": self.service.lock is not None,
                    "captured": self.service.captured,
                    "requests": self.server.requests,
                }
            case "fault", {"fault": str(name), **more}:
                try:
                    what = wsbd_fault(name, more.get("args"))
                except ValidationError as error:
                    first = error.errors(include_url=False, include_input=False)[0]
                    raise SimulatorError(f"fault {name}: {first['msg']}") from None
                self._emit("fault", {"fault": what.fault})
                self.service.inject(what)
                return {}
        raise SimulatorError(f"ws-bd does not support {verb!r} this way: use insert, fault or status")


async def _first(one: asyncio.Event, other: asyncio.Event, within_s: float) -> bool:
    """Wait for one of two events; return whether the first one came."""
    waiting = [asyncio.ensure_future(event.wait()) for event in (one, other)]
    try:
        await asyncio.wait(waiting, timeout=within_s, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for each in waiting:
            each.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
    return one.is_set() and not other.is_set()


def _drawn(width: int, height: int, seed: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Draw an invented print: ripples around a core, 9 pixels from ridge to ridge, on white."""
    chance = np.random.default_rng(seed)
    down, right = np.mgrid[0:height, 0:width].astype(float)
    right -= width * chance.uniform(0.45, 0.55)
    down -= height * chance.uniform(0.45, 0.55)
    inside = (right / (0.4 * width)) ** 2 + (down / (0.45 * height)) ** 2 < 1
    bent = np.hypot(right, 0.8 * down) + 6 * np.sin(down / 40 + chance.uniform(0, 6))
    waves = 60 + 150 * (1 + np.cos(2 * np.pi * bent / 9)) / 2
    picture = np.where(inside, waves, 250) + chance.normal(0, 4, (height, width))
    return np.clip(picture, 0, 255).astype(np.uint8)


def _parameters(body: bytes) -> dict[str, str]:
    """Return key and text of every item of a configuration, in any namespace."""
    found: dict[str, str] = {}
    for item in ElementTree.fromstring(body):
        texts = {part.tag.rpartition("}")[2]: part.text or "" for part in item}
        found[texts.get("key", "")] = texts.get("value", "")
    return found


def _result(namespace: str, parts: Mapping[str, Any]) -> bytes:
    return f'<result xmlns="{namespace}">{"".join(map(_element, parts.items()))}</result>'.encode()


def _element(part: tuple[str, Any]) -> str:
    name, value = part
    match value:
        case bytes():
            inside = base64.b64encode(value).decode()
        case str():
            inside = value
        case Sequence():
            inside = "".join(f"<element>{each}</element>" for each in value)
        case Mapping() if name == "metadata":
            inside = "".join(
                f"<item><key>{key}</key>{_element(('value', each))}</item>" for key, each in value.items()
            )
        case _:
            inside = "".join(map(_element, value.items()))
    return f"<{name}>{inside}</{name}>"
