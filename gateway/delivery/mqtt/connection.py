"""One MQTT 5 connection at a time, run by the event loop.

paho-mqtt is a wire here, not a queue: a client lives as long as one connection, so nothing it still holds is
sent again behind our back, and what it says in callbacks is only noted down (`on_publish` runs with a lock of
paho held) and acted upon after it has returned. No thread but one that lives while TCP and TLS connect.
"""

import asyncio
import contextlib
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, cast

import paho.mqtt.client as mqtt
import structlog
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

from gateway.delivery.mqtt.client import PING_S, CoalescedSocket, PingingClient
from gateway.delivery.mqtt.connect import dialled, tls_context, why
from gateway.delivery.mqtt.properties import Packed
from gateway.delivery.settings import BrokerSettings

log = structlog.get_logger()

MISC_S = 1.0
"""Between two looks at the keep alive."""
STEADY_S = 5.0
"""A connection that lived so long was a good one: the next attempt starts with a short wait again."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What the broker said in CONNACK."""

    receive_maximum: int
    maximum_packet_size: int | None


@dataclass(frozen=True, slots=True)
class Will:
    """What the broker publishes, retained, when we fall silent."""

    topic: str
    payload: bytes
    delay_s: int


class WireUser(Protocol):
    """Who is told what happens on a wire; always on the event loop, never from within paho."""

    def wire_up(self, limits: Limits) -> None:
        """The broker accepted us."""

    def wire_down(self, reason: int | None) -> None:
        """The connection is gone; `reason` is the broker's own, if it gave one."""

    def wire_refused(self, reason: str) -> None:
        """A connection could not be made."""

    def wire_acked(self, acks: list[tuple[int, int]]) -> None:
        """PUBACKs: (message id, reason code)."""

    def wire_message(self, message: mqtt.MQTTMessage, sent_after_ns: int) -> None:
        """Something arrived on a topic we subscribed; before that moment it had not been sent."""

    def wire_subscribed(self, refused: int | None) -> None:
        """What we wanted to hear is granted, or refused with a reason code."""


class Wire:
    """Keeps a connection to one broker: connects, waits with full jitter, connects again."""

    def __init__(
        self,
        settings: BrokerSettings,
        client_id: str,
        will: Will,
        user: WireUser,
        retry: tuple[float, float],
        boot_ns: Callable[[], int],
        subscriptions: tuple[str, ...] = (),
    ) -> None:
        self._settings = settings
        self._client_id = client_id
        self._will = will
        self._user = user
        self._first_s, self._cap_s = retry
        self._boot_ns = boot_ns
        self._subscriptions = subscriptions
        self._loop = asyncio.get_running_loop()
        self._client: Any = None
        self._socket: CoalescedSocket | None = None
        self._writing = False
        self._up = False
        self._looked = 0.0
        self._acks: list[tuple[int, int]] = []
        self._messages: list[tuple[mqtt.MQTTMessage, int]] = []
        self._granted: list[int] = []
        self._connack: tuple[int, Properties] | None = None
        self._ended: asyncio.Event = asyncio.Event()
        self._end_reason: int | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._ping_timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Connect, and stay connected."""
        self._task = self._loop.create_task(self._stay(), name=f"wire-{self._client_id}")

    async def stop(self) -> None:
        """Say goodbye, so that the broker keeps our will to itself, and close."""
        if self._client is not None and self._up:
            with contextlib.suppress(Exception):
                self._client.disconnect()
                self._client.loop_write()  # closes the socket, which flushes it
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        self._drop()

    def alive(self, patience_s: float) -> bool:
        """Whether it is connected and looks after its connection, or is about to connect."""
        trying = self._task is not None and not self._task.done()
        return trying and not (self._up and self._loop.time() - self._looked > patience_s)

    # Sending

    def publish(self, topic: str, payload: bytes, properties: bytes, *, retain: bool = False) -> int | None:
        """Send with QoS 1 once `flush` is called; the message id, or None when nothing can be sent."""
        client = self._client
        if client is None or not self._up:
            return None
        info = client.publish(topic, payload, 1, retain, cast("Properties", Packed(properties)))
        return int(info.mid) if info.rc == mqtt.MQTT_ERR_SUCCESS else None

    def flush(self) -> None:
        """Give the socket what was published."""
        client = self._client
        if client is None:
            return
        try:
            if client.want_write():
                client.loop_write()
            if self._socket is not None:
                self._socket.flush()
        except OSError:
            self._end(None)
        except Exception:
            log.exception("wire_failed", client_id=self._client_id)
            self._end(None)
        self._settle()

    # Staying connected

    async def _stay(self) -> None:
        attempt = 0
        while True:
            began = self._loop.time()
            try:
                await self._connect()
                await self._ended.wait()
            except (OSError, ValueError, TimeoutError) as error:
                self._drop()
                self._tell(self._user.wire_refused, why(error))
            finally:
                self._drop()
            if self._loop.time() - began > STEADY_S:
                attempt = 0
            # Full jitter: when a region's link returns, its posts must not knock all at once.
            await asyncio.sleep(random.uniform(0, min(self._cap_s, self._first_s * 2.0**attempt)))
            attempt = min(attempt + 1, 16)

    async def _connect(self) -> None:
        self._ended.clear()
        self._end_reason = None
        self._connack = None
        client = self._new_client()
        sock = await dialled(client)
        if not isinstance(sock, CoalescedSocket):
            raise ConnectionError("this paho-mqtt is not known to us")
        self._socket = sock
        self._client = client
        fd = self._socket.fileno()
        self._loop.add_reader(fd, self._readable)
        self.flush()
        async with asyncio.timeout(self._settings.connect_timeout_s):
            reason, properties = await self._answer_to_connect()
        if reason != 0:
            raise ConnectionError(f"refused with reason code 0x{reason:02x}")
        self._up = True
        self._looked = self._loop.time()
        self._timer = self._loop.call_later(MISC_S, self._misc)
        if self._subscriptions:
            # As published: a message that somebody wants retained is seen to be one, even if it comes fresh.
            options = SubscribeOptions(qos=1, retainAsPublished=True)
            client.subscribe([(topic, options) for topic in self._subscriptions])
            self._ping()
        limits = Limits(
            receive_maximum=getattr(properties, "ReceiveMaximum", 65_535),
            maximum_packet_size=getattr(properties, "MaximumPacketSize", None),
        )
        self._tell(self._user.wire_up, limits)

    async def _answer_to_connect(self) -> tuple[int, Properties]:
        self._connack_waiter = self._loop.create_future()
        try:
            await self._connack_waiter
        finally:
            self._connack_waiter = None
        if self._connack is None:
            raise ConnectionError("the broker closed the connection")
        return self._connack

    _connack_waiter: "asyncio.Future[None] | None" = None

    def _new_client(self) -> Any:
        settings, will = self._settings, self._will
        # Any: PyPI's stubs describe paho 1.6 and hide the types that paho 2 brings itself.
        make: Any = PingingClient
        client: Any = make(
            CallbackAPIVersion.VERSION2,
            client_id=self._client_id,
            protocol=MQTTProtocolVersion.MQTTv5,
            reconnect_on_failure=False,
        )
        client.begin(self._boot_ns)
        client.max_inflight_messages_set(0)  # counted by the destination
        client.patience_s = settings.connect_timeout_s
        if settings.username is not None:
            password = settings.password.get_secret_value() if settings.password else None
            client.username_pw_set(settings.username, password)
        if settings.tls is not None:
            client.tls = tls_context(settings.tls)
        will_properties = Properties(PacketTypes.WILLMESSAGE)
        will_properties.WillDelayInterval = will.delay_s
        will_properties.ContentType = "application/json"
        client.will_set(will.topic, will.payload, 1, retain=True, properties=will_properties)
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_publish = self._on_publish
        client.on_message = self._on_message
        client.on_subscribe = self._on_subscribe
        # Set so that paho leaves writing to us; `flush` knows by itself when there is something to write.
        client.on_socket_register_write = _nothing
        client.on_socket_unregister_write = _nothing
        client.on_socket_close = self._on_socket_close
        # Session expiry 0 is the protocol's default: no command survives a connection.
        client.connect_async(settings.host, settings.port, settings.keepalive_s, clean_start=True)
        return client

    # What paho says, noted down

    def _on_connect(
        self, _c: object, _u: object, _f: object, reason: Any, properties: Properties | None
    ) -> None:
        self._connack = reason.value, properties or Properties(PacketTypes.CONNACK)

    def _on_disconnect(self, _c: object, _u: object, flags: Any, reason: Any, _p: object) -> None:
        self._end(reason.value if flags.is_disconnect_packet_from_server else None)

    def _on_publish(self, _c: object, _u: object, mid: int, reason: Any, _p: object) -> None:
        self._acks.append((mid, reason.value))

    def _on_message(self, client: Any, _u: object, message: mqtt.MQTTMessage) -> None:
        self._messages.append((message, client.sent_after_ns))

    def _on_subscribe(self, _c: object, _u: object, _mid: int, reasons: list[Any], _p: object) -> None:
        self._granted += [reason.value for reason in reasons]

    def _on_socket_close(self, _c: object, _u: object, sock: Any) -> None:
        if sock is self._socket:
            self._unwatch()

    # What the event loop says

    def _readable(self) -> None:
        client, sock = self._client, self._socket
        if client is None or sock is None:
            return
        try:
            client.loop_read()
            # A TLS record may hold more packets than paho took; the socket would not become readable again.
            # The same goes for what a coalesced socket read ahead.
            while self._socket is sock and sock.pending():
                client.loop_read()
        except Exception:
            log.exception("wire_failed", client_id=self._client_id)
            self._end(None)
        self._settle()

    def _misc(self) -> None:
        client = self._client
        if client is None:
            return
        self._timer = self._loop.call_later(MISC_S, self._misc)
        self._looked = self._loop.time()
        try:
            client.loop_misc()
        except Exception:
            log.exception("wire_failed", client_id=self._client_id)
            self._end(None)
        self.flush()

    def _ping(self) -> None:
        """Learn again and again since when a message can have been on its way."""
        if self._client is None:
            return
        self._ping_timer = self._loop.call_later(PING_S, self._ping)
        self._client.ping()
        self.flush()

    def _settle(self) -> None:
        """Act on what was noted down."""
        client = self._client
        sock = self._socket
        if client is not None and sock is not None and (sock.unsent or client.want_write()) != self._writing:
            self._writing = not self._writing
            if self._writing:
                self._loop.add_writer(sock.fileno(), self.flush)
            else:
                self._loop.remove_writer(sock.fileno())
        if self._connack_waiter is not None and not self._connack_waiter.done():
            if self._connack is not None or self._ended.is_set():
                self._connack_waiter.set_result(None)
            return
        if self._acks:
            acks, self._acks = self._acks, []
            self._tell(self._user.wire_acked, acks)
        if self._granted:
            granted, self._granted = self._granted, []
            refused = next((code for code in granted if code >= 0x80), None)
            self._tell(self._user.wire_subscribed, refused)
        while self._messages:
            self._tell(self._user.wire_message, *self._messages.pop(0))

    def _end(self, reason: int | None) -> None:
        if not self._ended.is_set():
            self._end_reason = reason
            self._ended.set()

    def _unwatch(self) -> None:
        sock, self._socket = self._socket, None
        if sock is not None and sock.fileno() >= 0:
            self._loop.remove_reader(sock.fileno())
            self._loop.remove_writer(sock.fileno())
        self._writing = False

    def _drop(self) -> None:
        """Forget the connection, and say so once."""
        for timer in (self._timer, self._ping_timer):
            if timer is not None:
                timer.cancel()
        self._timer = self._ping_timer = None
        client, self._client = self._client, None
        if client is not None:
            sock = client.socket()
            self._unwatch()
            if sock is not None:
                with contextlib.suppress(OSError):
                    sock.close()
        if self._acks and self._up:
            acks, self._acks = self._acks, []
            self._tell(self._user.wire_acked, acks)
        self._acks.clear()
        self._messages.clear()
        self._granted.clear()
        if self._up:
            self._up = False
            self._tell(self._user.wire_down, self._end_reason)

    def _tell(self, told: Callable[..., None], *arguments: object) -> None:
        try:
            told(*arguments)
        except Exception:
            log.exception("wire_user_failed", client_id=self._client_id)


def _nothing(_client: object, _userdata: object, _socket: object) -> None:
    pass
