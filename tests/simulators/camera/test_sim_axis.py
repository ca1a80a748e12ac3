"""The simulated Axis plate camera, as its listener and the control socket see it."""

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from pydantic import ValidationError
from sim_camera_fixture import fault, running, stamp_of
from support.patience import PATIENCE_S

from simulators.camera.anpr.axis import Axis
from simulators.http.server import HttpServer, Request, Response
from simulators.registry import parse_settings

QUICK = {"update_s": 0.01, "lost_s": 0.01, "answer_within_s": 0.3}


@asynccontextmanager
async def listened(**settings: Any) -> AsyncIterator[tuple[Axis, HttpServer]]:
    async def answer(_request: Request) -> Response:
        return Response(204)

    async with HttpServer(answer) as listener:
        url = listener.url + "/plates"
        async with running("anpr-axis", push_to=url, **QUICK | settings) as (camera, _):
            yield camera, listener


async def wait_for_pushes(camera: Axis, tries: int) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while len(camera.answers) < tries:
            await asyncio.sleep(0.005)


def packets(listener: HttpServer) -> list[dict[str, Any]]:
    return [request.json for request in listener.request_count]


async def test_car_is_new_then_updated_then_lost() -> None:
    async with listened() as (camera, listener):
        await camera.handle_command("insert", {"plate": "ÜT 482 KX", "direction": "out", "confidence": 91})
        await wait_for_pushes(camera, 3)
        received = packets(listener)
        assert [packet["carState"] for packet in received] == ["new", "update", "lost"]
        assert [packet["carMoveDirection"] for packet in received] == ["unk", "out", "out"]
        assert [packet["packetCounter"] for packet in received] == ["1", "2", "3"]
        assert {packet["carID"] for packet in received} == {"1"}
        assert {(packet["plateText"], packet["plateConfidence"]) for packet in received} == {
            ("ÜT 482 KX", "0.910000")
        }
        assert len(received[0]["datetime"]) == len("20180503 101112123")
        images = {image["ImageType"]: image["BinaryImage"] for image in received[0]["ImageArray"]}
        assert stamp_of(base64.b64decode(images["vehicle"])) == camera.passages[0].stamp
        assert (listener.request_count[0].method, listener.request_count[0].path) == ("POST", "/plates")


@pytest.mark.parametrize(("name", "count"), [("no-length", 3), ("duplicate", 6), ("cut", 0), ("stall", 0)])
async def test_packets_that_travel_otherwise(name: str, count: int) -> None:
    async with listened(lost_s=0) as (camera, listener):
        await fault(camera, name)
        await camera.handle_command("insert", {})
        await wait_for_pushes(camera, count or 3)
        assert len(listener.request_count) == count
        assert camera.answers == ([204] * count if count else [0, 0, 0])
        await camera.handle_command("insert", {})
        await wait_for_pushes(camera, (count or 3) + 3)
        assert [packet["carID"] for packet in packets(listener)[count:]] == ["2"] * 3


async def test_failed_push_is_repeated_in_order() -> None:
    async with listened(resends=True, with_images=False) as (camera, listener):
        listener.stop_for()
        await camera.handle_command("insert", {})
        await wait_for_pushes(camera, 3)
        assert camera.answers == [0, 0, 0]
        await listener.__aenter__()
        await camera.handle_command("insert", {})
        async with asyncio.timeout(PATIENCE_S):
            while len(listener.request_count) < 6:
                await asyncio.sleep(0.005)
        states = [(packet["carID"], packet["carState"]) for packet in packets(listener)]
        assert states == [(car, state) for car in "12" for state in ("new", "update", "lost")]


async def test_identity_and_required_push_address() -> None:
    async with running("anpr-axis", push_to="http://127.0.0.1:9/x") as (_, client):
        request = {"apiVersion": "1.0", "method": "getAllProperties"}
        answer = (await client.post("/axis-cgi/basicdeviceinfo.cgi", json=request)).json()
        assert answer["data"]["propertyList"]["Brand"] == "AXIS"
        assert stamp_of((await client.get("/axis-cgi/jpg/image.cgi")).content)
        assert (await client.get("/axis-cgi/other.cgi")).status_code == 404
    for wrong in ("ftp://x:1/", "http://127.0.0.1/", "plates"):
        with pytest.raises(ValidationError, match="http://HOST:PORT"):
            parse_settings({"name": "lane-1/camera", "kind": "anpr-axis", "port": 0, "push_to": wrong})
