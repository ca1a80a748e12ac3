"""Fingerprint drivers with simulated scanners, in one process: real USB/IP, a real pty, simulated fingers."""

import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from drivers.fingerprint.nb1010 import Nb1010 as Nb1010Driver
from drivers.fingerprint.nb1010 import Nb1010Settings
from drivers.fingerprint.uru4000.driver import Uru4000 as UruDriver
from drivers.fingerprint.uru4000.driver import Uru4000Settings
from drivers.fingerprint.zfm.driver import Zfm, ZfmSettings
from drivers.links.factory import LinkFactory
from simulators.fingerprint.fingers import Finger, SkinCondition, Touch
from simulators.fingerprint.nb1010 import Nb1010
from simulators.fingerprint.platen import Platen
from simulators.fingerprint.uru4000 import Uru4000
from simulators.fingerprint.usb_scanner import UsbScanner
from simulators.fingerprint.zfm.module import ZfmModule
from simulators.links.serial_line import SerialLine
from simulators.usb.usbip_bus import UsbIpBus

FINGER = Finger(5)
USB_MODELS = ("4500", "4000", "microsoft-v2", "nb1010")
ZFM_MODELS = ("r503",)


@dataclass
class SimulatedScanner:
    """A driver that is not opened yet, and the simulated scanner."""

    driver: Any
    links: LinkFactory
    scanner: UsbScanner | ZfmModule
    unplug: Callable[[], None]
    replug: Callable[[], None]

    @property
    def platen(self) -> Platen:
        return self.scanner.platen


def usb_scanner(model: str, *, dirty: bool = False, **more: Any) -> UsbScanner:
    """Return a scanner of that model that has rendered `FINGER`: rendering takes a second without answers."""
    scanner: UsbScanner = Nb1010(**more) if model == "nb1010" else Uru4000(model, **more)
    scanner.platen.render_ahead(FINGER.touch(), dirty=dirty)
    return scanner


def driver_of(model: str) -> str:
    """Return the name of a model's driver."""
    return {"nb1010": "nb1010", "r503": "zfm"}.get(model, "uru4000")


@contextlib.asynccontextmanager
async def simulated_scanner(model: str, folder: Path, **settings: Any) -> AsyncIterator[SimulatedScanner]:
    """Return a driver with a scanner of that model, over USB/IP or on a pty in the directory."""
    links = LinkFactory()
    wanted = {"quality": "ridge_clarity"} | settings
    if model in ZFM_MODELS:
        async with SerialLine.open_at(folder / "finger", look_s=0.001) as line:
            module = ZfmModule(line, model, capture_s=0.02)
            module.platen.render_ahead(FINGER.touch())
            module.start()
            driver: Any = Zfm(ZfmSettings(port=str(line.path), model=model, poll_s=0.01, **wanted), links)
            yield SimulatedScanner(driver, links, module, line.unplug, line.replug)
        return
    scanner = usb_scanner(model)
    async with UsbIpBus() as bus:
        bus.connect("1-1", scanner)
        url = bus.url("1-1")
        if model == "nb1010":
            driver = Nb1010Driver(Nb1010Settings(port=url, **wanted), links)
        else:
            driver = UruDriver(Uru4000Settings(port=url, **wanted), links)
        try:
            yield SimulatedScanner(driver, links, scanner, scanner.unplug, scanner.replug)
        finally:
            scanner.close()


def two_fingers(apart_mm: float) -> tuple[Touch, Touch]:
    """Return two fingertips side by side; `apart_mm` is the distance of their centres."""
    tip = replace(FINGER.touch(condition=SkinCondition.PARTIAL), rotation_deg=0.0)
    other = replace(Finger(9).touch(condition=SkinCondition.PARTIAL), rotation_deg=0.0)
    # A fingertip touches 2.5 mm right of and 5 mm above the finger's centre.
    return (
        replace(tip, right_mm=-2.5 - apart_mm / 2, up_mm=-5.0),
        replace(other, right_mm=-2.5 + apart_mm / 2, up_mm=-5.0),
    )
