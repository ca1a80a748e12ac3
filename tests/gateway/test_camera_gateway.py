"""Pictures and plates of a lane, from simulated cameras to a subscription; worker, disk, broker are real."""

import asyncio
import contextlib
import io
import sqlite3
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from PIL import Image
from support.gateways import House, house, until
from support.mosquitto import Mosquitto

from drivers.camera.commands import PictureTaken, TakePicture
from drivers.camera.observations import PlateRead, SceneCaptured
from gateway.client import Received, Workstation
from gateway.contract.envelope import Provenance
from simulators.camera.stamp import Stamp
from simulators.kinds import settings_of

__all__ = ["house"]

CAMERA, PLATES = "lane-1/camera", "lane-1/plates"
COMMANDS = """
[commands]
roles_file = "roles.toml"
"""
ROLES = """
authority = "UTO"
[role.officer]
verbs = ["*"]
[station.counter-1]
roles = ["officer"]
positions = ["lane-1/*"]
"""
DEVICE = """
[device."{position}"]
driver = "{driver}"
url = "{url}"
username = "watch"
password = "two words"
{more}
"""


@pytest.fixture
def mosquitto() -> Iterator[Mosquitto]:
    with Mosquitto() as broker:
        yield broker


@contextlib.asynccontextmanager
async def simulated(position: str, kind: str) -> AsyncIterator[Any]:
    user = {"username": "watch", "password": "two words"}
    camera: Any = settings_of({"name": position, "kind": kind, "port": 0} | user).build()
    ready = asyncio.Event()
    running = asyncio.create_task(camera.run(lambda event, _: ready.set() if event == "ready" else None))
    await ready.wait()
    try:
        yield camera
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def next_of(desk: Workstation, kind: type[object]) -> Received:
    async with asyncio.timeout(20):
        async for received in desk:
            if isinstance(received.data, kind):
                return received
    raise AssertionError("the subscription ended")


def images_on_disk(house: House) -> int:
    file = house.folder / "state" / "outbox" / "outbox.db"
    with contextlib.closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as connection:
        return int(connection.execute("SELECT count(*) FROM blob").fetchone()[0])


async def test_a_picture_that_is_asked_for_and_a_plate_that_passes_reach_the_counter(house: House) -> None:
    async with simulated(CAMERA, "camera-snapshot") as eye, simulated(PLATES, "anpr-hikvision") as lane:
        (house.folder / "roles.toml").write_text(ROLES)
        house.extra = COMMANDS
        house.devices[CAMERA] = DEVICE.format(
            position=CAMERA, driver="camera-snapshot", url=eye.server.url, more='path = "/snapshot.jpg"'
        )
        house.devices[PLATES] = DEVICE.format(
            position=PLATES, driver="anpr-hikvision", url=lane.server.url, more=""
        )
        house.write()
        await house.start()
        async with house.workstation(CAMERA, PLATES, station="counter-1") as desk:
            await until(lambda: desk.status(CAMERA).online and desk.status(PLATES).online)

            asked_ms = time.time_ns() // 1_000_000
            done = await desk.command(CAMERA, "capture", TakePicture(), done=PictureTaken, transaction="t-1")
            taken = await next_of(desk, SceneCaptured)
            with Image.open(io.BytesIO(taken.images["picture"])) as picture:
                assert Stamp.read(picture).at_ms >= asked_ms
            assert done.result.frames == 1
            assert (taken.envelope.transaction, taken.envelope.provenance) == ("t-1", Provenance.SIMULATED)

            await until(lambda: bool(lane.listening))
            await lane.obey("insert", {"plate": "UT 482 KX"})
            read = await next_of(desk, PlateRead)
            assert isinstance(read.data, PlateRead)
            assert (read.data.plate, set(read.images)) == ("UT482KX", {"plate", "scene"})
            await until(lambda: images_on_disk(house) == 0)
        assert await house.stop() == 0
