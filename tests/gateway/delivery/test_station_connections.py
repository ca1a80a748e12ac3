"""Connections of stations without a broker: whose commands they pass on, floods, and readiness."""

from typing import Any

import paho.mqtt.client as mqtt
import pytest
from support.gateway.sending import in_virtual_time, turn

from gateway.common.problems import Problems
from gateway.contract.topics import Position, SiteTopics
from gateway.delivery.mqtt.connection import ConnackLimits
from gateway.delivery.mqtt.inbound import InboundRefusal, RefusedBecause
from gateway.delivery.mqtt.reason_codes import NOT_AUTHORISED
from gateway.delivery.settings import BrokerSettings, DestinationSettings
from gateway.delivery.stations import connection as stations
from gateway.delivery.stations.connection import (
    FAILURES_BEFORE_PROBLEM,
    FLOOD_OVER_S,
    MAX_FLOODING,
    OTHERS_LIMITS,
    STATION_LIMITS,
    StationConnection,
)
from gateway.delivery.stations.connections import READY_S, StationConnections

TOPICS = SiteTopics("ke-busia", "gw-1")
BARRIER = Position("lane-1", "barrier")
CONNECTED = ConnackLimits(20, None)


class FakeConnection:
    """A connection that records what is done with it."""

    def __init__(self, *given: Any, limits: Any, pings: bool) -> None:
        self.broker, self.client_id, self.will, self.listener, self.retry, self.clock, self.filters = given
        self.limits = limits
        self.pings = pings
        self.calls: list[str] = []
        self.published: list[tuple[str, bytes]] = []
        self.is_serviced = True

    def start(self) -> None:
        self.calls.append("start")

    def hurry(self) -> None:
        self.calls.append("hurry")

    def flush(self) -> None:
        self.calls.append("flush")

    async def stop(self) -> None:
        self.calls.append("stop")

    def publish(self, topic: str, payload: bytes, _properties: bytes) -> None:
        self.published.append((topic, payload))

    def is_alive(self, _patience_s: float) -> bool:
        return self.is_serviced


class StationsFixture:
    """The connections of one gateway, and what came out of them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, requires_acl: bool = False) -> None:
        monkeypatch.setattr(stations, "MqttConnection", FakeConnection)
        self.problems = Problems(lambda: None)
        self.messages: list[tuple[str, int]] = []
        self.floods: list[str] = []
        self.ready = 0
        settings = DestinationSettings.local(
            BrokerSettings(port=1), requires_acl=requires_acl, retry_first_s=0.5, retry_max_s=7
        )
        self.connections = StationConnections(
            settings,
            TOPICS,
            self.problems,
            lambda: 7,
            lambda message, sent_ns: self.messages.append((message.topic, sent_ns)),
            self.floods.append,
        )

    def one(self, station: str | None) -> StationConnection:
        return self.connections._connections[station]

    def fake(self, station: str | None) -> FakeConnection:
        fake = self.one(station).connection
        assert isinstance(fake, FakeConnection)
        return fake

    def arrive(self, at: str | None, station: str) -> None:
        """Deliver a command of a station on one of the connections."""
        topic = TOPICS.command(BARRIER, "open", station).encode()
        self.one(at).on_message(mqtt.MQTTMessage(topic=topic), 5)

    def refuse(self, at: str | None, sender: str, why: RefusedBecause = RefusedBecause.TOO_MANY) -> None:
        topic = TOPICS.command(BARRIER, "open", sender) if sender else ""
        self.one(at).on_inbound_refused(InboundRefusal(why, 9, topic))

    def on_ready(self) -> None:
        self.ready += 1

    @property
    def causes(self) -> list[str]:
        return [problem.cause for problem in self.problems.active()]


@in_virtual_time
async def test_each_station_has_a_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    fixture = StationsFixture(monkeypatch)
    fixture.connections.configure(["lane-1", "lane-2"])
    assert {name: fixture.fake(name).filters for name in (None, "lane-1", "lane-2")} == {
        None: ("bgw/v1/ke-busia/+/+/cmd/+/+",),
        "lane-1": ("bgw/v1/ke-busia/+/+/cmd/+/lane-1",),
        "lane-2": ("bgw/v1/ke-busia/+/+/cmd/+/lane-2",),
    }
    first = fixture.fake("lane-1")
    assert (first.limits, fixture.fake(None).limits) == (STATION_LIMITS, OTHERS_LIMITS)
    assert (first.broker.port, first.will, first.retry, first.clock(), first.pings) == (
        1, None, (0.5, 7), 7, True,
    )  # fmt: skip
    assert first.listener is fixture.one("lane-1")
    assert first.client_id() != first.client_id()

    gone = fixture.fake("lane-2")
    fixture.connections.configure(["lane-1", "lane-3"])
    await turn(0)
    assert (gone.calls, first.calls, fixture.fake("lane-3").calls) == (
        ["start", "stop"],
        ["start"],
        ["start"],
    )
    await fixture.connections.stop()
    assert first.calls == ["start", "stop"]


@in_virtual_time
async def test_commands_are_passed_on_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The connection for all others gets every command; those of named stations arrive on their own."""
    fixture = StationsFixture(monkeypatch)
    fixture.connections.configure(["lane-1"])
    fixture.one("lane-1").on_subscribed(None)
    for at, station in ((None, "lane-1"), ("lane-1", "lane-1"), (None, "lane-9")):
        fixture.arrive(at, station)
    assert fixture.messages == [(TOPICS.command(BARRIER, "open", name), 5) for name in ("lane-1", "lane-9")]
    fixture.one(None).on_message(mqtt.MQTTMessage(topic=b"bgw/v2/else"), 5)
    assert len(fixture.messages) == 2


@in_virtual_time
async def test_station_without_its_connection_is_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    """The broker accepts its command, because the connection for all others subscribes to it as well."""
    fixture = StationsFixture(monkeypatch)
    fixture.connections.configure(["lane-1"])
    own = fixture.one("lane-1")
    fixture.arrive(None, "lane-1")
    own.on_subscribed(NOT_AUTHORISED)
    fixture.arrive(None, "lane-1")
    assert len(fixture.messages) == 2
    own.on_subscribed(None)
    fixture.arrive(None, "lane-1")
    assert len(fixture.messages) == 2
    own.on_disconnected(None)
    fixture.arrive(None, "lane-1")
    assert len(fixture.messages) == 3


@in_virtual_time
async def test_flooder_is_not_heard_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the connection for all others free of what has closed the flooder's own."""
    fixture = StationsFixture(monkeypatch)
    fixture.connections.configure(["lane-1"])
    own = fixture.one("lane-1")
    own.on_subscribed(None)
    fixture.refuse("lane-1", "lane-1")
    own.on_disconnected(None)
    fixture.arrive(None, "lane-1")
    assert fixture.messages == []
    await turn(FLOOD_OVER_S + 1)
    fixture.arrive(None, "lane-1")
    assert len(fixture.messages) == 1


@in_virtual_time
async def test_commands_wait_for_an_access_list(monkeypatch: pytest.MonkeyPatch) -> None:
    fixture = StationsFixture(monkeypatch, requires_acl=True)
    fixture.connections.configure(["lane-1"])
    one, fake = fixture.one("lane-1"), fixture.fake("lane-1")
    fixture.arrive("lane-1", "lane-1")
    one.on_connected(CONNECTED)
    assert fake.published == [("bgw/v1/ke-busia/_gw/gw-1/probe", b"")]
    assert fake.calls == ["start", "flush"]
    one.on_acks([(1, 0)])
    assert fixture.causes == ["broker_acl_missing"]
    fixture.arrive("lane-1", "lane-1")
    assert fixture.messages == []

    one.on_acks([(2, NOT_AUTHORISED)])
    fixture.arrive("lane-1", "lane-1")
    assert (len(fixture.messages), fixture.causes) == (1, [])
    one.on_connected(CONNECTED)
    fixture.arrive("lane-1", "lane-1")
    assert len(fixture.messages) == 1, "each connection is probed"


@in_virtual_time
async def test_no_probe_without_need(monkeypatch: pytest.MonkeyPatch) -> None:
    fixture = StationsFixture(monkeypatch)
    fixture.connections.configure([])
    fixture.one(None).on_connected(CONNECTED)
    assert fixture.fake(None).published == []


@in_virtual_time
async def test_flood_of_a_station_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    fixture = StationsFixture(monkeypatch)
    fixture.connections.configure(["lane-1"])
    fixture.refuse("lane-1", "lane-1")
    await turn(FLOOD_OVER_S - 1)
    fixture.refuse("lane-1", "lane-1", RefusedBecause.PROPERTIES)
    assert fixture.floods == ["lane-1"] * 2
    await turn(FLOOD_OVER_S - 1)
    assert fixture.causes == ["station_flooding"]
    fixture.one("lane-1").on_disconnected(None)
    assert fixture.one("lane-1").is_ready, "nothing waits for a station that floods"
    await turn(1.1)
    assert fixture.causes == []
    fixture.one("lane-1").on_disconnected(None)
    assert not fixture.one("lane-1").is_ready


@in_virtual_time
async def test_others_flood_under_their_names(monkeypatch: pytest.MonkeyPatch) -> None:
    fixture = StationsFixture(monkeypatch)
    fixture.connections.configure(["lane-1"])
    fixture.refuse(None, "lane-1")
    assert fixture.causes == []
    for number in range(MAX_FLOODING + 2):
        fixture.refuse(None, f"lane-{number + 2}")
    assert fixture.causes == ["station_flooding"] * MAX_FLOODING
    assert len(fixture.floods) == MAX_FLOODING + 2
    fixture.refuse(None, "")
    assert fixture.floods[-1] == "unknown"
    await fixture.connections.stop()
    assert fixture.causes == []


@in_virtual_time
async def test_broker_mistake_is_no_flood(monkeypatch: pytest.MonkeyPatch) -> None:
    fixture = StationsFixture(monkeypatch)
    fixture.connections.configure(["lane-1"])
    fixture.refuse("lane-1", "lane-1", RefusedBecause.WRONG_QOS)
    assert (fixture.floods, fixture.causes) == ([], ["broker_exceeds_limits"])


@pytest.mark.parametrize("connection", ["lane-1", None])
@in_virtual_time
async def test_station_with_large_message_is_named(
    monkeypatch: pytest.MonkeyPatch, connection: str | None
) -> None:
    fixture = StationsFixture(monkeypatch)
    fixture.connections.configure(["lane-1"])
    sender = connection or "lane-2"
    fixture.refuse(connection, sender, RefusedBecause.TOO_LARGE)
    assert (fixture.floods, fixture.causes) == ([sender], ["station_flooding"])


@in_virtual_time
async def test_failed_connections_are_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    fixture = StationsFixture(monkeypatch)
    fixture.connections.configure(["lane-1"])
    for one in (fixture.one("lane-1"), fixture.one(None)):
        for _ in range(FAILURES_BEFORE_PROBLEM - 1):
            one.on_connect_failed("refused")
        one.on_connected(CONNECTED)
        for _ in range(FAILURES_BEFORE_PROBLEM - 1):
            one.on_connect_failed("refused")
        assert fixture.causes == []
        one.on_connect_failed("refused")
        assert fixture.causes == ["commands_unreachable"]
        (problem,) = fixture.problems.active()
        assert (one.station or "other stations") in problem.text
        one.on_connected(CONNECTED)
        assert fixture.causes == []
    fixture.one("lane-1").on_subscribed(0x87)
    assert fixture.causes == ["command_subscription_refused"]


@in_virtual_time
async def test_ready_with_the_last_subscription(monkeypatch: pytest.MonkeyPatch) -> None:
    fixture = StationsFixture(monkeypatch)
    fixture.connections.configure(["lane-1", "lane-2"])
    fixture.one(None).on_subscribed(None)
    fixture.connections.when_ready(fixture.on_ready)
    assert [fixture.fake(name).calls for name in (None, "lane-1")] == [["start"], ["start", "hurry"]]
    fixture.one("lane-1").on_subscribed(None)
    assert fixture.ready == 0
    fixture.one("lane-2").on_connect_failed("refused")
    assert fixture.ready == 1
    fixture.one("lane-2").on_disconnected(None)
    fixture.one("lane-2").on_subscribed(None)
    await turn(READY_S + 1)
    assert fixture.ready == 1

    fixture.connections.when_ready(fixture.on_ready)
    assert fixture.ready == 2, "at once"


@in_virtual_time
async def test_failure_before_the_broker_is_back_is_no_readiness(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else states are published while a station's connection still waits for its next attempt."""
    fixture = StationsFixture(monkeypatch)
    fixture.connections.configure(["lane-1"])
    for name in ("lane-1", None):
        fixture.one(name).on_subscribed(None)
        fixture.one(name).on_disconnected(None)
        fixture.one(name).on_connect_failed("refused")
    fixture.one(None).on_subscribed(None)
    fixture.connections.when_ready(fixture.on_ready)
    assert fixture.fake("lane-1").calls == ["start", "hurry"]
    assert fixture.ready == 0
    fixture.one("lane-1").on_subscribed(None)
    assert fixture.ready == 1


@in_virtual_time
async def test_ready_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    fixture = StationsFixture(monkeypatch)
    fixture.connections.configure(["lane-1"])
    late: list[int] = []
    fixture.connections.when_ready(lambda: late.append(1))
    await turn(READY_S - 0.1)
    fixture.connections.when_ready(fixture.on_ready)
    await turn(READY_S - 0.1)
    assert (late, fixture.ready) == ([], 0)
    await turn(0.2)
    assert (late, fixture.ready) == ([], 1)

    fixture.connections.when_ready(fixture.on_ready)
    await fixture.connections.stop()
    await turn(READY_S + 1)
    assert fixture.ready == 1


@in_virtual_time
async def test_alive_while_every_connection_is(monkeypatch: pytest.MonkeyPatch) -> None:
    fixture = StationsFixture(monkeypatch)
    fixture.connections.configure(["lane-1"])
    assert fixture.connections.is_alive(1)
    fixture.fake("lane-1").is_serviced = False
    assert not fixture.connections.is_alive(1)
