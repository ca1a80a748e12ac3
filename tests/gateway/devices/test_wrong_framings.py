"""Readers set to another framing than the post's file says: all pairs at one post, told within a minute."""

import asyncio
import itertools
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.brokers.mosquitto import Mosquitto
from support.devices.serial_readers import REARM
from support.gateway.gateways import GatewayFixture, gateway, until
from support.patience import PATIENCE_S

from drivers.links.factory import LinkFactory
from drivers.links.serial import SerialSettings
from simulators.post import Post

__all__ = ["gateway"]

pytestmark = pytest.mark.usefixtures("forked_simulators")
FRAMINGS = ("accessis", "elyctis", "rte", "text")
PAIRS = {
    f"lane-{number}/reader": pair for number, pair in enumerate(itertools.permutations(FRAMINGS, 2), start=1)
}
EVERY_S = 5.0
"""Interval of the travellers at each reader, in seconds."""
TOLD_WITHIN_S = 60.0


@pytest.fixture
def mosquitto() -> Iterator[Mosquitto]:
    with Mosquitto() as broker:
        yield broker


async def read_continuously(port: Path) -> None:
    """Arm an ID BOX, as the software that it was used with before: unarmed, it sends nothing unasked."""
    links = LinkFactory()
    link = await links.serial(SerialSettings(port=str(port)))
    await link.write(REARM)
    answered = b""
    async with asyncio.timeout(PATIENCE_S):
        while not answered.endswith(b"C\x00\x01\x01"):
            answered += await link.read()
    await links.close()


@pytest.mark.thorough
@pytest.mark.long(60)
@pytest.mark.timeout(300)
async def test_each_wrong_framing_is_told_within_a_minute(gateway: GatewayFixture) -> None:
    described = ""
    for position, (configured, sent) in PAIRS.items():
        port = gateway.port(position)
        gateway.devices[position] = (
            f'[device."{position}"]\ndriver = "mrz-serial"\nport = "{port}"\nframing = "{configured}"\n'
        )
        described += (
            f'[[simulator]]\nname = "{position}"\nkind = "serial-mrz"\nframing = "{sent}"\npath = "{port}"\n'
            f"every_s = {EVERY_S}\n"
        )
    gateway.write()
    file = gateway.folder / "devices.toml"
    file.write_text(described)
    told_s: dict[str, float] = {}
    async with Post.start(file, run_dir=gateway.folder / "run"):
        for position, (_, sent) in PAIRS.items():
            if sent == "elyctis":
                await read_continuously(gateway.port(position))
        await gateway.start()
        async with gateway.workstation(*PAIRS) as workstation:
            await until(lambda: all(workstation.status(position).state is not None for position in PAIRS))
            began_s = time.monotonic()

            def is_told() -> bool:
                for position in PAIRS:
                    state = workstation.status(position).state
                    if state is not None and state.cause == "wrong_format":
                        told_s.setdefault(position, time.monotonic() - began_s)
                return len(told_s) == len(PAIRS)

            await until(is_told, TOLD_WITHIN_S)
            for position, (configured, sent) in PAIRS.items():
                shown = workstation.status(position).state
                assert shown is not None
                print(f"{configured} configured, {sent} sent: {told_s[position]:.1f} s: {shown.text}")
                assert f'framing = "{sent}"' in (shown.text or ""), position
                assert f'Write framing = "{sent}"' in (shown.how or ""), position
        await gateway.stop()
