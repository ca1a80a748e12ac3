"""Live state: one subscription for all pages, none without pages, no old state shown as new."""

import asyncio
from datetime import timedelta

import pytest
from support.console.fake_daemon import AT, FakeDaemon, device
from support.patience import PATIENCE_S

from gateway.api.models import EventView, LiveUpdate, PostView
from gateway.api.operations import RpcError
from gateway.console.pages import live_state as live_states
from gateway.console.pages.live_state import MAX_QUEUED_UPDATES, LiveState
from gateway.contract.envelope import Provenance

READER = "lane-1/reader"


def said(seconds: float, event_type: str = "document.read") -> LiveUpdate:
    at = AT + timedelta(seconds=seconds)
    event = EventView(position=READER, type=event_type, at=at, provenance=Provenance.LIVE, data={})
    return LiveUpdate(kind="event", event=event)


async def test_ten_pages_share_one_subscription() -> None:
    daemon = FakeDaemon()
    live_state = LiveState(daemon)
    async with live_state.subscribe() as first, live_state.subscribe() as second:
        daemon.updates.put_nowait(said(1))
        assert await anext(first) == await anext(second)
        assert daemon.streams == 1
    assert daemon.streams == 0


async def test_last_good_read_follows_events() -> None:
    daemon = FakeDaemon()
    live_state = LiveState(daemon)
    async with live_state.subscribe() as updates:
        await live_state.post()
        for each in (said(5), said(9, "bad_frame"), LiveUpdate(kind="device", device=device(READER))):
            daemon.updates.put_nowait(each)
            await anext(updates)
        shown = live_state.device(READER)
        assert shown is not None
        assert shown.last_good_read_at == AT + timedelta(seconds=5)
        assert (await live_state.post()).devices[0].last_good_read_at == AT, "the daemon's own word is older"
        assert live_state.devices()[0].last_good_read_at == AT + timedelta(seconds=5)


async def test_no_update_is_lost_at_start(monkeypatch: pytest.MonkeyPatch) -> None:
    daemon = FakeDaemon()
    live_state, view, listening = LiveState(daemon), daemon.view, list[int]()

    async def viewed() -> PostView:
        listening.append(daemon.streams)
        return await view()

    monkeypatch.setattr(daemon, "view", viewed)
    async with live_state.subscribe():
        await live_state.post()
    assert listening == [1], "the subscription is sent first"


async def test_slow_subscriber_loses_oldest_update() -> None:
    daemon = FakeDaemon()
    live_state = LiveState(daemon)
    async with live_state.subscribe() as slow, live_state.subscribe() as quick:
        for number in range(MAX_QUEUED_UPDATES + 10):
            daemon.updates.put_nowait(said(number))
            await anext(quick)
        assert await anext(slow) == said(10)


async def test_missed_events_are_loaded_once() -> None:
    daemon = FakeDaemon()
    live_state = LiveState(daemon)
    for _ in range(3):
        await live_state.post()
    assert [event.type for event in live_state.events] == ["document.read"] * 2, "one a device"


async def test_pages_end_with_daemon_and_recover() -> None:
    daemon = FakeDaemon()
    live_state = LiveState(daemon)
    async with asyncio.timeout(PATIENCE_S):
        async with live_state.subscribe() as updates:
            daemon.updates.put_nowait(None)
            assert [each async for each in updates] == []
        daemon.refuses = RpcError("unavailable", "The gateway has ended.")
        async with live_state.subscribe() as updates:
            daemon.refuses = None
            daemon.updates.put_nowait(said(1))
            assert await anext(updates) == said(1)


async def test_age_grows_while_the_daemon_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    """A daemon that hangs sends no update and closes nothing, so its sign of life is requested."""
    monkeypatch.setattr(live_states, "CONFIRM_EVERY_S", 0.001)
    daemon, hangs = FakeDaemon(), asyncio.Event()
    live_state = LiveState(daemon)

    async def hanging() -> PostView:
        hangs.set()
        await asyncio.Event().wait()
        raise AssertionError

    async with live_state.subscribe():
        await live_state.post()
        first_s = live_state.age_s()
        for _ in range(3):
            await asyncio.sleep(0.02)
            assert live_state.age_s() < first_s + 0.02, "it is confirmed again and again"
        monkeypatch.setattr(daemon, "view", hanging)
        await hangs.wait()
        before_s = live_state.age_s()
        await asyncio.sleep(0.05)
        assert live_state.age_s() >= before_s + 0.05
