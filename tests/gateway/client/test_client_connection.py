"""A workstation's connection: acknowledged messages were processed, and no others are acknowledged."""

import asyncio
import contextlib
import socket
import threading
from collections.abc import Iterator
from typing import Any

import aiomqtt
import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from support.brokers.mosquitto import Mosquitto
from support.patience import PATIENCE_S

from gateway.client.mqtt.connection import Connection

TOPIC = "bgw/v1/uto-test/lane-1/reader/evt/test-said"


@pytest.fixture
def mosquitto() -> Iterator[Mosquitto]:
    with Mosquitto() as broker:
        yield broker


class RepeatedClient:
    """Client that connects repeatedly under one id, whose session the broker keeps."""

    def __init__(self, broker: Mosquitto) -> None:
        self.broker = broker
        self.taken: asyncio.Queue[bytes] = asyncio.Queue()

    def connection(self, timeout_s: float = 5) -> Connection:
        lasting = Properties(PacketTypes.CONNECT)
        lasting.SessionExpiryInterval = 60
        return Connection(
            self.take,
            hostname="127.0.0.1",
            port=self.broker.port,
            identifier="workstation",
            protocol=aiomqtt.ProtocolVersion.V5,
            clean_start=False,
            properties=lasting,
            timeout=timeout_s,
        )

    def take(self, message: mqtt.MQTTMessage, _sent_after_s: float) -> None:
        self.taken.put_nowait(message.payload)

    async def next(self) -> bytes:
        async with asyncio.timeout(PATIENCE_S):
            return await self.taken.get()


async def say(broker: Mosquitto, payload: bytes) -> None:
    async with aiomqtt.Client("127.0.0.1", broker.port, protocol=aiomqtt.ProtocolVersion.V5) as gateway:
        await gateway.publish(TOPIC, payload, qos=1)


async def test_late_broker_gets_no_acknowledgement(
    mosquitto: Mosquitto,
) -> None:
    workstation = RepeatedClient(mosquitto)
    async with workstation.connection() as before:
        await before.subscribe(TOPIC, qos=1)
    mosquitto.pause()
    given_up = RepeatedClient(mosquitto)
    with pytest.raises(aiomqtt.MqttError):
        await given_up.connection(timeout_s=0.2).__aenter__()
    mosquitto.resume()
    await say(mosquitto, b"said")

    async with workstation.connection():
        assert await workstation.next() == b"said"
    assert given_up.taken.empty()


async def test_message_before_suback_is_processed(mosquitto: Mosquitto) -> None:
    workstation = RepeatedClient(mosquitto)
    async with workstation.connection() as before:
        await before.subscribe(TOPIC, qos=1)
    await say(mosquitto, b"said")

    taken = b""
    with contextlib.suppress(aiomqtt.MqttError):
        async with workstation.connection() as broken_off:
            taken = await workstation.next()
            mosquitto.kill()
            await broken_off.subscribe(TOPIC, qos=1)
    assert taken == b"said"


async def test_connection_that_cannot_close_is_cut(mosquitto: Mosquitto) -> None:
    connection = await RepeatedClient(mosquitto).connection(timeout_s=PATIENCE_S).__aenter__()
    connection.timeout = 0.2  # of the end alone: a busy machine may take longer to connect
    wire = connection._client.socket()
    wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 0)  # the kernel does not close it
    mosquitto.pause()
    for _ in range(40):  # more than the kernel buffers for a broker that does not read
        connection._client.publish(TOPIC, bytes(1 << 20))
    with pytest.raises(aiomqtt.MqttError):
        await connection.__aexit__(None, None, None)
    await closed(wire)


async def closed(wire: Any) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while wire.fileno() >= 0:
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("called_off", ["before it has a socket", "while it waits for an answer"])
async def test_cancelled_connect_leaves_no_socket(mosquitto: Mosquitto, called_off: str) -> None:
    mosquitto.pause()
    may_go, opened = threading.Event(), asyncio.Queue[Any]()

    class Held(Connection):
        def _client_connect(self) -> None:
            may_go.wait(PATIENCE_S)
            super()._client_connect()

        def _on_socket_open(self, client: Any, userdata: Any, sock: Any) -> None:
            super()._on_socket_open(client, userdata, sock)
            self._loop.call_soon_threadsafe(opened.put_nowait, sock)

    held = Held(lambda *_: None, hostname="127.0.0.1", port=mosquitto.port)
    connecting = asyncio.create_task(held.__aenter__())
    if called_off == "while it waits for an answer":
        may_go.set()
        wire = await opened.get()
    else:
        await asyncio.sleep(0)
    connecting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await connecting
    may_go.set()
    if called_off == "before it has a socket":
        wire = await opened.get()
    await closed(wire)
    mosquitto.resume()
