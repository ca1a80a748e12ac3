"""Records of floods and movements, and the transaction that joins the answers of a command."""

import asyncio
from dataclasses import replace

import pytest
from support.gateway.command_dispatch import BARRIER, DispatcherFixture

from drivers.command import Invocation
from gateway.contract.commands import CommandOutcome, CommandState
from gateway.contract.events import CommandDecided
from gateway.contract.reason_codes import CommandReason


@pytest.mark.parametrize(("station", "recorded"), [("counter-1", "counter-1"), ("a b\n", None)])
async def test_flood_is_recorded_once(
    dispatcher: DispatcherFixture, station: str, recorded: str | None
) -> None:
    for _ in range(3):
        dispatcher.path.on_flood(station)
    (flood,) = dispatcher.decided
    assert (flood.station, flood.verb, flood.cmd_id, flood.args) == (recorded, None, None, {})
    assert (flood.decision, flood.reason) == (CommandState.REJECTED, CommandReason.RATE_LIMITED)
    ((where, _, transaction),) = dispatcher.records
    assert str(where) == "_gw/gw-1"
    assert len(transaction) == 36

    dispatcher.path.stop()
    assert dispatcher.decided[1].count == 2


async def test_movement_is_recorded_with_states(dispatcher: DispatcherFixture) -> None:
    dispatcher.arrive("open-up", transaction="t-7")
    done = dispatcher.end(result=b'{"width_cm":30}')
    assert done.transaction == "t-7"
    (ended,) = dispatcher.ended
    assert (ended.cmd_id, ended.station, ended.verb) == ("c1", "counter-1", "open-up")
    assert ended.result == {"width_cm": "<int>"}
    assert (ended.sensed_before, ended.sensed_after) == (
        {"test.level": {"level": 0}},
        {"test.level": {"level": 1}},
    )


@pytest.mark.parametrize("result", [b"", b'{"width_cm":"Wanjiku"}', b'{"height_cm":3}'])
async def test_movement_without_a_result(dispatcher: DispatcherFixture, result: bytes) -> None:
    dispatcher.arrive("open-up")
    failed = dispatcher.end(CommandState.FAILED, result, reason=CommandReason.TIMED_OUT, text="a", how="b")
    assert (failed.reason, failed.text, failed.how) == (CommandReason.TIMED_OUT, "a", "b")
    (ended,) = dispatcher.ended
    assert (ended.state, ended.reason) == (CommandState.FAILED, CommandReason.TIMED_OUT)
    assert ended.result is None
    assert ended.sensed_after is not None


async def test_failed_movement_records_its_partial_result(dispatcher: DispatcherFixture) -> None:
    dispatcher.arrive("open-up")
    dispatcher.end(CommandState.FAILED, b'{"width_cm":30}', reason=CommandReason.TIMED_OUT)
    (ended,) = dispatcher.ended
    assert (ended.state, ended.result) == (CommandState.FAILED, {"width_cm": "<int>"})


async def test_refusal_without_device_process_is_recorded(dispatcher: DispatcherFixture) -> None:
    dispatcher.devices[BARRIER].is_present = False
    (answer,) = dispatcher.arrive("open-up", args={"width_cm": 5}, transaction="t-9")
    assert (answer.cmd_id, answer.reason) == ("c1", CommandReason.NOT_ONLINE)
    ((where, decided, transaction),) = dispatcher.records
    assert (where, transaction) == (BARRIER, "t-9")
    assert isinstance(decided, CommandDecided)
    assert (decided.decision, decided.reason) == (CommandState.REJECTED, CommandReason.NOT_ONLINE)
    assert (decided.cmd_id, decided.station, decided.verb) == ("c1", "counter-1", "open-up")
    assert (decided.command_seq, decided.args, decided.remaining_ms) == (1, {"width_cm": 5}, None)


async def test_other_command_has_no_states(dispatcher: DispatcherFixture) -> None:
    dispatcher.done("look")
    (ended,) = dispatcher.ended
    assert (ended.result, ended.sensed_before, ended.sensed_after) == (None, None, None)


async def test_movement_of_a_removed_device_ends(dispatcher: DispatcherFixture) -> None:
    dispatcher.arrive("open-up")
    ((command_ref, *_),) = dispatcher.devices.pop(BARRIER).commands_received
    lost = CommandOutcome.failed(CommandReason.WORKER_LOST)
    dispatcher.path.on_command_result(BARRIER, command_ref, lost)
    (ended,) = dispatcher.ended
    assert (ended.reason, ended.sensed_before) == (CommandReason.WORKER_LOST, None)


def test_local_invocation_names_its_origin() -> None:
    call = Invocation.local()
    assert (call.id, call.issuer, call.transaction) == ("local", "local", "local")
    assert not call.is_supervisor
    assert 2.9 < call.remaining_s <= 3


@pytest.mark.parametrize("is_recorded", [True, False])
async def test_worker_is_told_when_a_decision_is_recorded(
    dispatcher: DispatcherFixture, is_recorded: bool
) -> None:
    device = dispatcher.devices[BARRIER]
    specs = dict(device.commands)
    specs["open-up"] = replace(specs["open-up"], is_recorded_first=True)
    device.commands = specs
    dispatcher.arrive("look")
    dispatcher.end()
    assert dispatcher.flushes == []

    dispatcher.arrive("open-up")
    ((records, flushed),) = dispatcher.flushes
    assert dispatcher.decided[-1].verb == "open-up"
    assert records == len(dispatcher.records)  # its decision is among those that are flushed
    assert device.decisions_recorded == []
    flushed.set_result(is_recorded)
    await asyncio.sleep(0)
    command_ref = device.commands_received[-1][0]
    assert device.decisions_recorded == [(command_ref, is_recorded)]
