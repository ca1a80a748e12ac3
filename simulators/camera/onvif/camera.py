"""Kind `camera-onvif`: a camera of ONVIF's profiles S and T, at `/onvif/device_service`.

Its time is readable without authentication; all else requires a WS-Security digest of about that time. Its
stream address is that of its own RTSP server, its pictures are at `/snapshot.jpg` (HTTP Digest), its events
in pull points; it answers WS-Discovery on loopback.
"""

import asyncio
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from math import inf
from random import Random
from typing import Any, ClassVar, Literal
from urllib.parse import urlsplit, urlunsplit

from pydantic import Field, TypeAdapter

from simulators.camera.camera import HttpCamera, SceneSettings
from simulators.camera.faults import (
    AnyOnvifFault,
    Garbage,
    NotFound,
    OtherNamespace,
    PacketLoss,
    Stall,
    SubscriptionsForgotten,
    SubscriptionsRefused,
)
from simulators.camera.onvif.discovery import AdvertisedDevice, advertise
from simulators.camera.onvif.events import Events
from simulators.camera.onvif.media import (
    SOURCE,
    media_uri,
    profiles,
    profiles_of_media2,
    token,
    video_sources,
)
from simulators.camera.onvif.soap import NAMESPACES, Call, FaultError, WsSecurity, call_of, envelope
from simulators.camera.rtsp.server import RtspServer
from simulators.camera.slow_writer import delayed
from simulators.faults import Fault
from simulators.http.server import Request, Response
from simulators.links.tcp_listener import HOST
from simulators.simulator import EmitCallback, ScheduledFault

MOTION = "tns1:RuleEngine/CellMotionDetector/Motion"
INPUT = "DIGIT_INPUT_000"
TOPICS = {
    "tampered": "tns1:VideoSource/GlobalSceneChange/ImagingService",
    "too_dark": "tns1:VideoSource/ImageTooDark/ImagingService",
    "signal_lost": "tns1:VideoSource/SignalLoss",
}
"""Topics of its picture events, by their name in `insert`."""
_SERVICES = {
    "tds": "device_service",
    "trt": "media_service",
    "tr2": "media2_service",
    "tev": "event_service",
}


class OnvifCameraSettings(SceneSettings):
    """One camera."""

    kind: Literal["camera-onvif"]
    rtsp_port: int = Field(ge=0, le=65535, description="Port of its stream; 0 chooses a free one.")
    key_every_s: float = Field(default=2.0, gt=0, description="Seconds between key pictures.")
    discoverable: bool = Field(default=True, description="Whether it answers WS-Discovery.")
    tolerance_s: float = Field(default=10.0, gt=0, description="Maximum age of a digest, in seconds.")
    profiles: tuple[str, ...] = Field(
        default=("main",), description="Names of its media profiles, largest first."
    )
    media: Literal["1", "2", "both"] = Field(default="both", description="ONVIF media services that it has.")
    gives_snapshots: bool = Field(default=True, description="Whether it has an address of single pictures.")
    gives_events: bool = Field(default=True, description="Whether it has an event service.")
    by_parameters: bool = Field(
        default=False, description="Whether pull points differ by reference parameters, not by address."
    )
    told_host: str | None = Field(
        default=None,
        description=(
            "Host in the addresses it reports, with the external port of its services if that differs: "
            "the external view of a network with address translation."
        ),
    )
    motion_every_s: float | None = Field(
        default=None,
        gt=0,
        description="Seconds between the start and the end of movement in view, repeatedly.",
    )
    faults: tuple[ScheduledFault[AnyOnvifFault], ...] = Field(default=(), description="Scheduled faults.")

    @property
    def addresses(self) -> tuple[str, ...]:
        """Ports of the camera."""
        return (*super().addresses, *((f"{HOST}:{self.rtsp_port}",) if self.rtsp_port else ()))

    def build(self) -> "OnvifCamera":
        """Build the camera."""
        return OnvifCamera(self)


class OnvifCamera(HttpCamera):
    """The camera."""

    FAULTS: ClassVar[TypeAdapter[AnyOnvifFault]] = TypeAdapter(AnyOnvifFault)

    def __init__(self, settings: OnvifCameraSettings) -> None:
        super().__init__(settings, settings.view, settings.faults)
        self.own = settings
        self.guard = WsSecurity(self.access, settings.tolerance_s)
        self.rtsp = RtspServer(
            self.sensor, self.access, settings.rtsp_port, settings.frames_per_s, settings.key_every_s
        )
        self.events = Events(self.now)
        self.events.by_parameters = settings.by_parameters
        self.endpoint = uuid.UUID(int=Random(f"{settings.name}/{settings.seed}").getrandbits(128), version=4)
        self._moving = False
        self._sensed: set[str] = set()
        """States of its pictures, and its input, that are reported as active."""

    def now(self) -> datetime:
        """Return the time of the camera's clock, in UTC."""
        return datetime.fromtimestamp(self.sensor.now_ms() / 1000, UTC)

    @property
    def url(self) -> str:
        """Address of its device service."""
        return f"{super().url}/onvif/device_service"

    async def run(self, emit: EmitCallback) -> None:
        """Run until cancelled."""
        device = AdvertisedDevice(
            self.endpoint,
            ("onvif://www.onvif.org/Profile/Streaming", "onvif://www.onvif.org/name/Simulated"),
            lambda: self.url if self.own.discoverable and self.server.is_running else None,
        )
        async with self.rtsp:
            if not self.own.discoverable:
                await super().run(emit)
                return
            async with advertise(device):
                await super().run(emit)

    async def work(self) -> None:
        """Stream pictures, and start and end movement."""
        self.tasks.create_task(self.rtsp.run())
        self.move(now=False)
        while self.own.motion_every_s is not None:
            await asyncio.sleep(self.own.motion_every_s)
            self.move(now=not self._moving)

    def move(self, *, now: bool) -> None:
        """Start or end movement in view."""
        self._moving = now
        source = {"VideoSourceConfigurationToken": SOURCE, "Rule": "MotionDetector"}
        self.events.publish(MOTION, source, {"IsMotion": str(now).lower()})

    def report_state(self, about: str, *, now: bool) -> None:
        """Publish the start or end of a state of its pictures (see TOPICS) or of its `input`."""
        if now:
            self._sensed.add(about)
        else:
            self._sensed.discard(about)
        if about == "input":
            source, state = {"InputToken": INPUT}, {"LogicalState": str(now).lower()}
            self.events.publish("tns1:Device/Trigger/DigitalInput", source, state)
        else:
            self.events.publish(TOPICS[about], {"Source": SOURCE}, {"State": str(now).lower()})

    def insert(self, *_places: Any, moving: bool | None = None, **given: Any) -> dict[str, Any]:
        """See `set_view`; `moving` starts or ends movement; likewise the sensed states."""
        if moving is not None:
            self.move(now=moving)
        for about in (*TOPICS, "input"):
            if isinstance(now := given.pop(about, None), bool):
                self.report_state(about, now=now)
        return self.set_view(**given) if given else {}

    # Requests

    async def answer(self, request: Request) -> Response:
        """Answer with a picture, or to a SOAP request."""
        met = self.waiting.take()
        await delayed(met)
        if NotFound in met:
            return Response(404, media_type="text/html")
        if Garbage in met:
            return Response(body=b"<html><body>It works!", media_type="text/html")
        if request.path == "/snapshot.jpg":
            return await super().answer(request)
        try:
            response = await self._answer(request.path, call_of(request.body))
        except FaultError as fault:
            response = fault.response()
        if (other := met.get(OtherNamespace)) is not None:
            renamed = response.body.replace(NAMESPACES["tt"].encode(), other.namespace.encode())
            response = replace(response, body=renamed)
        return response

    async def handle_authorized(self, _request: Request) -> Response:
        """Answer with a picture."""
        return Response(body=self.sensor.expose().jpeg, media_type="image/jpeg")

    async def _answer(self, path: str, call: Call) -> Response:
        if call.name == ("tds", "GetSystemDateAndTime"):
            return self._time()
        self.guard.authenticate(call.security, self.now())
        place, _, name = path.removeprefix("/onvif/").partition("/")
        if place == "subscription":
            return await self.events.handle(name, call)
        prefix, operation = call.name
        if prefix not in self._services or place != _SERVICES[prefix]:
            raise FaultError("ter:ActionNotSupported", "not of this service")
        if (prefix, operation) == ("tev", "CreatePullPointSubscription"):
            return self.events.create(call, f"{self.reported_address(super().url)}/onvif/subscription")
        body = self._responses().get((prefix, operation))
        if body is None:
            raise FaultError("ter:ActionNotSupported", "not known to this camera")
        known = {token(number) for number in range(1, len(self.own.profiles) + 1)}
        if operation in ("GetStreamUri", "GetSnapshotUri") and call.text("ProfileToken") not in known:
            raise FaultError("ter:NoProfile", "no such profile")
        if operation == "GetSnapshotUri" and not self.own.gives_snapshots:
            raise FaultError("ter:ActionNotSupported", "no pictures but the stream's")
        if (prefix, operation) == ("tr2", "GetStreamUri") and call.text("Protocol") != "RTSP":
            raise FaultError("ter:InvalidArgVal", "RTSP only")
        if (prefix, operation) == ("tr2", "GetProfiles"):
            encoders = call.text("Type") in ("VideoEncoder", "All")
            body = profiles_of_media2(*self._profiles, encoders=encoders)
        return envelope(f"<{prefix}:{operation}Response>{body}</{prefix}:{operation}Response>")

    @property
    def _services(self) -> tuple[str, ...]:
        """Return the prefixes of its services."""
        lacks = {"1": "tr2", "2": "trt", "both": ""}[self.own.media]
        without = (lacks, "" if self.own.gives_events else "tev")
        return tuple(prefix for prefix in _SERVICES if prefix not in without)

    @property
    def _profiles(self) -> tuple[Sequence[str], tuple[int, int], float, float]:
        return self.own.profiles, self.sensor.size, self.own.frames_per_s, self.own.key_every_s

    def reported_address(self, url: str) -> str:
        """Return an address of its own, as it reports it."""
        if self.own.told_host is None:
            return url
        host, colon, port = self.own.told_host.partition(":")
        parts = urlsplit(url)
        own_port = port if colon and parts.scheme == "http" else str(parts.port)
        return urlunsplit(parts._replace(netloc=f"{host}:{own_port}"))

    def _time(self) -> Response:
        now = self.now()
        return envelope(
            "<tds:GetSystemDateAndTimeResponse><tds:SystemDateAndTime><tt:DateTimeType>Manual</tt:DateTimeType>"
            "<tt:DaylightSavings>false</tt:DaylightSavings><tt:TimeZone><tt:TZ>UTC0</tt:TZ></tt:TimeZone>"
            f"<tt:UTCDateTime><tt:Time><tt:Hour>{now.hour}</tt:Hour><tt:Minute>{now.minute}</tt:Minute>"
            f"<tt:Second>{now.second}</tt:Second></tt:Time><tt:Date><tt:Year>{now.year}</tt:Year>"
            f"<tt:Month>{now.month}</tt:Month><tt:Day>{now.day}</tt:Day></tt:Date></tt:UTCDateTime>"
            "</tds:SystemDateAndTime></tds:GetSystemDateAndTimeResponse>"
        )

    def _responses(self) -> Mapping[tuple[str, str], str]:
        """Return the answer of each operation without effects."""
        base = f"{self.reported_address(super().url)}/onvif"
        services = "".join(
            f"<tds:Service><tds:Namespace>{NAMESPACES[prefix]}</tds:Namespace><tds:XAddr>{base}/"
            f"{_SERVICES[prefix]}</tds:XAddr><tds:Version><tt:Major>2</tt:Major><tt:Minor>60</tt:Minor>"
            "</tds:Version></tds:Service>"
            for prefix in self._services
        )
        return {
            ("tds", "GetServices"): services,
            ("tds", "GetCapabilities"): (
                f"<tds:Capabilities><tt:Device><tt:XAddr>{base}/device_service</tt:XAddr></tt:Device>"
                f"<tt:Events><tt:XAddr>{base}/event_service</tt:XAddr>"
                "<tt:WSSubscriptionPolicySupport>false</tt:WSSubscriptionPolicySupport>"
                "<tt:WSPullPointSupport>true</tt:WSPullPointSupport><tt:WSPausableSubscriptionManagerInterface"
                "Support>false</tt:WSPausableSubscriptionManagerInterfaceSupport></tt:Events>"
                f"<tt:Media><tt:XAddr>{base}/media_service</tt:XAddr><tt:StreamingCapabilities>"
                "<tt:RTPMulticast>false</tt:RTPMulticast><tt:RTP_TCP>true</tt:RTP_TCP>"
                "<tt:RTP_RTSP_TCP>true</tt:RTP_RTSP_TCP></tt:StreamingCapabilities></tt:Media>"
                "</tds:Capabilities>"
            ),
            ("tds", "GetDeviceInformation"): (
                "<tds:Manufacturer>Utopia Optics</tds:Manufacturer><tds:Model>SIM-ONVIF</tds:Model>"
                "<tds:FirmwareVersion>1.0</tds:FirmwareVersion><tds:SerialNumber>SIM-ONV-0001</tds:SerialNumber>"
                "<tds:HardwareId>1</tds:HardwareId>"
            ),
            ("trt", "GetProfiles"): profiles(*self._profiles),
            ("tr2", "GetProfiles"): "",  # by the requested category
            ("trt", "GetVideoSources"): video_sources(self.sensor.size, self.own.frames_per_s),
            ("trt", "GetStreamUri"): media_uri(self.reported_address(self.rtsp.url)),
            ("trt", "GetSnapshotUri"): media_uri(f"{self.reported_address(super().url)}/snapshot.jpg"),
            ("tr2", "GetStreamUri"): f"<tr2:Uri>{self.reported_address(self.rtsp.url)}</tr2:Uri>",
            (
                "tr2",
                "GetSnapshotUri",
            ): f"<tr2:Uri>{self.reported_address(super().url)}/snapshot.jpg</tr2:Uri>",
        }

    # Faults

    def inject_fault(self, fault: Fault) -> None:
        """Inject a fault."""
        if isinstance(fault, Stall | PacketLoss):
            self._emit("fault", {"fault": fault.fault})
            self.rtsp.inject_fault(fault)
            return
        super().inject_fault(fault)
        match fault:
            case SubscriptionsForgotten():
                self.events.points.clear()
            case SubscriptionsRefused(for_s=for_s):
                self.events.full_until_s = asyncio.get_running_loop().time() + (for_s or inf)

    async def clear_faults(self) -> None:
        """See `Simulator.clear_faults`."""
        self.rtsp.clear_faults()
        self.events.full_until_s = 0.0
        await super().clear_faults()
        await self.rtsp.resume()

    async def reset(self) -> None:
        """See `Simulator.reset`: also ends movement and the sensed states."""
        await super().reset()
        if self._moving:
            self.move(now=False)
        for about in tuple(self._sensed):
            self.report_state(about, now=False)

    def stop_for(self, for_s: float | None) -> None:
        """Stop, and lose all subscriptions."""
        super().stop_for(for_s)
        self.rtsp.stop_for(for_s)
        self.events.points.clear()

    def status(self) -> dict[str, Any]:
        """Return also the numbers of viewers and subscribers."""
        return super().status() | {
            "streams": self.rtsp.client_count,
            "stream_url": self.rtsp.url,
            "subscriptions": len(self.events.points),
        }
