"""Commands in a worker: started in time or not at all, one at a time, each answered once."""

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


def send_command(worker_fixture: WorkerFixture, verb: str, *, within_s: float = 5, **args: Any) -> int:
    """Send a command; return its reference."""
    ticket = next(TICKETS)
    call = Invocation(f"c{ticket}", "counter-1", f"t{ticket}", boot_ns() + round(within_s * 1e9))
    assert worker_fixture.devices[BARRIER].send_command(ticket, verb, call, json.dumps(args).encode())
    return ticket


async def scripted_device(worker_fixture: WorkerFixture, **more: Any) -> SerialLine:
    wire = await worker_fixture.device(BARRIER, "scripted", **more)
    await worker_fixture.notebook.state(StateCode.ONLINE)
    await wire.wait_for_host()
    return wire


async def started(worker_fixture: WorkerFixture, wire: SerialLine, verb: str) -> list[str]:
    """Return the ids of a verb's commands that the driver started.

    Sends one more to be sure that all are there.
    """
    last = send_command(worker_fixture, "look")
    await wire.wait_for_bytes(f"look counter-1 c{last}\n".encode())
    lines = [line.split() for line in wire.received_bytes.decode().splitlines()]
    return [line[2] for line in lines if line[0] == verb]


async def test_command_runs_beside_watch(worker_fixture: WorkerFixture) -> None:
    wire = await scripted_device(worker_fixture)
    ticket = send_command(worker_fixture, "open-up", width_cm=30)
    await wire.wait_for_bytes(f"open-up counter-1 c{ticket}\n".encode())
    await worker_fixture.notebook.until(lambda: worker_fixture.notebook.events)
    _, heard = worker_fixture.notebook.events[0]
    event = json.loads(heard.partial_event + b"}")
    assert (event["data"]["verb"], event["transaction"]) == ("open-up", f"t{ticket}")
    assert ticket not in worker_fixture.notebook.outcomes
    await wire.send(b"opened\n")
    outcome = await worker_fixture.notebook.outcome(ticket)
    assert (outcome.state, json.loads(outcome.result)) == (CommandState.DONE, {"width_cm": 30})


async def test_only_urgent_commands_run_together(worker_fixture: WorkerFixture) -> None:
    wire = await scripted_device(worker_fixture)
    first = send_command(worker_fixture, "open-up")
    await wire.wait_for_bytes(b"open-up")
    second, stop = send_command(worker_fixture, "look"), send_command(worker_fixture, "stop")
    assert (await worker_fixture.notebook.outcome(second)).reason is CommandReason.BUSY
    assert (await worker_fixture.notebook.outcome(stop)).state is CommandState.DONE
    assert first not in worker_fixture.notebook.outcomes, "it is still running"
    await wire.send(b"opened\n")
    assert (await worker_fixture.notebook.outcome(first)).state is CommandState.DONE
    assert f"c{second}" not in await started(worker_fixture, wire, "look")


async def test_commands_start_in_order(worker_fixture: WorkerFixture) -> None:
    wire = await scripted_device(worker_fixture)
    tickets = [send_command(worker_fixture, "stop") for _ in range(20)]
    for ticket in tickets:
        await worker_fixture.notebook.outcome(ticket)
    assert await started(worker_fixture, wire, "stop") == [f"c{ticket}" for ticket in tickets]


@pytest.mark.parametrize(
    ("args", "expected_text"),
    [
        ({"width_cm": 0}, "wrong or missing: width_cm."),
        ({"width_cm": "30"}, "wrong or missing: width_cm."),
        ({"width_cm": 1.5, "plate": 7}, "wrong or missing: plate, width_cm."),
        ({"gently": {"speed": 99, "WANJIKU": 1}}, "wrong or missing: gently"),
        ({"WANJIKU": 1}, "a field that this command does not have."),
    ],
)
async def test_invalid_arguments_named_not_quoted(
    worker_fixture: WorkerFixture, args: Any, expected_text: str
) -> None:
    wire = await scripted_device(worker_fixture)
    outcome = await worker_fixture.notebook.outcome(send_command(worker_fixture, "open-up", **args))
    assert (outcome.state, outcome.reason) == (CommandState.REJECTED, CommandReason.BAD_REQUEST)
    assert expected_text in outcome.text
    assert "WANJIKU" not in outcome.text
    assert wire.received_bytes == b""


async def test_arguments_without_object_refused(worker_fixture: WorkerFixture) -> None:
    await scripted_device(worker_fixture)
    ticket = next(TICKETS)
    worker_fixture.devices[BARRIER].send_command(ticket, "open-up", Invocation.local(), b"[]")
    assert (await worker_fixture.notebook.outcome(ticket)).reason is CommandReason.BAD_REQUEST


async def test_expired_command_is_not_started(worker_fixture: WorkerFixture) -> None:
    wire = await scripted_device(worker_fixture)
    outcome = await worker_fixture.notebook.outcome(send_command(worker_fixture, "stop", within_s=-0.001))
    assert (outcome.state, outcome.reason) == (CommandState.EXPIRED, CommandReason.EXPIRED)
    assert wire.received_bytes == b""


async def test_stopped_worker_starts_no_old_command(worker_fixture: WorkerFixture) -> None:
    wire = await scripted_device(
        worker_fixture, limits=WorkerLimits(heartbeat_timeout_s=30, stop_timeout_s=2)
    )
    pid = worker_fixture.devices[BARRIER]._process.pid
    os.kill(pid, signal.SIGSTOP)
    ticket = send_command(worker_fixture, "stop", within_s=0.3)
    await asyncio.sleep(0.4)
    os.kill(pid, signal.SIGCONT)
    assert (await worker_fixture.notebook.outcome(ticket)).reason is CommandReason.EXPIRED
    assert wire.received_bytes == b""


@pytest.mark.parametrize(
    ("line", "state", "reason", "text"),
    [
        (b"jammed\n", CommandState.FAILED, CommandReason.TIMED_OUT, "It did not end in time."),
        (b"cut\n", CommandState.FAILED, CommandReason.LINK_FAILED, "The cable is cut."),
        (b"gibberish\n", CommandState.FAILED, CommandReason.DRIVER_ERROR, "The device's driver had"),
    ],
)
async def test_failed_command_keeps_device_online(
    worker_fixture: WorkerFixture,
    line: bytes,
    state: CommandState,
    reason: CommandReason,
    text: str,
) -> None:
    wire = await scripted_device(worker_fixture)
    pid = worker_fixture.devices[BARRIER]._process.pid
    ticket = send_command(worker_fixture, "open-up")
    await wire.wait_for_bytes(b"open-up")
    await wire.send(line)
    outcome = await worker_fixture.notebook.outcome(ticket)
    assert (outcome.state, outcome.reason) == (state, reason)
    assert text in outcome.text
    assert outcome.how
    assert (
        await worker_fixture.notebook.outcome(send_command(worker_fixture, "look"))
    ).state is CommandState.DONE
    assert worker_fixture.devices[BARRIER]._process.pid == pid
    if reason is CommandReason.DRIVER_ERROR:
        await worker_fixture.logged("scripted_drivers.py")
    else:
        assert "scripted_drivers.py" not in worker_fixture.log
    assert "WANJIKU" not in worker_fixture.log


async def test_driver_refusal_is_reported(worker_fixture: WorkerFixture) -> None:
    await scripted_device(worker_fixture)
    outcome = await worker_fixture.notebook.outcome(send_command(worker_fixture, "refuse"))
    assert outcome == CommandOutcome.refused(CommandReason.UNSAFE, "A person is in the way.")
    assert outcome.state is CommandState.REJECTED


async def test_unknown_command_is_refused(worker_fixture: WorkerFixture) -> None:
    await scripted_device(worker_fixture)
    assert (
        await worker_fixture.notebook.outcome(send_command(worker_fixture, "fly"))
    ).reason is CommandReason.UNKNOWN_VERB


async def test_absent_device_refuses_at_once(worker_fixture: WorkerFixture) -> None:
    await worker_fixture.device(BARRIER, "scripted", plugged=False)
    await worker_fixture.notebook.state(StateCode.NO_DEVICE)
    assert (
        await worker_fixture.notebook.outcome(send_command(worker_fixture, "stop"))
    ).reason is CommandReason.NOT_ONLINE


async def test_lost_link_fails_command_for_good(worker_fixture: WorkerFixture) -> None:
    wire = await scripted_device(worker_fixture)
    ticket = send_command(worker_fixture, "open-up")
    await wire.wait_for_bytes(b"open-up")
    wire.unplug()
    outcome = await worker_fixture.notebook.outcome(ticket)
    assert (outcome.state, outcome.reason) == (CommandState.FAILED, CommandReason.LINK_FAILED)
    wire.discard_received()
    wire.replug()
    await worker_fixture.notebook.state(StateCode.ONLINE)
    assert await started(worker_fixture, wire, "open-up") == []


@pytest.mark.parametrize("end", ["killed", "crash", "hang"])
async def test_killed_worker_fails_its_commands(worker_fixture: WorkerFixture, end: str) -> None:
    wire = await scripted_device(worker_fixture)
    ticket = send_command(worker_fixture, "open-up")
    await wire.wait_for_bytes(b"open-up")
    if end == "killed":
        os.kill(worker_fixture.devices[BARRIER]._process.pid, signal.SIGKILL)
    else:
        await wire.send(end.encode() + b"\n")
    outcome = await worker_fixture.notebook.outcome(ticket)
    assert (outcome.state, outcome.reason) == (CommandState.FAILED, CommandReason.WORKER_LOST)
    await worker_fixture.notebook.state(StateCode.ONLINE)
    assert await started(worker_fixture, wire, "open-up") == [f"c{ticket}"]


async def test_stopped_device_answers_its_commands(worker_fixture: WorkerFixture) -> None:
    wire = await scripted_device(worker_fixture)
    device = worker_fixture.devices[BARRIER]
    ticket = send_command(worker_fixture, "open-up")
    await wire.wait_for_bytes(b"open-up")
    await device.stop()
    outcome = await worker_fixture.notebook.outcome(ticket)
    assert (outcome.state, outcome.reason) == (CommandState.FAILED, CommandReason.STOPPING)
    assert not device.send_command(next(TICKETS), "stop", Invocation.local(), b"{}")


@pytest.mark.parametrize("args", [b'{"door": ""}', b"[]", b'{"door": {"a": NaN}}', b"\xff", b""])
async def test_stop_ignores_its_arguments(worker_fixture: WorkerFixture, args: bytes) -> None:
    wire = await scripted_device(worker_fixture)
    ticket = next(TICKETS)
    call = Invocation(f"c{ticket}", "counter-1", f"t{ticket}", boot_ns() + 5_000_000_000)
    worker_fixture.devices[BARRIER].send_command(ticket, "stop", call, args)

    assert (await worker_fixture.notebook.outcome(ticket)).state is CommandState.DONE
    assert await started(worker_fixture, wire, "stop") == [f"c{ticket}"]
