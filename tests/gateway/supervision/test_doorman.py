"""Doorman: connections and names for a worker, through the event loop that confined workers have."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import replace
from typing import Any

import httpx
import pytest
from support.patience import PATIENCE_S

from drivers.links.link import LinkError
from drivers.links.multicast import query_group
from drivers.links.settings import MulticastGroup, NetworkHost
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
    work: Callable[[], Coroutine[Any, Any, str]],
    *hosts: NetworkHost,
    search: MulticastGroup | None = None,
    until_violation: bool = False,
) -> tuple[str, list[Exception]]:
    """Run work in a thread with the event loop of a worker; return its result, and its violations.

    `until_violation`: the worker ends only after one, which the doorman may read after the work.
    """
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    violations: list[Exception] = []
    doorman = Doorman(hosts, ours, violations.append, search)

    async def work_and_wait() -> str:
        """Do the work; the channel closes with the loop, and requests behind the close are never read."""
        try:
            return await asyncio.wait_for(work(), PATIENCE_S)
        finally:
            if until_violation:
                async with asyncio.timeout(PATIENCE_S):
                    while not violations:
                        await asyncio.sleep(0.01)

    def run() -> str:
        with asyncio.Runner(loop_factory=lambda: DoormanEventLoop(theirs)) as runner:
            try:
                return runner.run(work_and_wait())
            except (OSError, httpx.HTTPError) as error:
                return type(error).__name__

    try:
        result = await asyncio.to_thread(run)
    finally:
        doorman.close()
    return result, violations


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
        work = lambda: get(url.format(port=port))  # noqa: E731
        _, violations = await as_worker(work, allowed, until_violation=True)
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


# Searches by multicast

GROUP = MulticastGroup("239.255.77.77", 37021, "127.0.0.1")


@contextlib.asynccontextmanager
async def responders(count: int = 1, size: int = 5) -> AsyncIterator[list[bytes]]:
    """Members of the group, each of which answers every query; yields the queries of the first."""
    heard: list[bytes] = []
    loop = asyncio.get_running_loop()

    class Member(asyncio.DatagramProtocol):
        def __init__(self, number: int) -> None:
            self.number = number

        def connection_made(self, transport: Any) -> None:
            self.transport = transport

        def datagram_received(self, data: bytes, addr: Any) -> None:
            if self.number == 0:
                heard.append(data)
            self.transport.sendto(bytes([self.number]) * size, addr)

    transports = []
    for number in range(count):
        one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        one.bind((GROUP.address, GROUP.port))
        joined = socket.inet_aton(GROUP.address) + socket.inet_aton("127.0.0.1")
        one.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, joined)
        one.setblocking(False)
        transports.append(
            (await loop.create_datagram_endpoint(lambda number=number: Member(number), sock=one))[0]
        )
    try:
        yield heard
    finally:
        for each in transports:
            each.close()
        await asyncio.sleep(0)


async def test_search_goes_through_doorman() -> None:
    async with responders(3, size=60_000) as heard:

        async def work() -> str:
            # What a worker names is not where the daemon sends.
            responses = query_group([b"one", b"two"], "127.0.0.2", 1, "192.0.2.1", 5)
            async with contextlib.aclosing(responses):
                seen = [await anext(responses) for _ in range(6)]
            assert {sender for _, sender in seen} == {"127.0.0.1"}
            assert {len(datagram) for datagram, _ in seen} == {60_000}
            return str(sorted(datagram[0] for datagram, _ in seen))

        assert await as_worker(work, search=GROUP) == ("[0, 0, 1, 1, 2, 2]", [])
    assert heard == [b"one", b"two"]


async def test_failed_search_says_why() -> None:
    async def work() -> str:
        try:
            async for _ in query_group([b"one"], GROUP.address, GROUP.port, "192.0.2.9", 5):
                return "response"
        except LinkError as error:
            return error.text
        return "nothing"

    said, violations = await as_worker(work, search=replace(GROUP, interface="192.0.2.9"))
    assert said.startswith("No query can be sent through 192.0.2.9")
    assert violations == []


async def open_search() -> socket.socket:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, DoormanEventLoop)
    return await loop.doorman.open_search()


async def test_search_needs_a_right() -> None:
    async def work() -> str:
        with await open_search():
            return "open"

    _, violations = await as_worker(work, NetworkHost("127.0.0.1", None), until_violation=True)
    assert [str(each) for each in violations] == ["a request for a search that is not its device's"]


@pytest.mark.parametrize(("query", "count"), [(b"x" * 5000, 1), (b"x", 1000)])
async def test_flood_of_queries_is_violation(query: bytes, count: int) -> None:
    async with responders() as heard:

        async def work() -> str:
            with await open_search() as search:
                search.settimeout(5)
                for _ in range(count):
                    search.send(query)
            return "sent"

        _, violations = await as_worker(work, search=GROUP, until_violation=True)
    assert [str(each) for each in violations] == ["too many or too long queries for a search"]
    assert len(heard) <= 20


async def test_many_searches_are_violation() -> None:
    async def work() -> str:
        with contextlib.ExitStack() as kept:
            for _ in range(3):
                kept.enter_context(await open_search())
        return "open"

    _, violations = await as_worker(work, search=GROUP, until_violation=True)
    assert [str(each) for each in violations] == ["too many requests for searches at once"]
