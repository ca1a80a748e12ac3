"""Connecting to a broker: CONNECT, TLS settings, TCP connect in a thread, description of errors."""

import asyncio
import contextlib
import secrets
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from drivers.links.tls import client_context
from gateway.contract.states import CONNECTION_PROPERTY
from gateway.delivery.mqtt.client import PingingClient
from gateway.delivery.mqtt.inbound import InboundGuard
from gateway.delivery.settings import BrokerSettings, TlsSettings


@dataclass(frozen=True, slots=True)
class Will:
    """Message that the broker publishes, retained, when the connection ends without DISCONNECT."""

    topic: str
    payload: bytes
    delay_s: int


def random_client_id() -> str:
    """Return an identifier that cannot be guessed: a second client with it would end the connection."""
    return f"bgw-{secrets.token_hex(16)}"


def make_client(
    settings: BrokerSettings,
    client_id: str,
    will: Will | None,
    connection: str,
    guard: InboundGuard,
    boot_ns: Callable[[], int],
) -> PingingClient:
    """Make a client that is ready to connect; raises OSError when a file of TLS cannot be read.

    `connection`: name of the connection, which the will carries.
    """
    # Any: PyPI's stubs describe paho 1.6 and hide the types of paho 2.
    make: Any = PingingClient
    client: Any = make(
        CallbackAPIVersion.VERSION2,
        client_id=client_id,
        protocol=MQTTProtocolVersion.MQTTv5,
        reconnect_on_failure=False,
    )
    client.start_timing(boot_ns)
    client.guard = guard
    client.max_inflight_messages_set(0)  # The destination bounds messages in flight.
    client.patience_s = settings.connect_timeout_s
    if settings.username is not None:
        password = settings.password.get_secret_value() if settings.password else None
        client.username_pw_set(settings.username, password)
    if settings.tls is not None:
        client.tls = tls_context(settings.tls)
    if will is not None:
        will_properties = Properties(PacketTypes.WILLMESSAGE)
        will_properties.WillDelayInterval = will.delay_s
        will_properties.ContentType = "application/json"
        will_properties.UserProperty = (CONNECTION_PROPERTY, connection)
        client.will_set(will.topic, will.payload, 1, retain=True, properties=will_properties)
    properties = Properties(PacketTypes.CONNECT)
    properties.ReceiveMaximum = guard.limits.receive_maximum
    # Session expiry 0 is the protocol's default: no command survives a connection.
    client.connect_async(
        settings.host, settings.port, settings.keepalive_s, clean_start=True, properties=properties
    )
    return client  # type: ignore[no-any-return]


def tls_context(settings: TlsSettings) -> ssl.SSLContext:
    """Make a context that verifies the broker; raises OSError (ssl.SSLError is one)."""
    context = client_context(settings.ca)
    context.minimum_version = ssl.TLSVersion.TLSv1_3 if settings.minimum == "1.3" else ssl.TLSVersion.TLSv1_2
    if settings.cert is not None:
        context.load_cert_chain(settings.cert, settings.key)
    return context


async def connect(client: mqtt.Client) -> Any:
    """Connect in a thread, so that a name server that hangs blocks neither the loop nor `stop`."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Any] = loop.create_future()
    lock = threading.Lock()
    abandoned = False

    def done(error: BaseException | None) -> None:
        if future.done():
            return
        if error is None:
            future.set_result(client.socket())
        else:
            future.set_exception(error)

    def dial() -> None:
        error: BaseException | None = None
        try:
            client.reconnect()
        except Exception as failure:  # noqa: BLE001 - raised where it is awaited
            error = failure if isinstance(failure, OSError) else OSError(type(failure).__name__)
        with lock:
            if abandoned:
                _close(client)
                return
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(done, error)

    threading.Thread(target=dial, name="wire-dial", daemon=True).start()
    try:
        return await future
    except asyncio.CancelledError:
        with lock:
            abandoned = True
            _close(client)
        raise


def _close(client: mqtt.Client) -> None:
    sock = client.socket()
    if sock is not None:
        sock.close()


def describe_connect_error(error: BaseException) -> str:
    """Describe a failed connection, without addresses: the settings have those."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate was refused ({error.verify_message})"
    if isinstance(error, TimeoutError):
        return "it does not answer"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__
