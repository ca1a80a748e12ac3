"""Cameras that lock an account after wrong passwords: an hour's attempts of the gateway never lock it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from camera_fixture import inject_fault, open_camera
from support.patience import PATIENCE_S

from drivers.camera.anpr.dahua import DahuaPlateCamera
from drivers.camera.anpr.hikvision import HikvisionPlateCamera
from drivers.camera.onvif.driver import OnvifCamera
from drivers.camera.rtsp import RtspCamera
from drivers.camera.snapshot import HttpSnapshotCamera
from drivers.links.link import CredentialsRefusedError
from simulators.registry import parse_settings

USER = {"username": "watch", "password": "two words"}
ATTEMPTS_AN_HOUR = 3
"""The worker makes no more: tests/gateway/worker/test_worker_attempts.py."""

Opening = Callable[..., Any]


def over_http(driver: type[Any], **fixed: Any) -> Opening:
    return lambda simulated, **settings: open_camera(driver, url=simulated.server.url, **fixed, **settings)


def over_rtsp(simulated: Any, **settings: Any) -> Any:
    return open_camera(RtspCamera, url=f"rtsp://127.0.0.1:{simulated.server.port}/stream", **settings)


ALONE = {"rtsp_port": 0, "discoverable": False}
CAMERAS: dict[str, tuple[dict[str, Any], Opening]] = {
    "camera-snapshot": ({}, over_http(HttpSnapshotCamera, path="/snapshot.jpg")),
    "camera-rtsp": ({"frames_per_s": 25.0, "key_every_s": 0.2}, over_rtsp),
    "camera-onvif": ({"frames_per_s": 25.0, "key_every_s": 0.2, **ALONE}, over_http(OnvifCamera)),
    "anpr-hikvision": ({}, over_http(HikvisionPlateCamera)),
    "anpr-dahua": ({}, over_http(DahuaPlateCamera)),
}


@contextlib.asynccontextmanager
async def camera(kind: str, **settings: Any) -> AsyncIterator[Any]:
    simulated: Any = parse_settings({"name": "lane-1/camera", "kind": kind, "port": 0, **settings}).build()
    ready = asyncio.Event()
    running = asyncio.create_task(simulated.run(lambda event, _: ready.set() if event == "ready" else None))
    await ready.wait()
    try:
        yield simulated
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


@pytest.mark.parametrize(
    ("kind", "auth"),
    [
        *((kind, "digest") for kind in CAMERAS),
        # Over RTSP without TLS, Basic is not answered.
        *((kind, "basic") for kind in CAMERAS if kind != "camera-rtsp"),
    ],
)
async def test_attempts_of_an_hour_do_not_lock_the_account(kind: str, auth: str) -> None:
    settings, opening = CAMERAS[kind]
    async with camera(kind, auth=auth, **settings, **USER) as simulated:
        await inject_fault(simulated, "account-lock", after=ATTEMPTS_AN_HOUR + 1)
        for number in range(1, ATTEMPTS_AN_HOUR + 1):
            with pytest.raises(CredentialsRefusedError):
                async with asyncio.timeout(PATIENCE_S), opening(simulated, username="watch", password="no"):
                    pass
            assert simulated.access.wrong_passwords == number, "one attempt, one wrong password"
        async with asyncio.timeout(PATIENCE_S), opening(simulated, **USER) as opened:
            assert opened.identity.model


@pytest.mark.parametrize("kind", CAMERAS)
async def test_locked_account_refuses_right_password(kind: str) -> None:
    settings, opening = CAMERAS[kind]
    async with camera(kind, **settings, **USER) as simulated:
        await inject_fault(simulated, "account-lock", after=1)
        for password in ("no", USER["password"]):
            with pytest.raises(CredentialsRefusedError) as refused:
                async with (
                    asyncio.timeout(PATIENCE_S),
                    opening(simulated, username="watch", password=password),
                ):
                    pass
            assert "locked" in refused.value.how
        simulated.access.unlock()
        async with asyncio.timeout(PATIENCE_S), opening(simulated, **USER):
            pass
