"""Access to a barrier, with the Mosquitto configuration, access list and role file as shipped.

Every attempt is valid except for its sender: the gateway's session, a new number, in time. The evidence is
the frame logs of the boards behind the barriers. `BORDERPOST_ATTEMPTS`: attempts per kind; an acceptance test
has 10,000.
"""

import asyncio
import contextlib
import itertools
import os
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import aiomqtt
import pytest
from support.brokers.certificates import Authority
from support.brokers.shipped import Shipped
from support.brokers.stations import StationClient
from support.gateway.barriers import site_at
from support.gateway.gateways import GatewayFixture, gateway, until

from gateway.client import CommandNotSent, CommandRejected, Workstation
from gateway.contract.reason_codes import CommandReason
from gateway.contract.topics import Position
from simulators.barrier.modbus_site import ModbusSite

__all__ = ["gateway"]

ATTEMPTS = int(os.environ.get("BORDERPOST_ATTEMPTS", "200"))
WAYS = ("passwords", "certificates")
BARRIERS = [Position("lane-1", "barrier"), Position("lane-2", "barrier")]
VERBS = ("open", "close", "stop", "claim", "steal")
NOT_AUTHORISED = 0x87
DELIVERED = {0x00, 0x10}
"""The broker has accepted a message; 0x10: it had no subscriber at that moment (MQTT 5, section 3.4.2.1)."""


@pytest.fixture(params=WAYS)
def mosquitto(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Shipped]:
    with Shipped(tmp_path / "broker", tls=request.param == "certificates") as broker:
        yield broker


@dataclass
class ShippedDeployment:
    """A post with two lanes and a barrier each, at the shipped broker."""

    gateway: GatewayFixture
    broker: Shipped
    tls: bool
    sites: list[ModbusSite]

    def station(self, name: str, *, word: str | None = None, trust: Authority | None = None) -> StationClient:
        """Connect as a user, by default with the right password or certificate."""
        if self.tls:
            authority = trust or self.broker.authority
            context = authority.context(name or None, trust=self.broker.authority.file)
            return StationClient(self.broker.port, name, site="ke-busia", tls=context)
        return StationClient(self.broker.port, name, site="ke-busia", password=word or f"word-of-{name}")

    def desk(self, name: str, *positions: str) -> Workstation:
        if self.tls:
            login = {"tls": self.broker.authority.context(name), "station": name}
        else:
            login = {"username": name, "password": f"word-of-{name}"}
        return self.gateway.workstation(*positions, **login)

    @property
    def relay_writes(self) -> list[str]:
        """Return all relay writes of both boards."""
        return [frame.meaning for site in self.sites for frame in site.log.output_writes]


@pytest.fixture
async def shipped_deployment(gateway: GatewayFixture, mosquitto: Shipped) -> AsyncIterator[ShippedDeployment]:
    tls = mosquitto.port == mosquitto.tls_port
    folder = mosquitto.folder
    (gateway.folder / "word").write_text("word-of-gw-1")
    (gateway.folder / "word").chmod(0o600)
    gateway.site = "ke-busia"
    files = {"ca_file": "ca.crt", "cert_file": "gw-1.crt", "key_file": "gw-1.key"}
    gateway.login = (
        "\n".join(f'tls.{key} = "{folder}/{file}"' for key, file in files.items())
        if tls
        else 'username = "gw-1"\npassword_file = "word"'
    )
    gateway.extra = (
        f'[commands]\nroles_file = "{folder}/roles.toml"\nmin_move_interval_s = 0.001\nmoves_per_min = 600\n'
    )
    async with contextlib.AsyncExitStack() as sites:
        barriers = [await sites.enter_async_context(site_at(gateway, str(barrier))) for barrier in BARRIERS]
        await gateway.start()
        yield ShippedDeployment(gateway, mosquitto, tls, barriers)


@contextlib.asynccontextmanager
async def online(
    shipped_deployment: ShippedDeployment, name: str, position: str
) -> AsyncIterator[Workstation]:
    async with shipped_deployment.desk(name, position) as desk:
        await until(lambda: desk.status(position).is_usable)
        yield desk


async def opened(desk: Workstation, position: str) -> None:
    """Open it; shortly after its start a barrier answers that this is too soon."""
    while True:
        try:
            await desk.command(position, "open", timeout_s=30)
        except CommandRejected as rejected:
            if rejected.reason != CommandReason.RATE_LIMITED:
                raise
            await asyncio.sleep(0.2)
        else:
            return


async def attempts(station: StationClient, session: str, names: list[str], count: int) -> list[str]:
    """Send every verb to every barrier under each of the names; return the ids."""
    before = station.codes.total()
    kinds = itertools.cycle(itertools.product(names, BARRIERS, VERBS))
    sent = [
        station.send(
            verb, session, position=barrier, name=name, args={"reason": "Let me."} if verb == "steal" else {}
        )
        for name, barrier, verb in itertools.islice(kinds, count)
    ]
    await station.acknowledged(before + count, within_s=30 + count / 100)
    return sent


async def test_only_permitted_station_moves_barrier(shipped_deployment: ShippedDeployment) -> None:
    async with online(shipped_deployment, "lane-1", "lane-1/barrier") as desk:
        state = desk.status("lane-1/barrier").state
        assert state is not None
        session = state.session

        # A station of the post, under the names of others, and under its own name in a lane that is not its
        # own.
        async with shipped_deployment.station("lane-2") as other:
            await attempts(other, session, ["lane-1", "supervisor", "gw-1", "ug-lane-1"], ATTEMPTS)
            for verb in VERBS:
                other.send(verb, session, position=BARRIERS[0])
            await other.acknowledged(ATTEMPTS + len(VERBS))
            assert set(other.codes) == {NOT_AUTHORISED}
            assert other.answers == []

        # The other state's counter in the same hall.
        async with shipped_deployment.station("ug-lane-1") as foreign:
            await attempts(foreign, session, ["ug-lane-1", "lane-1", "supervisor"], ATTEMPTS)
            assert set(foreign.codes) == {NOT_AUTHORISED}

        # A user without a role, and a user unknown to the broker.
        async with shipped_deployment.station("stranger") as stranger:
            await attempts(stranger, session, ["stranger", "lane-1"], ATTEMPTS)
            assert set(stranger.codes) == {NOT_AUTHORISED}
        rogue = Authority(shipped_deployment.broker.folder / "rogue", "rogue")
        rogue.issue("lane-1")
        for _ in range(max(2, ATTEMPTS // 100)):
            async with shipped_deployment.station("lane-1", word="guess", trust=rogue) as unknown:
                unknown.send("open", session)
            assert not unknown.codes, "the broker accepted a message"

        # A station of the post without movement permission, in its own lane and under its own name.
        async with shipped_deployment.station("lane-2") as powerless:
            verbs = itertools.islice(itertools.cycle(("open", "stop", "close")), ATTEMPTS)
            while some := list(itertools.islice(verbs, 500)):
                for verb in some:
                    powerless.send(verb, session, position=BARRIERS[1])
                async with desk.claim("lane-1/barrier"):
                    pass  # decided after them; with many more at once the broker would drop some
            await powerless.acknowledged(ATTEMPTS)
            assert set(powerless.codes) <= DELIVERED, "the broker lets them through: the gateway refuses"
            # All are decided by now; their answers may still be on their way.
            await until(lambda: CommandReason.NOT_PERMITTED in {each.reason for each in powerless.answers})
            # Mosquitto delivers in the last second of an expiry without the property.
            assert {each.reason for each in powerless.answers} <= {
                CommandReason.NOT_PERMITTED,
                CommandReason.NO_EXPIRY,
                CommandReason.EXPIRED,
            }

        # The gateway's own account may not command either.
        async with shipped_deployment.station("gw-1") as gateway_account:
            await attempts(gateway_account, session, ["gw-1", "lane-1"], 20)
            assert set(gateway_account.codes) == {NOT_AUTHORISED}

        # A permitted command is the first that a barrier receives; all earlier ones have been decided by
        # then.
        assert shipped_deployment.relay_writes == []
        await opened(desk, "lane-1/barrier")
        async with online(shipped_deployment, "supervisor", "lane-2/barrier") as supervisor:
            await supervisor.command("lane-2/barrier", "stop", timeout_s=30)
        assert shipped_deployment.relay_writes == ["relay 0 on for 0.5 s", "relay 2 on for 0.5 s"]
        assert [site.barrier.signals["open-limit"] for site in shipped_deployment.sites] == [True, False]


async def test_workstation_reports_broker_refusal(shipped_deployment: ShippedDeployment) -> None:
    async with online(shipped_deployment, "supervisor", "lane-1/barrier") as supervisor:
        supervisor._command_sender.station = "lane-1"
        with pytest.raises(CommandNotSent, match="does not permit this station"):
            await supervisor.command("lane-1/barrier", "stop")
    async with online(shipped_deployment, "lane-2", "lane-2/barrier") as powerless:
        with pytest.raises(CommandRejected, match="is not permitted to do that here"):
            await powerless.command("lane-2/barrier", "open")
        async with powerless.claim("lane-2/barrier", lease_s=5):
            with pytest.raises(CommandRejected, match="is not permitted to do that here"):
                await powerless.command("lane-2/barrier", "stop")
    assert shipped_deployment.relay_writes == []


async def test_lane_sees_only_itself(shipped_deployment: ShippedDeployment) -> None:
    async with shipped_deployment.desk("lane-2") as desk:
        await until(lambda: desk.status("lane-2/barrier").is_usable)
        async with online(shipped_deployment, "supervisor", "lane-1/barrier") as supervisor:
            await supervisor.command("lane-1/barrier", "stop")
        assert {str(position) for position in desk.devices} == {"lane-2/barrier"}


async def test_preview_reaches_only_its_station(tmp_path: Path) -> None:
    """Subscribe as other stations, a supervisor and an unknown user; none may receive a preview."""
    listeners = ("lane-1", "lane-2", "supervisor", "ug-lane-1", "stranger")
    heard: dict[str, list[str]] = {name: [] for name in listeners}

    def client(name: str) -> aiomqtt.Client:
        login = {"username": name, "password": f"word-of-{name}"}
        return aiomqtt.Client("127.0.0.1", broker.port, protocol=aiomqtt.ProtocolVersion.V5, **login)

    async def listen(name: str, ready: asyncio.Event) -> None:
        async with client(name) as listener:
            for topic in ("bgw/v1/ke-busia/+/+/preview/#", "bgw/v1/ke-busia/_gw/+/state"):
                with contextlib.suppress(aiomqtt.MqttError):
                    await listener.subscribe(topic)
            ready.set()
            async for message in listener.messages:
                heard[name].append(str(message.topic))

    with Shipped(tmp_path / "broker", tls=False) as broker:
        events = [asyncio.Event() for _ in listeners]
        tasks = [asyncio.create_task(listen(*each)) for each in zip(listeners, events, strict=True)]
        for event in events:
            await event.wait()
        async with client("gw-1") as gateway_account, client("lane-2") as forger:
            for station in ("lane-1", "supervisor"):
                await forger.publish(f"bgw/v1/ke-busia/lane-1/camera/preview/{station}", b"forged", qos=1)
                await gateway_account.publish(
                    f"bgw/v1/ke-busia/lane-1/camera/preview/{station}", b"jpeg", qos=1
                )
            await until(lambda: heard["lane-1"] and heard["supervisor"])
            await gateway_account.publish("bgw/v1/ke-busia/_gw/gw-1/state", b"{}", qos=1)
            await until(lambda: all("state" in "".join(heard[name]) for name in ("lane-1", "lane-2")))
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    previews = {name: [topic for topic in topics if "/preview/" in topic] for name, topics in heard.items()}
    assert previews == {
        "lane-1": ["bgw/v1/ke-busia/lane-1/camera/preview/lane-1"],
        "lane-2": [],
        "supervisor": ["bgw/v1/ke-busia/lane-1/camera/preview/supervisor"],
        "ug-lane-1": [],
        "stranger": [],
    }
