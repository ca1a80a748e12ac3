"""One MQTT 5 connection at a time, run by the event loop.

paho-mqtt only encodes and decodes packets here: a client lives as long as one connection, so it never sends a
message again by itself. Its callbacks only record what happened (`on_publish` runs with a lock of paho held);
it is processed after paho has returned. The only thread is the one that connects TCP and TLS.
"""

import asyncio
import contextlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, cast

import paho.mqtt.client as mqtt
import structlog
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

from gateway.delivery.mqtt.client import PING_S, CoalescedSocket, PackedProperties
from gateway.delivery.mqtt.connect import Will, connect, describe_connect_error, make_client
from gateway.delivery.mqtt.inbound import InboundGuard, InboundLimits, InboundRefusal, refused_for_size
from gateway.delivery.mqtt.reconnect import ReconnectWait
from gateway.delivery.settings import BrokerSettings

log = structlog.get_logger()

MISC_INTERVAL_S = 1.0
"""Interval of paho's keep alive check, in seconds."""


@dataclass(frozen=True, slots=True)
class ConnackLimits:
    """Limits that the broker set in CONNACK."""

    receive_maximum: int
    maximum_packet_size: int | None


class ConnectionListener(Protocol):
    """Callbacks of a connection, always on the event loop and never from within paho."""

    def on_connected(self, limits: ConnackLimits) -> None:
        """Handle an accepted connection."""

    def on_disconnected(self, reason: int | None) -> None:
        """Handle the end of a connection; `reason` is the broker's reason code, if it sent one."""

    def on_connect_failed(self, reason: str) -> None:
        """Handle a failed connection attempt."""

    def on_acks(self, acks: list[tuple[int, int]]) -> None:
        """Handle PUBACKs: (message id, reason code)."""

    def on_message(self, message: mqtt.MQTTMessage, sent_after_ns: int) -> None:
        """Handle a message on a subscribed topic, sent after `sent_after_ns` (CLOCK_BOOTTIME)."""

    def on_subscribed(self, refused: int | None) -> None:
        """Handle the answer to the subscription: granted (None), or refused with a reason code."""

    def on_inbound_refused(self, refused: InboundRefusal) -> None:
        """Handle a broker that exceeded a limit; the connection is being closed."""


class MqttConnection:
    """Keeps a connection to one broker: reconnects after each loss, with jitter, and never at once."""

    def __init__(
        self,
        settings: BrokerSettings,
        client_id: Callable[[], str],
        will: Will | None,
        listener: ConnectionListener,
        retry: tuple[float, float],
        boot_ns: Callable[[], int],
        subscriptions: tuple[str, ...] = (),
        *,
        limits: InboundLimits | None = None,
        pings: bool = False,
    ) -> None:
        """`client_id` is called for each connection. `limits` apply to what the broker sends.

        `pings`: to bound the age of arriving messages.
        """
        self.name = ""
        """Random name of the present connection, which its will carries; not the client identifier."""
        self._pings = pings
        self._settings = settings
        self._new_client_id = client_id
        self._will = will
        self._listener = listener
        self._wait = ReconnectWait(*retry)
        self._boot_ns = boot_ns
        self._subscriptions = subscriptions
        self._loop = asyncio.get_running_loop()
        self._guard = InboundGuard(limits or InboundLimits(), self._loop.time)
        self._refused: InboundRefusal | None = None
        self._hurry = asyncio.Event()
        self._is_reading_on = False
        self._client: Any = None
        self._socket: CoalescedSocket | None = None
        self._is_write_watched = False
        self._is_connected = False
        self._last_serviced_at = 0.0
        self._acks: list[tuple[int, int]] = []
        self._messages: list[tuple[mqtt.MQTTMessage, int]] = []
        self._suback_codes: list[int] = []
        self._connack: tuple[int, Properties] | None = None
        self._closed: asyncio.Event = asyncio.Event()
        self._close_reason: int | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Connect, and reconnect after each loss."""
        self._task = self._loop.create_task(self._run(), name="wire")

    def hurry(self) -> None:
        """Make the next attempt now, because the broker is known to be back."""
        if not self._is_connected:
            self._hurry.set()

    async def stop(self) -> None:
        """Disconnect, so that the broker does not publish the will, and close."""
        if self._client is not None and self._is_connected:
            with contextlib.suppress(Exception):
                self._client.disconnect()
                self._client.loop_write()  # Closes the socket, which flushes it.
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        self._discard_client()

    def is_alive(self, patience_s: float) -> bool:
        """Return whether the connection was serviced within `patience_s` seconds, or is being made."""
        trying = self._task is not None and not self._task.done()
        return trying and not (self._is_connected and self._loop.time() - self._last_serviced_at > patience_s)

    # Sending

    def publish(self, topic: str, payload: bytes, properties: bytes, *, retain: bool = False) -> int | None:
        """Queue a QoS 1 message for `flush`; return its id, or None when nothing can be sent."""
        client = self._client
        if client is None or not self._is_connected:
            return None
        info = client.publish(topic, payload, 1, retain, cast("Properties", PackedProperties(properties)))
        return int(info.mid) if info.rc == mqtt.MQTT_ERR_SUCCESS else None

    def flush(self) -> None:
        """Write queued messages to the socket."""
        client = self._client
        if client is None:
            return
        try:
            if client.want_write():
                client.loop_write()
            if self._socket is not None:
                self._socket.flush()
        except OSError:
            self._close(None)
        except Exception:
            log.exception("mqtt_connection_failed")
            self._close(None)
        self._deliver_results()

    # Connecting

    async def _run(self) -> None:
        while True:
            connected_s = None
            self._hurry.clear()
            try:
                await self._connect()
                self._hurry.clear()
                connected_s = self._loop.time()
                await self._closed.wait()
            except (OSError, ValueError, TimeoutError) as error:
                self._discard_client()
                self._notify(self._listener.on_connect_failed, describe_connect_error(error))
            finally:
                self._discard_client()
            lifetime_s = self._loop.time() - connected_s if connected_s is not None else 0.0
            await self._wait_before_attempt(lifetime_s)

    async def _wait_before_attempt(self, lifetime_s: float) -> None:
        """Wait, unless `hurry` is called, or was during the attempt that has failed."""
        refused, self._refused = self._refused, None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._wait.next_s(lifetime_s, was_refused=refused is not None)):
                await self._hurry.wait()

    async def _connect(self) -> None:
        self._closed.clear()
        self._close_reason = None
        self._connack = None
        client = self._new_client()
        sock = await connect(client)
        if not isinstance(sock, CoalescedSocket):
            raise ConnectionError("this version of paho-mqtt is not supported")
        self._socket = sock
        self._client = client
        fd = self._socket.fileno()
        self._loop.add_reader(fd, self._readable)
        self.flush()
        async with asyncio.timeout(self._settings.connect_timeout_s):
            reason, properties = await self._wait_connack()
        if reason != 0:
            raise ConnectionError(f"refused with reason code 0x{reason:02x}")
        self._is_connected = True
        self._last_serviced_at = self._loop.time()
        if self._subscriptions:
            # Retain as published: a retained command is then visible as such, even when it is new.
            # Those that a station left there before are not sent: it may have left any number of them.
            options = SubscribeOptions(qos=1, noLocal=True, retainAsPublished=True, retainHandling=2)
            client.subscribe([(topic, options) for topic in self._subscriptions])
        if self._pings:
            self._ping()
        else:
            self._timer = self._loop.call_later(MISC_INTERVAL_S, self._on_misc_timer)
            self.flush()
        limits = ConnackLimits(
            receive_maximum=getattr(properties, "ReceiveMaximum", 65_535),
            maximum_packet_size=getattr(properties, "MaximumPacketSize", None),
        )
        self._notify(self._listener.on_connected, limits)

    async def _wait_connack(self) -> tuple[int, Properties]:
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
        client_id = self._new_client_id()
        self.name = secrets.token_hex(4)
        client: Any = make_client(
            self._settings, client_id, self._will, self.name, self._guard, self._boot_ns
        )
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_publish = self._on_publish
        client.on_message = self._on_message
        client.on_subscribe = self._on_subscribe
        # With these callbacks set, paho does not write by itself; `flush` does.
        client.on_socket_register_write = _ignore
        client.on_socket_unregister_write = _ignore
        client.on_socket_close = self._on_socket_close
        return client

    # Callbacks of paho

    def _on_connect(
        self, _c: object, _u: object, _f: object, reason: Any, properties: Properties | None
    ) -> None:
        self._connack = reason.value, properties or Properties(PacketTypes.CONNACK)

    def _on_disconnect(self, _c: object, _u: object, flags: Any, reason: Any, _p: object) -> None:
        self._close(reason.value if flags.is_disconnect_packet_from_server else None)

    def _on_publish(self, _c: object, _u: object, mid: int, reason: Any, _p: object) -> None:
        self._acks.append((mid, reason.value))

    def _on_message(self, client: Any, _u: object, message: mqtt.MQTTMessage) -> None:
        self._messages.append((message, client.sent_after_ns))

    def _on_subscribe(self, _c: object, _u: object, _mid: int, reasons: list[Any], _p: object) -> None:
        self._suback_codes += [reason.value for reason in reasons]

    def _on_socket_close(self, _c: object, _u: object, sock: Any) -> None:
        if sock is self._socket:
            self._remove_fd_watchers()

    # Callbacks of the event loop

    def _readable(self) -> None:
        """Read packets for a short time, so that a broker that always sends cannot stop the event loop."""
        client, sock = self._client, self._socket
        self._is_reading_on = False
        if client is None or sock is None:
            return
        try:
            end_s = self._loop.time() + self._guard.limits.read_s
            client.loop_read()
            # A TLS record, or what the coalesced socket read ahead, may hold more packets than paho took. The
            # socket would not become readable again for them.
            while self._socket is sock and sock.pending():
                if self._loop.time() >= end_s:
                    self._is_reading_on = True
                    self._loop.call_soon(self._read_on, sock)
                    break
                client.loop_read()
        except Exception:
            log.exception("mqtt_connection_failed")
            self._close(None)
        if client.refused is None and sock.too_large_bytes:
            client.refused = refused_for_size(sock.too_large_bytes, sock.too_large_beginning)
        if client.refused is not None and self._refused is None:
            self._refused = client.refused
            self._close(None)
            self._notify(self._listener.on_inbound_refused, client.refused)
        self._deliver_results()

    def _read_on(self, sock: CoalescedSocket) -> None:
        """Read what the coalesced socket holds, unless the event loop has done so meanwhile."""
        if self._is_reading_on and self._socket is sock:
            self._readable()

    def _on_misc_timer(self) -> None:
        if self._client is None:
            return
        self._timer = self._loop.call_later(MISC_INTERVAL_S, self._on_misc_timer)
        self._check_keepalive()
        self.flush()

    def _ping(self) -> None:
        """Ping at an interval, to bound the age of arriving messages."""
        if self._client is None:
            return
        self._timer = self._loop.call_later(PING_S, self._ping)
        self._check_keepalive()
        if self._client is not None:
            self._client.ping()
        self.flush()

    def _check_keepalive(self) -> None:
        self._last_serviced_at = self._loop.time()
        try:
            self._client.loop_misc()
        except Exception:
            log.exception("mqtt_connection_failed")
            self._close(None)

    def _deliver_results(self) -> None:
        """Process what paho's callbacks recorded."""
        client = self._client
        sock = self._socket
        if (
            client is not None
            and sock is not None
            and (sock.unsent or client.want_write()) != self._is_write_watched
        ):
            self._is_write_watched = not self._is_write_watched
            if self._is_write_watched:
                self._loop.add_writer(sock.fileno(), self.flush)
            else:
                self._loop.remove_writer(sock.fileno())
        if self._connack_waiter is not None and not self._connack_waiter.done():
            if self._connack is not None or self._closed.is_set():
                self._connack_waiter.set_result(None)
            return
        if self._acks:
            acks, self._acks = self._acks, []
            self._notify(self._listener.on_acks, acks)
        if self._suback_codes:
            granted, self._suback_codes = self._suback_codes, []
            refused = next((code for code in granted if code >= 0x80), None)
            self._notify(self._listener.on_subscribed, refused)
        while self._messages:
            self._notify(self._listener.on_message, *self._messages.pop(0))

    def _close(self, reason: int | None) -> None:
        if not self._closed.is_set():
            self._close_reason = reason
            self._closed.set()

    def _remove_fd_watchers(self) -> None:
        sock, self._socket = self._socket, None
        if sock is not None and sock.fileno() >= 0:
            self._loop.remove_reader(sock.fileno())
            self._loop.remove_writer(sock.fileno())
        self._is_write_watched = False

    def _discard_client(self) -> None:
        """Close the connection, and report its end once."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        client, self._client = self._client, None
        if client is not None:
            sock = client.socket()
            self._remove_fd_watchers()
            if sock is not None:
                with contextlib.suppress(OSError):
                    sock.close()
        if self._acks and self._is_connected:
            acks, self._acks = self._acks, []
            self._notify(self._listener.on_acks, acks)
        self._acks.clear()
        self._messages.clear()
        self._suback_codes.clear()
        if self._is_connected:
            self._is_connected = False
            self._notify(self._listener.on_disconnected, self._close_reason)

    def _notify(self, callback: Callable[..., None], *arguments: object) -> None:
        try:
            callback(*arguments)
        except Exception:
            log.exception("mqtt_listener_failed")


def _ignore(_client: object, _userdata: object, _socket: object) -> None:
    pass
