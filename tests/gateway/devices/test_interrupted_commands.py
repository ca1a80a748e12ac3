"""Commands during which the gateway ended: the next start records that their outcome is unknown."""

import json
import signal
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
from support.brokers.mosquitto import Mosquitto
from support.brokers.stations import StationClient
from support.gateway.barriers import site_at
from support.gateway.gateways import GatewayFixture, gateway, until

from gateway.audit.hash_chain import AUDIT_FILE
from gateway.contract.commands import CommandState
from simulators.barrier.mechanics.barrier import MechanicsSettings
from simulators.barrier.modbus_site import ModbusSite

__all__ = ["gateway"]

BARRIER = "lane-1/barrier"
SLOW = MechanicsSettings.model_validate({"boom": {"opening_s": 20, "closing_s": 20}})
ROLES = """
authority = "UTO"
[role.barrier]
verbs = ["*"]
can_move = true
[station.counter-1]
roles = ["barrier"]
positions = ["*/*"]
"""


@pytest.fixture
def mosquitto() -> Iterator[Mosquitto]:
    with Mosquitto() as broker:
        yield broker


def audited(gateway: GatewayFixture, event_type: str, cmd_id: str) -> list[dict[str, Any]]:
    """Return the audit's records of a command, of one type."""
    file = gateway.folder / "state" / AUDIT_FILE
    lines = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
    return [line for line in lines if line["type"] == event_type and line["data"].get("cmd_id") == cmd_id]


async def accepted_open(gateway: GatewayFixture, site: ModbusSite, station: StationClient) -> str:
    """Send an opening until it is accepted, and wait until the boom moves; return the command's id."""
    async with gateway.workstation(BARRIER, station="counter-1") as desk:
        await until(lambda: desk.status(BARRIER).is_usable and desk.last_value(BARRIER, "barrier.state"))
        state = desk.status(BARRIER).state
    assert state is not None
    while True:  # after a start, movements are refused for two seconds
        cmd_id = station.send("open", state.session)
        answers = partial(station.answers_to, cmd_id)
        await until(answers)
        if answers()[0].state is CommandState.ACCEPTED:
            await until(lambda: site.log.machine_events("motion") or len(answers()) > 1)  # noqa: B023
        if site.log.machine_events("motion"):
            await until(partial(audited, gateway, "command.decided", cmd_id))
            return cmd_id


async def test_killed_gateway_records_unknown_outcome(gateway: GatewayFixture) -> None:
    (gateway.folder / "roles.toml").write_text(ROLES)
    gateway.extra = (
        '[commands]\nroles_file = "roles.toml"\nmin_move_interval_s = 0.001\nmoves_per_min = 600\n'
    )
    async with site_at(gateway, BARRIER, SLOW) as site:
        await gateway.start()
        async with StationClient(gateway.broker.port, "counter-1") as station:
            cmd_id = await accepted_open(gateway, site, station)
            await gateway.stop(signal.SIGKILL)
            assert audited(gateway, "command.ended", cmd_id) == []
            await gateway.start()
            await until(lambda: audited(gateway, "command.ended", cmd_id))
    (decided,) = audited(gateway, "command.decided", cmd_id)
    (ended,) = audited(gateway, "command.ended", cmd_id)
    assert (ended["data"]["state"], ended["data"]["reason"]) == ("failed", "gateway_lost")
    assert (ended["data"]["station"], ended["data"]["verb"]) == ("counter-1", "open")
    assert (ended["position"], ended["transaction"]) == (decided["position"], decided["transaction"])
    assert ended["data"]["provenance"] == decided["data"]["provenance"] == "simulated"
    assert len(site.log.actuations) == 1
