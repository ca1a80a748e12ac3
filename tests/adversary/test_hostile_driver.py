"""A driver that an enemy has taken over: it reaches its own device, and nothing else."""

from collections.abc import Iterator

import pytest
from support.brokers.mosquitto import Mosquitto
from support.gateway.gateways import GatewayFixture, gateway, until

__all__ = ["gateway"]


@pytest.fixture
def mosquitto() -> Iterator[Mosquitto]:
    with Mosquitto() as broker:
        yield broker


def planted(word: str) -> str:
    """Return a secret that the driver searches for; it is in the memory of the daemon alone."""
    return f"planted-{word}"


async def test_memory_has_own_order_only(gateway: GatewayFixture) -> None:
    """Check passwords of the file, of the environment, and of workers born before it."""
    gateway.under = ("env",)  # a new program: its first stack has the environment
    gateway.environment = {"CAMERA_PASSWORD": planted("environment")}
    gateway.describe(
        "lane-1/camera", "hostile", f'attempt = "open_netlink"\npassword = "{planted("neighbour")}"'
    )
    await gateway.wire("lane-1/camera")
    await gateway.start()
    async with gateway.workstation() as desk:
        await until(lambda: desk.status("lane-1/camera").description)
        gateway.describe(
            "lane-2/reader",
            "hostile",
            f'attempt = "find_secrets"\npassword = "{planted("mine")}"\ntargets = {{own = "mine"}}',
        )
        await gateway.wire("lane-2/reader")
        gateway.process.send_signal(1)
        await until(lambda: (described := desk.status("lane-2/reader").description) and described.identity)
        found = desk.status("lane-2/reader").description.identity.model
    assert found == "ENOENT"
