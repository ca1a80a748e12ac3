"""Hostile broker: it shows an open barrier as closed, old states as new, and answers that no gateway gave.

A workstation with the gateway's public key shows the newest state, or none: no invented one, and an old one
no longer than a token lives.
"""

import asyncio
import contextlib
import json
import signal
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from support.brokers.hostile import HostileBroker, Recorded, hostile_broker
from support.brokers.mosquitto import Mosquitto
from support.gateway.barriers import site_at
from support.gateway.gateways import GatewayFixture, gateway, until
from support.gateway.station_roles import permit_commands

from drivers.barrier.observations import BarrierState
from gateway.client import CommandResult, CommandUnanswered, RejectedMessage, Workstation
from gateway.client.freshness import SILENCE_S
from gateway.contract.states import DeviceState, GatewayState
from gateway.pki.keys import load_public_key, make_signing_key

__all__ = ["gateway"]

BARRIER = "lane-1/barrier"
NOW = "lane-1/barrier/now/barrier-state"
SHOWN_S = 1.0
"""Time in which a workstation would show what the broker sent, in seconds."""


@pytest.fixture
def mosquitto() -> Iterator[Mosquitto]:
    with Mosquitto() as broker:
        yield broker


def movement(desk: Workstation) -> str | None:
    """Return the movement state that a workstation shows."""
    value = desk.last_value(BARRIER, "barrier.state")
    if value is None:
        return None
    assert isinstance(value.data, BarrierState)
    return str(value.data.state)


async def never_shows(desk: Workstation, wrong: str) -> None:
    """Fail if a workstation shows that state within a second."""
    ends_s = asyncio.get_running_loop().time() + SHOWN_S
    while asyncio.get_running_loop().time() < ends_s:
        assert movement(desk) != wrong
        await asyncio.sleep(0.01)


@pytest.mark.long(20)
async def test_open_barrier_is_never_shown_closed(gateway: GatewayFixture) -> None:
    make_signing_key(gateway.folder)
    gateway.more = f'signing_key = "{gateway.folder}/signing.key"'
    public = load_public_key(gateway.folder / "signing.pub")
    permit_commands(gateway)
    rejected: list[RejectedMessage] = []

    def trusting(**more: object) -> Workstation:
        return gateway.workstation(BARRIER, station="counter-1", **more)

    def verifying() -> Workstation:
        return trusting(verify={"uto-test/gw-1": [public]}, on_rejected=rejected.append)

    async with (
        site_at(gateway, BARRIER),
        hostile_broker(gateway.broker.port) as broker,
        trusting() as naive,
        verifying() as desk,
    ):
        await gateway.start()
        await until(lambda: movement(desk) == movement(naive) == "closed")
        status = desk.status(BARRIER)
        assert (status.is_verified, naive.status(BARRIER).is_verified) == (True, False)
        closed = broker.retained(NOW)[-1]
        await open_barrier(desk)
        await until(lambda: movement(desk) == movement(naive) == "open")

        # An old message, which the gateway itself signed.
        await broker.send(replace(closed, retain=True, expires_s=None))
        await until(lambda: movement(naive) == "closed")
        await never_shows(desk, "closed")
        async with verifying() as late:  # has nothing but what the broker shows
            await until(lambda: late.status(BARRIER).is_usable)
            shown = broker.token["number"]  # maybe made before the opening
            await until(lambda: broker.token["number"] >= shown + 2)
            await never_shows(late, "closed")
            assert movement(late) is None

        # The old message under a new number, an invented one, an unsigned one, and none.
        opened = next(each for each in reversed(broker.retained(NOW)) if each.user != closed.user)
        for wrong in (
            replace(closed, user=opened.user),
            closed.signed(None),
            Recorded(closed.topic, b""),
        ):
            await broker.send(replace(wrong, retain=True, expires_s=None))
            await never_shows(desk, "closed")
        assert {each.kind for each in rejected} == {"now"}

        await forge_state(broker, desk)
        # A gateway that is silent: answers are invented, and what is shown ends by itself.
        assert gateway.process is not None
        gateway.process.send_signal(signal.SIGSTOP)
        assert not (await answer_for_gateway(broker, naive)).is_verified
        with pytest.raises(CommandUnanswered):
            await answer_for_gateway(broker, desk)
        await until(lambda: not desk.status(BARRIER).is_usable, SILENCE_S + 10)
        assert movement(desk) is None
        gateway.process.send_signal(signal.SIGCONT)
        await until(lambda: desk.status(BARRIER).is_usable)
        await forge_death(broker, naive, desk)
    assert await gateway.stop() == 0


async def open_barrier(desk: Workstation) -> None:
    for _ in range(100):
        with contextlib.suppress(Exception):
            await desk.command(BARRIER, "open")
            return
        await asyncio.sleep(0.1)
    raise AssertionError("the barrier is never opened")


async def forge_state(broker: HostileBroker, desk: Workstation) -> None:
    """Invent a state that nobody signed."""
    state = DeviceState(state="fault", since="2026-11-23T08:15:30Z", session=broker.token["session"])
    topic = f"bgw/v1/uto-test/{BARRIER}/state"
    await broker.send(Recorded(topic, state.model_dump_json().encode(), retain=True, expires_s=None))
    await asyncio.sleep(SHOWN_S)
    assert desk.status(BARRIER).is_usable


async def forge_death(broker: HostileBroker, naive: Workstation, desk: Workstation) -> None:
    """Invent a last will, which is never signed: the gateway counts as offline until its next token."""
    death = GatewayState(online=False, session=broker.token["session"])
    topic = "bgw/v1/uto-test/_gw/gw-1/state"
    await broker.send(Recorded(topic, death.model_dump_json().encode(), retain=True, expires_s=None))
    await until(lambda: not naive.status(BARRIER).is_usable)  # no token revives it there
    await until(lambda: desk.status(BARRIER).is_usable)


async def answer_for_gateway(broker: HostileBroker, desk: Workstation) -> CommandResult[Any]:
    """Send a command, and answer it in the place of a gateway that does not."""
    sent = len(broker.commands)
    asked = asyncio.create_task(desk.command(BARRIER, "close", timeout_s=2))
    await until(lambda: len(broker.commands) > sent)
    answer = {"cmd_id": json.loads(broker.commands[-1].body)["cmd_id"], "state": "done", "result": {}}
    topic = f"bgw/v1/uto-test/{BARRIER}/rsp/{desk.station}"
    await broker.send(Recorded(topic, json.dumps(answer).encode()))
    return await asked
