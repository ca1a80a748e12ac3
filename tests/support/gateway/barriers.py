"""Simulated barrier of a whole gateway: a board over Modbus TCP with a boom behind it, and its frame log."""

import contextlib
from collections.abc import AsyncIterator

from support.gateway.gateways import GatewayFixture

from simulators.barrier.mechanics.barrier import MechanicsSettings
from simulators.barrier.modbus_site import ModbusSettings, ModbusSite

QUICK = MechanicsSettings.model_validate({"boom": {"opening_s": 0.3, "closing_s": 0.3, "ramp_s": 0.05}})
"""A fast boom."""
TABLE = """
[device."{position}"]
driver = "modbus-barrier"
emergency = {{ input = 5, contact = "nc" }}
key_switch = {{ input = 6, contact = "nc" }}
controller_ok = {{ input = 7, contact = "no" }}
max_per_minute = 30
{more}
[device."{position}".board]
model = "waveshare-8"
port = "{port}"
[[device."{position}".doors]]
open = 0
close = 1
stop = 2
open_limit = {{ input = 0, contact = "no" }}
closed_limit = {{ input = 1, contact = "no" }}
entry_side = {{ input = 2, contact = "no" }}
exit_side = {{ input = 3, contact = "no" }}
presence = {{ input = 4, contact = "nc" }}
"""


def describe(gateway: GatewayFixture, position: str, port: int, more: str = "") -> None:
    """Add a barrier to the configuration, wired as in `ModbusSettings`."""
    gateway.devices[position] = TABLE.format(position=position, port=f"tcp://127.0.0.1:{port}", more=more)
    gateway.write()


@contextlib.asynccontextmanager
async def site_at(
    gateway: GatewayFixture, position: str, mechanics: MechanicsSettings = QUICK
) -> AsyncIterator[ModbusSite]:
    """Run a barrier at that position; its log has every frame on its bus."""
    async with ModbusSite.start(ModbusSettings(mechanics=mechanics)) as site:
        describe(gateway, position, site.port)
        yield site
