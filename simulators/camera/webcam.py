"""A webcam as a program sees it through Video4Linux: under umockdev's preload, with `environment`.

Its node is a plain file, which the program maps as it maps a real camera's buffers. Plugging and unplugging
reach it as files that appear and vanish, and ENODEV.
"""

import asyncio
import os
import shutil
import tempfile
import time
from collections import deque
from pathlib import Path
from typing import Literal, Self

import numpy as np
from PIL import Image, ImageEnhance

from simulators.camera.faults import CameraFault, Flagged, Garbage, Stall, TruncatedPicture, WaitingFaults
from simulators.camera.scene import View
from simulators.camera.sensor import Exposure, Sensor
from simulators.camera.v4l2 import FLAG_ERROR, FLAG_MONOTONIC, FLAG_START, VideoNode
from simulators.links.umockdev_ioctl import PRELOAD, NodeSocket

MAJOR = 81
SOCKET = "1-4"
CONTROLLER = "devices/pci0000:00/0000:00:14.0/usb1"
Clock = Literal["start", "end", "none"]


class Webcam(VideoNode):
    """One webcam at `/dev/video0`, with a second node without pictures. An async context manager."""

    def __init__(
        self,
        formats: dict[str, tuple[tuple[int, int], ...]] | None = None,
        *,
        frames_per_s: float = 30,
        clock: Clock = "start",
        serial_number: str = "A1B2C3",
    ) -> None:
        """Create the webcam. `clock`: pictures have the time of their start, of their end, or none."""
        # Not in a directory with a long path: the names of its sockets have at most 107 bytes.
        self.root = Path(tempfile.mkdtemp(prefix="cam-"))
        super().__init__("Simulated webcam", formats or {"MJPG": ((640, 360),)}, self.root / "dev/video0")
        self.per_frame = (1, round(frames_per_s))
        self.serial_number = serial_number
        self.clock = clock
        self.settling_s = 0.0
        """Time after the start of its stream until its exposure is right, in seconds."""
        self.started_s = 0.0
        """Time of the last start, by the monotonic clock."""
        self.sensor = Sensor(View())
        self.waiting = WaitingFaults()
        self.delivered_frames: deque[bytes] = deque(maxlen=1000)
        """Data put into buffers."""
        sockets = self.root / "ioctl/dev"
        self._nodes = (
            NodeSocket(sockets / "video0", self.handle_ioctl, self.on_closed),
            NodeSocket(sockets / "video1", self.handle_extra_ioctl, lambda _: None),
        )
        self._streaming: asyncio.Task[None] | None = None
        self._sequence = 0

    @property
    def environment(self) -> dict[str, str]:
        """Environment variables of a program that is to see this camera and no other."""
        return {"UMOCKDEV_DIR": str(self.root), "LD_PRELOAD": PRELOAD}

    async def __aenter__(self) -> Self:
        for folder in ("sys/bus/usb/devices", "sys/class/video4linux", "sys/dev/char", "dev/.node"):
            (self.root / folder).mkdir(parents=True)
        for node in self._nodes:
            await node.__aenter__()
        self.plug()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.streams(on=False)
        for node in self._nodes:
            await node.__aexit__()
        shutil.rmtree(self.root)

    # The cable.

    def plug(self) -> None:
        """Plug in its cable."""
        self.is_unplugged = False
        device = self.root / "sys" / CONTROLLER / SOCKET
        attributes = {
            "idVendor": "046d",
            "idProduct": "0825",
            "busnum": "1",
            "devnum": "4",
            "manufacturer": "Simulators",
            "product": self.name,
            "serial": self.serial_number,
        }
        for index in range(2):
            node = device / f"{SOCKET}:1.0/video4linux/video{index}"
            _write(node, {"index": str(index), "name": self.name, "dev": f"{MAJOR}:{index}"})
            (node / "uevent").write_text(f"MAJOR={MAJOR}\nMINOR={index}\nDEVNAME=video{index}\n")
            _link(self.root / f"sys/class/video4linux/video{index}", node)
            _link(self.root / f"sys/dev/char/{MAJOR}:{index}", node)
            _link(node / "subsystem", self.root / "sys/class/video4linux")
            (self.root / f"dev/video{index}").write_bytes(b"")
            (self.root / f"dev/.node/video{index}").symlink_to(f"{MAJOR}:{index}")
        _write(device, attributes)
        _link(self.root / "sys/bus/usb/devices" / SOCKET, device)

    def unplug(self) -> None:
        """Pull its cable: open files of it fail."""
        self.is_unplugged = True
        self.streams(on=False)
        (self.root / "sys/bus/usb/devices" / SOCKET).unlink()
        for index in range(2):
            for entry in (
                f"sys/class/video4linux/video{index}",
                f"sys/dev/char/{MAJOR}:{index}",
                f"dev/video{index}",
                f"dev/.node/video{index}",
            ):
                (self.root / entry).unlink()
        shutil.rmtree(self.root / "sys" / CONTROLLER / SOCKET)
        self.on_change.set()

    # Pictures.

    def inject_fault(self, fault: CameraFault) -> None:
        """Apply a fault to the next pictures."""
        self.waiting.add(fault)

    def streams(self, *, on: bool) -> None:
        """Start or stop taking pictures."""
        if self._streaming is not None:
            self._streaming.cancel()
            self._streaming = None
        if on:
            self.started_s = time.monotonic()
            self._streaming = asyncio.create_task(self._stream())

    async def _stream(self) -> None:
        loop = asyncio.get_running_loop()
        self.sensor.size = self.size
        due_s = loop.time()
        while True:
            due_s = max(due_s + self.per_frame[0] / self.per_frame[1], loop.time())
            await asyncio.sleep(due_s - loop.time())
            started_ns = time.monotonic_ns()
            data = await asyncio.to_thread(self._taken)
            self._deliver(data, started_ns)

    def _deliver(self, data: bytes, started_ns: int) -> None:
        met = self.waiting.take()
        self._sequence += 1
        if Stall in met:
            return
        flags = 0
        if Flagged in met:
            flags, data = FLAG_ERROR, data[: len(data) // 3]
        if Garbage in met:
            data = bytes(len(data))
        if (half := met.get(TruncatedPicture)) is not None:
            data = data[: int(len(data) * half.after)]
        at_ns = {"start": started_ns, "end": time.monotonic_ns(), "none": 0}[self.clock]
        flags |= 0 if self.clock == "none" else FLAG_MONOTONIC
        flags |= FLAG_START if self.clock == "start" else 0
        if self.fill(data, flags, self._sequence, at_ns):
            self.delivered_frames.append(data)

    def _taken(self) -> bytes:
        exposure = self.sensor.expose()
        since_s = time.monotonic() - self.started_s
        if since_s < self.settling_s:
            exposure = Exposure(
                ImageEnhance.Brightness(exposure.image).enhance(since_s / self.settling_s), exposure.stamp
            )
        return exposure.jpeg if self.format == "MJPG" else yuyv(exposure.image)


def yuyv(image: Image.Image) -> bytes:
    """Encode an image as webcams send it uncompressed.

    BT.601, luma 16 to 235, one chroma pair for two pixels.
    """
    full = np.asarray(image.convert("YCbCr"), dtype=np.float32)
    luma = 16 + full[:, :, 0] * 219 / 255
    colours = 128 + (full[:, :, 1:] - 128) * 224 / 255
    colours = (colours[:, 0::2] + colours[:, 1::2]) / 2
    packed = np.empty((*luma.shape, 2), np.uint8)
    packed[:, :, 0] = luma.round()
    packed[:, 0::2, 1] = colours[:, :, 0].round()
    packed[:, 1::2, 1] = colours[:, :, 1].round()
    return packed.tobytes()


def _write(folder: Path, attributes: dict[str, str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, value in attributes.items():
        (folder / name).write_text(f"{value}\n")


def _link(link: Path, to: Path) -> None:
    link.symlink_to(os.path.relpath(to, link.parent))
