"""Parts of a connection: CONNECT, pings, limits, coalesced socket, failures, closing."""

import asyncio
import errno
import socket
import ssl
import struct
import threading
from types import SimpleNamespace

import pytest
from support.gateway.deliveries import ScriptedBroker, until
from support.patience import PATIENCE_S

from gateway.delivery.mqtt.client import READ_BYTES, CoalescedSocket
from gateway.delivery.mqtt.connect import Will, connect, describe_connect_error
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


class SilentBroker(ScriptedBroker):
    """Answers no CONNECT, and counts the connections that were closed."""

    ended = 0

    def _take(self, head, body, writer):
        return True

    async def _serve(self, reader, writer):
        await super()._serve(reader, writer)
        self.ended += 1


class DiallingClient:
    """paho's client, and its socket, whose `reconnect` returns when `answered` is set."""

    def __init__(self):
        self.dials, self.answered, self.closed = threading.Event(), threading.Event(), threading.Event()
        self.opened = None

    def reconnect(self):
        self.dials.set()
        self.answered.wait(PATIENCE_S)

    def socket(self):
        return self.opened

    def close(self):
        self.closed.set()


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
        # MQTT 5, section 3.8.3.1: QoS 1, No Local, Retain As Published, retained messages not sent.
        for subscribed in (b"commands/#", b"more"):
            assert subscribed + bytes((0b10_1_1_01,)) in broker.subscribe_packet
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
    """The rest does not wait for the next timer, which is up to a second later."""
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


async def test_hurry_during_an_attempt_is_kept():
    """The broker may be back just after an attempt began, which then fails."""
    listener = RecordingListener()
    async with SilentBroker() as broker:
        connection = make_connection(broker, listener, retry=(1e6, 1e6), settings={"connect_timeout_s": 0.2})
        connection._wait.next_s(0, was_refused=False)
        connection.start()
        await until(lambda: connection._client is not None)
        connection.hurry()
        await until(lambda: len(listener.calls_of("on_connect_failed")) == 2)
        await connection.stop()


async def test_hurry_is_over_once_connected():
    """A connection that is lost later waits as always."""
    listener = RecordingListener()
    async with Broker(lambda *_: "disconnect") as broker:
        connection = make_connection(broker, listener)
        waits = []
        wait = connection._wait_before_attempt

        async def wait_before_attempt(lifetime_s):
            waits.append(connection._hurry.is_set())
            await wait(lifetime_s)

        connection._wait_before_attempt = wait_before_attempt
        connection.hurry()
        connection.start()
        await until(lambda: listener.calls_of("on_connected"))
        connection.hurry()
        connection.publish("a/b", b"x", b"")
        connection.flush()
        await until(lambda: waits)
        await connection.stop()
    assert waits == [False]


async def test_acknowledgements_before_the_end_count():
    listener = RecordingListener()
    async with Broker() as broker:
        connection = make_connection(broker, listener)
        connection.start()
        await until(lambda: listener.calls_of("on_connected"))
        connection._acks.append((7, 0))
        await connection.stop()
    assert listener.calls_of("on_acks") == [[[(7, 0)]]]


async def test_unanswered_connection_is_closed():
    """The gateway closes it: a descriptor that waits for the garbage collector may be the last one."""
    listener = RecordingListener()
    async with SilentBroker() as broker:
        connection = make_connection(broker, listener, settings={"connect_timeout_s": 0.1})
        connection.start()
        await until(lambda: connection._client is not None)
        kept = connection._client
        await until(lambda: broker.ended)
        assert kept.socket() is None or kept.socket().fileno() < 0
        await connection.stop()


@pytest.mark.parametrize("has_socket", [True, False], ids=["in TLS", "in TCP"])
async def test_abandoned_attempt_is_closed(has_socket):
    """Close it as it is given up, or once its thread returns from a server that did not answer for long."""
    client = DiallingClient()
    if has_socket:
        client.opened = client
    attempt = asyncio.create_task(connect(client))
    await until(client.dials.is_set)
    attempt.cancel()
    with pytest.raises(asyncio.CancelledError):
        await attempt
    assert client.closed.is_set() == has_socket
    client.opened = client
    client.closed.clear()
    client.answered.set()
    await until(client.closed.is_set)


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
