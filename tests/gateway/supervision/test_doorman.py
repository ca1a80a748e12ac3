"""Doorman: connections and names for a worker, through the event loop that confined workers have."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import httpx
import pytest
from support.patience import PATIENCE_S

from drivers.links.settings import NetworkHost
from drivers.links.tcp import TcpLink, open_socket
from gateway.supervision.processes.doorman import MAX_CONNECTING, Doorman
from gateway.worker.doorman_client import DoormanEventLoop


@contextlib.asynccontextmanager
async def service() -> AsyncIterator[int]:
    """A service that greets, as HTTP; yields its port."""

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(EOFError, OSError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def as_worker(
    work: Callable[[], Coroutine[Any, Any, str]], *hosts: NetworkHost
) -> tuple[str, list[Exception]]:
    """Run work in a thread with the event loop of a worker; return its result, and its violations."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    violations: list[Exception] = []
    doorman = Doorman(hosts, ours, violations.append)

    def run() -> str:
        with asyncio.Runner(loop_factory=lambda: DoormanEventLoop(theirs)) as runner:
            try:
                return runner.run(asyncio.wait_for(work(), PATIENCE_S))
            except (OSError, httpx.HTTPError) as error:
                return type(error).__name__

    try:
        return await asyncio.to_thread(run), violations
    finally:
        doorman.close()


async def get(url: str) -> str:
    async with httpx.AsyncClient(trust_env=False) as client:
        return (await client.get(url)).text


async def test_links_connect_through_doorman() -> None:
    async with service() as port:

        async def work() -> str:
            async with TcpLink(f"tcp://127.0.0.1:{port}", 1, 5, lambda *_: None) as link:
                await link.write(b"GET / HTTP/1.1\r\n\r\n")
                first = await link.read()
            with await open_socket("127.0.0.1", port) as blocking:
                blocking.settimeout(PATIENCE_S)
                blocking.sendall(b"GET / HTTP/1.1\r\n\r\n")
                second = blocking.recv(100)
            return f"{first[-5:].decode()} {second[-5:].decode()} {await get(f'http://127.0.0.1:{port}')}"

        assert await as_worker(work, NetworkHost("127.0.0.1", port)) == ("hello hello hello", [])


async def test_name_is_resolved_by_daemon() -> None:
    async with service() as port:
        host = NetworkHost("localhost", port)
        assert await as_worker(lambda: get(f"http://localhost:{port}"), host) == ("hello", [])

        async def work() -> str:
            _, writer = await asyncio.open_connection("LOCALHOST", port)
            writer.close()
            await writer.wait_closed()
            return "connected"

        assert await as_worker(work, host) == ("connected", [])


@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("http://127.0.0.2:{port}", NetworkHost("127.0.0.1", None)),
        ("http://127.0.0.1:{port}", NetworkHost("127.0.0.1", 1)),
        ("http://localhost:{port}", NetworkHost("127.0.0.1", None)),
        ("http://127.0.0.1:{port}", NetworkHost("localhost", None)),
    ],
)
async def test_other_host_is_violation(url: str, allowed: NetworkHost) -> None:
    async with service() as port:
        _, violations = await as_worker(lambda: get(url.format(port=port)), allowed)
    assert [str(each) for each in violations] == [
        "a request for a connection to a host that is not its device's"
    ]


@pytest.mark.parametrize(("interface", "seen"), [("127.0.0.1", "hello"), (None, "ConnectError")])
async def test_search_reaches_own_networks(interface: str | None, seen: str) -> None:
    """This machine is not one of the hosts that a search finds, unless it was made on loopback."""
    async with service() as port:
        found = NetworkHost(None, None, interface)
        assert await as_worker(lambda: get(f"http://127.0.0.1:{port}"), found) == (seen, [])
    assert (await as_worker(lambda: get("http://198.51.100.1:1"), found))[0] == "ConnectError"


async def test_failures_are_those_of_connect() -> None:
    async with service() as port:
        pass

    async def refused() -> str:
        try:
            await asyncio.open_connection("127.0.0.1", port)
        except ConnectionRefusedError:
            return "refused"
        return "connected"

    assert (await as_worker(refused, NetworkHost("127.0.0.1", port)))[0] == "refused"

    async def unknown() -> str:
        try:
            await asyncio.open_connection("no-such-host.invalid", 1)
        except socket.gaierror:
            return "unknown"
        return "connected"

    assert (await as_worker(unknown, NetworkHost("no-such-host.invalid", 1)))[0] == "unknown"


async def test_cancelled_connections_are_closed() -> None:
    """More are cancelled than may be in progress; descriptors that stay open fail every test here."""
    async with service() as port:

        async def work() -> str:
            loop = asyncio.get_running_loop()
            assert isinstance(loop, DoormanEventLoop)
            for _ in range(3 * MAX_CONNECTING):
                asked = asyncio.ensure_future(loop.doorman.connect("127.0.0.1", port))
                await asyncio.sleep(0)
                asked.cancel()
                await asyncio.gather(asked, return_exceptions=True)
            return await get(f"http://127.0.0.1:{port}")

        assert await as_worker(work, NetworkHost("127.0.0.1", port)) == ("hello", [])
