"""Commissioning and proof test of a barrier on the console's acceptance page."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from support.console.consoles import browser, console_of, log_in
from support.console.fake_daemon import FakeDaemon, device
from support.gateway.post_files import gateway_section

from drivers.driver import Family
from gateway.api.operations import RecordTest
from gateway.config import load

BARRIER = "lane-1/barrier"
PAGE = f"/devices/{BARRIER}/acceptance"
DEVICE = """
[broker]
host = "127.0.0.1"
[device."lane-1/barrier"]
driver = "modbus-barrier"
no_emergency_input = true
[device."lane-1/barrier".board]
model = "waveshare-8"
port = "tcp://192.0.2.7"
[[device."lane-1/barrier".doors]]
open = 0
open_limit = { input = 0, contact = "no" }
closed_limit = { input = 1, contact = "no" }
"""


@pytest.fixture
def daemon(tmp_path: Path) -> FakeDaemon:
    (tmp_path / "post.toml").write_text(gateway_section(profile="test", state_dir="state") + DEVICE)
    daemon = FakeDaemon()
    daemon.devices = {BARRIER: device(BARRIER, family=Family.BARRIER, configuration="0" * 16)}
    return daemon


@pytest.fixture
async def client(daemon: FakeDaemon, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    async with browser(console_of(daemon, tmp_path)) as client:
        yield client


async def fill_in(client: httpx.AsyncClient, kind: str, wrong: set[int] | None = None) -> dict[str, str]:
    """Open the page, and return the form with its answers."""
    page = (await client.get(PAGE)).text
    hidden = {name: re.search(rf'name="{name}" value="([^"]+)"', page) for name in ("csrf", "configuration")}
    count = len(set(re.findall(r'name="(step-\d+)"', page)))
    answers = {f"step-{at}": "failed" if at in (wrong or ()) else "passed" for at in range(count)}
    return {"kind": kind, **{name: found[1] for name, found in hidden.items() if found}, **answers}


async def send(client: httpx.AsyncClient, form: dict[str, str]) -> httpx.Response:
    return await client.post(
        f"/devices/{BARRIER}/test", data=form, headers={"Origin": "https://post.example"}
    )


@pytest.mark.parametrize("language", ["en", "sw"])
async def test_page_shows_what_is_missing(client: httpx.AsyncClient, language: str) -> None:
    await log_in(client, "supervisor")
    page = (await client.get(PAGE, headers={"Accept-Language": language})).text
    assert page.count('action="/devices/lane-1/barrier/test"') == 3
    assert ("usiruhusu watu" if language == "sw" else "do not let people near") in page
    unplug = "Chomoa waya wa" if language == "sw" else "Unplug the wire of"
    assert f"{unplug} closed_limit" in page


async def test_protocol_is_recorded(client: httpx.AsyncClient, daemon: FakeDaemon, tmp_path: Path) -> None:
    await log_in(client, "supervisor")
    assert (await send(client, await fill_in(client, "commissioning"))).status_code == 303
    assert (await send(client, await fill_in(client, "proof_test", {1}))).status_code == 303
    assert (await send(client, await fill_in(client, "power_on"))).status_code == 303
    first, second, third = (operation for _, operation, _ in daemon.operations)
    assert isinstance(third, RecordTest)
    assert (third.kind, third.passed) == ("power_on", True)
    assert isinstance(first, RecordTest)
    assert isinstance(second, RecordTest)
    assert (first.kind, first.passed) == ("commissioning", True)
    assert (second.kind, [step.passed for step in second.steps][:2]) == ("proof_test", [True, False])
    (configured,) = load(tmp_path / "post.toml", {}).devices.values()
    assert first.configuration == configured.settings.fingerprint()


async def test_commissioning_is_for_supervisors(client: httpx.AsyncClient) -> None:
    await log_in(client, "technician")
    page = (await client.get(PAGE)).text
    assert page.count('action="/devices/lane-1/barrier/test"') == 2
    assert "A supervisor records this test." in page


async def test_unknown_kind_is_refused(client: httpx.AsyncClient, daemon: FakeDaemon) -> None:
    await log_in(client, "supervisor")
    assert (await send(client, await fill_in(client, "wedding"))).status_code == 409
    assert not daemon.operations


@pytest.mark.parametrize("given", ["of the page", "none"])
async def test_answers_to_another_configuration_are_not_recorded(
    client: httpx.AsyncClient, daemon: FakeDaemon, tmp_path: Path, given: str
) -> None:
    """The file was changed and loaded while a person was at the barrier with the page."""
    await log_in(client, "supervisor")
    form = await fill_in(client, "commissioning")
    if given == "none":
        form.pop("configuration", None)
    post = tmp_path / "post.toml"
    post.write_text(post.read_text().replace("no_emergency_input", "pulse_s = 0.7\nno_emergency_input"))

    refused = await send(client, form)

    assert refused.status_code == 409
    assert "has changed since the page was opened" in refused.text
    assert not daemon.operations
    assert (await send(client, await fill_in(client, "commissioning"))).status_code == 303


async def test_page_names_the_configuration(client: httpx.AsyncClient) -> None:
    """A person compares the fingerprint with that of the signed safety case."""
    await log_in(client, "technician")
    assert f'<dd class="mono">{"0" * 16}</dd>' in (await client.get(PAGE)).text
