"""One lane in virtual time: simulated machine and boards, and the real worker with its real driver and link.

The machine, the boards and the daemon's end of the worker's channel run in the rig's loop; the worker runs
in a unit of its own, which stands for its process. Everything between them is bytes: Modbus over loopback TCP
or a pseudo-terminal, text over a pseudo-terminal, frames over a socket pair.
"""

import asyncio
import contextlib
import itertools
import json
import os
import socket
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any
from unittest import mock

from adversary.barrier.judge.records import (
    Answer,
    Circuit,
    Command,
    Contact,
    Device,
    Event,
    Life,
    Record,
    RetainedState,
    Trouble,
    Truth,
    Wire,
)
from adversary.barrier.rig.gpio_site import GpioSite
from adversary.barrier.rig.posts import Post
from adversary.barrier.rig.processes import Unit, World, is_lock, open_descriptors, peer_port
from adversary.barrier.rig.sites import lane_sites

from drivers.registry import load_driver
from gateway.common import backoff
from gateway.common.clock import SystemTime
from gateway.ipc.frames import FrameConnection, FrameType
from gateway.supervision.worker_output import read_record_number
from gateway.worker import process, worker
from gateway.worker.jail.jail import JailSettings, confine
from gateway.worker.spec import WorkerSpec
from simulators.barrier import wirelog
from simulators.barrier.faults import fault_of
from simulators.barrier.modbus_site import ModbusSite
from simulators.barrier.site import BarrierSite
from simulators.barrier.timeline import RealClock
from simulators.errors import SimulatorError

_ARRIVED = {wirelog.FrameFate.RECEIVED, wirelog.FrameFate.SENT}


class VirtualTime(SystemTime):
    """Clocks of the virtual machine; the wall clock can be set."""

    world: World
    step_ns = 0

    def unix_ns(self) -> int:
        return 1_790_000_000_000_000_000 + self.boot_ns() + type(self).step_ns

    def boot_ns(self) -> int:
        return round(self.world.now_s * 1e9)


class Lane:
    """A lane and its records. `scratch`: folder for its serial ports. `seed`: of the worker's waits."""

    def __init__(
        self, post: Post, scratch: Path, log: Callable[[Record], None] | None = None, seed: int = 0
    ) -> None:
        self.post = post
        self.seed = seed
        self.scratch = scratch
        self.world = World()
        self.records: list[Record] = []
        self.life: Unit | None = None
        self.lives = 0
        self.device = "none"
        self.retained: dict[str, Any] | None = None
        self.answers: dict[str, Answer] = {}
        self._log = log
        self._numbers = itertools.count(1)
        self._commands: dict[int, str] = {}
        self._news = asyncio.Event()
        self._connection: FrameConnection | None = None
        self._theirs: socket.socket | None = None
        self._worker: asyncio.Task[Any] | None = None
        self.malformed: list[Exception] = []
        """Frames for which the daemon would end the worker."""
        self._record: str | None = None
        """Record of the position, as the daemon keeps it over its workers."""

    # The world.

    @property
    def now_s(self) -> float:
        return self.world.now_s

    def add(self, record: Record) -> None:
        """Record something."""
        self.records.append(record)
        if self._log is not None:
            self._log(record)
        self._news.set()

    def run(self, story: Callable[["Lane"], Any]) -> list[Record]:
        """Run a story in this lane, from start to end; return the records."""
        time = self._time = type("Time", (VirtualTime,), {"world": self.world})
        boot_ns = lambda: round(self.world.now_s * 1e9)  # noqa: E731
        clocks = contextlib.nullcontext()
        if self.post.board == "osdp":
            from adversary.barrier.rig.osdp_post import reader_clocks

            clocks = reader_clocks(self.world.monotonic)
        with (
            clocks,
            mock.patch("drivers.clock.boot_ns", boot_ns),
            mock.patch.object(worker, "SystemTime", time),
            mock.patch("time.monotonic", self.world.monotonic),
            mock.patch.object(backoff, "random", Random(self.seed)),
        ):
            try:
                self.world.run(self._run(story))
            finally:
                self.world.close()
        return self.records

    async def _run(self, story: Callable[["Lane"], Any]) -> None:
        async with self._sites() as (site, other):
            self.site, self.other = site, other
            self._watch_circuits()
            await story(self)
            await self.stop_worker()
            if self.malformed:
                raise self.malformed[0]

    @contextlib.asynccontextmanager
    async def _sites(self) -> AsyncIterator[tuple[BarrierSite, BarrierSite | None]]:
        async with lane_sites(self.post, self.scratch, RealClock(), self._wire_log) as sites:
            self.records.clear()
            yield sites

    def _wire_log(self, timeline: RealClock, board: str) -> wirelog.WireLog:
        log = wirelog.WireLog(timeline, keep=100)
        log.on_entry = lambda entry: self._on_entry(board, entry)
        return log

    def _on_entry(self, board: str, entry: wirelog.Entry) -> None:
        match entry:
            case wirelog.Frame():
                self.add(
                    Wire(
                        entry.at_s,
                        board,
                        entry.number,
                        "to-board" if entry.direction == "request" else "to-host",
                        entry.wire,
                        entry.connection,
                        entry.fate in _ARRIVED,
                        entry.answers,
                        str(entry.fate),
                    )
                )
            case wirelog.Contact():
                self.add(
                    Contact(entry.at_s, board, entry.relay, entry.closed, str(entry.cause), entry.request)
                )
            case wirelog.MachineEvent(what=what, details=details) if board == self.post.facts.relays_on:
                rest = {key: value for key, value in details.items() if key != "door"}
                if what not in ("fault", "mended"):
                    self.add(Truth(entry.at_s, what, str(details.get("door", "")), rest))

    def _watch_circuits(self) -> None:
        """Record the circuits at the inputs, now and at every change."""
        facts = self.post.facts
        on = {facts.relays_on: self.site}
        for name in facts.boards:
            board = (on.get(name) or self.other).boards[0]  # type: ignore[union-attr]
            for channel in range(board.inputs):
                self.add(Circuit(self.now_s, name, channel, board.sense(channel)))
            changed = board.on_input_changed

            def noted(channel: int, closed: bool, *, name: str = name, changed: Any = changed) -> None:
                self.add(Circuit(self.now_s, name, channel, closed))
                changed(channel, closed)

            board.on_input_changed = noted  # type: ignore[method-assign]

    # Faults and people.

    def fault(self, name: str, *, quietly: bool = False, **arguments: Any) -> bool:
        """Inject a fault of the simulators; return whether it is possible here."""
        on_inputs = arguments.pop("on_inputs", False)
        where = self.other if on_inputs and self.other is not None else self.site
        try:
            if name == "unplug":
                from simulators.faults import Unplug

                where.inject(Unplug(**arguments))
            else:
                where.inject(fault_of(name, arguments))
        except SimulatorError:
            return False
        if not quietly:
            until_s = self.now_s + float(arguments.get("for_s", 0.0))
            self.add(Trouble(self.now_s, name, until_s, {**arguments, "on_inputs": where is self.other}))
        return True

    def clear_faults(self) -> None:
        """End all faults now."""
        for site in (self.site, self.other):
            if site is not None:
                site.clear_faults()
        for n, one in enumerate(self.records):
            if isinstance(one, Trouble) and one.until_s > self.now_s:
                self.records[n] = replace(one, until_s=self.now_s)

    def person(self, present: bool, door: str = "", signal: str = "photocell") -> None:
        """Put a person in the way of a door, or take the person out: the detector's contact shows it."""
        name = f"{door}-{signal}" if door else signal
        self.site.wiring.override([name], True if present else None)
        self.add(Truth(self.now_s, "person", door, {"present": present}))

    def stall(self, seconds: float, *, discards: bool = True) -> None:
        """Let the adapter keep the gateway's bytes for some seconds: they reach the board afterwards.

        `discards`: on a serial line, bytes that the host discards meanwhile are gone.
        """
        if isinstance(self.site, GpioSite):
            return  # nothing lies between the process and its lines
        self.add(Trouble(self.now_s, "stall", self.now_s + seconds, {"discards": discards}))
        if self.fault("stalled-adapter", quietly=True, for_s=seconds, discards=discards):
            return
        waiter = self.world.rig.loop.waiter
        before = set(waiter.own)
        if self._connection is not None:
            waiter.own.add(self._ours.fileno())
        waiter.held = True

        def over() -> None:
            waiter.held = False
            waiter.own = before

        self.world.rig.loop.call_later(seconds, over)

    def position(self, door: str = "") -> float:
        """Return where a door is: 0 closed, 1 open."""
        return self.site.barrier.position(door)

    def moves(self, door: str = "") -> float:
        """Return the speed of a door; negative while it closes."""
        return self.site.barrier.doors[door].boom.speed(self.now_s)

    # The worker's life.

    def start_worker(self, **changed: Any) -> None:
        """Start a worker process, as the daemon does; `changed`: other settings of the barrier."""
        self.lives += 1
        if isinstance(self.site, GpioSite):
            self.site.prepare()
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        theirs.setblocking(False)
        unit = self.world.unit(f"worker-{self.lives}")
        spec = WorkerSpec(
            site="uto-test",
            gateway="gw-1",
            position="lane-1/barrier",
            driver=self.post.driver,
            settings={**self.post.settings(self.scratch, self.site, self.other), **changed},
            is_production=False,
            heartbeat_interval_s=1.0,
            open_timeout_s=5.0,
            backoff_first_s=0.25,
            backoff_max_s=8.0,
            record=self._record,
        )
        life = self.lives
        self._connection = FrameConnection(
            lambda *frame: self._on_frame(life, *frame), lambda: None, on_violation=self.malformed.append
        )
        connection = self._connection
        self.world.rig.spawn(
            self.world.rig.loop.create_unix_connection(lambda: connection, sock=ours)  # type: ignore[arg-type]
        )
        self._ours, self._theirs = ours, theirs
        settings = load_driver(spec.driver).settings_model.model_validate(spec.settings)
        jail = confine(settings, JailSettings(is_production=False, is_enabled=False))
        self._worker = unit.spawn(process._serve(spec, settings, jail, theirs))
        self.life = unit
        self.device = "starting"
        self.add(Life(self.now_s, self.lives, "started"))

    def kill_worker(self) -> None:
        """Kill the worker's process at this moment (SIGKILL)."""
        if self.life is None:
            return
        lines = self.site.on_killed() if isinstance(self.site, GpioSite) else []
        self.world.kill(self.life, lambda: [*lines, *self._descriptors_of_worker()])
        self._forget("killed")

    def _forget(self, what: Any) -> None:
        self.add(Life(self.now_s, self.lives, what))
        if what == "killed":
            self._connection = None  # the daemon still reads what the worker has sent
        self._drop_channel()
        self.life = None
        self.device = "none"
        self._commands.clear()

    def freeze_worker(self, seconds: float) -> None:
        """Stop the worker's process for some seconds (SIGSTOP, SIGCONT)."""
        if self.life is None:
            return
        self.life.frozen_until_s = self.now_s + seconds
        self.add(Life(self.now_s, self.lives, "frozen"))
        number = self.lives
        self.world.rig.loop.call_later(seconds, lambda: self.add(Life(self.now_s, number, "thawed")))

    def slow_worker(self, delay: Callable[[], float] | None) -> None:
        """Let the machine be busy: each step of the worker begins with a delay."""
        if self.life is not None:
            self.life.delay = delay
            self.add(Life(self.now_s, self.lives, "slow" if delay else "thawed"))

    def step_clock(self, seconds: float) -> None:
        """Set the wall clock, as a technician or NTP does."""
        self._time.step_ns += round(seconds * 1e9)
        self.add(Trouble(self.now_s, "clock", self.now_s, {"step_s": seconds}))

    async def stop_worker(self, *, daemon_killed: bool = False) -> None:
        """End the worker: by STOP, as at a reload, or because its daemon is dead."""
        if self.life is None or self._worker is None:
            return
        if self.life.frozen_until_s > self.now_s:
            await asyncio.sleep(self.life.frozen_until_s - self.now_s + 0.01)
        if self._connection is not None and not daemon_killed:
            self._connection.send(FrameType.STOP)
        elif daemon_killed:
            self._drop_channel()
        limit_s = self.now_s + 3.0
        while not self._worker.done() and self.now_s < limit_s:
            await asyncio.sleep(0.02)
        if not self._worker.done():
            self.kill_worker()
            return
        if self._theirs is not None:
            self._theirs.close()
        failure = self._worker.exception()
        self._forget("daemon-killed" if daemon_killed else "ended")
        if failure is not None:
            raise failure

    def _drop_channel(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _descriptors_of_worker(self) -> list[int]:
        assert self.life is not None
        mine = [key.fd for key in self.life.loop.waiter.get_map().values()]
        ports = {
            site.port
            for site in (self.site, self.other)
            if isinstance(site, ModbusSite) and site.settings.path is None and site.link
        }
        pts = {
            os.path.realpath(site.settings.path)
            for site in (self.site, self.other)
            if site is not None and getattr(site.settings, "path", None) is not None
        }
        held = [
            descriptor
            for descriptor, leads in open_descriptors().items()
            if leads in pts
            or (leads.startswith("socket:") and (peer_port(descriptor) in ports or is_lock(descriptor)))
        ]
        channel = [self._theirs.fileno()] if self._theirs is not None and self._theirs.fileno() >= 0 else []
        return sorted({*mine, *held, *channel})

    def _on_frame(self, life: int, kind: FrameType, head: dict[str, Any], body: bytes) -> None:
        if life != self.lives:
            return
        match kind:
            case FrameType.STATE:
                self.device = str(head["state"])
                self.add(
                    Device(self.now_s, self.device, str(head.get("cause") or ""), str(head.get("text", "")))
                )
            case FrameType.EVENT:
                data = json.loads(body)
                self.add(Event(self.now_s, str(head["type"]), data, str(head.get("transaction", ""))))
                if head["type"] == "barrier.state":
                    self._retain(data)
            case FrameType.RECORD:
                number = read_record_number(head)
                self._record = body.decode()
                if self._connection is not None:
                    self._connection.send(FrameType.RECORD_STORED, {"number": number})
            case FrameType.LAST_VALUE:  # all are withdrawn
                self._retain(None)
            case FrameType.COMMAND_RESULT:
                name = self._commands.get(head["command_ref"], "?")
                answer = Answer(
                    self.now_s,
                    name,
                    str(head["state"]),
                    str(head.get("reason") or ""),
                    str(head.get("text") or ""),
                    json.loads(body) if body else {},
                )
                self.answers[name] = answer
                self.add(answer)

    def _retain(self, data: dict[str, Any] | None) -> None:
        """Note the last state, which the daemon keeps for clients that come later."""
        self.retained = data
        self.add(RetainedState(self.now_s, "barrier.state", data))

    # Stations.

    def send(self, verb: str, issuer: str = "counter-1", within_s: float = 3.0, **arguments: Any) -> str:
        """Send a command as the daemon does once it is authorised; return its id."""
        number = next(self._numbers)
        name = f"c{number}"
        deadline_s = self.now_s + within_s
        self.add(Command(self.now_s, name, verb, arguments, issuer, deadline_s, self.lives, f"t{number}"))
        if self._connection is not None:
            self._commands[number] = name
            head = {
                "command_ref": number,
                "verb": verb,
                "id": name,
                "issuer": issuer,
                "transaction": f"t{number}",
                "deadline_ns": round(deadline_s * 1e9),
                "is_supervisor": issuer in self.post.facts.supervisors,
            }
            self._connection.send(FrameType.COMMAND, head, json.dumps(arguments).encode())
            recorded = {"command_ref": head["command_ref"], "recorded": True}
            self._connection.send(FrameType.DECISION_RECORDED, recorded)
        return name

    async def until(self, true: Callable[[], object], within_s: float = 10.0) -> bool:
        """Wait until it is true; return whether that was in time."""
        deadline_s = self.now_s + within_s
        while not true():
            if self.now_s >= deadline_s:
                return False
            self._news.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(0.05, max(0.001, deadline_s - self.now_s))):
                    await self._news.wait()
        return True

    async def ready(self, within_s: float = 10.0) -> bool:
        """Wait until the driver has told its state."""
        return await self.until(lambda: self.retained is not None and self.device == "online", within_s)


def play(post: Post, scratch: Path, story: Callable[[Lane], Any], log: Any = None) -> Lane:
    """Run a story; return its lane with all records."""
    lane = Lane(post, scratch, log)
    lane.run(story)
    return lane
