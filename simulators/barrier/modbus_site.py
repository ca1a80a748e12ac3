"""A barrier behind Modbus boards, and its settings: kind `modbus-barrier` without its process and traffic.

timeline = ManualClock()
site = ModbusSite(ModbusSettings(), timeline)
host = DirectConnection(site.bus)
host.request(1, bytes.fromhex("0502000007"))  # flash relay 0 for 0.7 s
timeline.advance(2)
site.log.actuations, site.log.contacts, site.barrier.signals["open-limit"]
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from simulators.barrier.boards.generic import Generic, GenericMap
from simulators.barrier.boards.kmtronic import KMtronic
from simulators.barrier.boards.modbus_board import ModbusBoard
from simulators.barrier.boards.waveshare import BAUDS, Waveshare
from simulators.barrier.boards.wirenboard import WirenBoard
from simulators.barrier.bus import ModbusBus
from simulators.barrier.bus_faults import ExchangeFault, HangUp, WrongCrc
from simulators.barrier.faults import BoardsHung, SlowBus, StalledAdapter
from simulators.barrier.mechanics.barrier import MechanicsSettings
from simulators.barrier.modbus.rtu_link import RtuLink
from simulators.barrier.modbus.tcp_link import TcpLink
from simulators.barrier.site import BarrierSite, FaultPlan
from simulators.barrier.timeline import RealClock, Timeline
from simulators.barrier.wirelog import WireLog
from simulators.barrier.wiring import WiringSettings
from simulators.errors import SimulatorError
from simulators.faults import Fault, Noise, Unplug
from simulators.links.serial_line import SerialLine
from simulators.links.tcp_listener import HOST

USUAL_OUTPUTS = {"open": 0, "close": 1, "stop": 2}
USUAL_INPUTS = {
    "open-limit": 0,
    "closed-limit": 1,
    "approach": 2,
    "exit": 3,
    "photocell": 4,
    "fire": 5,
    "key": 6,
    "controller-ok": 7,
}


class BoardSettings(WiringSettings):
    """One board on the bus and its wires."""

    unit: int = Field(default=1, ge=1, le=247, description="Its address.")

    def board(self, timeline: Timeline, log: WireLog, baud: int) -> ModbusBoard:
        """Build the board."""
        raise NotImplementedError


class WaveshareSettings(BoardSettings):
    """A Waveshare board with eight relays and eight inputs."""

    model: Literal["waveshare-8"] = "waveshare-8"

    def board(self, timeline: Timeline, log: WireLog, baud: int) -> ModbusBoard:
        """See `BoardSettings`."""
        return Waveshare(self.unit, timeline, log, baud=baud)


class WirenBoardSettings(BoardSettings):
    """A Wiren Board module with six relays and seven inputs."""

    model: Literal["wirenboard-6"]

    def board(self, timeline: Timeline, log: WireLog, baud: int) -> ModbusBoard:
        """See `BoardSettings`."""
        return WirenBoard(self.unit, timeline, log, baud=baud)


class KMtronicSettings(BoardSettings):
    """A KMtronic board with eight relays and no input."""

    model: Literal["kmtronic-8"]

    def board(self, timeline: Timeline, log: WireLog, baud: int) -> ModbusBoard:
        """See `BoardSettings`."""
        return KMtronic(self.unit, timeline, log, baud=baud)


class GenericSettings(BoardSettings):
    """A board of any make."""

    model: Literal["generic"]
    map: GenericMap = GenericMap()

    def board(self, timeline: Timeline, log: WireLog, baud: int) -> ModbusBoard:
        """See `BoardSettings`."""
        return Generic(self.unit, self.map, timeline, log, baud=baud)


AnyBoard = Annotated[
    WaveshareSettings | WirenBoardSettings | KMtronicSettings | GenericSettings, Field(discriminator="model")
]


class ModbusSettings(BaseModel):
    """The boards of a barrier, the barrier, and the link. By default a Waveshare board over TCP."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    port: int | None = Field(
        default=None,
        ge=0,
        le=65535,
        description="Port on 127.0.0.1; 0 chooses a free one, reported by the ready event.",
    )
    path: Path | None = Field(
        default=None, description="Path of the serial port: a symlink to the pty; instead of a TCP port."
    )
    baud: int = Field(default=9600, ge=1200, le=256000, description="Baud rate of the boards.")
    paced: bool = Field(default=False, description="Whether frames take their time at that rate.")
    quiet_s: float | None = Field(
        default=None,
        gt=0,
        description="Silence that ends a frame, in seconds; that of the specification if omitted.",
    )
    boards: tuple[AnyBoard, ...] = Field(
        default=(WaveshareSettings(outputs=USUAL_OUTPUTS, inputs=USUAL_INPUTS),), min_length=1
    )
    mechanics: MechanicsSettings = MechanicsSettings()

    @model_validator(mode="after")
    def _one_link(self) -> Self:
        if self.port is not None and self.path is not None:
            raise ValueError("port is for TCP, path for a serial line: set only one of them")
        if self.path is not None and not self.path.is_absolute():
            raise ValueError(f"path: {self.path} is not an absolute path")
        if len({board.unit for board in self.boards}) < len(self.boards):
            raise ValueError("boards: two of them have the same unit")
        if any(isinstance(board, WaveshareSettings) for board in self.boards) and self.baud not in BAUDS:
            raise ValueError(f"baud: a Waveshare board has {', '.join(map(str, BAUDS))}")
        return self


class ModbusSite(BarrierSite):
    """The barrier and its boards on one bus. `link` connects hosts, if any."""

    def __init__(self, settings: ModbusSettings, timeline: Timeline, log: WireLog | None = None) -> None:
        log = WireLog(timeline) if log is None else log
        boards = [(one, one.board(timeline, log, settings.baud)) for one in settings.boards]
        super().__init__(settings.mechanics, [(board, wires) for wires, board in boards], timeline, log)
        self.bus = ModbusBus(
            [board for _, board in boards],
            timeline,
            log,
            paced_baud=settings.baud if settings.paced else None,
        )
        self.link: TcpLink | RtuLink | None = None
        self.settings = settings

    @classmethod
    @asynccontextmanager
    async def start(
        cls,
        settings: ModbusSettings | None = None,
        *,
        timeline: Timeline | None = None,
        log_path: str | os.PathLike[str] | None = None,
    ) -> AsyncIterator[Self]:
        """Run a site that hosts can reach, in real time unless another is given; also log to that file."""
        timeline = timeline or RealClock()
        with WireLog(timeline, log_path) as log:
            site = cls(settings or ModbusSettings(), timeline, log)
            async with site.connected():
                yield site

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[None]:
        """See `Site`."""
        if self.settings.path is None:
            self.link = TcpLink(self.bus, self.settings.port or 0)
        else:
            line = SerialLine.open_at(self.settings.path)
            self.link = RtuLink(self.bus, line, baud=self.settings.baud, quiet_s=self.settings.quiet_s)
        async with self.link:
            yield

    @property
    def port(self) -> int:
        """The TCP port."""
        assert isinstance(self.link, TcpLink)
        return self.link.port

    @property
    def address(self) -> str:
        """See `BarrierSite`."""
        return str(self.settings.path) if self.settings.path else f"{HOST}:{self.port}"

    def plan(self, fault: Fault) -> FaultPlan:
        """See `BarrierSite.plan`; adds the faults of the bus and the link."""
        bus, link = self.bus, self.link
        match fault:
            case WrongCrc() if not isinstance(link, RtuLink):
                raise SimulatorError("wrong-crc: frames over TCP have no checksum")
            case HangUp() if isinstance(link, RtuLink):
                raise SimulatorError("hang-up: a serial line has no connection to end")
            case ExchangeFault():
                return FaultPlan(lambda: bus.faults.add(fault))
            case BoardsHung():
                return FaultPlan(lambda: bus.set_hung(True), lambda: bus.set_hung(False))
            case SlowBus(delay_s=delay_s):
                return FaultPlan(lambda: bus.set_delay(delay_s), lambda: bus.set_delay(0.0))
            case StalledAdapter(discards=discards) if isinstance(link, RtuLink):
                line = link.line
                return FaultPlan(lambda: line.stall(is_discarding=discards), line.end_stall)
            case Unplug() if link is not None:
                return FaultPlan(link.cut, link.restore)
            case Noise(data=data) if isinstance(link, RtuLink):
                return FaultPlan(lambda: link.send_noise(data))
        return super().plan(fault)

    def clear_faults(self) -> None:
        """See `BarrierSite.clear_faults`."""
        self.bus.faults.clear()
        super().clear_faults()

    def on_power_lost(self) -> None:
        """See `BarrierSite`."""
        self.bus.on_power_lost()

    def on_power_restored(self) -> None:
        """See `BarrierSite`: earlier connections are lost."""
        if self.link is not None:
            self.link.drop()
