"""Kind `anpr-hikvision`: a plate camera that speaks Hikvision's ISAPI.

`/ISAPI/Event/notification/alertStream` is an endless multipart answer: a passage is a part of XML
(EventNotificationAlert, eventType ANPR) and then its pictures as parts; without events an inactive
`videoloss`. A boundary comes before each part and none after the last, so without lengths a picture is
complete only with the next heartbeat. Clients request missed passages with the time of the last known one, at
`/ISAPI/Traffic/channels/1/vehicleDetect/plates`.
"""

import re
import uuid
from datetime import UTC, datetime
from typing import ClassVar, Literal
from xml.sax.saxutils import escape

from defusedxml import ElementTree
from pydantic import Field, TypeAdapter

from simulators.camera.anpr.plate_camera import Passage, PlateCameraSettings, StreamingPlateCamera
from simulators.camera.faults import ActiveFaults, AnyHikvisionFault, NoLength, OtherNamespace
from simulators.camera.multipart import part
from simulators.http.server import Request, Response
from simulators.simulator import ScheduledFault

BOUNDARY = "boundary"
NAMESPACE = "http://www.isapi.org/ver20/XMLSchema"
PICTURES = ("licensePlatePicture", "detectionPicture")
DIRECTIONS = {"in": "forward", "out": "reverse"}
_TIME = re.compile(r"(\d{4})-?(\d\d)-?(\d\d)T?(\d\d):?(\d\d):?(\d\d)\.?(\d{3})?(Z|[+-]\d\d:?\d\d)?", re.ASCII)


class HikvisionSettings(PlateCameraSettings):
    """One camera."""

    kind: Literal["anpr-hikvision"]
    heartbeat_s: float = Field(default=10.0, gt=0, description="Seconds between heartbeats.")
    namespace: str = Field(default=NAMESPACE, max_length=200, description="Namespace of its XML.")
    with_lengths: bool = Field(default=True, description="Whether its parts have a length.")
    faults: tuple[ScheduledFault[AnyHikvisionFault], ...] = Field(default=(), description="Scheduled faults.")

    def build(self) -> "Hikvision":
        """Build the camera."""
        return Hikvision(self)


class Hikvision(StreamingPlateCamera):
    """The camera."""

    FAULTS: ClassVar[TypeAdapter[AnyHikvisionFault]] = TypeAdapter(AnyHikvisionFault)

    def __init__(self, settings: HikvisionSettings) -> None:
        super().__init__(settings, settings.heartbeat_s, settings.faults)
        self.own = settings

    async def handle_authorized(self, request: Request) -> Response:
        """Answer with the stream, missed passages, or the camera's data."""
        match request.method, request.path:
            case "GET", "/ISAPI/Event/notification/alertStream":
                media_type = f"multipart/mixed; boundary={BOUNDARY}"
                return Response(
                    media_type=media_type, stream=self.stream_events(self.heartbeat_s), unframed=True
                )
            case "POST", "/ISAPI/Traffic/channels/1/vehicleDetect/plates":
                return self._since(request.body)
            case "GET", "/ISAPI/System/deviceInfo":
                return _xml(
                    f'<DeviceInfo version="2.0" xmlns="{self.own.namespace}"><deviceName>Lane</deviceName>'
                    "<model>SIM-HIK-ANPR</model><serialNumber>SIM-HIK-0001</serialNumber>"
                    "<macAddress>02:00:00:00:00:01</macAddress><firmwareVersion>V5.0.0</firmwareVersion>"
                    "</DeviceInfo>"
                )
            case "GET", "/ISAPI/System/time":
                now = datetime.fromtimestamp(self.sensor.now_ms() // 1000, self.lane.zone)
                return _xml(
                    f'<Time version="2.0" xmlns="{self.own.namespace}"><timeMode>manual</timeMode>'
                    f"<localTime>{now.isoformat()}</localTime></Time>"
                )
            case "GET", "/ISAPI/Streaming/channels/101/picture":
                return Response(body=self.sensor.expose().jpeg, media_type="image/jpeg")
        return Response(404, media_type="application/xml")

    def heartbeat(self) -> bytes:
        """Return an inactive `videoloss`."""
        now = datetime.fromtimestamp(self.sensor.now_ms() // 1000, self.lane.zone)
        xml = self._alert("videoloss", "inactive", now, self.own.namespace, "", 0)
        return part(BOUNDARY, "application/xml", xml, with_length=self.own.with_lengths)

    def event(self, passage: Passage, met: ActiveFaults) -> bytes:
        """Return XML, the plate, the picture."""
        other = met.get(OtherNamespace)
        xml = self._alert(
            "ANPR",
            "active",
            passage.at,
            other.namespace if other else self.own.namespace,
            _anpr(passage),
            passage.number,
        )
        named = [
            ("anpr.xml", "application/xml", xml),
            (f"{PICTURES[0]}.jpg", "image/jpeg", passage.close_up),
            (f"{PICTURES[1]}.jpg", "image/jpeg", passage.picture),
        ]
        with_length = self.own.with_lengths and NoLength not in met
        return b"".join(
            part(BOUNDARY, media_type, data, name=name, with_length=with_length)
            for name, media_type, data in named
        )

    def _alert(self, kind: str, state: str, at: datetime, namespace: str, more: str, count: int) -> bytes:
        return (
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            f'<EventNotificationAlert version="2.0" xmlns="{namespace}">\n'
            f"<ipAddress>127.0.0.1</ipAddress>\n<portNo>{self.server.port}</portNo>\n<protocol>HTTP</protocol>\n"
            "<macAddress>02:00:00:00:00:01</macAddress>\n<channelID>1</channelID>\n"
            f"<dateTime>{at.isoformat(timespec='milliseconds')}</dateTime>\n"
            f"<activePostCount>{count}</activePostCount>\n<eventType>{kind}</eventType>\n"
            f"<eventState>{state}</eventState>\n<eventDescription>{kind}</eventDescription>\n{more}"
            "</EventNotificationAlert>\n"
        ).encode()

    def _since(self, body: bytes) -> Response:
        try:
            after = _moment(_text_of(body, "picTime"), self.lane.utc_offset_min)
        except ValueError:
            return Response(400, media_type="application/xml")
        parts = [passage for passage in self.passages if after is None or passage.at > after]
        plates = "".join(
            f"<Plate><captureTime>{passage.at:%Y%m%dT%H%M%S%z}</captureTime>"
            f"<plateNumber>{escape(passage.reported_plate)}</plateNumber><picName>{_digits(passage.at)}</picName>"
            f"<country>{escape(passage.vehicle.country)}</country><laneNo>{passage.vehicle.lane}</laneNo>"
            f"<direction>{DIRECTIONS[passage.vehicle.direction]}</direction></Plate>"
            for passage in parts
        )
        return _xml(f'<Plates version="2.0" xmlns="{self.own.namespace}">{plates}</Plates>')


def _anpr(passage: Passage) -> str:
    vehicle, moment = passage.vehicle, _digits(passage.at)
    pictures = "".join(
        f"<pictureInfo><fileName>{name}.jpg</fileName><type>{name}</type><dataType>0</dataType>"
        f"<absTime>{moment}</absTime><pId>{moment}{place:04}</pId></pictureInfo>\n"
        for place, name in enumerate(PICTURES)
    )
    return (
        f"<ANPR>\n<country>{escape(vehicle.country)}</country>\n"
        f"<licensePlate>{escape(passage.reported_plate)}</licensePlate>\n<line>{vehicle.lane}</line>\n"
        f"<direction>{DIRECTIONS[vehicle.direction]}</direction>\n"
        f"<confidenceLevel>{vehicle.confidence}</confidenceLevel>\n<plateType>unknown</plateType>\n"
        f"<vehicleType>vehicle</vehicleType>\n<pictureInfoList>\n{pictures}</pictureInfoList>\n"
        f"<originalLicensePlate>{escape(passage.reported_plate)}</originalLicensePlate>\n</ANPR>\n"
        f"<UUID>{uuid.UUID(int=passage.unique())}</UUID>\n<picNum>{len(PICTURES)}</picNum>\n"
        f"<isDataRetransmission>{str(passage.is_repeat).lower()}</isDataRetransmission>\n"
    )


def _digits(at: datetime) -> str:
    return f"{at:%Y%m%d%H%M%S}{at.microsecond // 1000:03}"


def _moment(text: str, utc_offset_min: int) -> datetime | None:
    """Parse a time; None for `0`, the beginning; without a zone, in the camera's.

    Raises ValueError if it is no time.
    """
    if text == "0":
        return None
    if (found := _TIME.fullmatch(text)) is None:
        raise ValueError(text)
    *numbers, millisecond, zone = found.groups()
    if zone is None:
        sign, minutes = ("-" if utc_offset_min < 0 else "+"), abs(utc_offset_min)
        zone = f"{sign}{minutes // 60:02}:{minutes % 60:02}"
    date, time = "-".join(numbers[:3]), ":".join(numbers[3:])
    return datetime.fromisoformat(f"{date}T{time}.{millisecond or '000'}{zone}").astimezone(UTC)


def _text_of(body: bytes, name: str) -> str:
    """Return the text of the element of that name in any namespace; raise ValueError if there is none."""
    try:
        for element in ElementTree.fromstring(body).iter():
            if element.tag.rpartition("}")[2] == name:
                return (element.text or "").strip()
    except ElementTree.ParseError:
        pass
    raise ValueError(name)


def _xml(text: str) -> Response:
    declared = '<?xml version="1.0" encoding="UTF-8"?>\n' + text
    return Response(body=declared.encode(), media_type="application/xml")
