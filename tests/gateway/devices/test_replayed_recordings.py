"""Recordings, all replayed to one real gateway, give the expected events, marked `replayed`."""

import json
from collections.abc import Iterator

import pytest
from support.brokers.mosquitto import Mosquitto
from support.gateway.gateways import GatewayFixture, gateway
from support.gateway.replaying import ROOT, expected, recordings, replay_recordings

__all__ = ["gateway"]


@pytest.fixture
def mosquitto() -> Iterator[Mosquitto]:
    with Mosquitto() as broker:
        yield broker


@pytest.mark.long(12)
async def test_recordings_give_expected_events(gateway: GatewayFixture) -> None:
    found = await replay_recordings(gateway, recordings())

    for path, events in found.items():
        assert events == json.loads(expected(path).read_text()), path.name


def test_every_expectation_has_a_recording() -> None:
    wanted = {expected(path) for path in recordings()}
    assert wanted == set(ROOT.rglob("*.events.json"))
