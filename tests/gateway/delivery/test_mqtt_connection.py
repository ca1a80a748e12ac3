"""The parts of a connection: first words, pings, limits, a socket that works in large pieces, failures."""

import errno
import socket
import ssl
import struct

import pytest
from support.gateway.deliveries import ScriptedBroker, until

from gateway.delivery.destination.poison import PoisonMessageDetector
from gateway.delivery.mqtt import connection
from gateway.delivery.mqtt.client import READ_BYTES, CoalescedSocket
from gateway.delivery.mqtt.connect import describe_connect_error
from gateway.delivery.mqtt.connection import ConnackLimits, MqttConnection, Will
from gateway.delivery.settings import BrokerSettings


class User:
    """Notes what it is told."""

    def __init__(self):
        self.told = []

    def __getattr__(self, name):
        return lambda *arguments: self.told.append((name, *arguments))

    def of(self, name):
        return [rest for what, *rest in self.told if what == name]


class Broker(ScriptedBroker):
    """Counts pings, and keeps what it was sent first."""

    def __init__(self, *arguments, **more):
        super().__init__(*arguments, **more)
        self.pings = 0
        self.hello = b""
        self.wanted = b""

    def _take(self, head, body, writer):
        match head >> 4:
            case 1:
                self.hello = body
            case 8:
                self.wanted = body
            case 12:
                self.pings += 1
        return super()._take(head, body, writer)


def wired(broker, user, **more):
    given = {"subscriptions": (), "retry": (0.05, 0.1), "settings": {}} | more
    settings = BrokerSettings(host="127.0.0.1", port=broker.port, **given["settings"])
    will = Will("gone", b"farewell", 7)
    return MqttConnection(settings, "client-1", will, user, given["retry"], lambda: 5, given["subscriptions"])


async def test_pings_go_on_where_something_is_heard(monkeypatch):
    monkeypatch.setattr(connection, "PING_S", 0.02)
    user = User()
    async with Broker() as broker:
        broker.granted = 1
        line = wired(broker, user, subscriptions=("commands/#", "more"))
        line.start()
        await until(lambda: broker.pings >= 3)
        assert user.of("on_connected") == [[ConnackLimits(65_535, None)]]
        await until(lambda: user.of("on_subscribed"))
        assert b"commands/#" in broker.wanted
        assert b"more" in broker.wanted
        assert user.of("on_subscribed") == [[None]]
        await line.stop()
    assert user.of("on_disconnected") == [[None]]


async def test_refused_subscription_is_told():
    user = User()
    async with Broker() as broker:
        broker.granted = 0x87
        line = wired(broker, user, subscriptions=("commands/#",))
        line.start()
        await until(lambda: user.of("on_subscribed"))
        assert user.of("on_subscribed") == [[0x87]]
        await line.stop()


async def test_first_words_and_limits():
    user = User()
    async with Broker(receive_maximum=7, maximum_packet_size=1000) as broker:
        line = wired(broker, user, settings={"username": "gw", "password": "secret", "keepalive_s": 33})
        assert not line.is_alive(10)
        line.start()
        await until(lambda: user.of("on_connected"))
        assert user.of("on_connected") == [[ConnackLimits(7, 1000)]]
        assert line.is_alive(10)
        assert not line.is_alive(-1)
        assert broker.pings == 0
        await line.stop()
        assert not line.is_alive(10)
    hello = broker.hello
    assert hello[:7] == b"\x00\x04MQTT\x05"
    assert hello[7] == 0b1110_1110  # name, password, retained will of QoS 1, clean start
    assert hello[8:10] == struct.pack(">H", 33)
    for said in (b"client-1", b"gone", b"farewell", b"gw", b"secret", b"application/json"):
        assert struct.pack(">H", len(said)) + said in hello
    assert b"\x18" + struct.pack(">I", 7) in hello


async def test_message_is_sent_and_acknowledged():
    user = User()
    async with Broker() as broker:
        line = wired(broker, user)
        assert line.publish("a/b", b"x", b"") is None
        line.flush()
        line.start()
        await until(lambda: user.of("on_connected"))
        mids = [line.publish("a/b", b"%d" % n, b"", retain=n == 1) for n in range(2)]
        assert broker.published == []
        line.flush()
        await until(lambda: sum(len(acks) for (acks,) in user.of("on_acks")) == 2)
        assert broker.published == [("a/b", b"0"), ("a/b", b"1")]
        assert [ack for (acks,) in user.of("on_acks") for ack in acks] == [(mid, 0) for mid in mids]
        await line.stop()
        assert line.publish("a/b", b"x", b"") is None


@pytest.mark.parametrize("reason", [0x95, None])
async def test_reason_of_a_hang_up(reason):
    user = User()
    async with Broker(lambda *_: "disconnect") as broker:
        broker.hang_up_reason = reason
        line = wired(broker, user)
        line.start()
        await until(lambda: user.of("on_connected"))
        line.publish("a/b", b"x", b"")
        line.flush()
        await until(lambda: user.of("on_disconnected"))
        assert user.of("on_disconnected") == [[reason]]
        await until(lambda: len(user.of("on_connected")) == 2)
        await line.stop()


async def test_nobody_there_is_told_and_tried_again():
    user = User()
    async with Broker() as broker:
        pass
    line = wired(broker, user)
    line.start()
    await until(lambda: len(user.of("on_connect_failed")) >= 3)
    assert user.of("on_connect_failed")[0] == ["Connection refused"]
    assert user.of("on_disconnected") == []
    await line.stop()


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (TimeoutError(), "it does not answer"),
        (OSError(errno.ECONNREFUSED, "Connection refused"), "Connection refused"),
        (ConnectionError("refused with reason code 0x87"), "refused with reason code 0x87"),
        (ValueError(), "ValueError"),
    ],
)
def test_words_of_a_failure(error, words):
    assert describe_connect_error(error) == words


def test_words_of_a_certificate():
    error = ssl.SSLCertVerificationError("x")
    error.verify_message = "certificate has expired"
    assert describe_connect_error(error) == "its certificate was refused (certificate has expired)"


@pytest.fixture
def coalesced():
    """A socket over TCP, and its other end."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        ours = socket.create_connection(server.getsockname())
        theirs, _ = server.accept()
    ours.setblocking(False)
    both = CoalescedSocket(ours)
    yield both, theirs
    both.close()
    theirs.close()


def test_small_reads_of_one_large(coalesced):
    ours, theirs = coalesced
    assert ours.pending() == 0
    with pytest.raises(BlockingIOError):
        ours.recv(1)
    theirs.sendall(b"abcdef")
    assert (ours.recv(1), ours.pending(), ours.recv(3), ours.pending()) == (b"a", 5, b"bcd", 2)
    assert (ours.recv(10), ours.pending()) == (b"ef", 0)
    theirs.sendall(b"x")
    assert ours.recv(READ_BYTES + 1) == b"x"
    theirs.close()
    assert ours.recv(1) == b""


def test_writes_wait_for_flush(coalesced):
    ours, theirs = coalesced
    assert not ours.unsent
    ours.flush()
    assert (ours.send(b"ab"), ours.send(bytearray(b"cde"))) == (2, 3)
    assert ours.unsent
    theirs.setblocking(False)
    with pytest.raises(BlockingIOError):
        theirs.recv(1)
    ours.flush()
    assert not ours.unsent
    assert theirs.recv(10) == b"abcde"


def test_what_the_socket_does_not_take_waits(coalesced):
    ours, theirs = coalesced
    content = bytes(range(256)) * 40_000
    ours.send(content)
    ours.flush()
    assert ours.unsent
    got = b""
    while len(got) < len(content):
        got += theirs.recv(1_000_000)
        ours.flush()
    assert got == content
    assert not ours.unsent


def test_close_sends_the_rest(coalesced):
    ours, theirs = coalesced
    ours.send(b"bye")
    ours.close()
    assert theirs.recv(10) == b"bye"
    assert theirs.recv(10) == b""


def test_suspicion_falls_on_the_first():
    one = PoisonMessageDetector()
    for losses in range(1, 6):
        one.on_connection_lost((1, 1, -1), 4, None)
        assert (one.serialised_left, one.quarantined) == (4 if losses >= 3 else 0, set())
    one.on_connection_lost((1, 1, -1), 1, None)
    assert one.quarantined == {(1, 1, -1)}


def test_suspicion_begins_anew_with_another():
    one = PoisonMessageDetector()
    for first in ("a", "a", "b", "a", "a"):
        one.on_connection_lost(first, 2, None)
    assert (one.serialised_left, one.quarantined) == (0, set())
    one.on_connection_lost("a", 2, None)
    assert one.serialised_left == 2


def test_suspicion_where_a_reason_is_given():
    one = PoisonMessageDetector()
    one.on_connection_lost("a", 3, 0x95)
    assert (one.serialised_left, one.quarantined) == (3, set())
    one.on_connection_lost("a", 2, 0x95)
    assert one.serialised_left == 3
    one.on_connection_lost("b", 1, 0x95)
    assert one.quarantined == {"b"}
    one.on_connection_lost("b", 1, None)
    assert (one.quarantined, one._losses) == ({"b"}, 1)
