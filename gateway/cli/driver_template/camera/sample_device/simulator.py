"""Simulated Sample device: a camera with drawn pictures. Written from SHEET.md, not from the driver."""

import json
from typing import ClassVar, Literal

from pydantic import Field, TypeAdapter
from simulators.camera.camera import HttpCamera, SceneSettings
from simulators.camera.faults import ActiveFaults, AnyPictureFault, Garbage, TruncatedPicture
from simulators.camera.slow_writer import delayed
from simulators.http.server import Request, Response
from simulators.simulator import ScheduledFault, Simulator


class SampleDeviceSettings(SceneSettings):
    """Settings of one simulated camera."""

    kind: Literal["sample-device"]
    faults: tuple[ScheduledFault[AnyPictureFault], ...] = Field(default=(), description="Scheduled faults.")

    def build(self) -> Simulator:
        """Build the camera."""
        return SampleDevice(self)


class SampleDevice(HttpCamera):
    """A camera: `insert` changes its view (`people`, `light`, `blurred`, `for_s`)."""

    FAULTS: ClassVar[TypeAdapter[AnyPictureFault]] = TypeAdapter(AnyPictureFault)

    def __init__(self, settings: SampleDeviceSettings) -> None:
        super().__init__(settings, settings.view, settings.faults)

    async def handle_authorized(self, request: Request) -> Response:
        """Answer with the identity or a picture."""
        match request.method, request.path:
            case "GET", "/identity":
                stated = {"model": "SAMPLE-1", "serial": "SIM0001", "firmware": "1.0"}
                return Response(body=json.dumps(stated).encode())
            case "GET", "/picture":
                met = self.waiting.take()
                await delayed(met)
                return Response(body=self._picture(met), media_type="image/jpeg")
        return Response(404, media_type="text/html")

    def _picture(self, met: ActiveFaults) -> bytes:
        data = self.sensor.expose().jpeg
        if Garbage in met:
            return bytes(len(data))
        half = met.get(TruncatedPicture)
        return data if half is None else data[: int(len(data) * half.after)]
