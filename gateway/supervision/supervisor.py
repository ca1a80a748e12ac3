"""Supervisor of a device's worker process.

Start, heartbeat, restart with backoff, stop. Devices are independent.
"""

import asyncio
import contextlib
import json
import math
import os
import signal
import socket
from collections.abc import AsyncGenerator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import structlog

from drivers.command import CommandSpec, Invocation
from drivers.driver import Driver, Identity, StateCode
from drivers.links.link import Action, Cause
from drivers.links.settings import Settings
from drivers.observation import redact
from drivers.registry import load_driver
from drivers.unavailable import UnusableDriver
from gateway.common.backoff import Backoff
from gateway.common.clock import SystemTime
from gateway.contract.commands import CommandOutcome
from gateway.contract.envelope import EnvelopeWriter, Provenance
from gateway.contract.reason_codes import CommandReason
from gateway.ipc.frames import FrameConnection, FrameError, FrameType
from gateway.ipc.rpc import ResponseChunk, RpcClient, RpcError
from gateway.supervision.description import describe_device
from gateway.supervision.device_records import DeviceRecords
from gateway.supervision.device_state import DeviceStateFilter
from gateway.supervision.doorman import Doorman
from gateway.supervision.forkserver_client import ForkServerClient, wait_readable
from gateway.supervision.listener import DeviceListener, Suppression
from gateway.supervision.provenance import observed_provenance, worse_provenance
from gateway.supervision.silence import WorkerSilence
from gateway.supervision.worker_output import (
    MAX_FRAME_BYTES,
    WorkerOutput,
    read_counters,
    read_identity,
    read_outcome,
    read_state,
)
from gateway.worker.worker import WorkerSpec

log = structlog.get_logger()

MIN_REPLACEMENT_INTERVAL_S = 0.1
"""Shortest time between two replacements that a worker asks for, in seconds."""
STABLE_AFTER_S = 60.0
"""A worker that ran this long is stable: its next start does not wait."""


WORKER_ENDED_TEXTS = {
    Cause.WORKER_CRASHED: "The worker process of the device ended and is being restarted.",
    Cause.FORBIDDEN_CALL: "The worker process of the device tried an operation that no driver needs, and was "
    "ended. The driver is faulty, or was taken over by what the device sent.",
    Cause.HEARTBEAT_LOST: "The worker process of the device stopped responding and is being replaced.",
}
VIOLATION_TEXT = "The worker process of the device was ended, because it sent {what}."
VIOLATION_HOW = (
    "It is started again by itself. If it repeats, unplug the device, and send a diagnostics bundle to "
    "support: the driver is faulty, or the device attacks it."
)


@dataclass(frozen=True, slots=True)
class WorkerLimits:
    """Time limits of a worker process, in seconds."""

    heartbeat_timeout_s: float
    stop_timeout_s: float


class DeviceSupervisor:
    """Supervisor of one position: its worker process, and the state of its device."""

    def __init__(
        self,
        spec: WorkerSpec,
        limits: WorkerLimits,
        forkserver: ForkServerClient,
        listener: DeviceListener,
        session: str,
        records: DeviceRecords | None = None,
        driver: type[Driver[Settings]] | None = None,
    ) -> None:
        """`driver`: the class of the driver; by default it is loaded by the name in `spec`."""
        self.spec = spec
        self._limits = limits
        self._forkserver = forkserver
        self._listener = listener
        self._session = session
        self._records = records if records is not None else DeviceRecords(None)
        self.driver: type[Driver[Settings]] = driver or load_driver(spec.driver)
        self.commands: Mapping[str, CommandSpec] = self.driver.commands
        self.identity: Identity | None = None
        self.state_filter = DeviceStateFilter(
            spec.position, session, lambda state: listener.on_state(spec.position, state)
        )
        self._time = SystemTime()
        self._writer = EnvelopeWriter(spec.site, spec.gateway, spec.position)
        self._output = self._new_output()
        self._violation: Exception | None = None
        """Reason why the present worker is being ended."""
        self._observed = Provenance.LIVE
        """Origin of the device's events, as the daemon sees its node."""
        self._last_values: dict[str, bytes] = {}
        self._pending_commands: dict[int, str] = {}
        """Verbs of commands without a result yet, by reference."""
        self._connection: FrameConnection | None = None
        self._doorman: Doorman | None = None
        self._pid = 0
        self._pidfd = -1
        self._silence = WorkerSilence(limits.heartbeat_timeout_s)
        self._next_action_at = 0.0
        """Latest time of the supervisor's next action (loop time), for the watchdog."""
        self._paused = False
        self._stopping = False
        self._connection_lost: asyncio.Event = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._rpc = RpcClient(self._send)
        self._ready = asyncio.Event()
        """Set while there is a worker process to send requests to."""
        self._restart_requested = False
        self._replacement_requested = False
        self._replacements = 0
        """Number of workers that were replaced because their device was replugged."""
        self._retry_now = asyncio.Event()
        self.counters: dict[str, Any] = {}
        self.last_good_read_ns = 0
        """Time of the last good read, in nanoseconds since 1970; 0: none in this run."""
        self.restarts = 0

    def start(self) -> None:
        """Start to serve the position."""
        # Last values of an earlier run are outdated, even where its outbox had no time to store the topic.
        for observation_type in self.driver.observation_types:
            if observation_type.is_state:
                self._listener.on_last_value(self.spec.position, observation_type.event_type, None)
        self.publish_description()
        if issubclass(self.driver, UnusableDriver):
            failure = self.driver.failure()
            self._set_state(
                StateCode.FAULT,
                cause=failure.cause,
                text=failure.text,
                action=failure.action,
                how=failure.how,
            )
            return
        self._set_state(StateCode.STARTING)
        self._next_action_at = asyncio.get_running_loop().time()
        self._task = asyncio.create_task(self._run(), name=f"supervise {self.spec.position}")

    async def stop(self) -> None:
        """Close the device and end its process, by SIGKILL after the time limit."""
        self._stopping = True
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None
        if self._connection is not None:
            self._connection.send(FrameType.STOP)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._limits.stop_timeout_s):
                    await self._connection_lost.wait()
                    await self._wait_exited()
        await self._clean_up()

    def is_alive(self, patience_s: float) -> bool:
        """Return False if the supervisor's next action is late by more than `patience_s` seconds."""
        if self._task is None or self._stopping:
            return True
        return (
            not self._task.done() and asyncio.get_running_loop().time() <= self._next_action_at + patience_s
        )

    def republish(self) -> None:
        """Publish all retained messages again, for a new connection."""
        self.publish_description()
        if self.state_filter.published_state is not None:
            self._listener.on_state(self.spec.position, self.state_filter.published_state)
        self._publish_last_values()

    def pause(self) -> None:
        """Stop reading events of this device, also of the next process that serves it."""
        self._paused = True
        if self._connection is not None:
            self._connection.pause()

    def resume(self) -> None:
        """Resume reading events."""
        self._paused = False
        if self._connection is not None:
            self._connection.resume()

    @property
    def state_code(self) -> StateCode:
        """Code of the published state."""
        state = self.state_filter.published_state
        return state.state if state is not None else StateCode.STARTING

    def send_command(self, command_ref: int, verb: str, call: Invocation, args: bytes) -> bool:
        """Send a command to the worker; return False if there is none. Otherwise exactly one result follows.

        A command is never sent to another process: whether a worker that ended had begun it is unknown.
        """
        if self._connection is None:
            return False
        self._pending_commands[command_ref] = verb
        self._connection.send(
            FrameType.COMMAND, {"command_ref": command_ref, "verb": verb, **asdict(call)}, args
        )
        return True

    def set_claim_holder(self, holder: str | None) -> None:
        """Send the claim holder to the driver."""
        self._send(FrameType.CLAIM, {"holder": holder})

    # Operations of technicians

    @property
    def pid(self) -> int | None:
        """Process id of the worker, or None."""
        return self._pid if self._connection is not None else None

    async def wait_ready(self) -> None:
        """Wait until there is a worker process."""
        await self._ready.wait()

    def stream(self, method: str, **head: Any) -> AsyncGenerator[ResponseChunk]:
        """Send a request to the worker and stream the response.

        See `gateway.worker.diagnostics`; raises RpcError.
        """
        if self._connection is None:
            raise RpcError("unavailable", "The worker process of the device is being replaced.", "Try again.")
        return self._trace(**head) if method == "trace" else self._rpc.stream(method, **head)

    async def _trace(self, **head: Any) -> AsyncGenerator[ResponseChunk]:
        """Stream a trace, also of the worker that replaces this one because the device was replugged."""
        is_first = True
        while True:
            replacements = self._replacements
            try:
                async with contextlib.aclosing(self._rpc.stream("trace", **head)) as pieces:
                    async for piece in pieces:
                        if piece.body or is_first:  # an empty one is the start of the trace
                            yield piece
                        is_first = False
                return
            except RpcError:
                if self._replacements == replacements:
                    raise
            await self._ready.wait()

    async def restart(self) -> None:
        """Replace the worker process; return when the new one runs. Other devices are not affected."""
        self._retry_now.set()
        if self._connection is None:
            return
        self._ready.clear()
        ended, self._restart_requested = self._connection_lost, True
        self._send(FrameType.STOP)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._limits.stop_timeout_s):
                await ended.wait()
        ended.set()  # `_run` kills a process that does not end
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._limits.stop_timeout_s):
                await self._ready.wait()

    def set_suppression(self, suppression: Suppression | None) -> None:
        """Start, change or end suppression. Suppressed events are lost."""
        before = self.state_filter.is_suppressing_all
        self.state_filter.set_suppression(suppression)
        if self.state_filter.is_suppressing_all and not before:
            for event_type in self._last_values:
                self._listener.on_last_value(self.spec.position, event_type, None)
        elif before:
            self._publish_last_values()

    async def _run(self) -> None:
        backoff = Backoff(self.spec.backoff_first_s, self.spec.backoff_max_s)
        loop = asyncio.get_running_loop()
        while True:
            self._retry_now.clear()
            self._next_action_at = born = loop.time()
            try:
                await self._fork_worker()
                cause = await self._wait_for_failure()
            except OSError as error:
                log.error("worker_not_started", device=self.spec.position, exc_info=error)
                cause = Cause.WORKER_CRASHED
            # A process in uninterruptible sleep ends only when the kernel releases it; this blocks one device
            # only.
            self._next_action_at = math.inf
            await self._clean_up()
            if self._replacement_requested:
                self._replacement_requested = False
                # A worker asks at once where the device is new, and at most ten times a second.
                await asyncio.sleep(max(0.0, born + MIN_REPLACEMENT_INTERVAL_S - loop.time()))
                continue
            self.restarts += 1
            if (
                cause is Cause.WORKER_CRASHED
                and await self._forkserver.exit_status(self._pid) == -signal.SIGSYS
            ):
                cause = Cause.FORBIDDEN_CALL
            if self._restart_requested:
                self._restart_requested = False
                self._set_state(StateCode.STARTING)
                continue
            first = self.restarts == 1
            stable = loop.time() - born >= STABLE_AFTER_S
            if stable:
                backoff.reset()
                if cause is not Cause.HEARTBEAT_LOST:
                    self._silence.on_stable()
            # The first failure after a stable run is restarted at once, because travellers wait. A series is
            # not.
            at_once = (stable or first) and cause is not Cause.WORKER_VIOLATION
            wait_s = 0.0 if at_once else backoff.next_s()
            log.warning("worker_ended", device=self.spec.position, cause=cause, seconds=round(wait_s, 2))
            self._report_end(cause)
            self._next_action_at = loop.time() + wait_s
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self._retry_now.wait()

    def _report_end(self, cause: Cause) -> None:
        """Report a worker that ended as a state."""
        if cause is Cause.WORKER_VIOLATION:
            known = isinstance(self._violation, FrameError)
            what = str(self._violation) if known else "a malformed frame"
            self._set_state(
                StateCode.FAULT,
                cause=cause,
                text=VIOLATION_TEXT.format(what=what),
                action=Action.CALL_SUPPORT,
                how=VIOLATION_HOW,
            )
            return
        self._set_state(
            StateCode.OFFLINE,
            cause=cause,
            text=WORKER_ENDED_TEXTS[cause],
            action=Action.WAIT,
            how="If it repeats: replug the device, then send a diagnostics bundle to support.",
        )

    def _new_output(self) -> WorkerOutput:
        return WorkerOutput(self.driver, self._writer, self._session, self._time, 2 * self.spec.events_per_s)

    async def _fork_worker(self) -> None:
        """Fork a worker process; raises OSError."""
        loop = asyncio.get_running_loop()
        ours, theirs = socket.socketpair()
        with theirs, contextlib.ExitStack() as others:
            try:
                doorman = self._open_doorman(others)
                self._pid = await self._forkserver.fork(theirs.fileno(), doorman)
                with contextlib.suppress(ProcessLookupError):
                    self._pidfd = os.pidfd_open(self._pid)
            except BaseException:
                ours.close()
                raise
        self._connection_lost = asyncio.Event()
        self._output, self._violation = self._new_output(), None
        self.counters = {}
        self._silence.watch(self._pid)
        connection = FrameConnection(
            self._on_frame, self._connection_lost.set, MAX_FRAME_BYTES, self._on_violation
        )
        self._connection = connection
        await loop.create_unix_connection(lambda: connection, sock=ours)
        order = replace(self.spec, record=self._records.read(self.spec.position))
        connection.send(FrameType.SPEC, order.to_head())
        if self._paused:
            connection.pause()
        self._ready.set()

    def _open_doorman(self, others: contextlib.ExitStack) -> int | None:
        """Start the doorman of a device with hosts; return the worker's end, which `others` closes."""
        try:
            hosts = self.driver.settings_model.model_validate(self.spec.settings).link_rights().hosts
        except Exception as error:
            log.error("rights_not_computed", device=self.spec.position, exc_info=error)
            return None
        if not hosts or not (self.spec.is_confined or self.spec.is_production):
            return None
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        others.enter_context(theirs)
        self._doorman = Doorman(hosts, ours, self._on_violation)
        return theirs.fileno()

    async def _wait_for_failure(self) -> Cause:
        """Wait until the worker ends or its heartbeat is late; return the cause."""
        loop = asyncio.get_running_loop()
        while True:
            before = loop.time()
            self._next_action_at = before + self.spec.heartbeat_interval_s
            try:
                async with asyncio.timeout(self.spec.heartbeat_interval_s):
                    await self._connection_lost.wait()
                return Cause.WORKER_CRASHED if self._violation is None else Cause.WORKER_VIOLATION
            except TimeoutError:
                now = loop.time()
                # The daemon's own loop may have been stopped (a suspended machine, a debugger): then a late
                # heartbeat proves nothing. Nor does it while reading is paused.
                if self._paused or now - before > 2 * self.spec.heartbeat_interval_s:
                    self._silence.reset()
                elif self._silence.add(now - before):
                    self._silence.on_hung()
                    return Cause.HEARTBEAT_LOST

    async def _clean_up(self) -> None:
        """Remove the worker: clear last values, fail pending commands, kill the process."""
        self._clear_last_values()
        self._ready.clear()
        self._rpc.connection_lost("The worker process of the device has ended.")
        while self._pending_commands:
            outcome = CommandOutcome.failed(
                CommandReason.STOPPING if self._stopping else CommandReason.WORKER_LOST
            )
            command_ref, _ = self._pending_commands.popitem()
            self._listener.on_command_result(self.spec.position, command_ref, outcome)
        if self._doorman is not None:
            self._doorman.close()
            self._doorman = None
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        if self._pidfd >= 0:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)
            await self._wait_exited()
            os.close(self._pidfd)
            self._pidfd = -1

    async def _wait_exited(self) -> None:
        """Wait until the kernel has ended the process: only then can the next one open the device."""
        if self._pidfd >= 0:
            await wait_readable(self._pidfd)

    def _on_frame(self, kind: FrameType, head: dict[str, Any], body: bytes) -> None:
        """Handle one frame from the worker; an error ends the worker."""
        self._output.count_frame(kind, len(body))
        match kind:
            case FrameType.EVENT:
                self._on_event(head, body)
            case FrameType.BLOB:
                self._output.add_image(head, body)
            case FrameType.HEARTBEAT:
                counters = read_counters(head)
                self._silence.reset()
                self._on_counters(counters)
            case FrameType.IDENTITY:
                self.identity = read_identity(head)
                self._observed = observed_provenance(self.spec.settings)
                self._listener.on_identity(self.spec.position, self.identity)
                self.publish_description()
            case FrameType.STATE:
                fields = read_state(head)
                if (provenance := head.get("provenance")) is not None:
                    fields["provenance"] = worse_provenance(self._observed, Provenance(provenance))
                self._set_state(**fields)
            case FrameType.RESPONSE_CHUNK:
                self._rpc.on_chunk(head, body)
            case FrameType.REPLACE:
                self._replacement_requested = True
                self._replacements += 1
            case FrameType.PREVIEW:
                if not body or self.state_filter.suppression is None:
                    self._listener.on_preview_frame(self.spec.position, head["station"], body)
            case FrameType.LAST_VALUE:
                self._clear_last_values()
            case FrameType.RECORD:
                self._records.write(self.spec.position, body.decode())
            case FrameType.COMMAND_RESULT:
                if (command_ref := head["command_ref"]) in self._pending_commands:
                    outcome = read_outcome(head, body, self.commands.get(self._pending_commands[command_ref]))
                    del self._pending_commands[command_ref]
                    self._listener.on_command_result(self.spec.position, command_ref, outcome)
            case _:
                raise FrameError(f"a frame of the type {kind.name}, which a worker may not send")

    def _on_violation(self, error: Exception) -> None:
        """Note why the connection to the worker was closed, and end the worker."""
        log.error("worker_violation", device=self.spec.position, exc_info=error)
        self._violation = error
        self._connection_lost.set()

    def _on_event(self, head: dict[str, Any], data: bytes) -> None:
        """Publish an observation of the device, and keep it as last value if it is a state."""
        provenance = worse_provenance(self._observed, Provenance(head["provenance"]))
        event, last_value = self._output.read_event(head, data, provenance)
        states = self.state_filter
        if states.suppression is None or not states.count_if_suppressed(event.data_class):
            self._listener.on_event(self.spec.position, event)
        if last_value is not None:
            self._last_values[event.event_type] = last_value
            if not states.is_suppressing_all:
                self._listener.on_last_value(self.spec.position, event.event_type, last_value)

    def _on_counters(self, counters: dict[str, Any]) -> None:
        """Pass on counter increments since the last heartbeat."""
        self.last_good_read_ns = counters.pop("last_good_read_ns") or self.last_good_read_ns
        before, self.counters = self.counters, counters
        counts = {name: value - before.get(name, 0) for name, value in counters.items()}
        if any(counts.values()):
            self._listener.on_counters(self.spec.position, counts)

    def _send(self, kind: FrameType, head: dict[str, Any] | None = None, body: bytes = b"") -> None:
        if self._connection is not None:
            self._connection.send(kind, head, body)

    def _set_state(self, state: str, **details: Any) -> None:
        """Set the state of the device."""
        if state in (StateCode.OFFLINE, StateCode.NO_DEVICE):
            self._clear_last_values()
        self.state_filter.set_actual_state(state, **details)

    def sensed(self) -> dict[str, Any]:
        """Return the present states that the device reports, by event type, without personal data."""
        kinds = {kind.event_type: kind for kind in self.driver.observation_types}
        return {
            event_type: redact(kinds[event_type].model_validate(json.loads(last_value)["data"]))
            for event_type, last_value in self._last_values.items()
        }

    def _publish_last_values(self) -> None:
        if not self.state_filter.is_suppressing_all:
            for event_type, last_value in self._last_values.items():
                self._listener.on_last_value(self.spec.position, event_type, last_value)

    def _clear_last_values(self) -> None:
        while self._last_values:
            event_type, _ = self._last_values.popitem()
            self._listener.on_last_value(self.spec.position, event_type, None)

    def publish_description(self) -> None:
        """Publish the description of the device."""
        described = describe_device(self.driver, self.spec.driver, self.identity, self._session)
        self._listener.on_description(self.spec.position, described)
