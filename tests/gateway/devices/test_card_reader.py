"""A card reader and a whole gateway: cards reach the counter, outputs switch once, nothing personal stays."""

import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import psutil
import pytest
from support.brokers.mosquitto import Mosquitto
from support.brokers.stations import StationClient
from support.gateway.gateways import GatewayFixture, gateway, until

from drivers.access.commands import PulseOutputResult
from drivers.access.observations import CardRead
from gateway.client import CommandError
from gateway.contract.commands import CommandState
from gateway.contract.reason_codes import CommandReason
from gateway.contract.topics import Position
from simulators.barrier.osdp.site import OsdpSettings, OsdpSite
from simulators.barrier.timeline import RealClock
from simulators.barrier.wirelog import WireLog

__all__ = ["gateway"]

READER = "lane-1/card"
OUTPUTS = 'outputs = [{ output = 0, operates = "lock" }]'
KEY = "00112233445566778899aabbccddeeff"
ROLES = """
authority = "UTO"
[role.door]
verbs = ["*"]
can_move = true
[station.counter-1]
roles = ["door"]
positions = ["*/*"]
"""


@pytest.fixture
def mosquitto() -> Iterator[Mosquitto]:
    with Mosquitto() as broker:
        yield broker


@pytest.fixture
async def site(gateway: GatewayFixture) -> AsyncIterator[OsdpSite]:
    """A reader that a gateway has opened; its log records every frame and contact."""
    (gateway.folder / "roles.toml").write_text(ROLES)
    (gateway.folder / "reader.key").write_text(KEY)
    gateway.extra = '[commands]\nroles_file = "roles.toml"\nmin_move_interval_s = 0.001\n'
    gateway.describe(READER, "osdp", f'key_file = "{gateway.folder}/reader.key"\naddress = 101\n{OUTPUTS}')
    settings = OsdpSettings(path=Path(gateway.port(READER)), key=KEY, outputs={"open": 0})
    timeline = RealClock()
    site = OsdpSite(settings, timeline, WireLog(timeline))
    async with site.connected():
        await gateway.start()
        yield site
        assert await gateway.stop() == 0


async def test_card_is_read_and_output_switched_once(gateway: GatewayFixture, site: OsdpSite) -> None:
    async with gateway.workstation(READER, station="counter-1") as desk:
        await until(lambda: desk.status(READER).is_usable)
        await until(lambda: [frame.meaning for frame in site.log.responses].count("ACK") > 2)
        assert site.present_card(bytes.fromhex("c0ffee40"), 26)
        async for received in desk:
            if isinstance(received.data, CardRead):
                break
        assert (received.data.data, received.is_simulated) == ("c0ffee40", True)
        done = await desk.command(READER, "pulse", {"output": 0, "duration_s": 0.3}, done=PulseOutputResult)
        assert done.result == PulseOutputResult(output=0, duration_s=0.3)
        (actuation,) = site.log.actuations
        assert actuation.meaning == "output 0 on for 0.3 s"
    for secret in (KEY, "c0ffee"):
        assert secret not in gateway.log


async def test_killed_gateway_switches_nothing_later(gateway: GatewayFixture, site: OsdpSite) -> None:
    async with gateway.workstation(READER, station="counter-1") as desk:
        await until(lambda: desk.status(READER).is_usable)
        state = desk.status(READER).state
        assert state is not None
        async with StationClient(gateway.broker.port, "counter-1") as station:
            await gateway.stop(signal.SIGKILL)
            for _ in range(10):
                station.send("pulse", state.session, position=Position("lane-1", "card"))
            await station.acknowledged(10)
            await gateway.start()
            await until(lambda: (now := desk.status(READER)).is_usable and now.state.session != state.session)
            late = station.send("pulse", state.session, position=Position("lane-1", "card"))
            assert (await station.end_of(late)).reason is CommandReason.OTHER_SESSION
        assert site.log.actuations == []
        with pytest.raises(CommandError, match="wrong or missing: duration_s"):
            await desk.command(READER, "pulse", {"duration_s": 60.0})
        assert site.log.output_writes == []


async def test_worker_without_gateway_switches_nothing(gateway: GatewayFixture, site: OsdpSite) -> None:
    """The command was accepted, and waits in the worker's socket, followed by the end of the connection."""
    async with gateway.workstation(READER, station="counter-1") as desk:
        await until(lambda: desk.status(READER).is_usable)
        state = desk.status(READER).state
        assert state is not None
        assert gateway.process is not None
        (worker,) = (
            process
            for process in psutil.Process(gateway.process.pid).children(recursive=True)
            if process.name() == READER
        )
        async with StationClient(gateway.broker.port, "counter-1") as station:
            worker.suspend()
            asked = station.send("pulse", state.session, position=Position("lane-1", "card"))
            await until(lambda: station.answers_to(asked))
            assert station.answers_to(asked)[0].state is CommandState.ACCEPTED
            await gateway.stop(signal.SIGKILL)
            worker.resume()
            await until(lambda: not worker.is_running())
            await gateway.start()
            await until(lambda: (now := desk.status(READER)).is_usable and now.state.session != state.session)
        assert site.log.actuations == []
