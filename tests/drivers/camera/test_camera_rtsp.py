"""Pictures from a stream: never older than their request, and every failure reported at once."""

import asyncio
import contextlib
import io
import logging
import ssl
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import psutil
import pytest
from camera_fixture import CameraFixture, inject_fault, open_camera
from PIL import Image
from pydantic import ValidationError
from support.brokers.certificates import Authority
from support.patience import PATIENCE_S

from drivers.camera.observations import PictureCaptured
from drivers.camera.rtsp import RtspCamera, RtspCameraSettings, _jpeg
from drivers.links.link import Cause, LinkError
from drivers.links.rtsp import client
from drivers.links.video.rtsp import DecodedFrame, LatencyEstimator
from simulators.camera.frame_stamp import FrameStamp
from simulators.registry import parse_settings

USER = {"username": "watch", "password": "two words"}
QUICK = {"latency_s": 0.1, "no_frame_timeout_s": 0.5, "open_timeout_s": 3.0}
PATIENT = {"no_frame_timeout_s": 5.0}
"""For tests that are not about silence: simulator and driver share one process of a busy machine."""


@contextlib.asynccontextmanager
async def camera(**settings: Any) -> AsyncIterator[Any]:
    quick = {
        "name": "lane-1/camera",
        "kind": "camera-rtsp",
        "port": 0,
        "frames_per_s": 25.0,
        "key_every_s": 0.2,
    }
    simulated: Any = parse_settings(quick | settings).build()
    ready = asyncio.Event()
    running = asyncio.create_task(simulated.run(lambda event, _: ready.set() if event == "ready" else None))
    await ready.wait()
    try:
        yield simulated
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


def open_driver(simulated: Any, path: str = "stream", **settings: Any) -> Any:
    return open_camera(RtspCamera, url=f"rtsp://127.0.0.1:{simulated.server.port}/{path}", **QUICK | settings)


async def captured(opened: CameraFixture) -> tuple[FrameStamp, int]:
    asked_ms = time.time_ns() // 1_000_000
    await opened.capture()
    with Image.open(io.BytesIO((await opened.next(PictureCaptured)).attachments[0].content)) as image:
        return FrameStamp.read(image), asked_ms


async def test_no_frame_is_older_than_its_request() -> None:
    async with camera(**USER) as simulated, open_driver(simulated, **USER, **PATIENT) as opened:
        assert opened.driver.links.is_simulated
        for _ in range(15):
            stamp, asked_ms = await captured(opened)
            assert stamp.at_ms >= asked_ms


async def test_buffered_frame_is_late() -> None:
    late = LatencyEstimator()
    ms = 1_000_000
    assert late.update(1_000 * ms, 0) == 0
    assert late.update(1_040 * ms, 40 * ms) == 0
    assert late.update(1_300 * ms, 80 * ms) == 220 * ms
    assert late.update(1_301 * ms, 120 * ms) == 181 * ms
    assert late.update(1_159 * ms, 160 * ms) == 0, "faster than all before"
    assert late.update(1_200 * ms, 200 * ms) == 1 * ms
    assert late.update(99_000 * ms, 0) == 0, "a stream whose clock restarts"
    assert late.update(140_000 * ms, 40_990 * ms) == 0, "a drifting clock is not late forever"


async def test_stalled_camera_is_reported_in_time() -> None:
    async with camera() as simulated, open_driver(simulated, no_frame_timeout_s=1.0) as opened:
        await captured(opened)
        await inject_fault(simulated, "stall", for_s=30)
        begun_s = time.monotonic()
        error = await opened.next(LinkError)
        assert error.cause is Cause.NO_RESPONSE
        assert time.monotonic() - begun_s < 3


async def test_killed_camera_is_lost_link() -> None:
    async with camera() as simulated:
        async with open_driver(simulated) as opened:
            await captured(opened)
            await inject_fault(simulated, "service-dies")
            assert (await opened.next(LinkError)).cause in (Cause.LINK_FAILED, Cause.NO_RESPONSE)
        with pytest.raises(LinkError) as refused:
            async with open_driver(simulated):
                pass
        assert refused.value.cause is Cause.NO_RESPONSE


async def test_wrong_password_and_path_are_reported(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    async with camera(**USER) as simulated:
        for more, cause in (
            ({"username": "watch", "password": "s3cr3t"}, Cause.NO_PERMISSION),
            ({}, Cause.NO_PERMISSION),
            (USER | {"path": "nothing"}, Cause.WRONG_DEVICE),
        ):
            with pytest.raises(LinkError) as refused:
                async with open_driver(simulated, **more):
                    pass
            error = refused.value
            assert error.cause is cause
            chain = [error, error.__cause__, error.__context__]
            said = (
                "".join(map(repr, chain)) + error.text + error.how + caplog.text + "".join(capfd.readouterr())
            )
            assert "s3cr3t" not in said
            assert "two" not in said


async def test_invalid_stream_is_reported() -> None:
    async def hello(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example ESMTP\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(hello, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    with pytest.raises(LinkError) as refused:
        async with open_camera(RtspCamera, url=f"rtsp://127.0.0.1:{port}/", **QUICK):
            pass
    server.close()
    assert refused.value.cause in (Cause.WRONG_DEVICE, Cause.LINK_FAILED, Cause.NO_RESPONSE)


async def test_other_frame_size_is_accepted() -> None:
    async with camera() as simulated, open_driver(simulated, no_frame_timeout_s=2.0) as opened:
        await captured(opened)
        await inject_fault(simulated, "format-changed", size="1280x720")
        sizes = set()
        while (1280, 720) not in sizes:
            await opened.capture(timeout_s=10)
            read = await opened.next(PictureCaptured)
            sizes.add((read.width_px, read.height_px))
        assert sizes <= {(640, 360), (1280, 720)}


class Seen:
    """The simulated camera's view, frame by frame."""

    def __init__(self, simulated: Any) -> None:
        self._frame = simulated.sensor.frame
        self._images: dict[FrameStamp, Any] = {}
        simulated.sensor.frame = self._look

    def _look(self) -> tuple[Image.Image, FrameStamp]:
        image, stamp = self._frame()
        self._images[stamp] = np.asarray(image.convert("L")).astype(int)
        return image, stamp

    def differ(self, picture: Image.Image) -> float:
        """Return the largest difference of a picture to the view, of 255, over squares of 40 by 40 pixels."""
        shown = np.asarray(picture.convert("L")).astype(int)
        differences = np.abs(shown - self._images[FrameStamp.read(picture)])
        return float(differences.reshape(9, 40, 16, 40).mean((1, 3)).max())


@pytest.mark.parametrize(("codec", "slices"), [("h264", 1), ("h264", 4), ("h265", 1)])
async def test_incomplete_frame_is_never_used(codec: str, slices: int) -> None:
    async with camera(codec=codec, slices=slices) as simulated:
        seen = Seen(simulated)
        async with open_driver(simulated, no_frame_timeout_s=8) as opened:
            for which in ("last", "middle", "first"):
                # So many frames in a row include a key frame, of many packets.
                await inject_fault(simulated, "packet-loss", which=which, times=5)
                for _ in range(2):
                    await opened.capture(timeout_s=10)
                    shown = io.BytesIO((await opened.next(PictureCaptured)).attachments[0].content)
                    with Image.open(shown) as picture:
                        assert seen.differ(picture) < 12


@pytest.mark.parametrize("algorithm", ["MD5", "SHA-256"])
async def test_session_is_kept_and_ended(algorithm: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The nonce expires meanwhile: a refused request for keeping the session is repeated with the new one."""
    monkeypatch.setattr(client, "MIN_KEEPALIVE_S", 0.2)
    monkeypatch.setattr(client, "_session", lambda header: (header.partition(";")[0], 0))
    async with camera(**USER) as simulated:
        simulated.access.algorithm = algorithm
        simulated.access.with_qop = algorithm == "SHA-256"
        async with open_driver(simulated, **USER, no_frame_timeout_s=5.0) as opened:
            simulated.access._nonces.clear()
            async with asyncio.timeout(PATIENCE_S):
                while methods(simulated).count("GET_PARAMETER") < 4:
                    await opened.capture(timeout_s=10)
                    await opened.next(PictureCaptured)
        async with asyncio.timeout(PATIENCE_S):
            while "TEARDOWN" not in methods(simulated):
                await asyncio.sleep(0.01)


def methods(simulated: Any) -> list[str]:
    return [request.method for request in simulated.server.request_count]


async def test_encrypted_stream_is_read(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    issued = authority.issue("camera")
    async with camera(**USER) as simulated:
        simulated.server.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        simulated.server.tls.load_cert_chain(issued, issued.with_suffix(".key"))
        url = f"rtsps://127.0.0.1:{simulated.server.port}/stream"
        async with open_camera(
            RtspCamera, url=url, ca_file=authority.file, **QUICK | PATIENT | USER
        ) as opened:
            await captured(opened)


async def test_many_streams_leave_nothing() -> None:
    async with camera() as simulated:
        for _ in range(3):
            async with open_driver(simulated):
                pass


def test_converted_frames_keep_no_threads() -> None:
    planes = np.zeros((540, 640), np.uint8)
    frames = [DecodedFrame(av.VideoFrame.from_ndarray(planes, "yuv420p"), 0, 0) for _ in range(3)]
    before = psutil.Process().num_threads()
    for frame in frames:
        assert _jpeg(frame, 90)
    assert psutil.Process().num_threads() == before


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"url": "http://127.0.0.1/"}, "neither rtsp"),
        ({"url": "rtsp://u:secret@127.0.0.1/"}, "contains a password"),
        ({"url": "rtsp://192.0.2.7/"}, "unencrypted over a network"),
        ({"url": "rtsp://127.0.0.1:port/"}, "is not an address"),
        ({"url": "rtsp://127.0.0.1/", "username": "x"}, "belong together"),
    ],
)
def test_invalid_settings_are_refused(settings: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError, match=why) as error:
        RtspCameraSettings(**settings)
    assert "secret" not in str(error.value)
