"""A line at a TCP port, with asyncio as the host."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from support.patience import PATIENCE_S

from simulators.errors import SimulatorError
from simulators.links.tcp_line import TcpLine

Host = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@pytest.fixture
async def line() -> AsyncIterator[TcpLine]:
    async with TcpLine.open_at() as line:
        yield line


async def connect(line: TcpLine) -> Host:
    return await asyncio.open_connection("127.0.0.1", line.port)


async def end(host: Host) -> None:
    host[1].transport.abort()
    await asyncio.sleep(0)


async def test_every_byte_passes_both_ways(line: TcpLine) -> None:
    received: list[bytes] = []
    line.on_received = received.append
    host = await connect(line)
    await line.wait_for_host()

    assert await line.send(bytes(range(256)), chunk=7)
    assert await host[0].readexactly(256) == bytes(range(256))
    host[1].write(bytes(range(256)))
    await line.wait_for_bytes(bytes(range(256)))
    assert b"".join(received) == line.received_bytes == bytes(range(256))
    assert await line.wait_drained()
    await end(host)


async def test_nothing_is_sent_without_host(line: TcpLine) -> None:
    assert not await line.send(b"old news")
    host = await connect(line)
    await line.wait_for_host()
    assert await line.send(b"news")
    assert await host[0].read(100) == b"news"
    await end(host)
    await line.wait_for_host_close()


async def test_second_host_is_disconnected(line: TcpLine) -> None:
    first = await connect(line)
    await line.wait_for_host()
    second = await connect(line)
    assert await second[0].read(1) == b""
    assert await line.send(b"news")
    assert await first[0].read(100) == b"news"
    await end(second)
    await end(first)


async def test_host_that_has_closed_makes_place(line: TcpLine) -> None:
    for _ in range(50):
        host = await connect(line)
        async with asyncio.timeout(PATIENCE_S):
            await line.wait_for_host()
            assert await line.send(b"1")
            assert await host[0].read(1) == b"1"
        await end(host)


async def test_unplugged_line_is_gone_and_returns_at_its_port(line: TcpLine) -> None:
    host, port = await connect(line), line.port
    await line.wait_for_host()
    line.unplug()
    assert not line.is_plugged
    with pytest.raises(ConnectionError):
        await host[0].readexactly(1)
    with pytest.raises(ConnectionError):
        await connect(line)
    line.unplug(for_s=0.05)
    async with asyncio.timeout(PATIENCE_S):
        while not line.is_plugged:
            await asyncio.sleep(0.01)
    assert line.port == port
    again = await connect(line)
    await line.wait_for_host()
    await end(host)
    await end(again)


async def test_host_that_does_not_read_holds_the_message(line: TcpLine) -> None:
    host = await connect(line)
    await line.wait_for_host()
    sending = asyncio.create_task(line.send(bytes(32 * 1024 * 1024)))
    await asyncio.wait([sending], timeout=0.1)
    assert not sending.done()
    await end(host)
    assert not await sending


async def test_taken_port_is_named(line: TcpLine) -> None:
    with pytest.raises(SimulatorError, match=f"port {line.port}: Address already in use"):
        async with TcpLine.open_at(line.port):
            pass
