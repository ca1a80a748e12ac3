"""HTTP server on sockets opened by the daemon, for as long as clients are connected."""

import asyncio
import contextlib
import logging
import socket
import ssl
import struct
from collections.abc import Awaitable
from typing import Any

import h11
import structlog
from starlette.types import ASGIApp
from uvicorn import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from gateway.console.auth.auth import Peer
from gateway.console.auth.login_throttle import client_network
from gateway.console.auth.workers import is_worker

log = structlog.get_logger()

REQUEST_TIMEOUT_S = 10.0
"""Seconds for the head and body of a request, from the connection or the previous response on."""
MAX_LOCAL_CONNECTIONS = 100
"""Maximum number of connections to the Unix socket; further ones are closed at once."""
MAX_NETWORK_CONNECTIONS = 100
"""The same for the network: clients there cannot use up the connections of the local socket."""
MAX_ADDRESS_CONNECTIONS = 24
"""Maximum number of connections of one address; browsers open up to six for each window."""
STOP_TIMEOUT_S = 0.5
"""Seconds for pending responses at the end."""


class _StructlogHandler(logging.Handler):
    """Log handler that writes the place of an application error to the journal, without its values."""

    def emit(self, record: logging.LogRecord) -> None:
        raised = record.exc_info[1] if record.exc_info else None
        if raised is None:
            log.info("console_http", text=record.getMessage())
        else:
            log.error("console_fault", exc_info=raised)


class _Connection(H11Protocol):
    """One connection; on the Unix socket the kernel identifies the client."""

    client_address: str | None = None
    """Address of the client; None on the Unix socket."""
    _request_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        connected = transport.get_extra_info("socket")
        if connected.family == socket.AF_UNIX:
            # struct ucred of unix(7): pid, uid, gid.
            credentials = connected.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
            pid, uid, _ = struct.unpack("3i", credentials)
            self.app_state = {"peer": Peer(uid=uid)}
            if is_worker(pid, uid):
                log.error("console_worker_refused", pid=pid)
                transport.abort()
        else:
            self.client_address = client_network(str(transport.get_extra_info("peername")[0]))
        if self._is_over_limit():
            transport.abort()
        self._watch_request()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch_request()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._watch_request()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if self._request_timer is not None:
            self._request_timer.cancel()

    def _is_over_limit(self) -> bool:
        others = [each for each in self.connections if isinstance(each, _Connection)]
        if self.client_address is None:
            return sum(each.client_address is None for each in others) > MAX_LOCAL_CONNECTIONS
        return (
            sum(each.client_address is not None for each in others) > MAX_NETWORK_CONNECTIONS
            or sum(each.client_address == self.client_address for each in others) > MAX_ADDRESS_CONNECTIONS
        )

    def _watch_request(self) -> None:
        """Start the timer while a request is incomplete, and stop it at its end.

        The timer is not restarted by further bytes: a client that sends one byte now and then is closed too.
        """
        complete = self.conn.their_state not in (h11.IDLE, h11.SEND_BODY)
        if complete and self._request_timer is not None:
            self._request_timer.cancel()
            self._request_timer = None
        elif not complete and self._request_timer is None:
            self._request_timer = self.loop.call_later(REQUEST_TIMEOUT_S, self._on_request_timeout)

    def _on_request_timeout(self) -> None:
        log.info("console_request_timeout")
        self.transport.abort()


async def serve(
    app: ASGIApp,
    local: socket.socket,
    network: socket.socket | None,
    tls: ssl.SSLContext | None,
    *,
    idle_s: float,
    until: Awaitable[Any],
) -> None:
    """Serve until no client was connected for `idle_s`, or until `until` is done."""
    config = Config(
        app,
        http=_Connection,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,  # no proxy in front states the address of a client
    )
    config.load()
    failures = logging.getLogger("uvicorn.error")
    failures.handlers, failures.propagate = [_StructlogHandler()], False
    state = ServerState()
    loop = asyncio.get_running_loop()

    def connection() -> _Connection:
        return _Connection(config, state, {}, loop)

    servers = [await loop.create_server(connection, sock=local)]
    if network is not None:
        patience_s = REQUEST_TIMEOUT_S if tls is not None else None
        servers.append(
            await loop.create_server(connection, sock=network, ssl=tls, ssl_handshake_timeout=patience_s)
        )
    waits = [asyncio.ensure_future(until), asyncio.create_task(_wait_idle(state, servers, idle_s))]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
        await asyncio.gather(*waits, return_exceptions=True)
        for server in servers:
            server.close()
        for each in list(state.connections):
            each.shutdown()
        if state.tasks:
            _, late = await asyncio.wait(state.tasks, timeout=STOP_TIMEOUT_S)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)


async def _wait_idle(state: ServerState, servers: list[asyncio.Server], idle_s: float) -> None:
    loop = asyncio.get_running_loop()
    last = loop.time()
    while True:
        await asyncio.sleep(min(1.0, idle_s / 4))
        if state.connections:
            last = loop.time()
        elif loop.time() - last >= idle_s:
            # No connection is accepted any more: a new client waits in the socket for the next process.
            # Clients accepted meanwhile are served.
            for server in servers:
                server.close()
            while state.connections:  # noqa: ASYNC110 - uvicorn has no callback for it
                await asyncio.sleep(0.1)
            return


def tls_context(cert_file: str, key_file: str) -> ssl.SSLContext:
    """Return a context for TLS 1.2 or later with that certificate; raises OSError, ssl.SSLError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    with contextlib.suppress(AttributeError):  # Python 3.11's OpenSSL may be older.
        context.options |= ssl.OP_NO_RENEGOTIATION
    context.load_cert_chain(cert_file, key_file)
    return context
