"""Waits before connection attempts: the quick first one, growth, bounds, stable connections."""

import random
import socket
from collections.abc import Awaitable, Callable

import pytest
from support.gateway.deliveries import until

from gateway.delivery.delivery import Delivery
from gateway.delivery.mqtt.reconnect import FIRST_S, REFUSED_S, STABLE_AFTER_S, ReconnectWait
from gateway.delivery.settings import BrokerSettings, DestinationSettings

SHORTEST_AND_LONGEST = pytest.mark.parametrize("choose", [min, max])


def next_waits(wait: ReconnectWait, count: int) -> list[float]:
    """Return the waits after attempts without a connection."""
    return [wait.next_s(0, was_refused=False) for _ in range(count)]


@SHORTEST_AND_LONGEST
def test_reconnect_waits_have_floor_and_ceiling(
    monkeypatch: pytest.MonkeyPatch, choose: Callable[[float, float], float]
) -> None:
    monkeypatch.setattr(random, "uniform", choose)
    wait = ReconnectWait(0.5, 30)
    waits = next_waits(wait, 12)
    assert 0.05 <= waits[0] <= 0.25, "a broker that restarts is back soon"
    assert all(0.25 <= each <= 30 for each in waits[1:])
    assert waits[-1] == (0.25 if choose is min else 30)
    assert wait.next_s(6, was_refused=False) == waits[0], "after a stable connection"
    assert wait.next_s(4, was_refused=False) == waits[1], "a short connection counts as a failure"


@SHORTEST_AND_LONGEST
def test_first_wait_is_the_quick_one(
    monkeypatch: pytest.MonkeyPatch, choose: Callable[[float, float], float]
) -> None:
    """It follows the start and each stable connection, once; growing waits are 20 s and more."""
    monkeypatch.setattr(random, "uniform", choose)
    wait = ReconnectWait(40, 60)
    quick, growing = choose(FIRST_S), [20.0, 20.0, 20.0] if choose is min else [40.0, 60.0, 60.0]
    assert next_waits(wait, 4) == [quick, *growing]
    assert wait.next_s(STABLE_AFTER_S + 0.1, was_refused=False) == quick
    assert next_waits(wait, 3) == growing


def test_stable_connection_is_longer_than_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(random, "uniform", max)
    wait = ReconnectWait(40, 60)
    assert next_waits(wait, 2) == [max(FIRST_S), 40]
    assert wait.next_s(STABLE_AFTER_S, was_refused=False) == 60


@SHORTEST_AND_LONGEST
def test_refused_broker_uses_no_quick_wait(
    monkeypatch: pytest.MonkeyPatch, choose: Callable[[float, float], float]
) -> None:
    """A broker that sends too much does not make the waits grow, and leaves the quick one for later."""
    monkeypatch.setattr(random, "uniform", choose)
    wait = ReconnectWait(40, 60)
    assert [wait.next_s(0, was_refused=True) for _ in range(3)] == [choose(REFUSED_S)] * 3
    assert 0.3 <= choose(REFUSED_S) <= 0.5
    assert next_waits(wait, 2) == [choose(FIRST_S), 20 if choose is min else 40]
    assert wait.next_s(STABLE_AFTER_S + 0.1, was_refused=True) == choose(REFUSED_S)
    assert wait.next_s(0, was_refused=False) == choose(FIRST_S), "the connection had been stable"


async def test_unanswered_connects_grow_apart(
    monkeypatch: pytest.MonkeyPatch, deliver: Callable[..., Awaitable[Delivery]]
) -> None:
    """Attempts that time out after more than five seconds are no stable connections."""
    lifetimes: list[float] = []
    monkeypatch.setattr(
        ReconnectWait, "next_s", lambda self, lifetime_s, *, was_refused: lifetimes.append(lifetime_s) or 0.01
    )
    with socket.create_server(("127.0.0.1", 0)) as server:
        broker = BrokerSettings(port=server.getsockname()[1], connect_timeout_s=0.2)
        delivery = await deliver(DestinationSettings.local(broker))
        await until(lambda: len(lifetimes) >= 2)
        await delivery.stop(0.1)
    assert set(lifetimes) == {0}
