"""Plate reads over endless responses: every vehicle once, with whole pictures, wherever bytes are cut.

The second of two vehicles is cut at some bytes only; at every one (ten minutes) with

    BORDERPOST_PLATE_CUTS=every pytest tests/drivers/camera/anpr/test_camera_plates.py
"""

import asyncio
import os
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from camera_fixture import ReceivedRequest, ScriptedHttpServer, jpeg, open_camera, part
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.camera.anpr.dahua import DahuaPlateCamera, DahuaSettings
from drivers.camera.anpr.hikvision import HikvisionPlateCamera, HikvisionSettings
from drivers.camera.anpr.plate_camera import PlateCamera
from drivers.camera.multipart import MultipartReader
from drivers.camera.observations import PlateRead, VehicleDirection
from drivers.driver import BadFrame
from drivers.links.factory import LinkFactory
from drivers.links.link import Cause, LinkError
from drivers.observation import redact

PLATE, SCENE = (jpeg(number, width=16, height=8, noise=1, quality=20) for number in (1, 2))
HIKVISION, DAHUA = HikvisionSettings(url="http://127.0.0.1"), DahuaSettings(url="http://127.0.0.1")
URN = "http://www.isapi.org/ver20/XMLSchema"
EVERY_BYTE = os.environ.get("BORDERPOST_PLATE_CUTS") == "every"


def alert(
    plate: str = "KCA 123X",
    identity: str = "u-1",
    *,
    kind: str = "ANPR",
    state: str = "active",
    second: int = 3,
    pictures: int | None = 2,
    prefix: str = "",
    urn: str = URN,
) -> bytes:
    p = f"{prefix}:" if prefix else ""
    announced = f"<{p}picNum>{pictures}</{p}picNum>" if pictures is not None else ""
    namespace = f'xmlns{":" if prefix else ""}{prefix}="{urn}"' if urn else ""
    return (
        f'<?xml version="1.0" encoding="utf-8"?>\n<{p}EventNotificationAlert version="2.0" {namespace}>'
        f"<{p}channelID>1</{p}channelID><{p}dateTime>2026-11-27T11:48:{second:02}.847+03:00</{p}dateTime>"
        f"<{p}eventType>{kind}</{p}eventType><{p}eventState>{state}</{p}eventState>"
        f"<{p}ANPR><{p}country>64</{p}country><{p}licensePlate>{plate}</{p}licensePlate><{p}line>1</{p}line>"
        f"<{p}direction>forward</{p}direction><{p}confidenceLevel>97</{p}confidenceLevel></{p}ANPR>"
        f"<{p}UUID>{identity}</{p}UUID>{announced}</{p}EventNotificationAlert>\n"
    ).encode()


def passing(plate: str, identity: str, *, length: bool = True, second: int = 3, **how: Any) -> bytes:
    """A vehicle in Hikvision's stream: the read and two pictures."""
    return (
        part(alert(plate, identity, second=second, **how), "application/xml", length=length, name="anpr.xml")
        + part(PLATE, length=length, name="licensePlatePicture.jpg")
        + part(SCENE, length=length, name="detectionPicture.jpg")
    )


def beat(length: bool = True) -> bytes:
    return part(alert(kind="videoloss", state="inactive", pictures=None), "application/xml", length=length)


def lines(plate: str, group: int, number: int = 1, count: int = 1) -> bytes:
    return "\r\n".join(
        f"Events[0].{key}={value}"
        for key, value in {
            "EventBaseInfo.Code": "TrafficJunction",
            "CountInGroup": count,
            "IndexInGroup": number,
            "GroupID": group,
            "UTC": 1795780083,
            "RealUTC": 1795769283,
            "UTCMS": 47,
            "Lane": 2,
            "TrafficCar.PlateNumber": plate,
            "TrafficCar.DrivingDirection[0]": "Leave",
            "TrafficCar.Country": "UGA",
            "Object.Confidence": 204,
        }.items()
    ).encode()


def taken(plate: str, group: int, pictures: int = 1, length: bool = True) -> bytes:
    """A vehicle in Dahua's stream: lines and a picture, once or several times."""
    return b"".join(
        part(lines(plate, group, number + 1, pictures), "text/plain", length=length)
        + part((PLATE, SCENE)[number % 2], length=length)
        for number in range(pictures)
    )


HEARTBEAT = part(b"Heartbeat", "text/plain")


class Reads:
    """A driver without its link: bytes in, observations out."""

    def __init__(self, driver: PlateCamera[Any]) -> None:
        self.driver = driver

    def of(self, stream: bytes, *cuts: int) -> list[Any]:
        parts = MultipartReader("myboundary", 1_000_000)
        said: list[Any] = []
        for begin, end in zip((0, *cuts), (*cuts, len(stream)), strict=True):
            for each in parts.feed(stream[begin:end]):
                said += self.driver._take(each)
        return said


async def hikvision() -> Reads:
    driver = HikvisionPlateCamera(HIKVISION, LinkFactory())
    return Reads(driver)


async def dahua() -> Reads:
    return Reads(DahuaPlateCamera(DAHUA, LinkFactory()))


def plates(said: list[Any]) -> list[str]:
    return [each.plate for each in said if isinstance(each, PlateRead)]


def pictures(read: PlateRead) -> dict[str, bytes]:
    return {picture.role: picture.content for picture in read.attachments}


@pytest.mark.parametrize("length", [True, False])
async def test_hikvision_cut_at_every_byte(length: bool) -> None:
    one = passing("KCA 123X", "u-1", length=length)
    stream = one + passing("UBB-9", "u-2", length=length) + beat(length)
    for cut in (*range(len(one) + 1), *range(len(one), len(stream), 1 if EVERY_BYTE else 13)):
        said = (await hikvision()).of(stream, cut)
        assert plates(said) == ["KCA123X", "UBB9"], cut
        assert all(pictures(read) == {"plate": PLATE, "scene": SCENE} for read in said), cut


@pytest.mark.parametrize("length", [True, False])
async def test_dahua_cut_at_every_byte(length: bool) -> None:
    one = taken("UBB 1", 41, length=length)
    stream = one + HEARTBEAT + taken("UBB 2", 42, 3, length=length) + HEARTBEAT
    for cut in (*range(len(one) + 1), *range(len(one), len(stream), 1 if EVERY_BYTE else 13)):
        said = (await dahua()).of(stream, cut)
        assert plates(said) == ["UBB1", "UBB2"], cut
        assert [len(read.attachments) for read in said] == [1, 3], cut
        assert all(picture.content in (PLATE, SCENE) for read in said for picture in read.attachments)


@settings(max_examples=40)
@given(
    st.lists(st.tuples(st.integers(1, 4), st.booleans(), st.sampled_from([None, 2])), max_size=7),
    st.lists(st.integers(0, 20_000), max_size=6),
)
async def test_repeated_passages_are_one_event_each(
    told: list[tuple[int, bool, int | None]], cuts: list[int]
) -> None:
    stream = beat() + b"".join(
        passing(f"KA {car}", f"u-{car}", length=length, pictures=count) + beat()
        for car, length, count in told
    )
    said = (await hikvision()).of(stream, *sorted(min(cut, len(stream)) for cut in cuts))
    assert plates(said) == [f"KA{car}" for car in dict.fromkeys(car for car, *_ in told)]
    assert all(pictures(read) == {"plate": PLATE, "scene": SCENE} for read in said)
    assert all(read.missing_images == 0 for read in said)


@pytest.mark.parametrize(
    ("prefix", "urn"),
    [("", URN), ("", "http://www.hikvision.com/ver20/XMLSchema"), ("ns1", "urn:any"), ("", "")],
)
async def test_any_namespace_is_accepted(prefix: str, urn: str) -> None:
    (read,) = (await hikvision()).of(passing("KCA 123X", "u-1", prefix=prefix, urn=urn))
    assert read.model_dump(exclude={"received_at", "attachments"}) == {
        "plate_raw": "KCA 123X",
        "plate": "KCA123X",
        "country": "64",
        "confidence": 0.97,
        "direction": VehicleDirection.APPROACHING,
        "lane": "1",
        "camera_time": "2026-11-27T11:48:03.847+03:00",
        "vendor_id": "u-1",
        "backlog": False,
        "missing_images": 0,
    }


async def test_dahua_lines_give_same_event() -> None:
    (read,) = (await dahua()).of(taken("KCA 123X", 41))
    assert (read.country, read.confidence, read.lane, read.direction) == (
        "UGA",
        0.8,
        "2",
        VehicleDirection.LEAVING,
    )
    assert read.vendor_id == "41"
    assert read.camera_time == "2026-11-27T08:48:03.047Z", "`UTC` is local time despite its name"


async def test_unread_plate_is_an_event() -> None:
    (read,) = (await hikvision()).of(passing("unknown", "u-1"))
    assert (read.plate_raw, read.plate) == ("unknown", None)


async def test_damaged_picture_is_counted() -> None:
    torn = part(PLATE[:-30], name="licensePlatePicture.jpg")
    stream = part(alert(), "application/xml") + torn + part(SCENE, name="detectionPicture.jpg") + beat()
    bad, read = (await hikvision()).of(stream)
    assert (type(bad), bad.fault, read.missing_images) == (BadFrame, "cut", 1)
    assert pictures(read) == {"scene": SCENE}


async def test_invalid_part_is_bad_frame() -> None:
    bombs = b"<!DOCTYPE x [<!ENTITY a 'aa'>]><EventNotificationAlert>&a;</EventNotificationAlert>"
    for nonsense in (b"<EventNotificationAlert>", bombs, b"<other/>", b"<\xff\xfe>"):
        said = (await hikvision()).of(part(nonsense, "application/xml") + passing("KA 1", "u-1"))
        assert [type(each) for each in said] == [BadFrame, PlateRead]
    said = (await dahua()).of(part(b"what?", "text/plain") + taken("KA 1", 41))
    assert [type(each) for each in said] == [BadFrame, PlateRead]


@given(st.binary(max_size=200))
async def test_driver_accepts_any_bytes(noise: bytes) -> None:
    for reads, media_type in ((await hikvision(), "application/xml"), (await dahua(), "text/plain")):
        reads.of(part(noise, media_type) + part(b"<" + noise + b">", media_type) + part(noise, "image/jpeg"))
        reads.of(
            part(
                b"Events[0]." + noise.replace(b"\n", b"") + b"=1\nEvents[0].Object.Text=" + noise, media_type
            )
        )


async def test_plate_is_not_logged() -> None:
    (read,) = (await hikvision()).of(passing("KCA 123X", "u-KCA123X"))
    assert "KCA" not in str(redact(read))


# Over HTTP.


class Lane(ScriptedHttpServer):
    """A plate camera with scripted stream and list."""

    def __init__(self) -> None:
        super().__init__(self.answer)
        self.streaming: asyncio.Queue[ReceivedRequest] = asyncio.Queue()
        self.listed = b""

    async def answer(self, asked: ReceivedRequest) -> None:
        if "alertStream" in asked.path or "snapManager" in asked.path:
            await asked.stream()
            self.streaming.put_nowait(asked)
            await asyncio.sleep(3600)
        elif "vehicleDetect" in asked.path:
            await asked.answer(b"<Plates xmlns='urn:x'>" + self.listed + b"</Plates>", "application/xml")
        elif "deviceInfo" in asked.path:
            info = b"<DeviceInfo><model>iDS-TCM403</model><serialNumber>SIM-1</serialNumber></DeviceInfo>"
            await asked.answer(info, "application/xml")
        else:
            await asked.answer(b"deviceType=ITC413\r\nserialNumber=SIM-2\r\n", "text/plain")


def row(plate: str, second: int, picture: str = "p") -> bytes:
    return (
        f"<Plate><captureTime>20261127T1148{second:02}</captureTime><plateNumber>{plate}</plateNumber>"
        f"<picName>{picture}</picName><country>64</country><laneNo>1</laneNo><direction>reverse</direction></Plate>"
    ).encode()


def reading(kind: type[PlateCamera[Any]], lane: Lane, **more: Any) -> Any:
    return open_camera(kind, url=lane.url, **{"picture_timeout_s": 0.05} | more)


async def test_identity_and_requests_of_both_makes() -> None:
    async with Lane().running() as lane:
        async with reading(HikvisionPlateCamera, lane) as opened:
            assert (opened.identity.model, opened.identity.serial_number) == ("iDS-TCM403", "SIM-1")
        async with reading(DahuaPlateCamera, lane) as opened:
            assert (opened.identity.model, opened.identity.serial_number) == ("ITC413", "SIM-2")
            assert lane.asked[-1].path.replace("%5B", "[").replace("%5D", "]") == (
                "/cgi-bin/snapManager.cgi?action=attachFileProc&Flags[0]=Event&Events=[TrafficJunction]&heartbeat=5"
            )


async def test_unannounced_pictures_are_awaited_briefly() -> None:
    async with Lane().running() as lane, reading(HikvisionPlateCamera, lane) as opened:
        camera = await lane.streaming.get()
        await camera.say(passing("KA 1", "u-1", pictures=None, length=False))
        read = await opened.next(PlateRead)
        assert pictures(read) == {"plate": PLATE, "scene": SCENE}


async def test_missing_announced_pictures_are_counted() -> None:
    async with Lane().running() as lane, reading(HikvisionPlateCamera, lane, timeout_s=0.1) as opened:
        camera = await lane.streaming.get()
        await camera.say(
            part(alert(pictures=2), "application/xml") + part(PLATE, name="licensePlatePicture.jpg")
        )
        read = await opened.next(PlateRead)
        assert (read.missing_images, list(pictures(read))) == (1, ["plate"])


def losses() -> list[int]:
    """Offsets of lost connections: at many bytes of one passage, and after it."""
    whole = len(passing("KB 2", "u-2", second=5))
    return [*range(whole + 1)] if EVERY_BYTE else [0, 1, *range(50, whole, 150), whole - 1, whole]


async def test_lost_connection_loses_no_vehicle() -> None:
    for at in losses():
        async with Lane().running() as lane, reading(HikvisionPlateCamera, lane) as opened:
            camera = await lane.streaming.get()
            await camera.say(beat() + passing("KA 1", "u-1"))
            assert (await opened.next(PlateRead)).plate == "KA1"
            lane.listed = row("KA 1", 4, "p1") + row("KB 2", 5, "p2") + row("KC 3", 8, "p3")
            await camera.say(passing("KB 2", "u-2", second=5)[:at])
            camera.drop()
            camera = await lane.streaming.get()
            await camera.say(passing("KC 3", "u-3", second=8) + passing("KD 4", "u-4", second=20) + beat())
            told = {(await opened.next(PlateRead)).plate for _ in range(3)}
            assert told == {"KB2", "KC3", "KD4"}, at
            await camera.say(passing("KE 5", "u-5", second=40))
            assert (await opened.next(PlateRead)).plate == "KE5", at
            asked = next(asked for asked in lane.asked if "vehicleDetect" in asked.path)
            assert b"<picTime>20261127T1148" in asked.body


async def test_silent_stream_is_lost_link() -> None:
    async with Lane().running() as lane, reading(HikvisionPlateCamera, lane) as opened:
        (await lane.streaming.get()).drop()
        error = await opened.next(LinkError)
        assert error.cause is Cause.LINK_FAILED


async def test_silent_camera_is_requested_once_more() -> None:
    async with Lane().running() as lane, reading(DahuaPlateCamera, lane, no_data_timeout_s=0.1) as opened:
        await (await lane.streaming.get()).say(HEARTBEAT)
        await lane.streaming.get()
        error = await opened.next(LinkError)
        assert (error.cause, "the camera" in error.how) == (Cause.NO_RESPONSE, True)


async def test_vehicle_before_lost_link_is_reported() -> None:
    async with Lane().running() as lane, reading(DahuaPlateCamera, lane) as opened:
        camera = await lane.streaming.get()
        await camera.say(taken("KA 1", 41, 3)[: len(taken("KA 1", 41, 3)) // 2])
        camera.drop()
        read = await opened.next(PlateRead)
        assert (read.plate, read.missing_images > 0) == ("KA1", True)


async def test_wrong_address_and_password_are_reported() -> None:
    async def page(asked: ReceivedRequest) -> None:
        await asked.answer(b"<html>", "text/html")

    async def locked(asked: ReceivedRequest) -> None:
        await asked.answer(b"", "text/html", "401 Unauthorized")

    answers: list[tuple[Callable[[ReceivedRequest], Awaitable[None]], Cause]] = [
        (page, Cause.WRONG_DEVICE),
        (locked, Cause.NO_PERMISSION),
    ]
    for answering, cause in answers:
        async with ScriptedHttpServer(answering).running() as server:
            for kind in (HikvisionPlateCamera, DahuaPlateCamera):
                with pytest.raises(LinkError) as refused:
                    async with open_camera(kind, url=server.url):
                        pass
                assert refused.value.cause is cause


async def test_open_and_close_leave_nothing() -> None:
    async with Lane().running() as lane:
        for kind in (HikvisionPlateCamera, DahuaPlateCamera) * 15:
            async with reading(kind, lane):
                pass
