"""`borderpost command` and `borderpost claims`, as a person at a terminal uses them."""

import asyncio
import json
import os
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
async def wire(house: GatewayFixture, monkeypatch: pytest.MonkeyPatch) -> SerialLine:
    monkeypatch.syspath_prepend(PLUGINS)
    for name, word in USERS.items():
        (house.folder / name).write_text(word)
        (house.folder / name).chmod(0o600)
    (house.folder / "roles.toml").write_text(ROLES)
    house.login = 'username = "gw-1"\npassword_file = "gw-1"'
    house.extra = '[commands]\nroles_file = "roles.toml"\nmoves_every_s = 0.01\n'
    wire = await house.wire(BARRIER)
    house.describe(BARRIER, "obedient")
    await house.start()
    await wire.wait_for_host()
    await until(lambda: '"destination_connected"' in house.log and '"online"' in house.log)
    return wire


async def borderpost(*arguments: object) -> Result:
    return await asyncio.to_thread(CliRunner().invoke, app, [str(one) for one in arguments])


def station(house: GatewayFixture, name: str) -> tuple[object, ...]:
    return "--station", name, "--password-file", house.folder / name


async def answer(house: GatewayFixture, name: str, *arguments: object) -> tuple[int, dict[str, Any]]:
    ran = await borderpost(*arguments, "--json", *station(house, name))
    assert ran.stdout, (ran.stderr, ran.exception)
    return ran.exit_code, json.loads(ran.stdout)


async def test_a_device_is_commanded_from_the_command_line(house: GatewayFixture, wire: SerialLine) -> None:
    open_up = ("command", house.config, BARRIER, "open-up")
    asking = asyncio.create_task(borderpost(*open_up, "--arg", "width_cm=30", *station(house, "chief")))
    await wire.wait_for_bytes(b"open-up chief")
    await wire.send(b"opened\n")
    ran = await asking
    assert (ran.exit_code, ran.stdout) == (0, "lane-1/barrier open-up: done width_cm=30\n")
    asking = asyncio.create_task(
        answer(house, "chief", *open_up, "--args", '{"width_cm": 20}', "--transaction", "t-1")
    )
    await wire.send(b"opened\n")
    code, said = await asking
    assert (code, said["state"], said["result"], said["transaction"]) == (
        0,
        "done",
        {"width_cm": 20},
        "t-1",
    )


async def test_every_way_not_to_be_done_has_its_exit_code(house: GatewayFixture, wire: SerialLine) -> None:
    def ask(name: str, verb: str, *more: object) -> Any:
        return answer(house, name, "command", house.config, BARRIER, verb, *more)

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
    shown = await borderpost("command", house.config, BARRIER, "refuse", *station(house, "chief"))
    assert shown.exit_code == os.EX_TEMPFAIL
    assert "A person is in the way.\n    Clear the passage" in shown.stderr
    for wrong in (
        (BARRIER, "look", "--args", "[]"),
        (BARRIER, "look", "--args", "{"),
        (BARRIER, "look", "--arg", "=3"),
        ("barrier", "look"),
    ):
        ran = await borderpost("command", house.config, *wrong, *station(house, "chief"))
        assert ran.exit_code == os.EX_USAGE
    ran = await borderpost(
        "command", house.config, BARRIER, "look", "--password-file", "/nowhere", "--station", "x"
    )
    assert ran.exit_code == os.EX_NOINPUT
    assert await house.stop() == 0
    assert (await ask("chief", "look"))[0] == os.EX_UNAVAILABLE


async def test_claims_are_listed_stolen_and_released(house: GatewayFixture, wire: SerialLine) -> None:
    claims = ("claims", "list", house.config)
    assert (await borderpost(*claims)).stdout == "nothing is claimed\n"
    code, _ = await answer(house, "counter-1", "command", house.config, BARRIER, "claim")
    assert code == 0
    assert "counter-1" in (await borderpost(*claims)).stdout
    code, said = await answer(house, "chief", "claims", "release", house.config, BARRIER)
    assert (code, said["reason"]) == (os.EX_TEMPFAIL, "not_claimed")
    code, said = await answer(
        house, "chief", "claims", "steal", house.config, BARRIER, "--reason", "Shift change."
    )
    assert (code, said["result"]) == (0, {"lease_s": 30, "previous_holder": "counter-1"})
    (listed,) = json.loads((await borderpost(*claims, "--json")).stdout)
    assert (listed["position"], listed["holder"]) == (BARRIER, "chief")
    ran = await borderpost("claims", "release", house.config, BARRIER, *station(house, "chief"))
    assert ran.stdout == "lane-1/barrier release: done\n"
    assert json.loads((await borderpost(*claims, "--json")).stdout) == []


async def test_the_gateways_own_name_commands_nothing(house: GatewayFixture, wire: SerialLine) -> None:
    ran = await borderpost("command", house.config, BARRIER, "stop")
    assert ran.exit_code == os.EX_NOPERM
    assert "role file does not know this station" in ran.stderr
