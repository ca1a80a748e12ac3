"""A worker process per device: start, heartbeat, restart with backoff, stop. None touches another."""

import asyncio
import contextlib
import math
import os
import signal
import socket
from collections.abc import AsyncGenerator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import structlog

from drivers.command import Call, Command
from drivers.driver import Condition, Driver, Identity, load_driver
from drivers.links.link import Action, Cause
from drivers.links.settings import Settings
from gateway.common.backoff import Backoff
from gateway.contract.commands import CommandState, Outcome
from gateway.contract.last_values import close_standing
from gateway.contract.reason_codes import CommandReason
from gateway.contract.states import DeviceState
from gateway.ipc.frames import BrokenCorridorError, Corridor, Kind
from gateway.ipc.rpc import Piece, Questions, Refusal
from gateway.supervision.description import description
from gateway.supervision.device_state import Shown
from gateway.supervision.forkserver_client import Nursery, readable
from gateway.supervision.listener import Above, Heard, Hold, Image
from gateway.worker.worker import Order

log = structlog.get_logger()

STABLE_S = 60.0
"""A worker that lived this long had a life: its next start does not wait."""


WORKER_ENDED = {
    Cause.CRASHED: "The device's own process ended and is started again.",
    Cause.SILENT: "The device's own process gave no sign of life and is replaced.",
}


def _outcome(head: dict[str, Any], result: bytes) -> Outcome:
    reason = head["reason"] and CommandReason(head["reason"])
    return Outcome(CommandState(head["state"]), reason, head["text"], head["how"], result)


@dataclass(frozen=True, slots=True)
class Limits:
    """What a worker process may take, in seconds."""

    silent_s: float
    stop_s: float


class Supervised:
    """One position: the process that serves it now, and what is known of its device."""

    def __init__(self, order: Order, limits: Limits, nursery: Nursery, above: Above, session: str) -> None:
        self.order = order
        self._limits = limits
        self._nursery = nursery
        self._above = above
        self._session = session
        self._driver: type[Driver[Settings]] = load_driver(order.driver)
        self._identity: Identity | None = None
        self._shown = Shown(order.position, session, lambda state: above.state_changed(order.position, state))
        self._images: list[Image] = []
        self._standing: dict[str, bytes] = {}
        self._tickets: set[int] = set()
        """Commands that the worker has not answered yet."""
        self._corridor: Corridor | None = None
        self._pid = 0
        self._pidfd = -1
        self._last_beat = 0.0
        self._acts_at = 0.0
        """When whoever looks after the process has something to do next, at the latest."""
        self._paused = False
        self._stopping = False
        self._ended: asyncio.Event = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._questions = Questions(self._send)
        self._served = asyncio.Event()
        """Set while there is a process to ask."""
        self._asked_to_end = False
        self._hurry = asyncio.Event()
        self.counters: dict[str, Any] = {}
        self.good_ns = 0
        """When something was last read well here, in nanoseconds since 1970; 0: not in this run."""
        self.restarts = 0

    def start(self) -> None:
        """Begin to serve the position."""
        # What an earlier run left at brokers is history, even where its outbox had no time to note the topic.
        for said in self._driver.says:
            if said.stands:
                self._above.stands(self.order.position, said.event_type, None)
        self.describe()
        self._enter(Condition.STARTING)
        self._acts_at = asyncio.get_running_loop().time()
        self._task = asyncio.create_task(self._keep_alive(), name=f"supervise {self.order.position}")

    async def stop(self) -> None:
        """Close the device and end its process, by force when it takes too long."""
        self._stopping = True
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None
        if self._corridor is not None:
            self._corridor.send(Kind.STOP)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._limits.stop_s):
                    await self._ended.wait()
                    await self._process_gone()
        await self._end()

    def alive(self, patience_s: float) -> bool:
        """Whether its process is looked after; `patience_s` is how late that may be."""
        if self._task is None or self._stopping:
            return True
        return not self._task.done() and asyncio.get_running_loop().time() <= self._acts_at + patience_s

    def tell_again(self) -> None:
        """Make known once more all that is retained, to somebody who has just come."""
        self.describe()
        if self.state is not None:
            self._above.state_changed(self.order.position, self.state)
        self._tell_what_stands()

    def pause(self) -> None:
        """Take no more events from this device for now, nor from the next process that serves it."""
        self._paused = True
        if self._corridor is not None:
            self._corridor.pause()

    def resume(self) -> None:
        """Take events again."""
        self._paused = False
        if self._corridor is not None:
            self._corridor.resume()

    @property
    def state(self) -> DeviceState | None:
        """How the device is, as everybody is told."""
        return self._shown.state

    @property
    def really(self) -> DeviceState | None:
        """How it is, whatever is kept back."""
        return self._shown.really

    @property
    def withheld(self) -> int:
        """Events kept back by the present hold."""
        return self._shown.withheld

    @property
    def condition(self) -> Condition:
        """How the device is."""
        return self.state.state if self.state is not None else Condition.STARTING

    @property
    def commands(self) -> Mapping[str, Command]:
        """What it can be told to do, by verb."""
        return self._driver.commands

    def obey(self, ticket: int, verb: str, call: Call, args: bytes) -> bool:
        """Hand a command down; False when there is no process to take it. Else it is answered, once.

        It is never handed to another process: what a worker that died had begun, nobody knows.
        """
        if self._corridor is None:
            return False
        self._tickets.add(ticket)
        self._corridor.send(Kind.COMMAND, {"ticket": ticket, "verb": verb, **asdict(call)}, args)
        return True

    def claimed_by(self, holder: str | None) -> None:
        """Let the device know who has it from now on."""
        self._send(Kind.CLAIM, {"holder": holder})

    # What technicians ask for

    @property
    def driver(self) -> type[Driver[Settings]]:
        """Who speaks to the device."""
        return self._driver

    @property
    def identity(self) -> Identity | None:
        """Who answered last."""
        return self._identity

    @property
    def pid(self) -> int | None:
        """The process that serves it, while there is one."""
        return self._pid if self._corridor is not None else None

    async def served(self) -> None:
        """Wait until there is a process to ask."""
        await self._served.wait()

    def ask(self, what: str, **head: Any) -> AsyncGenerator[Piece]:
        """Ask the worker; see `gateway.worker.diagnostics`. The answer ends with the process; raises Refusal."""
        if self._corridor is None:
            raise Refusal("unavailable", "The device's own process is just being replaced.", "Try again.")
        return self._questions.ask(what, **head)

    async def restart(self) -> None:
        """Have the process replaced at once; no other device notices. Returns when there is another one."""
        self._hurry.set()
        if self._corridor is None:
            return
        self._served.clear()
        ended, self._asked_to_end = self._ended, True
        self._send(Kind.STOP)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._limits.stop_s):
                await ended.wait()
        ended.set()  # a process that does not end is killed by who waits for this
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._limits.stop_s):
                await self._served.wait()

    def hold(self, hold: Hold | None) -> None:
        """Keep back what the device says from now on; None: no longer. What was kept back is gone."""
        before = self._shown.keeps_everything_back
        self._shown.hold(hold)
        if self._shown.keeps_everything_back and not before:
            for event_type in self._standing:
                self._above.stands(self.order.position, event_type, None)
        elif before:
            self._tell_what_stands()

    async def _keep_alive(self) -> None:
        backoff = Backoff(self.order.backoff_first_s, self.order.backoff_max_s)
        loop = asyncio.get_running_loop()
        while True:
            self._hurry.clear()
            self._acts_at = born = loop.time()
            try:
                await self._begin()
                cause = await self._watch()
            except OSError as error:
                log.error("worker_not_started", device=self.order.position, exc_info=error)
                cause = Cause.CRASHED
            # A process in the kernel's hands ends when the kernel lets it: that is one device's trouble.
            self._acts_at = math.inf
            await self._end()
            self.restarts += 1
            if self._asked_to_end:
                self._asked_to_end = False
                self._enter(Condition.STARTING)
                continue
            first = self.restarts == 1
            stable = loop.time() - born >= STABLE_S
            if stable:
                backoff.reset()
            # A first death after a good life is answered at once: a counter waits. A series is not.
            wait_s = 0.0 if stable or first else backoff.next_s()
            log.warning("worker_ended", device=self.order.position, cause=cause, seconds=round(wait_s, 2))
            self._enter(
                Condition.OFFLINE,
                cause=cause,
                text=WORKER_ENDED[cause],
                action=Action.WAIT,
                how="If it repeats: replug the device, then send a diagnostics bundle to support.",
            )
            self._acts_at = loop.time() + wait_s
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self._hurry.wait()

    async def _begin(self) -> None:
        """Fork a worker; raises OSError."""
        loop = asyncio.get_running_loop()
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                self._pid = await self._nursery.fork(self.order, theirs.fileno())
                with contextlib.suppress(ProcessLookupError):
                    self._pidfd = os.pidfd_open(self._pid)
            except BaseException:
                ours.close()
                raise
        self._ended = asyncio.Event()
        self._images = []
        self.counters = {}
        self._last_beat = loop.time()
        corridor = Corridor(self._received, self._ended.set)
        self._corridor = corridor
        await loop.create_unix_connection(lambda: corridor, sock=ours)
        if self._paused:
            corridor.pause()
        self._served.set()

    async def _watch(self) -> Cause:
        """Wait until the worker is gone or silent for too long."""
        loop = asyncio.get_running_loop()
        while True:
            before = loop.time()
            self._acts_at = before + self.order.heartbeat_s
            try:
                async with asyncio.timeout(self.order.heartbeat_s):
                    await self._ended.wait()
                return Cause.CRASHED
            except TimeoutError:
                now = loop.time()
                # Our own loop may have been stopped (a suspended machine, a debugger): that is no evidence.
                # Nor is silence while we do not listen.
                if self._paused or now - before > 2 * self.order.heartbeat_s:
                    self._last_beat = now
                elif now - self._last_beat > self._limits.silent_s:
                    return Cause.SILENT

    async def _end(self) -> None:
        """Make sure that nothing of this worker is left: what it said, what it owes, its process."""
        self._nothing_stands()
        self._served.clear()
        self._questions.gone("The device's own process has ended.")
        while self._tickets:
            outcome = Outcome.failed(CommandReason.STOPPING if self._stopping else CommandReason.WORKER_LOST)
            self._above.answered(self.order.position, self._tickets.pop(), outcome)
        if self._corridor is not None:
            self._corridor.close()
            self._corridor = None
        if self._pidfd >= 0:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)
            await self._process_gone()
            os.close(self._pidfd)
            self._pidfd = -1

    async def _process_gone(self) -> None:
        """Wait until the kernel has ended the process: only then is its device free for the next one."""
        if self._pidfd >= 0:
            await readable(self._pidfd)

    def _received(self, kind: Kind, head: dict[str, Any], body: bytes) -> None:
        """Take one frame from the worker."""
        match kind:
            case Kind.EVENT:
                images, self._images = self._images, []
                if self._shown.keeps_back(head["class"]):
                    return
                self._above.heard(
                    self.order.position,
                    Heard(head["type"], head["class"], body, tuple(images), head["boot_ns"]),
                )
            case Kind.BLOB:
                self._images.append(Image(head["role"], head["media_type"], body))
            case Kind.BEAT:
                self._last_beat = asyncio.get_running_loop().time()
                self._count(head)
            case Kind.IDENTITY:
                self._identity = Identity.model_validate(head)
                self._above.identified(self.order.position, self._identity)
                self.describe()
            case Kind.STATE:
                self._enter(**head)
            case Kind.TOLD:
                self._questions.told(head, body)
            case Kind.GLIMPSE:
                if not body or not self._shown.keeps_pictures_back:
                    self._above.glimpsed(self.order.position, head["station"], body)
            case Kind.NOW:
                self._stands(head.get("type"), body)
            case Kind.ANSWER:
                if (ticket := head["ticket"]) in self._tickets:
                    self._tickets.remove(ticket)
                    self._above.answered(self.order.position, ticket, _outcome(head, body))
            case _:
                raise BrokenCorridorError(f"a worker may not send {kind.name}")

    def _count(self, counters: dict[str, Any]) -> None:
        """Pass on what was counted since the last beat."""
        self.good_ns = counters.pop("good_ns") or self.good_ns
        before, self.counters = self.counters, counters
        counts = {name: value - before.get(name, 0) for name, value in counters.items()}
        if any(counts.values()):
            self._above.counted(self.order.position, counts)

    def _send(self, kind: Kind, head: dict[str, Any] | None = None, body: bytes = b"") -> None:
        if self._corridor is not None:
            self._corridor.send(kind, head, body)

    def _enter(self, state: str, **why: Any) -> None:
        """Take note of how the device is."""
        if state in (Condition.OFFLINE, Condition.NO_DEVICE):
            self._nothing_stands()
        self._shown.enter(state, **why)

    def _stands(self, event_type: str | None, opened: bytes) -> None:
        """Make known what stands from now on."""
        if event_type is None:
            self._nothing_stands()
        else:
            self._standing[event_type] = standing = close_standing(opened, self._session)
            if not self._shown.keeps_everything_back:
                self._above.stands(self.order.position, event_type, standing)

    def _tell_what_stands(self) -> None:
        if not self._shown.keeps_everything_back:
            for event_type, standing in self._standing.items():
                self._above.stands(self.order.position, event_type, standing)

    def _nothing_stands(self) -> None:
        while self._standing:
            event_type, _ = self._standing.popitem()
            self._above.stands(self.order.position, event_type, None)

    def describe(self) -> None:
        """Make known what stands here."""
        described = description(self._driver, self.order.driver, self._identity, self._session)
        self._above.description_changed(self.order.position, described)
