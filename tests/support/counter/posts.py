"""A whole post for a counter: reader with chip, camera, scanner and gate, a gateway, a broker, Chromium."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gateway.client import Workstation
from simulators.mrz import Document
from simulators.post import Post
from simulators.travellers import TravellerGenerator
from support.brokers.mosquitto import Mosquitto
from support.counter.documents import passport
from support.counter.files import static_server
from support.counter.pages import (
    PASSWORD,
    POSITIONS,
    READER,
    STATION,
    CounterFixture,
    chromium,
    settings_of,
)
from support.gateway.gateways import GatewayFixture, until
from support.gateway.station_roles import ROLES, permit_commands
from support.patience import PATIENCE_S
from support.ports import free_port

USERS = {"gateway": "gw", STATION: PASSWORD, "counter-2": "two", "chief": "three"}
TESTS = Path(__file__).parents[2]
SIMULATED = """
[[simulator]]
name = "lane-1/reader"
kind = "document-bridge"
port = {reader}
dpi = 110
step_s = 0.02
dwell_s = 600
[[simulator]]
name = "lane-1/camera"
kind = "camera-snapshot"
port = {camera}
[[simulator]]
name = "lane-1/finger"
kind = "uru4000"
port = {finger}
seed = 7
[[simulator]]
name = "lane-1/barrier"
kind = "modbus-barrier"
path = "{run}/barrier"
baud = 115200
mechanics = {{ controller = {{ closes_behind_s = 1 }} }}
[[simulator.boards]]
model = "waveshare-8"
outputs = {{ open = 0, close = 1, stop = 2 }}
inputs = {{ open-limit = 0, closed-limit = 1, approach = 2, exit = 3, photocell = 4, fire = 5 }}
"""
DEVICES = """
[device."lane-1/reader"]
driver = "chip-page"
url = "http://127.0.0.1:{reader}"
poll_s = 0.02
[device."lane-1/reader".chip]
reader = "Slot"
card_timeout_s = 0.5
[device."lane-1/camera"]
driver = "camera-snapshot"
url = "http://127.0.0.1:{camera}"
path = "/snapshot.jpg"
[device."lane-1/finger"]
driver = "uru4000"
port = "usbip://127.0.0.1:{finger}/1-1"
quality = "ridge_clarity"
[device."lane-1/barrier"]
driver = "modbus-barrier"
emergency = {{ input = 5, contact = "nc" }}
[device."lane-1/barrier".board]
model = "waveshare-8"
port = "{run}/barrier"
baud = 115200
[[device."lane-1/barrier".doors]]
open = 0
close = 1
stop = 2
open_limit = {{ input = 0, contact = "no" }}
closed_limit = {{ input = 1, contact = "no" }}
entry_side = {{ input = 2, contact = "no" }}
exit_side = {{ input = 3, contact = "no" }}
presence = {{ input = 4, contact = "nc" }}
"""


@dataclass
class CounterPost(CounterFixture):
    """The same, before a whole post."""

    gateway: GatewayFixture = None  # type: ignore[assignment]
    simulators: Post = None  # type: ignore[assignment]
    desk: Workstation = None  # type: ignore[assignment]
    """Another workstation, which sees what the reader says."""
    is_placed: bool = False
    travellers: TravellerGenerator = field(default_factory=lambda: TravellerGenerator(11))

    @property
    def broker(self) -> Mosquitto:
        return self.gateway.broker

    def document(self, word: str = "", **fields: Any) -> Document:
        """Return the next traveller's passport; `word` says what is wrong with its chip."""
        return passport(self.travellers, word, **fields)

    async def place(self, document: Document | None = None, lines: list[str] | None = None) -> None:
        """Put a document on the glass, in place of the one before."""
        if self.is_placed:
            await self.do("remove", READER)
            async with asyncio.timeout(PATIENCE_S):
                async for event in self.desk:
                    if event.envelope.type == "bgw.document.removed.v1":
                        break
        self.is_placed = True
        given = lines if document is None else list(document.lines)
        await self.do("insert", READER, lines=given)

    async def do(self, verb: str, name: str, **arguments: Any) -> dict[str, Any]:
        """Send a command to a simulator."""
        return await self.simulators.handle_command({"do": verb, "name": name, **arguments})

    async def fault(self, name: str, fault: str, **args: Any) -> None:
        await self.do("fault", name, fault=fault, args=args)


@contextlib.asynccontextmanager
async def counter_post(folder: Path, **settings: Any) -> AsyncIterator[CounterPost]:
    """Run everything; ends all of it afterwards."""
    run = folder / "run"
    ports = {"reader": free_port(), "camera": free_port(), "finger": free_port(), "run": run}
    described = folder / "simulators.toml"
    described.write_text(SIMULATED.format(**ports))
    async with contextlib.AsyncExitStack() as stack:
        broker = stack.enter_context(Mosquitto(users=USERS, websockets=True))
        secret = folder / "password"
        secret.write_text(USERS["gateway"])
        secret.chmod(0o600)
        gateway = GatewayFixture(
            folder,
            broker,
            login=f'username = "gateway"\npassword_file = "{secret}"\n',
            silent_s=30,
            path=(TESTS,),
        )
        stack.push_async_callback(gateway.stack.aclose)
        permit_commands(gateway, ROLES + "\n")
        gateway.extra += DEVICES.format(**ports)
        gateway.write()
        post = await stack.enter_async_context(Post.start(described, run_dir=run))
        asked: list[str] = []
        url = stack.enter_context(static_server(settings_of(broker, **settings), asked))
        browser = await stack.enter_async_context(chromium())
        await gateway.start()
        stack.push_async_callback(_stopped, gateway)
        async with gateway.workstation(
            *POSITIONS, station="chief", username="chief", password="three"
        ) as desk:
            await until(lambda: all(desk.status(each).is_usable for each in POSITIONS))
            yield CounterPost(url, browser, asked, gateway=gateway, simulators=post, desk=desk)


async def _stopped(gateway: GatewayFixture) -> None:
    assert await gateway.stop() == 0, gateway.log[-3000:]
