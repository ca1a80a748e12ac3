"""Post under torture: the real daemon, two real brokers, ptys, a small disk, and a fake clock."""

import asyncio
import base64
import contextlib
import json
import os
import resource
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
from support.brokers.mosquitto import Mosquitto
from support.gateway.workers import PLUGINS
from support.patience import PATIENCE_S
from support.process.wall_clock import WallClock

from simulators.links.serial_line import SerialLine
from torture.schedule import LANES

ROOT = Path(__file__).parents[2]
SITE, GATEWAY = "uto-test", "gw-1"
TRAVELLER_EXPIRES_S = 8
DISK_BYTES = 16 << 20
HOST_FLUSHES_S = 10.0
"""Time limit for a host to flush a port that it has opened, in seconds; nothing is sent to it before."""
CONFIG = """
[gateway]
site = "{site}"
name = "{gateway}"
profile = "test"
state_dir = "{state_dir}"
[broker]
host = "127.0.0.1"
port = {local}
keepalive_s = {keepalive_s}
[hq]
host = "127.0.0.1"
port = {hq}
keepalive_s = 5
send_traveller = true
[delivery]
traveller_expires_s = {expires_s}
[encryption]
key_file = "{folder}/vault.key"
[supervision]
heartbeat_interval_s = 0.5
heartbeat_timeout_s = 5
backoff_first_s = 0.1
backoff_max_s = 1
"""
DEVICE = """
[device."{lane}"]
driver = "faulty"
port = "{port}"
{more}
"""


def boot_s() -> float:
    """Return seconds since boot, by the clock that is never set and that events carry as `monons`."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


@dataclass(slots=True)
class Disturbance:
    """A fault lasted from `start` to `end`, in seconds since boot."""

    kind: str
    start: float
    end: float = float("inf")
    lane: str = ""

    def touches(self, first: float, last: float) -> bool:
        return self.start <= last and self.end >= first


class Disk:
    """State directory of the gateway: a small tmpfs, or a plain directory where mounting is not permitted."""

    def __init__(self, place: Path, size: int = DISK_BYTES) -> None:
        self.place = place
        place.mkdir()
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={size},mode=700", "tmpfs", place],
            capture_output=True,
            check=False,
        )
        self.small = done.returncode == 0
        self.why_not = done.stderr.decode().strip()

    @property
    def _ballast(self) -> Path:
        return self.place / "ballast"

    def fill(self) -> None:
        """Fill it completely."""
        with self._ballast.open("ab", buffering=0) as file:
            for size in (1 << 20, 1 << 16, 1 << 12, 1):
                with contextlib.suppress(OSError):
                    while True:
                        file.write(b"x" * size)

    def free(self) -> None:
        self._ballast.unlink(missing_ok=True)

    def remount(self, how: str) -> subprocess.CompletedProcess[bytes]:
        """Remount it `ro` or `rw`; a tmpfs refuses `ro` while a file is open for writing."""
        return subprocess.run(["mount", "-o", f"remount,{how}", self.place], capture_output=True, check=False)

    def close(self) -> None:
        if self.small:
            subprocess.run(["umount", "-l", self.place], check=False)


class TcpProxy:
    """Network between the post and headquarters: can be cut, and can stall with data in transit."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._cut = False
        self.port = 0

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    def cut(self) -> None:
        """Reset every connection, and refuse new ones."""
        self._cut = True
        for writer in list(self._open):
            writer.transport.abort()

    def stall(self) -> None:
        """Keep connections, but hold back their data."""
        self._flowing.clear()

    def restore(self) -> None:
        self._cut = False
        self._flowing.set()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._cut:
            writer.transport.abort()
            return
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            writer.transport.abort()
            return
        self._open |= {writer, far_writer}
        tasks = [
            asyncio.create_task(self._carry(reader, far_writer)),
            asyncio.create_task(self._carry(far_reader, writer)),
        ]
        self._tasks.update(tasks)
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._tasks.difference_update(tasks)
        for end in (writer, far_writer):
            self._open.discard(end)
            end.transport.abort()

    async def _carry(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(65_536):
                await self._flowing.wait()
                sink.write(data)
                await sink.drain()

    async def close(self) -> None:
        self.restore()
        self.cut()
        if self._server is not None:
            self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.sleep(0.05)


def reader_line(path: Path) -> SerialLine:
    """Return the line of a reader, on which no line is sent before the host has flushed its port.

    Every host here flushes (pyserial does as it opens a port). On a busy machine that may be long after the
    port was opened, and what was sent in between would be lost in the kernel.
    """
    return SerialLine.open_at(path, settle_s=HOST_FLUSHES_S, look_s=0.005)


@dataclass
class TorturedPost:
    """The post: gateway, brokers, devices, disk and clock."""

    folder: Path
    faked_clock: bool = True
    lanes: tuple[str, ...] = LANES
    disturbances: list[Disturbance] = field(default_factory=list)
    log: list[tuple[float, dict[str, Any]]] = field(default_factory=list)
    starts: list[tuple[float, float]] = field(default_factory=list)
    """Start times of the daemon, and seconds until it was ready."""
    ended_alone: list[str] = field(default_factory=list)
    keepalive_s: int = 5
    settings: dict[str, str] = field(default_factory=dict)

    async def open(self) -> None:
        self.disk = Disk(self.folder / "disk")
        self.local = Mosquitto("max_queued_messages 0")
        kept = self.folder / "hq"
        kept.mkdir()
        self.hq = Mosquitto("persistence true", f"persistence_location {kept}/", "max_queued_messages 0")
        self.local.start()
        self.hq.start()
        self.way = TcpProxy(self.hq.port)
        await self.way.start()
        key = self.folder / "vault.key"
        key.write_bytes(base64.b64encode(os.urandom(32)))
        key.chmod(0o600)
        self._clock = WallClock(self.folder / "clock")
        self.wires = {lane: reader_line(self._port(lane)) for lane in self.lanes}
        for wire in self.wires.values():
            wire.replug()
        self.process: asyncio.subprocess.Process | None = None
        self._asked = False
        self._started = 0
        self._listening: set[asyncio.Task[None]] = set()
        self._log_file = (self.folder / "gateway.log").open("ab")
        self.write()

    async def close(self) -> None:
        if self.process is not None and self.process.returncode is None:
            self._asked = True
            self.process.kill()
            await self.process.wait()
        for wire in self.wires.values():
            await wire.close()
        await asyncio.wait_for(asyncio.gather(*self._listening, return_exceptions=True), PATIENCE_S)
        await self.way.close()
        self.local.close()
        self.hq.close()
        self.disk.close()
        self._log_file.close()

    def _port(self, lane: str) -> Path:
        # In a folder of its own, which workers may read: rules for neighbours of the state directory would
        # keep a file that filled the disk until the workers end, though it was deleted (Landlock).
        return self.folder / "ports" / lane.replace("/", "-")

    @property
    def config(self) -> Path:
        return self.folder / "post.toml"

    @property
    def state_dir(self) -> Path:
        return self.disk.place / "state"

    @property
    def outbox(self) -> Path:
        return self.state_dir / "outbox"

    def write(self) -> None:
        """Write the valid configuration."""
        text = CONFIG.format(
            site=SITE,
            gateway=GATEWAY,
            state_dir=self.state_dir,
            folder=self.folder,
            local=self.local.port,
            hq=self.way.port,
            keepalive_s=self.keepalive_s,
            expires_s=TRAVELLER_EXPIRES_S,
        )
        for lane in self.lanes:
            text += DEVICE.format(lane=lane, port=self._port(lane), more=self.settings.get(lane, ""))
        fresh = self.config.with_suffix(".new")  # a gateway that starts meanwhile reads the complete file
        fresh.write_text(text)
        fresh.replace(self.config)

    def set_clock(self, offset_s: float) -> None:
        """Set the wall clock of the gateway and its workers; the boot clock is not changed."""
        self._clock.set(f"{offset_s:+.0f}")

    # The daemon

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.returncode is None

    @property
    def is_ready(self) -> bool:
        """True if it runs and is ready: it has read its configuration."""
        return self.process is not None and self.running and self.process.pid == self._started

    async def start(self) -> None:
        """Start the daemon; does not wait until it is ready."""
        env = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{PLUGINS}"}
        if self.faked_clock:
            env |= self._clock.environment()
        self._asked = False
        began = boot_s()
        self.process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "gateway", str(self.config)),
            env=env,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            # A pipe, like the journal's: a log file would be subject to the same size limits as the outbox.
            stderr=asyncio.subprocess.PIPE,
        )
        for watcher in (self._listen(self.process, began), self._mourn(self.process)):
            task = asyncio.create_task(watcher)
            self._listening.add(task)
            task.add_done_callback(self._listening.discard)

    async def _listen(self, process: asyncio.subprocess.Process, began: float) -> None:
        assert process.stderr is not None
        while True:
            try:
                line = await process.stderr.readline()
            except ValueError:  # longer than the maximum line
                continue
            if not line:
                return
            self._log_file.write(f"{boot_s():.3f} ".encode() + line)
            self._log_file.flush()
            try:
                entry = json.loads(line)
            except ValueError:
                entry = {"event": "raw", "text": line.decode("utf-8", "replace")}
            self.log.append((boot_s(), entry))
            if entry.get("event") == "gateway_started":
                self._started = process.pid
                self.starts.append((began, boot_s() - began))

    async def _mourn(self, process: asyncio.subprocess.Process) -> None:
        code = await process.wait()
        if not self._asked:
            self.ended_alone.append(f"exit code {code} at {boot_s():.1f}")
            await asyncio.sleep(0.5)
            if not self._asked:  # like the service manager
                await self.start()

    async def end(self, number: int) -> int:
        """Send a signal and wait for the end; return the exit code."""
        process = self.process
        assert process is not None
        self._asked = True
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(number)
        try:
            return await asyncio.wait_for(process.wait(), 15)
        except TimeoutError:
            self.ended_alone.append("SIGTERM did not end it within 15 s")
            process.kill()
            return await process.wait()

    async def ready(self, within_s: float = 30) -> None:
        """Wait until the daemon that was started last is ready; it may be ready already."""
        async with asyncio.timeout(within_s):
            while not self.is_ready:
                await asyncio.sleep(0.01)

    def processes(self) -> dict[str, psutil.Process]:
        """Return the daemon's processes: `daemon`, `forkserver`, and workers by lane."""
        found: dict[str, psutil.Process] = {}
        if not self.running:
            return found
        assert self.process is not None
        with contextlib.suppress(psutil.Error):
            daemon = psutil.Process(self.process.pid)
            found["daemon"] = daemon
            for child in daemon.children(recursive=True):
                with contextlib.suppress(psutil.Error):
                    name = child.name()
                    if any(name == lane[-15:] for lane in self.lanes):
                        found[name] = child
                    elif (
                        name == "forkserver" or "gateway.supervision.processes.forkserver" in child.cmdline()
                    ):
                        found["forkserver"] = child
        return found

    def forbid_growth(self, limit: int | None) -> None:
        """Make the daemon's writes beyond `limit` bytes of any file fail (EFBIG); None: no longer."""
        if not self.running:
            return
        assert self.process is not None
        with contextlib.suppress(ProcessLookupError):
            pid = self.process.pid
            _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (hard if limit is None else limit, hard))

    def reload(self) -> None:
        """Send SIGHUP; like the service manager, only once it is ready."""
        if self.process is not None and self.is_ready:
            with contextlib.suppress(ProcessLookupError):
                self.process.send_signal(signal.SIGHUP)

    @contextlib.contextmanager
    def wrong(self, kind: str, lane: str = "") -> Any:
        """Record a fault while this context lasts."""
        disturbance = Disturbance(kind, boot_s(), lane=lane)
        self.disturbances.append(disturbance)
        try:
            yield disturbance
        finally:
            disturbance.end = boot_s()


@contextlib.asynccontextmanager
async def post_in(folder: Path, **more: Any) -> Any:
    """Return a post that is not started yet, in its own directory.

    Afterwards `gateway.log` there has what the gateway and its workers logged, with the time since boot.
    """
    post = TorturedPost(folder, **more)
    await post.open()
    try:
        yield post
    finally:
        await post.close()
