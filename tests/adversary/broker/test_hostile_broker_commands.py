"""Hostile broker: it invents, changes, replays and holds back commands, and no barrier moves.

The judge is the simulated barrier's own log of frames. Each refusal is in the audit with its reason; a flood
is summed up there.
"""

import asyncio
import json
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from support.brokers.hostile import Forge, HostileBroker, Recorded, flip, hostile_broker, misspell
from support.brokers.mosquitto import Mosquitto
from support.gateway.barriers import site_at
from support.gateway.gateways import GatewayFixture, gateway, until
from support.gateway.signing_stations import SigningStation
from support.gateway.station_roles import COMMAND_SETTINGS, ROLES, permit_commands

from gateway.client import CommandRejected, Workstation
from gateway.contract.commands import TOKEN_LIFE_S
from gateway.contract.reason_codes import CommandReason
from gateway.pki.keys import load_public_key, make_signing_key
from simulators.barrier.modbus_site import ModbusSite

__all__ = ["gateway"]

BARRIER = "lane-1/barrier"
TOPIC = "bgw/v1/uto-test/lane-1/barrier/cmd/open/counter-1"
COUNTER = SigningStation("counter-1")
NEIGHBOUR = SigningStation("counter-2")
LOST = SigningStation("counter-1")
ATTACKER = SigningStation("counter-1")
SEED = 20261201
MOMENTARY = (CommandReason.NOT_ONLINE, CommandReason.UNSAFE, CommandReason.BUSY, CommandReason.RATE_LIMITED)
"""Refusals of a station's own movement after which it tries again."""
PACE_S = 0.02
"""Time between two attempts, in seconds: below the rate at which signatures are refused unverified."""
MAX_RECORDS = 600
"""Upper bound on records of commands in the audit, in records: equal refusals of a minute have one."""
MOVES = ("open", "close", "acknowledge", "maintenance")


@pytest.fixture
def mosquitto() -> Iterator[Mosquitto]:
    with Mosquitto() as broker:
        yield broker


def describe(gateway: GatewayFixture, signed: str) -> None:
    """Write a post with signing stations; the gateway signs too."""
    make_signing_key(gateway.folder)
    gateway.more = f'signing_key = "{gateway.folder}/signing.key"'
    keys = COUNTER.table() + NEIGHBOUR.table() + LOST.table(revoked="lost")
    permit_commands(gateway, ROLES + keys, f'{COMMAND_SETTINGS}signed = "{signed}"\n')


def counter_at(gateway: GatewayFixture) -> Workstation:
    public = load_public_key(gateway.folder / "signing.pub")
    return gateway.workstation(
        BARRIER, station="counter-1", signing_key=COUNTER.signer, verify={"uto-test/gw-1": [public]}
    )


async def genuine(desk: Workstation, verb: str) -> None:
    """Send a command of the station until it is obeyed: a boom refuses movements for a while."""
    for _ in range(200):
        try:
            obeyed = await desk.command(BARRIER, verb)
            assert obeyed.is_verified
            return
        except CommandRejected as refused:
            last = str(refused)
            if refused.reason not in MOMENTARY:
                raise
        await asyncio.sleep(0.1)
    raise AssertionError(f"the command of the station is never obeyed: {last}")


def attacks(broker: HostileBroker, recorded: list[Recorded], old: list[Recorded]) -> dict[str, Forge]:
    """Return the ways to forge, by the reason for which each must be refused.

    `recorded`: genuine commands of this session; `old`: of the session before.
    """

    def invented(rng: random.Random) -> Recorded:
        return broker.command(TOPIC.replace("/open/", f"/{rng.choice(MOVES)}/"))

    def by(key: SigningStation, rng: random.Random) -> Recorded:
        command = invented(rng)
        return command.signed(key.sign(command.topic, command.body))

    def changed(rng: random.Random) -> Recorded:
        command = rng.choice(recorded)
        match rng.randrange(5):
            case 0:
                return replace(command, body=flip(rng, command.body))
            case 1:
                return command.signed(misspell(rng, command.jws))
            case 2:
                return replace(command, body=command.body[: rng.randrange(1, len(command.body))])
            case 3:
                return command.signed(command.jws[: rng.randrange(len(command.jws))])
            case _:
                return invented(rng).signed(command.jws)

    def readdressed(rng: random.Random) -> Recorded:
        command = rng.choice(recorded)
        verb = rng.choice([verb for verb in MOVES if f"/{verb}/" not in command.topic])
        return command.to(verb=verb)

    def of_other_gateway(rng: random.Random) -> Recorded:
        command = invented(rng)
        return command.signed(COUNTER.sign(command.to(site="uto-other").topic, command.body))

    return {
        "unsigned": invented,
        "unknown_key": lambda rng: by(ATTACKER, rng),
        "revoked_key": lambda rng: by(LOST, rng),
        "wrong_topic": lambda rng: rng.choice(recorded).to(station="counter-2"),
        "bad_signature": readdressed,
        "bad_signature of another gateway": of_other_gateway,
        "bad_signature of a changed message": changed,
        "other_session": lambda rng: rng.choice(old),
    }


async def attack(gateway: GatewayFixture, site: ModbusSite, count: int) -> Counter[str]:
    """Attack a gateway; returns the number of attempts by the reason for which each must be refused."""
    rng = random.Random(SEED)
    sent: Counter[str] = Counter()
    async with hostile_broker(gateway.broker.port) as broker:
        await gateway.start()
        async with counter_at(gateway) as desk:
            await until(lambda: desk.status(BARRIER).is_usable)
            await genuine(desk, "open")
            await genuine(desk, "close")
        old = list(broker.commands)
        assert await gateway.stop() == 0
        await gateway.start()
        async with counter_at(gateway) as desk:
            await until(lambda: desk.status(BARRIER).is_usable)
            await genuine(desk, "open")
            await until(lambda: len(broker.commands) > len(old))
            recorded = broker.commands[len(old) :]
            moved = len(site.log.actuations)
            held = broker.command(TOPIC)
            held = held.signed(COUNTER.sign(TOPIC, held.body))
            forgers = attacks(broker, recorded, old)

            async def deliver(name: str, message: Recorded) -> None:
                await broker.send(message)
                sent[name.partition(" ")[0]] += 1
                await asyncio.sleep(PACE_S)

            ends_s = asyncio.get_running_loop().time() + TOKEN_LIFE_S + 0.5
            while sent.total() < count or asyncio.get_running_loop().time() < ends_s:
                name = rng.choice(list(forgers))
                await deliver(name, forgers[name](rng))
            await deliver("not_fresh", held)  # held back by the broker
            await deliver("not_fresh", replace(held, expires_s=None))
            for message in recorded:  # the answers of those that were done are repeated, and nothing moves
                await broker.send(message)
                await broker.send(replace(message, retain=True, expires_s=None))
                await broker.send(Recorded(message.topic, b"", retain=True))
            assert len(site.log.actuations) == moved
            await genuine(desk, "close")
            assert len(site.log.actuations) == moved + 1
    assert await gateway.stop() == 0
    return sent


def refusals(gateway: GatewayFixture) -> Counter[str]:
    """Return the refused commands of the last session's audit, by reason."""
    found: Counter[str] = Counter()
    for line in (gateway.folder / "state/audit.jsonl").read_text().splitlines():
        entry = find(json.loads(line), "decision")
        if entry is not None and entry["reason"] is not None:
            found[entry["reason"]] += entry["count"]
    return found


def find(value: Any, key: str) -> dict[str, Any] | None:
    """Return the first table with a key, at any depth."""
    if isinstance(value, dict):
        if key in value:
            return value
        return next((found for part in value.values() if (found := find(part, key))), None)
    return None


async def test_invented_command_moves_an_unsigned_post(gateway: GatewayFixture) -> None:
    """Prove that the judge sees a movement: without signatures the attack succeeds."""
    describe(gateway, "off")
    async with site_at(gateway, BARRIER) as site, hostile_broker(gateway.broker.port) as broker:
        await gateway.start()
        async with gateway.workstation(BARRIER) as desk:
            await until(lambda: desk.status(BARRIER).is_usable)
        await until(lambda: broker.retained("/fresh"))
        for _ in range(100):
            await broker.send(broker.command(TOPIC))
            await asyncio.sleep(0.1)
            if site.log.actuations:
                break
        assert site.log.actuations


@pytest.mark.long(20)
async def test_no_forged_command_moves(gateway: GatewayFixture) -> None:
    await check(gateway, 300)


@pytest.mark.thorough
@pytest.mark.timeout(900)
async def test_ten_thousand_forgeries(gateway: GatewayFixture) -> None:
    await check(gateway, 10_000)


async def check(gateway: GatewayFixture, count: int) -> None:
    describe(gateway, "moves")
    async with site_at(gateway, BARRIER) as site:
        sent = await attack(gateway, site, count)
    found = refusals(gateway)
    for reason in ("unsigned", "revoked_key", "wrong_topic", "other_session", "not_fresh"):
        assert found[reason] == sent[reason], reason
    changed = ("bad_signature", "unknown_key", "malformed")  # a change of the key's id, or of the JSON
    assert sum(found[reason] for reason in changed) >= sum(sent[reason] for reason in changed)
    assert found["bad_signature"] > sent.total() / len(sent) / 2
    assert count_records(gateway) < MAX_RECORDS


def count_records(gateway: GatewayFixture) -> int:
    return (gateway.folder / "state/audit.jsonl").read_text().count('"decision"')
