"""Pushed plate reads: several events are one vehicle, and numbers of vehicles may be reused."""

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


async def push(opened: CameraFixture, *events: Any) -> None:
    url = f"http://127.0.0.1:{opened.driver.listener.port}/"  # type: ignore[attr-defined]
    async with httpx.AsyncClient(trust_env=False) as client:
        for each in events:
            body = each if isinstance(each, bytes) else json.dumps(each).encode()
            assert (await client.post(url, content=body)).status_code == 200


def pushed(car: str, *, length: bool) -> bytes:
    """A request of the camera, with its length, or in chunks."""
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


async def test_vehicle_is_reported_once_at_first_event() -> None:
    async with listening() as opened:
        await push(opened, event(), event(), event(state="update"), event(state="lost"), event("54951"))
        first, second = await opened.next(PlateRead), await opened.next(PlateRead)
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


async def test_vehicle_is_reported_with_direction_when_lost() -> None:
    async with listening(report_on="lost") as opened:
        await push(opened, event(), event(state="update"), event(state="lost"), event(state="lost"))
        await push(opened, event("2", "lost"))
        first = await opened.next(PlateRead)
        assert (first.vendor_id, first.direction) == ("54950", VehicleDirection.LEAVING)
        assert (await opened.next(PlateRead)).vendor_id == "2"


async def test_vehicle_without_first_event_is_reported() -> None:
    async with listening() as opened:
        await push(opened, event(state="update"), event(state="lost"))
        assert (await opened.next(PlateRead)).direction is VehicleDirection.LEAVING


async def test_reused_number_is_new_vehicle(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with listening() as opened:
        await push(opened, event())
        await opened.next(PlateRead)
        monkeypatch.setattr(axis, "DEDUP_WINDOW_NS", -1)
        await push(opened, event(state="lost"), event("54950", plateUTF8="UBB 9"))
        assert (await opened.next(PlateRead)).plate == "UBB9"


@pytest.mark.parametrize(
    "pictures",
    [
        {"imageType": "plate", "imageArray": base64.b64encode(PICTURE).decode()},
        {"ImageArray": [{"ImageType": "plate", "BinaryImage": base64.b64encode(PICTURE).decode()}]},
    ],
)
async def test_base64_pictures_are_attached(pictures: dict[str, Any]) -> None:
    async with listening() as opened:
        await push(opened, event(**pictures))
        (picture,) = (await opened.next(PlateRead)).attachments
        assert (picture.role, picture.content) == ("plate", PICTURE)


@pytest.mark.parametrize("length", [True, False])
async def test_push_cut_at_every_byte_is_one_event(length: bool) -> None:
    async with listening() as opened:
        at = "127.0.0.1", opened.driver.listener.port  # type: ignore[attr-defined]
        reader, writer = await asyncio.open_connection(*at)
        cuts = range(len(pushed("000000", length=length)))
        for cut in cuts:
            whole = pushed(f"{cut:06}", length=length)
            if cut % 16 == 0:  # and one that is aborted there, and repeated
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
        reads = [await opened.next(PlateRead) for _ in cuts]
        assert [read.vendor_id for read in reads] == [f"{cut:06}" for cut in cuts]
        assert {picture.content for read in reads for picture in read.attachments} == {PICTURE}
        assert {len(read.attachments) for read in reads} == {1}
        assert opened.said.empty()


async def test_damaged_picture_is_counted() -> None:
    async with listening() as opened:
        torn = [base64.b64encode(PICTURE[:-9]).decode(), "no base64!"]
        await push(opened, event(ImageArray=[{"ImageType": "plate", "BinaryImage": each} for each in torn]))
        await opened.next(BadFrame)
        await opened.next(BadFrame)
        read = await opened.next(PlateRead)
        assert (read.attachments, read.missing_images) == ((), 2)


async def test_invalid_push_does_not_affect_next() -> None:
    async with listening() as opened:
        odd: list[Any] = [b"", b"{", b"[" * 100_000, 1, [1], {"carState": 5}, {"carState": "gone"}]
        odd += [
            event("9", plateUTF8=["a"], plateText=None, capture_timestamp=True, plateConfidence={}, carID=9)
        ]
        await push(opened, *odd, event("10"))
        reads = [await opened.next(PlateRead), await opened.next(PlateRead)]
        assert [(read.vendor_id, read.plate) for read in reads] == [("9", None), ("10", "KCA123X")]


async def test_time_without_zone_stays_without() -> None:
    async with listening() as opened:
        await push(opened, event(capture_timestamp=""))
        assert (await opened.next(PlateRead)).camera_time == "2023-12-11T14:27:05.507"


async def test_open_and_close_leave_nothing() -> None:
    for _ in range(100):
        async with listening():
            pass
