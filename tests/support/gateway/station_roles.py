"""Stations that command one device: role file, settings, and a workstation whose device is online."""

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import psutil
from support.gateway.gateways import GatewayFixture, until

from gateway.client import Workstation

BARRIER = "lane-1/barrier"
COMMAND_SETTINGS = """
[commands]
roles_file = "roles.toml"
min_move_interval_s = 0.001
moves_per_min = 600
max_other_commands_per_min = 6000
"""
"""Limits that no test reaches by accident."""
ROLES = """
authority = "UTO"
[role.barrier]
verbs = ["*"]
can_move = true
[role.chief]
verbs = ["*"]
can_move = true
can_steal = true
[station.counter-1]
roles = ["barrier"]
positions = ["*/*"]
[station.counter-2]
roles = ["barrier"]
positions = ["*/*"]
[station.chief]
roles = ["chief"]
positions = ["*/*"]
"""


def permit_commands(gateway: GatewayFixture, roles: str = ROLES, settings: str = COMMAND_SETTINGS) -> None:
    """Write a role file, and make the gateway use it at its next start or reload."""
    (gateway.folder / "roles.toml").write_text(roles)
    gateway.extra = settings
    gateway.write()


@contextlib.asynccontextmanager
async def station_at(
    gateway: GatewayFixture, name: str = "counter-1", *, position: str = BARRIER, **more: Any
) -> AsyncIterator[Workstation]:
    """Connect a station, and wait until its device is online."""
    async with gateway.workstation(position, station=name, **more) as workstation:
        await until(lambda: workstation.status(position).is_usable)
        yield workstation


def session_of(workstation: Workstation, position: str = BARRIER) -> str:
    """Return the gateway session that serves a device."""
    state = workstation.status(position).state
    assert state is not None
    return state.session


def worker_of(gateway: GatewayFixture, position: str = BARRIER) -> psutil.Process:
    """Return the process of a device."""
    assert gateway.process is not None
    (worker,) = (
        process
        for process in psutil.Process(gateway.process.pid).children(recursive=True)
        if process.name() == position
    )
    return worker
