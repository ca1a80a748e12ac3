"""Pages: complete, escaped, in two languages, with the operations that each role may use."""

import asyncio
import html
import re
from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI, Request
from support.console.consoles import browser, console_of, log_in, on_socket
from support.console.fake_daemon import FakeDaemon, device

from drivers.driver import Identity, StateCode
from drivers.links.link import Action, Cause
from drivers.self_test import SelfTestLevel
from gateway.api.models import Finding, LiveUpdate, PostView
from gateway.api.operations import (
    AcceptDevice,
    Maintenance,
    ResetCounters,
    Restart,
    RevokeClaim,
    RpcError,
)
from gateway.console.pages import device as device_pages
from gateway.console.pages import live_updates
from gateway.contract.registry import OURS
from gateway.contract.states import DeviceState
from gateway.contract.vocabularies.vocabularies import CHECK_IDS

HERE = {"Origin": "https://post.example"}
PAGES = [
    "/",
    "/events",
    "/events?device=lane-1/reader",
    "/barriers",
    "/cameras",
    "/delivery",
    "/audit",
    "/contract",
]
DEVICE = "/devices/lane-1/reader"
ORDERS = {
    "restart": {},
    "maintenance": {"on": "true", "minutes": "20", "reason": "cleaning"},
    "accept": {"serial_number": "SIM0002", "reason": "swap"},
    "counters/reset": {},
    "claim/revoke": {"reason": "workstation is dead"},
    "check": {"level": "internal"},
}
SUPERVISORS = {"accept", "claim/revoke"}


@pytest.fixture
def daemon() -> FakeDaemon:
    daemon = FakeDaemon()
    swapped = DeviceState(
        state=StateCode.AWAITING_ACCEPTANCE,
        since=daemon.devices["lane-1/reader"].state.since,
        cause=Cause.WRONG_DEVICE,
        text="Another serial number than <b>A0012345</b> answers.",
        action=Action.CALL_SUPPORT,
        session="0f8fad5bd9cb469f",
    )
    daemon.devices["lane-1/reader"] = device(
        "lane-1/reader",
        state=swapped,
        identity=Identity(model="OCR315e", serial_number="SIM0002"),
        claim=daemon.devices["lane-2/reader"].claim,
    )
    return daemon


@pytest.fixture
def app(daemon: FakeDaemon, tmp_path: Path) -> FastAPI:
    return console_of(daemon, tmp_path)


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    async with browser(app) as client:
        yield client


def token(page: httpx.Response) -> str:
    found = re.search(r'name="csrf" value="([^"]+)"', page.text)
    assert found is not None
    return found.group(1)


@pytest.mark.parametrize("language", ["en", "sw"])
async def test_every_page_in_every_language(client: httpx.AsyncClient, language: str) -> None:
    await log_in(client, "supervisor")
    for path in [*PAGES, DEVICE, f"{DEVICE}/trace", f"{DEVICE}/acceptance", "/devices/lane-2/reader"]:
        page = await client.get(path, headers={"Accept-Language": language})
        assert page.status_code == 200, path
        assert f'<html lang="{language}">' in page.text
        assert "<b>" not in page.text, "what a device says is escaped"
        assert ("JARIBIO" if language == "sw" else "TEST") in page.text, (
            "a profile that is not serious says so"
        )
        assert ' style="' not in page.text, "nothing that the Content-Security-Policy would stop"
        assert not re.search(r"<script(?! src)|\son\w+=", page.text)


async def test_state_in_swahili(client: httpx.AsyncClient) -> None:
    await log_in(client, "viewer")
    page = (await client.get("/devices/lane-2/reader", headers={"Accept-Language": "sw"})).text
    assert "nje ya mtandao" in page
    assert "Programu nyingine inatumia mlango wake." in page
    assert "anzisha upya" in page
    assert "sudo systemctl mask --now ModemManager" in page, "what is to be typed is not translated"


async def test_messages_are_described_with_their_words(client: httpx.AsyncClient) -> None:
    await log_in(client, "viewer")
    page = (await client.get("/contract", headers={"Accept-Language": "sw"})).text

    for event in OURS.observations:
        assert f'id="event-{event.event_type}"' in page
    for kind in OURS.commands:
        assert f'id="command-{kind.name}"' in page
    assert "evt/document-read_failed" in page
    assert "<code>mrz</code> is null when nothing could be decoded." in page
    assert CHECK_IDS["chip.trust"].sentence.sw in html.unescape(page)


async def test_chosen_language_persists(
    client: httpx.AsyncClient,
) -> None:
    chosen = await client.post("/language", data={"language": "sw", "back": "//evil.example"}, headers=HERE)
    assert chosen.headers["location"] == "/"
    assert '<html lang="sw">' in (await client.get("/login")).text


@pytest.mark.parametrize("name", ["viewer", "technician", "supervisor"])
async def test_each_role_sees_its_operations(
    client: httpx.AsyncClient, daemon: FakeDaemon, name: str
) -> None:
    await log_in(client, name)
    page = await client.get(DEVICE)
    for verb, fields in ORDERS.items():
        may = name == "supervisor" or (name == "technician" and verb not in SUPERVISORS)
        assert (f'action="{DEVICE}/{verb}"' in page.text) is may, verb
        answer = await client.post(f"{DEVICE}/{verb}", data={**fields, "csrf": token(page)}, headers=HERE)
        assert (answer.status_code in (200, 303)) is may, verb
        assert may or answer.status_code == 403
    kinds = [type(order) for _, order, _ in daemon.operations]
    assert (
        kinds
        == {
            "viewer": [],
            "technician": [Restart, Maintenance, ResetCounters],
            "supervisor": [Restart, Maintenance, AcceptDevice, ResetCounters, RevokeClaim],
        }[name]
    )
    assert [level for _, level, _ in daemon.checks] == ([] if name == "viewer" else [SelfTestLevel.INTERNAL])
    assert all(who.name == name and who.channel == "network" for _, _, who in daemon.operations)


async def test_form_without_token_is_refused(client: httpx.AsyncClient, daemon: FakeDaemon) -> None:
    await log_in(client, "supervisor")
    for verb, fields in ORDERS.items():
        assert (await client.post(f"{DEVICE}/{verb}", data=fields, headers=HERE)).status_code == 403
    assert daemon.touched == 0


async def test_invalid_form_is_not_echoed(client: httpx.AsyncClient, daemon: FakeDaemon) -> None:
    await log_in(client, "technician")
    csrf = token(await client.get(DEVICE))
    wrong = {"on": "true", "minutes": "7 for MARKED", "csrf": csrf}
    answer = await client.post(f"{DEVICE}/maintenance", data=wrong, headers=HERE)
    assert answer.status_code == 409
    assert "minutes:" in answer.text
    assert "MARKED" not in answer.text
    assert daemon.operations == []


async def test_refusal_is_shown_with_remedy(
    client: httpx.AsyncClient, daemon: FakeDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuses(*_: object) -> None:
        raise RpcError("conflict", "Its boom is moving.", "Wait until it is closed.")

    await log_in(client, "technician")
    csrf = token(await client.get(DEVICE))
    monkeypatch.setattr(daemon, "perform", refuses)
    answer = await client.post(f"{DEVICE}/restart", data={"csrf": csrf}, headers=HERE)
    assert answer.status_code == 409
    assert "Its boom is moving." in answer.text
    assert "Wait until it is closed." in answer.text


async def test_missing_daemon_or_device_is_reported(client: httpx.AsyncClient, daemon: FakeDaemon) -> None:
    await log_in(client, "viewer")
    assert (await client.get("/devices/lane-9/reader")).status_code == 404
    daemon.refuses = RpcError("unavailable", "The gateway does not answer.", "systemctl restart borderpost")
    page = await client.get("/")
    assert page.status_code == 503
    assert "systemctl restart borderpost" in page.text


async def test_slow_diagnosis_does_not_delay_page(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, answer = [], asyncio.Event()

    async def slow(_: object, position: str) -> list[Finding]:
        asked.append(position)
        await answer.wait()
        told = {
            "subject": "broker",
            "text": "It does not answer.",
            "action": Action.CALL_SUPPORT,
            "how": "Ask <them>.",
        }
        return [Finding(code="broker_away", severity="error", **told)]

    monkeypatch.setattr(device_pages, "device_findings", slow)
    await log_in(client, "viewer")
    page = await client.get(DEVICE)
    assert f'data-late="{DEVICE}/why"' in page.text
    patient = asyncio.create_task(client.get(f"{DEVICE}/why"))
    for _ in range(500):  # all in this event loop: by then it waits
        await asyncio.sleep(0)
    assert not patient.done()
    answer.set()
    shown = (await patient).text
    for part in ("It does not answer.", "call support", "Ask &lt;them&gt;.", "BP-BROKER-AWAY"):
        assert part in shown
    assert asked == ["lane-1/reader"], "both saw one examination"


async def test_acceptance_needs_every_level(client: httpx.AsyncClient) -> None:
    await log_in(client, "technician")
    path = f"{DEVICE}/acceptance"
    page = await client.get(path)
    assert 'data-verdict="incomplete"' in page.text
    for level in ("internal", "interactive"):
        sent = {"level": level, "csrf": token(page)}
        assert (await client.post(path, data=sent, headers=HERE)).status_code == 303
    page = await client.get(path)
    assert 'data-verdict="passed"' in page.text
    assert page.text.count('data-step="link.answers"') == 2
    assert "SIM0002" in page.text


async def test_trace_ticket_needs_supervisor_and_reason(
    client: httpx.AsyncClient, daemon: FakeDaemon
) -> None:
    await log_in(client, "technician")
    csrf = token(await client.get(DEVICE))
    asked = {"reason": "vendor asks for bytes", "csrf": csrf}
    assert (await client.post(f"{DEVICE}/trace", data=asked, headers=HERE)).status_code == 403
    await client.post("/logout", data={"csrf": csrf}, headers=HERE)
    await log_in(client, "supervisor")
    csrf = token(await client.get(DEVICE))
    empty = await client.post(f"{DEVICE}/trace", data={"reason": " ", "csrf": csrf}, headers=HERE)
    assert "ticket=" not in empty.text
    page = await client.post(f"{DEVICE}/trace", data=asked | {"csrf": csrf}, headers=HERE)
    stream = re.search(r'data-updates="([^"]+ticket=[^"]+)"', page.text)
    assert stream is not None
    assert "1c 02 50" in (await client.get(stream.group(1))).text
    assert "1c 02 50" not in (await client.get(stream.group(1))).text, "the ticket is valid once"
    assert "1c 02 50" not in (await client.get(f"/updates/trace{DEVICE.removeprefix('/devices')}")).text
    reveals = [reveal.reason for _, _, reveal in daemon.traces if reveal is not None]
    assert reveals == ["vendor asks for bytes"]


async def test_production_has_no_simulator_panel(app: FastAPI) -> None:
    async with on_socket(app) as program:
        assert (await program.get("/simulators")).status_code == 404
        assert "/simulators" not in (await program.get("/")).text


async def test_removed_device_leaves_pages(app: FastAPI, daemon: FakeDaemon) -> None:
    live_state = app.state.context.live_state
    request = Request({"type": "http", "headers": [], "app": app})
    async with (
        aclosing(live_updates._board(request, live_state)) as board,
        aclosing(live_updates._device(request, live_state, "lane-2/reader", None)) as page,
    ):
        assert "lane-2/reader" in await anext(board)
        await anext(board)
        assert "ModemManager" in await anext(page)
        await anext(page)
        del daemon.devices["lane-2/reader"]
        daemon.updates.put_nowait(LiveUpdate(kind="post"))
        assert "lane-2/reader" not in await anext(board)
        assert [piece async for piece in page] == []


async def test_diagnosis_restarts_after_state_change(app: FastAPI) -> None:
    live_state = app.state.context.live_state
    request = Request({"type": "http", "headers": [], "app": app})
    await live_state.post()
    since = live_state.device("lane-2/reader").state.since
    for examined, late in ((since, False), (since - timedelta(seconds=1), True)):
        async with aclosing(live_updates._device(request, live_state, "lane-2/reader", examined)) as page:
            assert ("data-late" in await anext(page)) is late


async def test_profile_banner(
    client: httpx.AsyncClient, daemon: FakeDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "TEST: devices may be simulated" in (await client.get("/login")).text
    post = await daemon.view()
    report = post.report.model_copy(update={"profile": "production"})

    async def production() -> PostView:
        return post.model_copy(update={"report": report})

    monkeypatch.setattr(daemon, "view", production)
    await log_in(client, "viewer")
    page = (await client.get("/")).text
    assert "lane-1/reader" in page
    assert 'class="profile"' not in page
