"""Recordings, all replayed to one real gateway, give the expected events, marked `replayed`."""

from collections.abc import Iterator

import pytest
from support.brokers.mosquitto import Mosquitto
from support.gateway.gateways import GatewayFixture, gateway
from support.gateway.replaying import ROOT, recordings, replay_recordings, without_slowness

from gateway.testing.expectations import expected_file, read_expected

__all__ = ["gateway"]


@pytest.fixture
def mosquitto() -> Iterator[Mosquitto]:
    with Mosquitto() as broker:
        yield broker


@pytest.mark.long(12)
async def test_recordings_give_expected_events(gateway: GatewayFixture) -> None:
    found = await replay_recordings(gateway, recordings())

    for path, events in found.items():
        assert events == read_expected(path), path.name


def test_pace_of_machine_is_no_event() -> None:
    events = read_expected(ROOT / "barrier/waveshare.rec")
    assert events is not None
    slow = [dict(event, data=dict(event["data"])) for event in events[:4]]
    alarm = {"type": "barrier.alarm", "data": {"kind": "sensing_slow"}}
    state = dict(slow[3], data=slow[3]["data"] | {"conditions": ["forced_open", "sensing_slow"]})

    assert without_slowness([*slow, alarm, state, *slow[3:], *events[4:]]) == events


def test_every_expectation_has_a_recording() -> None:
    wanted = {expected_file(path) for path in recordings()}
    assert wanted == set(ROOT.rglob("*.events.json"))
