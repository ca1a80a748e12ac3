"""The management API: bodies, forms and queries, from a program on the socket and from a browser."""

import asyncio
import shutil
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import httpx
from support.console.consoles import QUICK, browser, console_of, empty_outbox, on_socket
from support.console.fake_daemon import FakeDaemon

from fuzz.target import held, target
from gateway.console.auth import users as people

JSON, FORM = {"content-type": "application/json"}, {"content-type": "application/x-www-form-urlencoded"}


LOOKING_AROUND = ("/doctor", "/why", "/bundle")
"""Routes that examine the machine for half a second and have no input from outside."""


class _Post:
    """One console for all inputs; a new daemon for each would cost more than the input."""

    def __init__(self) -> None:
        self.runner = asyncio.Runner()
        folder = self.folder = Path(tempfile.mkdtemp())
        empty_outbox(folder)
        self.daemon = FakeDaemon()
        app = console_of(self.daemon, folder)
        self._hasher, people._HASHER = people._HASHER, QUICK
        self.program, self.browser = on_socket(app), browser(app)
        described = self.runner.run(self.program.get("/openapi.json")).json()["paths"]
        self.routes = sorted(
            (method.upper(), path.format(lane="lane-1", device="reader"))
            for path, methods in described.items()
            for method in methods
            if not any(word in path for word in LOOKING_AROUND)
        )

    def close(self) -> None:
        for client in (self.program, self.browser):
            self.runner.run(client.aclose())
        self.runner.close()
        shutil.rmtree(self.folder)
        people._HASHER = self._hasher
        _post.cache_clear()


@cache
def _post() -> _Post:
    post = _Post()
    held.callback(post.close)
    return post


def _send(client: httpx.AsyncClient, method: str, path: str, **more: Any) -> None:
    post = _post()
    post.daemon.updates.put_nowait(None)  # a stream must end
    answer = post.runner.run(client.request(method, path, **more))
    assert answer.status_code < 500, f"{method} {path}: {answer.status_code}"
    for records in (post.daemon.operations, post.daemon.checks, post.daemon.traces):
        records.clear()
    while not post.daemon.updates.empty():
        post.daemon.updates.get_nowait()


@target(
    seeds=[
        bytes([n]) + body
        for n in range(0, 24, 2)
        for body in (b'{"reason":"x","minutes":30}', b'{"level":"internal"}')
    ],
    words=(b'"reason"', b'"minutes"', b'"serial_number"', b'"level"', b'"position"', b"null", b'"scope"'),
    longest=1024,
)
def bodies(data: bytes) -> None:
    """Send any body to any route of the description."""
    routes = _post().routes
    method, path = routes[data[0] % len(routes)] if data else routes[0]
    _send(_post().program, method, path, content=data[1:], headers=JSON)


@target(
    seeds=(b"\0limit=5", b"\1ticket=a", b"\2since=1"),
    words=(b"limit=", b"ticket=", b"level=", b"%", b"&"),
    longest=512,
)
def queries(data: bytes) -> None:
    routes = [route for route in _post().routes if route[0] == "GET"]
    _, path = routes[data[0] % len(routes)] if data else routes[0]
    text = "".join(chr(c) for c in data[1:] if 0x21 <= c < 0x7F and chr(c) not in "#")
    _send(_post().program, "GET", f"{path}?{text}")


@target(
    seeds=(b"name=viewer&password=x", b"name=%ff&password=%00&csrf=a"),
    words=(b"name=", b"password=", b"csrf=", b"%00", b"&"),
    longest=512,
)
def login(data: bytes) -> None:
    """Send the only form that is allowed without login."""
    origin = {"Origin": "https://post.example"}
    _post().browser.cookies.clear()
    _send(_post().browser, "POST", "/login", content=data, headers={**FORM, **origin})


@target(
    seeds=(b"borderpost=x", b"__Host-borderpost=" + b"a" * 43),
    words=(b"__Host-borderpost=", b"; "),
    longest=512,
)
def headers(data: bytes) -> None:
    """Send an unknown client's cookie, origin and language."""
    text = data.replace(b"\r", b"").replace(b"\n", b"").replace(b"\0", b"")
    sent = {
        b"cookie": text,
        b"origin": text[:64],
        b"accept-language": text,
        b"x-csrf-token": text,
        b"host": b"post.example",
    }
    _send(_post().browser, "GET", "/", headers=list(sent.items()))
    _send(_post().browser, "POST", "/api/v1/devices/lane-1/reader/restart", headers=list(sent.items()))
