"""Ioctls on a camera's node, answered in place of Linux: Video4Linux.

One capture stream with mapped buffers. Requests and structures, on 64 bits: Linux,
include/uapi/linux/videodev2.h; their meaning: `Documentation/userspace-api/media/v4l/`.
"""

import asyncio
import errno
import os
import struct
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path
from typing import TypeVar

from simulators.links.umockdev_ioctl import Caller, IoctlError


class Ioctl(IntEnum):
    """`VIDIOC_...`: the supported requests."""

    QUERYCAP = 0x80685600
    ENUM_FMT = 0xC0405602
    G_FMT = 0xC0D05604
    S_FMT = 0xC0D05605
    REQBUFS = 0xC0145608
    QUERYBUF = 0xC0585609
    QBUF = 0xC058560F
    DQBUF = 0xC0585611
    STREAMON = 0x40045612
    STREAMOFF = 0x40045613
    G_PARM = 0xC0CC5615
    S_PARM = 0xC0CC5616
    G_CTRL = 0xC008561B
    S_CTRL = 0xC008561C
    QUERYCTRL = 0xC0445624
    QUERYMENU = 0xC02C5625
    ENUM_FRAMESIZES = 0xC02C564A
    ENUM_FRAMEINTERVALS = 0xC034564B


CAPTURE, MAPPED, DISCRETE, PROGRESSIVE = 1, 1, 1, 1
CAN_CAPTURE, CAN_METADATA, CAN_STREAM, CAN_EACH = 0x1, 0x800000, 0x4000000, 0x80000000
FLAG_MAPPED, FLAG_QUEUED, FLAG_DONE, FLAG_ERROR = 0x1, 0x2, 0x4, 0x40
FLAG_MONOTONIC, FLAG_START = 0x2000, 0x10000
TIME_PER_FRAME = 0x1000
COLOURS_SRGB, COLOURS_JPEG = 8, 7
PAGE = os.sysconf("SC_PAGESIZE")
MOST_BUFFERS = 32
PATIENCE_S = 0.05
"""Delay of an empty dequeue. A plain file always polls as ready, so programs dequeue continuously."""
AUTO_EXPOSURE, EXPOSURE, FOCUS, AUTO_FOCUS = 0x9A0901, 0x9A0902, 0x9A090A, 0x9A090C
INTEGER, BOOLEAN, MENU = 1, 2, 3
MANUAL, APERTURE_PRIORITY = 1, 3

ItemT = TypeVar("ItemT")


@dataclass
class Control:
    """One control."""

    name: str
    kind: int
    least: int
    most: int
    step: int
    value: int
    choices: tuple[int, ...] = ()
    """Values of a menu."""


def usual_controls() -> dict[int, Control]:
    """Return the controls of usual webcams."""
    return {
        AUTO_EXPOSURE: Control(
            "Auto Exposure", MENU, 0, 3, 1, APERTURE_PRIORITY, (MANUAL, APERTURE_PRIORITY)
        ),
        EXPOSURE: Control("Exposure Time, Absolute", INTEGER, 3, 2047, 1, 250),
        FOCUS: Control("Focus, Absolute", INTEGER, 0, 250, 5, 0),
        AUTO_FOCUS: Control("Focus, Automatic Continuous", BOOLEAN, 0, 1, 1, 1),
    }


@dataclass
class FilledBuffer:
    """A picture in a buffer."""

    size: int
    flags: int
    sequence: int
    at_ns: int
    """Time by CLOCK_MONOTONIC, or 0."""


@dataclass
class Buffer:
    """One of a program's buffers."""

    queued: bool = False
    filled: FilledBuffer | None = None


@dataclass
class Stream:
    """State of the one program that streams."""

    owner: Caller
    size: int
    """Size of a buffer, in bytes."""
    buffers: list[Buffer]
    free: deque[int] = field(default_factory=deque)
    """Queued buffers in order."""
    full: deque[int] = field(default_factory=deque)
    on: bool = False

    @property
    def slot(self) -> int:
        """Distance of two buffers: whole pages."""
        return (self.size + PAGE - 1) // PAGE * PAGE


class VideoNode(ABC):
    """A camera's node. Subclasses provide the pictures."""

    def __init__(self, name: str, formats: dict[str, tuple[tuple[int, int], ...]], file: Path) -> None:
        """Create the node. `formats`: sizes by format. `file`: replaces the memory of buffers."""
        self.name = name
        self.formats = formats
        self.controls = usual_controls()
        self.format = next(iter(formats))
        self.size = formats[self.format][0]
        self.per_frame = (1, 30)
        """Seconds per frame, as a fraction."""
        self.file = file
        self.stream: Stream | None = None
        self.on_change = asyncio.Event()
        self.is_unplugged = False
        self.lost = 0
        """Number of pictures for which the program had no buffer."""
        self._dequeued_empty = False

    @abstractmethod
    def streams(self, *, on: bool) -> None:
        """Handle a program's start or end of streaming."""

    # Called by the camera.

    def fill(self, data: bytes, flags: int, sequence: int, at_ns: int) -> bool:
        """Give a picture to the program; return whether it had a buffer for it."""
        stream = self.stream
        if stream is None or not stream.on or not stream.free:
            self.lost += 1
            return False
        n = stream.free.popleft()
        with self.file.open("r+b") as file:
            file.seek(n * stream.slot)
            file.write(data[: stream.size])
        stream.buffers[n].filled = FilledBuffer(min(len(data), stream.size), flags, sequence, at_ns)
        stream.full.append(n)
        self.on_change.set()
        return True

    def on_closed(self, caller: Caller) -> None:
        """Handle a program's close of the node."""
        if self.stream is not None and self.stream.owner is caller:
            self._stop()
            self.stream = None

    def _stop(self) -> None:
        if self.stream is not None and self.stream.on:
            self.stream.on = False
            self.streams(on=False)

    # Requests of a program.

    async def handle_ioctl(self, caller: Caller, request: int, argument: int) -> None:
        """Answer one ioctl; raise IoctlError to fail it."""
        if self.is_unplugged:
            raise IoctlError(errno.ENODEV)
        match request:
            case Ioctl.QUERYCAP:
                caller.write(argument, self._capabilities(CAN_CAPTURE | CAN_STREAM))
            case Ioctl.ENUM_FMT:
                index, kind = struct.unpack("II", await caller.read(argument, 8))
                fourcc = _at(list(self.formats) if kind == CAPTURE else [], index)
                compressed = fourcc == "MJPG"
                described = (index, kind, compressed, fourcc.encode(), _code(fourcc))
                caller.write(argument, struct.pack("III32sI16x", *described))
            case Ioctl.ENUM_FRAMESIZES:
                index, code = struct.unpack("II", await caller.read(argument, 8))
                size = _at(self.formats.get(_fourcc(code), ()), index)
                caller.write(argument + 8, struct.pack("III", DISCRETE, *size))
            case Ioctl.ENUM_FRAMEINTERVALS:
                index, *_ = struct.unpack("IIII", await caller.read(argument, 16))
                caller.write(argument + 16, struct.pack("III", DISCRETE, *_at([(1, 30), (1, 15)], index)))
            case Ioctl.G_FMT:
                caller.write(argument + 8, self._pix())
            case Ioctl.S_FMT:
                width, height, code = struct.unpack("III", await caller.read(argument + 8, 12))
                self._set_format(_fourcc(code), (width, height))
                caller.write(argument + 8, self._pix())
            case Ioctl.G_PARM:
                caller.write(argument + 4, struct.pack("IIII", TIME_PER_FRAME, 0, *self.per_frame))
            case Ioctl.S_PARM:
                self._unused()
                seconds, frames = struct.unpack("II", await caller.read(argument + 12, 8))
                self.per_frame = (seconds, frames) if seconds and frames else self.per_frame
                caller.write(argument + 4, struct.pack("IIII", TIME_PER_FRAME, 0, *self.per_frame))
            case Ioctl.QUERYCTRL | Ioctl.QUERYMENU | Ioctl.G_CTRL | Ioctl.S_CTRL:
                await self._control(caller, request, argument)
            case _:
                await self._buffers(caller, request, argument)

    async def handle_extra_ioctl(self, caller: Caller, request: int, argument: int) -> None:
        """Answer one ioctl on the camera's second node, which has metadata; raise IoctlError to fail it."""
        if self.is_unplugged:
            raise IoctlError(errno.ENODEV)
        if request == Ioctl.ENUM_FMT:
            raise IoctlError(errno.EINVAL)  # no picture format
        if request != Ioctl.QUERYCAP:
            raise IoctlError(errno.ENOTTY)
        caller.write(argument, self._capabilities(CAN_METADATA | CAN_STREAM))

    def _capabilities(self, node: int) -> bytes:
        """Return identity, capabilities of all nodes, and capabilities of this one."""
        whole = CAN_CAPTURE | CAN_METADATA | CAN_STREAM | CAN_EACH
        fields = (b"uvcvideo", self.name.encode(), b"usb-0000:00:14.0-1", 0x060100, whole, node)
        return struct.pack("16s32s32sIII12x", *fields)

    def _pix(self) -> bytes:
        width, height = self.size
        packed = self.format == "YUYV"
        colours = COLOURS_SRGB if packed else COLOURS_JPEG
        line = 2 * width if packed else 0
        layout = (line, 2 * width * height, colours)
        return struct.pack("7I20x", width, height, _code(self.format), PROGRESSIVE, *layout)

    def _set_format(self, fourcc: str, size: tuple[int, int]) -> None:
        """Set the nearest supported format, as cameras do."""
        self._unused()
        self.format = fourcc if fourcc in self.formats else next(iter(self.formats))
        sizes = self.formats[self.format]
        self.size = size if size in sizes else sizes[0]

    def _unused(self) -> None:
        if self.stream is not None:
            raise IoctlError(errno.EBUSY)

    async def _control(self, caller: Caller, request: int, argument: int) -> None:
        number, second = struct.unpack("Ii", await caller.read(argument, 8))
        control = self.controls.get(number)
        if control is None:
            raise IoctlError(errno.EINVAL)
        match request:
            case Ioctl.QUERYCTRL:
                fields = (control.name.encode(), control.least, control.most, control.step, control.value, 0)
                caller.write(argument + 4, struct.pack("I32siiiiI8x", control.kind, *fields))
            case Ioctl.QUERYMENU:
                if second not in control.choices:
                    raise IoctlError(errno.EINVAL)
                caller.write(argument + 8, struct.pack("32s4x", f"Choice {second}".encode()))
            case Ioctl.G_CTRL:
                caller.write(argument + 4, struct.pack("i", control.value))
            case Ioctl.S_CTRL:
                if not control.least <= second <= control.most:
                    raise IoctlError(errno.ERANGE)
                control.value = second

    async def _buffers(self, caller: Caller, request: int, argument: int) -> None:
        match request:
            case Ioctl.REQBUFS:
                count, kind, memory = struct.unpack("III", await caller.read(argument, 12))
                if (kind, memory) != (CAPTURE, MAPPED):
                    raise IoctlError(errno.EINVAL)
                caller.write(argument, struct.pack("I", self._have(caller, min(count, MOST_BUFFERS))))
            case Ioctl.QUERYBUF:
                (n,) = struct.unpack("I", await caller.read(argument, 4))
                caller.write(argument, self._described(self._mine(caller), n))
            case Ioctl.QBUF:
                (n,) = struct.unpack("I", await caller.read(argument, 4))
                self._queue(self._mine(caller), n)
            case Ioctl.DQBUF:
                await self._dequeue(caller, argument)
            case Ioctl.STREAMON:
                stream = self._mine(caller)
                if not stream.on:
                    stream.on = True
                    self.streams(on=True)
            case Ioctl.STREAMOFF:
                stream = self._mine(caller)
                self._stop()
                stream.free.clear()
                stream.full.clear()
                stream.buffers = [Buffer() for _ in stream.buffers]
            case _:
                raise IoctlError(errno.ENOTTY)

    def _have(self, caller: Caller, count: int) -> int:
        if self.stream is not None and self.stream.owner is not caller:
            raise IoctlError(errno.EBUSY)
        self._stop()
        self.stream = None
        if count:
            width, height = self.size
            self.stream = Stream(caller, 2 * width * height, [Buffer() for _ in range(count)])
            with self.file.open("r+b") as file:
                file.truncate(count * self.stream.slot)
        return count

    def _mine(self, caller: Caller) -> Stream:
        if self.stream is None:
            raise IoctlError(errno.EINVAL)
        if self.stream.owner is not caller:
            raise IoctlError(errno.EBUSY)
        return self.stream

    def _queue(self, stream: Stream, n: int) -> None:
        if n >= len(stream.buffers) or stream.buffers[n].queued:
            raise IoctlError(errno.EINVAL)
        stream.buffers[n] = Buffer(queued=True)
        stream.free.append(n)

    async def _dequeue(self, caller: Caller, argument: int) -> None:
        stream = self._mine(caller)
        if not stream.full and self._dequeued_empty:
            self.on_change.clear()
            try:
                async with asyncio.timeout(PATIENCE_S):
                    await self.on_change.wait()
            except TimeoutError:
                pass
            if self.is_unplugged:
                raise IoctlError(errno.ENODEV)
        # A program that just got a buffer dequeues again; that fails at once.
        self._dequeued_empty = not stream.full
        if not stream.full:
            raise IoctlError(errno.EAGAIN)
        n = stream.full.popleft()
        described = self._described(stream, n)
        stream.buffers[n].queued = False
        caller.write(argument, described)

    def _described(self, stream: Stream, n: int) -> bytes:
        if n >= len(stream.buffers):
            raise IoctlError(errno.EINVAL)
        buffer = stream.buffers[n]
        filled = buffer.filled or FilledBuffer(0, 0, 0, 0)
        flags = FLAG_MAPPED | filled.flags
        if buffer.queued and buffer.filled is None:
            flags |= FLAG_QUEUED
        seconds, rest_ns = divmod(filled.at_ns, 10**9)
        head = struct.pack("IIIII4xqq", n, CAPTURE, filled.size, flags, PROGRESSIVE, seconds, rest_ns // 1000)
        return head + struct.pack(
            "16xIIQIIII", filled.sequence, MAPPED, n * stream.slot, stream.size, 0, 0, 0
        )


def _at(row: Sequence[ItemT], index: int) -> ItemT:
    """Return an item of an enumeration; fail beyond its end."""
    if index >= len(row):
        raise IoctlError(errno.EINVAL)
    return row[index]


def _code(fourcc: str) -> int:
    return int.from_bytes(fourcc.encode(), "little")


def _fourcc(code: int) -> str:
    return code.to_bytes(4, "little").decode("latin-1")
