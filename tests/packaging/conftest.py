"""What tests of the installation share."""

from collections.abc import Iterator

import pytest
from support.daemons import expect_daemons
from support.gateways import house
from support.mosquitto import Mosquitto

__all__ = ["house"]


@pytest.fixture(scope="session", autouse=True)
def daemons() -> None:
    expect_daemons()


@pytest.fixture
def mosquitto() -> Iterator[Mosquitto]:
    with Mosquitto() as broker:
        yield broker
