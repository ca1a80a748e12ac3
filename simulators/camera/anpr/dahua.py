"""Kind `anpr-dahua`: a plate camera that speaks Dahua's HTTP API.

`/cgi-bin/snapManager.cgi?action=attachFileProc` is an endless multipart answer, its boundary `myboundary`: a
passage is a part of text, with one `Events[0].Key=value` per line, and then its picture as a part; without
events a part with `Heartbeat`, at the requested interval.
"""

from datetime import datetime
from typing import ClassVar, Literal

from pydantic import Field, TypeAdapter

from simulators.camera.anpr.plate_camera import Passage, PlateCameraSettings, StreamingPlateCamera
from simulators.camera.faults import ActiveFaults, AnyPlateFault, NoLength
from simulators.camera.multipart import part
from simulators.http.server import Request, Response
from simulators.simulator import ScheduledFault

BOUNDARY = "myboundary"
EVENT = "TrafficJunction"
LONGEST_HEARTBEAT_S = 60
DIRECTIONS = {"in": "Approach", "out": "Leave"}


class DahuaSettings(PlateCameraSettings):
    """One camera."""

    kind: Literal["anpr-dahua"]
    with_lengths: bool = Field(default=True, description="Whether its parts have a length.")
    faults: tuple[ScheduledFault[AnyPlateFault], ...] = Field(default=(), description="Scheduled faults.")

    def build(self) -> "Dahua":
        """Build the camera."""
        return Dahua(self)


class Dahua(StreamingPlateCamera):
    """The camera."""

    FAULTS: ClassVar[TypeAdapter[AnyPlateFault]] = TypeAdapter(AnyPlateFault)

    def __init__(self, settings: DahuaSettings) -> None:
        super().__init__(settings, LONGEST_HEARTBEAT_S, settings.faults)
        self.own = settings

    async def handle_authorized(self, request: Request) -> Response:
        """Answer with the stream, or the camera's data."""
        match request.method, request.path, request.query.get("action"):
            case "GET", "/cgi-bin/snapManager.cgi", "attachFileProc":
                return self._attached(request)
            case "GET", "/cgi-bin/magicBox.cgi", "getSystemInfo":
                return _text("deviceType=SIM-DAHUA-ITC\r\nserialNumber=SIM-DAH-0001\r\n")
            case "GET", "/cgi-bin/magicBox.cgi", "getSoftwareVersion":
                return _text("version=2.0.0,build:2026-01-01\r\n")
            case "GET", "/cgi-bin/global.cgi", "getCurrentTime":
                now = datetime.fromtimestamp(self.sensor.now_ms() // 1000, self.lane.zone)
                return _text(f"result={now:%Y-%m-%d %H:%M:%S}\r\n")
            case "GET", "/cgi-bin/snapshot.cgi", _:
                return Response(body=self.sensor.expose().jpeg, media_type="image/jpeg")
        return Response(404, media_type="text/plain")

    def _attached(self, request: Request) -> Response:
        codes = request.query.get("Events", "").strip("[]").split(",")
        beat = request.query.get("heartbeat", "5")
        if EVENT not in codes and "All" not in codes:
            return Response(400, b"Error\r\nBad Request!\r\n", "text/plain")
        if not (beat.isascii() and beat.isdecimal() and 1 <= int(beat) <= LONGEST_HEARTBEAT_S):
            return Response(400, b"Error\r\nBad Request!\r\n", "text/plain")
        media_type = f"multipart/x-mixed-replace; boundary={BOUNDARY}"
        return Response(media_type=media_type, stream=self.stream_events(float(beat)), unframed=True)

    def heartbeat(self) -> bytes:
        """Return a heartbeat part."""
        return part(BOUNDARY, "text/plain", b"Heartbeat\r\n", with_length=self.own.with_lengths)

    def event(self, passage: Passage, met: ActiveFaults) -> bytes:
        """Return the lines, then the picture."""
        vehicle = passage.vehicle
        # By the camera's clock. If its zone is wrong so is this, as with the real ones.
        utc_ms = round(passage.at.timestamp() * 1000)
        fields = {
            "CountInGroup": 1,
            "EventBaseInfo.Action": "Pulse",
            "EventBaseInfo.Code": EVENT,
            "EventBaseInfo.Index": 0,
            "EventID": passage.number,
            "GroupID": passage.unique(31),
            "IndexInGroup": 1,
            "Lane": vehicle.lane,
            "Object.Confidence": round(vehicle.confidence * 2.55),
            "Object.ObjectType": "Plate",
            "Object.Text": passage.reported_plate,
            "PTS": utc_ms,
            "TrafficCar.Country": vehicle.country,
            "TrafficCar.DrivingDirection[0]": DIRECTIONS[vehicle.direction],
            "TrafficCar.Lane": vehicle.lane,
            "TrafficCar.PlateNumber": passage.reported_plate,
            "TrafficCar.Speed": 12,
            "UTC": utc_ms // 1000,
            "UTCMS": utc_ms % 1000,
        }
        # One line per key: a line break in a plate's text must not start another key.
        lines = "".join(
            f"Events[0].{key}={' '.join(str(value).split())}\r\n" for key, value in fields.items()
        )
        with_length = self.own.with_lengths and NoLength not in met
        return part(BOUNDARY, "text/plain", lines.encode(), with_length=with_length) + part(
            BOUNDARY, "image/jpeg", passage.picture, with_length=with_length
        )


def _text(text: str) -> Response:
    return Response(body=text.encode(), media_type="text/plain;charset=utf-8")
