"""A GPIO chip for a program under umockdev's preload library, with Linux's responses on its ioctl socket.

Linux hands out a new descriptor for the lines that are taken, which nobody can make in another process. So
the program opens some nodes of ours beforehand, tells their descriptors, and is given one of those. When it
closes it, or dies, its lines are free.
"""

import asyncio
import contextlib
import errno
import functools
import os
import shutil
import struct
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from simulators.links.umockdev_ioctl import PRELOAD, Caller, IoctlError, NodeSocket

SPARE_NODES = 8
CHIP_INFO, LINE_INFO, GET_LINES, GET_VALUES, SET_VALUES = (
    0x8044B401,
    0xC100B405,
    0xC250B407,
    0xC010B40E,
    0xC010B40F,
)
ACTIVE_LOW, OUTPUT = 1 << 1, 1 << 3
OUTPUT_VALUES = 2
_LINES_AT = 256 + 32 + 272
"""Offset of the number of lines in a request for lines, after offsets, consumer and configuration."""
_FD_AT = _LINES_AT + 28


@dataclass
class Taken:
    """Requested lines."""

    offsets: tuple[int, ...]
    output: bool
    active_low: bool


@dataclass
class GpioChip:
    """A chip with `lines` lines. Outputs go low on release, as on chips that do so."""

    lines: int = 16
    label: str = "pinctrl-test"
    levels: list[bool] = field(default_factory=list)
    log: list[tuple[int, bool]] = field(default_factory=list)
    """Every change of an output's level: line and level."""
    on_change: asyncio.Event = field(default_factory=asyncio.Event)
    spare: dict[int, Path] = field(default_factory=dict)
    """Descriptors in the program that may become lines, and the nodes that they are of."""
    gone: bool = False

    root: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="gpio-")))
    """Folder of the emulated /dev and /sys; removed at the end."""

    def __post_init__(self) -> None:
        self.levels = self.levels or [False] * self.lines
        self._taken: dict[str, Taken] = {}
        self._nodes = contextlib.AsyncExitStack()

    @property
    def environment(self) -> dict[str, str]:
        """Variables of the program's environment."""
        return {"UMOCKDEV_DIR": str(self.root), "LD_PRELOAD": PRELOAD}

    async def __aenter__(self) -> Self:
        for folder in ("sys/bus/gpio/devices", "sys/devices/gpiochip0", "sys/dev/char", "dev/.node"):
            (self.root / folder).mkdir(parents=True)
        (self.root / "sys/devices/gpiochip0/subsystem").symlink_to("../../bus/gpio")
        (self.root / "sys/devices/gpiochip0/uevent").write_text("DEVNAME=gpiochip0\nMAJOR=254\nMINOR=0\n")
        (self.root / "sys/devices/gpiochip0/dev").write_text("254:0\n")
        (self.root / "sys/bus/gpio/devices/gpiochip0").symlink_to("../../../devices/gpiochip0")
        (self.root / "sys/dev/char/254:0").symlink_to("../../devices/gpiochip0")
        await self._node("gpiochip0", 0, self._chip)
        for n in range(SPARE_NODES):
            await self._node(f"gpiolines{n}", n + 1, self._held)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._nodes.aclose()
        shutil.rmtree(self.root)

    async def until(self, true: Callable[[], object], within_s: float = 60.0) -> None:
        """Wait for a change that makes this true; raises TimeoutError after that time."""
        async with asyncio.timeout(within_s):
            while not true():
                self.on_change.clear()
                await self.on_change.wait()

    # Nodes and their sockets.

    async def _node(self, name: str, minor: int, answer: "Answering") -> None:
        (self.root / "dev" / name).write_bytes(b"")
        (self.root / "dev/.node" / name).symlink_to(f"254:{minor}")

        async def answered(caller: Caller, request: int, argument: int) -> None:
            if self.gone:
                raise IoctlError(errno.ENODEV)
            await answer(name, caller, request, argument)

        path = self.root / "ioctl/dev" / name
        closed = functools.partial(self._give_back, name)
        await self._nodes.enter_async_context(NodeSocket(path, answered, closed))

    async def _chip(self, _name: str, caller: "Caller", request: int, argument: int) -> None:
        match request:
            case int(value) if value == CHIP_INFO:
                info = struct.pack("32s32sI", b"gpiochip0", self.label.encode(), self.lines)
                caller.write(argument, info)
            case int(value) if value == LINE_INFO:
                info = await caller.read(argument, 256)
                (offset,) = struct.unpack_from("I", info, 64)
                if offset >= self.lines:
                    raise IoctlError(errno.EINVAL)
                caller.write(argument, info)
            case int(value) if value == GET_LINES:
                caller.write(argument + _FD_AT, struct.pack("i", await self._take(caller, argument)))
            case _:
                raise IoctlError(errno.ENOTTY)

    async def _take(self, caller: "Caller", argument: int) -> int:
        asked = await caller.read(argument, _FD_AT + 4)
        (count,) = struct.unpack_from("I", asked, _LINES_AT)
        offsets = struct.unpack_from(f"{count}I", asked)
        flags, attributes = struct.unpack_from("QI", asked, 288)
        values = 0
        for n in range(attributes):
            kind, _, value, _ = struct.unpack_from("IIQQ", asked, 288 + 32 + 24 * n)
            if kind == OUTPUT_VALUES:
                values = value
        if any(offset >= self.lines for offset in offsets):
            raise IoctlError(errno.EINVAL)
        if any(offset in taken.offsets for taken in self._taken.values() for offset in offsets):
            raise IoctlError(errno.EBUSY)
        descriptor, node = self.spare.popitem()
        taken = Taken(offsets, bool(flags & OUTPUT), bool(flags & ACTIVE_LOW))
        self._taken[node.name] = taken
        if taken.output:
            self._put_out(taken, values, 2**count - 1)
        return descriptor

    async def _held(self, name: str, caller: "Caller", request: int, argument: int) -> None:
        taken = self._taken[name]
        bits, mask = struct.unpack("QQ", await caller.read(argument, 16))
        if request == SET_VALUES:
            self._put_out(taken, bits, mask)
        elif request == GET_VALUES:
            active = [self.levels[offset] != taken.active_low for offset in taken.offsets]
            caller.write(
                argument, struct.pack("QQ", sum(on << n for n, on in enumerate(active)) & mask, mask)
            )
        else:
            raise IoctlError(errno.ENOTTY)

    def _put_out(self, taken: Taken, bits: int, mask: int) -> None:
        for n, offset in enumerate(taken.offsets):
            if mask >> n & 1:
                self._set(offset, bool(bits >> n & 1) != taken.active_low)

    def _give_back(self, name: str, _caller: Caller) -> None:
        taken = self._taken.pop(name, None)
        if taken is not None and taken.output:
            for offset in taken.offsets:
                self._set(offset, taken.active_low)

    def _set(self, offset: int, level: bool) -> None:
        if self.levels[offset] != level:
            self.levels[offset] = level
            self.log.append((offset, level))
        self.on_change.set()


Answering = Callable[[str, Caller, int, int], Awaitable[None]]


def spare_descriptors() -> dict[int, str]:
    """Open nodes that may become lines, in the program; return them by descriptor."""
    return {os.open(f"/dev/gpiolines{n}", os.O_RDWR): f"gpiolines{n}" for n in range(SPARE_NODES)}
