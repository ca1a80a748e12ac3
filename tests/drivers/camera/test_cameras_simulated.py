"""Camera drivers against simulated cameras, which share no code with them."""

import asyncio
import contextlib
import io
import os
import random
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from camera_fixture import CameraFixture, inject_fault, open_camera
from PIL import Image

from drivers.camera.commands import Subject
from drivers.camera.observations import PictureCaptured
from drivers.camera.snapshot import HttpSnapshotCamera
from drivers.command import CommandFailure
from drivers.driver import BadFrame
from drivers.links.link import Cause, LinkError
from simulators.camera.frame_stamp import FrameStamp
from simulators.camera.snapshot import SnapshotCamera
from simulators.registry import parse_settings

CAPTURES = int(os.environ.get("BORDERPOST_CAMERA_CAPTURES", "30"))
USER = {"username": "watch", "password": "two words"}


@contextlib.asynccontextmanager
async def camera(kind: str = "camera-snapshot", **settings: Any) -> AsyncIterator[Any]:
    simulated: Any = parse_settings({"name": "lane-1/camera", "kind": kind, "port": 0} | settings).build()
    ready = asyncio.Event()
    running = asyncio.create_task(simulated.run(lambda event, _: ready.set() if event == "ready" else None))
    await ready.wait()
    try:
        yield simulated
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


def driver(simulated: SnapshotCamera, path: str = "/snapshot.jpg", **settings: Any) -> Any:
    return open_camera(HttpSnapshotCamera, url=simulated.server.url, path=path, **settings)


def stamp_of(captured: PictureCaptured) -> FrameStamp:
    with Image.open(io.BytesIO(captured.attachments[0].content)) as image:
        return FrameStamp.read(image)


async def captured(opened: CameraFixture, **wanted: Any) -> tuple[FrameStamp, int]:
    """Take a picture; return its stamp and the time of the request, in milliseconds since 1970."""
    asked_ms = time.time_ns() // 1_000_000
    await opened.capture(**wanted)
    return stamp_of(await opened.next(PictureCaptured)), asked_ms


@pytest.mark.parametrize("path", ["/snapshot.jpg", "/video.mjpg"])
async def test_pictures_under_faults_are_fresh_and_whole(path: str) -> None:
    chance = random.Random(path)
    faults: list[tuple[str, dict[str, Any]]] = [
        ("half-picture", {"after": 0.4}),
        ("slow", {"delay_s": 0.02}),
        ("stall", {"after": 0.5, "hold_s": 0.02}),
        ("no-length", {}),
        ("garbage", {}),
        ("cut", {"after": 0.6}),
    ]
    answered = 0
    async with camera(frames_per_s=50, **USER) as simulated:
        while answered < CAPTURES:
            async with driver(simulated, path, **USER) as opened:
                assert opened.driver.links.is_simulated
                while answered < CAPTURES:
                    await asyncio.sleep(chance.uniform(0, 0.01))
                    if chance.random() < 0.5:
                        fault, arguments = chance.choice(faults)
                        await inject_fault(simulated, fault, **arguments)
                    try:
                        stamp, asked_ms = await captured(opened, timeout_s=2)
                    except LinkError:
                        break  # a cut stream: the worker reopens it
                    assert stamp.at_ms >= asked_ms
                    answered += 1


async def test_digest_camera_changes_its_password() -> None:
    async with camera(**USER) as simulated, driver(simulated, poll_s=0.02, **USER) as opened:
        await captured(opened)
        await inject_fault(simulated, "wrong-credentials")
        error = await opened.next(LinkError)
        assert error.cause is Cause.NO_PERMISSION
        assert "two words" not in f"{error} {error.text} {error.how}"


async def test_login_page_is_wrong_device() -> None:
    async with camera() as simulated, driver(simulated) as opened:
        await inject_fault(simulated, "wrong-type", times=5)
        with pytest.raises(CommandFailure):
            await opened.capture()
        assert (await opened.next(BadFrame)).fault == "not_jpeg"


async def test_dead_camera_is_reopened() -> None:
    async with camera() as simulated:
        async with driver(simulated, poll_s=0.02) as opened:
            await inject_fault(simulated, "service-dies")
            assert (await opened.next(LinkError)).cause in (Cause.NO_RESPONSE, Cause.LINK_FAILED)
        await inject_fault(simulated, "service-dies", for_s=0.2)
        while True:
            with contextlib.suppress(LinkError):
                async with driver(simulated) as opened:
                    await captured(opened)
                break
            await asyncio.sleep(0.01)


async def test_wrong_clock_of_camera_has_no_effect() -> None:
    async with camera() as simulated, driver(simulated) as opened:
        await inject_fault(simulated, "wrong-clock", ahead_s=-7200)
        stamp, asked_ms = await captured(opened, subject=Subject.PORTRAIT)
        assert stamp.at_ms >= asked_ms


async def test_dark_portrait_is_measured() -> None:
    async with camera() as simulated, driver(simulated) as opened:
        good = await opened.capture(subject=Subject.PORTRAIT)
        await simulated.handle_command("insert", {"light": "dark"})
        dark = await opened.capture(subject=Subject.PORTRAIT)
        await simulated.handle_command("insert", {"blurred": True})
        blurred = await opened.capture(subject=Subject.PORTRAIT)

    def value(taken: Any, measure: str) -> Any:
        return next(hint for hint in taken.measurements if hint.measure == measure)

    assert value(dark, "brightness").value < value(good, "brightness").value / 2
    assert value(blurred, "sharpness").value < value(good, "sharpness").value


async def test_good_portrait_ends_search() -> None:
    async with camera(size="1920x1080") as simulated, driver(simulated) as opened:
        assert (await opened.capture(subject=Subject.PORTRAIT, best_of=4, timeout_s=20)).frame_count == 1
        await simulated.handle_command("insert", {"people": 2})
        assert (await opened.capture(subject=Subject.PORTRAIT, best_of=3, timeout_s=20)).frame_count == 3
