"""Axis cameras that push plate reads: AXIS License Plate Verifier and its relatives.

Source: AXIS License Plate Verifier, *Integration: Push events*, as JSON by HTTP POST. A vehicle is several
events with one ``carID``: ``new`` at the first read, ``update`` at a better one, ``lost`` when it has gone.
The camera has no list of past reads: pushes that nothing receives are kept or lost by the camera.
"""

import base64
import binascii
from collections.abc import AsyncIterator, Iterator, Mapping
from datetime import UTC, datetime
from itertools import islice
from typing import Any, ClassVar, Literal

from pydantic import Field

from drivers.camera.anpr.plate_camera import MAX_PICTURES, RAW_EXCERPT_BYTES, PlatePassage, to_observation
from drivers.camera.anpr.plate_dedup import REMEMBERED_PASSAGES, to_fraction
from drivers.camera.anpr.timestamps import to_iso
from drivers.camera.imaging.jpeg import JpegInfo, parse_jpeg
from drivers.camera.observations import PlateRead, VehicleDirection
from drivers.clock import boot_ns
from drivers.driver import BadFrame, Driver, Family, Identity, StateCode, Status
from drivers.links.http import json_decode as json_body
from drivers.links.http.listener import HttpListenerSettings, PushedRequest
from drivers.links.link import Action, Cause
from drivers.observation import Observation

DIRECTIONS = {"in": VehicleDirection.APPROACHING, "out": VehicleDirection.LEAVING}
DEDUP_WINDOW_NS = 60 * 10**9
HELD_FOR_NS = 60 * 10**9
CONNECTIONS_HELD = Status(
    StateCode.DEGRADED,
    Cause.CONNECTIONS_HELD,
    "Connections that send nothing occupied the listener. The oldest were closed; plates are received again.",
    Action.CALL_SUPPORT,
    "Check the camera's power supply and network cable: each loss leaves such a connection. If it goes on, "
    "another program at an allowed address opens them; correct `allowed_sources`.",
)
"""State for a minute after a connection was closed to make room."""
IMAGE_ROLES = {"plate": "plate", "frame": "scene", "vehicle": "scene", "roi": "scene"}


class AxisSettings(HttpListenerSettings):
    """Settings of one camera that pushes."""

    report_on: Literal["new", "lost"] = Field(
        default="new",
        description="When to report a vehicle: new, at once, mostly without a direction; lost, when it has "
        "gone, with all results of the camera.",
        examples=["new"],
    )


class AxisPlateCamera(Driver[AxisSettings]):
    """An Axis camera that pushes its plate reads."""

    family = Family.CAMERA
    settings_model = AxisSettings
    observation_types: ClassVar[tuple[type[Observation], ...]] = (PlateRead,)

    async def open(self) -> Identity:
        """Listen; raises LinkError. The sender is known only once it sends."""
        self.listener = await self.links.http_listener(self.settings)
        self._cars: dict[str, int] = {}
        return Identity(manufacturer="Axis", model="camera that pushes plates")

    async def watch(self) -> AsyncIterator[PlateRead | BadFrame | Status]:
        """Yield one plate read for each vehicle."""
        replaced, replaced_ns = 0, 0
        while True:
            put = await self.listener.next_request()
            if self.listener.replaced_connections != replaced:
                replaced, replaced_ns = self.listener.replaced_connections, boot_ns()
                yield CONNECTIONS_HELD
            elif replaced_ns and boot_ns() - replaced_ns > HELD_FOR_NS:
                replaced_ns = 0
                yield Status(StateCode.ONLINE)
            for said in self._take(put):
                yield said

    def _take(self, put: PushedRequest) -> Iterator[PlateRead | BadFrame]:
        try:
            pushed = json_body.decode(put.body)
        except ValueError:
            yield BadFrame("no_json", put.body[:RAW_EXCERPT_BYTES])
            return
        for event in pushed if isinstance(pushed, list) else [pushed]:
            if not isinstance(event, dict):
                yield BadFrame("no_event", put.body[:RAW_EXCERPT_BYTES])
            elif (state := _text(event, "carState")) in ("new", "update", "lost"):
                yield from self._passage(event, state)

    def _passage(self, event: Mapping[str, Any], state: str) -> Iterator[PlateRead | BadFrame]:
        """Yield the plate read at the event that reports this vehicle."""
        if self.settings.report_on == "lost" and state != "lost":
            return
        raw = _text(event, "plateUTF8") or _text(event, "plateUnicode") or _text(event, "plateText") or ""
        car = _text(event, "carID") or f"{_time(event)}/{raw}"
        if not self._first(car, state):
            return
        passage = PlatePassage(
            raw=raw,
            vendor_id=car,
            names=(car,),
            country=_text(event, "plateCountry"),
            confidence=to_fraction(_text(event, "plateConfidence"), 1),
            direction=DIRECTIONS.get(_text(event, "carMoveDirection") or "", VehicleDirection.UNKNOWN),
            lane=_text(event, "roiID"),
            camera_time=_time(event),
        )
        for shows, encoded in islice(_pictures(event), MAX_PICTURES):
            content = _decoded(encoded)
            found = parse_jpeg(content)
            if isinstance(found, JpegInfo):
                passage.pictures.append((shows, content[: found.size_bytes]))
            else:
                passage.damaged_images += 1
                yield BadFrame(found, content[:RAW_EXCERPT_BYTES])
        yield to_observation(passage)

    def _first(self, car: str, state: str) -> bool:
        """Return True if this vehicle was not reported yet.

        A restarted camera numbers vehicles anew. So the first event of a known number after a while is
        another vehicle; later events of the number, as of a parked vehicle, are not.
        """
        now_ns, last_ns = boot_ns(), self._cars.pop(car, None)
        self._cars[car] = now_ns
        if len(self._cars) > REMEMBERED_PASSAGES:
            del self._cars[next(iter(self._cars))]
        return last_ns is None or (state == self.settings.report_on and now_ns - last_ns > DEDUP_WINDOW_NS)


def _text(event: Mapping[str, Any], key: str) -> str | None:
    """Return a value as text: the camera writes numbers both ways."""
    match event.get(key):
        case str() as text if text.strip():
            return text.strip()[:200]
        case bool() | None:
            return None
        case int() | float() as number:
            return str(number)
        case _:
            return None


def _time(event: Mapping[str, Any]) -> str | None:
    """Return the time from milliseconds since 1970, else from its local clock: `20231211 142705507`."""
    stamp = _text(event, "capture_timestamp") or ""
    if stamp.isascii() and stamp.isdigit() and len(stamp) == 13:
        seconds, thousandths = divmod(int(stamp), 1000)
        return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{thousandths:03}Z"
    return to_iso(_text(event, "datetime"))


def _pictures(event: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield role and base64 of each picture: one beside the event, or several in a list."""
    listed = event.get("ImageArray")
    for picture in listed if isinstance(listed, list) else []:
        if isinstance(picture, dict) and isinstance(encoded := picture.get("BinaryImage"), str):
            yield IMAGE_ROLES.get(str(picture.get("ImageType")).lower(), "picture"), encoded
    for key in ("imageArray", "plateImage"):
        if isinstance(encoded := event.get(key), str) and encoded:
            kind = "plate" if key == "plateImage" else (_text(event, "imageType") or "")
            yield IMAGE_ROLES.get(kind.lower(), "picture"), encoded


def _decoded(encoded: str) -> bytes:
    try:
        return base64.b64decode(encoded.rpartition("base64,")[2], validate=True)
    except (binascii.Error, ValueError):
        return b""
