"""Several processes in one: event loops that run one after another in virtual time, over real descriptors.

Each unit stands for one operating system process: it has its own event loop, may be frozen (SIGSTOP), slowed
down (a busy machine), or killed. Bytes travel through the kernel (pseudo-terminals, loopback sockets); only
the clock is virtual. It advances when all units wait, no descriptor is ready, and no byte is on its way, so
the load of the machine changes no measured time.

A killed unit runs no further line of code: its descriptors are replaced by /dev/null, which closes the
kernel's end of them as the death of a process does.
"""

import asyncio
import contextlib
import ctypes
import os
import selectors
import socket
import struct
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor
from typing import Any

START_S = 1000.0
_LIBC = ctypes.CDLL(None)
_TCP_BYTES = struct.Struct("=128xQ8xI52xQQ")
GRACE_S = 0.001
"""Real time between two looks for bytes on their way through loopback TCP, in seconds."""
GRACE_LOOKS = 30
NEVER = float("inf")


class StuckError(Exception):
    """All units wait for events that cannot come."""


class _Selector(selectors.SelectSelector):
    """Selector that does not wait: it notes the deadline and ends this step of its loop."""

    loop: "UnitLoop"

    def __init__(self, world: "World") -> None:
        super().__init__()
        self.world = world
        self.deadline_s = NEVER
        self.own: set[int] = set()
        self.held = False
        """True: bytes of data descriptors stay in the kernel."""
        self.dead = False
        """True: the descriptors lead nowhere, and are ready for ever."""

    def ready(self) -> list[Any]:
        if self.dead:
            return []
        found = super().select(0)
        return [one for one in found if one[0].fd in self.own] if self.held else found

    def select(self, timeout: float | None = None) -> Any:
        ready = self.ready()
        if ready or timeout == 0:
            return ready
        self.deadline_s = NEVER if timeout is None else self.world.now_s + max(0.0, timeout)
        self.loop.stop()
        return []


class UnitLoop(asyncio.SelectorEventLoop):
    """Event loop in the world's time."""

    def __init__(self, world: "World") -> None:
        self.world = world
        self.waiter = _Selector(world)
        self.waiter.loop = self
        super().__init__(self.waiter)
        self.waiter.own = {key.fd for key in self.waiter.get_map().values()}

    def time(self) -> float:
        return self.world.now_s

    def run_in_executor(self, executor: Executor | None, func: Any, *args: Any) -> Any:
        """Run it at once: a thread would need real time."""
        done = self.create_future()
        try:
            done.set_result(func(*args))
        except BaseException as error:
            done.set_exception(error)
        return done


class Unit:
    """One process."""

    def __init__(self, world: "World", name: str) -> None:
        self.world = world
        self.name = name
        self.loop = UnitLoop(world)
        self.frozen_until_s = 0.0
        self.delay: Callable[[], float] | None = None
        """Time that the machine needs before this process runs, for each of its steps."""
        self.resume_s: float | None = None
        self.dead = False

    def step(self) -> None:
        """Run until it waits."""
        self.loop.waiter.deadline_s = NEVER
        self.resume_s = None
        self.loop.run_forever()

    def due_s(self) -> float:
        """Return when it runs next, as far as that is known now."""
        if self.dead:
            return NEVER
        wants_s = self.world.now_s if self.loop.waiter.ready() else self.loop.waiter.deadline_s
        if self.delay is not None and wants_s < NEVER:
            if wants_s <= self.world.now_s and self.resume_s is None:
                self.resume_s = self.world.now_s + self.delay()
            if self.resume_s is not None:
                wants_s = self.resume_s
        return max(wants_s, self.frozen_until_s)

    def spawn(self, coroutine: Coroutine[Any, Any, Any]) -> "asyncio.Task[Any]":
        """Start a task in it."""
        task = self.loop.create_task(coroutine)
        self.loop.waiter.deadline_s = self.world.now_s
        return task


class World:
    """Units and their common clock."""

    def __init__(self) -> None:
        self.now_s = START_S
        self.units: list[Unit] = []
        self._lost_bytes = 0
        """Bytes that were sent and will not arrive: their sockets are closed."""
        self.rig = self.unit("rig")

    def monotonic(self) -> float:
        """Return the time, in place of `time.monotonic`."""
        return self.now_s

    def unit(self, name: str) -> Unit:
        """Add a process."""
        unit = Unit(self, name)
        self.units.append(unit)
        return unit

    def kill(self, unit: Unit, descriptors: Callable[[], list[int]]) -> None:
        """Kill a process at this moment; `descriptors`: those that it holds."""
        unit.dead = unit.loop.waiter.dead = True
        null = os.open(os.devnull, os.O_RDWR)
        try:
            for descriptor in descriptors():
                os.dup2(null, descriptor)
        finally:
            os.close(null)

    def run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Run it in the rig's loop until it ends; return its result."""
        task = self.rig.spawn(coroutine)
        try:
            while not task.done():
                self._advance()
        finally:
            if not task.done():
                task.cancel()
        return task.result()

    def close(self) -> None:
        """End the tasks of dead units, whose descriptors lead nowhere, and close all loops."""
        for unit in self.units:
            unit.loop.set_exception_handler(lambda _loop, _context: None)
            for _ in range(20):
                if not (tasks := asyncio.all_tasks(unit.loop)):
                    break
                for task in tasks:
                    task.cancel()
                self._settle(unit)
            for transport in list(unit.loop._transports.values()):  # type: ignore[attr-defined]
                transport.abort()
            self._settle(unit)
            unit.loop.close()

    def _settle(self, unit: Unit) -> None:
        for _ in range(3):
            with contextlib.suppress(Exception):
                unit.step()
            self.now_s += 0.5

    def _advance(self) -> None:
        ran = False
        for unit in list(self.units):
            if unit.due_s() <= self.now_s:
                unit.step()
                ran = True
        if ran or self._bytes_arrive():
            return
        due_s = min(unit.due_s() for unit in self.units)
        if due_s == NEVER:
            raise StuckError(f"at {self.now_s} s all units wait for ever")
        self.now_s = max(self.now_s, due_s)

    def _bytes_arrive(self) -> bool:
        """Return True if bytes were on their way through the kernel, and have arrived now.

        A terminal delivers them at the next select(2) (n_tty_poll), a Unix socket at once, and loopback TCP
        as a rule at once: where it has not, wait for them in real time.
        """
        for _ in range(GRACE_LOOKS):
            on_the_way = self._tcp_bytes_on_the_way()
            if any(unit.due_s() <= self.now_s for unit in self.units):
                return True
            if on_the_way == self._lost_bytes:
                return False
            time.sleep(GRACE_S)
        self._lost_bytes = on_the_way
        return False

    def _tcp_bytes_on_the_way(self) -> int:
        """Return the number of bytes sent on all TCP sockets less the number received."""
        return sum(
            tcp_balance(descriptor)
            for unit in self.units
            if not unit.dead
            for descriptor in unit.loop.waiter.get_map()
        )


def open_descriptors() -> dict[int, str]:
    """Return the descriptors of this process, and where they lead."""
    found = {}
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208 - quick
        with contextlib.suppress(OSError):
            found[int(name)] = os.readlink(f"/proc/self/fd/{name}")  # noqa: PTH115
    return found


def tcp_balance(descriptor: int) -> int:
    """Return the number of bytes that a TCP socket has sent less those that have reached it; else 0.

    Layout: struct tcp_info of linux/tcp.h, with tcpi_bytes_received, tcpi_notsent_bytes, tcpi_bytes_sent and
    tcpi_bytes_retrans. Through the C library, because the socket objects belong to the code under test.
    """
    info = ctypes.create_string_buffer(_TCP_BYTES.size)
    size = ctypes.c_uint32(len(info))
    if _LIBC.getsockopt(descriptor, socket.IPPROTO_TCP, socket.TCP_INFO, info, ctypes.byref(size)):
        return 0
    received, not_sent, sent, again = _TCP_BYTES.unpack(info.raw)
    return int(sent - again + not_sent - received)


def is_lock(descriptor: int) -> bool:
    """Return whether it is a Unix socket with an abstract name of its own, such as a lock on a board."""
    with contextlib.suppress(OSError), socket.socket(fileno=os.dup(descriptor)) as held:
        return held.family == socket.AF_UNIX and isinstance(name := held.getsockname(), bytes) and bool(name)
    return False


def peer_port(descriptor: int) -> int | None:
    """Return the port that a TCP socket is connected to; None for others."""
    with contextlib.suppress(OSError), socket.socket(fileno=os.dup(descriptor)) as connection:
        if connection.family in (socket.AF_INET, socket.AF_INET6):
            return int(connection.getpeername()[1])
    return None
