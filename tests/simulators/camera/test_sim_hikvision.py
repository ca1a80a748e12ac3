"""The simulated Hikvision plate camera, as its clients and the control socket see it."""

import asyncio
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from xml.etree.ElementTree import Element

import pytest
from defusedxml import ElementTree
from sim_camera_fixture import (
    DIGEST,
    USER,
    ReceivedStream,
    fault,
    image_of,
    listen,
    listen_during,
    running,
    stamp_of,
)
from support.patience import PATIENCE_S

from simulators.errors import SimulatorError

STREAM = "/ISAPI/Event/notification/alertStream"
PLATES = "/ISAPI/Traffic/channels/1/vehicleDetect/plates"
ISAPI = "{http://www.isapi.org/ver20/XMLSchema}"


def fields(xml: bytes) -> dict[str, str]:
    """Return local name and text of every element."""
    found: Element = ElementTree.fromstring(xml)
    return {element.tag.rpartition("}")[2]: element.text or "" for element in found.iter()}


def alerts(received: ReceivedStream) -> list[dict[str, str]]:
    return [fields(data) for media_type, _, data in received.parts if media_type == "application/xml"]


def beats(count: int) -> Callable[[bytes], bool]:
    """Return a test for `count` heartbeats after the last event, so that it is complete."""
    return lambda data: (
        b"ANPR" in data and data.rpartition(b"ANPR")[2].count(b">videoloss</eventType>") >= count
    )


async def test_passage_is_sent_once_with_pictures() -> None:
    async with running("anpr-hikvision", heartbeat_s=0.05, utc_offset_min=180) as (camera, client):
        received = await listen_during(
            camera,
            client,
            STREAM,
            beats(1),
            {"plate": "UT 482 KX", "direction": "out", "lane": 2, "confidence": 87},
        )
        idle, *others = alerts(received)
        event = next(alert for alert in others if alert["eventType"] == "ANPR")
        assert (idle["eventType"], idle["eventState"]) == ("videoloss", "inactive")
        assert (event["eventState"], event["picNum"]) == ("active", "2")
        assert (event["licensePlate"], event["country"], event["confidenceLevel"]) == (
            "UT 482 KX",
            "UTO",
            "87",
        )
        assert (event["direction"], event["line"], len(event["UUID"])) == ("reverse", "2", 36)
        assert event["dateTime"].endswith("+03:00")
        assert abs(datetime.fromisoformat(event["dateTime"]) - datetime.now(UTC)) < timedelta(seconds=5)
        named = {name: data for _, name, data in received.parts}
        assert stamp_of(named["detectionPicture.jpg"]) == camera.passages[0].stamp
        assert image_of(named["licensePlatePicture.jpg"]).size == (240, 60)
        assert camera.status()["vehicles"] == 1


@pytest.mark.parametrize(
    "name", ["no-length", "other-namespace", "misread", "duplicate", "late", "wrong-clock"]
)
async def test_special_fields_are_sent_completely(name: str) -> None:
    async with running("anpr-hikvision", heartbeat_s=0.05) as (camera, client):
        await fault(camera, name, **({"delay_s": 0.1} if name == "late" else {}))
        received = await listen_during(camera, client, STREAM, beats(1), {"plate": "UT <&> 1"})
        events = [alert for alert in alerts(received) if alert["eventType"] == "ANPR"]
        assert len(events) == (2 if name == "duplicate" else 1)
        assert len({event["UUID"] for event in events}) == 1
        assert events[0]["licensePlate"] == ("unknown" if name == "misread" else "UT <&> 1")
        pictures = [data for media_type, _, data in received.parts if media_type == "image/jpeg"]
        assert pictures == [camera.passages[0].close_up, camera.passages[0].picture] * len(events)
        assert (b"http://www.hikvision.com" in received.data) == (name == "other-namespace")
        # Every declared length is right.
        lengths = re.findall(rb"Content-Length: (\d+)\r\n\r\n", received.data)
        sizes = [len(data) for _, _, data in received.parts]
        assert len(lengths) == len(sizes) - (3 if name == "no-length" else 0)
        if name != "no-length":
            assert [int(length) for length in lengths] == sizes
        at = datetime.fromisoformat(events[0]["dateTime"])
        assert (datetime.now(UTC) - at > timedelta(minutes=59)) == (name == "wrong-clock")


async def test_firmware_without_lengths_and_own_namespace() -> None:
    async with running("anpr-hikvision", heartbeat_s=0.05, with_lengths=False, namespace="urn:x") as (
        camera,
        client,
    ):
        await fault(camera, "dribble", size=900, every_ms=1)
        received = await listen_during(camera, client, STREAM, beats(2), {"plate": "UT 1"})
        assert (b"Content-Length" in received.data, b"isapi.org" in received.data) == (False, False)
        assert {data for _, _, data in received.parts} >= {
            camera.passages[0].close_up,
            camera.passages[0].picture,
        }


@pytest.mark.parametrize("resends", [True, False])
async def test_lost_event_is_repeated_or_requested(resends: bool) -> None:
    async with running("anpr-hikvision", heartbeat_s=0.02, resends=resends) as (camera, client):
        for count, at in enumerate((0, 1, 60, 700, 4000), 1):
            await fault(camera, "cut", at=at)
            lost = await listen_during(camera, client, STREAM, lambda _: False, {"plate": f"UT 00{count}"})
            assert at == 4000 or len(lost.data.rpartition(b"Alert>\n\r\n")[2]) == at
            if resends:
                again = await listen(client, STREAM, beats(1))
                event = next(alert for alert in alerts(again) if alert["eventType"] == "ANPR")
                assert (event["licensePlate"], event["isDataRetransmission"]) == (f"UT 00{count}", "true")
                assert camera.passages[-1].picture in [data for _, _, data in again.parts]
        plates = await client.post(PLATES, content="<AfterTime><picTime>0</picTime></AfterTime>")
        assert re.findall("<plateNumber>(.*?)<", plates.text) == [f"UT 00{count}" for count in range(1, 6)]


async def test_passages_since_a_time() -> None:
    async with running("anpr-hikvision", utc_offset_min=-150) as (camera, client):
        for number in range(3):
            await camera.handle_command("insert", {"plate": f"UT {number}"})
        second = camera.passages[1].at
        utc = second.astimezone(UTC)
        for text in (
            second.isoformat(timespec="milliseconds"),
            f"{second:%Y%m%d%H%M%S}{second.microsecond // 1000:03}",
            f"{utc:%Y-%m-%dT%H:%M:%S}.{utc.microsecond // 1000:03}Z",
        ):
            request = f'<AfterTime xmlns="any"><picTime>{text}</picTime></AfterTime>'
            answer: Element = ElementTree.fromstring((await client.post(PLATES, content=request)).content)
            assert answer.tag == ISAPI + "Plates"
            assert [plate.findtext(ISAPI + "plateNumber") for plate in answer] == ["UT 2"]
        (plate,) = answer
        third = camera.passages[2].at
        assert plate.findtext(ISAPI + "captureTime") == f"{third:%Y%m%dT%H%M%S}-0230"
        for bad in ("<AfterTime/>", "<AfterTime><picTime>today</picTime></AfterTime>", "{}"):
            assert (await client.post(PLATES, content=bad)).status_code == 400


async def test_digest_and_identity() -> None:
    async with running("anpr-hikvision", **USER) as (camera, client):
        assert (await client.get("/ISAPI/System/deviceInfo")).status_code == 401
        client.auth = DIGEST
        assert (
            fields((await client.get("/ISAPI/System/deviceInfo")).content)["serialNumber"] == "SIM-HIK-0001"
        )
        assert "localTime" in fields((await client.get("/ISAPI/System/time")).content)
        assert stamp_of((await client.get("/ISAPI/Streaming/channels/101/picture")).content)
        assert (await client.get("/other")).status_code == 404
        received = await listen(client, STREAM, lambda data: b"videoloss" in data, auth=DIGEST)
        assert received.media_type == "multipart/mixed; boundary=boundary"
        await fault(camera, "service-dies")
        with pytest.raises(SimulatorError, match="no power"):
            await camera.handle_command("insert", {})


async def test_vehicles_by_schedule_and_command() -> None:
    async with running("anpr-hikvision", every_s=0.02, first_s=0, seed=5) as (camera, _):
        async with asyncio.timeout(PATIENCE_S):
            while camera.status()["vehicles"] < 3:
                await asyncio.sleep(0.01)
        assert all(
            re.fullmatch("UT [0-9]{3} [A-Z]{2}", passage.reported_plate) for passage in camera.passages
        )
        for wrong in ({"direction": "up"}, {"confidence": 101}, {"speed": 3}):
            with pytest.raises(SimulatorError, match="insert"):
                await camera.handle_command("insert", wrong)
