"""The counter page at `/counter/`: static files, settings of this post's counters, and a security policy.

The page needs no login of the console: its files and settings are no secret, and officers log in to the
broker.
"""

import asyncio
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


def counter_routes(config: Path) -> Sequence[Route | Mount]:
    """Return the routes of the page, for the post of a configuration file."""

    async def settings(_request: Request) -> JSONResponse:
        """Read the file again: a lane may have been added since the console began."""
        try:
            post = await asyncio.to_thread(load, config, to_run=True)
            if post.counter is None:
                raise HTTPException(404, "This post has no [counter]")
            return JSONResponse(await asyncio.to_thread(settings_of, post, post.counter))
        except (ConfigError, OSError):
            raise HTTPException(
                503, "The configuration of the post has errors: borderpost config check"
            ) from None

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
