"""`borderpost command` and `borderpost claims` on a terminal."""

import asyncio
import json
import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest
from click.testing import Result
from support.brokers.mosquitto import Mosquitto
from support.gateway.gateways import GatewayFixture, gateway, until
from support.gateway.workers import PLUGINS
from typer.testing import CliRunner

from gateway.cli import app
from simulators.links.serial_line import SerialLine

__all__ = ["gateway"]

BARRIER = "lane-1/barrier"
ROLES = """
authority = "UTO"
[role.all]
verbs = ["*"]
can_move = true
can_steal = true
[station.counter-1]
roles = ["all"]
positions = ["lane-1/*"]
[station.chief]
roles = ["all"]
positions = ["*/*"]
[station.idle]
"""
USERS = {"gw-1": "g", "counter-1": "c", "chief": "h", "idle": "i"}
ACL = """
pattern readwrite bgw/v1/uto-test/_gw/+/#
pattern read bgw/v1/uto-test/#
pattern write bgw/v1/uto-test/+/+/cmd/+/%u
user gw-1
topic readwrite bgw/v1/uto-test/#
"""


@pytest.fixture
def mosquitto() -> Iterator[Mosquitto]:
    with Mosquitto(acl=ACL, users=USERS) as broker:
        yield broker


@pytest.fixture
async def wire(gateway: GatewayFixture, monkeypatch: pytest.MonkeyPatch) -> SerialLine:
    monkeypatch.syspath_prepend(PLUGINS)
    for name, word in USERS.items():
        (gateway.folder / name).write_text(word)
        (gateway.folder / name).chmod(0o600)
    (gateway.folder / "roles.toml").write_text(ROLES)
    gateway.login = 'username = "gw-1"\npassword_file = "gw-1"'
    gateway.extra = '[commands]\nroles_file = "roles.toml"\nmin_move_interval_s = 0.001\n'
    wire = await gateway.wire(BARRIER)
    gateway.describe(BARRIER, "scripted")
    await gateway.start()
    await wire.wait_for_host()
    await until(lambda: '"destination_connected"' in gateway.log and '"online"' in gateway.log)
    return wire


async def borderpost(*arguments: object) -> Result:
    return await asyncio.to_thread(CliRunner().invoke, app, [str(one) for one in arguments])


def station(gateway: GatewayFixture, name: str) -> tuple[object, ...]:
    return "--station", name, "--password-file", gateway.folder / name


async def answer(gateway: GatewayFixture, name: str, *arguments: object) -> tuple[int, dict[str, Any]]:
    ran = await borderpost(*arguments, "--json", *station(gateway, name))
    assert ran.stdout, (ran.stderr, ran.exception)
    return ran.exit_code, json.loads(ran.stdout)


async def test_command_moves_barrier(gateway: GatewayFixture, wire: SerialLine) -> None:
    open_up = ("command", gateway.config, BARRIER, "open-up")
    asking = asyncio.create_task(borderpost(*open_up, "--arg", "width_cm=30", *station(gateway, "chief")))
    await wire.wait_for_bytes(b"open-up chief")
    await wire.send(b"opened\n")
    ran = await asking
    assert (ran.exit_code, ran.stdout) == (0, "lane-1/barrier open-up: done width_cm=30 (unverified)\n")
    asking = asyncio.create_task(
        answer(gateway, "chief", *open_up, "--args", '{"width_cm": 20}', "--transaction", "t-1")
    )
    await wire.send(b"opened\n")
    code, said = await asking
    assert (code, said["state"], said["result"], said["transaction"]) == (
        0,
        "done",
        {"width_cm": 20},
        "t-1",
    )


async def test_station_signs_with_an_enrolled_key(gateway: GatewayFixture, wire: SerialLine) -> None:
    """Go from the first refusal to a signed movement by what `borderpost` prints, without a restart."""

    async def reload() -> None:
        before = gateway.log.count("config_reloaded")
        assert gateway.process is not None
        gateway.process.send_signal(signal.SIGHUP)
        await until(lambda: gateway.log.count("config_reloaded") > before)

    gateway.extra += 'signed = "moves"\n'
    gateway.write()
    await reload()
    open_up = ("command", gateway.config, BARRIER, "open-up", *station(gateway, "chief"))
    refused = await borderpost(*open_up)
    assert refused.exit_code == os.EX_NOPERM
    assert "only if the station has signed it" in refused.stderr
    assert "borderpost trust key" in refused.stderr

    key, roles = gateway.folder / "chief.key", gateway.folder / "roles.toml"
    made = json.loads((await borderpost("trust", "key", key, "--json")).stdout)
    unknown = await borderpost(*open_up, "--signing-key", key)
    assert (unknown.exit_code, "Enrol the public key" in unknown.stderr) == (os.EX_NOPERM, True)
    enrolled = await borderpost("trust", "enrol", "chief", made["public_key"], "--roles", roles)
    assert enrolled.exit_code == 0
    await reload()
    asking = asyncio.create_task(borderpost(*open_up, "--signing-key", key))
    await wire.wait_for_bytes(b"open-up chief")
    await wire.send(b"opened\n")
    assert (await asking).exit_code == 0

    missing = await borderpost(*open_up, "--signing-key", gateway.folder / "none.key")
    assert (missing.exit_code, "none.key" in missing.stderr) == (os.EX_NOINPUT, True)


async def test_exit_code_of_each_failure(gateway: GatewayFixture, wire: SerialLine) -> None:
    def ask(name: str, verb: str, *more: object) -> Any:
        return answer(gateway, name, "command", gateway.config, BARRIER, verb, *more)

    for name, verb, more, code, reason in (
        ("idle", "look", (), os.EX_NOPERM, "not_permitted"),
        ("chief", "fly", (), os.EX_DATAERR, "unknown_verb"),
        ("chief", "open-up", ("--arg", "width_cm=wide"), os.EX_DATAERR, "bad_request"),
        ("chief", "refuse", (), os.EX_TEMPFAIL, "unsafe"),
        ("chief", "open-up", ("--timeout", "0.5"), 76, "no_answer"),
    ):
        ended, said = await ask(name, verb, *more)
        assert (ended, said["reason"]) == (code, reason), said
        assert said["text"]
        assert said["how"]
    await wire.send(b"jammed\n")
    failing = asyncio.create_task(ask("chief", "open-up"))
    await wire.send(b"jammed\n")
    assert (await failing)[0] == os.EX_IOERR
    shown = await borderpost("command", gateway.config, BARRIER, "refuse", *station(gateway, "chief"))
    assert shown.exit_code == os.EX_TEMPFAIL
    assert "A person is in the way.\n    Clear the passage" in shown.stderr
    for wrong in (
        (BARRIER, "look", "--args", "[]"),
        (BARRIER, "look", "--args", "{"),
        (BARRIER, "look", "--arg", "=3"),
        ("barrier", "look"),
    ):
        ran = await borderpost("command", gateway.config, *wrong, *station(gateway, "chief"))
        assert ran.exit_code == os.EX_USAGE
    ran = await borderpost(
        "command", gateway.config, BARRIER, "look", "--password-file", "/nowhere", "--station", "x"
    )
    assert ran.exit_code == os.EX_NOINPUT
    assert await gateway.stop() == 0
    assert (await ask("chief", "look"))[0] == os.EX_UNAVAILABLE


async def test_claims_list_steal_release(gateway: GatewayFixture, wire: SerialLine) -> None:
    claims = ("claims", "list", gateway.config)
    assert (await borderpost(*claims)).stdout == "no device is claimed\n"
    code, _ = await answer(gateway, "counter-1", "command", gateway.config, BARRIER, "claim")
    assert code == 0
    assert "counter-1" in (await borderpost(*claims)).stdout
    code, said = await answer(gateway, "chief", "claims", "release", gateway.config, BARRIER)
    assert (code, said["reason"]) == (os.EX_TEMPFAIL, "not_claimed")
    code, said = await answer(
        gateway, "chief", "claims", "steal", gateway.config, BARRIER, "--reason", "Shift change."
    )
    assert (code, said["result"]) == (0, {"lease_s": 30, "previous_holder": "counter-1"})
    (listed,) = json.loads((await borderpost(*claims, "--json")).stdout)
    assert (listed["position"], listed["holder"]) == (BARRIER, "chief")
    ran = await borderpost("claims", "release", gateway.config, BARRIER, *station(gateway, "chief"))
    assert ran.stdout == "lane-1/barrier release: done (unverified)\n"
    assert json.loads((await borderpost(*claims, "--json")).stdout) == []


async def test_gateway_login_cannot_command(gateway: GatewayFixture, wire: SerialLine) -> None:
    ran = await borderpost("command", gateway.config, BARRIER, "stop")
    assert ran.exit_code == os.EX_NOPERM
    assert "role file does not list this station" in ran.stderr
