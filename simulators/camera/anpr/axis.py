"""Kind `anpr-axis`: a plate camera with AXIS License Plate Verifier, which pushes JSON to a listener.

A car is several packets of one `carID`: `new` when it is detected, without a direction; `update` when that is
known; `lost` ten seconds after it has left. The only request to the camera is for its identity.
"""

import asyncio
import base64
import contextlib
import itertools
import json
from collections import deque
from typing import Any, ClassVar, Literal
from urllib.parse import urlsplit

from pydantic import Field, TypeAdapter, field_validator

from simulators.camera.anpr.plate_camera import KEPT, Passage, PlateCamera, PlateCameraSettings
from simulators.camera.faults import ActiveFaults, AnyPlateFault, Duplicate, NoLength
from simulators.camera.slow_writer import chunks_to_send, delayed
from simulators.http.server import Request, Response, json_response
from simulators.links.tcp_service import ClientDisconnectedError
from simulators.simulator import ScheduledFault

SERIAL_NUMBER = "SIMAXI0001"


class AxisSettings(PlateCameraSettings):
    """One camera."""

    kind: Literal["anpr-axis"]
    push_to: str = Field(description="Address of the listener, as http://127.0.0.1:8700/plates.")
    update_s: float = Field(default=0.8, ge=0, description="Seconds from `new` until the direction is known.")
    lost_s: float = Field(default=10.0, ge=0, description="Seconds from then until the car is lost.")
    answer_within_s: float = Field(default=5.0, gt=0, description="Time limit of a push, in seconds.")
    with_images: bool = Field(default=True, description="Whether packets have pictures in them.")
    faults: tuple[ScheduledFault[AnyPlateFault], ...] = Field(default=(), description="Scheduled faults.")

    @field_validator("push_to")
    @classmethod
    def _plain_http(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme != "http" or not parts.hostname or not parts.port:
            raise ValueError("http://HOST:PORT/PATH")
        return url

    def build(self) -> "Axis":
        """Build the camera."""
        return Axis(self)


class Axis(PlateCamera):
    """The camera."""

    FAULTS: ClassVar[TypeAdapter[AnyPlateFault]] = TypeAdapter(AnyPlateFault)

    def __init__(self, settings: AxisSettings) -> None:
        super().__init__(settings, settings.faults)
        self.own = settings
        self.answers: list[int] = []
        """Status of each answer of the listener; 0 without an answer."""
        self._packets = itertools.count(1)
        self._pushing = asyncio.Lock()
        self._unsent: deque[bytes] = deque(maxlen=KEPT)

    async def handle_authorized(self, request: Request) -> Response:
        """Answer with the camera's identity, or a picture."""
        match request.method, request.path:
            case "POST", "/axis-cgi/basicdeviceinfo.cgi":
                properties = {
                    "Brand": "AXIS",
                    "ProdNbr": "SIM-AXIS-LPV",
                    "SerialNumber": SERIAL_NUMBER,
                    "Version": "11.0.0",
                }
                return json_response({"apiVersion": "1.0", "data": {"propertyList": properties}})
            case "GET", "/axis-cgi/jpg/image.cgi":
                return Response(body=self.sensor.expose().jpeg, media_type="image/jpeg")
        return Response(404, media_type="text/html")

    async def announce(self, passage: Passage, met: ActiveFaults) -> None:
        """Push its packets, each with the faults of the passage."""
        for state, after_s in (("new", 0.0), ("update", self.own.update_s), ("lost", self.own.lost_s)):
            await asyncio.sleep(after_s)
            packet = self._packet(passage, state)
            await self._push(packet, met)
            if Duplicate in met:
                await self._push(packet, ActiveFaults())

    def _packet(self, passage: Passage, state: str) -> bytes:
        vehicle, at = passage.vehicle, passage.at
        images = {"plate": passage.close_up, "vehicle": passage.picture} if self.own.with_images else {}
        packet = {
            "packetCounter": str(next(self._packets)),
            "datetime": f"{at:%Y%m%d %H%M%S}{at.microsecond // 1000:03}",
            "capture_timestamp": str(round(at.timestamp() * 1000)),
            "plateText": passage.reported_plate,
            "plateUTF8": passage.reported_plate,
            "plateCountry": vehicle.country,
            "plateConfidence": f"{vehicle.confidence / 100:.6f}",
            "carState": state,
            "carID": str(passage.number),
            "carMoveDirection": "unk" if state == "new" else vehicle.direction,
            "camera_info": {"SerialNumber": SERIAL_NUMBER, "IPAddress": "127.0.0.1"},
            "ImageArray": [
                {
                    "ImageType": name,
                    "ImageFormat": "jpg",
                    "ImageSize": len(data),
                    "BinaryImage": base64.b64encode(data).decode(),
                }
                for name, data in images.items()
            ],
        }
        return json.dumps(packet, ensure_ascii=False).encode()

    async def _push(self, packet: bytes, met: ActiveFaults) -> None:
        """Push it and, with `resends`, first the packets that did not arrive; one at a time."""
        async with self._pushing:
            while self._unsent and await self._arrives(self._unsent[0], ActiveFaults()):
                self._unsent.popleft()
            if (self._unsent or not await self._arrives(packet, met)) and self.own.resends:
                self._unsent.append(packet)

    async def _arrives(self, packet: bytes, met: ActiveFaults) -> bool:
        """Return whether the listener acknowledged it."""
        status = await self._status_of(packet, met) if self.server.is_running else 0
        self.answers.append(status)
        return 200 <= status < 300

    async def _status_of(self, packet: bytes, met: ActiveFaults) -> int:
        to = urlsplit(self.own.push_to)
        with contextlib.suppress(OSError, TimeoutError, ClientDisconnectedError):
            async with asyncio.timeout(self.own.answer_within_s):
                reader, writer = await asyncio.open_connection(to.hostname, to.port)
                try:
                    request = _request(to.path or "/", to.netloc, packet, chunked=NoLength in met)
                    await delayed(met)
                    async with contextlib.aclosing(chunks_to_send(request, met)) as pieces:
                        async for piece in pieces:
                            writer.write(piece)
                            await writer.drain()
                    line = (await reader.readline()).split()
                    return int(line[1]) if len(line) > 1 and line[1].isdigit() else 0
                finally:
                    writer.close()
                    with contextlib.suppress(OSError):
                        await writer.wait_closed()
        return 0

    def status(self) -> dict[str, Any]:
        """Return also the listener's last answer."""
        return super().status() | {
            "pushed": len(self.answers),
            "last_answer": self.answers[-1] if self.answers else None,
        }


def _request(path: str, host: str, packet: bytes, *, chunked: bool) -> bytes:
    length = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {len(packet)}"
    head = f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n{length}\r\n"
    body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(packet), packet) if chunked else packet
    return f"{head}X-Borderpost-Simulated: 1\r\nConnection: close\r\n\r\n".encode() + body
