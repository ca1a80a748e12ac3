"""Commands to a barrier, end to end, checked by the frames that its board received.

The same path with a driver that only notes what it is told is in test_commands.py, a killed worker and the
barrier itself in test_barrier_gateway.py.
"""

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Iterator
from typing import Any

import psutil
import pytest
from support.brokers.mosquitto import Mosquitto
from support.brokers.stations import StationClient
from support.gateway.barriers import describe, site_at
from support.gateway.gateways import GatewayFixture, gateway, until
from support.gateway.station_roles import BARRIER, permit_commands, session_of, station_at, worker_of
from support.patience import PATIENCE_S

from drivers.barrier.commands import MoveResult
from gateway.client import CommandError, CommandRejected, CommandResult, Workstation
from gateway.contract.commands import CommandState
from gateway.contract.events import ClaimChanged, CommandDecided
from gateway.contract.reason_codes import CommandReason
from simulators.barrier.faults import SlowBus
from simulators.barrier.modbus_site import ModbusSite

__all__ = ["gateway"]


@pytest.fixture
def mosquitto() -> Iterator[Mosquitto]:
    with Mosquitto("max_queued_messages 10000") as broker:
        yield broker


@pytest.fixture
async def site(gateway: GatewayFixture) -> AsyncIterator[ModbusSite]:
    """A barrier that a gateway runs."""
    permit_commands(gateway)
    async with site_at(gateway, BARRIER) as site:
        await gateway.start()
        yield site


async def decided(desk: Workstation, *reasons: CommandReason) -> list[CommandDecided]:
    """Return the next audit records, up to all of these reasons."""
    found: list[CommandDecided] = []
    async with asyncio.timeout(PATIENCE_S):
        async for received in desk:
            if isinstance(received.data, CommandDecided):
                found.append(received.data)
                if {record.reason for record in found} >= set(reasons):
                    break
    return found


async def moved(desk: Workstation, verb: str, **more: Any) -> CommandResult[MoveResult]:
    """Send a command, and repeat it while the rate limit refuses it."""
    while True:
        try:
            return await desk.command(BARRIER, verb, done=MoveResult, **more)
        except CommandRejected as rejected:
            if rejected.reason != CommandReason.RATE_LIMITED:
                raise
        await asyncio.sleep(0.2)


async def polled(site: ModbusSite, times: int = 5) -> None:
    """Wait until the board's inputs have been read `times` times."""
    mark = len(site.log)
    await site.log.until(lambda: len(site.log.after(mark).requests) >= times, within_s=PATIENCE_S)


async def test_killed_gateway_moves_nothing(gateway: GatewayFixture, site: ModbusSite) -> None:
    """Its worker wakes to find the command in its socket, and behind it the end."""
    async with station_at(gateway) as desk, StationClient(gateway.broker.port, "counter-1") as station:
        old = session_of(desk)
        worker = worker_of(gateway)
        worker.suspend()
        asked = station.send("open", old)
        await until(lambda: station.answers_to(asked))
        assert station.answers_to(asked)[0].state is CommandState.ACCEPTED
        await gateway.stop(signal.SIGKILL)
        worker.resume()
        await until(lambda: not worker.is_running())
        await gateway.start()
        await until(lambda: desk.status(BARRIER).is_usable and session_of(desk) != old)
        await polled(site)
        assert site.log.output_writes == []


async def test_command_waiting_for_the_bus_dies_with_the_kill(
    gateway: GatewayFixture, site: ModbusSite
) -> None:
    """The board is slow: the command is in the driver's hands, which reads before it writes."""
    async with station_at(gateway) as desk, StationClient(gateway.broker.port, "counter-1") as station:
        site.inject(SlowBus(delay_s=0.15))
        await polled(site, 2)
        asked = station.send("open", session_of(desk))
        await until(lambda: station.answers_to(asked))
        worker = worker_of(gateway)
        await gateway.stop(signal.SIGKILL)
        with contextlib.suppress(psutil.NoSuchProcess):  # its gateway was gone, and so it went by itself
            worker.kill()
        before = len(site.log.actuations)
        site.clear_faults()
        await gateway.start()
        await polled(site, 10)
        assert len(site.log.actuations) == before <= 1


async def test_old_and_retained_commands_are_refused_and_recorded(
    gateway: GatewayFixture, site: ModbusSite
) -> None:
    async with station_at(gateway) as desk, StationClient(gateway.broker.port, "counter-1") as station:
        old = session_of(desk)
        refusals = {
            station.send("open", old, retain=True): CommandReason.RETAINED,
            station.send("open", old, retain=True, expires_s=None): CommandReason.RETAINED,
            station.send("open", old, expires_s=None): CommandReason.NO_EXPIRY,
            station.send("open", "another-session"): CommandReason.OTHER_SESSION,
        }
        for cmd_id, reason in refusals.items():
            assert (await station.end_of(cmd_id)).reason is reason
        records = await decided(desk, *refusals.values())
        assert {record.station for record in records} == {"counter-1"}

        # A gateway that stood still finds in its socket what has had its time.
        assert gateway.process is not None
        gateway.process.send_signal(signal.SIGSTOP)
        stale = station.send("open", old, expires_s=1)
        await station.acknowledged(len(refusals) + 1)
        await asyncio.sleep(1.2)
        gateway.process.send_signal(signal.SIGCONT)
        assert (await station.end_of(stale)).state is CommandState.EXPIRED

        # What is sent while it is away never reaches it, also what the broker retains.
        await gateway.stop(signal.SIGKILL)
        missed = [station.send("open", old) for _ in range(20)]
        kept = station.send("open", old, retain=True, expires_s=None)
        await station.acknowledged(len(refusals) + 22)
        await gateway.start()
        await until(lambda: desk.status(BARRIER).is_usable and session_of(desk) != old)
        late = station.send("open", old)
        assert (await station.end_of(late)).reason is CommandReason.OTHER_SESSION
        # Commands of a station are received in order: an answer to the last excludes later ones.
        assert not any(station.answers_to(cmd_id) for cmd_id in (*missed, kept))
        await polled(site)
        assert site.log.output_writes == []
        await moved(desk, "open")
    assert len(site.log.actuations) == 1


async def test_claim_excludes_others_until_stolen(gateway: GatewayFixture, site: ModbusSite) -> None:
    async with (
        station_at(gateway) as one,
        station_at(gateway, "counter-2") as two,
        station_at(gateway, "chief") as chief,
    ):
        async with one.claim(BARRIER, lease_s=60) as claim:
            await until(lambda: two.status(BARRIER).claim is not None)
            for verb in ("open", "close"):
                with pytest.raises(CommandRejected) as refused:
                    await two.command(BARRIER, verb)
                assert refused.value.reason == CommandReason.CLAIMED
            assert site.log.output_writes == []
            await moved(one, "open")
            await two.command(BARRIER, "stop")  # anybody who may move it may stop it
            assert [frame.meaning for frame in site.log.actuations] == [
                "relay 0 on for 0.5 s",
                "relay 2 on for 0.5 s",
            ]
            async with chief.claim(BARRIER, steal="Counter 1 is unattended."):
                async with asyncio.timeout(PATIENCE_S):
                    await claim.lost_event.wait()
                with pytest.raises(CommandRejected):
                    await one.command(BARRIER, "close")
                assert len(site.log.actuations) == 2
        # A lease that nobody renews ends by itself.
        await two.command(BARRIER, "claim", {"lease_s": 5})
        with pytest.raises(CommandRejected):
            await one.command(BARRIER, "close")
        await until(lambda: one.status(BARRIER).claim is None, within_s=8)
        await moved(one, "close")
        assert site.barrier.signals["closed-limit"]
        changes: list[Any] = []
        async for received in chief:
            if isinstance(received.data, ClaimChanged):
                changes.append(received.data)
                if len(changes) == 5:
                    break
    assert [(one.change, one.holder, one.previous_holder, one.reason) for one in changes] == [
        ("claimed", "counter-1", None, ""),
        ("stolen", "chief", "counter-1", "Counter 1 is unattended."),
        ("released", None, "chief", ""),
        ("claimed", "counter-2", None, ""),
        ("expired", None, "counter-2", ""),
    ]


async def test_start_reload_and_stop_write_nothing(gateway: GatewayFixture, site: ModbusSite) -> None:
    async with station_at(gateway) as desk:
        await polled(site)
        assert gateway.process is not None
        describe(gateway, BARRIER, site.port, "permit_s = 9.0")
        gateway.process.send_signal(signal.SIGHUP)
        await until(lambda: "config_reloaded" in gateway.log)
        await until(lambda: desk.status(BARRIER).is_usable)
        await polled(site)
        assert await gateway.stop() == 0
        with pytest.raises(CommandError):
            await desk.command(BARRIER, "open", expires_s=1)
    assert site.log.output_writes == []
