"""A hostile broker: packets above every limit, endless messages, hang-ups; gateway and workstation."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import psutil
import pytest
from support.brokers.flooder import encode_length, publish_packet
from support.brokers.mosquitto import Mosquitto
from support.gateway.deliveries import Subscriber, until

from gateway.client import Workstation
from gateway.contract.states import GatewayState
from gateway.contract.topics import SiteTopics
from gateway.delivery.delivery import Delivery
from gateway.delivery.settings import BrokerSettings, DeliverySettings, DestinationSettings, OutboxSettings

MIB = 1024 * 1024
TOPIC = "bgw/v1/ke-busia/lane-1/barrier/cmd/stop/lane-1"
HUGE = 250_000_000


class HostileBroker:
    """Broker that accepts every client, and then writes what `attack` writes."""

    def __init__(self, attack: Callable[[asyncio.StreamWriter], object]) -> None:
        self.attack = attack
        self.connects: list[bytes] = []
        """Every CONNECT packet, without its fixed header."""
        self.port = 0
        self._is_closing = False

    async def __aenter__(self) -> "HostileBroker":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        self._writers: set[asyncio.StreamWriter] = set()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        self._is_closing = True
        for writer in self._writers:
            writer.transport.abort()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._is_closing:  # accepted just before: its client would keep it
            writer.transport.abort()
            return
        self._writers.add(writer)
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            head = await reader.readexactly(2)
            length = head[1]
            if length & 0x80:
                length = length & 0x7F | (await reader.readexactly(1))[0] << 7
            self.connects.append(await reader.readexactly(length))
            writer.write(b"\x20\x03\x00\x00\x00")
            await writer.drain()
            await self.attack(writer)  # type: ignore[misc]
        writer.transport.abort()
        self._writers.discard(writer)


async def send_huge(writer: asyncio.StreamWriter) -> None:
    """Send one PUBLISH of 250 MB."""
    topic = TOPIC.encode()
    writer.write(b"\x30" + encode_length(HUGE) + struct.pack(">H", len(topic)) + topic + b"\0")
    chunk = bytes(MIB)
    for _ in range(HUGE // MIB):
        writer.write(chunk)
        await writer.drain()


def endless(qos: int) -> Callable[[asyncio.StreamWriter], object]:
    async def send(writer: asyncio.StreamWriter) -> None:
        chunk = b"".join(publish_packet(TOPIC, b"x" * 200, qos, mid) for mid in range(1, 1000))
        while True:
            writer.write(chunk)
            await writer.drain()

    return send


@contextlib.asynccontextmanager
async def delivering(port: int, folder: Path) -> AsyncIterator[Delivery]:
    settings = DeliverySettings(
        outbox=OutboxSettings(directory=folder / "outbox"),
        destinations=(DestinationSettings.local(BrokerSettings(port=port)),),
    )
    topics = SiteTopics("ke-busia", "gw-1")
    delivery = Delivery(settings, topics, "session-1", stations=["lane-1"], on_message=lambda *_: None)
    await delivery.start()
    try:
        yield delivery
    finally:
        await delivery.stop(0.1)


def resident() -> int:
    size: int = psutil.Process().memory_info().rss
    return size


def texts(delivery: Delivery) -> dict[str, str]:
    return {problem.cause: problem.text for problem in delivery.problems()}


async def test_huge_packet_ends_connection_with_cause(tmp_path: Path) -> None:
    before = resident()
    async with HostileBroker(send_huge) as broker, delivering(broker.port, tmp_path) as delivery:
        await until(lambda: "broker_exceeds_limits" in texts(delivery))
        assert f"{HUGE} bytes" in texts(delivery)["broker_exceeds_limits"]
        await until(lambda: len(broker.connects) >= 6)  # main, lane-1, others: each twice
        assert resident() - before < 30 * MIB
        assert all(b"\x21\x00" in packet for packet in broker.connects)  # Receive Maximum, below 256


@pytest.mark.parametrize("qos", [0, 1, 2])
async def test_endless_messages_leave_the_loop_alone(tmp_path: Path, qos: int) -> None:
    before = resident()
    async with HostileBroker(endless(qos)) as broker, delivering(broker.port, tmp_path) as delivery:
        await until(lambda: "broker_exceeds_limits" in texts(delivery))
        await until(lambda: len(broker.connects) >= 6)
        assert resident() - before < 30 * MIB


async def test_workstation_refuses_huge_packet() -> None:
    before = resident()
    async with HostileBroker(send_huge) as broker:
        async with Workstation("127.0.0.1", broker.port, site="ke-busia", on_problem=lambda _: None):
            await until(lambda: len(broker.connects) >= 2)
        assert resident() - before < 30 * MIB
        assert all(b"\x27\x00" in packet for packet in broker.connects)


async def test_client_ids_are_secret_and_new(tmp_path: Path) -> None:
    async def hang_up(writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.05)

    async with HostileBroker(hang_up) as broker, delivering(broker.port, tmp_path):
        await until(lambda: len(broker.connects) >= 6)
        packets = list(broker.connects)
    ids = [packet.partition(b"bgw-")[2][:32] for packet in packets]
    assert len(set(ids)) == len(ids)
    assert all(len(bytes.fromhex(one.decode())) == 16 for one in ids)
    assert all(b"gw-1-local" not in packet for packet in packets)


async def test_late_will_changes_no_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each connection has an identifier of its own, so the broker publishes the will of the lost one."""
    with Mosquitto() as broker:
        settings = DeliverySettings(
            outbox=OutboxSettings(directory=tmp_path / "outbox"),
            destinations=(DestinationSettings.local(BrokerSettings(port=broker.port)),),
            will_delay_s=1,
        )
        topics = SiteTopics("ke-busia", "gw-1")
        delivery = Delivery(settings, topics, "session-1", on_message=lambda *_: None)
        birth = GatewayState(online=True, session="session-1", report=None).model_dump_json().encode()
        async with (
            Subscriber(broker.port, topics.gateway_state) as watcher,
            Workstation("127.0.0.1", broker.port, site="ke-busia") as desk,
        ):
            lost: list[str] = []
            monkeypatch.setattr(desk._command_sender, "on_gateway_lost", lost.append)
            await delivery.start()
            delivery.publish_retained(topics.gateway_state, birth)
            await until(lambda: "gw-1" in desk.gateways)
            connection = delivery._destinations[0].connection
            first = connection.name
            connection._socket._socket.shutdown(socket.SHUT_RDWR)
            await until(lambda: connection.name != first)
            await until(lambda: any(message.payload != birth for message in watcher.messages))
            await until(lambda: watcher.messages[-1].payload == birth)
            assert desk.gateways["gw-1"].online
            assert lost == []
            names = [dict(message.properties.UserProperty)["connection"] for message in watcher.messages]
            assert names == [first, connection.name, first, connection.name]
            await delivery.stop()
            await until(lambda: not desk.gateways["gw-1"].online)
