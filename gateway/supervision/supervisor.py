"""Supervisor of a device's worker process.

Start, heartbeat, restart with backoff, stop. Devices are independent.
"""

import asyncio
import contextlib
import math
import signal
import time
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import structlog

from drivers.command import CommandSpec, Invocation
from drivers.driver import Driver, Identity, StateCode
from drivers.links.link import Cause
from drivers.links.settings import LinkRights, Settings
from drivers.registry import load_driver
from drivers.unavailable import UnusableDriver
from gateway.common.clock import SystemTime
from gateway.contract.commands import CommandOutcome
from gateway.contract.envelope import EnvelopeWriter
from gateway.contract.reason_codes import CommandReason
from gateway.ipc.frames import FrameError, FrameType
from gateway.ipc.rpc import ResponseChunk, RpcClient, RpcError
from gateway.supervision.description import describe_device
from gateway.supervision.device_records import DeviceRecords
from gateway.supervision.device_state import DeviceStateFilter
from gateway.supervision.last_values import LastValues
from gateway.supervision.listener import DeviceListener, Suppression
from gateway.supervision.processes.cpu_usage import PERIOD_S
from gateway.supervision.processes.forkserver_client import ForkServerClient
from gateway.supervision.processes.silence import WorkerSilence
from gateway.supervision.processes.worker_process import WorkerProcess
from gateway.supervision.provenance import observed_provenance
from gateway.supervision.reported_state import ReportedState
from gateway.supervision.restart_delay import RestartDelay, is_stable
from gateway.supervision.worker_output import (
    WorkerOutput,
    read_counters,
    read_identity,
    read_outcome,
    read_record_number,
    read_refused_ages,
)
from gateway.worker.spec import WorkerSpec

log = structlog.get_logger()

UNCONFIRMED_S = 5.0
"""Time without a heartbeat after which the state of the device is unknown, in seconds.

The worker itself is replaced after a longer silence; `WorkerSilence` states how long.
"""
_CALL_FIELDS = ("id", "issuer", "transaction", "deadline_ns", "is_supervisor")
"""Fields of an invocation that are sent to its worker."""
MIN_REPLACEMENT_INTERVAL_S = 0.1
"""Shortest time between two replacements that a worker requests, in seconds."""


@dataclass(frozen=True, slots=True)
class WorkerLimits:
    """Time limits of a worker process, in seconds."""

    heartbeat_timeout_s: float
    stop_timeout_s: float
    cpu_period_s: float = PERIOD_S
    """Length of the periods whose CPU time is judged; see `CpuUsage`."""


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
        self._output: WorkerOutput
        """Checks of the frames of the present process."""
        self.last_values = LastValues(spec.position, self.driver, listener, self.state_filter)
        self._pending_commands: dict[int, str] = {}
        """Verbs of commands without a result yet, by reference."""
        self._process = WorkerProcess(spec.position, self._on_frame)
        self._silence = WorkerSilence(limits.heartbeat_timeout_s)
        self.reported = ReportedState(self.state_filter, self.last_values, limits.cpu_period_s)
        self._next_action_at = 0.0
        """Latest time of the supervisor's next action (loop time), for the watchdog."""
        self._paused = False
        self._stopping = False
        self._task: asyncio.Task[None] | None = None
        self._rpc = RpcClient(self._send)
        self._ready = asyncio.Event()
        """Set while there is a worker process to send requests to."""
        self._restart_requested = False
        self._replacement_requested = False
        self._stopped = asyncio.Event()
        self._traces = 0
        """Number of open traces, which go on in the next worker."""
        self._retry_now = asyncio.Event()
        self.counters: dict[str, Any] = {}
        self.last_good_read_ns = 0
        """Time of the last good read, in nanoseconds since 1970; 0: none in this run."""
        self.restarts = 0

    def start(self) -> None:
        """Start to serve the position."""
        self.last_values.withdraw_earlier()
        self.publish_description()
        if issubclass(self.driver, UnusableDriver):
            failure = self.driver.failure()
            self.reported.set(
                StateCode.FAULT,
                cause=failure.cause,
                text=failure.text,
                action=failure.action,
                how=failure.how,
            )
            return
        self.reported.set(StateCode.STARTING)
        self._next_action_at = asyncio.get_running_loop().time()
        self._task = asyncio.create_task(self._run(), name=f"supervise {self.spec.position}")

    async def stop(self) -> None:
        """Close the device and end its process, by SIGKILL after the time limit."""
        self._stopping = True
        self._stopped.set()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None
        if self._process.connection is not None:
            self._process.send(FrameType.STOP)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._limits.stop_timeout_s):
                    await self._process.wait_ended()
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
        self.last_values.publish()

    def pause(self) -> None:
        """Stop reading events of this device, also of the next process that serves it."""
        self._paused = True
        if self._process.connection is not None:
            self._process.connection.pause()

    def resume(self) -> None:
        """Resume reading events."""
        self._paused = False
        if self._process.connection is not None:
            self._process.connection.resume()

    @property
    def state_code(self) -> StateCode:
        """Code of the published state."""
        state = self.state_filter.published_state
        return state.state if state is not None else StateCode.STARTING

    def send_command(self, command_ref: int, verb: str, call: Invocation, args: bytes) -> bool:
        """Send a command to the worker; return False if there is none. Otherwise exactly one result follows.

        A command is never sent to another process: whether a worker that ended had begun it is unknown.
        """
        if self._process.connection is None:
            return False
        self._pending_commands[command_ref] = verb
        head = {"command_ref": command_ref, "verb": verb}
        head |= {name: getattr(call, name) for name in _CALL_FIELDS}
        self._process.send(FrameType.COMMAND, head, args)
        return True

    def send_decision_recorded(self, command_ref: int, *, is_recorded: bool) -> None:
        """Tell the worker that the decision on a command is on the disk, or was refused by it."""
        if command_ref in self._pending_commands:
            head = {"command_ref": command_ref, "recorded": is_recorded}
            self._process.send(FrameType.DECISION_RECORDED, head)

    def set_claim_holder(self, holder: str | None) -> None:
        """Send the claim holder to the driver."""
        self._process.send(FrameType.CLAIM, {"holder": holder})

    # Operations of technicians

    @property
    def pid(self) -> int | None:
        """Process id of the worker, or None."""
        return self._process.pid if self._process.connection is not None else None

    async def wait_ready(self) -> None:
        """Wait until there is a worker process."""
        await self._ready.wait()

    def stream(self, method: str, **head: Any) -> AsyncGenerator[ResponseChunk]:
        """Send a request to the worker and stream the response.

        See `gateway.worker.diagnostics`; raises RpcError.
        """
        if method == "trace" and self._task is not None:
            return self._trace(**head)
        if self._process.connection is None:
            raise RpcError("unavailable", "The worker process of the device is being replaced.", "Try again.")
        return self._rpc.stream(method, **head)

    async def _trace(self, **head: Any) -> AsyncGenerator[ResponseChunk]:
        """Stream a trace, also of each worker that replaces this one, from its first byte on."""
        began_s = time.monotonic()
        self._traces += 1  # a worker that is forked from now on keeps its first bytes
        is_first = True
        try:
            while True:
                if not self._ready.is_set():
                    if is_first:
                        yield ResponseChunk(b"", 0)
                        is_first = False
                    await self._wait_ready_or_stopped()
                process = self._process
                try:
                    async with contextlib.aclosing(
                        self._rpc.stream("trace", began_s=began_s, **head)
                    ) as pieces:
                        async for piece in pieces:
                            if piece.body or is_first:  # an empty one is the start of the trace
                                yield piece
                            is_first = False
                    return
                except RpcError:
                    if self._stopping or (self._process is process and self._ready.is_set()):
                        raise  # this worker has refused, or there will be no other
        finally:
            self._traces -= 1

    async def _wait_ready_or_stopped(self) -> None:
        """Wait until there is a worker process; raises RpcError where there will be none."""
        waits = [asyncio.ensure_future(event.wait()) for event in (self._ready, self._stopped)]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        if self._stopping:
            raise RpcError("unavailable", "The device is not served any more.")

    async def restart(self) -> None:
        """Replace the worker process; return when the new one runs. Other devices are not affected."""
        self._retry_now.set()
        self._records.refusals.grant_attempt(self.spec.position)
        process = self._process
        if process.connection is None:
            return
        self._ready.clear()
        self._restart_requested = True
        process.send(FrameType.STOP)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._limits.stop_timeout_s):
                await process.ended.wait()
        process.ended.set()  # `_run` kills a process that does not end
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._limits.stop_timeout_s):
                await self._ready.wait()

    def set_suppression(self, suppression: Suppression | None) -> None:
        """Start, change or end suppression. Suppressed events are lost."""
        before = self.state_filter.is_suppressing_all
        self.state_filter.set_suppression(suppression)
        if self.state_filter.is_suppressing_all and not before:
            self.last_values.withdraw()
        elif before:
            self.last_values.publish()

    async def _run(self) -> None:
        delay = RestartDelay(self.spec.backoff_first_s, self.spec.backoff_max_s)
        loop = asyncio.get_running_loop()
        while True:
            self._retry_now.clear()
            self._next_action_at = born = loop.time()
            try:
                await self._fork_worker()
                cause = await self._wait_for_failure()
            except ConnectionError:
                log.warning("forkserver_ended", device=self.spec.position)
                cause = Cause.WORKER_CRASHED
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
                and await self._forkserver.exit_status(self._process.pid) == -signal.SIGSYS
            ):
                cause = Cause.FORBIDDEN_CALL
            if self._restart_requested:
                self._restart_requested = False
                self.reported.set(StateCode.STARTING)
                continue
            ran_s = loop.time() - born
            if is_stable(ran_s) and cause is not Cause.HEARTBEAT_LOST:
                self._silence.on_stable()
            wait_s = delay.next_s(cause, ran_s, is_first=self.restarts == 1)
            log.warning("worker_ended", device=self.spec.position, cause=cause, seconds=round(wait_s, 2))
            self.reported.set(**self._process.end_state(cause))
            self._next_action_at = loop.time() + wait_s
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self._retry_now.wait()

    async def _fork_worker(self) -> None:
        """Fork a worker process; raises OSError."""
        self._output = WorkerOutput(
            self.driver, self._writer, self._session, self._time, 2 * self.spec.events_per_s
        )
        self.counters = {}
        self._process = WorkerProcess(self.spec.position, self._on_frame)
        spec = replace(
            self.spec,
            record=await self._records.read(self.spec.position),
            is_traced=self._traces > 0,
            refused_ages_s=self._records.refusals.ages_s(self.spec.position, self.spec.settings),
        )
        await self._process.fork(self._forkserver, spec, self._network_rights())
        if self._paused:
            self.pause()
        self._silence.watch(self._process.pid)
        self.reported.cpu.watch(self._process.pid, asyncio.get_running_loop().time())
        self._ready.set()

    def _network_rights(self) -> LinkRights:
        """Return the rights that a confined worker has through the doorman."""
        if not (self.spec.is_confined or self.spec.is_production):
            return LinkRights()
        try:
            return self.driver.settings_model.model_validate(self.spec.settings).link_rights()
        except Exception as error:
            log.error("rights_not_computed", device=self.spec.position, exc_info=error)
            return LinkRights()

    async def _wait_for_failure(self) -> Cause:
        """Wait until the worker ends or its heartbeat is late; return the cause."""
        loop = asyncio.get_running_loop()
        while True:
            before = loop.time()
            self._next_action_at = before + self.spec.heartbeat_interval_s
            try:
                async with asyncio.timeout(self.spec.heartbeat_interval_s):
                    await self._process.ended.wait()
                return Cause.WORKER_CRASHED if self._process.violation is None else Cause.WORKER_VIOLATION
            except TimeoutError:
                now = loop.time()
                self.reported.update_cpu(now)
                # The daemon's own loop may have been stopped (a suspended machine, a debugger): then a late
                # heartbeat proves nothing. Nor does it while reading is paused.
                if self._paused or now - before > 2 * self.spec.heartbeat_interval_s:
                    self._silence.reset()
                elif self._silence.add(now - before):
                    self._silence.on_hung()
                    return Cause.HEARTBEAT_LOST
                elif self._silence.elapsed_s >= max(UNCONFIRMED_S, 2 * self.spec.heartbeat_interval_s):
                    self.reported.set_unconfirmed()

    async def _clean_up(self) -> None:
        """Remove the worker: clear last values, fail pending commands, kill the process."""
        self.last_values.clear()
        self._ready.clear()
        self._rpc.connection_lost("The worker process of the device has ended.")
        while self._pending_commands:
            outcome = CommandOutcome.failed(
                CommandReason.STOPPING if self._stopping else CommandReason.WORKER_LOST
            )
            command_ref, _ = self._pending_commands.popitem()
            self._listener.on_command_result(self.spec.position, command_ref, outcome)
        await self._process.kill()

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
                self.reported.set_confirmed()
            case FrameType.IDENTITY:
                self.identity = read_identity(head)
                self._output.observed_provenance = observed_provenance(self.spec.settings)
                self._listener.on_identity(self.spec.position, self.identity)
                self.publish_description()
            case FrameType.STATE:
                self.reported.set(**self._output.read_state(head))
            case FrameType.RESPONSE_CHUNK:
                self._rpc.on_chunk(head, body)
            case FrameType.REPLACE:
                self._replacement_requested = True
            case FrameType.PREVIEW:
                if not body or self.state_filter.suppression is None:
                    self._listener.on_preview_frame(self.spec.position, head["station"], body)
            case FrameType.LAST_VALUE:
                self.last_values.clear()
            case FrameType.RECORD:
                number = read_record_number(head)
                stored = partial(self._process.send, FrameType.RECORD_STORED, {"number": number})
                self._records.write(self.spec.position, body.decode(), stored)
            case FrameType.REFUSED:
                ages_s = read_refused_ages(head)
                self._records.refusals.keep(self.spec.position, self.spec.settings, ages_s)
            case FrameType.COMMAND_RESULT:
                if (command_ref := head["command_ref"]) in self._pending_commands:
                    outcome = read_outcome(head, body, self.commands.get(self._pending_commands[command_ref]))
                    del self._pending_commands[command_ref]
                    self._listener.on_command_result(self.spec.position, command_ref, outcome)
            case _:
                raise FrameError(f"a frame of the type {kind.name}, which a worker may not send")

    def _on_event(self, head: dict[str, Any], data: bytes) -> None:
        """Publish an observation of the device, and keep it as last value if it is a state."""
        event, last_value = self._output.read_event(head, data)
        states = self.state_filter
        if states.suppression is None or not states.count_if_suppressed(event.data_class):
            self._listener.on_event(self.spec.position, event)
        if last_value is not None:
            self.last_values.set(event.event_type, last_value)

    def _on_counters(self, counters: dict[str, Any]) -> None:
        """Pass on counter increments since the last heartbeat."""
        self.last_good_read_ns = counters.pop("last_good_read_ns") or self.last_good_read_ns
        before, self.counters = self.counters, counters
        counts = {name: value - before.get(name, 0) for name, value in counters.items()}
        if any(counts.values()):
            self._listener.on_counters(self.spec.position, counts)

    def _send(self, kind: FrameType, head: dict[str, Any] | None = None, body: bytes = b"") -> None:
        """Send a frame to the present process, which a later one may replace."""
        self._process.send(kind, head, body)

    def publish_description(self) -> None:
        """Publish the description of the device."""
        described = describe_device(self.driver, self.spec.driver, self.identity, self._session)
        self._listener.on_description(self.spec.position, described)
