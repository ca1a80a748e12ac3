"""Hikvision cameras that read plates, over ISAPI.

Source: Hikvision, *Intelligent Security API*, parts *Event* and *Traffic*. The response to ``GET
/ISAPI/Event/notification/alertStream`` is an endless multipart stream: ``EventNotificationAlert`` in XML,
with ``ANPR`` inside where ``eventType`` is that, then the pictures; other events and inactive ones are
heartbeats. ``POST /ISAPI/Traffic/channels/1/vehicleDetect/plates`` with ``AfterTime`` lists the reads since
that time. Firmwares differ in the namespace and may omit lengths, so elements are matched by their local
names alone.
"""

from collections.abc import Iterator
from datetime import timedelta
from xml.etree.ElementTree import Element

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import ParseError, fromstring
from pydantic import Field

from drivers.camera.anpr.plate_camera import RAW_EXCERPT_BYTES, PlateCamera, PlateCameraSettings, PlatePassage
from drivers.camera.anpr.plate_dedup import to_fraction
from drivers.camera.anpr.timestamps import to_iso, to_local_time
from drivers.camera.multipart import BodyPart
from drivers.camera.observations import VehicleDirection
from drivers.driver import BadFrame, Identity

XML = "application/xml"
DIRECTIONS = {"forward": VehicleDirection.APPROACHING, "reverse": VehicleDirection.LEAVING}


class HikvisionSettings(PlateCameraSettings):
    """Settings of one camera."""

    channel: int = Field(
        default=1,
        ge=1,
        le=64,
        description="Channel whose plate reads are fetched after a lost connection.",
        examples=[1],
    )
    fetch_backlog: bool = Field(
        default=True,
        description="Fetch the plates that were read during a lost connection; their pictures are not "
        "available then.",
        examples=[True],
    )


class HikvisionPlateCamera(PlateCamera[HikvisionSettings]):
    """A Hikvision camera that reads plates."""

    settings_model = HikvisionSettings
    anonymizer = "drivers.anonymize.camera_http:blank_contents"
    _now: str | None = None
    """Latest time of the camera's own clock."""

    async def open(self) -> Identity:
        """Identify the camera, where it supports that, and open the stream; raises LinkError."""
        self.link = await self.links.http(self.settings)
        answer = await self.link.request("GET", "/ISAPI/System/deviceInfo", expect=(200, 403, 404, 405, 501))
        info = _parsed(answer.body) if answer.status == 200 else None
        await self.listen()
        if info is None:
            return Identity(manufacturer="Hikvision", model="camera that reads plates")
        return Identity(
            manufacturer="Hikvision",
            model=_text(info, "model") or "camera that reads plates",
            serial_number=_text(info, "serialNumber"),
            firmware=_text(info, "firmwareVersion"),
        )

    def stream_path(self) -> str:
        """Path of the alert stream."""
        return "/ISAPI/Event/notification/alertStream"

    def parse_passages(self, part: BodyPart) -> list[PlatePassage] | BadFrame:
        """Parse an alert."""
        if not part.content.lstrip().startswith(b"<"):
            return []  # newer firmwares report other things in JSON
        alert = _parsed(part.content)
        if alert is None or _name(alert) != "EventNotificationAlert":
            return BadFrame("no_alert", part.content[:RAW_EXCERPT_BYTES])
        time = _text(alert, "dateTime")
        self._now = time or self._now
        if (_text(alert, "eventType") or "").upper() != "ANPR" or _text(alert, "eventState") == "inactive":
            return []
        raw = _text(alert, "licensePlate") or ""
        identity = _text(alert, "UUID") or _text(alert, "picName")
        return [
            PlatePassage(
                raw=raw,
                vendor_id=identity or f"{time}/{raw}",
                names=_names(identity, _text(alert, "picName"), time, raw),
                country=_text(alert, "country"),
                confidence=to_fraction(_text(alert, "confidenceLevel"), 100),
                direction=DIRECTIONS.get(_text(alert, "direction") or "", VehicleDirection.UNKNOWN),
                lane=_text(alert, "line") or _text(alert, "laneNo"),
                camera_time=to_iso(time),
                announced_images=_announced(alert),
            )
        ]

    async def fetch_backlog(self) -> list[PlatePassage]:
        """Fetch the plate reads since the latest time of the camera's clock."""
        since = to_local_time(self._now)
        if since is None or not self.settings.fetch_backlog:
            return []
        asked = f"<AfterTime><picTime>{since - timedelta(seconds=1):%Y%m%dT%H%M%S}</picTime></AfterTime>"
        answer = await self.link.request(
            "POST",
            f"/ISAPI/Traffic/channels/{self.settings.channel}/vehicleDetect/plates",
            body=asked.encode(),
            media_type=XML,
            expect=(200, 403, 404, 405, 501),
        )
        listed = _parsed(answer.body) if answer.status == 200 else None
        if listed is None:
            return []
        return [_listed(plate) for plate in _all(listed, "Plate")]


def _listed(plate: Element) -> PlatePassage:
    raw, time, picture = (_text(plate, name) for name in ("plateNumber", "captureTime", "picName"))
    return PlatePassage(
        raw=raw or "",
        vendor_id=picture or f"{time}/{raw}",
        names=_names(None, picture, time, raw or ""),
        country=_text(plate, "country"),
        direction=DIRECTIONS.get(_text(plate, "direction") or "", VehicleDirection.UNKNOWN),
        lane=_text(plate, "laneNo"),
        camera_time=to_iso(time),
        is_backlog=True,
    )


def _names(identity: str | None, picture: str | None, time: str | None, raw: str) -> tuple[object, ...]:
    names = [("id", name) for name in dict.fromkeys((identity, picture)) if name]
    return tuple(names) or (("at", time, raw),)


def _announced(alert: Element) -> int | None:
    number = _text(alert, "picNum") or ""
    if number.isascii() and number.isdigit() and len(number) <= 2:
        return int(number)
    return len(list(_all(alert, "pictureInfo"))) or None


def _parsed(content: bytes) -> Element | None:
    try:
        root: Element = fromstring(content.strip())
    except (ParseError, DefusedXmlException, ValueError, LookupError):  # of an unknown encoding
        return None
    return root


def _name(element: Element) -> str:
    return str(element.tag).rpartition("}")[2]


def _all(root: Element, name: str) -> Iterator[Element]:
    return (element for element in root.iter() if _name(element) == name)


def _text(root: Element, name: str) -> str | None:
    """Return the text of the first element of that name, at any depth; None for none."""
    found = next(_all(root, name), None)
    return (found.text or "").strip()[:200] or None if found is not None else None
