"""Connecting to a broker: TLS settings, TCP connect in a thread, description of errors."""

import asyncio
import contextlib
import ssl
import threading
from typing import Any

import paho.mqtt.client as mqtt

from drivers.links.tls import client_context
from gateway.delivery.settings import TlsSettings


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
