"""Webcams through Video4Linux, in a program under umockdev's preload: driver and simulator meet at ioctls."""

import asyncio
import contextlib
import errno
import hashlib
import io
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageChops, ImageStat
from pydantic import ValidationError
from support.patience import PATIENCE_S
from support.process import in_jail

from drivers.camera.imaging.yuyv import yuyv_to_jpeg
from drivers.camera.uvc import UvcCameraSettings
from drivers.links.link import Cause
from drivers.links.video.devices import open_error
from simulators.camera.faults import Flagged, Garbage, Stall, TruncatedPicture
from simulators.camera.frame_stamp import FrameStamp
from simulators.camera.scene import View
from simulators.camera.sensor import Sensor
from simulators.camera.v4l2 import AUTO_EXPOSURE, AUTO_FOCUS, EXPOSURE, FOCUS
from simulators.camera.webcam import Webcam, yuyv

QUICK = {"port": "usb:046d:0825", "latency_s": 0, "no_frame_timeout_s": 3}


class Program:
    """The program that has opened the camera."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    async def call(self, what: str, **arguments: Any) -> Any:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps([what, arguments]).encode() + b"\n")
        return await self.read_result()

    async def read_result(self) -> Any:
        assert self.process.stdout is not None
        async with asyncio.timeout(PATIENCE_S):
            return json.loads(await self.process.stdout.readline())


@contextlib.asynccontextmanager
async def program_at(camera: Webcam) -> AsyncIterator[Program]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(in_jail.PROGRAM),
        "drivers.links.video.v4l2:VideoSettings",
        json.dumps({"port": QUICK["port"]}),
        str(Path(__file__).parent / "uvc_under_umockdev.py"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=1 << 22,
        env={**os.environ, **camera.environment, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    try:
        program = Program(process)
        assert await program.read_result() == "ready"
        yield program
    finally:
        assert process.stdin is not None
        process.stdin.close()
        async with asyncio.timeout(PATIENCE_S):
            await process.wait()


def digests(camera: Webcam) -> set[str]:
    return {hashlib.sha256(each).hexdigest() for each in camera.delivered_frames}


def stamp_in(answer: dict[str, Any]) -> FrameStamp:
    with Image.open(io.BytesIO(bytes.fromhex(answer["content"]))) as image:
        return FrameStamp.read(image)


async def test_pictures_are_fresh_and_unchanged() -> None:
    sizes = ((640, 360), (1280, 720))
    async with Webcam({"MJPG": sizes, "YUYV": ((640, 360),)}) as camera, program_at(camera) as program:
        opened = await program.call("open", **QUICK, size="640x360")
        assert (opened["format"], opened["simulated"]) == ("MJPG", True)
        assert opened["identity"] == {
            "model": "Simulated webcam",
            "manufacturer": "Simulators",
            "serial_number": "A1B2C3",
        }
        for _ in range(12):
            asked_ms = time.time_ns() // 1_000_000
            answer = await program.call("capture", best_of=1)
            assert stamp_in(answer).at_ms >= asked_ms
            assert answer["sha256"] in digests(camera), "no byte was changed"
            assert answer["size"] == [640, 360]

        # A buffered frame is never used, whatever its timestamp.
        for camera.clock in ("start", "end", "none"):
            lost = camera.lost
            program.process.send_signal(signal.SIGSTOP)
            while camera.lost < lost + 3:  # all buffers are full
                await asyncio.sleep(0.01)
            asked_ms = time.time_ns() // 1_000_000
            program.process.send_signal(signal.SIGCONT)
            assert stamp_in(await program.call("capture", best_of=1)).at_ms >= asked_ms


async def test_portrait_waits_for_level_exposure() -> None:
    async with Webcam() as camera, program_at(camera) as program:
        camera.settling_s = 0.7
        await program.call("open", **QUICK)
        answer = await program.call("capture", best_of=1)
        with Image.open(io.BytesIO(bytes.fromhex(answer["content"]))) as first:
            brightness = ImageStat.Stat(first.convert("L")).mean[0]
        with Image.open(io.BytesIO(camera.sensor.expose().jpeg)) as settled:
            expected = ImageStat.Stat(settled.convert("L")).mean[0]
        assert brightness == pytest.approx(expected, rel=0.1)


async def test_damaged_frames_are_counted() -> None:
    async with Webcam() as camera, program_at(camera) as program:
        await program.call("open", **QUICK)
        for fault, said in ((Flagged(), "flagged"), (TruncatedPicture(), "cut"), (Garbage(), "not_jpeg")):
            met = []
            while said not in met:  # only the latest frame counts: a damaged one may be skipped unseen
                camera.inject_fault(fault)
                answer = await program.call("capture", best_of=1)
                assert answer["sha256"] in digests(camera)
                stamp_in(answer)
                met += answer["before"]
        camera.inject_fault(TruncatedPicture(times=40))
        torn = await program.call("capture")
        assert torn["error"] == "link_failed"
        assert await program.call("status") == "degraded"
        camera.waiting = type(camera.waiting)()
        assert (await program.call("capture"))["before"][-1] == "online"
        camera.inject_fault(Flagged(for_s=30))
        failed = await program.call("fail")
        assert failed["error"] == Cause.LINK_FAILED
        assert "damaged frames" in failed["text"]


async def test_stalled_or_unplugged_camera_is_reopened() -> None:
    async with Webcam() as camera, program_at(camera) as program:
        await program.call("open", **QUICK)
        camera.inject_fault(Stall(for_s=30))
        begun_s = time.monotonic()
        stalled = await program.call("fail")
        assert (stalled["error"], time.monotonic() - begun_s < 4) == (Cause.NO_RESPONSE, True)
        assert "wait five seconds" in stalled["how"]
        await program.call("close")
        camera.waiting = type(camera.waiting)()

        await program.call("open", **QUICK)
        camera.unplug()
        assert (await program.call("fail"))["error"] == Cause.UNPLUGGED
        await program.call("close")
        assert (await program.call("open", **QUICK))["error"] == Cause.NO_DEVICE
        by_path = {**QUICK, "port": "/dev/video0"}
        assert (await program.call("open", **by_path))["error"] == Cause.NO_DEVICE
        camera.plug()
        for where in (QUICK, by_path):
            assert (await program.call("open", **where))["format"] == "MJPG"
            assert (await program.call("capture"))["sha256"] in digests(camera)
            await program.call("close")
        for _ in range(20):
            await program.call("open", **QUICK)
            await program.call("close")


async def test_settings_are_applied_or_refused() -> None:
    async with Webcam({"MJPG": ((640, 360), (1280, 720))}) as camera, program_at(camera) as program:
        await program.call("open", **QUICK, frames_per_s=15, exposure_ms=12.3, focus=52)
        values = {number: control.value for number, control in camera.controls.items()}
        assert values == {AUTO_EXPOSURE: 1, EXPOSURE: 123, AUTO_FOCUS: 0, FOCUS: 50}
        assert (camera.per_frame, camera.size) == ((1, 15), (1280, 720)), "the largest by default"
        async with program_at(camera) as other:
            assert (await other.call("open", **QUICK))["error"] == Cause.PORT_HELD
        await program.call("close")
        await program.call("open", **QUICK, exposure_ms="auto", focus="auto")
        assert (camera.controls[AUTO_EXPOSURE].value, camera.controls[AUTO_FOCUS].value) == (3, 1)
        await program.call("close")

        for settings, how in (
            ({"exposure_ms": 5000}, "Set `exposure_ms` from 0.3 to 204.7."),
            ({"focus": 251}, "Set `focus` from 0 to 250."),
            ({"size": "800x600"}, "Set `size` to one of 640x360, 1280x720."),
        ):
            refused = await program.call("open", **QUICK, **settings)
            assert (refused["error"], refused["how"]) == (Cause.WRONG_DEVICE, how)
            await program.call("close")
        camera.controls.clear()
        for settings, has in (
            ({"exposure_ms": 5}, "has no adjustable exposure"),
            ({"exposure_ms": "auto"}, "has no automatic exposure"),
            ({"focus": 5}, "has no adjustable focus"),
            ({"focus": "auto"}, "has no automatic focus"),
        ):
            refused = await program.call("open", **QUICK, **settings)
            assert (refused["error"], has in refused["text"]) == (Cause.WRONG_DEVICE, True)
            await program.call("close")

        camera.formats = {"NV12": ((640, 360),)}
        assert "only NV12" in (await program.call("open", **QUICK))["text"]
        await program.call("close")
        camera.formats = {"YUYV": ((640, 360),)}
        assert (await program.call("open", **QUICK))["format"] == "YUYV"
        asked_ms = time.time_ns() // 1_000_000
        assert stamp_in(await program.call("capture", best_of=1)).at_ms >= asked_ms
        await program.call("close")
        for port in ("/dev/null", "/dev/video1"):
            refused = await program.call("open", **{**QUICK, "port": port})
            assert (refused["error"], refused["text"]) == (Cause.WRONG_DEVICE, f"{port} provides no frames.")


def test_uncompressed_frame_becomes_equal_jpeg() -> None:
    image, stamp = Sensor(View(), (640, 360)).frame()
    content = yuyv(image)
    sizes = {"width_px": 640, "height_px": 360, "line_bytes": 1280}
    written = yuyv_to_jpeg(content, **sizes, full_range=False, quality=95)
    assert written is not None
    with Image.open(io.BytesIO(written)) as read:
        assert FrameStamp.read(read) == stamp
        differences = ImageStat.Stat(ImageChops.difference(read.convert("RGB"), image)).mean
        assert max(differences) < 3
    assert yuyv_to_jpeg(content[:-1], **sizes, full_range=False, quality=95) is None
    padded = b"".join(content[row * 1280 : (row + 1) * 1280] + bytes(64) for row in range(360))
    assert yuyv_to_jpeg(padded, 640, 360, 1344, full_range=False, quality=95) == written


@pytest.mark.parametrize(
    ("settings", "remedy"),
    [
        ({"port": "video0"}, "neither usb:VID:PID"),
        ({"port": "usb:46d:825"}, "four hexadecimal digits"),
        ({"port": "/dev/video0", "size": "large"}, "pattern"),
    ],
)
def test_invalid_settings_are_refused(settings: dict[str, Any], remedy: str) -> None:
    with pytest.raises(ValidationError, match=remedy):
        UvcCameraSettings.model_validate(settings)


@pytest.mark.parametrize(
    ("number", "cause", "remedy"),
    [
        (errno.EBUSY, Cause.PORT_HELD, "Stop that program"),
        (errno.EACCES, Cause.NO_PERMISSION, "usually video"),
        (errno.ENODEV, Cause.NO_DEVICE, "cable"),
        (errno.ENOTTY, Cause.WRONG_DEVICE, "-index0"),
        (errno.ENOSPC, Cause.LINK_FAILED, "smaller `size`"),
        (errno.EPROTO, Cause.LINK_FAILED, "plug it in again"),
    ],
)
def test_open_errors_have_remedies(number: int, cause: Cause, remedy: str) -> None:
    error = open_error("usb:046d:0825", "/dev/video0", OSError(number, "no"))
    assert error.cause is cause
    assert remedy in error.how


async def test_program_with_camera_is_named(tmp_path: Path) -> None:
    node = tmp_path / "video0"
    node.write_text("\n")
    with node.open() as opened:
        process = await asyncio.create_subprocess_exec(
            "tail", "-f", stdin=opened, stdout=asyncio.subprocess.PIPE
        )
        assert process.stdout is not None
        try:
            # Until the program runs, the kernel lets only root see its files (begin_new_exec in fs/exec.c).
            await process.stdout.readline()
            error = open_error(str(node), str(node), OSError(errno.EBUSY, "no"))
        finally:
            process.kill()
            await process.communicate()
    assert f"tail (pid {process.pid})" in error.text
