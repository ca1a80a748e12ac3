"""A machine as files: /sys, /proc and /dev, staged in a directory."""

import os
from datetime import UTC, datetime
from pathlib import Path

from gateway.contract.envelope import ClockStatus
from gateway.diagnostics.host import HostView

HEALTHY = {
    "run/udev/control": "",
    "proc/meminfo": "MemTotal:        4000000 kB\nMemFree:          500000 kB\nMemAvailable:    2000000 kB",
    "proc/vmstat": "pgfault 12\noom_kill 0",
    "sys/class/thermal/thermal_zone0/type": "x86_pkg_temp",
    "sys/class/thermal/thermal_zone0/temp": "48000",
}


class FixedClock:
    """A clock with a fixed status."""

    boot_id = "7d0c9c1b6a3f4a1e8f0b2c3d4e5f6071"

    def __init__(self, clock_status: ClockStatus) -> None:
        self._clock_status = clock_status

    def unix_ns(self) -> int:
        return 0

    def boot_ns(self) -> int:
        return 0

    def clock_status(self) -> ClockStatus:
        return self._clock_status


class StagedHost:
    """A machine without faults, until a file is overwritten."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.now: datetime | None = None
        self.clock_status = ClockStatus.SYNCED
        self.nut = ("127.0.0.1", 1)  # no service there
        for part in ("sys", "proc", "dev", "run", "etc"):
            (folder / part).mkdir(parents=True)
        for file, said in HEALTHY.items():
            self.write(file, said)

    def write(self, file: str, said: object) -> Path:
        """Write one file."""
        path = self.folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{said}\n")
        return path

    def process(self, pid: int, name: str, holds: Path | None = None, parent: int | None = None) -> None:
        """Add a process, a file that it has open, and its parent where that can be seen."""
        self.write(f"proc/{pid}/comm", name)
        if parent is not None:
            self.write(f"proc/{pid}/stat", f"{pid} ({name}) S {parent} 0")
        descriptors = self.folder / f"proc/{pid}/fd"
        descriptors.mkdir()
        if holds is not None:
            (descriptors / "7").symlink_to(holds)

    def plug(self, socket: str, ids: str, number: int, *, mode: int = 0o666, **attributes: object) -> Path:
        """Add a USB device in a socket, with attributes of sysfs; return its directory there."""
        vendor, product = ids.split(":")
        bus = int(socket.removeprefix("usb").partition("-")[0])
        said = {"idVendor": vendor, "idProduct": product, "busnum": bus, "devnum": number, "speed": 12}
        said |= {"version": " 2.00", "bMaxPower": "100mA", "bmAttributes": "80", "bDeviceClass": "00"}
        for name, value in {**said, **attributes}.items():
            self.write(f"sys/bus/usb/devices/{socket}/{name}", value)
        node = self.folder / f"dev/bus/usb/{bus:03}/{number:03}"
        node.parent.mkdir(parents=True, exist_ok=True)
        node.touch()
        node.chmod(mode)
        return self.folder / "sys/bus/usb/devices" / socket

    @property
    def host_view(self) -> HostView:
        """Return the paths of this machine."""
        return HostView(
            sys=self.folder / "sys",
            proc=self.folder / "proc",
            dev=self.folder / "dev",
            run=self.folder / "run",
            etc=self.folder / "etc",
            nut=self.nut,
            now=lambda: self.now or datetime.now(UTC),
            clock=FixedClock(self.clock_status),
        )

    def locked(self, state_dir: Path, pid: int) -> None:
        """Let the kernel report that a process holds the gateway's lock."""
        lock = (state_dir / "lock").stat()
        device = f"{os.major(lock.st_dev):02x}:{os.minor(lock.st_dev):02x}"
        # Numbers of files on other disks are the same now and then; on a small one of memory often.
        other = f"1: FLOCK  ADVISORY  WRITE 1 fe:fe:{lock.st_ino} 0 EOF"
        self.write("proc/locks", f"{other}\n2: FLOCK  ADVISORY  WRITE {pid} {device}:{lock.st_ino} 0 EOF")
