"""Parts of a connection: CONNECT, pings, limits, coalesced socket, failures, poison detection."""

import errno
import socket
import ssl
import struct
from types import SimpleNamespace

import pytest
from support.gateway.deliveries import ScriptedBroker, until

from gateway.delivery.destination.poison import PoisonMessageDetector, Suspect
from gateway.delivery.mqtt.client import READ_BYTES, CoalescedSocket
from gateway.delivery.mqtt.connect import Will, describe_connect_error
from gateway.delivery.mqtt.connection import ConnackLimits, MqttConnection
from gateway.delivery.settings import BrokerSettings


class RecordingListener:
    """Listener that records all callbacks."""

    def __init__(self):
        self.calls = []

    def __getattr__(self, name):
        return lambda *arguments: self.calls.append((name, *arguments))

    def calls_of(self, name):
        return [arguments for called, *arguments in self.calls if called == name]


class Broker(ScriptedBroker):
    """Counts pings, and keeps CONNECT and SUBSCRIBE packets."""

    def __init__(self, *arguments, **more):
        super().__init__(*arguments, **more)
        self.pings = 0
        self.connect_packet = b""
        self.subscribe_packet = b""

    def _take(self, head, body, writer):
        match head >> 4:
            case 1:
                self.connect_packet = body
            case 8:
                self.subscribe_packet = body
            case 12:
                self.pings += 1
        return super()._take(head, body, writer)


def make_connection(broker, listener, **more):
    given = {"subscriptions": (), "retry": (0.05, 0.1), "settings": {}} | more
    settings = BrokerSettings(host="127.0.0.1", port=broker.port, **given["settings"])
    will = Will("will", b"offline", 7)
    return MqttConnection(
        settings,
        lambda: "client-1",
        will,
        listener,
        given["retry"],
        lambda: 5,
        given["subscriptions"],
        pings=bool(given["subscriptions"]),
    )


async def test_pings_repeat_while_subscribed(monkeypatch):
    monkeypatch.setattr("gateway.delivery.mqtt.connection.PING_S", 0.02)
    listener = RecordingListener()
    async with Broker() as broker:
        broker.granted = 1
        connection = make_connection(broker, listener, subscriptions=("commands/#", "more"))
        connection.start()
        await until(lambda: broker.pings >= 3)
        assert listener.calls_of("on_connected") == [[ConnackLimits(65_535, None)]]
        await until(lambda: listener.calls_of("on_subscribed"))
        assert b"commands/#" in broker.subscribe_packet
        assert b"more" in broker.subscribe_packet
        assert listener.calls_of("on_subscribed") == [[None]]
        await connection.stop()
    assert listener.calls_of("on_disconnected") == [[None]]


async def test_refused_subscription_is_reported():
    listener = RecordingListener()
    async with Broker() as broker:
        broker.granted = 0x87
        connection = make_connection(broker, listener, subscriptions=("commands/#",))
        connection.start()
        await until(lambda: listener.calls_of("on_subscribed"))
        assert listener.calls_of("on_subscribed") == [[0x87]]
        await connection.stop()


async def test_connect_packet_and_limits():
    listener = RecordingListener()
    async with Broker(receive_maximum=7, maximum_packet_size=1000) as broker:
        connection = make_connection(
            broker, listener, settings={"username": "gw", "password": "secret", "keepalive_s": 33}
        )
        assert not connection.is_alive(10)
        connection.start()
        await until(lambda: listener.calls_of("on_connected"))
        assert listener.calls_of("on_connected") == [[ConnackLimits(7, 1000)]]
        assert connection.is_alive(10)
        assert not connection.is_alive(-1)
        assert broker.pings == 0
        await connection.stop()
        assert not connection.is_alive(10)
    packet = broker.connect_packet
    assert packet[:7] == b"\x00\x04MQTT\x05"
    assert packet[7] == 0b1110_1110  # name, password, retained will of QoS 1, clean start
    assert packet[8:10] == struct.pack(">H", 33)
    for said in (b"client-1", b"will", b"offline", b"gw", b"secret", b"application/json"):
        assert struct.pack(">H", len(said)) + said in packet
    assert b"\x18" + struct.pack(">I", 7) in packet


async def test_message_is_sent_and_acknowledged():
    listener = RecordingListener()
    async with Broker() as broker:
        connection = make_connection(broker, listener)
        assert connection.publish("a/b", b"x", b"") is None
        connection.flush()
        connection.start()
        await until(lambda: listener.calls_of("on_connected"))
        mids = [connection.publish("a/b", b"%d" % n, b"", retain=n == 1) for n in range(2)]
        assert broker.published == []
        connection.flush()
        await until(lambda: sum(len(acks) for (acks,) in listener.calls_of("on_acks")) == 2)
        assert broker.published == [("a/b", b"0"), ("a/b", b"1")]
        assert [ack for (acks,) in listener.calls_of("on_acks") for ack in acks] == [(mid, 0) for mid in mids]
        await connection.stop()
        assert connection.publish("a/b", b"x", b"") is None


@pytest.mark.parametrize("reason", [0x95, None])
async def test_disconnect_reason(reason):
    listener = RecordingListener()
    async with Broker(lambda *_: "disconnect") as broker:
        broker.hang_up_reason = reason
        connection = make_connection(broker, listener)
        connection.start()
        await until(lambda: listener.calls_of("on_connected"))
        connection.publish("a/b", b"x", b"")
        connection.flush()
        await until(lambda: listener.calls_of("on_disconnected"))
        assert listener.calls_of("on_disconnected") == [[reason]]
        await until(lambda: len(listener.calls_of("on_connected")) == 2)
        await connection.stop()


async def test_unsent_rest_follows_when_socket_is_writable(monkeypatch):
    """Not only at the next timer, which is up to a second later."""
    monkeypatch.setattr("gateway.delivery.mqtt.connection.MISC_INTERVAL_S", 1e6)
    listener = RecordingListener()
    async with Broker() as broker:
        connection = make_connection(broker, listener)
        connection.start()
        await until(lambda: listener.calls_of("on_connected"))
        for n in range(4):
            connection.publish(f"a/{n}", bytes(4_000_000), b"")
        connection.flush()
        await until(lambda: len(broker.published) == 4)
        await connection.stop()


async def test_lifetime_of_a_connection_decides_the_wait():
    listener = RecordingListener()
    async with Broker(lambda *_: "disconnect") as broker:
        connection = make_connection(broker, listener)
        lifetimes, wait = [], connection._wait
        connection._wait = SimpleNamespace(
            next_s=lambda lifetime_s, **more: lifetimes.append(lifetime_s) or wait.next_s(0, **more)
        )
        connection.start()
        await until(lambda: listener.calls_of("on_connected"))
        connection.publish("a/b", b"x", b"")
        connection.flush()
        await until(lambda: lifetimes)
        await connection.stop()
    assert lifetimes[0] > 0


async def test_acknowledgements_before_the_end_count():
    listener = RecordingListener()
    async with Broker() as broker:
        connection = make_connection(broker, listener)
        connection.start()
        await until(lambda: listener.calls_of("on_connected"))
        connection._acks.append((7, 0))
        await connection.stop()
    assert listener.calls_of("on_acks") == [[[(7, 0)]]]


async def test_failed_connect_is_reported_and_retried():
    listener = RecordingListener()
    async with Broker() as broker:
        pass
    connection = make_connection(broker, listener)
    connection.start()
    await until(lambda: len(listener.calls_of("on_connect_failed")) >= 3)
    assert listener.calls_of("on_connect_failed")[0] == ["Connection refused"]
    assert listener.calls_of("on_disconnected") == []
    await connection.stop()


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (TimeoutError(), "it does not answer"),
        (OSError(errno.ECONNREFUSED, "Connection refused"), "Connection refused"),
        (ConnectionError("refused with reason code 0x87"), "refused with reason code 0x87"),
        (ValueError(), "ValueError"),
    ],
)
def test_connect_error_text(error, words):
    assert describe_connect_error(error) == words


def test_certificate_error_text():
    error = ssl.SSLCertVerificationError("x")
    error.verify_message = "certificate has expired"
    assert describe_connect_error(error) == "its certificate was refused (certificate has expired)"


@pytest.fixture
def coalesced():
    """A coalesced socket over TCP, and its other end."""
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


def test_unsent_bytes_wait_in_coalesced_socket(coalesced):
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


def test_first_in_flight_is_suspect():
    detector = PoisonMessageDetector(5)
    for losses in range(1, 6):
        detector.on_connection_lost((1, 1, -1), 4, None, 0)
        assert (detector.serialised_left, detector.suspects) == (4 if losses >= 3 else 0, {})
    detector.on_connection_lost((1, 1, -1), 1, None, 0)
    assert detector.suspects == {1: Suspect((1, 1, -1))}
    assert detector.quarantined == {}


def test_state_that_ends_connections_is_left_out():
    detector = PoisonMessageDetector(5)
    for _ in range(6):
        detector.on_connection_lost("state", 1, None, 0)
    assert detector.quarantined == {"state": 0x80}


def test_other_suspect_resets_losses():
    detector = PoisonMessageDetector(5)
    for first in ("a", "a", "b", "a", "a"):
        detector.on_connection_lost(first, 2, None, 0)
    assert (detector.serialised_left, detector.quarantined) == (0, {})
    detector.on_connection_lost("a", 2, None, 0)
    assert detector.serialised_left == 2


def test_disconnect_reason_quarantines_sooner():
    detector = PoisonMessageDetector(5)
    detector.on_connection_lost("a", 3, 0x95, 0)
    assert (detector.serialised_left, detector.quarantined) == (3, {})
    detector.on_connection_lost("a", 2, 0x95, 0)
    assert detector.serialised_left == 3
    detector.on_connection_lost("b", 1, 0x95, 0)
    assert detector.quarantined == {"b": 0x95}
    detector.on_connection_lost("b", 1, None, 0)
    assert (detector.quarantined, detector._losses) == ({"b": 0x95}, 1)


def test_suspect_is_proved_by_another_of_its_topic():
    detector = PoisonMessageDetector(5)
    for _ in range(6):
        detector.on_connection_lost((1, 7, -1), 1, None, 0)
    detector.on_connection_lost((1, 8, -1), 1, None, 100)  # the other one ends the connection as well
    assert (detector.suspects[1].due_s, detector.quarantined) == (105, {})
    detector.on_connection_lost((1, 7, -1), 1, None, 105)  # no other one was accepted
    assert (detector.suspects[1].due_s, detector.quarantined) == (115, {})
    detector.suspects[1].is_other_accepted = True
    detector.on_connection_lost((1, 7, -1), 1, None, 115)
    assert (detector.suspects, detector.quarantined) == ({}, {(1, 7, -1): 0x80})
