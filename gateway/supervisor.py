"""A worker process per device: start, heartbeat, restart with backoff, stop. None touches another."""

import asyncio
import contextlib
import os
import signal
import socket
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import structlog

from drivers.command import Call, Command
from drivers.driver import Condition, Driver, Identity, load_driver
from drivers.links.link import Action, Cause
from drivers.links.settings import Settings
from gateway.backoff import Backoff
from gateway.contract.commands import CLAIM_OFFERS, CommandState, Outcome, offer
from gateway.contract.envelope import schema_id, timestamp
from gateway.contract.reasons import CommandReason
from gateway.contract.standing import close_standing
from gateway.contract.states import DeviceDescription, DeviceState, EventOffer
from gateway.corridor import BrokenCorridorError, Corridor, Kind
from gateway.fork_client import Nursery, readable
from gateway.worker import Order

log = structlog.get_logger()

STABLE_S = 60.0
"""A worker that lived this long had a life: its next start does not wait."""


WORKER_ENDED = {
    Cause.CRASHED: "The device's own process ended and is started again.",
    Cause.SILENT: "The device's own process gave no sign of life and is replaced.",
}


class Above(Protocol):
    """What the supervisor hands things to."""

    def heard(self, position: str, heard: "Heard") -> None:
        """A device said something."""
        ...

    def state_changed(self, position: str, state: DeviceState) -> None:
        """How a device is now."""
        ...

    def description_changed(self, position: str, description: DeviceDescription) -> None:
        """What stands at a position now."""
        ...

    def answered(self, position: str, ticket: int, outcome: Outcome) -> None:
        """How a command that was handed down ended. Each is told once."""
        ...

    def glimpsed(self, position: str, station: str, picture: bytes) -> None:
        """What a camera sees now, for one station; empty: that is over."""
        ...

    def stands(self, position: str, event_type: str, standing: bytes | None) -> None:
        """What the device said last of a kind that stands; None: it is not there any more."""
        ...


def _outcome(head: dict[str, Any], result: bytes) -> Outcome:
    reason = head["reason"] and CommandReason(head["reason"])
    return Outcome(CommandState(head["state"]), reason, head["text"], head["how"], result)


@dataclass(frozen=True, slots=True)
class Heard:
    """One event as a worker handed it up."""

    event_type: str
    data_class: str
    open_event: bytes
    images: tuple["Image", ...]
    boot_ns: int
    """When, by the boot clock: its life counts from then."""


@dataclass(frozen=True, slots=True)
class Image:
    """An image that belongs to the next event."""

    role: str
    media_type: str
    content: bytes


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
        self._images: list[Image] = []
        self._standing: dict[str, bytes] = {}
        self._tickets: set[int] = set()
        """Commands that the worker has not answered yet."""
        self._corridor: Corridor | None = None
        self._pid = 0
        self._pidfd = -1
        self._last_beat = 0.0
        self._paused = False
        self._stopping = False
        self._ended: asyncio.Event = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.counters: dict[str, int] = {}
        self.restarts = 0
        self.state: DeviceState | None = None

    def start(self) -> None:
        """Begin to serve the position."""
        # What an earlier run left at brokers is history, even where its outbox had no time to note the topic.
        for said in self._driver.says:
            if said.stands:
                self._above.stands(self.order.position, said.event_type, None)
        self._describe()
        self._enter(Condition.STARTING)
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

    def tell_again(self) -> None:
        """Make known once more all that is retained, to somebody who has just come."""
        self._describe()
        if self.state is not None:
            self._above.state_changed(self.order.position, self.state)
        for event_type, standing in self._standing.items():
            self._above.stands(self.order.position, event_type, standing)

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
        if self._corridor is not None:
            self._corridor.send(Kind.CLAIM, {"holder": holder})

    async def _keep_alive(self) -> None:
        backoff = Backoff(self.order.backoff_first_s, self.order.backoff_max_s)
        loop = asyncio.get_running_loop()
        while True:
            born = loop.time()
            try:
                await self._begin()
                cause = await self._watch()
            except OSError as error:
                log.error("worker_not_started", device=self.order.position, exc_info=error)
                cause = Cause.CRASHED
            await self._end()
            self.restarts += 1
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
            await asyncio.sleep(wait_s)

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
        self._last_beat = loop.time()
        corridor = Corridor(self._received, self._ended.set)
        self._corridor = corridor
        await loop.create_unix_connection(lambda: corridor, sock=ours)
        if self._paused:
            corridor.pause()

    async def _watch(self) -> Cause:
        """Wait until the worker is gone or silent for too long."""
        loop = asyncio.get_running_loop()
        while True:
            before = loop.time()
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
                self._above.heard(
                    self.order.position,
                    Heard(head["type"], head["class"], body, tuple(images), head["boot_ns"]),
                )
            case Kind.BLOB:
                self._images.append(Image(head["role"], head["media_type"], body))
            case Kind.BEAT:
                self._last_beat = asyncio.get_running_loop().time()
                self.counters = head
            case Kind.IDENTITY:
                self._identity = Identity.model_validate(head)
                self._describe()
            case Kind.STATE:
                self._enter(**head)
            case Kind.GLIMPSE:
                self._above.glimpsed(self.order.position, head["station"], body)
            case Kind.NOW:
                self._stands(head.get("type"), body)
            case Kind.ANSWER:
                if (ticket := head["ticket"]) in self._tickets:
                    self._tickets.remove(ticket)
                    self._above.answered(self.order.position, ticket, _outcome(head, body))
            case _:
                raise BrokenCorridorError(f"a worker may not send {kind.name}")

    def _enter(self, state: str, **why: Any) -> None:
        """Make a state known."""
        self.state = DeviceState.model_validate(
            {"state": state, "since": timestamp(time.time_ns()), "session": self._session, **why}
        )
        log.info(
            "device_state",
            device=self.order.position,
            state=self.state.state,
            cause=self.state.cause,
            text=self.state.text,
            action=self.state.action,
        )
        if self.state.state in (Condition.OFFLINE, Condition.NO_DEVICE):
            self._nothing_stands()
        self._above.state_changed(self.order.position, self.state)

    def _stands(self, event_type: str | None, opened: bytes) -> None:
        """Make known what stands from now on."""
        if event_type is None:
            self._nothing_stands()
        else:
            self._standing[event_type] = standing = close_standing(opened, self._session)
            self._above.stands(self.order.position, event_type, standing)

    def _nothing_stands(self) -> None:
        while self._standing:
            event_type, _ = self._standing.popitem()
            self._above.stands(self.order.position, event_type, None)

    def _describe(self) -> None:
        """Make known what stands here."""
        self._above.description_changed(
            self.order.position,
            DeviceDescription(
                driver=self.order.driver,
                family=self._driver.family,
                identity=self._identity,
                events=tuple(
                    EventOffer(
                        type=said.event_type,
                        dataschema=schema_id(said.event_type),
                        data_class=said.data_class,
                    )
                    for said in self._driver.says
                ),
                commands=(
                    *(offer(self._driver.family, command) for command in self.commands.values()),
                    *CLAIM_OFFERS,
                ),
                session=self._session,
            ),
        )
