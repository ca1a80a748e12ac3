"""Plates that a camera pushes: several events are one vehicle, and another one may have its number."""

import asyncio
import base64
import json
from typing import Any

import httpx
import pytest
from camera_fixture import CameraFixture, jpeg, open_camera

from drivers.camera.anpr import axis
from drivers.camera.anpr.axis import AxisPlateCamera
from drivers.camera.observations import PlateRead, VehicleDirection
from drivers.driver import BadFrame

PICTURE = jpeg(1, width=16, height=16)


def event(car: str = "54950", state: str = "new", **more: Any) -> dict[str, Any]:
    return {
        "packetCounter": "2117397",
        "capture_timestamp": "1702297625507",
        "datetime": "20231211 142705507",
        "plateText": "KCA123X",
        "plateUTF8": "KCA 123X",
        "plateCountry": "KEN",
        "plateConfidence": "0.737210",
        "carState": state,
        "roiID": "1",
        "carMoveDirection": "unknown" if state == "new" else "out",
        "carID": car,
    } | more


async def push(bench: CameraFixture, *events: Any) -> None:
    url = f"http://127.0.0.1:{bench.driver.listener.port}/"  # type: ignore[attr-defined]
    async with httpx.AsyncClient(trust_env=False) as client:
        for each in events:
            body = each if isinstance(each, bytes) else json.dumps(each).encode()
            assert (await client.post(url, content=body)).status_code == 200


def pushed(car: str, *, length: bool) -> bytes:
    """A request as a camera sends it, with its length, or in chunks."""
    body = json.dumps(event(car, imageType="plate", imageArray=base64.b64encode(PICTURE).decode())).encode()
    framing = f"Content-Length: {len(body)}" if length else "Transfer-Encoding: chunked"
    if not length:
        pieces = (body[:100], body[100:], b"")
        body = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
    return f"POST /plates HTTP/1.1\r\nHost: post\r\n{framing}\r\n\r\n".encode() + body


def listening(**settings: Any) -> Any:
    return open_camera(
        AxisPlateCamera, **{"listen": "127.0.0.1:0", "allowed_sources": ["127.0.0.1"]} | settings
    )


async def test_a_vehicle_is_one_event_told_at_once() -> None:
    async with listening() as bench:
        await push(bench, event(), event(), event(state="update"), event(state="lost"), event("54951"))
        first, second = await bench.next(PlateRead), await bench.next(PlateRead)
        assert (first.vendor_id, second.vendor_id) == ("54950", "54951")
        assert first.model_dump(exclude={"received_at", "attachments"}) == {
            "plate_raw": "KCA 123X",
            "plate": "KCA123X",
            "country": "KEN",
            "confidence": 0.73721,
            "direction": VehicleDirection.UNKNOWN,
            "lane": "1",
            "camera_time": "2023-12-11T12:27:05.507Z",
            "vendor_id": "54950",
            "backlog": False,
            "missing_images": 0,
        }


async def test_or_told_when_it_has_gone_with_its_direction() -> None:
    async with listening(report_on="lost") as bench:
        await push(bench, event(), event(state="update"), event(state="lost"), event(state="lost"))
        await push(bench, event("2", "lost"))
        first = await bench.next(PlateRead)
        assert (first.vendor_id, first.direction) == ("54950", VehicleDirection.LEAVING)
        assert (await bench.next(PlateRead)).vendor_id == "2"


async def test_a_vehicle_whose_first_event_never_came_is_told_all_the_same() -> None:
    async with listening() as bench:
        await push(bench, event(state="update"), event(state="lost"))
        assert (await bench.next(PlateRead)).direction is VehicleDirection.LEAVING


async def test_a_number_that_begins_anew_is_another_vehicle_and_a_parked_one_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with listening() as bench:
        await push(bench, event())
        await bench.next(PlateRead)
        monkeypatch.setattr(axis, "DEDUP_WINDOW_NS", -1)
        await push(bench, event(state="lost"), event("54950", plateUTF8="UBB 9"))
        assert (await bench.next(PlateRead)).plate == "UBB9"


@pytest.mark.parametrize(
    "pictures",
    [
        {"imageType": "plate", "imageArray": base64.b64encode(PICTURE).decode()},
        {"ImageArray": [{"ImageType": "plate", "BinaryImage": base64.b64encode(PICTURE).decode()}]},
    ],
)
async def test_pictures_come_in_base64_beside_the_event(pictures: dict[str, Any]) -> None:
    async with listening() as bench:
        await push(bench, event(**pictures))
        (picture,) = (await bench.next(PlateRead)).attachments
        assert (picture.role, picture.content) == ("plate", PICTURE)


@pytest.mark.parametrize("length", [True, False])
async def test_a_push_cut_at_every_byte_is_one_event_with_its_picture(length: bool) -> None:
    async with listening() as bench:
        at = "127.0.0.1", bench.driver.listener.port  # type: ignore[attr-defined]
        reader, writer = await asyncio.open_connection(*at)
        cuts = range(len(pushed("000000", length=length)))
        for cut in cuts:
            whole = pushed(f"{cut:06}", length=length)
            if cut % 16 == 0:  # and one that hangs up there, and comes again
                _, hasty = await asyncio.open_connection(*at)
                hasty.write(whole[:cut])
                hasty.close()
                await hasty.wait_closed()
            writer.write(whole[:cut])
            for _ in range(3):
                await asyncio.sleep(0)  # the listener reads
            writer.write(whole[cut:])
            assert b" 200 " in await reader.readuntil(b"\r\n\r\n")
        writer.close()
        reads = [await bench.next(PlateRead) for _ in cuts]
        assert [read.vendor_id for read in reads] == [f"{cut:06}" for cut in cuts]
        assert {picture.content for read in reads for picture in read.attachments} == {PICTURE}
        assert {len(read.attachments) for read in reads} == {1}
        assert bench.said.empty()


async def test_a_torn_picture_is_counted_and_costs_only_itself() -> None:
    async with listening() as bench:
        torn = [base64.b64encode(PICTURE[:-9]).decode(), "no base64!"]
        await push(bench, event(ImageArray=[{"ImageType": "plate", "BinaryImage": each} for each in torn]))
        await bench.next(BadFrame)
        await bench.next(BadFrame)
        read = await bench.next(PlateRead)
        assert (read.attachments, read.missing_images) == ((), 2)


async def test_whatever_is_pushed_the_next_vehicle_is_told() -> None:
    async with listening() as bench:
        odd: list[Any] = [b"", b"{", b"[" * 100_000, 1, [1], {"carState": 5}, {"carState": "gone"}]
        odd += [
            event("9", plateUTF8=["a"], plateText=None, capture_timestamp=True, plateConfidence={}, carID=9)
        ]
        await push(bench, *odd, event("10"))
        reads = [await bench.next(PlateRead), await bench.next(PlateRead)]
        assert [(read.vendor_id, read.plate) for read in reads] == [("9", None), ("10", "KCA123X")]


async def test_a_time_without_a_zone_gets_none() -> None:
    async with listening() as bench:
        await push(bench, event(capture_timestamp=""))
        assert (await bench.next(PlateRead)).camera_time == "2023-12-11T14:27:05.507"


async def test_opening_and_closing_leaves_nothing() -> None:
    for _ in range(100):
        async with listening():
            pass
