"""Plate drivers against simulated plate cameras, which share no code with them."""

import asyncio
import contextlib
import io
from collections.abc import AsyncIterator
from typing import Any

import pytest
from camera_fixture import CameraFixture, inject_fault, open_camera
from PIL import Image

from drivers.camera.anpr.axis import AxisPlateCamera
from drivers.camera.anpr.dahua import DahuaPlateCamera
from drivers.camera.anpr.hikvision import HikvisionPlateCamera
from drivers.camera.observations import PlateRead, VehicleDirection
from drivers.links.link import Cause, LinkError
from simulators.camera.frame_stamp import FrameStamp
from simulators.registry import parse_settings

USER = {"username": "watch", "password": "two words"}
BOTH = pytest.mark.parametrize("make", ["hikvision", "dahua"])
DRIVERS = {"hikvision": HikvisionPlateCamera, "dahua": DahuaPlateCamera}


@contextlib.asynccontextmanager
async def camera(make: str, **settings: Any) -> AsyncIterator[Any]:
    quick = {"name": "lane-1/plates", "kind": f"anpr-{make}", "port": 0}
    simulated: Any = parse_settings(quick | settings).build()
    ready = asyncio.Event()
    running = asyncio.create_task(simulated.run(lambda event, _: ready.set() if event == "ready" else None))
    await ready.wait()
    try:
        yield simulated
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


def reading(make: str, simulated: Any, **settings: Any) -> Any:
    return open_camera(DRIVERS[make], url=simulated.server.url, **settings)


async def passes(simulated: Any, plate: str, **more: Any) -> None:
    await simulated.handle_command("insert", {"plate": plate, **more})


async def plates(opened: CameraFixture, count: int) -> list[str | None]:
    return [(await opened.next(PlateRead)).plate for _ in range(count)]


@BOTH
async def test_vehicle_has_read_and_pictures(make: str) -> None:
    async with (
        camera(make, utc_offset_min=180, **USER) as simulated,
        reading(make, simulated, **USER) as opened,
    ):
        assert opened.driver.links.is_simulated
        await passes(simulated, "UT 482 KX", direction="out", lane=2, confidence=90)
        read = await opened.next(PlateRead)
        assert (read.plate_raw, read.plate, read.country, read.lane) == ("UT 482 KX", "UT482KX", "UTO", "2")
        assert read.direction is VehicleDirection.LEAVING
        assert read.confidence == pytest.approx(0.9, abs=0.005)
        assert read.missing_images == 0
        with Image.open(io.BytesIO(read.attachments[-1].content)) as image:
            assert FrameStamp.read(image).number == 0


@BOTH
@pytest.mark.parametrize("fault", ["duplicate", "no-length", "late", "misread", "other-namespace", "stall"])
async def test_vehicle_is_reported_once_under_fault(make: str, fault: str) -> None:
    if fault == "other-namespace" and make == "dahua":
        return
    more = {"late": {"delay_s": 0.05}, "stall": {"hold_s": 0.05, "after": 0.3}}.get(fault, {})
    async with camera(make, **USER) as simulated, reading(make, simulated, **USER) as opened:
        await passes(simulated, "UT 1 A")
        await inject_fault(simulated, fault, **more)
        await passes(simulated, "UT 2 B")
        await passes(simulated, "UT 3 C")
        await asyncio.sleep(0.1 if fault == "late" else 0)
        await passes(simulated, "UT 4 D")
        told = []
        while "UT4D" not in told:
            told += await plates(opened, 1)
        second = None if fault == "misread" else "UT2B"
        assert sorted(map(str, told)) == sorted(map(str, ["UT1A", second, "UT3C", "UT4D"]))


@pytest.mark.parametrize("resends", [False, True])
async def test_cut_connections_lose_no_vehicle(resends: bool) -> None:
    async with (
        camera("hikvision", resends=resends, heartbeat_s=0.05) as simulated,
        reading("hikvision", simulated, picture_timeout_s=0.1) as opened,
    ):
        passed = []
        for number, at in enumerate((0, 1, 60, 400, 900, 1500, 2500, 5000, 9000)):
            await inject_fault(simulated, "cut", at=at)
            passed += [f"UT{number}A", f"UT{number}B"]
            await passes(simulated, f"UT {number} A")
            await passes(simulated, f"UT {number} B")
            told = sorted(map(str, await plates(opened, 2)))
            assert told == sorted(passed[-2:]), at
        await passes(simulated, "UT 99 Z")
        assert await plates(opened, 1) == ["UT99Z"]


@BOTH
async def test_dead_camera_and_wrong_password(make: str) -> None:
    async with camera(make, **USER) as simulated:
        async with reading(make, simulated, **USER) as opened:
            await inject_fault(simulated, "service-dies", for_s=0.1)
            assert (await opened.next(LinkError)).cause in (Cause.NO_RESPONSE, Cause.LINK_FAILED)
        await asyncio.sleep(0.1)
        with pytest.raises(LinkError) as refused:
            async with reading(make, simulated, username="watch", password="wrong"):
                pass
        assert refused.value.cause in (Cause.NO_PERMISSION, Cause.NO_RESPONSE)


@pytest.mark.parametrize(
    ("report_on", "direction"), [("new", VehicleDirection.UNKNOWN), ("lost", VehicleDirection.LEAVING)]
)
async def test_axis_vehicle_is_one_event(report_on: str, direction: VehicleDirection) -> None:
    async with open_camera(
        AxisPlateCamera, listen="127.0.0.1:0", allowed_sources=["127.0.0.1"], report_on=report_on
    ) as opened:
        push_to = f"http://127.0.0.1:{opened.driver.listener.port}/plates"  # type: ignore[attr-defined]
        async with camera("axis", push_to=push_to, update_s=0.01, lost_s=0.02, resends=True) as simulated:
            for fault in ("duplicate", "no-length", "cut", "late"):
                await inject_fault(simulated, fault, **({"delay_s": 0.02} if fault == "late" else {}))
                await passes(simulated, "UT 5 E", direction="out")
                await simulated.handle_command("insert", {"plate": "UT 6 F", "direction": "out"})
            reads = [await opened.next(PlateRead) for _ in range(8)]
            assert sorted(read.vendor_id for read in reads) == [str(number) for number in range(1, 9)]
            assert {read.direction for read in reads} == {direction}
            assert all([picture.role for picture in read.attachments] == ["plate", "scene"] for read in reads)
            assert opened.driver.links.is_simulated
