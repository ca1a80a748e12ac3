"""The console as a process: on the daemon's sockets, with identified clients, ended without clients."""

import asyncio
import contextlib
import json
import os
import pwd
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest
from support.brokers.certificates import Authority
from support.brokers.mosquitto import Mosquitto
from support.console.consoles import log_in, users
from support.devices.serial_readers import FRAMES
from support.gateway.gateways import GatewayFixture, gateway, until
from support.patience import PATIENCE_S
from support.ports import free_port
from typer.testing import CliRunner

from gateway.api.models import EventView, LiveUpdate
from gateway.cli import app
from simulators.specimens import ERIKSSON_LINES

__all__ = ["gateway"]

READER = "/api/v1/devices/lane-1/reader"


@pytest.fixture
def mosquitto() -> Iterator[Mosquitto]:
    with Mosquitto() as broker:
        yield broker


@pytest.fixture
async def on_socket(gateway: GatewayFixture) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.AsyncHTTPTransport(uds=str(gateway.folder / "state" / "console.sock"))
    async with httpx.AsyncClient(
        transport=transport, base_url="http://localhost", timeout=PATIENCE_S
    ) as client:
        yield client


def consoles(gateway: GatewayFixture) -> list[int]:
    """Return the console processes of that gateway."""
    assert gateway.process is not None
    children = Path(f"/proc/{gateway.process.pid}/task/{gateway.process.pid}/children").read_text().split()
    return [int(pid) for pid in children if b"gateway.console" in Path(f"/proc/{pid}/cmdline").read_bytes()]


async def again(client: httpx.AsyncClient, path: str) -> httpx.Response:
    """Repeat a request until there is a response: a crashed console is not replaced at once."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            with contextlib.suppress(httpx.TransportError):
                return await client.get(path)


async def first_event(lines: AsyncIterator[str]) -> EventView:
    """Return the first event in a stream of updates."""
    async for line in lines:
        if line.startswith("data: ") and (event := LiveUpdate.model_validate_json(line[6:]).event):
            return event
    raise AssertionError("the stream has ended")


async def test_console_lives_while_clients_connect(
    gateway: GatewayFixture, on_socket: httpx.AsyncClient
) -> None:
    authority, port = Authority(gateway.folder / "certificates"), free_port()
    certificate = authority.issue("console")
    users(gateway.folder)
    gateway.extra = f"""
[console]
listen = "127.0.0.1:{port}"
users_file = "users.toml"
idle_timeout_s = 1
tls = {{ cert_file = "{certificate}", key_file = "{certificate.with_suffix(".key")}" }}
"""
    wire = await gateway.wire("lane-1/reader")
    gateway.describe("lane-1/reader", "mrz-serial", 'framing = "text"')
    await gateway.start()
    await until((gateway.folder / "state" / "console.sock").exists)
    await wire.wait_for_host()
    assert not consoles(gateway), "nobody has looked yet"

    post = (await on_socket.get("/api/v1/post")).json()
    assert [device["position"] for device in post["devices"]] == ["lane-1/reader"]
    (first,) = consoles(gateway)

    # Updates arrive while a page is open.
    async with on_socket.stream("GET", "/api/v1/live") as updates:
        lines = updates.aiter_lines()
        assert await anext(lines) == ": listening"
        async with asyncio.timeout(PATIENCE_S), asyncio.TaskGroup() as group:
            reading = group.create_task(first_event(lines))
            while not reading.done():  # events before the subscription are not updates
                await wire.send(FRAMES["text"](ERIKSSON_LINES["TD3"]))
                await asyncio.wait([reading], timeout=0.2)
        event = reading.result()
        assert event.type == "document.read"
        assert "ERIKSSON" not in event.model_dump_json()

    # Over the network: TLS, and a login.
    browser = httpx.AsyncClient(
        verify=authority.context(None), base_url=f"https://127.0.0.1:{port}", timeout=PATIENCE_S
    )
    async with browser:
        assert (await browser.get("/api/v1/post")).status_code == 401
        assert (await browser.get("/")).headers["location"] == "/login?next=/"
        refused = await log_in(browser, "viewer")
        assert refused.status_code == 403, "sent by a page of another host"
        form = {"name": "viewer", "password": "jambo-busia-2026"}
        assert (await browser.post("/login", data=form)).status_code == 303
        assert (await browser.get("/api/v1/post")).status_code == 200

        # An operation of root on the socket is done, and recorded under root's name.
        assert (await on_socket.post(f"{READER}/restart")).status_code == 204
        (entry, *_) = (await on_socket.get("/api/v1/audit")).json()
        assert (entry["position"], entry["type"]) == ("lane-1/reader", "technician.operation")
        assert (entry["data"]["user"], entry["data"]["operation"]) == (
            pwd.getpwuid(os.geteuid()).pw_name,
            "restart",
        )

        # The command line uses the same socket.
        words = ["device", str(gateway.config), "lane-1/reader", "--json"]
        shown = await asyncio.to_thread(CliRunner().invoke, app, words)
        assert json.loads(shown.stdout)["last_good_read_at"], shown.output

        # After a crash the next client gets a new process, and is still logged in.
        os.kill(first, signal.SIGKILL)
        await until(lambda: first not in consoles(gateway))
        assert (await again(browser, "/api/v1/post")).status_code == 200
        assert first not in consoles(gateway)

    await on_socket.aclose()
    await until(lambda: not consoles(gateway))
    assert gateway.process is not None
    assert gateway.process.returncode is None
