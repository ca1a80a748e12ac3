"""Cameras whose pictures and messages never end, a byte at a time: every one has a deadline."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

from drivers.camera.anpr.hikvision import HikvisionPlateCamera, HikvisionSettings
from drivers.camera.observations import PlateRead
from drivers.camera.snapshot import HttpSnapshotCamera, HttpSnapshotSettings
from drivers.links.factory import LinkFactory
from drivers.links.link import Cause, LinkError

PICTURE = b"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\n\r\n\xff\xd8"
STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=b\r\n\r\n--b\r\n"
ALERT = (
    b'<EventNotificationAlert xmlns="http://www.isapi.org/ver20/XMLSchema"><channelID>1</channelID>'
    b"<dateTime>2026-11-27T11:48:03.847+03:00</dateTime><eventType>ANPR</eventType>"
    b"<eventState>active</eventState><ANPR><licensePlate>KCA 123X</licensePlate></ANPR>"
    b"<UUID>u-1</UUID><picNum>1</picNum></EventNotificationAlert>"
)
READ = STREAM + b"Content-Type: application/xml\r\nContent-Length: %d\r\n\r\n%b\r\n--b\r\n" % (
    len(ALERT),
    ALERT,
)
ENDLESS = b"Content-Type: image/jpeg\r\nContent-Length: 1000000\r\n\r\n\xff\xd8"


@contextlib.asynccontextmanager
async def dripping(begin: bytes) -> AsyncIterator[str]:
    """A service that answers every request, and then sends a byte at a time for ever; yields its address."""
    talks: set[asyncio.Task[None] | None] = set()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talks.add(asyncio.current_task())
        with contextlib.suppress(OSError, EOFError, asyncio.CancelledError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(begin)
            while True:
                writer.write(b"a")
                await writer.drain()
                await asyncio.sleep(0.02)
        writer.transport.abort()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        tasks = [task for task in talks if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks)


@pytest.mark.parametrize("begin", [PICTURE, STREAM + ENDLESS, STREAM], ids=["picture", "part", "head"])
async def test_endless_picture_has_deadline(begin: bytes) -> None:
    links = LinkFactory()
    async with dripping(begin) as url:
        camera = HttpSnapshotCamera(HttpSnapshotSettings(url=url, path="/picture", timeout_s=0.2), links)
        async with asyncio.timeout(10):
            with pytest.raises(LinkError) as raised:
                await camera.open()
        await links.close()
    assert raised.value.cause is Cause.NO_RESPONSE


@contextlib.asynccontextmanager
async def watching(url: str, **settings: float) -> AsyncIterator[AsyncIterator[Any]]:
    """Yield what a plate camera says."""
    links = LinkFactory()
    camera = HikvisionPlateCamera(HikvisionSettings.model_validate({"url": url, **settings}), links)
    camera.link = await links.http(camera.settings)
    await camera.listen()
    try:
        async with asyncio.timeout(10), contextlib.aclosing(camera.watch()) as said:
            yield said
    finally:
        await camera.close()
        await links.close()


async def test_endless_message_has_deadline() -> None:
    async with dripping(STREAM + ENDLESS) as url, watching(url, no_data_timeout_s=0.3) as said:
        with pytest.raises(LinkError) as raised:
            await anext(said)
    assert raised.value.cause is Cause.NO_RESPONSE


async def test_endless_picture_delays_no_read() -> None:
    """The plate is published without the picture that never ends."""
    async with dripping(READ + ENDLESS) as url, watching(url, timeout_s=0.2) as said:
        read = await anext(said)
    assert isinstance(read, PlateRead)
    assert (read.plate, read.missing_images) == ("KCA123X", 1)
