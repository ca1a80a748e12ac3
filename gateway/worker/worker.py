"""Work of a worker process: open the driver, send its events, reopen it after a failure."""

import asyncio
import contextlib
import time
import uuid
from collections import deque
from dataclasses import asdict, dataclass
from typing import Any

import structlog

from drivers.command import Invocation
from drivers.driver import BadFrame, Driver, Identity, PreviewFrame, StateCode, Status, yield_fault
from drivers.links.factory import LinkFactory
from drivers.links.link import Action, Cause, CredentialsRefusedError, Direction, LinkError
from drivers.links.settings import Settings
from drivers.observation import ChipObservation, DataClass, Observation
from drivers.record import DeviceRecord
from drivers.registry import load_driver
from gateway.common.backoff import Backoff
from gateway.common.clock import SystemTime
from gateway.contract.commands import CommandOutcome
from gateway.contract.envelope import Provenance
from gateway.ipc.frames import FrameConnection, FrameType
from gateway.worker.commands import CommandRunner
from gateway.worker.diagnostics import WorkerDiagnostics
from gateway.worker.event_budget import EventBudget
from gateway.worker.jail.jail import Jail
from gateway.worker.spec import REFUSED_ATTEMPTS, REFUSED_WITHIN_S, WorkerSpec
from gateway.worker.state_report import StateReport

log = structlog.get_logger()

MISSING_DEVICE_RETRY_FIRST_S, MISSING_DEVICE_RETRY_MAX_S = 0.02, 0.5
"""Interval between searches for a missing device, in seconds: one costs a stat(2) or a walk over sysfs."""
NO_ANSWER_RETRY_MAX_S = 1.0
"""Longest wait before a device that does not respond is tried again, in seconds.

An attempt is cheap, and travellers wait. A device that rejects the connection is tried at growing intervals,
unless it is restarted: many cameras lock a user out after too many wrong passwords.
"""
ACCEPTED_S = 60.0
"""Shortest time, in seconds, for which a device stays open if it has accepted the credentials.

A device that refuses them earlier never checked them: some answer the requests of an opening without any.
"""
NO_ATTEMPT_YET = CredentialsRefusedError(
    Cause.NO_PERMISSION,
    "The device refused its user name and password three times in the last hour, so it is not opened yet.",
    Action.CONFIGURE,
    "Correct `username` and `password` in the table of this device, then: sudo systemctl reload borderpost.",
)
"""State of a new worker that has to wait."""
MAX_KEPT_BAD_FRAMES = 32
BABBLING_PAUSE_S = 0.02
"""Pause after BABBLING_BATCH dropped observations, in seconds: the device's excess costs little CPU time."""
BABBLING_BATCH = 64
MAX_UNINTERRUPTED_S = 0.01
"""Computing time of observations after which the event loop's other tasks run, in seconds."""


@dataclass
class WorkerCounters:
    """Counters since the start of this worker."""

    opens: int = 0
    good_reads: int = 0
    traveller_reads: int = 0
    """Good reads of data about a person."""
    bad_reads: int = 0
    open_failures: int = 0
    """Failed attempts to open the device."""
    disconnects: int = 0
    """Number of times that the open device was lost."""
    online_ms: int = 0
    chip_reads: int = 0
    """Number of chips that were opened."""
    chip_attempts: int = 0
    """Number of times that they were opened: once more for each time that one was lost."""
    chip_ms: int = 0
    """Time of all chip reads."""
    last_good_read_ns: int = 0
    """Time of the last good read, in nanoseconds since 1970; 0: none yet."""


class DeviceWorker:
    """One device: its driver, its links, and the frame connection to the daemon."""

    def __init__(self, spec: WorkerSpec, settings: Settings, jail: Jail, connection: FrameConnection) -> None:
        self._spec = spec
        self._settings = settings
        self._jail = jail
        self._connection = connection
        self._clock = SystemTime()
        self._driver_class = load_driver(spec.driver)
        self._accepted_types: set[type] = set()
        """Types of items that the driver has yielded and may."""
        self._budget = EventBudget(spec.events_per_s, time.monotonic())
        self._yielded_cpu_s = time.thread_time()
        """Computing time of this thread when other tasks were last let in, in seconds."""
        self._state_report = StateReport(
            self._budget, spec.expected_firmware, lambda report: connection.send(FrameType.STATE, report)
        )
        self._has_last_values = False
        self._record = DeviceRecord(
            spec.record,
            lambda number, text: connection.send(FrameType.RECORD, {"number": number}, text.encode()),
        )
        self._commands = CommandRunner(self._driver_class.commands, spec.position, self._send_command_result)
        self.diagnostics = WorkerDiagnostics(
            spec.position, spec.expected_firmware, self._driver_class.describe_chunk
        )
        if spec.is_traced:
            self.diagnostics.wire_tap.keep_early()
        self.counters = WorkerCounters()
        self._refused: deque[float] = deque(maxlen=REFUSED_ATTEMPTS)
        """Times of the last attempts with refused credentials, by the loop's clock; earlier workers' too."""
        self._open_since_ns = 0
        """Start of the online time not counted yet, by the boot clock; 0: the device is not open."""
        # Personal data: kept in memory only, for a technician at this post, and lost with the process.
        self.bad_frames: deque[tuple[int, BadFrame]] = deque(maxlen=MAX_KEPT_BAD_FRAMES)

    async def run(self) -> None:
        """Serve the device until cancelled, or until this process has to be replaced."""
        heartbeats = asyncio.create_task(self._heartbeat_loop())
        try:
            await self._reopen_loop()
        except _JailOutdatedError:
            self._connection.send(FrameType.REPLACE)
        finally:
            heartbeats.cancel()
            await asyncio.gather(heartbeats, return_exceptions=True)

    def _trace_chunk(self, direction: Direction, chunk: bytes) -> None:
        """Pass a chunk of a link to the wire tap, if there is a watcher; called from any thread."""
        if self.diagnostics.wire_tap.is_watched:
            self.diagnostics.wire_tap.on_chunk(direction, chunk)

    def on_command(self, head: dict[str, Any], args: bytes) -> None:
        """Start a command of the daemon."""
        call = Invocation(
            head["id"], head["issuer"], head["transaction"], head["deadline_ns"], head["is_supervisor"]
        )
        self._commands.start_command(head["command_ref"], head["verb"], call, args)

    def on_record_stored(self, number: int) -> None:
        """Note that a record of the device is on the disk."""
        self._record.on_stored(number)

    def on_decision_recorded(self, command_ref: int, *, is_recorded: bool) -> None:
        """Note that the decision on a command is on the disk, or was refused by it."""
        self._commands.on_decision_recorded(command_ref, is_recorded=is_recorded)

    def on_claim(self, holder: str | None) -> None:
        """Send the claim holder to the driver."""
        self._commands.on_claim(holder)

    def refuse_commands(self) -> None:
        """Refuse commands, because the process is about to end."""
        self._commands.refuse_commands()

    def _send_command_result(self, command_ref: int, outcome: CommandOutcome) -> None:
        head = {"command_ref": command_ref, "state": outcome.state, "reason": outcome.reason}
        self._connection.send(
            FrameType.COMMAND_RESULT, head | {"text": outcome.text, "how": outcome.how}, outcome.result
        )

    async def _heartbeat_loop(self) -> None:
        """Send heartbeats, which prove that this process and its event loop run."""
        while True:
            self.send_heartbeat()
            if self._budget.settle(time.monotonic()):
                log.info("device_babbling_ended", device=self._spec.position)
            self._state_report.send_changes()
            await asyncio.sleep(self._spec.heartbeat_interval_s)

    def send_heartbeat(self) -> None:
        """Send a heartbeat with the present counters."""
        if self._open_since_ns:
            open_ms = (self._clock.boot_ns() - self._open_since_ns) // 1_000_000
            self.counters.online_ms += open_ms
            self._open_since_ns += open_ms * 1_000_000
        self._connection.send(FrameType.HEARTBEAT, asdict(self.counters))

    async def _reopen_loop(self) -> None:
        """Open and watch the device repeatedly; the wait between attempts depends on the failure."""
        failing = Backoff(self._spec.backoff_first_s, self._spec.backoff_max_s)
        unanswered = Backoff(self._spec.backoff_first_s, min(self._spec.backoff_max_s, NO_ANSWER_RETRY_MAX_S))
        absent = Backoff(MISSING_DEVICE_RETRY_FIRST_S, MISSING_DEVICE_RETRY_MAX_S)
        now_s = asyncio.get_running_loop().time()
        self._refused.extend(now_s - age_s for age_s in self._spec.refused_ages_s)
        if self._allowed_in_s() > 0:
            self._state_report.set_failure(NO_ATTEMPT_YET)
        while True:
            # Not even when the device or this process was restarted: one that restarts again and again would
            # lock the account.
            await asyncio.sleep(self._allowed_in_s())
            self._check_jail()
            opened = self.counters.opens
            try:
                await self._open_and_watch()
            except LinkError as error:
                failure = error  # reported already
            except _JailOutdatedError:
                raise
            except Exception as error:
                log.error("driver_error", device=self._spec.position, exc_info=error)
                failure = LinkError(
                    Cause.DRIVER_ERROR,
                    f"The driver {self._spec.driver} failed with an internal error.",
                    Action.CALL_SUPPORT,
                    "Send a diagnostics bundle to support; the driver is started again.",
                )
                self._state_report.set_failure(failure)
            if self.counters.opens > opened:
                self.counters.disconnects += 1
                failing.reset()
                unanswered.reset()
                absent.reset()
            elif failure.cause is not Cause.NO_DEVICE:
                self.counters.open_failures += 1
            match failure.cause:
                case Cause.NO_DEVICE | Cause.UNPLUGGED:
                    wait = absent
                case Cause.NO_RESPONSE | Cause.LINK_FAILED | Cause.WRONG_FORMAT:
                    wait = unanswered
                case _:
                    wait = failing
            await _wait_before_retry(wait.next_s(), failure)

    async def _open_and_watch(self) -> None:
        """Open the driver and watch it until it fails; always ends by raising."""
        opened, begun_s = self.counters.opens, asyncio.get_running_loop().time()
        links = LinkFactory(self._trace_chunk, self.diagnostics.wire_tap.on_transfer)
        driver = self._driver_class(self._settings, links)
        driver.record = self._record
        try:
            identity = await self._open(driver, links)
            self.send_heartbeat()  # counts until now belong to the device that was there before
            self.counters.opens += 1
            self._open_since_ns = self._clock.boot_ns()
            self._connection.send(FrameType.IDENTITY, identity.model_dump(mode="json"))
            self._state_report.set_identity(identity)
            self._state_report.set(StateCode.ONLINE, provenance=_provenance(links))
            self._commands.on_opened(driver)
            self.diagnostics.on_opened(driver, identity)
            async with contextlib.aclosing(driver.watch()) as observations:  # type: ignore[type-var]
                async for observation in observations:
                    await self._yield_if_due()
                    if type(observation) not in self._accepted_types:
                        self._accept_type(observation)
                    match observation:
                        case BadFrame() | Observation() if not self._budget.admit(
                            observation, time.monotonic()
                        ):
                            await self._drop(observation)
                        case BadFrame():
                            self._count_bad_frame(observation)
                            self._note(observation, self._clock.unix_ns(), _provenance(links))
                        case Status(condition, cause, text, action, how):
                            self._state_report.set(
                                condition,
                                cause=cause,
                                text=text,
                                action=action,
                                how=how,
                                provenance=_provenance(links),
                            )
                        case PreviewFrame(station, picture):
                            self._require_real_device(links)
                            if self._connection.is_writable or not picture:
                                self._connection.send(FrameType.PREVIEW, {"station": station}, picture)
                        case _:
                            # A link that is opened for each document may be connected to a simulator only
                            # now.
                            self._require_real_device(links)
                            await self._send_event(observation, _provenance(links))
            raise LinkError(Cause.LINK_FAILED, "The driver ended without an error.", Action.WAIT)
        except LinkError as failure:
            if failure.cause is Cause.NO_PERMISSION:
                self._check_jail()  # the node may have come while the driver opened
            self._state_report.set_failure(
                failure
            )  # reported now, because closing a failed link may take time
            is_refused = isinstance(failure, CredentialsRefusedError)
            self._count_refusal(is_refused, self.counters.opens > opened, begun_s)
            raise
        finally:
            self.send_heartbeat()
            self._open_since_ns = 0
            self.diagnostics.on_closed()
            if self._has_last_values:
                self._has_last_values = False
                self._connection.send(FrameType.LAST_VALUE)
            try:
                await self._commands.on_closed()
            finally:
                try:
                    await driver.close()
                finally:
                    await links.close()

    def _count_refusal(self, is_refused: bool, was_open: bool, begun_s: float) -> None:
        """Count an attempt whose credentials were refused, and report it for the next worker.

        A device that was open has accepted them before.
        """
        now_s, before = asyncio.get_running_loop().time(), tuple(self._refused)
        if was_open and (not is_refused or now_s - begun_s > ACCEPTED_S):
            self._refused.clear()
        if is_refused:
            self._refused.append(now_s)
        if before != tuple(self._refused):
            self._connection.send(FrameType.REFUSED, {"ages_s": [now_s - at_s for at_s in self._refused]})

    def _allowed_in_s(self) -> float:
        """Return the time until another attempt may be made, in seconds."""
        if len(self._refused) < REFUSED_ATTEMPTS:
            return 0.0
        return max(0.0, self._refused[0] + REFUSED_WITHIN_S - asyncio.get_running_loop().time())

    async def _yield_if_due(self) -> None:
        """Let other tasks run, if observations have taken MAX_UNINTERRUPTED_S of computing time.

        By the clock it would be due for each observation of a device that is mostly silent.
        """
        if time.thread_time() - self._yielded_cpu_s > MAX_UNINTERRUPTED_S:
            await asyncio.sleep(0)
            self._yielded_cpu_s = time.thread_time()

    async def _drop(self, observation: Observation | BadFrame) -> None:
        """Count an observation that exceeds the device's budget, and slow the device down."""
        if isinstance(observation, BadFrame) or observation.event_type.endswith("failed"):
            self.counters.bad_reads += 1
        if self._budget.dropped == 1:
            log.warning("device_babbling", device=self._spec.position, limit=self._budget.events_per_s)
            self._state_report.send_changes()
        if self._budget.dropped % BABBLING_BATCH == 0:
            await asyncio.sleep(BABBLING_PAUSE_S)

    def _check_jail(self) -> None:
        """Raise _JailOutdatedError if the device has a node that this process may never open."""
        if self._jail.is_outdated():
            raise _JailOutdatedError

    async def _open(self, driver: Driver[Settings], links: LinkFactory) -> Identity:
        try:
            async with asyncio.timeout(self._spec.open_timeout_s):
                identity: object = await driver.open()
        except TimeoutError:
            raise LinkError(
                Cause.NO_RESPONSE,
                f"The device did not answer within {self._spec.open_timeout_s:g} seconds.",
                Action.RESTART,
                "Switch the device off and on.",
            ) from None
        self._require_real_device(links)
        if not isinstance(identity, Identity):
            raise self._mistake(f"its open returns a {type(identity).__name__}, which is no Identity")
        return identity

    def _accept_type(self, item: object) -> None:
        """Note the type of a yielded item; raises LinkError where the driver may not yield it."""
        if (fault := yield_fault(self._driver_class, item)) is not None:
            raise self._mistake(fault)
        self._accepted_types.add(type(item))

    def _mistake(self, fault: str) -> LinkError:
        """Return the error of a driver that breaks the rules of its interface."""
        return LinkError(
            Cause.DRIVER_ERROR,
            f"The driver {self._spec.driver} is wrong: {fault}.",
            Action.CALL_SUPPORT,
            "Install a version of its package in which its author has corrected that.",
        )

    def _require_real_device(self, links: LinkFactory) -> None:
        if links.is_simulated and self._spec.is_production:
            raise LinkError(
                Cause.SIMULATED,
                "A simulator is connected, and this post runs in production.",
                Action.CONFIGURE,
                'Connect the real device, or set `profile = "training"`.',
            )

    async def _send_event(self, observation: Observation, provenance: Provenance) -> None:
        """Send an observation, after its images; the daemon makes an event of it."""
        boot_ns, unix_ns = self._clock.boot_ns(), self._clock.unix_ns()
        if type(observation).event_type.endswith("failed"):
            self._count_bad_frame(BadFrame(type(observation).event_type, observation.wire))
        else:
            self.counters.good_reads += 1
            self.counters.traveller_reads += observation.data_class is DataClass.TRAVELLER
            self.counters.last_good_read_ns = unix_ns
        if isinstance(observation, ChipObservation) and (effort := observation.chip_effort()) is not None:
            self.counters.chip_reads += 1
            self.counters.chip_attempts += effort.attempts
            self.counters.chip_ms += round(effort.duration_ms)
        for attachment in observation.attachments:
            self._connection.send(
                FrameType.BLOB,
                {"role": attachment.role, "media_type": attachment.media_type},
                attachment.content,
            )
        head = {
            "type": observation.event_type,
            "transaction": observation.transaction or str(uuid.uuid4()),
            "provenance": provenance,
            "boot_ns": boot_ns,
        }
        self._connection.send(FrameType.EVENT, head, observation.model_dump_json().encode())
        self._has_last_values = self._has_last_values or observation.is_state
        self._note(observation, unix_ns, provenance, boot_ns)
        if not self._connection.is_writable:
            await self._connection.wait_writable()

    def _note(
        self, observation: Observation | BadFrame, unix_ns: int, provenance: Provenance, boot_ns: int = 0
    ) -> None:
        """Keep an observation for technicians; `boot_ns`: receive time of an event, 0 for a bad frame."""
        diagnostics = self.diagnostics
        diagnostics.pending.append((boot_ns, unix_ns, provenance, observation))
        # Most events need no more: there is no watcher, and rendering is scheduled already.
        if (
            diagnostics.render_timer is None
            or diagnostics.subscribers
            or diagnostics.check_observations is not None
            or (isinstance(observation, Observation) and observation.attachments)
        ):
            diagnostics.on_observation(observation)

    def _count_bad_frame(self, bad: BadFrame) -> None:
        self.counters.bad_reads += 1
        if bad.wire:
            self.bad_frames.append((self._clock.boot_ns(), bad))


class _JailOutdatedError(Exception):
    """A node of the device is new: only another process can open it."""


async def _wait_before_retry(wait_s: float, failure: LinkError) -> None:
    """Wait for `wait_s`, or until the failure's own condition for a retry is met."""
    if failure.retry_when is None:
        await asyncio.sleep(wait_s)
        return
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(wait_s):
            await failure.retry_when()


def _provenance(links: LinkFactory) -> Provenance:
    if links.is_replayed:
        return Provenance.REPLAYED
    return Provenance.SIMULATED if links.is_simulated else Provenance.LIVE
