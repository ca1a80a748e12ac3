"""Connections and exchanges that never end: places come back, and every exchange has a deadline."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from drivers.camera.anpr.axis import AxisPlateCamera, AxisSettings
from drivers.driver import StateCode, Status
from drivers.links.factory import LinkFactory
from drivers.links.http.client import HttpSettings
from drivers.links.http.listener import CONNECTIONS
from drivers.links.link import Cause, LinkError
from drivers.observation import Observation

ENDLESS = {
    "continue": (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "header": (b"HTTP/1.1 200 OK\r\nX-A: ", b"a"),
    "headers": (b"HTTP/1.1 200 OK\r\n", b"X-A: a\r\n"),
    "status": (b"HTTP/1.1 200 ", b"O"),
    "body": (b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", b"a"),
}


@contextlib.asynccontextmanager
async def endless_service(begin: bytes, again: bytes) -> AsyncIterator[str]:
    """A service that drips the same bytes for ever; its address."""
    talks: list[asyncio.Task[None] | None] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talks.append(asyncio.current_task())
        with contextlib.suppress(OSError, asyncio.CancelledError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(begin)
            while True:
                writer.write(again)
                await writer.drain()
                await asyncio.sleep(0.05)
        writer.transport.abort()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for task in talks:
            if task is not None:
                task.cancel()
        await asyncio.gather(*(task for task in talks if task is not None))


@pytest.mark.parametrize("kind", ENDLESS)
async def test_dripping_response_has_deadline(kind: str) -> None:
    links = LinkFactory()
    async with endless_service(*ENDLESS[kind]) as url:
        link = await links.http(HttpSettings(url=url, timeout_s=0.5))
        async with asyncio.timeout(20):
            with pytest.raises(LinkError) as raised:
                await link.request("GET", "/")
            assert raised.value.cause is Cause.NO_RESPONSE
            if kind != "body":  # a stream may drip as long as it likes
                with pytest.raises(LinkError):
                    async with link.stream("GET", "/"):
                        raise AssertionError("it began")
        await links.close()


async def test_idle_connections_are_replaced() -> None:
    links = LinkFactory()
    settings = AxisSettings(listen="127.0.0.1:0", allowed_sources=("127.0.0.1",))
    camera = AxisPlateCamera(settings, links)
    await camera.open()
    port = camera.listener.port
    said: asyncio.Queue[Observation | object] = asyncio.Queue()

    async def watch() -> None:
        async for one in camera.watch():
            said.put_nowait(one)

    watching = asyncio.create_task(watch())
    held = [await asyncio.open_connection("127.0.0.1", port) for _ in range(CONNECTIONS + 1)]
    held[-1][1].write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Len")  # begun, and never ended
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    body = b'{"plateUTF8":"KAA001A","carState":"new","carID":"1"}'
    writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    async with asyncio.timeout(20):
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
        state = await said.get()
        assert isinstance(state, Status)
        assert (state.state, state.cause) == (StateCode.DEGRADED, Cause.CONNECTIONS_HELD)
        assert isinstance(await said.get(), Observation)
        assert await held[0][0].read() == b"", "the longest idle one was closed"
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
    for _, each in (*held, (reader, writer)):
        each.transport.abort()
    await links.close()
