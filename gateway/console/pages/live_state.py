"""One pair of eyes on the daemon for all open pages: what is known now, what is new, and the last hour.

It listens while at least one page is open for news: ten open pages cost the daemon what one does, and none
costs nothing. Whoever follows and does not keep up loses the oldest news.
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
EVENTS = 200
MAX_QUEUED_UPDATES = 100
"""How many pieces of news wait for one follower at most."""
FAILED_READ_EVENTS = frozenset({"bad_frame", "document.read_failed"})


class LiveState:
    """What the console knows of the post."""

    def __init__(self, daemon: DaemonInterface) -> None:
        self._daemon = daemon
        self._devices: dict[str, DeviceView] = {}
        self._subscribers: set[asyncio.Queue[LiveUpdate | None]] = set()
        self._listen_task: list[asyncio.Task[None]] = []
        self._needs_backfill = True
        """Whether anything may have been said that nobody heard."""
        self.last_post: PostView | None = None
        """The post as it was last looked at."""
        self.events: deque[EventView] = deque(maxlen=EVENTS)
        """Newest first."""
        self.last_event_by_type: dict[tuple[str, str], EventView] = {}
        """By position and type."""
        self.last_event: dict[str, EventView] = {}
        """By position."""
        self.samples: dict[str, DeviceSamples] = {}
        self.backlog: deque[Value] = deque(maxlen=VALUES)
        self.reports: dict[str, dict[str, SelfTestReport]] = {}
        """What checks found, by position and level, while this process lives."""
        self.examinations: dict[str, tuple[DeviceState, asyncio.Task[list[Finding]]]] = {}
        """By position: how the device was when its last examination began, and that."""

    async def post(self) -> PostView:
        """The post as it is at this moment; raises Refusal."""
        post = self._set_post(await self._daemon.view())
        if self._needs_backfill:
            self._needs_backfill = not self._listen_task
            await self._load_recent_events(post)
        return post

    async def load_post(self) -> None:
        """Know the post, if the daemon answers: every page says whose it is, and how serious that one is."""
        if self.last_post is None:
            with contextlib.suppress(RpcError):
                self.last_post = await self._daemon.view()

    def device(self, position: str) -> DeviceView | None:
        """A device as it was last heard of."""
        return self._devices.get(position)

    def devices(self) -> list[DeviceView]:
        """Every device as it was last heard of, in the order of the post's file."""
        return list(self._devices.values())

    def problems(self) -> tuple[GatewayProblem, ...]:
        """What a person should know of the gateway itself."""
        return self.last_post.report.problems if self.last_post is not None else ()

    def samples_of(self, position: str) -> DeviceSamples:
        """The samples of a device."""
        return self.samples.setdefault(position, DeviceSamples())

    def on_check_report(self, position: str, report: SelfTestReport) -> None:
        """Remember what a check found."""
        self.reports.setdefault(position, {})[str(report.level)] = report
        self.samples_of(position).on_check_report(report)

    @contextlib.asynccontextmanager
    async def subscribe(self) -> AsyncIterator[AsyncIterator[LiveUpdate]]:
        """News from here on, which ends when the daemon cannot be heard any more."""
        waiting: asyncio.Queue[LiveUpdate | None] = asyncio.Queue(MAX_QUEUED_UPDATES)
        self._subscribers.add(waiting)
        if not self._listen_task:
            self._listen_task = [
                asyncio.create_task(self._listen()),
                asyncio.create_task(self._sample_counters()),
            ]
            await asyncio.sleep(0)  # it has asked for the news before anybody asks how the post is
        try:
            yield _until_none(waiting)
        finally:
            self._subscribers.discard(waiting)
            if not self._subscribers:
                await self._stop()

    async def _stop(self) -> None:
        ending, self._listen_task, self._needs_backfill = self._listen_task, [], True
        for task in ending:
            task.cancel()
        await asyncio.gather(*ending, return_exceptions=True)

    async def _load_recent_events(self, post: PostView) -> None:
        """Take up what the devices said while nobody listened, as far as their workers still know."""
        told = await asyncio.gather(*(self._daemon.last_events(device.position) for device in post.devices))
        known = {event.model_dump_json(): event for events in (*told, self.events) for event in events}
        self.events.clear()
        for event in sorted(known.values(), key=lambda event: event.at):
            self._store_event(event)

    async def _listen(self) -> None:
        with contextlib.suppress(RpcError):
            async with contextlib.aclosing(self._daemon.subscribe()) as live:
                async for news in live:
                    self._on_update(news)
        self._push(None)

    async def _sample_counters(self) -> None:
        while True:
            await asyncio.sleep(COUNT_EVERY_S)
            with contextlib.suppress(RpcError):
                self._set_post(await self._daemon.view())

    def _on_update(self, news: LiveUpdate) -> None:
        if news.device is not None:
            self._set_device(news.device)
        if news.event is not None:
            self._store_event(news.event)
            self.samples_of(news.event.position).on_event(news.event)
        self._push(news)

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
        """Take what the daemon says of a device; its word of the last good read comes after the event's."""
        before = before or self._devices.get(device.position)
        self._devices[device.position] = _with_last_good_read(
            device, before.last_good_read_at if before else None
        )

    def _push(self, news: LiveUpdate | None) -> None:
        for follower in self._subscribers:
            if follower.full():
                follower.get_nowait()
            follower.put_nowait(news)


async def _until_none(waiting: asyncio.Queue[LiveUpdate | None]) -> AsyncIterator[LiveUpdate]:
    while (news := await waiting.get()) is not None:
        yield news


def _with_last_good_read(device: DeviceView, at: datetime | None) -> DeviceView:
    """The device, having read well then or later."""
    if at is None or (device.last_good_read_at is not None and device.last_good_read_at >= at):
        return device
    return device.model_copy(update={"last_good": at})
