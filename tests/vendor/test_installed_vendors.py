"""Packages of two vendors with equal verbs, installed into an environment of their own, in a whole post.

One is made by `borderpost driver new`, on a serial line; the other (`savanna-scale/`) is written without the
template, and over TCP.
"""

import asyncio
import contextlib
import html
import json
import re
import signal
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from support.brokers.mosquitto import Mosquitto
from support.patience import PATIENCE_S
from support.ports import free_port
from support.process.installs import variables
from support.vendors.installs import SAVANNA, vendor_environment

from drivers.links.recording.recording import Recording
from gateway.cli._driver.template import make_package

ACME, OTHER = "lane-1/acme", "lane-1/savanna"
POST = """
[gateway]
site = "uto-test"
name = "gw-1"
profile = "test"
state_dir = "{folder}/state"
[broker]
host = "127.0.0.1"
port = {port}
embedded = true
[commands]
roles_file = "roles.toml"
signed = "off"
[device."lane-1/acme"]
driver = "acme-scale"
port = "{folder}/acme"
[device."lane-1/savanna"]
driver = "savanna-scale"
port = "tcp://127.0.0.1:{scale}"
"""
SIMULATED = """
[[simulator]]
name = "lane-1/acme"
kind = "acme-scale"
path = "{folder}/acme"
[[simulator]]
name = "lane-1/savanna"
kind = "savanna-scale"
port = {scale}
"""
ROLES = """
authority = "UTO"
[role.all]
verbs = ["*"]
[station.counter-1]
roles = ["all"]
positions = ["*/*"]
"""
DESK = """
import asyncio, json, sys
from gateway.client import ReceivedEvent, Workstation

async def main(port):
    desk = Workstation("127.0.0.1", port, site="uto-test", station="counter-1")
    async with desk:
        print("ready", flush=True)
        seen = {}
        async for event in desk:
            seen[str(event.position)] = f"{type(event.data).__module__}.{type(event.data).__name__}"
            if len(seen) == 2:
                break
        for position in ("lane-1/acme", "lane-1/savanna"):
            answer = await desk.command(position, "tare")
            kind = type(answer.result)
            told = [position, seen[position], kind.__module__, answer.result.model_dump()]
            print(json.dumps(told), flush=True)

asyncio.run(main(int(sys.argv[1])))
"""


@dataclass
class VendorPost:
    """A post with a simulated device of each vendor."""

    folder: Path
    python: Path
    broker: Mosquitto
    made_s: float
    """Time that `driver new` and the installation took, in seconds."""

    @property
    def config(self) -> Path:
        return self.folder / "post.toml"

    async def start(self, *command: str | Path) -> asyncio.subprocess.Process:
        """Start `borderpost` or Python in the environment, with the log of all of them."""
        first, *arguments = command
        line = [self.python.with_name("borderpost") if first == "borderpost" else self.python, *arguments]
        with (self.folder / "errors.log").open("ab") as log:
            return await asyncio.create_subprocess_exec(
                *line, cwd=self.folder, env=variables(), stdout=asyncio.subprocess.PIPE, stderr=log
            )

    async def run(self, *arguments: str | Path) -> str:
        """Run `borderpost` to its end; return what it prints."""
        process = await self.start("borderpost", *arguments)
        async with asyncio.timeout(PATIENCE_S):
            printed, _ = await process.communicate()
        assert process.returncode == 0, (arguments, printed, (self.folder / "errors.log").read_text()[-3000:])
        return printed.decode()

    async def simulate(self, **request: Any) -> dict[str, Any]:
        """Send a request to the simulated post."""
        reader, writer = await asyncio.open_unix_connection(self.folder / "simulators.sock")
        writer.write(json.dumps(request).encode() + b"\n")
        answer: dict[str, Any] = json.loads(await reader.readline())
        writer.close()
        await writer.wait_closed()
        assert answer.get("ok", True), answer
        return answer


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, float]:
    folder = tmp_path_factory.mktemp("vendors")
    begun_s = time.monotonic()
    make_package("acme-scale", "acme", folder / "acme-scale")
    python = vendor_environment(folder / "venv", ("simulators", "console"), [folder / "acme-scale", SAVANNA])
    return python, time.monotonic() - begun_s


@pytest.fixture
async def post(environment: tuple[Path, float], tmp_path: Path) -> AsyncIterator[VendorPost]:
    python, made_s = environment
    with Mosquitto() as broker:
        there = VendorPost(tmp_path, python, broker, made_s)
        scale = free_port()
        there.config.write_text(POST.format(folder=tmp_path, port=broker.port, scale=scale))
        (tmp_path / "simulated.toml").write_text(SIMULATED.format(folder=tmp_path, scale=scale))
        (tmp_path / "roles.toml").write_text(ROLES)
        (tmp_path / "desk.py").write_text(DESK)
        started = [
            await there.start("borderpost", "simulate", "simulated.toml", "--run-dir", tmp_path),
            await there.start("borderpost", "run", there.config),
        ]
        try:
            yield there
        finally:
            for process in reversed(started):
                with contextlib.suppress(ProcessLookupError):
                    process.send_signal(signal.SIGINT)
                async with asyncio.timeout(PATIENCE_S):
                    await process.communicate()


async def until_online(post: VendorPost) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while True:
            with contextlib.suppress(AssertionError):
                devices = json.loads(await post.run("devices", post.config, "--json"))
                if str(devices).count("'online'") >= 2:
                    return
            await asyncio.sleep(0.2)


async def line_with(process: asyncio.subprocess.Process, wanted: Callable[[str], object]) -> str:
    assert process.stdout is not None
    async with asyncio.timeout(PATIENCE_S):
        while line := (await process.stdout.readline()).decode():
            if wanted(line):
                return line
    raise AssertionError("the program ended")


async def show(post: VendorPost) -> None:
    """Let each scale show a load."""
    await post.simulate(do="insert", name=ACME, mass_g=1200)
    await post.simulate(do="insert", name=OTHER, kilograms=23.4, label="KIPTANUI")


@pytest.mark.thorough
@pytest.mark.long(90)
@pytest.mark.timeout(900)
async def test_two_vendors_at_one_post(post: VendorPost) -> None:
    await until_online(post)

    # Events with their models, and two commands of one verb, at a workstation in that environment.
    desk = await post.start("python", "desk.py", str(post.broker.port))
    watching = await post.start("borderpost", "watch", post.config, "--json")
    reading = await post.start("borderpost", "watch", post.config)
    await line_with(desk, lambda line: line == "ready\n")
    async with loads(post):
        await _use(post, desk, watching)
        for shown in ("acme.weighed.v1 .*mass_g", "savanna.weighed.v3 .*23.4.*KIPTANUI"):
            await line_with(reading, lambda line, shown=shown: re.search(shown, line))
    reading.send_signal(signal.SIGINT)
    await reading.communicate()
    assert b"KIPTANUI" in _bytes(post.folder / "real.rec")
    await post.run("anonymize", "real.rec", "clean.rec")
    assert b"KIPTANUI" not in _bytes(post.folder / "clean.rec")
    await post.run("anonymize", "acme.rec", "acme-clean.rec")
    assert "acme.weighed" in await post.run("replay", "acme-clean.rec", "--json", "--pause", "0.3")
    assert "savanna.weighed" in await post.run("replay", "clean.rec", "--json", "--pause", "0.3")

    await _look_at_console(post)

    # Diagnostics: no finding blames a package, and both are listed.
    for position in (ACME, OTHER):
        explaining = await post.start("borderpost", "why", post.config, position)
        explained = (await explaining.communicate())[0].decode()
        assert explaining.returncode in (0, 1), explained
    listed = await post.run("drivers")
    assert re.search(r"acme-scale 0\.1\.0", listed)
    assert re.search(r"savanna-scale 2\.1", listed)
    doctor = await post.start("borderpost", "doctor", post.config)
    found = (await doctor.communicate())[0].decode()
    assert doctor.returncode in (0, 1), found
    assert "driver_unusable" not in found

    # The contract's files.
    await post.run("contract", "contract", "--package", "acme-scale", "--package", "savanna-scale")
    written = {path.name for path in (post.folder / "contract").rglob("*.json")}
    assert {"acme.weighed.v1.data.json", "savanna.weighed.v3.data.json"} <= written


async def _use(
    post: VendorPost, desk: asyncio.subprocess.Process, watching: asyncio.subprocess.Process
) -> None:
    """Use the post while both scales show loads."""
    acme, other = [json.loads(await line_with(desk, lambda line: "lane-1" in line)) for _ in range(2)]
    assert acme[:3] == [ACME, "acme_scale.vocabulary.Weighed", "acme_scale.vocabulary"]
    assert other[:3] == [OTHER, "savanna_scale.vocabulary.Weighed", "savanna_scale.vocabulary"]
    assert (acme[3]["zero_g"], other[3]["kilograms"]) == (1200, 23.4)
    await desk.communicate()

    # The same events in `watch`, with the versions of their vocabularies.
    for kind in ("bgw.acme.weighed.v1", "bgw.savanna.weighed.v3"):
        event = json.loads(await line_with(watching, lambda line, kind=kind: kind in line))
        assert event["provenance"] == "simulated"
    watching.send_signal(signal.SIGINT)
    await watching.communicate()

    # Traces, self-tests, recordings without people, and their replay.
    traced = await post.run("trace", post.config, ACME, "--duration", "3", "--json")
    assert '"direction": "in"' in traced
    assert "successful" in await post.run("check", post.config, OTHER, "--json")
    options = ("--reveal", "a test", "--duration", "3", "--reopen")
    await post.run("record", post.config, OTHER, "real.rec", *options)
    await post.run("record", post.config, ACME, "acme.rec", *options)


async def _look_at_console(post: VendorPost) -> None:
    """Find the vendors' devices, events and commands on the console's pages; real names are never there."""
    transport = httpx.AsyncHTTPTransport(uds=str(post.folder / "state/console.sock"))
    async with httpx.AsyncClient(
        transport=transport, base_url="http://localhost", timeout=PATIENCE_S
    ) as console:

        async def page(path: str) -> str:
            answer = await console.get(path)
            assert answer.status_code == 200, (path, answer.text)
            return html.unescape(answer.text)

        assert {ACME, OTHER} <= set(re.findall(r"lane-1/(?:acme|savanna)", await page("/")))
        events = await page("/events")
        assert re.search(r"acme\.weighed.*?mass_g\W+\d+", events, re.DOTALL)
        assert re.search(r"savanna\.weighed.*?kilograms\W+23\.4", events, re.DOTALL)
        assert "KIPTANUI" not in events
        assert "savanna.weighed" in await page(f"/devices/{OTHER}")
        messages = await page("/contract")
        for name in ("acme", "savanna"):
            assert {f'id="event-{name}.weighed"', f'id="command-{name}.tare"'} <= set(
                re.findall(r'id="[a-z.-]+"', messages)
            )


@contextlib.asynccontextmanager
async def loads(post: VendorPost) -> AsyncIterator[None]:
    """Let each scale show a load again and again."""

    async def repeat() -> None:
        while True:
            await show(post)
            await asyncio.sleep(0.5)

    showing = asyncio.create_task(repeat())
    try:
        yield
    finally:
        showing.cancel()
        await asyncio.gather(showing, return_exceptions=True)


def _bytes(recording: Path) -> bytes:
    chunks = Recording.from_text(recording.read_text()).chunks
    return b"".join(chunk.data for chunk in chunks if chunk.direction == "in")


@pytest.mark.thorough
@pytest.mark.long(60)
@pytest.mark.timeout(900)
async def test_first_event_after_driver_new(post: VendorPost) -> None:
    """Time from `driver new` to an event at the broker: making, installing, starting, and one load."""
    begun_s = time.monotonic()
    watching = await post.start("borderpost", "watch", post.config, "--json")
    await until_online(post)
    async with loads(post):
        await line_with(watching, lambda line: "bgw.acme.weighed.v1" in line)
    print(f"{post.made_s:.1f} s to make and install, {time.monotonic() - begun_s:.1f} s to the first event")
    watching.send_signal(signal.SIGINT)
    await watching.communicate()
