"""What the tests of the simulated cameras share: a camera that runs, and clients that look at pictures."""

import asyncio
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
from PIL import Image

from simulators.camera.camera import Camera
from simulators.camera.stamp import Stamp
from simulators.kinds import settings_of

USER = {"username": "watch", "password": "two words"}
DIGEST = httpx.DigestAuth("watch", "two words")


@asynccontextmanager
async def running(kind: str, **settings: Any) -> AsyncIterator[tuple[Any, httpx.AsyncClient]]:
    camera = settings_of({"name": "lane-1/camera", "kind": kind, "port": 0} | settings).build()
    assert isinstance(camera, Camera)
    ready = asyncio.Event()
    task = asyncio.create_task(camera.run(lambda event, _details: ready.set() if event == "ready" else None))
    await asyncio.wait({task, waiting := asyncio.ensure_future(ready.wait())}, return_when="FIRST_COMPLETED")
    waiting.cancel()
    try:
        if task.done():
            task.result()
        async with httpx.AsyncClient(base_url=camera.server.url, trust_env=False, timeout=5) as client:
            yield camera, client
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def fault(camera: Camera, name: str, **args: Any) -> None:
    assert await camera.obey("fault", {"fault": name, "args": args}) == {}


def image_of(jpeg: bytes) -> Image.Image:
    with Image.open(io.BytesIO(jpeg)) as image:
        return image.convert("RGB")


def stamp_of(jpeg: bytes) -> Stamp:
    return Stamp.read(image_of(jpeg))
