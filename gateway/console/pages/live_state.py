"""One pair of eyes on the daemon for all open pages: what is known now, what is new, and the last hour.

It listens while at least one page is open for news: ten open pages cost the daemon what one does, and none
costs nothing. Whoever follows and does not keep up loses the oldest news.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator
from datetime import UTC, datetime

from drivers.self_test import CheckReport
from gateway.api.interface import Daemon
from gateway.api.models import DeviceView, EventView, Finding, Live, PostView
from gateway.api.operations import Refusal
from gateway.console.pages.time_series import VALUES, DeviceSamples, Value
from gateway.contract.states import DeviceState, Problem

COUNT_EVERY_S = 5.0
EVENTS = 200
NEWS = 100
"""How many pieces of news wait for one follower at most."""
NOT_GOOD = frozenset({"bad_frame", "document.read_failed"})


class Lookout:
    """What the console knows of the post."""

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon
        self._devices: dict[str, DeviceView] = {}
        self._followers: set[asyncio.Queue[Live | None]] = set()
        self._listening: list[asyncio.Task[None]] = []
        self._behind = True
        """Whether anything may have been said that nobody heard."""
        self.known: PostView | None = None
        """The post as it was last looked at."""
        self.events: deque[EventView] = deque(maxlen=EVENTS)
        """Newest first."""
        self.latest: dict[tuple[str, str], EventView] = {}
        """By position and type."""
        self.last: dict[str, EventView] = {}
        """By position."""
        self.samples: dict[str, DeviceSamples] = {}
        self.backlog: deque[Value] = deque(maxlen=VALUES)
        self.reports: dict[str, dict[str, CheckReport]] = {}
        """What checks found, by position and level, while this process lives."""
        self.examinations: dict[str, tuple[DeviceState, asyncio.Task[list[Finding]]]] = {}
        """By position: how the device was when its last examination began, and that."""

    async def post(self) -> PostView:
        """The post as it is at this moment; raises Refusal."""
        post = self._learn(await self._daemon.view())
        if self._behind:
            self._behind = not self._listening
            await self._recall(post)
        return post

    async def acquaint(self) -> None:
        """Know the post, if the daemon answers: every page says whose it is, and how serious that one is."""
        if self.known is None:
            with contextlib.suppress(Refusal):
                self.known = await self._daemon.view()

    def device(self, position: str) -> DeviceView | None:
        """A device as it was last heard of."""
        return self._devices.get(position)

    def devices(self) -> list[DeviceView]:
        """Every device as it was last heard of, in the order of the post's file."""
        return list(self._devices.values())

    def problems(self) -> tuple[Problem, ...]:
        """What a person should know of the gateway itself."""
        return self.known.report.problems if self.known is not None else ()

    def of(self, position: str) -> DeviceSamples:
        """The samples of a device."""
        return self.samples.setdefault(position, DeviceSamples())

    def checked(self, position: str, report: CheckReport) -> None:
        """Remember what a check found."""
        self.reports.setdefault(position, {})[str(report.level)] = report
        self.of(position).checked(report)

    @contextlib.asynccontextmanager
    async def following(self) -> AsyncIterator[AsyncIterator[Live]]:
        """News from here on, which ends when the daemon cannot be heard any more."""
        waiting: asyncio.Queue[Live | None] = asyncio.Queue(NEWS)
        self._followers.add(waiting)
        if not self._listening:
            self._listening = [asyncio.create_task(self._listen()), asyncio.create_task(self._count())]
            await asyncio.sleep(0)  # it has asked for the news before anybody asks how the post is
        try:
            yield _until_none(waiting)
        finally:
            self._followers.discard(waiting)
            if not self._followers:
                await self._stop()

    async def _stop(self) -> None:
        ending, self._listening, self._behind = self._listening, [], True
        for task in ending:
            task.cancel()
        await asyncio.gather(*ending, return_exceptions=True)

    async def _recall(self, post: PostView) -> None:
        """Take up what the devices said while nobody listened, as far as their workers still know."""
        told = await asyncio.gather(*(self._daemon.tail(device.position) for device in post.devices))
        known = {event.model_dump_json(): event for events in (*told, self.events) for event in events}
        self.events.clear()
        for event in sorted(known.values(), key=lambda event: event.at):
            self._remember(event)

    async def _listen(self) -> None:
        with contextlib.suppress(Refusal):
            async with contextlib.aclosing(self._daemon.live()) as live:
                async for news in live:
                    self._take(news)
        self._tell(None)

    async def _count(self) -> None:
        while True:
            await asyncio.sleep(COUNT_EVERY_S)
            with contextlib.suppress(Refusal):
                self._learn(await self._daemon.view())

    def _take(self, news: Live) -> None:
        if news.device is not None:
            self._put(news.device)
        if news.event is not None:
            self._remember(news.event)
            self.of(news.event.position).hear(news.event)
        self._tell(news)

    def _remember(self, event: EventView) -> None:
        self.events.appendleft(event)
        self.last[event.position] = event
        self.latest[event.position, event.type] = event
        device = self._devices.get(event.position)
        if device is not None and event.type not in NOT_GOOD:
            self._devices[event.position] = _read_well(device, event.at)

    def _learn(self, post: PostView) -> PostView:
        before, self._devices, self.known = self._devices, {}, post
        for device in post.devices:
            self._put(device, before.get(device.position))
        now = datetime.now(UTC)
        for device in post.devices:
            self.of(device.position).count(now, device.tally.lifetime)
        self.backlog.append(Value(now, sum(one.waiting for one in post.report.destinations)))
        return post

    def _put(self, device: DeviceView, before: DeviceView | None = None) -> None:
        """Take what the daemon says of a device; its word of the last good read comes after the event's."""
        before = before or self._devices.get(device.position)
        self._devices[device.position] = _read_well(device, before.last_good if before else None)

    def _tell(self, news: Live | None) -> None:
        for follower in self._followers:
            if follower.full():
                follower.get_nowait()
            follower.put_nowait(news)


async def _until_none(waiting: asyncio.Queue[Live | None]) -> AsyncIterator[Live]:
    while (news := await waiting.get()) is not None:
        yield news


def _read_well(device: DeviceView, at: datetime | None) -> DeviceView:
    """The device, having read well then or later."""
    if at is None or (device.last_good is not None and device.last_good >= at):
        return device
    return device.model_copy(update={"last_good": at})
