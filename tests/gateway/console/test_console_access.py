"""Access to every page by strangers and low roles, for pages added later too."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import APIRouter
from fastapi.routing import APIRoute
from support.console.consoles import browser, console_of, log_in
from support.console.fake_daemon import FakeDaemon

from gateway.console.auth import login
from gateway.console.auth.sessions import csrf_token
from gateway.console.pages import barrier_tests, discovery, live_updates
from gateway.console.pages import device as device_pages
from gateway.console.pages import post as post_pages
from gateway.console.pages import simulators as simulator_pages

ROUTERS: tuple[APIRouter, ...] = tuple(
    module.router
    for module in (device_pages, login, live_updates, post_pages, simulator_pages, barrier_tests, discovery)
)
FOR_EVERYBODY = {("GET", "/login"), ("POST", "/login"), ("POST", "/language")}
FOR_VIEWERS = {("POST", "/logout"), ("POST", "/language"), ("POST", "/login")}
FOR_SUPERVISORS = {"accept", "claim/revoke", "trace"}


def routes() -> Iterator[tuple[str, str]]:
    for router in ROUTERS:
        for route in router.routes:
            assert isinstance(route, APIRoute)
            for method in route.methods:
                yield method, route.path.format(lane="lane-1", device="reader")


async def test_stranger_gets_no_page(tmp_path: Path) -> None:
    daemon = FakeDaemon()
    everything = set(routes())
    assert len(everything) > 25
    async with browser(console_of(daemon, tmp_path)) as stranger:
        for method, path in sorted(everything - FOR_EVERYBODY):
            answer = await stranger.request(method, path)
            assert answer.status_code in (401, 303), f"{method} {path}"
            assert answer.headers.get("location", "/login").startswith("/login"), f"{method} {path}"
            assert "lane-2" not in answer.text
    assert daemon.touched == 0


@pytest.mark.parametrize("role", ["viewer", "technician"])
async def test_low_role_is_limited_and_needs_token(tmp_path: Path, role: str) -> None:
    daemon = FakeDaemon()
    changing = sorted(path for method, path in set(routes()) - FOR_VIEWERS if method == "POST")
    assert len(changing) > 10
    async with browser(console_of(daemon, tmp_path)) as person:
        await log_in(person, role)
        for path in changing:
            assert (await person.post(path)).status_code == 403, path
        assert daemon.touched == 0
        token = {"csrf": csrf_token(person.cookies["__Host-borderpost"])}
        for path in changing:
            if role == "viewer" or path.removeprefix("/devices/lane-1/reader/") in FOR_SUPERVISORS:
                assert (await person.post(path, data=token)).status_code == 403, path
    assert daemon.touched == 0
