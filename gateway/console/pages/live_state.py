"""Live state of the post, shared by all open pages: present states, recent events, samples of the last hour.

Subscribes to the daemon while at least one page is open: ten open pages cost the daemon as much as one, and
none cost nothing. A subscriber that does not keep up loses the oldest updates.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator
from datetime import UTC, datetime

from drivers.self_test import SelfTestReport
from gateway.api.interface import DaemonInterface
from gateway.api.models import DeviceView, EventView, Finding, LiveUpdate, PostView
from gateway.api.operations import RpcError
from gateway.console.pages.time_series import VALUES, DeviceSamples, Value
from gateway.contract.states import DeviceState, GatewayProblem

COUNT_EVERY_S = 5.0
CONFIRM_EVERY_S = 1.0
"""Interval at which the gateway is asked whether it still runs, in seconds."""
EVENTS = 200
MAX_QUEUED_UPDATES = 100
"""Maximum number of queued updates per subscriber."""
FAILED_READ_EVENTS = frozenset({"bad_frame", "document.read_failed"})


class LiveState:
    """The console's view of the post."""

    def __init__(self, daemon: DaemonInterface) -> None:
        self._daemon = daemon
        self._devices: dict[str, DeviceView] = {}
        self._subscribers: set[asyncio.Queue[LiveUpdate | None]] = set()
        self._listen_task: list[asyncio.Task[None]] = []
        self._confirmed_s = 0.0
        """Time at which a request was sent that the gateway has answered, or at which it sent an update."""
        self._needs_backfill = True
        """True if events may have occurred without a subscription."""
        self.last_post: PostView | None = None
        """The post at the last request."""
        self.events: deque[EventView] = deque(maxlen=EVENTS)
        """The newest event first."""
        self.last_event_by_type: dict[tuple[str, str], EventView] = {}
        """Last event by position and type."""
        self.last_event: dict[str, EventView] = {}
        """Last event by position."""
        self.samples: dict[str, DeviceSamples] = {}
        self.backlog: deque[Value] = deque(maxlen=VALUES)
        self.reports: dict[str, dict[str, SelfTestReport]] = {}
        """Self-test reports by position and level, for the lifetime of this process."""
        self.examinations: dict[str, tuple[DeviceState, asyncio.Task[list[Finding]]]] = {}
        """By position: state of the device when its last diagnosis began, and the diagnosis."""

    async def post(self) -> PostView:
        """Return the post at this moment; raises RpcError."""
        post = self._set_post(await self._view())
        if self._needs_backfill:
            self._needs_backfill = not self._listen_task
            await self._load_recent_events(post)
        return post

    def age_s(self) -> float:
        """Return the time since the gateway has confirmed what is shown, in seconds."""
        return asyncio.get_running_loop().time() - self._confirmed_s

    async def _view(self) -> PostView:
        asked_s = asyncio.get_running_loop().time()
        post = await self._daemon.view()
        self._confirmed_s = max(self._confirmed_s, asked_s)
        return post

    async def load_post(self) -> None:
        """Load the post once, if the daemon responds: every page shows its name and profile."""
        if self.last_post is None:
            with contextlib.suppress(RpcError):
                self.last_post = await self._daemon.view()

    def device(self, position: str) -> DeviceView | None:
        """Return a device as last reported."""
        return self._devices.get(position)

    def devices(self) -> list[DeviceView]:
        """Return every device as last reported, in the order of the post's file."""
        return list(self._devices.values())

    def problems(self) -> tuple[GatewayProblem, ...]:
        """Return the problems of the gateway itself."""
        return self.last_post.report.problems if self.last_post is not None else ()

    def samples_of(self, position: str) -> DeviceSamples:
        """Return the samples of a device."""
        return self.samples.setdefault(position, DeviceSamples())

    def on_check_report(self, position: str, report: SelfTestReport) -> None:
        """Store a self-test report."""
        self.reports.setdefault(position, {})[str(report.level)] = report
        self.samples_of(position).on_check_report(report)

    @contextlib.asynccontextmanager
    async def subscribe(self) -> AsyncIterator[AsyncIterator[LiveUpdate]]:
        """Yield updates from now on; the iterator ends when the daemon is disconnected."""
        queue: asyncio.Queue[LiveUpdate | None] = asyncio.Queue(MAX_QUEUED_UPDATES)
        self._subscribers.add(queue)
        if not self._listen_task:
            self._listen_task = [
                asyncio.create_task(self._listen()),
                asyncio.create_task(self._sample_counters()),
                asyncio.create_task(self._confirm()),
            ]
            await asyncio.sleep(0)  # The subscription is sent before any request for the present state.
        try:
            yield _until_none(queue)
        finally:
            self._subscribers.discard(queue)
            if not self._subscribers:
                await self._stop()

    async def _stop(self) -> None:
        ending, self._listen_task, self._needs_backfill = self._listen_task, [], True
        for task in ending:
            task.cancel()
        await asyncio.gather(*ending, return_exceptions=True)

    async def _load_recent_events(self, post: PostView) -> None:
        """Load the events that occurred without a subscription, as far as the workers still have them."""
        recent = await asyncio.gather(*(self._daemon.last_events(device.position) for device in post.devices))
        known = {event.model_dump_json(): event for events in (*recent, self.events) for event in events}
        self.events.clear()
        for event in sorted(known.values(), key=lambda event: event.at):
            self._store_event(event)

    async def _listen(self) -> None:
        with contextlib.suppress(RpcError):
            async with contextlib.aclosing(self._daemon.subscribe()) as live:
                async for update in live:
                    self._on_update(update)
        self._push(None)

    async def _sample_counters(self) -> None:
        while True:
            await asyncio.sleep(COUNT_EVERY_S)
            with contextlib.suppress(RpcError):
                self._set_post(await self._view())

    async def _confirm(self) -> None:
        """Request a sign of life of the gateway: one that hangs sends no update, and closes nothing."""
        while True:
            await asyncio.sleep(CONFIRM_EVERY_S)
            with contextlib.suppress(RpcError):
                await self._view()

    def _on_update(self, update: LiveUpdate) -> None:
        self._confirmed_s = asyncio.get_running_loop().time()
        if update.device is not None:
            self._set_device(update.device)
        if update.event is not None:
            self._store_event(update.event)
            self.samples_of(update.event.position).on_event(update.event)
        self._push(update)

    def _store_event(self, event: EventView) -> None:
        self.events.appendleft(event)
        self.last_event[event.position] = event
        self.last_event_by_type[event.position, event.type] = event
        device = self._devices.get(event.position)
        if device is not None and event.type not in FAILED_READ_EVENTS:
            self._devices[event.position] = _with_last_good_read(device, event.at)

    def _set_post(self, post: PostView) -> PostView:
        before, self._devices, self.last_post = self._devices, {}, post
        for device in post.devices:
            self._set_device(device, before.get(device.position))
        now = datetime.now(UTC)
        for device in post.devices:
            self.samples_of(device.position).add_counters(now, device.counters.lifetime)
        self.backlog.append(Value(now, sum(one.queued for one in post.report.destinations)))
        return post

    def _set_device(self, device: DeviceView, before: DeviceView | None = None) -> None:
        """Store a device as reported; the daemon reports the last good read after the event."""
        before = before or self._devices.get(device.position)
        self._devices[device.position] = _with_last_good_read(
            device, before.last_good_read_at if before else None
        )

    def _push(self, update: LiveUpdate | None) -> None:
        for subscriber in self._subscribers:
            if subscriber.full():
                subscriber.get_nowait()
            subscriber.put_nowait(update)


async def _until_none(queue: asyncio.Queue[LiveUpdate | None]) -> AsyncIterator[LiveUpdate]:
    while (update := await queue.get()) is not None:
        yield update


def _with_last_good_read(device: DeviceView, at: datetime | None) -> DeviceView:
    """Return the device with a good read at that time or later."""
    if at is None or (device.last_good_read_at is not None and device.last_good_read_at >= at):
        return device
    return device.model_copy(update={"last_good_read_at": at})
