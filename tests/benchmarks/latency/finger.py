"""Latency of a print: from the finger on the simulated platen to the event with its image at a workstation.

The exposure is included: 130 ms as of a real U.are.U, 90 parts of 2 ms each for an NB-1010-U. Scanners are
reached over USB/IP; they and the workstation are in this process, whose CPU time is not the gateway's.
"""

import asyncio
import os
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from support.devices.fingerprint_scanners import FINGER, driver_of, usb_scanner

from benchmarks.candidates import COMMANDS, DEVICE, POST, ROLES, ROOT, STATION, Candidate, Setting
from benchmarks.measures import prepare
from drivers.fingerprint.observations import CaptureEnded, FeedbackCode, FingerCaptured, FingerFeedback
from drivers.fingerprint.quality import is_installed
from drivers.observation import Observation
from gateway.client import ReceivedEvent, Workstation
from simulators.fingerprint.usb_scanner import UsbScanner
from simulators.usb.usbip_bus import UsbIpBus

LANE = 1
POSITION = f"lane-{LANE}/reader"
SCANNERS = [("4500", "ridge_clarity"), ("4500", "nfiq2"), ("nb1010", "ridge_clarity")]
PATIENCE_S = 60


@dataclass
class FingerTimes:
    """One scanner, and one quality measure."""

    scanner: str
    measure: str
    captured_ms: list[float] = field(default_factory=list)
    waiting_cpu_percent: float = 0.0
    """CPU of all processes of the gateway while it waits for a finger, in percent of a core."""


def fingers(count: int, waiting_s: float) -> list[FingerTimes]:
    """Measure each scanner in a gateway of its own."""
    return [
        asyncio.run(_measure(FingerTimes(model, measure), count, waiting_s))
        for model, measure in SCANNERS
        if measure != "nfiq2" or is_installed()
    ]


def _candidate(times: FingerTimes, port: str) -> Candidate:
    def command(setting: Setting) -> tuple[list[str], Mapping[str, str]]:
        (setting.folder / "roles.toml").write_text(ROLES)
        device = DEVICE.format(lane=LANE, driver=driver_of(times.scanner), tty=port)
        config = setting.folder / "post.toml"
        config.write_text(
            POST.format(folder=setting.folder, port=setting.broker_port)
            + COMMANDS
            + "max_other_commands_per_min = 6000\n"
            + device
            + f'quality = "{times.measure}"\n'
        )
        return [sys.executable, "-m", "gateway", str(config)], {"PYTHONPATH": os.fspath(ROOT)}

    return Candidate("gateway", "with a fingerprint scanner", True, command)


async def _measure(times: FingerTimes, count: int, waiting_s: float) -> FingerTimes:
    scanner = usb_scanner(times.scanner)
    async with UsbIpBus() as bus:
        bus.connect("1-1", scanner)
        options = ("set_tcp_nodelay true",)  # as in config/mosquitto
        with prepare(_candidate(times, bus.url("1-1")), 0, broker_options=options) as setup:
            setup.launch()
            async with Workstation(
                "127.0.0.1", setup.broker.port, site="uto-bench", positions=[POSITION], station=STATION
            ) as workstation:
                async with asyncio.timeout(PATIENCE_S):
                    while not workstation.status(POSITION).is_usable:
                        await asyncio.sleep(0.02)
                counter = _Counter(workstation, scanner)
                for turn in range(count + 1):
                    took_ms = await counter.capture()
                    if turn:  # the first one loads modules that the others find loaded
                        times.captured_ms.append(took_ms)
                capture = await counter.start_capture()
                cpu_s, began_s = setup.process.cpu_s(), time.monotonic()
                await asyncio.sleep(waiting_s)
                used_s = setup.process.cpu_s() - cpu_s
                times.waiting_cpu_percent = 100 * used_s / (time.monotonic() - began_s)
                await workstation.command(POSITION, "cancel")
                await asyncio.gather(capture, return_exceptions=True)
            # In a thread: the scanner runs in this loop, and the gateway still uses it while it stops.
            await asyncio.to_thread(setup.process.stop)
    scanner.close()
    return times


class _Counter:
    """A workstation with its scanner."""

    def __init__(self, workstation: Workstation, scanner: UsbScanner) -> None:
        self._workstation = workstation
        self._scanner = scanner
        self._events = aiter(workstation)

    async def start_capture(self) -> "asyncio.Task[object]":
        """Start a capture that waits for its finger."""
        capture = asyncio.create_task(
            self._workstation.command(POSITION, "capture", {"timeout_s": PATIENCE_S}, timeout_s=PATIENCE_S)
        )
        while (await self._next(FingerFeedback)).data.feedback is not FeedbackCode.PLACE:
            pass
        return capture

    async def capture(self) -> float:
        """Return the milliseconds from the finger to the event."""
        capture = await self.start_capture()
        began_ns = time.monotonic_ns()
        self._scanner.platen.place(FINGER.touch())
        received = await self._next(FingerCaptured)
        took_ms = (time.monotonic_ns() - began_ns) / 1e6
        assert received.images, "with its image"
        await self._next(CaptureEnded)
        await capture
        self._scanner.platen.lift()
        return took_ms

    async def _next(self, kind: type[Observation]) -> ReceivedEvent:
        """Return the next event of that kind; skip others."""
        async with asyncio.timeout(PATIENCE_S):
            while not isinstance((received := await anext(self._events)).data, kind):
                pass
        return received
