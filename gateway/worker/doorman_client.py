"""Event loop of a confined worker: the daemon makes its TCP connections, to the hosts of its device only.

A worker may call neither socket(2) for the Internet nor connect(2). Every library that connects through the
event loop works unchanged; names are resolved by the daemon as well.
"""

import asyncio
import contextlib
import ipaddress
import itertools
import json
import os
import socket
from collections.abc import Callable
from typing import Any

from gateway.worker.search_client import SearchTransport

MAX_MESSAGE_BYTES = 4096
IGNORED_OPTIONS = (
    "family",
    "proto",
    "flags",
    "local_addr",
    "happy_eyeballs_delay",
    "interleave",
    "all_errors",
)
"""Options of `create_connection` for the choice of addresses, which the daemon makes."""


class DoormanClient:
    """Requests to the daemon: one message each way, and a connected socket with the answer."""

    def __init__(self, loop: asyncio.AbstractEventLoop, channel: socket.socket) -> None:
        self._loop = loop
        self._channel = channel
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[tuple[dict[str, Any], socket.socket | None]]] = {}
        channel.setblocking(False)
        loop.add_reader(channel, self._on_readable)

    async def connect(self, host: str, port: int) -> socket.socket:
        """Return a socket that is connected; raises OSError."""
        _, connection = await self._request({"host": host, "port": port})
        if connection is None:
            raise OSError(os.strerror(0))
        return connection

    async def resolve(self, host: str) -> list[str]:
        """Return the addresses of a host; raises OSError."""
        answer, _ = await self._request({"host": host})
        return list(map(str, answer["addresses"]))

    async def open_search(self) -> socket.socket:
        """Return the socket of a new search; raises OSError."""
        _, channel = await self._request({"search": True})
        if channel is None:
            raise OSError(os.strerror(0))
        return channel

    def close(self) -> None:
        """Close the channel."""
        self._loop.remove_reader(self._channel)
        self._channel.close()

    async def _request(self, request: dict[str, Any]) -> tuple[dict[str, Any], socket.socket | None]:
        number = next(self._numbers)
        waiting = self._waiting[number] = self._loop.create_future()
        try:
            self._channel.send(json.dumps(request | {"id": number}).encode())
            answer, connection = await waiting
        except BaseException:
            if waiting.done() and not waiting.cancelled() and waiting.exception() is None:
                _close(waiting.result()[1])
            with contextlib.suppress(OSError):
                self._channel.send(json.dumps({"cancel": number}).encode())
            raise
        finally:
            del self._waiting[number]
        if (why := answer.get("errno")) is not None:
            raise OSError(why, os.strerror(why))
        if answer.get("unknown"):
            raise socket.gaierror(socket.EAI_NONAME, "the name does not resolve")
        return answer, connection

    def _on_readable(self) -> None:
        try:
            message, descriptors, _, _ = socket.recv_fds(self._channel, MAX_MESSAGE_BYTES, 1)
        except BlockingIOError:
            return
        except OSError:
            message, descriptors = b"", []
        connection = socket.socket(fileno=descriptors[0]) if descriptors else None
        if not message:  # the daemon has ended, and so will this worker
            self._loop.remove_reader(self._channel)
            for waiting in self._waiting.values():
                if not waiting.done():
                    waiting.set_exception(ConnectionResetError("the daemon has ended"))
            return
        answer = json.loads(message)
        asked = self._waiting.get(answer["id"])
        if asked is None or asked.done():
            _close(connection)
        else:
            asked.set_result((answer, connection))


class DoormanEventLoop(asyncio.SelectorEventLoop):
    """Event loop that connects through the daemon."""

    def __init__(self, channel: socket.socket) -> None:
        super().__init__()
        self.doorman = DoormanClient(self, channel)

    async def create_connection(  # type: ignore[override]
        self,
        protocol_factory: Callable[[], asyncio.BaseProtocol],
        host: str | None = None,
        port: int | str | None = None,
        **options: Any,
    ) -> tuple[asyncio.Transport, asyncio.BaseProtocol]:
        """Connect, and begin TLS with `ssl`; see `asyncio.loop.create_connection`."""
        if host is None:
            return await super().create_connection(protocol_factory, **options)
        connection = await self.doorman.connect(host, int(port or 0))
        for name in IGNORED_OPTIONS:
            options.pop(name, None)
        if options.get("ssl") and options.get("server_hostname") is None:
            options["server_hostname"] = host
        try:
            connection.setblocking(False)
            return await super().create_connection(protocol_factory, sock=connection, **options)
        except BaseException:
            connection.close()
            raise

    async def create_datagram_endpoint(  # type: ignore[override]
        self, protocol_factory: Callable[[], asyncio.DatagramProtocol], *_: Any, **_options: Any
    ) -> tuple[asyncio.DatagramTransport, asyncio.DatagramProtocol]:
        """Begin the search of the device; its group and interface are those of the configuration."""
        channel = await self.doorman.open_search()
        protocol = protocol_factory()
        return SearchTransport(self, channel, protocol), protocol

    async def getaddrinfo(  # type: ignore[override]
        self, host: str | bytes | None, port: int | str | None, **options: Any
    ) -> list[Any]:
        """Resolve a name; an address needs no name server."""
        if isinstance(host, bytes):
            host = host.decode("ascii", "replace")
        if host is None or _is_address(host):
            return await super().getaddrinfo(host, port, **options)
        addresses = await self.doorman.resolve(host)
        return [
            found
            for address in addresses
            for found in socket.getaddrinfo(
                address,
                port,
                type=options.get("type", 0),
                proto=options.get("proto", 0),
                flags=socket.AI_NUMERICHOST,
            )
        ]

    def close(self) -> None:
        """Close the loop and the channel."""
        if not self.is_closed():
            self.doorman.close()
        super().close()


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _close(connection: socket.socket | None) -> None:
    if connection is not None:
        connection.close()
