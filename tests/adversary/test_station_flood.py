"""A station with a valid credential that floods its own command topics.

Other lanes must not notice: their events arrive, and their stops are obeyed. The quick tests judge by facts
that load alone does not change (no event missing, no stop refused as expired, bounded memory); the thorough
ones measure times as well.
"""

import asyncio
import itertools
from pathlib import Path
from typing import Any

import pytest
from support.brokers.flooded_post import (
    BROKER_OPTIONS,
    Post,
    Times,
    judge,
    judge_times,
    problems,
    running_post,
)
from support.brokers.flooder import FloodSource, flooding, publish_packet
from support.brokers.mosquitto import Mosquitto
from support.gateway.gateways import until
from support.patience import PATIENCE_S

OWN_TOPICS = ["bgw/v1/uto-test/lane-2/barrier/cmd/stop/lane-2"]
PACKET_LIMIT = 9_437_184 - 200
"""Largest payload below the broker's limit, in bytes."""


async def attack(
    post: Post, seconds: float, payload_bytes: int, qos: int, **more: Any
) -> tuple[Times, Times]:
    """Return the times of the other lanes before and during a flood."""
    rest = await post.run_lanes(min(seconds, 3))
    with flooding(post.source, more.pop("topics", OWN_TOPICS), payload_bytes, qos, **more):
        await asyncio.sleep(0.2)
        flood = await post.run_lanes(seconds)
    print(f"{payload_bytes} bytes, QoS {qos}, {more}: at rest {rest}; flooded {flood}")
    return rest, flood


async def test_flood_leaves_other_lanes_alone(tmp_path: Path) -> None:
    async with running_post(tmp_path) as post:
        judge(*await attack(post, 2, 2, 1))


async def test_flooding_station_is_named_and_served_again(tmp_path: Path) -> None:
    async with running_post(tmp_path) as post:
        with flooding(post.source, OWN_TOPICS, 2, 1):
            await until(lambda: "lane-2" in problems(post).get("station_flooding", ""))
        assert await post.own_stop_s() <= PATIENCE_S  # the thorough tests allow 1.5 s
        await until(lambda: "station_flooding" not in problems(post))
        audit = (tmp_path / "state/audit.jsonl").read_text()
        floods = [line for line in audit.splitlines() if '"rate_limited"' in line and '"_gw/gw-1"' in line]
        assert floods
        assert all('"lane-2"' in line for line in floods)


async def test_large_messages_do_not_silence_their_station(tmp_path: Path) -> None:
    """Mosquitto drops what is above a Maximum Packet Size, and its place in the window with it."""
    async with running_post(tmp_path) as post:
        async with asyncio.timeout(PATIENCE_S):
            with post.source.connect() as sock:
                mids = itertools.count(1)
                while "lane-2" not in problems(post).get("station_flooding", ""):
                    sock.sendall(publish_packet(OWN_TOPICS[0], b"x" * 30_000, 1, next(mids)))
                    await asyncio.sleep(0.05)
        assert await post.own_stop_s() <= PATIENCE_S


def test_broker_keeps_the_memory_of_large_messages() -> None:
    """A broker that returned the memory of a message has 2,304 page faults at the next one: up to 40 ms."""
    with Mosquitto(*BROKER_OPTIONS) as broker, FloodSource(broker.port, "lane-2").connect() as sock:
        packet = publish_packet(OWN_TOPICS[0], b"x" * PACKET_LIMIT, 1, 1)
        sock.recv(64)  # the properties of CONNACK
        faults = []
        for _ in range(20):
            sock.sendall(packet)
            assert sock.recv(64)[:1] == b"\x40", "PUBACK"
            faults.append(page_faults(broker.pid))
        assert (faults[-1] - faults[9]) / 10 < 100


def page_faults(pid: int) -> int:
    """Return the minor faults of a process: field 10 of /proc/pid/stat, proc(5)."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[7])


@pytest.mark.parametrize(
    "topics",
    [
        pytest.param(
            [f"bgw/v1/uto-test/lane-2/barrier/cmd/v{n}/lane-2" for n in range(50)],
            id="verbs",
            marks=pytest.mark.thorough,
        ),
        pytest.param(
            [f"bgw/v1/uto-test/lane-2/d{n}/cmd/claim/lane-2" for n in range(50)],
            id="devices",
            marks=pytest.mark.thorough,
        ),
        pytest.param(["bgw/v1/uto-test/lane-1/barrier/cmd/stop/stranger"], id="stranger"),
    ],
)
async def test_flood_of_other_topics_leaves_lanes_alone(tmp_path: Path, topics: list[str]) -> None:
    async with running_post(tmp_path) as post:
        judge(*await attack(post, 2, 300, 0, topics=topics))


async def test_retained_commands_delay_no_reconnect(tmp_path: Path) -> None:
    """A station may retain a message on any number of its topics; none is sent to a new connection."""
    async with running_post(tmp_path) as post:
        topics = [f"bgw/v1/uto-test/lane-2/d{n}/cmd/claim/lane-2" for n in range(5000)]
        with flooding(post.source, topics, 2, 1, retain=True):
            await asyncio.sleep(2)
        assert await post.own_stop_s() <= 5


async def test_large_properties_are_not_parsed(tmp_path: Path) -> None:
    """paho parses 20,000 bytes of user properties in 60 ms: ten of them would stop all lanes for 0.6 s."""
    async with running_post(tmp_path) as post:
        judge(*await attack(post, 2, 2, 0, property_bytes=20_000))


@pytest.mark.quiet
@pytest.mark.thorough
@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize("qos", [0, 1])
@pytest.mark.parametrize("payload_bytes", [2, 400, 16_000, 1_000_000, PACKET_LIMIT])
async def test_long_flood_leaves_other_lanes_alone(
    tmp_path: Path, payload_bytes: int, qos: int, tls: bool
) -> None:
    async with running_post(tmp_path, tls=tls) as post:
        rest, flood = await attack(post, 30, payload_bytes, qos)
        judge_times(rest, flood)
        assert await post.own_stop_s() <= 1.5
