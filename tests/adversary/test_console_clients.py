"""Hostile clients of the console: half-sent requests, guesses of passwords, pages of other sites."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.responses import PlainTextResponse
from support.console.consoles import browser, console_of, log_in, on_socket
from support.console.fake_daemon import FakeDaemon
from support.patience import PATIENCE_S

from gateway.console.auth import login_throttle
from gateway.console.web import server

LOGIN = b"POST /login HTTP/1.1\r\nHost: post\r\nContent-Length: 100\r\n\r\nname=ami"
"""A login whose body does not end."""
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def application(scope: Any, receive: Any, send: Any) -> None:
    while (await receive()).get("more_body"):
        pass
    await PlainTextResponse("ok")(scope, receive, send)


class ConsoleServer:
    """The console's server on a Unix socket and on loopback addresses."""

    def __init__(self, path: Path, port: int) -> None:
        self.path, self.port = path, port
        self.clients: list[asyncio.StreamWriter] = []

    async def connect(self, source: str | None, text: bytes = b"") -> Streams:
        """Connect from that loopback address, or to the Unix socket, and send a text."""
        if source is None:
            streams = await asyncio.open_unix_connection(self.path)
        else:
            streams = await asyncio.open_connection("127.0.0.1", self.port, local_addr=(source, 0))
        self.clients.append(streams[1])
        streams[1].write(text)
        return streams

    async def answers(self, source: str | None) -> bool:
        """Return True if a new client from there gets a response."""
        reader, _ = await self.connect(
            source, b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        )
        with contextlib.suppress(ConnectionError):
            return (await reader.read()).startswith(b"HTTP/1.1 200")
        return False


@pytest.fixture
async def console(tmp_path: Path) -> AsyncIterator[ConsoleServer]:
    with socket.socket(socket.AF_UNIX) as local, socket.socket() as network:
        local.bind(str(tmp_path / "console.sock"))
        network.bind(("127.0.0.1", 0))
        for listening in (local, network):
            listening.listen(500)
        end = asyncio.Event()
        serving = asyncio.create_task(
            server.serve(application, local, network, None, idle_s=60, until=end.wait())
        )
        made = ConsoleServer(tmp_path / "console.sock", network.getsockname()[1])
        yield made
        for client in made.clients:
            client.close()
        for client in made.clients:
            with contextlib.suppress(ConnectionError):
                await client.wait_closed()
        end.set()
        await serving


@pytest.fixture
def endless_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the server wait for the rest of a request longer than the test."""
    monkeypatch.setattr(server, "REQUEST_TIMEOUT_S", 2 * PATIENCE_S)


@pytest.mark.usefixtures("endless_requests")
async def test_half_sent_logins_close_nothing(console: ConsoleServer) -> None:
    """200 logins without an end from one address leave the socket and the other addresses open."""
    for _ in range(200):
        await console.connect("127.0.0.2", LOGIN)
    async with asyncio.timeout(PATIENCE_S):
        assert await console.answers(None)
        assert await console.answers("127.0.0.3")


@pytest.mark.usefixtures("endless_requests")
async def test_many_addresses_leave_socket_open(console: ConsoleServer) -> None:
    for number in range(200):
        await console.connect(f"127.0.0.{2 + number % 100}", LOGIN)
    async with asyncio.timeout(PATIENCE_S):
        assert await console.answers(None)


async def test_connection_slots_come_back(console: ConsoleServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "REQUEST_TIMEOUT_S", 0.2)
    for _ in range(server.MAX_ADDRESS_CONNECTIONS):
        await console.connect("127.0.0.2", LOGIN)
    async with asyncio.timeout(PATIENCE_S):
        while not await console.answers("127.0.0.2"):
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("begun", [LOGIN, b"GET / HTTP/1.1\r\n", b""])
async def test_dripping_request_is_cut(
    console: ConsoleServer, monkeypatch: pytest.MonkeyPatch, begun: bytes
) -> None:
    monkeypatch.setattr(server, "REQUEST_TIMEOUT_S", 0.2)
    reader, writer = await console.connect("127.0.0.2", begun)

    async def drip() -> None:
        while True:
            writer.write(b"x")
            await asyncio.sleep(0.02)

    dripping = asyncio.create_task(drip())
    try:
        async with asyncio.timeout(10):
            with contextlib.suppress(ConnectionError):
                assert await reader.read() == b""
    finally:
        dripping.cancel()
        await asyncio.gather(dripping, return_exceptions=True)


async def test_second_request_has_a_deadline(console: ConsoleServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "REQUEST_TIMEOUT_S", 0.2)
    reader, writer = await console.connect(None, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert b"200" in await reader.readline()
    writer.write(b"GET / HT")
    async with asyncio.timeout(3):  # less than uvicorn's own limit for idle connections
        with contextlib.suppress(ConnectionError):
            while await reader.read(1000):
                pass


@pytest.fixture
def app(tmp_path: Path) -> FastAPI:
    return console_of(FakeDaemon(), tmp_path)


async def test_owner_is_not_locked_out(app: FastAPI) -> None:
    """Wrong passwords under another user's name delay their sender alone."""
    async with browser(app, "192.0.2.7") as stranger, browser(app, "192.0.2.8") as owner:
        for _ in range(login_throttle.FREE_ATTEMPTS + 3):
            await log_in(stranger, "supervisor", "guess")
        assert (await log_in(stranger, "supervisor", "guess")).status_code == 429
        assert (await log_in(owner, "supervisor")).status_code == 303


async def test_one_address_has_one_login_at_a_time(app: FastAPI) -> None:
    async with browser(app, "192.0.2.7") as stranger, browser(app, "192.0.2.8") as owner:
        guesses = [asyncio.create_task(log_in(stranger, "viewer", "guess")) for _ in range(20)]
        await asyncio.sleep(0)
        assert (await log_in(owner, "supervisor")).status_code == 303
        codes = [answer.status_code for answer in await asyncio.gather(*guesses)]
    assert codes.count(401) == 1
    assert codes.count(429) == 19


LINK = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
IMAGE = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"}
FRAME = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"}
TRACE = "/api/v1/devices/lane-1/reader/trace"


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        (TRACE, LINK),
        (TRACE, IMAGE),
        ("/updates/trace/lane-1/reader", IMAGE),
        ("/api/v1/doctor", IMAGE),
        ("/api/v1/bundle", LINK),
        ("/devices/lane-1/reader/why", IMAGE),
        ("/devices/lane-1/reader/trace", FRAME),
        ("/metrics", LINK),
        ("/", IMAGE),
        ("/api/v1/post", {"Origin": "https://evil.example"}),
    ],
)
async def test_other_site_reaches_nothing(app: FastAPI, path: str, headers: dict[str, str]) -> None:
    """A page of another site in a technician's browser, whose tunnel to the socket needs no cookie."""
    async with on_socket(app) as tunnel:
        assert (await tunnel.get(path, headers=headers)).status_code == 403


async def test_link_to_page_is_followed(app: FastAPI) -> None:
    async with on_socket(app) as tunnel:
        for path in ("/", "/devices/lane-1/reader"):
            assert (await tunnel.get(path, headers=LINK)).status_code == 200


async def test_own_pages_reach_the_api(app: FastAPI) -> None:
    own = {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty"}
    async with on_socket(app) as tunnel:
        assert (await tunnel.get("/api/v1/post", headers=own)).status_code == 200
