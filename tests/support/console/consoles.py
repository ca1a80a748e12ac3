"""The console in process: its application, an adjustable clock, and its clients."""

import os
from pathlib import Path
from typing import Any

import httpx
from argon2 import PasswordHasher
from fastapi import FastAPI
from support.console.fake_daemon import FakeDaemon

from gateway.console.auth.auth import Peer
from gateway.console.web.app import build
from gateway.delivery.outbox.database import DATABASE_FILE, connect, migrate

PASSWORD = "jambo-busia-2026"
QUICK = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
"""Fast argon2id hashes."""


def users(folder: Path) -> Path:
    """Write a users file with one user of each role, named after it."""
    file = folder / "users.toml"
    file.write_text(
        "".join(
            f'[user.{role}]\nrole = "{role}"\npassword = "{QUICK.hash(PASSWORD)}"\n'
            for role in ("viewer", "technician", "supervisor")
        )
    )
    file.chmod(0o600)
    return file


def console_of(daemon: FakeDaemon, folder: Path, **more: Any) -> FastAPI:
    """Return the console of that daemon, with those users."""
    return build(daemon, config=folder / "post.toml", state_dir=folder, users_file=users(folder), **more)


def empty_outbox(folder: Path) -> None:
    """Create the state directory's outbox of a gateway without queued events."""
    directory = folder / "outbox"
    directory.mkdir()
    connection = connect(directory / DATABASE_FILE)
    migrate(connection)
    connection.close()


class UnixPeerApp:
    """The application as on the Unix socket, for a process of that user."""

    def __init__(self, app: FastAPI, uid: int | None = None) -> None:
        self._app = app
        self._uid = os.geteuid() if uid is None else uid

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        scope.setdefault("state", {})["peer"] = Peer(self._uid)
        await self._app(scope, receive, send)


def on_socket(app: FastAPI, uid: int | None = None) -> httpx.AsyncClient:
    """Client program on this machine."""
    transport = httpx.ASGITransport(UnixPeerApp(app, uid))
    return httpx.AsyncClient(transport=transport, base_url="http://localhost")


def browser(app: FastAPI, address: str = "192.0.2.7") -> httpx.AsyncClient:
    """Browser on the post's network."""
    transport = httpx.ASGITransport(app, client=(address, 4711))
    return httpx.AsyncClient(transport=transport, base_url="https://post.example")


async def log_in(client: httpx.AsyncClient, name: str, password: str = PASSWORD) -> httpx.Response:
    """Send the login form."""
    return await client.post(
        "/login", data={"name": name, "password": password}, headers={"Origin": "https://post.example"}
    )
