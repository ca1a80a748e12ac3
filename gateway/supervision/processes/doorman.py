"""Doorman of one worker: the daemon connects to the hosts of its device, and hands the socket over.

The limits of the kernel know ports only, for any host; so a worker may not connect at all. Which hosts its
device has is read from the configuration, never from the worker.
"""

import asyncio
import contextlib
import errno
import ipaddress
import json
import os
import socket
import time
from collections.abc import Callable, Iterable
from typing import Any

from drivers.links.settings import MulticastGroup, NetworkHost
from gateway.common.token_bucket import TokenBucket
from gateway.ipc.frames import FrameError
from gateway.supervision.processes.search_relay import SearchRelay
from gateway.worker.doorman_client import MAX_MESSAGE_BYTES

CONNECT_TIMEOUT_S = 30.0
"""Time limit of one connection; links have shorter ones and cancel."""
MAX_CONNECTING = 16
"""Upper bound on requests in progress."""
MAX_SEARCHES = 2
REQUESTS_PER_S, REQUESTS_BURST = 100, 500
REQUESTS_PER_TURN = 32


class DoormanViolationError(FrameError):
    """A request that the worker may not make. The text names the rule, and completes "it sent"."""


class Doorman:
    """Connections of one worker process. Close it with the process."""

    def __init__(
        self,
        hosts: Iterable[NetworkHost],
        channel: socket.socket,
        on_violation: Callable[[Exception], None],
        search: MulticastGroup | None = None,
    ) -> None:
        """Serve requests on `channel` from now on; `on_violation` must end the worker."""
        self._hosts = tuple(hosts)
        self._group = search
        self._relays: list[SearchRelay] = []
        self._channel = channel
        self._on_violation = on_violation
        self._loop = asyncio.get_running_loop()
        self._resolved: dict[str, list[str]] = {}
        """Addresses of the hosts that are given by names, when they were last resolved."""
        self._resolving: dict[str, asyncio.Future[list[str]]] = {}
        """Searches in progress: each occupies a thread until the name server responds."""
        self._running: dict[int, asyncio.Task[None]] = {}
        self._bucket = TokenBucket.full(REQUESTS_PER_S, REQUESTS_BURST, time.monotonic())
        channel.setblocking(False)
        self._loop.add_reader(channel, self._on_readable)

    def close(self) -> None:
        """End all requests."""
        if self._channel.fileno() >= 0:
            self._loop.remove_reader(self._channel)
            self._channel.close()
        for task in self._running.values():
            task.cancel()
        for relay in self._relays:
            relay.close()

    def _on_readable(self) -> None:
        try:
            for _ in range(REQUESTS_PER_TURN):
                message = self._channel.recv(MAX_MESSAGE_BYTES)
                if not message:
                    self.close()
                    return
                self._on_request(message)
        except BlockingIOError:
            return
        except OSError:
            self.close()
        except DoormanViolationError as error:
            self._end(error)

    def _end(self, error: Exception) -> None:
        """End the worker for what it requested."""
        self.close()
        self._on_violation(error)

    def _on_request(self, message: bytes) -> None:
        """Start or cancel a request; raises DoormanViolationError."""
        if not self._bucket.take(time.monotonic()):
            raise DoormanViolationError("too many requests for connections")
        try:
            request = json.loads(message)
            if "cancel" in request:
                if (task := self._running.pop(request["cancel"], None)) is not None:
                    task.cancel()
                return
            if "search" in request:
                self._begin_search(request["id"])
                return
            number, host, port = request["id"], request["host"], request.get("port")
        except (ValueError, KeyError, TypeError, RecursionError):
            raise DoormanViolationError("a malformed request for a connection") from None
        if (
            type(number) is not int
            or not isinstance(host, str)
            or not (port is None or (type(port) is int and 0 < port < 65536))
        ):
            raise DoormanViolationError("a malformed request for a connection")
        permission = self._permission(host, port)
        if number in self._running or len(self._running) >= MAX_CONNECTING:
            raise DoormanViolationError("too many requests for connections at once")
        work = self._serve(number, host, port, permission)
        self._running[number] = task = self._loop.create_task(work)
        task.add_done_callback(lambda _: self._on_done(number, task))

    def _begin_search(self, number: object) -> None:
        """Hand over the worker's end of a new search; raises DoormanViolationError."""
        if self._group is None or type(number) is not int:
            raise DoormanViolationError("a request for a search that is not its device's")
        self._relays = [relay for relay in self._relays if relay.is_open]
        if len(self._relays) >= MAX_SEARCHES:
            raise DoormanViolationError("too many requests for searches at once")
        try:
            relay = SearchRelay(self._group, self._end)
        except OSError as error:
            self._send({"id": number, "errno": error.errno or errno.EIO})
            return
        self._relays.append(relay)
        with relay.worker_end as connection:
            self._send({"id": number}, connection)

    def _permission(self, host: str, port: int | None) -> NetworkHost:
        """Return the host of the device that a request means; raises DoormanViolationError for another."""
        name = host.lower()
        for each in self._hosts:
            if port is not None and each.port not in (None, port):
                continue
            if each.name is None:
                if port is not None and _address(name) is not None:
                    return each
            elif name == each.name.lower() or name in self._resolved.get(each.name.lower(), ()):
                return each
        raise DoormanViolationError("a request for a connection to a host that is not its device's")

    async def _serve(self, number: int, host: str, port: int | None, permission: NetworkHost) -> None:
        """Serve one request."""
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                addresses = [host] if _address(host) is not None else await self._resolve(host)
                if port is None:
                    self._send({"id": number, "addresses": addresses})
                    return
                with await _connect(addresses, port, permission) as connection:
                    self._send({"id": number}, connection)
        except TimeoutError:
            self._send({"id": number, "errno": errno.ETIMEDOUT})
        except socket.gaierror:
            self._send({"id": number, "unknown": True})
        except OSError as error:
            self._send({"id": number, "errno": error.errno or errno.EIO})

    def _on_done(self, number: int, task: asyncio.Task[None]) -> None:
        if self._running.get(number) is task:
            del self._running[number]

    async def _resolve(self, host: str) -> list[str]:
        """Return the addresses of a name; raises socket.gaierror."""
        name = host.lower()
        if name not in self._resolving:
            self._resolving[name] = searching = asyncio.ensure_future(self._search(name))
            searching.add_done_callback(lambda _: self._on_found(name))
        self._resolved[name] = await asyncio.shield(self._resolving[name])
        return self._resolved[name]

    def _on_found(self, name: str) -> None:
        searching = self._resolving.pop(name)
        if not searching.cancelled():
            searching.exception()  # taken here, because all requests may have been cancelled

    async def _search(self, name: str) -> list[str]:
        found = await self._loop.getaddrinfo(name, None, type=socket.SOCK_STREAM)
        return list(dict.fromkeys(str(each[4][0]) for each in found))

    def _send(self, answer: dict[str, Any], connection: socket.socket | None = None) -> None:
        """Answer; a worker that does not take its answers gets no others."""
        descriptors = [] if connection is None else [connection.fileno()]
        with contextlib.suppress(OSError):
            socket.send_fds(self._channel, [json.dumps(answer).encode()], descriptors)


async def _connect(addresses: Iterable[str], port: int, permission: NetworkHost) -> socket.socket:
    """Connect to the first address that responds; raises OSError."""
    failure = OSError(errno.EADDRNOTAVAIL, os.strerror(errno.EADDRNOTAVAIL))
    for address in addresses:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        connection = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK, socket.IPPROTO_TCP)
        try:
            if permission.name is None:
                _restrict_to_own_network(connection, address, permission.interface)
            await asyncio.get_running_loop().sock_connect(connection, (address, port))
        except BaseException as error:
            connection.close()
            if not isinstance(error, OSError) or isinstance(error, TimeoutError):
                raise
            failure = error
        else:
            return connection
    raise failure


def _restrict_to_own_network(connection: socket.socket, address: str, interface: str | None) -> None:
    """Restrict a connection to hosts that a multicast search finds: on the networks of this machine.

    Raises OSError for an address on this machine, unless the search was there.
    """
    is_here = ipaddress.ip_address(address).is_loopback
    if is_here and not (interface is not None and ipaddress.ip_address(interface).is_loopback):
        raise OSError(errno.EACCES, os.strerror(errno.EACCES))
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_DONTROUTE, 1)
    if interface is not None:
        connection.bind((interface, 0))


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
