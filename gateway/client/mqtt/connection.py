"""MQTT connection of a workstation, and the topics to which it subscribes."""

import asyncio
import contextlib
import functools
import socket
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Self

import aiomqtt
import paho.mqtt.client as mqtt
from paho.mqtt.enums import MQTTErrorCode
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from gateway.client.mqtt.socket_readers import with_readers
from gateway.contract.commands import EXPIRY_LIMIT_S, SIGNATURE_PROPERTY
from gateway.contract.topics import Position

NO_SUBSCRIBERS, NOT_AUTHORISED = 0x10, 0x87  # MQTT 5, section 2.4
RECEIVE_MAXIMUM = 20
MAX_PACKET_BYTES = 9_437_184
"""Upper bound on an incoming packet: the largest image (8 MiB) and its topic, as at the post's broker."""

PING_S = 2.0
"""Interval of the pings that tell how long a message may have been on its way, in seconds."""

PREVIEW_QOS = 0
"""With QoS 0 the broker keeps no previews for a workstation that is away."""
DEVICE_SUBSCRIPTIONS = ("desc", "state", "claim", "now/+", "evt/+", "blob/+/+")
"""Topics below a device that every workstation reads."""


def socket_options() -> list[tuple[int, int, int]]:
    """Return the socket options for commands: no delay, and no late delivery.

    The broker counts a command's life from its arrival. A command written to a dead link would be delivered
    by TCP when the link returns, minutes later, as if it were fresh. So the kernel closes a connection on
    which nothing is acknowledged for as long as a command may live.
    """
    options = [(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)]
    if (patience := getattr(socket, "TCP_USER_TIMEOUT", None)) is not None:  # Linux only
        options.append((socket.IPPROTO_TCP, patience, EXPIRY_LIMIT_S * 1000))
    return options


def connect_properties(session_s: int) -> Properties:
    """Return the properties of CONNECT: how long the broker keeps the session, in seconds."""
    properties = Properties(PacketTypes.CONNECT)
    properties.SessionExpiryInterval = session_s
    properties.ReceiveMaximum = RECEIVE_MAXIMUM
    properties.MaximumPacketSize = MAX_PACKET_BYTES
    return properties


def _receive_limited(receive: Callable[[int], bytes], size: int) -> bytes:
    """Read at most `size` bytes, the rest of a packet; raises ConnectionError where that is too large."""
    if size > MAX_PACKET_BYTES:
        raise ConnectionError(f"the broker sent a packet of {size} bytes")
    return receive(size)


class Connection(aiomqtt.Client):
    """Client of aiomqtt that also returns the broker's reason codes, and closes its socket at once.

    A message is passed to `on_message` before it is acknowledged. No socket outlives the context: one of
    aiomqtt would go on when the broker is late, and acknowledge messages that no code reads, in the name of
    the client that has connected again.

    The remaining life of a message is that of the moment when the broker sent it. It may arrive much later,
    as after a cable that was unplugged for a few seconds; the answers to pings bound that time.
    """

    def __init__(self, on_message: Callable[[mqtt.MQTTMessage, float], None], **client_options: Any) -> None:
        """`on_message`: also gets the time before which the broker had not sent it, of the loop's clock."""
        super().__init__(**client_options, socket_options=socket_options())
        self._loop = with_readers(self._loop)
        self._on_message_callback = on_message
        self._pending_acks: dict[int, asyncio.Future[int]] = {}
        self._is_closed = False
        # paho 2.2 reads the rest of a packet by the length in the packet, and has no limit of its own.
        inner: Any = self._client
        inner._sock_recv = functools.partial(_receive_limited, inner._sock_recv)  # noqa: SLF001
        # Nor does it tell of pings, of which it sends some itself.
        inner._send_pingreq = functools.partial(self._on_ping, inner._send_pingreq)  # noqa: SLF001
        inner._handle_pingresp = functools.partial(self._on_pong, inner._handle_pingresp)  # noqa: SLF001
        self._pinged_s: deque[float] = deque()
        """Times of the pings that have no answer yet."""
        self._sent_after_s = self._loop.time()
        self._pinging: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Connect; raises MqttError."""
        try:
            await super().__aenter__()
        except BaseException:
            self._close()
            raise
        self._pinging = asyncio.create_task(self._ping(), name="mqtt pings")
        return self

    async def __aexit__(self, *error: Any) -> None:
        """Disconnect; raises MqttError where the broker does not accept even that."""
        if self._pinging is not None:
            self._pinging.cancel()
        try:
            await super().__aexit__(*error)
        finally:
            self._close()

    def _close(self) -> None:
        self._is_closed = True
        self._client.disconnect()  # closes when that is written
        if isinstance(left := self._client.socket(), socket.socket):
            with contextlib.suppress(OSError):
                left.shutdown(socket.SHUT_RDWR)

    def _on_socket_open(self, client: Any, userdata: Any, sock: Any) -> None:
        super()._on_socket_open(client, userdata, sock)
        if self._is_closed:  # by a caller that did not wait for the connecting thread
            self._loop.call_soon_threadsafe(self._close)

    def _on_disconnect(self, *arguments: Any, **more: Any) -> None:
        # aiomqtt reads the exception of a cancelled future, and asyncio prints a traceback of that.
        if not self._connected.cancelled():
            super()._on_disconnect(*arguments, **more)

    async def wait_closed(self) -> None:
        """Wait until the connection ends; raises MqttError."""
        await asyncio.wait({self._disconnected})
        raise aiomqtt.MqttError("The connection was lost") from self._disconnected.exception()

    def _on_message(self, _client: Any, _userdata: Any, message: mqtt.MQTTMessage) -> None:
        self._on_message_callback(message, self._sent_after_s)

    async def _ping(self) -> None:
        """Ping the broker while it answers."""
        inner: Any = self._client
        while not self._disconnected.done():
            if not self._pinged_s:
                inner._send_pingreq()  # noqa: SLF001
            await asyncio.sleep(PING_S)

    def _on_ping(self, send: Callable[[], MQTTErrorCode]) -> MQTTErrorCode:
        self._pinged_s.append(self._loop.time())
        return send()

    def _on_pong(self, handle: Callable[[], MQTTErrorCode]) -> MQTTErrorCode:
        """Take the answer to a ping: what comes after it was sent after the ping."""
        if self._pinged_s:
            self._sent_after_s = self._pinged_s.popleft()
        return handle()

    async def send(self, topic: str, payload: bytes, expires_s: int, jws: str | None = None) -> int:
        """Publish with QoS 1, and a signature; returns the broker's reason code.

        Raises MqttError when the connection is lost first.
        """
        properties = Properties(PacketTypes.PUBLISH)
        properties.MessageExpiryInterval = expires_s
        properties.ContentType = "application/json"
        if jws is not None:
            properties.UserProperty = (SIGNATURE_PROPERTY, jws)
        info = self._client.publish(topic, payload, qos=1, properties=properties)
        if info.rc != mqtt.MQTT_ERR_SUCCESS:
            raise aiomqtt.MqttCodeError(info.rc, "Could not publish message")
        answer: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._pending_acks[info.mid] = answer
        try:
            waits: list[asyncio.Future[Any]] = [answer, self._disconnected]
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            if not answer.done():
                raise aiomqtt.MqttError("The connection was lost")
            return answer.result()
        finally:
            del self._pending_acks[info.mid]

    def _on_publish(self, client: Any, userdata: Any, mid: int, reason_code: Any, properties: Any) -> None:
        super()._on_publish(client, userdata, mid, reason_code, properties)
        answer = self._pending_acks.get(mid)
        if answer is not None and not answer.done():
            answer.set_result(reason_code.value)


def subscriptions(
    root: str, site: str, positions: Sequence[Position] | None, station: str | None
) -> list[tuple[str, int]]:
    """Return topic filters and their QoS. Commands and answers of other stations are not among them.

    `positions`: None for all devices of the site. `station`: None for a workstation that sends no commands.
    """
    devices = ["+/+"] if positions is None else [str(position) for position in positions]
    topics = [(topic, 1) for topic in DEVICE_SUBSCRIPTIONS]
    if station is not None:
        topics += [(f"rsp/{station}", 1), (f"preview/{station}", PREVIEW_QOS)]
    return [
        (f"{root}/{site}/_gw/+/state", 1),
        (f"{root}/{site}/_gw/+/fresh", 1),
        *((f"{root}/{site}/{device}/{topic}", qos) for device in devices for topic, qos in topics),
    ]
