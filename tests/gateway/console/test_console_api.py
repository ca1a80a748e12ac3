"""Management API: content, operations, and required roles."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from support.console.consoles import (
    PASSWORD,
    UnixPeerApp,
    browser,
    console_of,
    empty_outbox,
    log_in,
    on_socket,
)
from support.console.fake_daemon import FakeDaemon

from gateway.api.operations import RpcError, UserRole
from gateway.audit.hash_chain import AUDIT_FILE, closed_file_path
from gateway.console.api import exposition
from gateway.console.auth.sessions import csrf_token
from gateway.console.web import sse

READER = "/api/v1/devices/lane-1/reader"


@pytest.fixture
def daemon() -> FakeDaemon:
    return FakeDaemon()


@pytest.fixture
def app(daemon: FakeDaemon, tmp_path: Path) -> FastAPI:
    return console_of(daemon, tmp_path)


@pytest.fixture
async def root(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    async with on_socket(app) as client:
        yield client


async def operations(client: httpx.AsyncClient) -> list[tuple[str, str]]:
    """Return every operation of the OpenAPI document, with an existing device."""
    described = (await client.get("/openapi.json")).json()
    return [
        (method.upper(), path.format(lane="lane-1", device="reader"))
        for path, methods in described["paths"].items()
        for method in methods
    ]


async def said(client: httpx.AsyncClient, address: str) -> list[dict[str, Any]]:
    """Return the items of a stream that ends."""
    lines = (await client.get(address)).text.splitlines()
    return [json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: ")]


async def test_post_and_devices(root: httpx.AsyncClient) -> None:
    assert (await root.get("/api/v1/post")).json()["site"] == "ke-busia"
    positions = [device["position"] for device in (await root.get("/api/v1/devices")).json()]
    assert positions == ["lane-1/reader", "lane-2/reader"]
    state = (await root.get("/api/v1/devices/lane-2/reader")).json()["state"]
    assert (state["cause"], state["action"]) == ("port_held", "restart")
    (event,) = (await root.get(f"{READER}/events")).json()
    assert event["data"] == {"lines": "<tuple len=2>"}
    claims = (await root.get("/api/v1/claims")).json()
    assert claims == [{"position": "lane-2/reader", "station": "lane-2", "since": "2026-11-28T08:15:30Z"}]


async def test_operations_reach_daemon_with_actor(root: httpx.AsyncClient, daemon: FakeDaemon) -> None:
    for place, body in (
        ("restart", None),
        ("replug", {"reason": "no answer"}),
        ("maintenance", {"on": True, "minutes": 10, "reason": "cleaning"}),
        ("accept", {"serial_number": "B7"}),
        ("counters/reset", None),
        ("claim/revoke", {"reason": "workstation is dead"}),
    ):
        answer = await root.post(f"{READER}/{place}", json=body)
        assert answer.status_code == 204, answer.text
    assert [order.operation for _, order, _ in daemon.operations] == [
        "restart", "replug", "maintenance", "accept", "reset_counters", "revoke_claim",
    ]  # fmt: skip
    assert {(position, who.role, who.channel) for position, _, who in daemon.operations} == {
        ("lane-1/reader", UserRole.SUPERVISOR, "socket")
    }
    report = await root.post(f"{READER}/check", json={"level": "interactive"})
    assert report.json()["steps"][0]["outcome"] == "successful"
    assert daemon.checks[0][:2] == ("lane-1/reader", "interactive")


async def test_refusal_becomes_problem(root: httpx.AsyncClient, daemon: FakeDaemon) -> None:
    for code, status in (("unknown", 404), ("not_permitted", 403), ("conflict", 409), ("unavailable", 503)):
        daemon.refuses = RpcError(code, "It does not.", "Do this.")
        answer = await root.post(f"{READER}/restart")
        assert answer.status_code == status
        assert answer.headers["content-type"] == "application/problem+json"
        problem = answer.json()
        assert (problem["code"], problem["text"], problem["how"]) == (code, "It does not.", "Do this.")


async def test_invalid_request_is_not_echoed(root: httpx.AsyncClient, daemon: FakeDaemon) -> None:
    for path, body, status in (
        ("maintenance", {"on": True, "minutes": "THRUMWICKE"}, 422),
        ("maintenance", {"on": True, "THRUMWICKE": 1}, 422),
        ("check", {"level": ["THRUMWICKE"]}, 422),
        ("claim/revoke", {"reason": "x"}, 422),
        ("accept", {"serial_number": "x" * 70_000}, 413),
        ("nothing", None, 404),
    ):
        answer = await root.post(f"{READER}/{path}", json=body)
        assert answer.status_code == status, path
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["status"] == status
    chunks = (b"x" * 1000 for _ in range(100))

    async def endless() -> AsyncIterator[bytes]:
        for chunk in chunks:
            yield chunk

    assert (await root.post(f"{READER}/accept", content=endless())).status_code == 413
    daemon.updates.put_nowait(None)
    assert (await root.request("GET", "/api/v1/live", content=b"x" * 70_000)).text == ": listening\n\n"


async def test_every_operation_requires_role(
    app: FastAPI, root: httpx.AsyncClient, daemon: FakeDaemon
) -> None:
    """Covers the whole OpenAPI document, so operations added later too."""
    everything = await operations(root)
    assert len(everything) > 15
    changing = {(method, path) for method, path in everything if method != "GET"}
    supervisors = {f"{READER}/{place}" for place in ("accept", "claim/revoke", "trace/reveal")}
    async with browser(app) as stranger:
        for method, path in everything:
            answer = await stranger.request(method, path, json={})
            assert answer.status_code == 401, path
            assert answer.headers["content-type"] == "application/problem+json"
    for role in ("viewer", "technician"):
        async with browser(app) as person:
            await log_in(person, role)
            token = {"X-CSRF-Token": csrf_token(person.cookies["__Host-borderpost"])}
            for method, path in sorted(changing):
                assert (await person.request(method, path, json={})).status_code == 403, "no CSRF token"
                closed = role == "viewer" or path in supervisors
                answer = await person.request(method, path, json={}, headers=token)
                assert (answer.status_code == 403) is closed, f"{role} {path}: {answer.status_code}"
            for path in (f"{READER}/trace", "/api/v1/audit"):
                assert (await person.get(path)).status_code == (403 if role == "viewer" else 200)
        if role == "viewer":
            assert daemon.touched == 0


async def test_response_starts_before_events() -> None:
    begins = asyncio.Event()

    async def items() -> AsyncGenerator[str | None]:
        await begins.wait()
        yield None
        yield "x"

    answering = asyncio.create_task(sse.event_stream_after_first(items(), lambda: True))
    await asyncio.wait({answering}, timeout=0.05)
    assert not answering.done()
    begins.set()
    pieces = [piece async for piece in (await answering).body_iterator]
    assert pieces == [": listening\n\n", "event: item\ndata: x\n\n"]


async def test_quiet_page_gets_its_age(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "ALIVE_S", 0.01)
    ages, goes_on = iter((0.4, 5.25)), asyncio.Event()

    async def items() -> AsyncGenerator[str | None]:
        await goes_on.wait()
        yield "x"

    response, pieces = sse.event_stream(items(), lambda: True, age_s=lambda: next(ages)), []
    async for piece in response.body_iterator:
        pieces.append(piece)
        if len(pieces) == 3:
            goes_on.set()
    assert pieces == [
        ": listening\n\n",
        "event: alive\ndata: 0.40\n\n",
        "event: alive\ndata: 5.25\n\n",
        "event: item\ndata: x\n\n",
    ]


async def test_trace_ticket_is_valid_once(app: FastAPI, root: httpx.AsyncClient, daemon: FakeDaemon) -> None:
    (plain,) = await said(root, f"{READER}/trace")
    assert (plain["size"], plain["hex"]) == (3, None)
    ticket = (await root.post(f"{READER}/trace/reveal", json={"reason": "vendor asks"})).json()["ticket"]
    other = await root.get("/api/v1/devices/lane-2/reader/trace", params={"ticket": ticket})
    assert other.status_code == 403
    ticket = (await root.post(f"{READER}/trace/reveal", json={"reason": "vendor asks"})).json()["ticket"]
    async with on_socket(app, uid=65534) as colleague:
        assert (await colleague.get(f"{READER}/trace", params={"ticket": ticket})).status_code == 403
    ticket = (await root.post(f"{READER}/trace/reveal", json={"reason": "vendor asks"})).json()["ticket"]
    (item,) = await said(root, f"{READER}/trace?ticket={ticket}")
    assert item["hex"] == "1c 02 50"
    assert (await root.get(f"{READER}/trace", params={"ticket": ticket})).status_code == 403
    reasons = [reveal.reason if reveal else None for _, _, reveal in daemon.traces]
    assert reasons == [None, "vendor asks"]


async def test_stream_ends_with_client_login_or_refusal(
    app: FastAPI, daemon: FakeDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sse, "KEEPALIVE_S", 0.02)
    async with browser(app) as person:
        await log_in(person, "viewer")
        listening = asyncio.create_task(person.get("/api/v1/live"))
        while not daemon.streams:
            await asyncio.sleep(0)
        app.state.context.sessions.end(person.cookies["__Host-borderpost"])
        assert "nothing new" in (await listening).text or (await listening).status_code == 200
    assert daemon.streams == 0
    async with on_socket(app) as person:
        listening = asyncio.create_task(person.get("/api/v1/live"))
        while not daemon.streams:
            await asyncio.sleep(0)
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
    assert daemon.streams == 0


async def test_too_many_streams_are_refused(root: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "MAX_STREAMS", 0)
    assert (await root.get("/api/v1/live")).status_code == 503


async def test_audit_is_read_newest_first(root: httpx.AsyncClient, tmp_path: Path) -> None:
    assert (await root.get("/api/v1/audit")).json() == []
    line = '{{"at":"2026-11-28T08:15:30Z","position":"lane-1/gate","type":"claim.changed","data":{{"n":{}}}}}'
    older = "".join(line.format(n) + "\n" for n in range(1000))
    closed_file_path(tmp_path, 1).write_text(older)
    (tmp_path / AUDIT_FILE).write_text(line.format(1000) + "\n" + '{"at":"2026-11-2')
    newest = [entry["data"]["n"] for entry in (await root.get("/api/v1/audit?limit=900")).json()]
    assert newest == list(range(1000, 100, -1))


async def test_unreadable_outbox_is_reported(root: httpx.AsyncClient, tmp_path: Path) -> None:
    missing = await root.get("/api/v1/outbox")
    assert (missing.status_code, missing.json()["code"]) == (503, "outbox_unavailable")
    empty_outbox(tmp_path)
    outbox = (await root.get("/api/v1/outbox")).json()
    assert outbox["destinations"][0]["queued"] == 3
    assert outbox["streams"] == []


async def test_metrics_with_password(app: FastAPI, root: httpx.AsyncClient) -> None:
    from prometheus_client.parser import text_string_to_metric_families

    text = (await root.get("/metrics")).text
    samples = {
        (sample.name, sample.labels.get("position"), sample.labels.get("result")): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.labels.get("state", "online") == "online"
    }
    assert samples["borderpost_device_state", "lane-1/reader", None] == 1
    assert samples["borderpost_device_state", "lane-2/reader", None] == 0
    assert samples["borderpost_device_reads_total", "lane-1/reader", "bad"] == 7
    assert samples["borderpost_device_chip_attempts_total", "lane-1/reader", None] == 963
    assert samples["borderpost_destination_queued_events", None, None] == 3
    described = (Path(exposition.__file__).parents[1] / "README.md").read_text()
    assert all(f"`{name}`" in described for name, _, _ in samples)
    async with browser(app) as scraper:
        assert (await scraper.get("/metrics", auth=("viewer", "guess"))).status_code == 401
        for _ in range(3):
            assert (await scraper.get("/metrics", auth=("viewer", PASSWORD))).text == text
        assert (await scraper.get("/api/v1/post", auth=("viewer", PASSWORD))).status_code == 401


async def test_internal_error_reveals_nothing(
    app: FastAPI, daemon: FakeDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken() -> None:
        raise RuntimeError("THRUMWICKE")

    monkeypatch.setattr(daemon, "view", broken)
    transport = httpx.ASGITransport(UnixPeerApp(app), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        for path in ("/api/v1/post", "/"):
            answer = await client.get(path)
            assert answer.status_code == 500
            assert "THRUMWICKE" not in answer.text
            assert answer.headers["x-frame-options"] == "DENY"
