"""One device of each family that sends without end: other lanes do not notice, and it is named.

The quick tests judge by facts that load alone does not change; the thorough ones flood for 30 s and measure
times as well.
"""

import asyncio
import contextlib
import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from support.brokers.flooded_post import Times, judge, judge_times, running_post
from support.devices.flooders import flooding_line, flooding_pushes, flooding_service
from support.devices.serial_readers import FRAMES
from support.gateway import barriers
from support.gateway.gateways import GatewayFixture, until

from gateway.client import Workstation
from simulators.specimens import ERIKSSON_LINES

FLOODER = "lane-2/flooder"
ZONE = FRAMES["text"](ERIKSSON_LINES["TD3"])
PACKET = bytes.fromhex("EF01FFFFFFFF07000300000A")
"""A ZFM module's acknowledgement, to no instruction."""
RESPONSE = bytes.fromhex("7FFF0000000401010100")
"""A Modbus board's relays, for a transaction that nobody began."""
CARD_REPLY = bytes.fromhex("538010000450000100 1A00AABBCCDD7BB3")
"""An OSDP reader's reply with a card, for a poll that nobody sent."""
ABSENT = {"no_device", "unreachable"}
"""Causes of a device that has not been found yet."""
PLATES = """
[device."lane-2/flooder"]
driver = "anpr-axis"
listen = "127.0.0.1:{port}"
allowed_sources = ["127.0.0.1"]
"""

Flood = Callable[[], AbstractContextManager[None]]
Flooder = Callable[[GatewayFixture, socket.socket], Flood]
"""Describes the device in the configuration, and returns its flood. The socket has a free port."""


def line(driver: str, chunk: bytes, more: str = "") -> Flooder:
    """Return a flooder on a serial line."""

    def describe(gateway: GatewayFixture, _: socket.socket) -> Flood:
        gateway.describe(FLOODER, driver, more)
        return lambda: flooding_line(gateway.port(FLOODER), chunk)

    return describe


def board(gateway: GatewayFixture, bound: socket.socket) -> Flood:
    """Describe a barrier whose board answers without being asked."""
    barriers.describe(gateway, FLOODER, bound.getsockname()[1])
    return lambda: flooding_service(bound, RESPONSE * 100)


def plates(gateway: GatewayFixture, bound: socket.socket) -> Flood:
    """Describe a plate camera that pushes."""
    port: int = bound.getsockname()[1]
    bound.close()
    gateway.devices[FLOODER] = PLATES.format(port=port)
    gateway.write()
    return lambda: flooding_pushes(port)


FLOODERS: dict[str, Flooder] = {
    "passport_reader-zones": line("mrz-serial", ZONE * 20, 'framing = "text"'),
    "passport_reader-noise": line("mrz-serial", b"A\r" * 1000, 'framing = "text"'),
    "fingerprint_scanner": line("zfm", PACKET * 100, 'model = "r503"'),
    "camera": plates,
    "barrier": board,
    "card_reader": line("osdp", CARD_REPLY * 100, 'security = "clear"'),
}


@contextlib.contextmanager
def bound_socket() -> Iterator[socket.socket]:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound


async def note_causes(desk: Workstation, causes: list[str]) -> None:
    """Note every cause that the flooding device's state gives."""
    while True:
        state = desk.status(FLOODER).state
        if state is not None and state.cause is not None and state.cause.value not in causes:
            causes.append(state.cause.value)
        await asyncio.sleep(0.02)


async def attack(folder: Path, flooder: Flooder, seconds: float) -> tuple[Times, Times]:
    """Return the times of the other lanes before and during a flood, in which the device is named."""
    floods: list[Flood] = []
    causes: list[str] = []
    with bound_socket() as bound:
        async with (
            running_post(folder, describe=lambda gateway: floods.append(flooder(gateway, bound))) as post,
            post.gateway.workstation(FLOODER) as desk,
        ):
            await until(lambda: desk.status(FLOODER).state is not None)
            rest = await post.run_lanes(min(seconds, 3))
            with floods[0]():
                watching = asyncio.create_task(note_causes(desk, causes))
                flood = await post.run_lanes(seconds)
                await until(lambda: set(causes) - ABSENT)  # a busy machine names it later
                watching.cancel()
    print(f"at rest {rest}; flooded {flood}; causes {causes}")
    return rest, flood


@pytest.mark.parametrize("name", ["passport_reader-zones", "camera"])
async def test_flooding_device_leaves_other_lanes_alone(tmp_path: Path, name: str) -> None:
    judge(*await attack(tmp_path, FLOODERS[name], 2))


@pytest.mark.quiet
@pytest.mark.thorough
@pytest.mark.parametrize("flooder", FLOODERS.values(), ids=FLOODERS)
async def test_device_floods_for_long(tmp_path: Path, flooder: Flooder) -> None:
    judge_times(*await attack(tmp_path, flooder, 30))
