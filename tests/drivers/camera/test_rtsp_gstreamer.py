"""Driver `camera-rtsp` against GStreamer's RTSP server.

`tests/oracles/gst_camera.py` lists the packages to install; that takes most of a minute, so `make test` runs
without it.
"""

import asyncio
import contextlib
import io
import subprocess
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from camera_fixture import CameraFixture, open_camera
from PIL import Image

from drivers.camera.observations import PictureCaptured
from drivers.camera.rtsp import RtspCamera
from drivers.links.link import Cause, LinkError

PYTHON, SCRIPT = Path("/usr/bin/python3"), "tests/oracles/gst_camera.py"
NEEDS = (
    "import gi; gi.require_version('GstRtspServer', '1.0'); from gi.repository import Gst, GstRtspServer; "
)
NEEDS += "Gst.init(None); assert Gst.ElementFactory.find('x264enc') and Gst.ElementFactory.find('rtph264pay')"
USER = {"username": "watch", "password": "two-words"}


class GstCamera:
    """The program, and its commands."""

    def __init__(self, process: asyncio.subprocess.Process, port: int) -> None:
        self.process = process
        self.port = port

    async def obey(self, line: str) -> None:
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(f"{line}\n".encode())
        assert await self.process.stdout.readline() == b"done\n"


@contextlib.asynccontextmanager
async def gst_camera() -> AsyncIterator[GstCamera]:
    process = await asyncio.create_subprocess_exec(
        PYTHON, SCRIPT, *USER.values(), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdin
    assert process.stdout
    try:
        yield GstCamera(process, int(await process.stdout.readline()))
    finally:
        process.stdin.close()
        await process.wait()


def open_driver(camera: GstCamera, **settings: Any) -> Any:
    url = f"rtsp://127.0.0.1:{camera.port}/stream"
    return open_camera(RtspCamera, **{"url": url, "latency_s": 0.1} | USER | settings)


async def captured(opened: CameraFixture) -> tuple[int, tuple[int, int]]:
    """Return the shade of a picture, and its size."""
    await opened.capture()
    with Image.open(io.BytesIO((await opened.next(PictureCaptured)).attachments[0].content)) as image:
        return int(image.convert("L").getpixel((20, 20))), image.size


async def test_pictures_of_gstreamer_are_fresh() -> None:
    needs = [PYTHON, "-c", NEEDS]
    if not PYTHON.exists() or subprocess.run(needs, capture_output=True, check=False).returncode:
        pytest.skip(f"needs GStreamer's RTSP server from apt: see {SCRIPT}")
    async with gst_camera() as camera:
        async with open_driver(camera) as opened:
            assert not opened.driver.links.is_simulated
            for shade in (40, 200, 90, 160) * 3:
                await camera.obey(f"shade {shade}")
                seen, size = await captured(opened)
                assert (abs(seen - shade) < 12, size) == (True, (640, 360)), (seen, shade)
            await camera.obey("size 1280 720")
            async with asyncio.timeout(3):
                while (await captured(opened))[1] != (1280, 720):
                    pass
            await camera.obey("still yes")
            begun_s = time.monotonic()
            assert (await opened.next(LinkError)).cause is Cause.NO_RESPONSE
            assert time.monotonic() - begun_s < 3
        await camera.obey("still no")
        await camera.obey("password another-one")
        with pytest.raises(LinkError) as refused:
            async with open_driver(camera):
                pass
        assert refused.value.cause is Cause.NO_PERMISSION
        async with open_driver(camera, password="another-one") as opened:
            await captured(opened)
            camera.process.kill()
            begun_s = time.monotonic()
            assert (await opened.next(LinkError)).cause in (Cause.LINK_FAILED, Cause.NO_RESPONSE)
            assert time.monotonic() - begun_s < 3
