"""Connections of the console: identity, limits, end without clients, content of error logs."""

import asyncio
import os
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import structlog
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from support.patience import PATIENCE_S

from drivers.installation import how_to_mend
from gateway.common import log
from gateway.config import ConfigError
from gateway.console import __main__
from gateway.console.auth.auth import Peer
from gateway.console.web import server

Serve = Callable[[float], Awaitable[None]]


async def application(scope: Any, receive: Any, send: Any) -> None:
    request = Request(scope, receive)
    if request.url.path == "/fault":
        raise ValueError("THRUMWICKE")
    peer: Peer = scope["state"]["peer"]
    await PlainTextResponse(str(peer.uid))(scope, receive, send)


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[tuple[Path, Serve]]:
    path = tmp_path / "console.sock"
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen()
        never = asyncio.Event()

        async def serve(idle_s: float) -> None:
            until = never.wait()
            own = listening.dup()  # as in a process that received the socket
            await server.serve(application, own, None, None, idle_s=idle_s, until=until)

        yield path, serve


async def asked(path: Path, what: str) -> bytes:
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(f"GET {what} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer


async def test_connection_has_user_and_timeout(
    place: tuple[Path, Serve], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "REQUEST_TIMEOUT_S", 0.05)
    path, serve = place
    running = asyncio.create_task(serve(0.2))
    assert (await asked(path, "/")).endswith(f"\r\n\r\n{os.geteuid()}".encode())
    reader, writer = await asyncio.open_unix_connection(path)
    async with asyncio.timeout(PATIENCE_S):
        assert await reader.read() == b"", "it was cut off"
        writer.close()
        await writer.wait_closed()
        await running  # and then no client was connected any more


async def test_late_client_waits_for_next_process(place: tuple[Path, Serve]) -> None:
    path, serve = place
    async with asyncio.timeout(PATIENCE_S):
        await serve(0.05)
        asking = asyncio.create_task(asked(path, "/"))
        await asyncio.sleep(0)
        assert b"200 OK" in (await asyncio.gather(serve(0.3), asking))[1]


async def test_error_log_has_place_but_no_values(
    place: tuple[Path, Serve], capfd: pytest.CaptureFixture[str]
) -> None:
    log.configure("info")
    try:
        path, serve = place
        running = asyncio.create_task(serve(0.1))
        assert b"500 Internal" in await asked(path, "/fault")
        await running
    finally:
        structlog.reset_defaults()
    told = "".join(capfd.readouterr())
    assert "ValueError" in told
    assert "THRUMWICKE" not in told


POST = """
[gateway]
site = "uto-test"
name = "gw-1"
profile = "test"
state_dir = "state"
[broker]
host = "127.0.0.1"
[console]
idle_timeout_s = 7
[device."lane-1/reader"]
driver = "mrz-serial"
port = "/dev/null"
framing = "text"
"""


def test_invalid_file_still_serves_socket(tmp_path: Path) -> None:
    file = tmp_path / "post.toml"
    file.write_text(POST)
    settings, counter, state_dir, _ = __main__._settings(file)
    assert (settings.idle_timeout_s, counter, state_dir) == (7, None, tmp_path / "state")
    file.write_text(POST.replace("framing", "framings"))
    settings, counter, state_dir, _ = __main__._settings(file)
    assert (settings.listen, counter, state_dir) == (None, None, tmp_path / "state")
    file.write_text("not TOML")
    with pytest.raises(ConfigError):
        __main__._settings(file)


def test_missing_extra_has_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "post.toml"
    file.write_text(POST)
    monkeypatch.setitem(sys.modules, "gateway.console.web.server", None)
    try:
        code = __main__.main(["--rpc-fd", "0", "--socket", "0", "--config", str(file)])
    finally:
        structlog.reset_defaults()
    assert code == os.EX_UNAVAILABLE
    assert how_to_mend("console") in "".join(capfd.readouterr())
