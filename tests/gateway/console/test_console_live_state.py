"""Live state: one subscription for all pages, none without pages, no old state shown as new."""

import asyncio
from datetime import timedelta

import pytest
from support.console.fake_daemon import AT, FakeDaemon, device

from gateway.api.models import EventView, LiveUpdate, PostView
from gateway.api.operations import RpcError
from gateway.console.pages.live_state import MAX_QUEUED_UPDATES, LiveState
from gateway.contract.envelope import Provenance

READER = "lane-1/reader"


def said(seconds: float, event_type: str = "document.read") -> LiveUpdate:
    at = AT + timedelta(seconds=seconds)
    event = EventView(position=READER, type=event_type, at=at, provenance=Provenance.LIVE, data={})
    return LiveUpdate(kind="event", event=event)


async def test_ten_pages_share_one_subscription() -> None:
    daemon = FakeDaemon()
    lookout = LiveState(daemon)
    async with lookout.subscribe() as first, lookout.subscribe() as second:
        daemon.news.put_nowait(said(1))
        assert await anext(first) == await anext(second)
        assert daemon.streams == 1
    assert daemon.streams == 0


async def test_last_good_read_follows_events() -> None:
    daemon = FakeDaemon()
    lookout = LiveState(daemon)
    async with lookout.subscribe() as news:
        await lookout.post()
        for each in (said(5), said(9, "bad_frame"), LiveUpdate(kind="device", device=device(READER))):
            daemon.news.put_nowait(each)
            await anext(news)
        shown = lookout.device(READER)
        assert shown is not None
        assert shown.last_good_read_at == AT + timedelta(seconds=5)
        assert (await lookout.post()).devices[0].last_good_read_at == AT, "the daemon's own word is older"
        assert lookout.devices()[0].last_good_read_at == AT + timedelta(seconds=5)


async def test_no_update_is_lost_at_start(monkeypatch: pytest.MonkeyPatch) -> None:
    daemon = FakeDaemon()
    lookout, view, listening = LiveState(daemon), daemon.view, list[int]()

    async def viewed() -> PostView:
        listening.append(daemon.streams)
        return await view()

    monkeypatch.setattr(daemon, "view", viewed)
    async with lookout.subscribe():
        await lookout.post()
    assert listening == [1], "the news were asked for first"


async def test_slow_subscriber_loses_oldest_update() -> None:
    daemon = FakeDaemon()
    lookout = LiveState(daemon)
    async with lookout.subscribe() as slow, lookout.subscribe() as quick:
        for number in range(MAX_QUEUED_UPDATES + 10):
            daemon.news.put_nowait(said(number))
            await anext(quick)
        assert await anext(slow) == said(10)


async def test_missed_events_are_loaded_once() -> None:
    daemon = FakeDaemon()
    lookout = LiveState(daemon)
    for _ in range(3):
        await lookout.post()
    assert [event.type for event in lookout.events] == ["document.read"] * 2, "one a device"


async def test_pages_end_with_daemon_and_recover() -> None:
    daemon = FakeDaemon()
    lookout = LiveState(daemon)
    async with asyncio.timeout(5):
        async with lookout.subscribe() as news:
            daemon.news.put_nowait(None)
            assert [each async for each in news] == []
        daemon.refuses = RpcError("unavailable", "The gateway has ended.")
        async with lookout.subscribe() as news:
            daemon.refuses = None
            daemon.news.put_nowait(said(1))
            assert await anext(news) == said(1)
