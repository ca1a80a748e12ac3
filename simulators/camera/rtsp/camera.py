"""Kind `camera-rtsp`: a camera that streams by RTSP, at `/stream`."""

from typing import Any, ClassVar, Literal, Self

from pydantic import Field, TypeAdapter, model_validator

from simulators.camera.camera import Camera, SceneSettings
from simulators.camera.faults import AnyVideoFault, NotFound, PacketLoss, Slow, Stall
from simulators.camera.rtsp.server import Codec, RtspServer
from simulators.faults import Fault
from simulators.simulator import ScheduledFault


class RtspCameraSettings(SceneSettings):
    """One camera."""

    kind: Literal["camera-rtsp"]
    key_every_s: float = Field(default=2.0, gt=0, description="Seconds between key pictures.")
    codec: Codec = Field(default="h264", description="Encoding of its pictures.")
    slices: int = Field(default=1, ge=1, le=16, description="Number of slices of each picture.")
    faults: tuple[ScheduledFault[AnyVideoFault], ...] = Field(default=(), description="Scheduled faults.")

    @model_validator(mode="after")
    def _can_be_encoded(self) -> Self:
        if self.codec == "h265" and self.slices > 1:
            raise ValueError("only H.264 is encoded in slices")
        return self

    def build(self) -> "RtspCamera":
        """Build the camera."""
        return RtspCamera(self)


class RtspCamera(Camera):
    """The camera."""

    FAULTS: ClassVar[TypeAdapter[AnyVideoFault]] = TypeAdapter(AnyVideoFault)

    def __init__(self, settings: RtspCameraSettings) -> None:
        super().__init__(settings, settings.view, settings.faults)
        # RTSP servers use the Digest of RFC 2069, without qop.
        self.access.with_qop = False
        self.server: RtspServer = RtspServer(
            self.sensor,
            self.access,
            settings.port,
            settings.frames_per_s,
            settings.key_every_s,
            settings.slices,
            settings.codec,
        )

    @property
    def url(self) -> str:
        """Address of its stream."""
        return self.server.url

    async def work(self) -> None:
        """Stream pictures."""
        await self.server.run()

    def inject_fault(self, fault: Fault) -> None:
        """Inject a fault."""
        super().inject_fault(fault)
        if isinstance(fault, NotFound | Slow | Stall | PacketLoss):
            self.server.inject_fault(fault)

    async def clear_faults(self) -> None:
        """See `Simulator.clear_faults`."""
        self.server.clear_faults()
        await super().clear_faults()

    def status(self) -> dict[str, Any]:
        """Return also the number of viewers."""
        return super().status() | {"streams": self.server.client_count}
