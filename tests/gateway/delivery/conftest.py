"""Fixtures for tests of delivery: a settable clock, an outbox directory, a broker, subscribers."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.brokers.mosquitto import Mosquitto
from support.gateway.deliveries import FakeTime, Subscriber, until

from gateway.contract.topics import SiteTopics
from gateway.delivery.delivery import Delivery
from gateway.delivery.settings import DeliverySettings, DestinationSettings, OutboxSettings

TOPICS = SiteTopics("ke-busia", "gw-1")


@pytest.fixture
def fake_time() -> FakeTime:
    return FakeTime()


@pytest.fixture
def outbox_directory(tmp_path: Path) -> Path:
    return tmp_path / "outbox"


@pytest.fixture
def mosquitto() -> Iterator[Mosquitto]:
    with Mosquitto() as broker:
        yield broker


@pytest.fixture
async def subscribe() -> AsyncIterator[Callable[..., Awaitable[Subscriber]]]:
    async with contextlib.AsyncExitStack() as stack:

        async def start(broker: Any, topic: str = "bgw/#", **more: Any) -> Subscriber:
            return await stack.enter_async_context(Subscriber(broker.port, topic, **more))

        yield start


@pytest.fixture
async def deliver(outbox_directory: Path) -> AsyncIterator[Callable[..., Awaitable[Delivery]]]:
    running: list[Delivery] = []

    async def start(*destinations: DestinationSettings, **more: Any) -> Delivery:
        outbox = {"directory": outbox_directory, "retry_s": 0.1} | more.pop("outbox", {})
        settings = DeliverySettings(outbox=OutboxSettings(**outbox), destinations=destinations)
        delivery = Delivery(settings, TOPICS, "session-1", **more)
        await delivery.start()
        running.append(delivery)
        return delivery

    yield start
    for delivery in running:
        await delivery.stop(0.2)


__all__ = ["TOPICS", "FakeTime", "Subscriber", "asyncio", "until"]
