"""The simulated Dahua plate camera, as its clients and the control socket see it."""

import asyncio
import time

import pytest
from sim_camera_fixture import (
    DIGEST,
    USER,
    ReceivedStream,
    fault,
    listen,
    listen_during,
    running,
    stamp_of,
)

STREAM = "/cgi-bin/snapManager.cgi?action=attachFileProc&Flags[0]=Event&Events=[TrafficJunction]&heartbeat=1"


def enough(data: bytes) -> bool:
    """Return whether the picture of the second vehicle was received."""
    return b"\xff\xd9\r\n" in data.rpartition(b"UT next")[2] and b"UT next" in data


NEXT = {"plate": "UT next"}


def events(received: ReceivedStream) -> list[dict[str, str]]:
    """Return keys and values of every part of text that is no heartbeat."""
    texts = [data.decode() for media_type, _, data in received.parts if media_type == "text/plain"]
    return [
        dict(line.split("=", 1) for line in text.split("\r\n") if line)
        for text in texts
        if text.strip() != "Heartbeat"
    ]


async def test_passage_is_text_and_picture() -> None:
    async with running("anpr-dahua") as (camera, client):
        received = await listen_during(
            camera,
            client,
            STREAM,
            enough,
            {"plate": "UT 482 KX", "direction": "in", "confidence": 100},
            NEXT,
        )
        first, second = events(received)
        assert received.parts[0][2].strip() == b"Heartbeat"
        assert first["Events[0].EventBaseInfo.Code"] == "TrafficJunction"
        assert first["Events[0].TrafficCar.PlateNumber"] == first["Events[0].Object.Text"] == "UT 482 KX"
        assert first["Events[0].TrafficCar.DrivingDirection[0]"] == "Approach"
        assert first["Events[0].Object.Confidence"] == "255"
        assert abs(int(first["Events[0].UTC"]) - time.time()) < 5
        assert first["Events[0].GroupID"] != second["Events[0].GroupID"]
        picture = next(data for media_type, _, data in received.parts if media_type == "image/jpeg")
        assert stamp_of(picture) == camera.passages[0].stamp


@pytest.mark.parametrize("name", ["no-length", "duplicate", "misread"])
async def test_special_fields_are_sent_completely(name: str) -> None:
    async with running("anpr-dahua") as (camera, client):
        await fault(camera, name)
        vehicle = {"plate": "UT 1\r\nEvents[0].Lane=7"}
        received = await listen_during(camera, client, STREAM, enough, vehicle, NEXT)
        found = events(received)
        assert len(found) == (3 if name == "duplicate" else 2)
        ids = [event["Events[0].GroupID"] for event in found]
        assert (ids[0] == ids[1]) == (name == "duplicate")
        plate = "unknown" if name == "misread" else "UT 1 Events[0].Lane=7"
        assert (found[0]["Events[0].TrafficCar.PlateNumber"], found[0]["Events[0].Lane"]) == (plate, "1")
        picture = next(data for media_type, _, data in received.parts if media_type == "image/jpeg")
        assert picture == camera.passages[0].picture


async def test_lost_event_is_sent_again() -> None:
    async with running("anpr-dahua", resends=True) as (camera, client):
        for at in (3, 500, 900, 5000):
            await fault(camera, "cut", at=at)
            lost = await listen_during(camera, client, STREAM, lambda _: False, {})
            assert len(lost.data.rpartition(b"Heartbeat\r\n\r\n")[2]) == at
            again = await listen(client, STREAM, lambda data: b"\xff\xd9\r\n" in data)
            assert [event["Events[0].EventID"] for event in events(again)] == [
                str(camera.passages[-1].number)
            ]


async def test_event_without_client_goes_to_next() -> None:
    async with running("anpr-dahua", resends=True) as (camera, client):
        await camera.handle_command("insert", {"plate": "UT 1"})  # without a client
        await fault(camera, "stall")
        await listen_during(
            camera, client, STREAM, lambda data: b"UT 2" in data, {"plate": "UT 2"}, {"plate": "UT 3"}
        )
        while camera.listening:
            await asyncio.sleep(0.005)
        last = await listen(client, STREAM, lambda data: b"\xff\xd9\r\n" in data.partition(b"UT 3")[2])
        plates = [event["Events[0].TrafficCar.PlateNumber"] for event in events(last)]
        assert plates == ["UT 2", "UT 3"]


async def test_heartbeat_and_identity_with_password() -> None:
    async with running("anpr-dahua", **USER) as (_, client):
        assert (await client.get(STREAM)).status_code == 401
        client.auth = DIGEST
        for wrong in ("&heartbeat=0", "&heartbeat=soon", "&Events=[Nothing]"):
            url = STREAM.replace("&heartbeat=1", "") + wrong
            if "Events" in wrong:
                url = url.replace("&Events=[TrafficJunction]", "")
            assert (await client.get(url)).status_code == 400
        beaten = await listen(client, STREAM, lambda data: data.count(b"Heartbeat") == 2)
        assert beaten.media_type == "multipart/x-mixed-replace; boundary=myboundary"
        identity = await client.get("/cgi-bin/magicBox.cgi?action=getSystemInfo")
        assert "serialNumber=SIM-DAH-0001" in identity.text
        assert stamp_of((await client.get("/cgi-bin/snapshot.cgi")).content)
        assert (await client.get("/cgi-bin/magicBox.cgi?action=dance")).status_code == 404
