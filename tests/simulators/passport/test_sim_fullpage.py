"""Simulated full-page readers: drawn pages, services as hosts see them, and their faults."""

import asyncio
import io
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from PIL import Image
from pydantic import ValidationError
from support.patience import PATIENCE_S

from simulators.errors import SimulatorError
from simulators.passport.fullpage.page import Page, PageAppearance, draw_page
from simulators.passport.fullpage.readers import (
    BridgeSettings,
    DeskoSettings,
    PageReader,
    RegulaServerSettings,
    RegulaSimulator,
)
from simulators.passport.fullpage.regula import process
from simulators.specimens import ERIKSSON_LINES

PASSPORT = Page(ERIKSSON_LINES["TD3"])
SMALL = PageAppearance(dpi=50)
KINDS = {"document-bridge": BridgeSettings, "desko": DeskoSettings}
SCAN = {"bridge": 1, "lights": ["visible", "infrared", "ultraviolet"], "areas": ["page"], "wait_s": 0}


@asynccontextmanager
async def running(kind: str, **settings: Any) -> AsyncIterator[tuple[PageReader, httpx.AsyncClient]]:
    fast = {"port": 0, "dpi": 50, "step_s": 0.0, "dwell_s": 600}
    device = KINDS[kind](name="lane-1/reader", kind=kind, **fast | settings).build()
    assert isinstance(device, PageReader)
    ready = asyncio.Event()
    task = asyncio.create_task(device.run(lambda event, _details: ready.set() if event == "ready" else None))
    await ready.wait()
    try:
        async with httpx.AsyncClient(base_url=device.server.url, trust_env=False) as client:
            yield device, client
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def grey(jpeg: bytes) -> Image.Image:
    with Image.open(io.BytesIO(jpeg)) as image:
        return image.convert("L")


def mean(image: Image.Image) -> float:
    histogram = image.histogram()
    return sum(shade * count for shade, count in enumerate(histogram)) / sum(histogram)


def zone_of(image: Image.Image) -> Image.Image:
    return image.crop((0, int(image.height * 0.78), image.width, image.height))


# Pages


def test_ultraviolet_shows_security_paper() -> None:
    assert mean(grey(draw_page(PASSPORT, "ultraviolet", look=SMALL))) < 60
    assert mean(grey(draw_page(PASSPORT.photocopy(), "ultraviolet", look=SMALL))) > 160


def test_infrared_shows_only_carbon_ink() -> None:
    genuine = zone_of(grey(draw_page(PASSPORT, "infrared", look=SMALL)))
    copied = zone_of(grey(draw_page(PASSPORT.photocopy(), "infrared", look=SMALL)))
    assert sum(genuine.histogram()[:100]) > 50
    assert sum(copied.histogram()[:200]) == 0


def test_page_sizes_and_stable_drawing() -> None:
    card = Page(ERIKSSON_LINES["TD1"])
    sizes = [grey(draw_page(page, "visible", look=PageAppearance(dpi=100))).size for page in (PASSPORT, card)]
    assert sizes == [(492, 346), (337, 213)]
    first = draw_page(PASSPORT, "visible", look=SMALL)
    draw_page.cache_clear()
    assert draw_page(PASSPORT, "visible", look=SMALL) == first


@pytest.mark.parametrize("size", [20_000, 65_540, 131_075, 500_001])
def test_images_can_have_sensor_size(size: int) -> None:
    jpeg = draw_page(PASSPORT, "visible", look=PageAppearance(dpi=50, size_bytes=size))
    assert len(jpeg) == size
    with Image.open(io.BytesIO(jpeg)) as image:
        image.load()
        assert image.info["comment"].decode().split("\n") == list(PASSPORT.lines)


# Services


async def test_bridge_sends_results_line_by_line() -> None:
    async with running("document-bridge") as (device, client):
        assert (await client.get("/status")).json()["document"] == "absent"
        assert (await client.post("/scan", json=SCAN)).status_code == 409
        await device.present(PASSPORT)
        answer = await client.post("/scan", json=SCAN)
        lines = [json.loads(line) for line in answer.text.splitlines()]
        assert [next(iter(line)) for line in lines] == ["mrz", "image", "image", "image"] + ["check"] * 4 + [
            "done"
        ]
        image = await client.get(lines[1]["image"]["path"])
        assert image.content == draw_page(PASSPORT, "visible", look=SMALL)
        assert answer.headers["x-borderpost-simulated"] == "1"
        assert (await client.get("/images/9-9")).status_code == 404


async def test_bridge_status_waits_for_change() -> None:
    async with running("document-bridge") as (device, client):
        request = asyncio.create_task(client.get("/status", params={"unless": "absent", "wait_s": 20}))
        while not device.server.request_count:
            await asyncio.sleep(0.001)
        assert not request.done()
        await device.present(PASSPORT)
        assert (await request).json()["document"] == "present"


async def test_desko_requires_reservation() -> None:
    async with running("desko") as (device, client):
        assert (await client.get("/system")).status_code == 404
        reservation = (await client.post("/reservation", json={"timeout": 15})).json()["reservationid"]
        assert (await client.post("/reservation", json={"timeout": 15})).status_code == 409
        held = {"reservationid": reservation}
        assert (await client.get("/system", params=held)).json()["Plugged"] is True
        await device.present(PASSPORT)
        scan = {
            "getMrz": True,
            "checkUvDullness": True,
            "lightSources": {"ultraviolet": {"use": True, "croppings": ["document"]}},
        }
        paths = (await client.put("/scan/execute", params=held, json=scan)).json()["resourceList"]
        found = {path.split("/", 3)[3]: (await client.get(path, params=held)).json() for path in paths}
        assert found.keys() == {"ultraviolet/document", "uv-dullness", "mrz"}
        assert found["mrz"]["line1"] == PASSPORT.lines[0]
        assert found["uv-dullness"]["document"] == "DULL"
        assert (await client.delete("/reservation", params=held)).status_code == 204


@pytest.mark.parametrize("kind", sorted(KINDS))
async def test_credentials_are_asked_for(kind: str) -> None:
    async with running(kind, username="gw", password="pw") as (_, client):
        path = "/status" if kind == "document-bridge" else "/document-state"
        assert (await client.get(path)).status_code == 401
        assert (await client.get(path, auth=("gw", "no"))).status_code == 401
        assert (await client.get(path, auth=("gw", "pw"))).status_code != 401


async def test_document_server_judges_pixels() -> None:
    import base64

    def request(page: Page) -> dict[str, Any]:
        lights = {6: "visible", 24: "infrared", 128: "ultraviolet"}
        return {
            "List": [
                {
                    "light": code,
                    "ImageData": {"image": base64.b64encode(draw_page(page, light, look=SMALL)).decode()},
                }  # type: ignore[arg-type]
                for code, light in lights.items()
            ]
        }

    def results(page: Page) -> set[int]:
        checks = process(request(page))["ContainerList"]["List"][0]["AuthenticityCheckList"]["List"][0][
            "List"
        ]
        return {check["ElementResult"] for check in checks}

    assert results(PASSPORT) == {1, 2}
    assert results(PASSPORT.photocopy()) == {0, 2}


# As part of a post


async def test_commands_of_control_socket() -> None:
    async with running("document-bridge", seed=4) as (device, client):
        lines = (await device.handle_command("insert", {"format": "TD1", "copied": True}))["lines"]
        assert len(lines) == 3
        number = lines[0][5:14]
        assert device.scanner.page == Page(tuple(lines), face=number).photocopy(), "the face of its chip"
        assert await device.handle_command("insert", {"lines": []}) == {"lines": []}
        await device.handle_command("fault", {"fault": "service-dies", "args": {"after": 0}})
        status = await device.handle_command("status", {})
        assert (status["document"], status["documents_presented"]) == ("present", 2)
        with pytest.raises(httpx.HTTPError):
            await client.post("/scan", json=SCAN)


@pytest.mark.parametrize(
    ("verb", "arguments", "why"),
    [
        ("insert", {"format": "TD9"}, "TD9"),
        ("insert", {"lines": ["A"], "format": "TD1"}, "used unchanged"),
        ("fault", {"fault": "unplug"}, "unplug"),
        ("fault", {"fault": "slow", "args": {"delay_s": -1}}, "greater than 0"),
        ("dance", {}, "does not support"),
    ],
)
async def test_invalid_commands_are_explained(verb: str, arguments: dict[str, Any], why: str) -> None:
    async with running("desko") as (device, _):
        with pytest.raises(SimulatorError, match=why):
            await device.handle_command(verb, arguments)


async def test_travellers_come_and_go() -> None:
    async with running("document-bridge", every_s=0.02, first_s=0, dwell_s=0.01, copied=1) as (device, _):
        seen = set()
        async with asyncio.timeout(PATIENCE_S):
            while len(seen) < 3:
                await device.scanner.wait_until(lambda: device.scanner.page is not None, 5)
                if device.scanner.page is not None:
                    assert not device.scanner.page.dull_paper
                    seen.add(device.scanner.page)
                await asyncio.sleep(0.001)


async def test_occupied_port_is_reported() -> None:
    async with running("desko") as (device, _):
        second = BridgeSettings(name="lane-2/reader", kind="document-bridge", port=device.server.port).build()
        with pytest.raises(SimulatorError, match=f"port {device.server.port}: Address already in use"):
            await second.run(lambda _event, _details: None)


async def test_document_server_in_a_post() -> None:
    server = RegulaServerSettings(name="post/documents", kind="regula-server", port=0).build()
    assert isinstance(server, RegulaSimulator)
    ready = asyncio.Event()
    task = asyncio.create_task(server.run(lambda _event, _details: ready.set()))
    await ready.wait()
    async with httpx.AsyncClient(base_url=server.server.url, trust_env=False) as client:
        assert (await client.get("/api/ping")).status_code == 200
        assert (await server.handle_command("status", {}))["requests"] == 1
        await server.handle_command("fault", {"fault": "garbage"})
        assert (await client.post("/api/process", json={})).text == "<html>"
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def test_settings_addresses_and_hidden_password() -> None:
    settings = BridgeSettings(
        name="lane-1/reader", kind="document-bridge", port=8081, username="gw", password="pw-1"
    )
    assert settings.addresses == ("127.0.0.1:8081",)
    assert "pw-1" not in repr(settings) + str(settings.summary())
    with pytest.raises(ValidationError):
        DeskoSettings(name="lane-1/reader", kind="desko", port=70000)
