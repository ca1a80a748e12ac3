"""Kind `camera-onvif`: a camera of ONVIF's profile S, at `/onvif/device_service`.

Its time is told to everybody; all else by a WS-Security digest that must be of about that time. Its stream
address is that of its own RTSP server, its pictures are at `/snapshot.jpg` (HTTP Digest), its events in pull
points; it answers WS-Discovery on loopback.
"""

import asyncio
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from random import Random
from typing import Any, ClassVar, Literal

from pydantic import Field, TypeAdapter

from simulators.camera.camera import HttpCamera, SceneSettings
from simulators.camera.faults import (
    AnyOnvifFault,
    Garbage,
    NotFound,
    PacketLoss,
    Stall,
    SubscriptionsForgotten,
)
from simulators.camera.onvif.discovery import Advertised, advertised
from simulators.camera.onvif.events import Events
from simulators.camera.onvif.soap import NAMESPACES, Call, FaultError, Guard, call_of, envelope
from simulators.camera.rtsp.server import RtspServer
from simulators.camera.sending import slowed
from simulators.faults import Fault
from simulators.http.server import Request, Response
from simulators.simulator import Tell
from simulators.tcp_service import HOST
from simulators.timed import Timed

PROFILE, SOURCE = "Profile_1", "VideoSource_1"
MOTION = "tns1:RuleEngine/CellMotionDetector/Motion"
_SERVICES = {"tds": "device_service", "trt": "media_service", "tev": "event_service"}


class OnvifCameraSettings(SceneSettings):
    """One camera."""

    kind: Literal["camera-onvif"]
    rtsp_port: int = Field(ge=0, le=65535, description="Port of its stream; 0 takes a free one.")
    key_every_s: float = Field(2.0, gt=0, description="Seconds between key pictures.")
    discoverable: bool = Field(True, description="Whether it answers WS-Discovery.")
    tolerance_s: float = Field(10.0, gt=0, description="How old a digest may be, in seconds.")
    motion_every_s: float | None = Field(
        None, gt=0, description="Something begins or ceases to move before it every so many seconds."
    )
    faults: tuple[Timed[AnyOnvifFault], ...] = Field((), description="Faults that happen by themselves.")

    @property
    def addresses(self) -> tuple[str, ...]:
        """Its ports."""
        return (*super().addresses, *((f"{HOST}:{self.rtsp_port}",) if self.rtsp_port else ()))

    def build(self) -> "OnvifCamera":
        """The camera."""
        return OnvifCamera(self)


class OnvifCamera(HttpCamera):
    """The camera."""

    FAULTS: ClassVar[TypeAdapter[AnyOnvifFault]] = TypeAdapter(AnyOnvifFault)

    def __init__(self, settings: OnvifCameraSettings) -> None:
        super().__init__(settings, settings.view, settings.faults)
        self.own = settings
        self.guard = Guard(self.access, settings.tolerance_s)
        self.rtsp = RtspServer(
            self.sensor, self.access, settings.rtsp_port, settings.frames_per_s, settings.key_every_s
        )
        self.events = Events(self.now)
        self.endpoint = uuid.UUID(int=Random(f"{settings.name}/{settings.seed}").getrandbits(128), version=4)
        self._moving = False

    def now(self) -> datetime:
        """What the camera's clock says, in UTC."""
        return datetime.fromtimestamp(self.sensor.now_ms() / 1000, UTC)

    @property
    def url(self) -> str:
        """Where its device service is."""
        return f"{super().url}/onvif/device_service"

    async def run(self, tell: Tell) -> None:
        """Be there until cancelled."""
        device = Advertised(
            self.endpoint,
            ("onvif://www.onvif.org/Profile/Streaming", "onvif://www.onvif.org/name/Simulated"),
            lambda: self.url if self.own.discoverable and self.server.alive else None,
        )
        async with self.rtsp:
            if not self.own.discoverable:
                await super().run(tell)
                return
            async with advertised(device):
                await super().run(tell)

    async def work(self) -> None:
        """Show pictures, and move."""
        self.tasks.create_task(self.rtsp.film())
        self.move(now=False)
        while self.own.motion_every_s is not None:
            await asyncio.sleep(self.own.motion_every_s)
            self.move(now=not self._moving)

    def move(self, *, now: bool) -> None:
        """Have something move before it, or cease to."""
        self._moving = now
        source = {"VideoSourceConfigurationToken": SOURCE, "Rule": "MotionDetector"}
        self.events.happen(MOTION, source, {"IsMotion": str(now).lower()})

    def insert(self, *_places: Any, moving: bool | None = None, **given: Any) -> dict[str, Any]:
        """See `see`; with `moving`, something moves from now on, or ceases to."""
        if moving is not None:
            self.move(now=moving)
        return self.see(**given) if given else {}

    # Requests

    async def answer(self, request: Request) -> Response:
        """A picture, or what SOAP asks for."""
        met = self.waiting.take()
        await slowed(met)
        if NotFound in met:
            return Response(404, media_type="text/html")
        if Garbage in met:
            return Response(body=b"<html><body>It works!", media_type="text/html")
        if request.path == "/snapshot.jpg":
            return await super().answer(request)
        try:
            return await self._answer(request.path, call_of(request.body))
        except FaultError as fault:
            return fault.response()

    async def admitted(self, _request: Request) -> Response:
        """A picture."""
        return Response(body=self.sensor.expose().jpeg, media_type="image/jpeg")

    async def _answer(self, path: str, call: Call) -> Response:
        if call.name == ("tds", "GetSystemDateAndTime"):
            return self._time()
        self.guard.admit(call.security, self.now())
        place, _, name = path.removeprefix("/onvif/").partition("/")
        if place == "subscription":
            return await self.events.ask(name, call)
        prefix, operation = call.name
        if place != _SERVICES.get(prefix):
            raise FaultError("ter:ActionNotSupported", "not of this service")
        if (prefix, operation) == ("tev", "CreatePullPointSubscription"):
            return self.events.create(call, f"{super().url}/onvif/subscription")
        body = self._told().get((prefix, operation))
        if body is None:
            raise FaultError("ter:ActionNotSupported", "not known to this camera")
        if operation in ("GetStreamUri", "GetSnapshotUri") and call.text("ProfileToken") != PROFILE:
            raise FaultError("ter:NoProfile", "no such profile")
        return envelope(f"<{prefix}:{operation}Response>{body}</{prefix}:{operation}Response>")

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

    def _told(self) -> Mapping[tuple[str, str], str]:
        """What each operation without effects answers."""
        base = f"{super().url}/onvif"
        services = "".join(
            f"<tds:Service><tds:Namespace>{NAMESPACES[prefix]}</tds:Namespace><tds:XAddr>{base}/{place}"
            "</tds:XAddr><tds:Version><tt:Major>2</tt:Major><tt:Minor>60</tt:Minor></tds:Version></tds:Service>"
            for prefix, place in _SERVICES.items()
        )
        width, height = self.sensor.size
        resolution = f"<tt:Width>{width}</tt:Width><tt:Height>{height}</tt:Height>"
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
            ("trt", "GetProfiles"): (
                f'<trt:Profiles token="{PROFILE}" fixed="true"><tt:Name>main</tt:Name>'
                f'<tt:VideoSourceConfiguration token="SourceConfig_1"><tt:Name>source</tt:Name>'
                f"<tt:UseCount>1</tt:UseCount><tt:SourceToken>{SOURCE}</tt:SourceToken>"
                f'<tt:Bounds x="0" y="0" width="{width}" height="{height}"/></tt:VideoSourceConfiguration>'
                '<tt:VideoEncoderConfiguration token="EncoderConfig_1"><tt:Name>encoder</tt:Name>'
                "<tt:UseCount>1</tt:UseCount><tt:Encoding>H264</tt:Encoding>"
                f"<tt:Resolution>{resolution}</tt:Resolution><tt:Quality>5</tt:Quality><tt:RateControl>"
                f"<tt:FrameRateLimit>{round(self.own.frames_per_s)}</tt:FrameRateLimit><tt:EncodingInterval>1"
                "</tt:EncodingInterval><tt:BitrateLimit>4096</tt:BitrateLimit></tt:RateControl><tt:H264>"
                f"<tt:GovLength>{round(self.own.frames_per_s * self.own.key_every_s)}</tt:GovLength>"
                "<tt:H264Profile>Baseline</tt:H264Profile></tt:H264><tt:Multicast><tt:Address><tt:Type>IPv4"
                "</tt:Type><tt:IPv4Address>0.0.0.0</tt:IPv4Address></tt:Address><tt:Port>0</tt:Port>"
                "<tt:TTL>0</tt:TTL><tt:AutoStart>false</tt:AutoStart></tt:Multicast><tt:SessionTimeout>PT60S"
                "</tt:SessionTimeout></tt:VideoEncoderConfiguration></trt:Profiles>"
            ),
            ("trt", "GetVideoSources"): (
                f'<trt:VideoSources token="{SOURCE}"><tt:Framerate>{self.own.frames_per_s}</tt:Framerate>'
                f"<tt:Resolution>{resolution}</tt:Resolution></trt:VideoSources>"
            ),
            ("trt", "GetStreamUri"): _media_uri(self.rtsp.url),
            ("trt", "GetSnapshotUri"): _media_uri(f"{super().url}/snapshot.jpg"),
        }

    # Faults

    def let(self, fault: Fault) -> None:
        """Let something go wrong."""
        if isinstance(fault, Stall | PacketLoss):
            self._tell("fault", {"fault": fault.fault})
            self.rtsp.let(fault)
            return
        super().let(fault)
        if isinstance(fault, SubscriptionsForgotten):
            self.events.points.clear()

    def die(self, for_s: float | None) -> None:
        """Be gone, with all that was subscribed to."""
        super().die(for_s)
        self.rtsp.die(for_s)
        self.events.points.clear()

    def status(self) -> dict[str, Any]:
        """How many watch and pull, too."""
        return super().status() | {
            "streams": self.rtsp.watching,
            "stream_url": self.rtsp.url,
            "subscriptions": len(self.events.points),
        }


def _media_uri(uri: str) -> str:
    return (
        f"<trt:MediaUri><tt:Uri>{uri}</tt:Uri><tt:InvalidAfterConnect>false</tt:InvalidAfterConnect>"
        "<tt:InvalidAfterReboot>false</tt:InvalidAfterReboot><tt:Timeout>PT0S</tt:Timeout></trt:MediaUri>"
    )
