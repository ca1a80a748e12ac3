"""The simulated WS-BD service, as its clients and the control socket see it."""

import asyncio
import base64
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from defusedxml import ElementTree
from PIL import Image

from simulators.errors import SimulatorError
from simulators.fingerprint.wsbd import WsBdSimulator
from simulators.registry import parse_settings

CONFIGURATION = "<configuration><item><key>submodality</key><value>leftIndex</value></item></configuration>"


@asynccontextmanager
async def running(**settings: Any) -> AsyncIterator[tuple[WsBdSimulator, httpx.AsyncClient]]:
    quick = {"name": "lane-1/finger", "kind": "ws-bd", "port": 0, "finger_s": 0.0, "capture_s": 0.0}
    device = parse_settings(quick | settings).build()
    assert isinstance(device, WsBdSimulator)
    ready = asyncio.Event()
    task = asyncio.create_task(device.run(lambda event, _details: ready.set() if event == "ready" else None))
    await ready.wait()
    try:
        async with httpx.AsyncClient(base_url=device.server.url, trust_env=False) as client:
            yield device, client
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def request(
    client: httpx.AsyncClient, method: str, path: str, content: str | None = None
) -> dict[str, str]:
    """Return the parts of a result, by their local names."""
    answer = await client.request(method, path, content=content)
    root = ElementTree.fromstring(answer.content)
    return {part.tag.rpartition("}")[2]: "".join(part.itertext()) for part in root}


async def session(client: httpx.AsyncClient) -> str:
    return (await request(client, "POST", "/register"))["sessionId"]


async def captured(client: httpx.AsyncClient, one: str) -> dict[str, str]:
    for operation in ("lock", "initialize"):
        assert (await request(client, "POST", f"/{operation}/{one}"))["status"] == "success"
    assert (await request(client, "POST", f"/configure/{one}", CONFIGURATION))["status"] == "success"
    return await request(client, "POST", f"/capture/{one}")


async def test_print_is_captured_and_downloaded() -> None:
    async with running(width_px=120, height_px=160) as (_, client):
        found = await captured(client, await session(client))
        answer = await client.get(f"/download/{found['captureIds']}")
        assert answer.headers["x-borderpost-simulated"]
        data = ElementTree.fromstring(answer.content).find("{*}sensorData")
        assert data is not None
        with Image.open(io.BytesIO(base64.b64decode(data.text or ""))) as image:
            assert (image.size, image.mode) == ((120, 160), "L")
            assert image.getextrema()[0] < 90


async def test_client_errors_have_their_status() -> None:
    async with running() as (_, client):
        one, other = await session(client), await session(client)
        assert (await request(client, "POST", f"/capture/{one}"))["status"] == "lockNotHeld"
        await request(client, "POST", f"/lock/{one}")
        assert (await request(client, "POST", f"/lock/{other}"))["status"] == "lockHeldByAnother"
        assert (await request(client, "POST", f"/initialize/{other}"))["status"] == "lockHeldByAnother"
        assert (await request(client, "POST", f"/configure/{one}", CONFIGURATION))["status"] == (
            "initializationNeeded"
        )
        await request(client, "POST", f"/initialize/{one}")
        assert (await request(client, "POST", f"/capture/{one}"))["status"] == "configurationNeeded"
        wrong = await request(client, "POST", f"/configure/{one}", CONFIGURATION.replace("submodality", "x"))
        assert (wrong["status"], wrong["badFields"]) == ("noSuchParameter", "x")
        assert (await request(client, "PUT", f"/lock/{other}"))["status"] == "success"
        assert (await request(client, "DELETE", f"/lock/{one}"))["status"] == "lockHeldByAnother"
        assert (await request(client, "POST", "/lock/nobody"))["status"] == "invalidId"
        assert (await client.get("/nothing")).status_code == 404


async def test_capture_times_out_or_is_canceled() -> None:
    async with running(finger_s=None, timeout_s=0.05) as (_, client):
        one = await session(client)
        assert (await captured(client, one))["status"] == "sensorTimeout"
    async with running(finger_s=None) as (device, client):
        one = await session(client)
        capturing = asyncio.create_task(captured(client, one))
        while not device.service.capturing:
            await asyncio.sleep(0.002)
        assert (await request(client, "POST", f"/capture/{one}"))["status"] == "sensorBusy"
        await request(client, "POST", f"/cancel/{one}")
        assert (await capturing)["status"] == "canceled"


async def test_commands_of_control_socket() -> None:
    async with running(finger_s=None) as (device, client):
        one = await session(client)
        capturing = asyncio.create_task(captured(client, one))
        while not device.service.capturing:
            await asyncio.sleep(0.002)
        await device.handle_command("insert", {})
        assert (await capturing)["status"] == "success"
        status = await device.handle_command("status", {})
        assert (status["captured"], status["locked"]) == (1, True)
        await device.handle_command("fault", {"fault": "sensor-failure", "args": {"captures": 1}})
        assert (await request(client, "POST", f"/capture/{one}"))["status"] == "sensorFailure"


@pytest.mark.parametrize(
    ("verb", "arguments"),
    [("dance", {}), ("fault", {"fault": "rain"}), ("fault", {})],
)
async def test_invalid_commands_are_explained(verb: str, arguments: dict[str, Any]) -> None:
    async with running() as (device, _):
        with pytest.raises(SimulatorError, match=r"insert, fault or status|fault rain"):
            await device.handle_command(verb, arguments)
