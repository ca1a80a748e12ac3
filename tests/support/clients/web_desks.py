"""The TypeScript client library in Node and in Chromium, behind the interface of all client libraries."""

import asyncio
import base64
import itertools
import json
import subprocess
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, Page, Playwright, async_playwright

from gateway.client import CommandFailed, CommandNotSent, CommandRejected, CommandUnanswered
from support.brokers.mosquitto import Mosquitto
from support.clients.desks import READER, DeskEvent, DeskOptions, DeskResult, DeskStatus, DeskView
from support.console.chromium import CHROMIUM

ROOT = Path(__file__).parents[3]
WEB = ROOT / "gateway/client/web"
NODE = ROOT / ".node/bin/node"
PAGE = "http://127.0.0.1:9/"
"""Address of the test's page. Nothing listens there: Playwright answers."""
POLICY = (
    "default-src 'none'; script-src 'self'; connect-src ws://127.0.0.1:*; "
    "require-trusted-types-for 'script'; trusted-types"
)
"""The strictest policy that a counter page may have."""
_ERRORS = {
    kind.__name__: kind for kind in (CommandFailed, CommandNotSent, CommandRejected, CommandUnanswered)
}
Ask = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]


class ClientError(Exception):
    """An error of the TypeScript client that is none of a command."""


@dataclass
class WebDesk:
    """One workstation of a driver."""

    ask: Ask
    number: int

    async def do(self, what: str, **more: Any) -> Any:
        said = await self.ask({"desk": self.number, "do": what, **more})
        if (error := said.get("error")) is None:
            return said["result"]
        if (kind := _ERRORS.get(error.get("name"))) is not None:
            raise kind(error["cmdId"], error["reason"], error["text"], error["how"])
        raise ClientError(f"{error.get('name')}: {error['text']}\n{error.get('stack', '')}")

    async def open(
        self,
        broker: Mosquitto,
        options: DeskOptions,
        *,
        scheme: str = "ws",
        tls: Mapping[str, str] | None = None,
        **more: Any,
    ) -> "WebDesk":
        named = {
            "site": options.site,
            "positions": options.positions,
            "clientId": options.client_id,
            "username": options.username,
            "password": options.password,
            "sessionS": options.session_s,
            "station": options.station,
            "training": options.training,
            "verify": options.verify,
            "vocabularies": options.vocabularies,
            "tls": tls,
        }
        given = {name: value for name, value in named.items() if value is not None}
        if options.signing_pem is not None:
            more["signingPem"] = options.signing_pem
        await self.do(
            "open", url=f"{scheme}://{broker.host}:{options.port or broker.ws_port}", options=given, **more
        )
        return self

    async def connected(self) -> None:
        await self.do("connected")

    async def next_event(self) -> DeskEvent:
        return _event(await self.do("next_event"))

    async def next_events(self) -> list[DeskEvent]:
        return [_event(said) for said in await self.do("next_events")]

    async def next_status(self) -> DeskStatus:
        return _status(await self.do("next_status"))

    async def view(self, position: str = READER, value: str | None = None) -> DeskView:
        said = await self.do("view", position=position, **({} if value is None else {"value": value}))
        last, problem = said["last"], said["problem"]
        return DeskView(
            is_connected=said["connected"],
            status=_status(said["status"]),
            last=None if last is None else last["data"],
            is_last_verified=last is not None and last["verified"],
            devices=said["devices"],
            gateways=list(said["gateways"]),
            discarded=said["discarded"],
            problem=None if problem is None else (problem["text"], problem["how"]),
            rejected=[(each["kind"], each.get("eventId"), each["text"]) for each in said["rejected"]],
        )

    async def command(
        self,
        position: str,
        verb: str,
        args: Mapping[str, Any] | None = None,
        *,
        expires_s: int = 3,
        timeout_s: float = 10,
        transaction: str | None = None,
    ) -> DeskResult:
        options: dict[str, Any] = {"expiresS": expires_s, "timeoutS": timeout_s}
        if transaction is not None:
            options["transaction"] = transaction
        done = await self.do("command", position=position, verb=verb, args=dict(args or {}), options=options)
        return DeskResult(done["result"], done.get("transaction"), done["isVerified"])

    async def claim(self, position: str, *, lease_s: int = 30, steal: str | None = None) -> None:
        options = {"leaseS": lease_s} | ({} if steal is None else {"steal": steal})
        await self.do("claim", position=position, options=options)

    async def claim_lost(self) -> None:
        await self.do("claim_lost")

    async def end_claim(self) -> None:
        await self.do("end_claim")

    async def preview(self, position: str, options: Mapping[str, Any]) -> None:
        await self.do("preview", position=position, options=dict(options))

    async def next_picture(self) -> bytes | None:
        shown = await self.do("next_picture")
        return None if shown is None else _bytes(shown)

    async def end_preview(self) -> None:
        await self.do("end_preview")

    async def close(self) -> None:
        await self.do("end_preview")
        await self.do("end_claim")
        await self.do("close")


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _event(said: dict[str, Any]) -> DeskEvent:
    images = {role: _bytes(text) for role, text in said["images"].items()}
    return DeskEvent(said["position"], said["envelope"], said["data"], images, said["simulated"], said["at"])


def _status(said: dict[str, Any]) -> DeskStatus:
    return DeskStatus(
        state=said["state"],
        gateway_online=said["gatewayOnline"],
        is_usable=said["usable"],
        holder=said["holder"],
        is_verified=said["verified"],
        is_described=said["description"] is not None,
    )


def require_built() -> None:
    """Fail where the client was not built."""
    if not (WEB / "dist/.built").exists() or not NODE.exists():
        raise FileNotFoundError("the TypeScript client is not built: run `make web`")


class NodeDriver:
    """A process of Node with any number of workstations."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}

    async def __aenter__(self) -> "NodeDriver":
        require_built()
        self._process = await asyncio.create_subprocess_exec(
            *(NODE, "--no-warnings", WEB / "test/stdioDriver.ts"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=1 << 26,
        )
        self._reading = asyncio.create_task(self._read())
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        await self._process.wait()
        await self._reading

    async def _read(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            said = json.loads(line)
            if (answer := self._answers.pop(said["id"], None)) is not None and not answer.done():
                answer.set_result(said)
        for answer in self._answers.values():
            if not answer.done():
                answer.set_exception(EOFError("Node has ended"))

    async def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """Send a request, and wait for its answer."""
        assert self._process.stdin is not None
        number = next(self._numbers)
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        self._process.stdin.write(json.dumps({"id": number, **request}).encode() + b"\n")
        return await answer

    def desk(self) -> WebDesk:
        return WebDesk(self.ask, next(self._numbers))


@cache
def page_script() -> str:
    """Return the driver for pages, with the whole client, as one script."""
    require_built()
    program = WEB / "node_modules/.bin/esbuild"
    return subprocess.run(
        [program, WEB / "test/pageDriver.ts", "--bundle", "--format=iife", "--target=es2022"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout


@dataclass
class PageDriver:
    """A page of Chromium with any number of workstations."""

    complaints: list[str] = field(default_factory=list)
    """Errors reported by the browser: scripts, violations of the policy."""
    _numbers: Any = field(default_factory=lambda: itertools.count(1))

    async def __aenter__(self) -> "PageDriver":
        self._playwright: Playwright = await async_playwright().start()
        self._browser: Browser = await self._playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        )
        self.page = await self.new_page()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._browser.close()
        await self._playwright.stop()

    async def new_page(self, **more: Any) -> Page:
        """Return a page of a new context, with the driver. `more` is Playwright's."""
        # Chromium does not know that Playwright's page is from this machine.
        context = await self._browser.new_context(permissions=["local-network-access"], **more)
        page = await context.new_page()
        await show_driver(page)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", lambda said: self.complaints.append(said.text) if "Policy" in said.text else None)
        return page

    async def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """Call the page's driver, and wait for its answer."""
        said: dict[str, Any] = json.loads(await self.page.evaluate("desk", json.dumps(request)))
        return said

    def desk(self) -> WebDesk:
        return WebDesk(self.ask, next(self._numbers))


async def show_driver(page: Page, address: str = PAGE, policy: str = POLICY) -> None:
    """Load the driver into a page of its own origin, under a strict policy."""
    script = page_script()
    await page.route(
        f"{address}driver.js", lambda route: route.fulfill(body=script, content_type="text/javascript")
    )
    await page.route(
        address,
        lambda route: route.fulfill(
            body="<!doctype html><title>desk</title><script src=driver.js></script>",
            content_type="text/html",
            headers={"Content-Security-Policy": policy},
        ),
    )
    await page.goto(address)
