"""Inside a device's own process: open the driver, run it, hand up what it says, start again when it fails."""

import asyncio
import contextlib
import ctypes
import os
import select
import signal
import socket
import uuid
from collections import deque
from dataclasses import asdict, dataclass
from typing import Any

import structlog

from drivers.command import Call
from drivers.driver import BadFrame, Condition, Driver, Glimpse, Identity, Status, load_driver
from drivers.links.factory import Links
from drivers.links.link import Action, Cause, LinkError
from drivers.links.settings import Settings
from drivers.observation import Observation
from gateway.common.backoff import Backoff
from gateway.common.clock import SystemTime
from gateway.contract.commands import Outcome
from gateway.contract.envelope import EnvelopeWriter, Moment, Provenance
from gateway.contract.last_values import open_standing
from gateway.ipc.frames import Corridor, Kind
from gateway.ipc.rpc import Answers
from gateway.worker.commands import CommandRunner
from gateway.worker.diagnostics import Workbench

log = structlog.get_logger()

PR_SET_NAME = 15  # prctl(2)
ABSENT_FIRST_S, ABSENT_MAX_S = 0.02, 0.5
"""How often a missing device is looked for, in seconds: a look costs one stat(2) or a walk over sysfs."""
STANDING_NS = 100_000_000
"""How long an answer about the clock's standing is used: asking takes a seventh of what an event takes."""
UNANSWERED_MAX_S = 1.0
"""How long at most until who does not answer is tried again, in seconds: it costs little, and somebody waits.

Who refuses is tried ever more seldom, unless it is started anew: many cameras lock out who gives a wrong
password too often.
"""
KEPT_BAD_FRAMES = 32
CONDITIONS = {
    Cause.NO_DEVICE: Condition.NO_DEVICE,
    Cause.UNPLUGGED: Condition.NO_DEVICE,
    Cause.SIMULATED: Condition.FAULT,
    Cause.WRONG_DEVICE: Condition.FAULT,
    Cause.DEVICE_FAULT: Condition.FAULT,
    Cause.DRIVER_ERROR: Condition.FAULT,
}
"""Which condition a failure means; all others are `offline`."""


@dataclass(frozen=True)
class Order:
    """Everything a worker has to know."""

    site: str
    gateway: str
    position: str
    driver: str
    settings: dict[str, Any]
    production: bool
    heartbeat_s: float
    open_limit_s: float
    backoff_first_s: float
    backoff_max_s: float
    expect_firmware: str | None = None

    def as_head(self) -> dict[str, Any]:
        """As plain values."""
        return asdict(self)


@dataclass
class Counters:
    """What happened since this worker started."""

    opened: int = 0
    read: int = 0
    bad: int = 0
    retries: int = 0
    """Attempts to open it that failed."""
    disconnects: int = 0
    """How often it was lost while open."""
    online_ms: int = 0
    good_ns: int = 0
    """When it last read something well, in nanoseconds since 1970; 0: not yet."""


class DeviceWorker:
    """One device: its driver, its link, and the corridor to the daemon."""

    def __init__(self, order: Order, corridor: Corridor, clock: SystemTime) -> None:
        self._order = order
        self._corridor = corridor
        self._clock = clock
        self._writer = EnvelopeWriter(order.site, order.gateway, order.position)
        self._driver_class = load_driver(order.driver)
        self._settings: Settings = self._driver_class.settings_model.model_validate(order.settings)
        self._standing = clock.standing()
        self._standing_ns = clock.boot_ns()
        self._reported: dict[str, Any] | None = None
        self._stands = False
        self._wrong_firmware: dict[str, Any] | None = None
        self._commands = CommandRunner(self._driver_class.commands, order.position, self._answer)
        self.bench = Workbench(order.position, order.expect_firmware, self._driver_class.meaning)
        self.counters = Counters()
        self._open_since_ns = 0
        """By the boot clock, what has not been counted yet; 0: it is not open."""
        # Personal data: kept in memory only, for a technician at this post, and gone with the process.
        self.bad_frames: deque[tuple[int, BadFrame]] = deque(maxlen=KEPT_BAD_FRAMES)

    async def run(self) -> None:
        """Tend the device until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._beat())
            tasks.create_task(self._tend())

    def obey(self, head: dict[str, Any], args: bytes) -> None:
        """Take a command from the daemon."""
        call = Call(head["id"], head["issuer"], head["transaction"], head["deadline_ns"])
        self._commands.take(head["ticket"], head["verb"], call, args)

    def claimed_by(self, holder: str | None) -> None:
        """Let the driver know who has the device from now on."""
        self._commands.claimed_by(holder)

    def stop(self) -> None:
        """Obey no more: the end is near."""
        self._commands.stop()

    def _answer(self, ticket: int, outcome: Outcome) -> None:
        head = {"ticket": ticket, "state": outcome.state, "reason": outcome.reason}
        self._corridor.send(Kind.ANSWER, head | {"text": outcome.text, "how": outcome.how}, outcome.result)

    async def _beat(self) -> None:
        """Tell the daemon regularly that this process and its event loop are alive."""
        while True:
            self.beat()
            await asyncio.sleep(self._order.heartbeat_s)

    def beat(self) -> None:
        """Tell what has been counted until now."""
        if self._open_since_ns:
            open_ms = (self._clock.boot_ns() - self._open_since_ns) // 1_000_000
            self.counters.online_ms += open_ms
            self._open_since_ns += open_ms * 1_000_000
        self._corridor.send(Kind.BEAT, asdict(self.counters))

    async def _tend(self) -> None:
        """Open and watch, again and again; wait between attempts as long as the failure deserves."""
        failing = Backoff(self._order.backoff_first_s, self._order.backoff_max_s)
        unanswered = Backoff(self._order.backoff_first_s, min(self._order.backoff_max_s, UNANSWERED_MAX_S))
        absent = Backoff(ABSENT_FIRST_S, ABSENT_MAX_S)
        while True:
            opened = self.counters.opened
            try:
                await self._open_and_watch()
            except LinkError as error:
                failure = error  # and has been reported
            except Exception as error:
                log.error("driver_error", device=self._order.position, exc_info=error)
                failure = LinkError(
                    Cause.DRIVER_ERROR,
                    f"The driver {self._order.driver} met something it does not understand.",
                    Action.CALL,
                    "Send a diagnostics bundle to support; the driver goes on trying.",
                )
                self._fail(failure)
            if self.counters.opened > opened:
                self.counters.disconnects += 1
                failing.reset()
                unanswered.reset()
                absent.reset()
            elif failure.cause is not Cause.NO_DEVICE:
                self.counters.retries += 1
            match failure.cause:
                case Cause.NO_DEVICE | Cause.UNPLUGGED:
                    wait = absent
                case Cause.NO_ANSWER | Cause.LINK_FAILED:
                    wait = unanswered
                case _:
                    wait = failing
            await _pause(wait.next_s(), failure)

    async def _open_and_watch(self) -> None:
        """One life of the driver; always ends by raising."""
        links = Links(self.bench.wiretap.tap, self.bench.wiretap.transfer)
        driver = self._driver_class(self._settings, links)
        try:
            identity = await self._open(driver, links)
            self.beat()  # what was counted before belongs to whoever was there before
            self.counters.opened += 1
            self._open_since_ns = self._clock.boot_ns()
            self._corridor.send(Kind.IDENTITY, identity.model_dump(mode="json"))
            self._wrong_firmware = _wrong_firmware(identity, self._order.expect_firmware)
            self._report(Condition.ONLINE, provenance=_provenance(links))
            self._commands.opened(driver)
            self.bench.opened(driver, identity)
            async with contextlib.aclosing(driver.watch()) as said:  # type: ignore[type-var]
                async for observation in said:
                    match observation:
                        case BadFrame():
                            self._count_bad(observation)
                            self.bench.said(self._clock.unix_ns(), _provenance(links), observation)
                        case Status(condition, cause, text, action, how):
                            self._report(
                                condition,
                                cause=cause,
                                text=text,
                                action=action,
                                how=how,
                                provenance=_provenance(links),
                            )
                        case Glimpse(station, picture):
                            self._refuse_simulated(links)
                            if self._corridor.keeps_up or not picture:
                                self._corridor.send(Kind.GLIMPSE, {"station": station}, picture)
                        case _:
                            # A link that is opened for each document may lead to a simulator only now.
                            self._refuse_simulated(links)
                            await self._hand_up(observation, _provenance(links))
            raise LinkError(Cause.LINK_FAILED, "The driver stopped listening.", Action.WAIT)
        except LinkError as failure:
            self._fail(failure)  # now: to close what has failed may take its time
            raise
        finally:
            self.beat()
            self._open_since_ns = 0
            self.bench.closed()
            if self._stands:
                self._stands = False
                self._corridor.send(Kind.NOW)
            try:
                await self._commands.closed()
            finally:
                try:
                    await driver.close()
                finally:
                    await links.close()

    async def _open(self, driver: Driver[Settings], links: Links) -> Identity:
        try:
            async with asyncio.timeout(self._order.open_limit_s):
                identity = await driver.open()
        except TimeoutError:
            raise LinkError(
                Cause.NO_ANSWER,
                f"The device did not answer within {self._order.open_limit_s:g} seconds.",
                Action.RESTART,
                "Switch the device off and on.",
            ) from None
        self._refuse_simulated(links)
        return identity

    def _refuse_simulated(self, links: Links) -> None:
        if links.simulated and self._order.production:
            raise LinkError(
                Cause.SIMULATED,
                "A simulator is connected, and this post is in production.",
                Action.CONFIGURE,
                'Connect the real device, or set `profile = "training"`.',
            )

    async def _hand_up(self, observation: Observation, provenance: Provenance) -> None:
        """Write the event once and send it, its images before it."""
        heard = self._moment()
        if type(observation).event_type.endswith("failed"):
            self._count_bad(BadFrame(type(observation).event_type, observation.wire))
        else:
            self.counters.read += 1
            self.counters.good_ns = heard.unix_ns
        for attachment in observation.attachments:
            self._corridor.send(
                Kind.BLOB,
                {"role": attachment.role, "media_type": attachment.media_type},
                attachment.content,
            )
        event = self._writer.open_event(
            observation, heard, provenance, observation.transaction or str(uuid.uuid4())
        )
        self._corridor.send(
            Kind.EVENT,
            {"type": observation.event_type, "class": observation.data_class, "boot_ns": heard.boot_ns},
            event,
        )
        if observation.stands:
            standing = open_standing(observation, heard, provenance)
            self._corridor.send(Kind.NOW, {"type": observation.event_type}, standing)
            self._stands = True
        self.bench.said(heard.unix_ns, provenance, observation, heard.boot_ns)
        await self._corridor.drained()

    def _moment(self) -> Moment:
        """When this is; see `clock.moment`."""
        boot_ns = self._clock.boot_ns()
        if boot_ns - self._standing_ns > STANDING_NS:
            self._standing, self._standing_ns = self._clock.standing(), boot_ns
        return Moment(self._clock.unix_ns(), self._clock.boot_id, boot_ns, self._standing)

    def _count_bad(self, bad: BadFrame) -> None:
        self.counters.bad += 1
        if bad.wire:
            self.bad_frames.append((self._clock.boot_ns(), bad))

    def _fail(self, failure: LinkError) -> None:
        """Report why it is not there."""
        self._report(
            CONDITIONS.get(failure.cause, Condition.OFFLINE),
            cause=failure.cause,
            text=failure.text,
            action=failure.action,
            how=failure.how,
        )

    def _report(self, state: Condition, **why: Any) -> None:
        """Report a transition; repetitions of the same state are not news."""
        if state is Condition.ONLINE and self._wrong_firmware is not None:
            state, why = Condition.DEGRADED, why | self._wrong_firmware
        report = {"state": state, **why}
        # Unplugged explains more than the `nothing there` that every later look finds.
        still_unplugged = (
            why.get("cause") is Cause.NO_DEVICE
            and self._reported is not None
            and self._reported.get("cause") is Cause.UNPLUGGED
        )
        if report != self._reported and not still_unplugged:
            self._reported = report
            self._corridor.send(Kind.STATE, report)


async def _pause(wait_s: float, failure: LinkError) -> None:
    """Wait so long, or until something happens that makes another attempt worth while."""
    if failure.again is None:
        await asyncio.sleep(wait_s)
        return
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(wait_s):
            await failure.again()


def _provenance(links: Links) -> Provenance:
    if links.replayed:
        return Provenance.REPLAYED
    return Provenance.SIMULATED if links.simulated else Provenance.LIVE


def _wrong_firmware(identity: Identity, expected: str | None) -> dict[str, Any] | None:
    """What is to be said of a device that runs another firmware than was tried; None: nothing."""
    if expected is None or identity.firmware in (None, expected):
        return None
    return {
        "cause": Cause.WRONG_FIRMWARE,
        "text": f"It works, but its firmware is {identity.firmware}, and {expected} is expected.",
        "action": Action.CALL,
        "how": "Install the expected firmware, or change `expect_firmware` in the post's file.",
    }


def _hung_up(channel: socket.socket) -> bool:
    """Whether the other end is closed, however much of what it said is still unread."""
    poll = select.poll()
    poll.register(channel, select.POLLRDHUP)
    return bool(poll.poll(0))


async def _serve(order: Order, channel: socket.socket) -> None:
    """Run the device until the daemon says stop or is gone."""
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()

    def received(kind: Kind, head: dict[str, Any], body: bytes) -> None:
        match kind:
            case Kind.STOP:
                device.stop()
                ended.set()
            # A command that a dead daemon left in the socket would have neither an answer nor a record.
            case Kind.COMMAND if not _hung_up(channel):
                device.obey(head, body)
            case Kind.CLAIM:
                device.claimed_by(head["holder"])
            case Kind.ASK:
                answers.asked(head, body)
            case Kind.ENOUGH:
                answers.enough(head)

    corridor = Corridor(received, ended.set)
    device = DeviceWorker(order, corridor, SystemTime())
    answers = Answers(corridor, device.bench.answer)
    await loop.create_unix_connection(lambda: corridor, sock=channel)
    running = asyncio.create_task(device.run())
    waiting = asyncio.create_task(ended.wait())
    await asyncio.wait({running, waiting}, return_when=asyncio.FIRST_COMPLETED)
    for task in (running, waiting):
        task.cancel()
    await asyncio.gather(running, waiting, answers.close(), return_exceptions=True)
    device.beat()
    corridor.close()


def serve(order: Order, channel: socket.socket) -> None:
    """Be the worker process of one device; returns when the daemon says stop or is gone."""
    name = order.position.encode()[-15:]
    ctypes.CDLL(None).prctl(PR_SET_NAME, ctypes.create_string_buffer(name), 0, 0, 0)
    # The terminal's Ctrl-C and the service manager's stop go to the daemon, which then says STOP.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    os.environ.pop("NOTIFY_SOCKET", None)
    asyncio.run(_serve(order, channel))
