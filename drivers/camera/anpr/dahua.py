"""Dahua cameras that read plates, and those sold under other brands.

Source: Dahua, *HTTP API for IPC and ITC*, snapManager. The response to ``GET
/cgi-bin/snapManager.cgi?action=attachFileProc`` is an endless multipart stream: lines
``Events[0].Key=value``, then the picture, and ``Heartbeat`` every few seconds. One vehicle may have several
pictures, each after lines of its own: ``GroupID`` is the same in all of them, ``CountInGroup`` is their
number.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime

from pydantic import Field, field_validator

from drivers.camera.anpr.plate_camera import RAW_EXCERPT_BYTES, PlateCamera, PlateCameraSettings, PlatePassage
from drivers.camera.anpr.plate_dedup import to_fraction
from drivers.camera.multipart import BodyPart
from drivers.camera.observations import VehicleDirection
from drivers.driver import BadFrame, Identity

DIRECTIONS = {"approach": VehicleDirection.APPROACHING, "leave": VehicleDirection.LEAVING}
_LINE = re.compile(r"(?:Return)?Events\[(\d{1,3})\]\.([^=]{1,80})=(.*)")


class DahuaSettings(PlateCameraSettings):
    """Settings of one camera."""

    events: tuple[str, ...] = Field(
        default=("TrafficJunction",),
        min_length=1,
        description="Events with vehicles, in the camera's words.",
        examples=[["TrafficJunction", "TrafficGate"]],
    )
    heartbeat_s: int = Field(
        default=5, ge=1, le=60, description="Interval of the camera's heartbeat, in seconds.", examples=[5]
    )

    @field_validator("events")
    @classmethod
    def _words(cls, events: tuple[str, ...]) -> tuple[str, ...]:
        if not all(re.fullmatch(r"\w+", event) for event in events):
            raise ValueError("names of events consist of letters and digits")
        return events


class DahuaPlateCamera(PlateCamera[DahuaSettings]):
    """A Dahua camera that reads plates."""

    settings_model = DahuaSettings
    anonymizer = "drivers.anonymize.camera_http:blank_contents"

    async def open(self) -> Identity:
        """Identify the camera, where it supports that, and open the stream; raises LinkError."""
        self.link = await self.links.http(self.settings)
        answer = await self.link.request(
            "GET", "/cgi-bin/magicBox.cgi?action=getSystemInfo", expect=(200, 400, 403, 404, 405, 501)
        )
        told = _pairs(answer.body) if answer.status == 200 else {}
        await self.listen()
        return Identity(
            manufacturer="Dahua",
            model=told.get("updateSerial") or told.get("deviceType") or "camera that reads plates",
            serial_number=told.get("serialNumber") or None,
        )

    def stream_path(self) -> str:
        """Path of the snapshot manager's events."""
        return (
            "/cgi-bin/snapManager.cgi?action=attachFileProc&Flags[0]=Event"
            f"&Events=[{','.join(self.settings.events)}]&heartbeat={self.settings.heartbeat_s}"
        )

    def parse_passages(self, part: BodyPart) -> list[PlatePassage] | BadFrame:
        """Parse the lines of one part."""
        text = part.content.decode("utf-8", "replace").strip()
        if not text or text.casefold() == "heartbeat":
            return []
        events: dict[str, dict[str, str]] = {}
        for line in text.splitlines():
            if found := _LINE.fullmatch(line.strip()):
                events.setdefault(found[1], {})[found[2]] = found[3].strip()[:200]
        if not events:
            return BadFrame("no_event", part.content[:RAW_EXCERPT_BYTES])
        return [_passage(event) for event in events.values() if _tells_of_a_vehicle(event)]


def _tells_of_a_vehicle(event: Mapping[str, str]) -> bool:
    return "TrafficCar.PlateNumber" in event or "Object.Text" in event


def _passage(event: Mapping[str, str]) -> PlatePassage:
    def one_of(*keys: str) -> str | None:
        return next((event[key] for key in keys if event.get(key)), None)

    raw = one_of("TrafficCar.PlateNumber", "Object.Text") or ""
    group = one_of("GroupID", "TrafficCar.GroupID")
    time = _time(event)
    vendor_id = group if group and group != "0" else one_of("EventID", "TrafficCar.RecNo", "Sequence")
    count = one_of("CountInGroup", "TrafficCar.CountInGroup") or ""
    return PlatePassage(
        raw=raw,
        vendor_id=vendor_id or f"{time}/{raw}",
        names=(("id", vendor_id) if vendor_id else ("at", time, raw),),
        country=one_of("TrafficCar.Country", "Object.Country", "CommInfo.Country"),
        confidence=to_fraction(one_of("Object.Confidence"), 255),
        direction=DIRECTIONS.get(
            (one_of("TrafficCar.DrivingDirection[0]") or "").casefold(), VehicleDirection.UNKNOWN
        ),
        lane=one_of("Lane", "TrafficCar.Lane"),
        camera_time=time,
        announced_images=int(count) if count.isascii() and count.isdigit() and 0 < int(count) < 100 else None,
    )


def _time(event: Mapping[str, str]) -> str | None:
    """Return the time: `UTC` is local time despite its name; newer firmwares add `RealUTC`."""
    for key, zone in (("RealUTC", "Z"), ("UTC", "")):
        seconds = event.get(key, "")
        if seconds.isascii() and seconds.isdigit() and 0 < int(seconds) < 2**32:
            text = datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%S")
            thousandths = event.get("UTCMS", "")
            return text + (f".{thousandths:0>3}" if re.fullmatch(r"\d{1,3}", thousandths) else "") + zone
    return None


def _pairs(body: bytes) -> dict[str, str]:
    pairs = (line.partition("=") for line in body.decode("utf-8", "replace").splitlines())
    return {key.strip(): value.strip()[:80] for key, equals, value in pairs if equals}
