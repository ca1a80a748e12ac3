"""The counter page at `/counter/`: static files, settings of this post's counters, and a security policy.

The page needs no login of the console: its files and settings are no secret, and officers log in to the
broker.
"""

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from gateway.config import ConfigError, load
from gateway.config.model import CounterSection, Post

PREFIX = "/counter/"
FILES = Path(__file__).parents[2] / "counter" / "dist"
RETRY_S = 2.0
"""Pause before a file with errors is read again, in seconds."""
NOT_BUILT = "The counter page is not built: run `make counter`, or install the package of the console"


def settings_of(post: Post, counter: CounterSection) -> dict[str, object]:
    """Return `counter.json`: what the page has to know of the post."""
    lanes: dict[str, list[str]] = {}
    for position in post.devices:
        lanes.setdefault(position.lane, []).append(str(position))
    keys = [file.read_text("ascii") for file in counter.gateway_keys]
    return {
        "site": post.gateway.site,
        "broker": counter.broker,
        "lanes": lanes,
        "training": post.gateway.profile == "training",
        "passwords": counter.passwords,
        "sign": counter.sign,
        "verify": {f"{post.gateway.site}/{post.gateway.name}": keys} if keys else {},
        "wipe_after_s": counter.wipe_after_s,
        "lock_after_s": counter.lock_after_s,
    }


def content_security_policy(broker: str) -> str:
    """Return the policy of the page: nothing but its own files, and this broker.

    A WebSocket of Chromium chooses no client certificate, so the client makes an https request to the broker
    first.
    """
    host = urlsplit(broker).netloc
    brokers = f"{broker} https://{host}" if broker.startswith("wss") else broker
    return (
        "default-src 'none'; script-src 'self'; worker-src 'self'; style-src 'self'; img-src 'self' blob:; "
        f"connect-src 'self' {brokers}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
        "require-trusted-types-for 'script'; trusted-types borderpost-ticks"
    )


class _PostSettings:
    """Settings of the page, read again when the post's file has changed: a lane may have been added.

    Anybody may ask for them, and reading the file takes 50 ms of processor time: so it is read once for all
    who ask, and one with errors at most every RETRY_S.
    """

    def __init__(self, config: Path) -> None:
        self._config = config
        self._reading = asyncio.Lock()
        self._keys: tuple[Path, ...] = ()
        """Files of keys that are part of the settings."""
        self._read_of: tuple[object, ...] | None = None
        """State of the files when they were read; None: not yet, or with errors."""
        self._settings: dict[str, object] | None = None
        self._retry_at = 0.0

    async def get(self) -> dict[str, object] | None:
        """Return the settings, None without [counter]; raises ConfigError or OSError."""
        async with self._reading:
            if self._read_of is None or self._read_of != (_state(self._config), *map(_state, self._keys)):
                if time.monotonic() < self._retry_at:
                    raise OSError("the file had errors a moment ago")
                self._read_of, self._retry_at = None, time.monotonic() + RETRY_S
                await asyncio.to_thread(self._read)
            return self._settings

    def _read(self) -> None:
        """Read the files, and note their state before: what is written meanwhile is read the next time."""
        config_state = _state(self._config)
        post = load(self._config, to_run=True)
        self._keys = post.counter.gateway_keys if post.counter is not None else ()
        read_of = (config_state, *map(_state, self._keys))
        self._settings = settings_of(post, post.counter) if post.counter is not None else None
        self._read_of, self._retry_at = read_of, 0.0


def _state(file: Path) -> tuple[int, int, int]:
    """Return what changes when a file is written; raises OSError."""
    found = file.stat()
    return found.st_ino, found.st_mtime_ns, found.st_size


def counter_routes(config: Path) -> Sequence[Route | Mount]:
    """Return the routes of the page, for the post of a configuration file."""
    of_post = _PostSettings(config)

    async def settings(_request: Request) -> JSONResponse:
        try:
            found = await of_post.get()
        except (ConfigError, OSError):
            raise HTTPException(
                503, "The configuration of the post has errors: borderpost config check"
            ) from None
        if found is None:
            raise HTTPException(404, "This post has no [counter]")
        return JSONResponse(found)

    async def without_slash(_request: Request) -> RedirectResponse:
        return RedirectResponse(PREFIX)

    return [
        Route(PREFIX.rstrip("/"), without_slash),
        Route(f"{PREFIX}counter.json", settings),
        Mount(PREFIX, _Files(FILES)),
    ]


class _Files(Starlette):
    """Files of the page; an error that says how to build them where they are missing."""

    def __init__(self, files: Path) -> None:
        if files.is_dir():
            super().__init__(routes=[Mount("/", StaticFiles(directory=files, html=True))])
        else:
            super().__init__(routes=[Route("/{path:path}", self._missing)])

    async def _missing(self, _request: Request) -> JSONResponse:
        return JSONResponse({"text": f"{NOT_BUILT}."}, 503)
