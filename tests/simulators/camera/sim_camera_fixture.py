"""Fixtures of the camera tests: a running camera, and clients that read its pictures."""

import asyncio
import io
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from email import message_from_bytes
from typing import Any

import httpx
from PIL import Image
from support.patience import PATIENCE_S

from simulators.camera.anpr.plate_camera import StreamingPlateCamera
from simulators.camera.camera import Camera
from simulators.camera.frame_stamp import FrameStamp
from simulators.registry import parse_settings

USER = {"username": "watch", "password": "two words"}
DIGEST = httpx.DigestAuth("watch", "two words")


@asynccontextmanager
async def running(kind: str, **settings: Any) -> AsyncIterator[tuple[Any, httpx.AsyncClient]]:
    camera = parse_settings({"name": "lane-1/camera", "kind": kind, "port": 0} | settings).build()
    assert isinstance(camera, Camera)
    ready = asyncio.Event()
    task = asyncio.create_task(camera.run(lambda event, _details: ready.set() if event == "ready" else None))
    await asyncio.wait({task, waiting := asyncio.ensure_future(ready.wait())}, return_when="FIRST_COMPLETED")
    waiting.cancel()
    try:
        if task.done():
            task.result()
        async with httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{camera.server.port}", trust_env=False, timeout=PATIENCE_S
        ) as client:
            yield camera, client
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def fault(camera: Camera, name: str, **args: Any) -> None:
    assert await camera.handle_command("fault", {"fault": name, "args": args}) == {}


def image_of(jpeg: bytes) -> Image.Image:
    with Image.open(io.BytesIO(jpeg)) as image:
        return image.convert("RGB")


def stamp_of(jpeg: bytes) -> FrameStamp:
    return FrameStamp.read(image_of(jpeg))


@dataclass
class ReceivedStream:
    """Data that a client has read of an endless multipart response."""

    media_type: str
    data: bytes

    @property
    def parts(self) -> list[tuple[str, str, bytes]]:
        """Return media type, name and content of each part, parsed by the standard library's mail parser."""
        boundary = self.media_type.rpartition("=")[2].encode()
        head = f"Content-Type: {self.media_type}\r\n\r\n".encode()
        message = message_from_bytes(head + self.data + b"--" + boundary + b"--\r\n")
        found = message.get_payload()
        assert isinstance(found, list)
        return [
            (part.get_content_type(), part.get_filename() or "", part.get_payload(decode=True))
            for part in found
        ]


async def listen(
    client: httpx.AsyncClient, url: str, until: Callable[[bytes], bool], **options: Any
) -> ReceivedStream:
    """Read until `until` is true or the other end disconnects."""
    received = ReceivedStream("", b"")
    async with asyncio.timeout(PATIENCE_S), client.stream("GET", url, **options) as stream:
        assert stream.status_code == 200
        received.media_type = stream.headers["Content-Type"]
        async for piece in stream.aiter_raw():
            received.data += piece
            if until(received.data):
                break
    return received


async def listen_during(
    camera: StreamingPlateCamera,
    client: httpx.AsyncClient,
    url: str,
    until: Callable[[bytes], bool],
    *vehicles: dict[str, Any],
) -> ReceivedStream:
    """Return the data received about vehicles, with a client connected before they come."""
    async with asyncio.timeout(PATIENCE_S):
        while camera.listening:  # an earlier client is still connected
            await asyncio.sleep(0.005)
        listening = asyncio.create_task(listen(client, url, until))
        await camera.has_connected.wait()
        for vehicle in vehicles:
            await camera.handle_command("insert", vehicle)
        return await listening
