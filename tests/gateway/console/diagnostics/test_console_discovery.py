"""Page of found devices: the findings of the command, the rights, and what starts a search."""

import asyncio
import json
import os
import re
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
from markupsafe import escape
from support.console.consoles import browser, console_of, log_in
from support.console.fake_daemon import FakeDaemon
from support.gateway.post_files import gateway_section
from support.gateway.staged_hosts import StagedHost
from typer.testing import CliRunner

from gateway.api.operations import RpcError
from gateway.cli import app as command_line
from gateway.cli import discover as command
from gateway.diagnostics.discovery import isolated
from gateway.diagnostics.discovery import search as search_module
from gateway.diagnostics.discovery.search import SearchOptions, SearchResult, discover, load_devices

HERE = {"Origin": "https://post.example"}
POST = """
[broker]
host = "127.0.0.1"
[device."lane-1/reader"]
driver = "mrz-serial"
port = "/dev/ttyACM0"
framing = "accessis"
"""


@dataclass
class Searches:
    """A staged machine, and the options of each search of it."""

    host: StagedHost
    options: list[SearchOptions] = field(default_factory=list)

    async def search(self, config: Path, options: SearchOptions) -> SearchResult:
        self.options.append(options)
        devices, mistake = load_devices(config)
        result = await asyncio.to_thread(discover, devices, self.host.host_view, options)
        result.failures += [mistake] if mistake else []
        return result


@pytest.fixture
def searches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Searches:
    """A configured reader, another one that brltty has open, and a lamp."""
    (tmp_path / "post.toml").write_text(gateway_section(profile="test", state_dir="state") + POST)
    searches = Searches(StagedHost(tmp_path / "host"))
    host = searches.host
    for number, (ids, name) in enumerate([("0db5:0137", "ttyACM0"), ("1a86:7523", "ttyUSB0")], 1):
        device = host.plug(f"1-{number}", ids, number, product=f"Reader <{number}>")
        (device / f"1-{number}:1.0/{name}/tty/{name}").mkdir(parents=True)
    host.plug("1-5", "abcd:0001", 7, product="Lamp")
    host.write("dev/ttyACM0", "")
    host.process(712, "brltty", holds=host.write("dev/ttyUSB0", ""))
    monkeypatch.setattr(isolated, "search_isolated", searches.search)
    monkeypatch.setattr(search_module, "list_slots", lambda: ([], "Slots for chips were not searched."))
    monkeypatch.setattr(command, "HostView", lambda: host.host_view)
    return searches


@pytest.fixture
async def client(searches: Searches, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    async with browser(console_of(FakeDaemon(), tmp_path)) as client:
        yield client


async def send(client: httpx.AsyncClient, **typed: str) -> httpx.Response:
    """Send the form as the page has it."""
    page = (await client.get("/discover")).text
    token = re.search(r'name="csrf" value="([^"]+)"', page)
    assert token is not None
    return await client.post("/discover", data={"csrf": token[1], **typed}, headers=HERE)


async def test_page_shows_findings_of_command(client: httpx.AsyncClient, tmp_path: Path) -> None:
    arguments = ["discover", str(tmp_path / "post.toml"), "--no-network", "--json"]
    ran = await asyncio.to_thread(CliRunner().invoke, command_line, arguments)
    found = json.loads(ran.stdout)
    assert [device["name"] for device in found["devices"]] == ["Reader <1>", "Reader <2>", "Lamp"]
    await log_in(client, "technician")
    page = (await send(client)).text
    for device in found["devices"]:
        parts = (device["name"], device["address"], *device["drivers"][:1], *device["remarks"])
        for part in (*parts, *device["held_by"], device["paste"]):
            assert str(escape(part)) in page, part
    assert all(str(escape(failure)) in page for failure in found["failures"])
    assert "[device.&#34;lane-2/reader&#34;]" in page
    assert "sudo systemctl mask --now brltty" in page
    assert "no installed driver takes it" in page


async def test_running_gateway_holds_its_device(client: httpx.AsyncClient, searches: Searches) -> None:
    await log_in(client, "technician")
    page = (await send(client)).text
    assert "the gateway, for lane-1/reader (pid 4711)" in page
    assert searches.options[0].workers == {"lane-1/reader": 4711}, "lane-2/reader is offline"


async def test_link_starts_no_search(client: httpx.AsyncClient, searches: Searches) -> None:
    await log_in(client, "technician")
    assert (await client.get("/discover?network=true")).status_code == 200
    assert (await client.post("/discover", data={"network": "true"}, headers=HERE)).status_code == 403
    assert searches.options == []


async def test_viewer_may_not_search(client: httpx.AsyncClient, searches: Searches) -> None:
    await log_in(client, "viewer")
    board = (await client.get("/")).text
    assert 'href="/discover"' not in board
    assert (await client.get("/discover")).status_code == 403
    token = re.search(r'name="csrf" value="([^"]+)"', board)
    assert token is not None
    sent = await client.post("/discover", data={"csrf": token[1]}, headers=HERE)
    assert sent.status_code == 403
    assert searches.options == []


async def test_networks_are_searched_as_asked(client: httpx.AsyncClient, searches: Searches) -> None:
    await log_in(client, "technician")
    # No test sends a query into a real network: an interface that this machine does not have.
    page = await send(client, network="true", interfaces="192.0.2.77", modbus="127.0.0.1:1, 127.0.0.1:x")
    assert (page.status_code, searches.options) == (409, [])
    page = await send(client, network="true", interfaces="192.0.2.77", modbus="127.0.0.1:1, 127.0.0.1:2")
    assert page.status_code == 200
    (asked,) = searches.options
    assert asked.interfaces == ("192.0.2.77",)
    assert asked.modbus == ("tcp://127.0.0.1:1", "tcp://127.0.0.1:2")
    assert "Cameras were not searched" in page.text
    await send(client, interfaces="192.0.2.77")
    assert searches.options[1].interfaces == (), "not ticked"


@pytest.mark.parametrize(
    "typed", [{"modbus": "10.0.0.0/8"}, {"modbus": "<b>:99999"}, {"network": "true", "interfaces": "eth0"}]
)
async def test_wrong_address_is_refused(
    client: httpx.AsyncClient, searches: Searches, typed: dict[str, str]
) -> None:
    await log_in(client, "technician")
    page = await send(client, **typed)
    assert page.status_code == 409
    assert "Correct it, and search again." in page.text
    assert f'value="{escape(list(typed.values())[-1])}"' in page.text, "what was typed is still there"
    assert "<b>" not in page.text
    assert searches.options == []


async def test_unusable_file_is_told(client: httpx.AsyncClient, tmp_path: Path) -> None:
    (tmp_path / "post.toml").write_text("gateway = ")
    await log_in(client, "technician")
    page = (await send(client)).text
    assert "borderpost config check" in page
    assert page.count("<pre ") == 2, "both readers"


async def test_page_in_swahili(client: httpx.AsyncClient) -> None:
    await log_in(client, "technician")
    client.headers["Accept-Language"] = "sw"
    page = (await send(client)).text
    assert '<html lang="sw">' in page
    for english in ("Find devices", "Open in", "Driver<", "serial port", "not configured"):
        assert english not in page
    assert ' style="' not in page


# The process of a search.


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Let the search be another program; returns the file that has its pid."""

    def replaced(script: str) -> Path:
        file = tmp_path / "search"
        file.write_text(f"#!/bin/sh\necho $$ > {tmp_path}/pid\n{script}\n")
        file.chmod(0o755)
        monkeypatch.setattr(sys, "executable", str(file))
        return tmp_path / "pid"

    return replaced


@pytest.mark.parametrize("script", ["exit 3", "cat >/dev/null; echo nothing", "kill -KILL $$"])
async def test_failed_search_is_reported(program: Callable[[str], Path], script: str, tmp_path: Path) -> None:
    program(script)
    with pytest.raises(RpcError) as failed:
        await isolated.search_isolated(tmp_path / "post.toml", SearchOptions())
    assert (failed.value.code, failed.value.how) == (
        "unavailable",
        "Run it on the machine: sudo borderpost discover",
    )


async def test_endless_search_is_ended(
    program: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pid = program("exec sleep 600")
    monkeypatch.setattr(isolated, "TIMEOUT_S", 0.5)
    with pytest.raises(RpcError):
        await isolated.search_isolated(tmp_path / "post.toml", SearchOptions())
    if pid.exists():  # not yet on a busy machine
        with pytest.raises(ProcessLookupError):
            os.kill(int(pid.read_text()), 0)


@pytest.mark.thorough
async def test_search_process_finds_board(tmp_path: Path) -> None:
    """The real program, which the browser's test runs too."""
    from simulators.barrier import modbus_site
    from simulators.barrier.modbus_site import ModbusSite

    (tmp_path / "post.toml").write_text(gateway_section(profile="test", state_dir="state") + POST)
    async with ModbusSite.start(modbus_site.ModbusSettings()) as board:
        address = f"tcp://{board.address}"
        options = SearchOptions(interfaces=(), modbus=(address,), workers={"lane-1/reader": 800})
        result = await isolated.search_isolated(tmp_path / "post.toml", options)
    found = {device.address: device for device in result.devices}
    assert found[address].paste.startswith("# The board of a barrier")
    assert found["/dev/ttyACM0"].held_by == ("the gateway, for lane-1/reader (pid 800)",)
