"""A post with three lanes, of which one is attacked: events and stops of the others, with their times."""

import asyncio
import contextlib
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
import psutil
from support.brokers.certificates import Authority
from support.brokers.disk_stalls import DiskStalls
from support.brokers.flooder import FloodSource
from support.brokers.mosquitto import Mosquitto
from support.gateway.deliveries import Subscriber
from support.gateway.gateways import GatewayFixture, until
from support.gateway.station_roles import COMMAND_SETTINGS, permit_commands
from support.patience import PATIENCE_S

from gateway.client import CommandError, Workstation
from simulators.links.serial_line import SerialLine

READER, BARRIER, OWN_BARRIER = "lane-3/reader", "lane-1/barrier", "lane-2/barrier"
ROLES = """
authority = "UTO"
[role.barrier]
verbs = ["*"]
can_move = true
[station.lane-1]
roles = ["barrier"]
positions = ["lane-1/*"]
[station.lane-2]
roles = ["barrier"]
positions = ["lane-2/*"]
"""
BROKER_OPTIONS = (
    "max_queued_messages 10000",
    "max_packet_size 9437184",
    "max_queued_bytes 67108864",
    "set_tcp_nodelay true",
    "log_type none",
)
"""As in config/mosquitto, without the log: it would slow down the flood."""
MIB = 1024 * 1024
PAUSE_S = 0.05
LIMIT_MS = 50
"""Most that an event of another lane may take during a flood, at the 99th percentile."""
STALLED_SHARE = 0.03
"""Most events that may be left out because the disk was stalled for other programs too."""


class TimedSubscriber(Subscriber):
    """Subscriber that notes when each numbered event arrived first."""

    def __init__(self, port: int, **more: Any) -> None:
        super().__init__(port, "bgw/v1/uto-test/lane-3/+/evt/+", **more)
        self.arrived_s: dict[int, float] = {}
        self._client.on_message = self._note

    def _note(self, _c: object, _u: object, message: mqtt.MQTTMessage) -> None:
        at_s = time.monotonic()
        self.arrived_s.setdefault(json.loads(message.payload)["data"]["number"], at_s)


@dataclass
class Post:
    """A gateway with barriers in two lanes, a reader in a third, and a hostile station in lane 2."""

    gateway: GatewayFixture
    reader: SerialLine
    subscriber: TimedSubscriber
    desk: Workstation
    source: FloodSource
    tls: Authority | None
    sent: int = 0

    @property
    def memory(self) -> int:
        """Resident memory of the daemon, in bytes."""
        assert self.gateway.process is not None
        resident: int = psutil.Process(self.gateway.process.pid).memory_info().rss
        return resident

    async def run_lanes(self, seconds: float) -> "Times":
        """Send events in lane 3 and stops in lane 1 for a while."""
        times = Times()
        sent_s: dict[int, float] = {}
        end_s = time.monotonic() + seconds

        async def stop() -> None:
            while time.monotonic() < end_s:
                began_s = time.monotonic()
                try:
                    await self.desk.command(BARRIER, "stop", expires_s=3, timeout_s=4)
                except CommandError as error:
                    times.refused.append(str(error))
                else:
                    times.stop_ms.append((time.monotonic() - began_s) * 1e3)
                times.memory = max(times.memory, self.memory)
                await asyncio.sleep(PAUSE_S)

        with DiskStalls(self.gateway.folder) as stalls:
            stops = asyncio.create_task(stop())
            while time.monotonic() < end_s:
                self.sent += 1
                sent_s[self.sent] = time.monotonic()
                await self.reader.send(b"say %d\n" % self.sent)
                await asyncio.sleep(PAUSE_S)
            await stops
            with contextlib.suppress(TimeoutError):
                await until(lambda: sent_s.keys() <= self.subscriber.arrived_s.keys())
        arrived_s = self.subscriber.arrived_s
        times.missing = len(sent_s.keys() - arrived_s.keys())
        for number, at_s in sent_s.items():
            if number in arrived_s:
                times.add_event(at_s, arrived_s[number], stalls)
        return times

    async def own_stop_s(self) -> float:
        """Return the time until the hostile station's own stop is obeyed, in seconds."""
        began_s = time.monotonic()
        answers: Counter[str] = Counter()
        async with workstation(self.gateway, self.tls, "lane-2", OWN_BARRIER) as own:
            await until(lambda: own.status(OWN_BARRIER).is_usable)
            while time.monotonic() - began_s < PATIENCE_S:
                try:
                    await own.command(OWN_BARRIER, "stop", expires_s=1, timeout_s=0.3)
                except CommandError as error:
                    answers[str(error)] += 1
                else:
                    return time.monotonic() - began_s
                await asyncio.sleep(0.02)
        raise AssertionError(
            f"the flooder's own stop was not obeyed within {PATIENCE_S} s: answers {dict(answers)}, "
            f"problems of the gateway {problems(self)}"
        )


@dataclass
class Times:
    """Events and stops of the other lanes."""

    event_ms: list[float] = field(default_factory=list)
    stalled_ms: list[float] = field(default_factory=list)
    """Late events that were stored while the disk did not serve another program either; not in `event_ms`."""
    stop_ms: list[float] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    missing: int = 0
    memory: int = 0

    def add_event(self, sent_s: float, arrived_s: float, stalls: DiskStalls) -> None:
        """Add the time of an event. It is stored before it is sent, so a stalled disk delays it."""
        took_ms = (arrived_s - sent_s) * 1e3
        late = took_ms > LIMIT_MS and stalls.overlap(sent_s, arrived_s)
        (self.stalled_ms if late else self.event_ms).append(took_ms)

    def __str__(self) -> str:
        events = len(self.event_ms) + len(self.stalled_ms)
        return (
            f"events p99 {percentile(self.event_ms):.0f} ms, {self.missing} of {events + self.missing} "
            f"missing, {len(self.stalled_ms)} late by the disk; stops p99 {percentile(self.stop_ms):.0f} ms, "
            f"{len(self.refused)} refused {sorted(set(self.refused))[:2]}; memory {self.memory / MIB:.0f} MiB"
        )


def percentile(times_ms: list[float]) -> float:
    """Return the 99th percentile."""
    ordered = sorted(times_ms)
    return ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))] if ordered else float("nan")


def workstation(gateway: GatewayFixture, tls: Authority | None, name: str, *positions: str) -> Workstation:
    login: dict[str, Any] = {"tls": tls.context(name)} if tls is not None else {}
    return gateway.workstation(*positions, station=name, **login)


def _nothing_more(_: GatewayFixture) -> None:
    """Describe no further device."""


@contextlib.asynccontextmanager
async def running_post(
    folder: Path, *, tls: bool = False, describe: Callable[[GatewayFixture], None] = _nothing_more
) -> AsyncIterator[Post]:
    """Run a post at a broker with or without TLS; `describe` adds devices to its configuration."""
    authority = None
    listener: tuple[str, ...] = ()
    if tls:
        authority = Authority(folder / "keys")
        for name in ("broker", "gw-1", "lane-1", "lane-2", "watcher"):
            authority.issue(name)
        keys = authority.folder
        listener = (
            f"cafile {keys}/ca.crt",
            f"certfile {keys}/broker.crt",
            f"keyfile {keys}/broker.key",
            "require_certificate true",
            "use_identity_as_username true",
            "tls_version tlsv1.3",
        )
    async with contextlib.AsyncExitStack() as stack:
        broker = stack.enter_context(Mosquitto(*BROKER_OPTIONS, listener=listener))
        gateway = GatewayFixture(folder, broker)
        if tls:
            files = {"ca_file": "ca.crt", "cert_file": "gw-1.crt", "key_file": "gw-1.key"}
            gateway.login = "\n".join(f'tls.{key} = "{folder}/keys/{name}"' for key, name in files.items())
        permit_commands(gateway, ROLES, COMMAND_SETTINGS)
        reader = await gateway.wire(READER)
        gateway.describe(READER, "faulty")
        for barrier in (BARRIER, OWN_BARRIER):
            await gateway.wire(barrier)
            gateway.describe(barrier, "scripted")
        describe(gateway)
        await gateway.start()
        stack.push_async_callback(gateway.stack.aclose)
        stack.push_async_callback(gateway.stop)
        watcher = TimedSubscriber(broker.port, **({"tls": authority.context("watcher")} if authority else {}))
        desk = workstation(gateway, authority, "lane-1", BARRIER)
        await stack.enter_async_context(watcher)
        await stack.enter_async_context(desk)
        await until(lambda: desk.status(BARRIER).is_usable)
        source = FloodSource(broker.port, "lane-2", folder=authority.folder if authority else None)
        yield Post(gateway, reader, watcher, desk, source, authority)


def problems(post: Post) -> dict[str, str]:
    """Return texts of the gateway's problems by cause."""
    report = post.desk.gateways["gw-1"].report
    return {problem.cause: problem.text for problem in report.problems} if report else {}


def judge(rest: Times, flood: Times) -> None:
    """Check what must hold however slow the machine is."""
    assert flood.missing == 0
    assert flood.refused == []
    assert flood.memory - rest.memory <= 50 * MIB


def judge_times(rest: Times, flood: Times) -> None:
    """Check the times too; three times those at rest on a machine that is slow even then."""
    judge(rest, flood)
    assert len(flood.stalled_ms) <= STALLED_SHARE * len(flood.event_ms), "this machine's disk is too slow"
    assert percentile(flood.event_ms) <= max(LIMIT_MS, 3 * percentile(rest.event_ms))
    assert percentile(flood.stop_ms) <= max(100, 3 * percentile(rest.stop_ms))
