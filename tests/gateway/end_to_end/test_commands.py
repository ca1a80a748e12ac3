"""Commands end to end: a station, a real Mosquitto, the real daemon, a driver that records its commands.

Movements of a barrier, proved by its board's frames, are in test_barrier_commands.py and test_access.py.
"""

import asyncio
import contextlib
import re
import signal
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from support.brokers.mosquitto import Mosquitto
from support.brokers.stations import StationClient
from support.gateway.gateways import GatewayFixture, gateway, until
from support.gateway.station_roles import (
    BARRIER,
    COMMAND_SETTINGS,
    ROLES,
    permit_commands,
    session_of,
    station_at,
    worker_of,
)
from support.patience import PATIENCE_S
from support.plugins.plugin_words import Called, Open, Opened
from torture.post import TcpProxy

from gateway.client import (
    CommandFailed,
    CommandNotSent,
    CommandRejected,
    CommandUnanswered,
    DeviceStatus,
    ReceivedEvent,
    Workstation,
)
from gateway.contract.commands import CommandState
from gateway.contract.events import ClaimChanged, CommandDecided, CommandEnded
from gateway.contract.reason_codes import CommandReason
from simulators.links.serial_line import SerialLine

__all__ = ["gateway"]


@pytest.fixture
def mosquitto() -> Iterator[Mosquitto]:
    # As in config/mosquitto: by default a flood of one station would push out messages of others.
    with Mosquitto("max_queued_messages 10000") as broker:
        yield broker


@pytest.fixture
async def wire(gateway: GatewayFixture) -> SerialLine:
    """Return the line of a scripted barrier of a running gateway; it proves which commands were started."""
    permit_commands(gateway)
    wire = await gateway.wire(BARRIER)
    gateway.describe(BARRIER, "scripted")
    await gateway.start()
    return wire


async def records(desk: Workstation, count: int) -> list[Any]:
    """Return the next records."""
    found: list[Any] = []
    async with asyncio.timeout(PATIENCE_S):
        async for received in desk:
            if isinstance(received.data, CommandDecided | CommandEnded | ClaimChanged):
                found.append(received.data)
                if len(found) == count:
                    break
    return found


def started_commands(wire: SerialLine, verb: str) -> list[str]:
    """Return the ids of the commands that reached the driver."""
    lines = [line.split() for line in wire.received_bytes.decode().splitlines()]
    return [line[2] for line in lines if line[0] == verb]


async def all_told(gateway: GatewayFixture, wire: SerialLine, verb: str) -> list[str]:
    """Return the same, once a command that is sent now has reached the driver too."""
    async with station_at(gateway, "chief") as desk:
        async with asyncio.timeout(PATIENCE_S):
            while True:
                # After a cut the broker may still deliver to the connection that is gone.
                with contextlib.suppress(CommandUnanswered, CommandNotSent):
                    try:
                        last = await desk.command(BARRIER, "look", done=Called, timeout_s=2)
                        break
                    except CommandRejected as error:
                        # The retained state may still be that of the worker before.
                        if error.reason is not CommandReason.NOT_ONLINE:
                            raise
                await asyncio.sleep(0.02)
    await wire.wait_for_bytes(f"look chief {last.cmd_id}\n".encode())
    return started_commands(wire, verb)


async def test_command_done_answered_recorded(gateway: GatewayFixture, wire: SerialLine) -> None:
    async with station_at(gateway) as desk:
        offers = desk.status(BARRIER).description.commands
        assert {offer.verb: (offer.moves, offer.urgent) for offer in offers} == {
            "open-up": (True, False),
            "look": (False, False),
            "refuse": (True, False),
            "stop": (True, True),
            **dict.fromkeys(("claim", "renew", "release", "steal"), (False, False)),
        }
        request = Open(width_cm=30, plate="KAA 001A")
        asking = asyncio.create_task(
            desk.command(BARRIER, "open-up", request, done=Opened, transaction="t-1")
        )
        await wire.wait_for_bytes(b"open-up counter-1 ")
        await wire.send(b"opened\n")
        done = await asking
        assert done.result == Opened(width_cm=30)
        assert done.transaction == "t-1"
        events: list[ReceivedEvent] = []
        async with asyncio.timeout(PATIENCE_S):
            async for received in desk:
                events.append(received)
                if len(events) == 3:
                    break
        assert {received.envelope.type for received in events} == {
            "bgw.command.decided.v1",
            "bgw.test.told.v1",
            "bgw.command.ended.v1",
        }
        assert {received.envelope.transaction for received in events} == {"t-1"}
        (decided,) = (r.data for r in events if isinstance(r.data, CommandDecided))
        assert (decided.cmd_id, decided.args) == (done.cmd_id, {"width_cm": 30, "plate": "<str len=8>"})
    assert "KAA 001A" not in gateway.log


async def test_refusals_name_cause_and_remedy(gateway: GatewayFixture, wire: SerialLine) -> None:
    async with station_at(gateway) as desk, station_at(gateway, "visitor") as visitor:
        with pytest.raises(CommandRejected, match="A person is in the way") as refused:
            await desk.command(BARRIER, "refuse")
        assert refused.value.reason == "unsafe"
        assert refused.value.how.startswith("Clear the passage")
        with pytest.raises(CommandRejected, match="role file does not list this station"):
            await visitor.command(BARRIER, "stop")
        with pytest.raises(CommandRejected, match="wrong or missing: width_cm"):
            await desk.command(BARRIER, "open-up", {"width_cm": 0})
        asking = asyncio.create_task(desk.command(BARRIER, "open-up"))
        await wire.wait_for_bytes(b"open-up")
        with pytest.raises(CommandRejected, match="busy with something else"):
            await desk.command(BARRIER, "look")
        await wire.send(b"jammed\n")
        with pytest.raises(CommandFailed, match="did not end in time"):
            await asking


async def test_killed_worker_fails_command_once(gateway: GatewayFixture, wire: SerialLine) -> None:
    async with station_at(gateway) as desk:
        asking = asyncio.create_task(desk.command(BARRIER, "open-up"))
        await wire.wait_for_bytes(b"open-up")
        worker_of(gateway).kill()
        with pytest.raises(CommandFailed) as failed:
            await asking
        assert failed.value.reason == CommandReason.WORKER_LOST
    assert await all_told(gateway, wire, "open-up") == [failed.value.cmd_id]


async def test_killed_gateway_resumes_no_command(gateway: GatewayFixture, wire: SerialLine) -> None:
    """Check a running command, one sent while it was offline, and one with its old session."""
    async with station_at(gateway) as desk, StationClient(gateway.broker.port, "counter-1") as station:
        old = session_of(desk)
        await station.end_of(station.send("claim", old))
        begun = station.send("open-up", old)
        await wire.wait_for_bytes(b"open-up")
        await gateway.stop(signal.SIGKILL)
        for _ in range(20):
            station.send("stop", old)
        await station.acknowledged(22)
        await gateway.start()
        late = station.send("stop", old)
        await until(lambda: desk.status(BARRIER).is_usable and session_of(desk) != old)
        await until(lambda: desk._site_state._claims == {})
        later = station.send("stop", old)
        assert (await station.end_of(later)).reason is CommandReason.OTHER_SESSION
        assert all(answer.reason is CommandReason.OTHER_SESSION for answer in station.answers_to(late))
        assert await all_told(gateway, wire, "open-up") == [begun]
        assert started_commands(wire, "stop") == []


async def test_retained_command_is_refused(gateway: GatewayFixture, wire: SerialLine) -> None:
    async with station_at(gateway) as desk, StationClient(gateway.broker.port, "counter-1") as station:
        fresh = station.send("stop", session_of(desk), retain=True)
        assert (await station.end_of(fresh)).reason is CommandReason.RETAINED
        eternal = station.send("stop", session_of(desk), retain=True, expires_s=None)
        assert (await station.end_of(eternal)).reason is CommandReason.RETAINED
        decided = [record.reason for record in await records(desk, 1)]
        assert decided == [CommandReason.RETAINED]
        assert await gateway.stop() == 0
        await gateway.start()
        await until(lambda: desk.status(BARRIER).is_usable)
        later = station.send("look", session_of(desk))
        assert (await station.end_of(later)).state is CommandState.DONE
        assert len(station.answers_to(eternal)) == 1, "the next gateway does not receive it at all"
    await until(lambda: '"command_decided"' in gateway.log)
    assert await all_told(gateway, wire, "stop") == []


async def test_stopped_gateway_executes_no_old_command(gateway: GatewayFixture, wire: SerialLine) -> None:
    """Check messages that the broker sent meanwhile, with the life that they had then."""
    async with station_at(gateway) as desk, StationClient(gateway.broker.port, "counter-1") as station:
        assert gateway.process is not None
        gateway.process.send_signal(signal.SIGSTOP)
        stale = station.send("stop", session_of(desk), expires_s=1)
        await station.acknowledged(1)
        await asyncio.sleep(1.5)
        gateway.process.send_signal(signal.SIGCONT)
        assert (await station.end_of(stale)).state is CommandState.EXPIRED
        assert await all_told(gateway, wire, "stop") == []


@contextlib.asynccontextmanager
async def far_broker(gateway: GatewayFixture) -> AsyncIterator[TcpProxy]:
    """Put a network that can be cut and stalled between a new gateway and its broker."""
    way = TcpProxy(gateway.broker.port)
    await way.start()
    try:
        await gateway.stop(signal.SIGKILL)
        gateway.config.write_text(
            gateway.config.read_text().replace(f"port = {gateway.broker.port}", f"port = {way.port}")
        )
        await gateway.start()
        yield way
        assert await gateway.stop() == 0
    finally:
        await way.close()


async def test_command_delayed_by_network_expires(gateway: GatewayFixture, wire: SerialLine) -> None:
    async with far_broker(gateway) as way, station_at(gateway) as desk:
        async with StationClient(gateway.broker.port, "counter-2") as station:
            await desk.command(BARRIER, "look")
            way.stall()
            held_up = [station.send("stop", session_of(desk), expires_s=s) for s in (1, 2)]
            await station.acknowledged(2)
            await asyncio.sleep(2.5)
            way.restore()
            for cmd_id in held_up:
                assert (await station.end_of(cmd_id)).state is CommandState.EXPIRED
        assert await all_told(gateway, wire, "stop") == []


async def test_command_sent_while_disconnected_is_lost(gateway: GatewayFixture, wire: SerialLine) -> None:
    async with far_broker(gateway) as way, station_at(gateway) as desk:
        async with StationClient(gateway.broker.port, "counter-2") as station:
            session = session_of(desk)
            await desk.command(BARRIER, "look")
            way.cut()
            await until(lambda: '"destination_disconnected"' in gateway.log)
            missed = [station.send("stop", session) for _ in range(20)]
            await station.acknowledged(20)
            way.restore()
            async with asyncio.timeout(PATIENCE_S):
                while True:
                    with contextlib.suppress(CommandUnanswered, CommandNotSent):
                        await desk.command(BARRIER, "look", timeout_s=1)
                        break
            assert session_of(desk) == session, "same run of the gateway"
            assert not any(station.answers_to(cmd_id) for cmd_id in missed)
        assert await all_told(gateway, wire, "stop") == []


async def test_commands_after_broker_restart(gateway: GatewayFixture, wire: SerialLine) -> None:
    async with station_at(gateway) as desk:
        async with desk.claim(BARRIER, lease_s=60):
            gateway.broker.kill()
            await until(lambda: not desk.connected_event.is_set())
            with pytest.raises(CommandNotSent, match="No connection to the MQTT broker"):
                await desk.command(BARRIER, "stop", expires_s=1)
            gateway.broker.start()
            await desk.connected_event.wait()
            await until(lambda: desk.status(BARRIER).claim is not None)
            done = await desk.command(BARRIER, "stop", timeout_s=PATIENCE_S)
        assert await all_told(gateway, wire, "stop") == [done.cmd_id]


async def test_command_to_stopped_gateway_not_sent(gateway: GatewayFixture, wire: SerialLine) -> None:
    async with station_at(gateway) as desk:
        await gateway.stop(signal.SIGKILL)
        # Before its will is published, the broker already has no subscriber for commands: once it has noticed
        # that the connections are closed.
        ids = set(re.findall(r"connected from \S+ as (bgw-\w+) ", gateway.broker.log))
        await until(lambda: ids <= set(re.findall(r"Client (bgw-\w+) closed", gateway.broker.log)))
        with pytest.raises(CommandNotSent, match="The gateway is not running"):
            await desk.command(BARRIER, "stop", timeout_s=30)
        await until(lambda: not desk.gateways["gw-1"].online)
        with pytest.raises(CommandNotSent, match="gateway is not running"):
            await desk.command(BARRIER, "stop", expires_s=1)


async def test_unanswered_command_is_not_done(gateway: GatewayFixture, wire: SerialLine) -> None:
    async with station_at(gateway) as desk:
        with pytest.raises(CommandUnanswered, match="accepted, but there was no answer"):
            await desk.command(BARRIER, "open-up", timeout_s=0.5)
        with pytest.raises(ValueError, match="not a position of this workstation"):
            await desk.command("lane-2/barrier", "stop")
        with pytest.raises(ValueError, match="within 1 to 5 s"):
            await desk.command(BARRIER, "stop", expires_s=9)
    async with gateway.workstation(BARRIER) as nameless:
        await until(lambda: nameless.status(BARRIER).is_usable)
        with pytest.raises(ValueError, match="a station's name"):
            await nameless.command(BARRIER, "stop")


async def test_two_programs_share_command_numbers(gateway: GatewayFixture, wire: SerialLine) -> None:
    async with station_at(gateway) as one, station_at(gateway) as other:
        one._command_sender._last_command_seq = 2**52
        await one.command(BARRIER, "look")
        await other.command(BARRIER, "look")
        assert other._command_sender._last_command_seq > 2**52


async def test_lease_expires_unless_renewed(gateway: GatewayFixture, wire: SerialLine) -> None:
    async with station_at(gateway) as one, station_at(gateway, "counter-2") as two:
        async with one.claim(BARRIER, lease_s=5) as held:
            await asyncio.sleep(6)
            assert not held.lost_event.is_set()
            assert one.status(BARRIER).claim is not None
        await two.command(BARRIER, "claim", {"lease_s": 5})
        await until(lambda: one.status(BARRIER).claim is not None)
        await until(lambda: one.status(BARRIER).claim is None, within_s=8)
        await one.command(BARRIER, "look")


async def test_reload_keeps_unaffected_claims(gateway: GatewayFixture, wire: SerialLine) -> None:
    other = await gateway.wire("lane-2/barrier")
    gateway.describe("lane-2/barrier", "scripted")
    assert gateway.process is not None
    async with gateway.workstation(station="counter-1") as desk:

        def holders() -> dict[str, str]:
            return {str(p): s.claim.holder for p in desk.devices if (s := desk.status(p)).claim}

        async def reload() -> None:
            before = gateway.log.count("config_reloaded")
            gateway.write()
            gateway.process.send_signal(signal.SIGHUP)
            await until(lambda: gateway.log.count("config_reloaded") > before)

        await until(lambda: desk.status(BARRIER).is_usable)
        await reload()
        await until(lambda: desk.status("lane-2/barrier").is_usable)
        await other.wait_for_host()
        for position in (BARRIER, "lane-2/barrier"):
            await desk.command(position, "claim", {"lease_s": 60})
        await until(lambda: len(holders()) == 2)
        gateway.devices.pop("lane-2/barrier")
        await reload()
        await until(lambda: holders() == {BARRIER: "counter-1"})
        # A changed keep alive replaces the broker connection: the claim is published again.
        gateway.extra = COMMAND_SETTINGS.replace("[commands]", '[log]\nlevel = "info"\n[commands]')
        gateway.config.write_text(
            gateway.config.read_text().replace("[broker]", "[broker]\nkeepalive_s = 30")
        )
        gateway.process.send_signal(signal.SIGHUP)
        await until(lambda: gateway.log.count("config_reloaded") == 3)
        async with station_at(gateway, "counter-2") as late:
            await until(lambda: late.status(BARRIER).claim is not None)
        (gateway.folder / "roles.toml").write_text(
            ROLES.replace("[station.counter-1]", "[station.counter-3]")
        )
        await reload()
        await until(lambda: holders() == {})
        with pytest.raises(CommandRejected, match="role file does not list this station"):
            await desk.command(BARRIER, "stop")


async def test_stop_revokes_claims_and_answers(gateway: GatewayFixture, wire: SerialLine) -> None:
    async with station_at(gateway) as desk:
        await desk.command(BARRIER, "claim", {"lease_s": 60})
        asking = asyncio.create_task(desk.command(BARRIER, "open-up"))
        await wire.wait_for_bytes(b"open-up")
        assert await gateway.stop() == 0
        with pytest.raises(CommandFailed) as failed:
            await asking
        assert failed.value.reason == CommandReason.STOPPING
    async with gateway.workstation() as late:
        async with asyncio.timeout(PATIENCE_S):
            async for item in late.events_and_status():
                if isinstance(item, DeviceStatus):
                    break
        assert late.status(BARRIER).claim is None
        assert late._site_state._claims == {}


async def test_no_role_file_no_commands(gateway: GatewayFixture) -> None:
    wire = await gateway.wire(BARRIER)
    gateway.describe(BARRIER, "scripted")
    await gateway.start()
    async with station_at(gateway) as desk:
        for verb in ("look", "stop", "claim"):
            with pytest.raises(CommandRejected, match="role file does not list this station"):
                await desk.command(BARRIER, verb)
    assert wire.received_bytes == b""


async def test_flood_of_refusals_is_summarised(gateway: GatewayFixture, wire: SerialLine) -> None:
    async with station_at(gateway) as desk, StationClient(gateway.broker.port, "visitor") as visitor:
        for _ in range(2000):
            visitor.send("open-up", session_of(desk))
        await visitor.acknowledged(2000)
        asking = asyncio.create_task(desk.command(BARRIER, "stop"))
        assert (await asking).result == {}
        assert await gateway.stop() == 0
        decided = [r for r in await records(desk, 4) if isinstance(r, CommandDecided)]
        assert [(one.station, one.count > 1) for one in decided] == [
            ("visitor", False),
            ("counter-1", False),
            ("visitor", True),
        ]
        assert decided[2].count > 50, (
            "the others were dropped unread: see tests/adversary/test_station_flood.py"
        )
    assert started_commands(wire, "open-up") == []
