"""A technician, or a program with a technician's rights, that floods the console of the post.

The daemon answers the console beside its other work; the lanes must not notice.
"""

from pathlib import Path

import pytest
from support.brokers.flooded_post import Times, judge, judge_times, running_post
from support.console.flooder import flooding_console
from support.gateway.gateways import GatewayFixture

TARGETS = ("/api/v1/post", "/api/v1/devices", "/", "/metrics", "/login")


def describe_devices(gateway: GatewayFixture) -> None:
    """Add devices, whose views the daemon has to make."""
    for number in range(5):
        gateway.describe(f"lane-4/reader-{number}")


async def attack(folder: Path, target: str, seconds: float) -> tuple[Times, Times]:
    """Return the times of the lanes before and during a flood."""
    async with running_post(folder, describe=describe_devices) as post:
        rest = await post.run_lanes(min(seconds, 3))
        with flooding_console(folder / "state/console.sock", target):
            flood = await post.run_lanes(seconds)
    print(f"{target}: at rest {rest}; flooded {flood}")
    return rest, flood


async def test_flooded_console_leaves_lanes_alone(tmp_path: Path) -> None:
    judge(*await attack(tmp_path, "/api/v1/post", 2))


@pytest.mark.quiet
@pytest.mark.thorough
@pytest.mark.parametrize("target", TARGETS)
async def test_console_floods_for_long(tmp_path: Path, target: str) -> None:
    judge_times(*await attack(tmp_path, target, 30))
