"""Support for tests of delivery: a fake clock, events, a subscriber, a scripted broker."""

import asyncio
import json
import ssl
import struct
import time
from collections.abc import Callable
from typing import Any, Self

import paho.mqtt.client as mqtt
from support.patience import PATIENCE_S

from drivers.observation import DataClass
from gateway.contract.envelope import ClockStatus
from gateway.delivery.events import Blob, PendingEvent


class FakeTime:
    """Fake clocks of a post; `advance` lets time pass, `jump` sets the wall clock, `reboot` boots."""

    def __init__(self) -> None:
        self.boot_id = "boot-1"
        self.wall = 1_760_000_000_000_000_000
        self.boot = 1_000_000_000_000
        self.clock = ClockStatus.SYNCED

    def unix_ns(self) -> int:
        return self.wall

    def boot_ns(self) -> int:
        return self.boot

    def clock_status(self) -> ClockStatus:
        return self.clock

    def advance(self, seconds: float) -> None:
        self.wall += int(seconds * 1e9)
        self.boot += int(seconds * 1e9)

    def jump(self, seconds: float) -> None:
        self.wall += int(seconds * 1e9)

    def reboot(self, off_s: float, clock: ClockStatus = ClockStatus.SYNCED) -> None:
        self.boot_id += "'"
        self.boot = 20_000_000_000
        self.wall += int(off_s * 1e9)
        self.clock = clock


def event(
    n: int = 0,
    data_class: DataClass = DataClass.RECORD,
    position: str = "lane-1/reader",
    *,
    blobs: tuple[Blob, ...] = (),
    expires_s: float | None = None,
    size: int = 0,
) -> PendingEvent:
    """Return one event with `n` in its data."""
    body = json.dumps({"data": {"n": n, "pad": "x" * size}})[:-1].encode()
    return PendingEvent(position, "test.said", data_class, body, blobs, expires_s)


async def until(condition: Callable[[], Any], timeout_s: float = PATIENCE_S) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"condition not met within {timeout_s} s")
        await asyncio.sleep(0.005)


class Subscriber:
    """A consumer that records events in order of arrival."""

    def __init__(
        self,
        port: int,
        topic: str = "bgw/#",
        username: str | None = None,
        password: str | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.messages: list[mqtt.MQTTMessage] = []
        self._port, self._topic = port, topic
        self._subscribed = False
        self._client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
        if username:
            self._client.username_pw_set(username, password)
        if tls is not None:
            self._client.tls_set_context(tls)
        self._client.reconnect_delay_set(1, 1)
        self._client.on_connect = lambda client, *_: client.subscribe(topic, 1)
        self._client.on_subscribe = self._on_subscribe
        self._client.on_disconnect = self._on_disconnect
        self._client.on_message = lambda _c, _u, message: self.messages.append(message)

    def _on_subscribe(self, *_: object) -> None:
        self._subscribed = True

    def _on_disconnect(self, *_: object) -> None:
        self._subscribed = False

    async def ready(self) -> None:
        await until(lambda: self._subscribed)

    async def __aenter__(self) -> Self:
        self._client.connect("127.0.0.1", self._port)
        self._client.loop_start()
        await self.ready()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()
        self._client.__del__()

    @property
    def events(self) -> list[dict[str, Any]]:
        """Events in order of arrival, without repetitions by id."""
        found: dict[str, dict[str, Any]] = {}
        for message in list(self.messages):
            if "/evt/" in message.topic:
                body = json.loads(message.payload)
                found.setdefault(body["id"], body)
        return list(found.values())

    @property
    def numbers(self) -> list[int]:
        """Return the `n` of every event."""
        return [body["data"]["n"] for body in self.events]

    def seqs(self, stream: str) -> list[int]:
        return [body["seq"] for body in self.events if body["stream"] == stream]

    async def has(self, count: int, timeout_s: float = PATIENCE_S) -> None:
        """Wait for `count` different events."""
        try:
            await until(lambda: len(self.events) >= count, timeout_s)
        except AssertionError:
            raise AssertionError(f"{len(self.events)} of {count} events arrived") from None


class ScriptedBroker:
    """A minimal MQTT 5 broker, for behaviour that Mosquitto cannot produce.

    `answer` is called for every PUBLISH: a reason code acknowledges with it, None sends nothing, and
    "disconnect" closes the connection with `hang_up_reason` (None: without DISCONNECT).
    """

    def __init__(
        self, answer: Callable[[str, bytes], int | str | None] = lambda topic, payload: 0, **connack: int
    ) -> None:
        self.answer = answer
        self.connack = connack
        self.published: list[tuple[str, bytes]] = []
        self.unanswered: list[int] = []
        self.most_unanswered = 0
        self.connections = 0
        self.hang_up_reason: int | None = 0x95
        self.granted: int | None = None
        """Reason code of every SUBACK; None: no SUBACK is sent."""
        self.port = 0
        self._open: set[int] = set()
        self._writer: asyncio.StreamWriter | None = None
        """The connection that was made last."""
        self._writers: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        self._is_closing = False

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        self._is_closing = True
        self.hang_up()
        await self._server.wait_closed()
        await asyncio.sleep(0)

    def acknowledge(self, mid: int, reason: int = 0) -> None:
        self._open.discard(mid)
        assert self._writer is not None
        self._writer.write(b"\x40\x03" + struct.pack(">HB", mid, reason))

    def hang_up(self) -> None:
        """Close all connections without DISCONNECT."""
        for writer in self._writers:
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._is_closing:  # accepted just before: its client would keep it, and the server wait for ever
            writer.close()
            return
        self._writer = writer
        self._writers.add(writer)
        self._open.clear()
        try:
            while True:
                head = (await reader.readexactly(1))[0]
                length, shift = 0, 0
                while True:
                    byte = (await reader.readexactly(1))[0]
                    length |= (byte & 0x7F) << shift
                    shift += 7
                    if not byte & 0x80:
                        break
                body = await reader.readexactly(length)
                if not self._take(head, body, writer):
                    return
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self._writers.discard(writer)
            writer.close()

    def _take(self, head: int, body: bytes, writer: asyncio.StreamWriter) -> bool:
        match head >> 4:
            case 1:
                self.connections += 1
                properties = b""
                if "receive_maximum" in self.connack:
                    properties += b"\x21" + struct.pack(">H", self.connack["receive_maximum"])
                if "maximum_packet_size" in self.connack:
                    properties += b"\x27" + struct.pack(">I", self.connack["maximum_packet_size"])
                writer.write(b"\x20" + bytes((3 + len(properties), 0, 0, len(properties))) + properties)
            case 3:
                length = struct.unpack_from(">H", body)[0]
                topic = body[2 : 2 + length].decode()
                mid = struct.unpack_from(">H", body, 2 + length)[0]
                at = 4 + length
                size, shift = 0, 0
                while True:
                    byte = body[at]
                    at += 1
                    size |= (byte & 0x7F) << shift
                    shift += 7
                    if not byte & 0x80:
                        break
                payload = body[at + size :]
                self.published.append((topic, payload))
                self._open.add(mid)
                self.most_unanswered = max(self.most_unanswered, len(self._open))
                answer = self.answer(topic, payload)
                if answer == "disconnect":
                    if self.hang_up_reason is not None:
                        writer.write(bytes((0xE0, 1, self.hang_up_reason)))
                    return False
                if isinstance(answer, int):
                    self.acknowledge(mid, answer)
                else:
                    self.unanswered.append(mid)
            case 8 if self.granted is not None:
                writer.write(b"\x90\x04" + body[:2] + bytes((0, self.granted)))
            case 12:
                writer.write(b"\xd0\x00")
            case 14:
                return False
        return True

    @property
    def numbers(self) -> list[int]:
        """Return the `n` of every event published, with repetitions."""
        return [json.loads(payload)["data"]["n"] for topic, payload in self.published if "/evt/" in topic]
