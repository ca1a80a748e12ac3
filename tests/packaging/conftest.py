"""Fixtures common to tests of the installation."""

from collections.abc import Iterator

import pytest
from support.brokers.mosquitto import Mosquitto
from support.gateway.gateways import gateway
from support.process.daemons import expect_daemons

__all__ = ["gateway"]


@pytest.fixture(scope="session", autouse=True)
def daemons() -> None:
    expect_daemons()


@pytest.fixture
def mosquitto() -> Iterator[Mosquitto]:
    with Mosquitto() as broker:
        yield broker
