"""Commands in a device's own process: begun in time or not at all, one at a time, each answered once."""

import asyncio
import itertools
import json
import os
import signal
from typing import Any

import pytest
from support.gateway.workers import WorkerFixture, worker_fixture

from drivers.clock import boot_ns
from drivers.command import Invocation
from drivers.driver import StateCode
from gateway.contract.commands import CommandOutcome, CommandState
from gateway.contract.reason_codes import CommandReason
from gateway.supervision.supervisor import WorkerLimits
from simulators.links.serial_line import SerialLine

__all__ = ["worker_fixture"]

BARRIER = "lane-1/barrier"
TICKETS = itertools.count(1)


def tell(ward: WorkerFixture, verb: str, *, within_s: float = 5, **args: Any) -> int:
    """Hand a command down; returns its ticket."""
    ticket = next(TICKETS)
    call = Invocation(f"c{ticket}", "counter-1", f"t{ticket}", boot_ns() + round(within_s * 1e9))
    assert ward.devices[BARRIER].send_command(ticket, verb, call, json.dumps(args).encode())
    return ticket


async def obedient(ward: WorkerFixture, **more: Any) -> SerialLine:
    wire = await ward.device(BARRIER, "obedient", **more)
    await ward.notebook.state(StateCode.ONLINE)
    await wire.wait_for_host()
    return wire


async def begun(ward: WorkerFixture, wire: SerialLine, verb: str) -> list[str]:
    """What the driver wrote down of a verb, by id; one more is told, so that all before it are there."""
    last = tell(ward, "look")
    await wire.wait_for_bytes(f"look counter-1 c{last}\n".encode())
    lines = [line.split() for line in wire.received_bytes.decode().splitlines()]
    return [line[2] for line in lines if line[0] == verb]


async def test_a_command_runs_beside_what_the_device_says(ward: WorkerFixture) -> None:
    wire = await obedient(ward)
    ticket = tell(ward, "open-up", width_cm=30)
    await wire.wait_for_bytes(f"open-up counter-1 c{ticket}\n".encode())
    await ward.notebook.until(lambda: ward.notebook.events)
    _, heard = ward.notebook.events[0]
    event = json.loads(heard.partial_event + b"}")
    assert (event["data"]["verb"], event["transaction"]) == ("open-up", f"t{ticket}")
    assert ticket not in ward.notebook.outcomes
    await wire.send(b"opened\n")
    outcome = await ward.notebook.outcome(ticket)
    assert (outcome.state, json.loads(outcome.result)) == (CommandState.DONE, {"width_cm": 30})


async def test_one_at_a_time_but_what_is_urgent_begins_at_once(ward: WorkerFixture) -> None:
    wire = await obedient(ward)
    first = tell(ward, "open-up")
    await wire.wait_for_bytes(b"open-up")
    second, stop = tell(ward, "look"), tell(ward, "stop")
    assert (await ward.notebook.outcome(second)).reason is CommandReason.BUSY
    assert (await ward.notebook.outcome(stop)).state is CommandState.DONE
    assert first not in ward.notebook.outcomes, "it still runs"
    await wire.send(b"opened\n")
    assert (await ward.notebook.outcome(first)).state is CommandState.DONE
    assert f"c{second}" not in await begun(ward, wire, "look")


async def test_commands_are_begun_in_the_order_in_which_they_came(ward: WorkerFixture) -> None:
    wire = await obedient(ward)
    tickets = [tell(ward, "stop") for _ in range(20)]
    for ticket in tickets:
        await ward.notebook.outcome(ticket)
    assert await begun(ward, wire, "stop") == [f"c{ticket}" for ticket in tickets]


@pytest.mark.parametrize(
    ("args", "told"),
    [
        ({"width_cm": 0}, "wrong or missing: width_cm."),
        ({"width_cm": "30"}, "wrong or missing: width_cm."),
        ({"width_cm": 1.5, "plate": 7}, "wrong or missing: plate, width_cm."),
        ({"gently": {"speed": 99, "WANJIKU": 1}}, "wrong or missing: gently"),
        ({"WANJIKU": 1}, "a field that this command does not have."),
    ],
)
async def test_wrong_arguments_are_named_and_never_quoted(ward: WorkerFixture, args: Any, told: str) -> None:
    wire = await obedient(ward)
    outcome = await ward.notebook.outcome(tell(ward, "open-up", **args))
    assert (outcome.state, outcome.reason) == (CommandState.REJECTED, CommandReason.BAD_REQUEST)
    assert told in outcome.text
    assert "WANJIKU" not in outcome.text
    assert wire.received_bytes == b""


async def test_arguments_that_are_no_object_are_refused(ward: WorkerFixture) -> None:
    await obedient(ward)
    ticket = next(TICKETS)
    ward.devices[BARRIER].send_command(ticket, "open-up", Invocation.local(), b"[]")
    assert (await ward.notebook.outcome(ticket)).reason is CommandReason.BAD_REQUEST


async def test_what_comes_too_late_is_not_begun(ward: WorkerFixture) -> None:
    wire = await obedient(ward)
    outcome = await ward.notebook.outcome(tell(ward, "stop", within_s=-0.001))
    assert (outcome.state, outcome.reason) == (CommandState.EXPIRED, CommandReason.EXPIRED)
    assert wire.received_bytes == b""


async def test_a_worker_that_stood_still_begins_nothing_old(ward: WorkerFixture) -> None:
    wire = await obedient(ward, limits=WorkerLimits(heartbeat_timeout_s=30, stop_timeout_s=2))
    pid = ward.devices[BARRIER]._pid
    os.kill(pid, signal.SIGSTOP)
    ticket = tell(ward, "stop", within_s=0.3)
    await asyncio.sleep(0.4)
    os.kill(pid, signal.SIGCONT)
    assert (await ward.notebook.outcome(ticket)).reason is CommandReason.EXPIRED
    assert wire.received_bytes == b""


@pytest.mark.parametrize(
    ("line", "state", "reason", "text"),
    [
        (b"jammed\n", CommandState.FAILED, CommandReason.TIMED_OUT, "It did not come to its end."),
        (b"cut\n", CommandState.FAILED, CommandReason.LINK_FAILED, "The cable is cut."),
        (b"gibberish\n", CommandState.FAILED, CommandReason.DRIVER_ERROR, "The device's driver met"),
    ],
)
async def test_how_a_command_fails_is_said_and_the_device_goes_on(
    ward: WorkerFixture,
    line: bytes,
    state: CommandState,
    reason: CommandReason,
    text: str,
) -> None:
    wire = await obedient(ward)
    pid = ward.devices[BARRIER]._pid
    ticket = tell(ward, "open-up")
    await wire.wait_for_bytes(b"open-up")
    await wire.send(line)
    outcome = await ward.notebook.outcome(ticket)
    assert (outcome.state, outcome.reason) == (state, reason)
    assert text in outcome.text
    assert outcome.how
    assert (await ward.notebook.outcome(tell(ward, "look"))).state is CommandState.DONE
    assert ward.devices[BARRIER]._pid == pid
    assert ("obedient_drivers.py" in ward.log) is (reason is CommandReason.DRIVER_ERROR)
    assert "WANJIKU" not in ward.log


async def test_a_drivers_refusal_says_that_nothing_moved(ward: WorkerFixture) -> None:
    await obedient(ward)
    outcome = await ward.notebook.outcome(tell(ward, "refuse"))
    assert outcome == CommandOutcome.refused(CommandReason.UNSAFE, "Somebody stands in it.")
    assert outcome.state is CommandState.REJECTED


async def test_an_unknown_command_is_refused(ward: WorkerFixture) -> None:
    await obedient(ward)
    assert (await ward.notebook.outcome(tell(ward, "fly"))).reason is CommandReason.UNKNOWN_VERB


async def test_a_device_that_is_not_there_refuses_at_once(ward: WorkerFixture) -> None:
    await ward.device(BARRIER, "obedient", plugged=False)
    await ward.notebook.state(StateCode.NO_DEVICE)
    assert (await ward.notebook.outcome(tell(ward, "stop"))).reason is CommandReason.NOT_ONLINE


async def test_a_command_fails_with_the_link_and_is_not_taken_up_again(ward: WorkerFixture) -> None:
    wire = await obedient(ward)
    ticket = tell(ward, "open-up")
    await wire.wait_for_bytes(b"open-up")
    wire.unplug()
    outcome = await ward.notebook.outcome(ticket)
    assert (outcome.state, outcome.reason) == (CommandState.FAILED, CommandReason.LINK_FAILED)
    wire.discard_received()
    wire.replug()
    await ward.notebook.state(StateCode.ONLINE)
    assert await begun(ward, wire, "open-up") == []


@pytest.mark.parametrize("end", ["killed", "crash", "hang"])
async def test_a_worker_that_dies_owes_no_answer_and_its_heir_begins_nothing(
    ward: WorkerFixture, end: str
) -> None:
    wire = await obedient(ward)
    ticket = tell(ward, "open-up")
    await wire.wait_for_bytes(b"open-up")
    if end == "killed":
        os.kill(ward.devices[BARRIER]._pid, signal.SIGKILL)
    else:
        await wire.send(end.encode() + b"\n")
    outcome = await ward.notebook.outcome(ticket)
    assert (outcome.state, outcome.reason) == (CommandState.FAILED, CommandReason.WORKER_LOST)
    await ward.notebook.state(StateCode.ONLINE)
    assert await begun(ward, wire, "open-up") == [f"c{ticket}"]


async def test_a_device_that_is_stopped_answers_what_it_owes(ward: WorkerFixture) -> None:
    wire = await obedient(ward)
    device = ward.devices[BARRIER]
    ticket = tell(ward, "open-up")
    await wire.wait_for_bytes(b"open-up")
    await device.stop()
    outcome = await ward.notebook.outcome(ticket)
    assert (outcome.state, outcome.reason) == (CommandState.FAILED, CommandReason.STOPPING)
    assert not device.send_command(next(TICKETS), "stop", Invocation.local(), b"{}")
