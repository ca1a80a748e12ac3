"""Carries out the schedule's faults, sends the devices' lines, and records the outbox's contents."""

import asyncio
import contextlib
import os
import shutil
import signal
import sqlite3
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import psutil

from gateway.delivery.outbox import admin as inspect
from gateway.delivery.outbox.database import DATABASE_FILE, OutboxUnusable
from torture.post import TorturedPost, boot_s
from torture.schedule import JUMPS_S, Fault

RATE_PER_S = 40.0
"""Rate of all devices together."""
TRAVELLERS, PICTURES = 0.25, 0.02


@dataclass(frozen=True, slots=True)
class SentEvent:
    """One line that was sent to a device's host."""

    number: int
    at: float
    lane: str
    kind: str


@dataclass(slots=True)
class Snapshot:
    """Contents of the outbox at a moment without a running gateway."""

    at: float
    heads: dict[tuple[str, str], int] = field(default_factory=dict)
    waiting: dict[tuple[str, str, int], str] = field(default_factory=dict)
    epoch: str = ""
    parked: int = 0
    corrupted: str = ""
    """Damage done to it afterwards, if any."""
    unreadable: str = ""


def snapshot(outbox: Path) -> Snapshot:
    """Read a copy; the file itself stays as the kill left it."""
    found = Snapshot(boot_s())
    with tempfile.TemporaryDirectory(prefix="torture-copy-") as copy:
        for name in (DATABASE_FILE, f"{DATABASE_FILE}-wal"):
            with contextlib.suppress(FileNotFoundError):
                shutil.copy2(outbox / name, copy)
        try:
            for count in inspect.stream_summaries(Path(copy)):
                key = count.epoch, count.stream
                found.heads[key] = max(found.heads.get(key, 0), count.last)
            for event in inspect.list_events(Path(copy)):
                found.waiting[event.epoch, event.stream, event.seq] = event.id
            found.parked = sum(1 for _ in inspect.list_parked(Path(copy)))
            connection = sqlite3.connect(Path(copy) / DATABASE_FILE)
            with contextlib.closing(connection):
                (found.epoch,) = connection.execute("SELECT value FROM meta WHERE name='epoch'").fetchone()
        except (sqlite3.Error, OutboxUnusable, TypeError) as error:
            found.unreadable = f"{type(error).__name__}: {error}"
    return found


def damage(outbox: Path, chance: Random) -> str:
    """Damage the end of the database or of its WAL; return a description, or None if there was nothing."""
    wal, database = outbox / f"{DATABASE_FILE}-wal", outbox / DATABASE_FILE
    path = wal if wal.exists() and wal.stat().st_size > 64 and chance.random() < 0.75 else database
    if not path.exists() or path.stat().st_size < 64:
        return ""
    size = path.stat().st_size
    tail = min(size - 1, 12_000)
    if chance.random() < 0.5:
        cut = chance.randint(1, tail)
        os.truncate(path, size - cut)
        return f"{path.name}: the last {cut} of {size} bytes cut off"
    with path.open("r+b") as file:
        at = size - chance.randint(1, tail)
        length = min(chance.choice((1, 16, 600)), size - at)
        file.seek(at)
        file.write(chance.randbytes(length))
    return f"{path.name}: {length} bytes overwritten at {at} of {size}"


class EventSource:
    """Devices that send numbered records, travellers and sometimes an image, on every lane."""

    def __init__(
        self, post: TorturedPost, seed: int, per_s: float = RATE_PER_S, *, travellers: float = TRAVELLERS
    ) -> None:
        self.given: list[SentEvent] = []
        self.not_taken = 0
        self._post = post
        self._chance = Random(f"{seed}/speaker")
        self._per_s = per_s
        self._travellers = travellers
        self._number = 0
        self._silent = False

    def stop(self) -> None:
        self._silent = True

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            for lane in self._post.lanes:
                tasks.create_task(self._speak(lane))

    async def _speak(self, lane: str) -> None:
        wire = self._post.wires[lane]
        mean_s = len(self._post.lanes) / self._per_s
        loop = asyncio.get_running_loop()
        due = loop.time()
        while not self._silent:
            due = max(due + self._chance.uniform(0.5, 1.5) * mean_s, loop.time())
            await asyncio.sleep(due - loop.time())
            draw = self._chance.random()
            self._number += 1
            number = self._number
            if draw < self._travellers:
                kind, line = "traveller", f"traveller {number}\n"
            elif draw < self._travellers + PICTURES:
                kind, line = "record", f"picture {number} {self._chance.choice((4_000, 80_000))}\n"
            else:
                kind, line = "record", f"say {number}\n"
            if await wire.send(line.encode()):
                self.given.append(SentEvent(number, boot_s(), lane, kind))
            else:
                self.not_taken += 1


class FaultInjector:
    """Carries out the faults; those of different parts run at the same time."""

    def __init__(self, post: TorturedPost, seed: int) -> None:
        self.post = post
        self.done: Counter[str] = Counter()
        self.skipped: Counter[str] = Counter()
        self.snapshots: list[Snapshot] = []
        self.exits: Counter[int] = Counter()
        self._chance = Random(f"{seed}/damage")
        self._gateway, self._local, self._hq, self._disk = (asyncio.Lock() for _ in range(4))
        self._config, self._clock = asyncio.Lock(), asyncio.Lock()
        self._jumped_s = 0.0

    async def run(self, faults: list[Fault]) -> None:
        """Carry out all faults, each at its time; return when the last has ended."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        async with asyncio.TaskGroup() as tasks:
            for fault in faults:
                await asyncio.sleep(max(0.0, began + fault.at_s - loop.time()))
                tasks.create_task(self._do(fault))

    async def restore(self) -> None:
        """Repair everything."""
        post = self.post
        post.set_clock(0)
        post.way.restore()
        await asyncio.to_thread(post.disk.free)
        post.forbid_growth(None)
        for broker in (post.local, post.hq):
            if not broker.running:
                await asyncio.to_thread(broker.start)
        for wire in post.wires.values():
            wire.replug()
        post.write()
        if not post.running:
            await post.start()
        else:
            post.reload()

    async def _do(self, fault: Fault) -> None:
        match fault.kind.split("-"):
            case ["kill", "gateway"]:
                done = await self._restart(signal.SIGKILL, fault)
            case ["stop", "gateway"]:
                done = await self._restart(signal.SIGTERM, fault)
            case ["corrupt"]:
                done = await self._restart(signal.SIGKILL, fault)
            case ["kill", "worker"]:
                done = self._kill(fault.lane)
            case ["kill", "forkserver"]:
                done = self._kill("forkserver")
            case ["kill", "local"]:
                done = await self._kill_local(fault)
            case [("local" | "hq" | "both"), _]:
                done = await self._outage(fault)
            case ["disk", what]:
                done = await self._spoil_disk(what, fault)
            case ["clock"]:
                done = await self._jump(fault)
            case ["unplug"]:
                done = await self._unplug(fault)
            case _:
                done = await self._reload(fault)
        (self.done if done else self.skipped)[fault.kind] += 1

    # The gateway and its processes

    async def _restart(self, number: int, fault: Fault) -> bool:
        async with self._gateway:
            post = self.post
            if not post.running:
                return False
            with post.wrong("corrupt" if fault.kind == "corrupt" else "gateway"):
                was_ready = post.is_ready
                code = await post.end(number)
                # Before it handles the signal it has opened nothing, and the signal ends it by default. The
                # service manager counts that as a clean end too.
                if number == signal.SIGTERM and (was_ready or code != -signal.SIGTERM):
                    self.exits[code] += 1
                found = await asyncio.to_thread(snapshot, post.outbox)
                if fault.kind == "corrupt":
                    found.corrupted = await asyncio.to_thread(damage, post.outbox, self._chance)
                self.snapshots.append(found)
                await asyncio.sleep(fault.draw**3)
                await post.start()
                with contextlib.suppress(TimeoutError):
                    await post.ready(1 + 14 * (fault.draw < 0.7))
            if fault.kind == "corrupt":  # else the small disk is soon full
                for path in post.outbox.glob("*outbox_corrupt-*"):
                    if path.is_dir():
                        shutil.rmtree(path, ignore_errors=True)
                    else:
                        path.unlink(missing_ok=True)
            return True

    def _kill(self, name: str) -> bool:
        process = self.post.processes().get(name[-15:])
        if process is None:
            return False
        kind = "forkserver" if name == "forkserver" else "worker"
        with self.post.wrong(kind, name), contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
            return True
        return False

    # Brokers and the network

    async def _kill_local(self, fault: Fault) -> bool:
        if self._local.locked():
            return False
        async with self._local:
            with self.post.wrong("local-killed"):
                await asyncio.to_thread(self.post.local.kill)
                await asyncio.sleep(fault.draw)
                await asyncio.to_thread(self.post.local.start)
        return True

    async def _outage(self, fault: Fault) -> bool:
        post = self.post
        where, how = fault.kind.split("-")
        async with contextlib.AsyncExitStack() as held:
            if where in ("local", "both"):
                await held.enter_async_context(self._local)
                held.enter_context(post.wrong(f"local-{'killed' if how == 'down' else how}"))
            if where in ("hq", "both"):
                await held.enter_async_context(self._hq)
                held.enter_context(post.wrong(f"hq-{how}"))
            brokers = {"local": [post.local], "hq": [post.hq], "both": [post.local, post.hq]}[where]
            match how:
                case "down":
                    for broker in brokers:
                        await asyncio.to_thread(broker.stop)
                    await asyncio.sleep(fault.lasts_s)
                    for broker in brokers:
                        await asyncio.to_thread(broker.start)
                case "frozen":
                    brokers[0].pause()
                    await asyncio.sleep(fault.lasts_s)
                    brokers[0].resume()
                case "cut":
                    post.way.cut()
                    await asyncio.sleep(fault.lasts_s)
                    post.way.restore()
                case "stalled":
                    post.way.stall()
                    await asyncio.sleep(fault.lasts_s)
                    post.way.restore()
        return True

    # Disk, clock, cable, file

    async def _spoil_disk(self, what: str, fault: Fault) -> bool:
        post = self.post
        if self._disk.locked() or (what == "full" and not post.disk.small):
            return False
        async with self._disk:
            with post.wrong("disk"):
                if what == "full":
                    await asyncio.to_thread(post.disk.fill)
                else:
                    post.forbid_growth(int(fault.draw * 65_536))
                await asyncio.sleep(fault.lasts_s)
                if what == "full":
                    await asyncio.to_thread(post.disk.free)
                else:
                    post.forbid_growth(None)
                await asyncio.sleep(1.2)  # it is retried once a second
        return True

    async def _jump(self, fault: Fault) -> bool:
        async with self._clock:
            self._jumped_s = 0.0 if fault.draw < 0.2 else JUMPS_S[int(fault.draw * 97) % len(JUMPS_S)]
            self.post.set_clock(self._jumped_s)
        return True

    async def _unplug(self, fault: Fault) -> bool:
        wire = self.post.wires[fault.lane]
        if not wire.is_plugged:
            return False
        with self.post.wrong("unplugged", fault.lane):
            wire.unplug()
            await asyncio.sleep(fault.lasts_s)
            wire.replug()
        return True

    async def _reload(self, fault: Fault) -> bool:
        post = self.post
        async with self._config:
            match fault.kind:
                case "reload-broken":
                    # A gateway that starts meanwhile would find the invalid file, and correctly not start.
                    async with self._gateway:
                        if not post.is_ready:
                            return False
                        post.config.write_text("[gateway\n")
                        post.reload()
                        await asyncio.sleep(1)
                        post.write()
                        post.reload()
                    return True
                case "reload-device":
                    post.settings[fault.lane] = "" if post.settings.get(fault.lane) else "baud = 19200"
                case "reload-brokers":
                    post.keepalive_s = 11 - post.keepalive_s
            with post.wrong(fault.kind, fault.lane if fault.kind == "reload-device" else ""):
                post.write()
                post.reload()
                await asyncio.sleep(3)
        return True
