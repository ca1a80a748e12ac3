"""Kinds `uru4000`, `nb1010` and `zfm`: fingerprint scanners, with traffic."""

import asyncio
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, TypeAdapter, field_validator

from simulators.faults import Fault
from simulators.fingerprint.faults import (
    NB1010_FAULTS,
    URU_FAULTS,
    DirtySensor,
    Nb1010Fault,
    UruFault,
    nb1010_fault,
    uru_fault,
)
from simulators.fingerprint.nb1010 import Nb1010
from simulators.fingerprint.platen import Platen
from simulators.fingerprint.traffic import ScannerSettings, ScannerSimulator
from simulators.fingerprint.uru4000 import Uru4000
from simulators.fingerprint.usb_scanner import UsbScanner
from simulators.fingerprint.zfm.faults import ZFM_FAULTS, ZfmFault, zfm_fault
from simulators.fingerprint.zfm.firmware import Memory
from simulators.fingerprint.zfm.module import ZfmModule
from simulators.links.serial_line import SerialLine
from simulators.links.tcp_listener import HOST
from simulators.simulator import EmitCallback, ScheduledFault, Simulator
from simulators.usb.usbip_bus import UsbIpBus


class UsbScannerSettings(ScannerSettings):
    """A scanner behind a USB/IP port of this machine."""

    port: int = Field(
        ge=0, le=65535, description="Port on 127.0.0.1; 0 chooses a free one, reported by the ready event."
    )
    busid: str = Field(default="1-1", pattern=r"^[0-9]+-[0-9.]+$", description="Its position on the bus.")

    @property
    def addresses(self) -> tuple[str, ...]:
        """Port of the scanner."""
        return (f"{HOST}:{self.port}",) if self.port else ()

    def build(self) -> Simulator:
        """Build the scanner and its traffic."""
        return UsbScannerSimulator(self)

    def scanner(self) -> UsbScanner:
        """Build the scanner alone."""
        raise NotImplementedError

    def fault_of(self, name: str, arguments: dict[str, Any] | None) -> Fault:
        """Return the fault of that name, if the scanner supports it."""
        raise NotImplementedError

    @property
    def faults_adapter(self) -> TypeAdapter[Any]:
        """See `Simulator.faults_adapter`."""
        raise NotImplementedError


class Uru4000Settings(UsbScannerSettings):
    """One U.are.U or Microsoft scanner."""

    kind: Literal["uru4000"]
    model: Literal["4500", "4000", "microsoft-v2"] = "4500"
    serial_number: str = Field(default="SIM0001", pattern=r"^[!-~]{1,64}$")
    encrypted: bool = Field(default=True, description="Whether its images are encrypted, as on real ones.")
    exposure_s: float = Field(default=0.13, ge=0, description="Time for an image, in seconds.")
    faults: tuple[ScheduledFault[UruFault], ...] = ()

    @property
    def timed_faults(self) -> tuple[ScheduledFault[Any], ...]:
        """See `ScannerSettings`."""
        return self.faults

    def scanner(self) -> Uru4000:
        """Build the scanner alone."""
        return Uru4000(
            self.model,
            serial_number=self.serial_number,
            seed=self.seed,
            encrypted=self.encrypted,
            exposure_s=self.exposure_s,
        )

    def fault_of(self, name: str, arguments: dict[str, Any] | None) -> Fault:
        """See `UsbScannerSettings`."""
        return uru_fault(name, arguments)

    @property
    def faults_adapter(self) -> TypeAdapter[Any]:
        """See `UsbScannerSettings`."""
        return URU_FAULTS


class Nb1010Settings(UsbScannerSettings):
    """One NB-1010-U."""

    kind: Literal["nb1010"]
    faults: tuple[ScheduledFault[Nb1010Fault], ...] = ()

    @property
    def timed_faults(self) -> tuple[ScheduledFault[Any], ...]:
        """See `ScannerSettings`."""
        return self.faults

    def scanner(self) -> Nb1010:
        """Build the scanner alone."""
        return Nb1010()

    def fault_of(self, name: str, arguments: dict[str, Any] | None) -> Fault:
        """See `UsbScannerSettings`."""
        return nb1010_fault(name, arguments)

    @property
    def faults_adapter(self) -> TypeAdapter[Any]:
        """See `UsbScannerSettings`."""
        return NB1010_FAULTS


class ZfmSettings(ScannerSettings):
    """One module on a serial line."""

    kind: Literal["zfm"]
    path: Path = Field(description="Path of the port: a symlink to the pty.")
    model: Literal["zfm-20", "r30x", "as608", "r503"] = "zfm-20"
    password: int = Field(default=0, ge=0, le=0xFFFFFFFF)
    address: int = Field(default=0xFFFFFFFF, ge=0, le=0xFFFFFFFF)
    enrolled: int = Field(
        default=0, ge=0, le=100, description="Number of the traffic's fingers that are enrolled."
    )
    capture_s: float = Field(default=0.1, ge=0, description="Time for a look at the finger, in seconds.")
    wire_speed: bool = Field(default=False, description="Whether bytes take their time at the baud rate.")
    faults: tuple[ScheduledFault[ZfmFault], ...] = ()

    @field_validator("path")
    @classmethod
    def _absolute(cls, path: Path) -> Path:
        if not path.is_absolute():
            raise ValueError(f"{path} is not an absolute path")
        return path

    @property
    def addresses(self) -> tuple[str, ...]:
        """Path of the scanner's port."""
        return (str(self.path),)

    @property
    def timed_faults(self) -> tuple[ScheduledFault[Any], ...]:
        """See `ScannerSettings`."""
        return self.faults

    def summary(self) -> dict[str, Any]:
        """Return name, kind, model and path."""
        return super().summary() | {"model": self.model, "path": str(self.path)}

    def build(self) -> Simulator:
        """Build the module and its traffic."""
        return ZfmSimulator(self)


class UsbScannerSimulator(ScannerSimulator):
    """A scanner on USB as its process runs it."""

    def __init__(self, settings: UsbScannerSettings) -> None:
        super().__init__(settings)
        self.settings = settings
        self.bus = UsbIpBus(settings.port)
        self.scanner = settings.scanner()

    @property
    def platen(self) -> Platen:
        """Platen of the scanner."""
        return self.scanner.platen

    def fault_of(self, name: str, arguments: dict[str, Any] | None) -> Fault:
        """See `ScannerSimulator`."""
        return self.settings.fault_of(name, arguments)

    @property
    def faults_adapter(self) -> TypeAdapter[Any]:
        """See `Simulator.faults_adapter`."""
        return self.settings.faults_adapter

    async def clear_faults(self) -> None:
        """See `Simulator.clear_faults`."""
        self.scanner.clear_faults()

    async def inject_fault(self, fault: Fault) -> None:
        """See `ScannerSimulator`."""
        if isinstance(fault, DirtySensor):
            await asyncio.to_thread(self.platen.render_ahead, self.platen.touch, dirty=True)
        self.scanner.inject_scanner_fault(fault)

    async def run(self, emit: EmitCallback) -> None:
        """Run until cancelled."""
        self._emit = emit
        self.bus.connect(self.settings.busid, self.scanner)
        self.bus.on_client = lambda _busid, there: self.host(there)
        try:
            async with self.bus:
                emit("ready", self.summary())
                await self.serve()
        finally:
            self.scanner.close()

    def summary(self) -> dict[str, Any]:
        """Return name, kind and address."""
        return self.settings.summary() | {"url": self.bus.url(self.settings.busid)}

    def status(self) -> dict[str, Any]:
        """See `ScannerSimulator`."""
        return self.summary() | {
            "plugged": self.scanner.is_plugged,
            "transfers": self.scanner.transfers,
            "images": self.scanner.images,
            "faults_pending": self.scanner.faults_pending,
        }


class ZfmSimulator(ScannerSimulator):
    """A module on a serial line as its process runs it."""

    def __init__(self, settings: ZfmSettings) -> None:
        super().__init__(settings)
        self.settings = settings
        self.line = SerialLine.open_at(settings.path)
        self.module = ZfmModule(
            self.line,
            settings.model,
            memory=Memory(settings.address, settings.password),
            seed=settings.seed,
            capture_s=settings.capture_s,
            wire_speed=settings.wire_speed,
        )

    @property
    def platen(self) -> Platen:
        """Platen of the scanner."""
        return self.module.platen

    def fault_of(self, name: str, arguments: dict[str, Any] | None) -> Fault:
        """See `ScannerSimulator`."""
        return zfm_fault(name, arguments)

    @property
    def faults_adapter(self) -> TypeAdapter[Any]:
        """See `Simulator.faults_adapter`."""
        return ZFM_FAULTS

    async def clear_faults(self) -> None:
        """See `Simulator.clear_faults`."""
        self.module.clear_faults(self.settings.password)

    async def inject_fault(self, fault: Fault) -> None:
        """See `ScannerSimulator`."""
        await self.module.inject(fault)

    async def run(self, emit: EmitCallback) -> None:
        """Run until cancelled."""
        self._emit = emit
        for number in range(self.settings.enrolled):
            self.module.enrol_finger(number, self.settings.finger(number))
            await asyncio.sleep(0)
        async with self.line, asyncio.TaskGroup() as tasks:
            self.module.start()
            emit("ready", self.settings.summary())
            tasks.create_task(self._watch_the_host())
            tasks.create_task(self.serve())

    async def _watch_the_host(self) -> None:
        while True:
            await self.line.wait_for_host()
            self.host(True)
            await self.line.wait_for_host_close()
            self.host(False)

    def status(self) -> dict[str, Any]:
        """See `ScannerSimulator`."""
        return self.settings.summary() | {
            "plugged": self.line.is_plugged,
            "commands": self.module.commands,
            "images": self.module.firmware.images,
            "templates": len(self.module.memory.library),
            "baud": self.module.baud,
            "aura": self.module.firmware.aura,
            "faults_pending": len(self.module.faults),
        }
