"""Limits of the command path: sizes, rates, remembered answers, and the records of repeated commands."""

import json

import pytest
from support.gateway.command_dispatch import BARRIER, OTHER, ROLES, SESSION, DispatcherFixture

from gateway.commands.dedup import MAX_CACHED_ANSWERS
from gateway.commands.dispatcher import MAX_URGENT
from gateway.commands.rate_limits import ANSWERS_PER_S
from gateway.commands.request import MAX_BYTES, MAX_CORRELATION_BYTES
from gateway.common.token_bucket import TokenBucket
from gateway.config import CommandsSection
from gateway.contract.commands import CommandState
from gateway.contract.reason_codes import CommandReason

SECOND = 1_000_000_000


@pytest.mark.parametrize(("more", "reason"), [(0, None), (1, CommandReason.MALFORMED)])
async def test_largest_command(desk: DispatcherFixture, more: int, reason: CommandReason | None) -> None:
    assert MAX_BYTES == 16_384
    body = {"cmd_id": "x", "session": SESSION, "command_seq": 1, "args": {"plate": ""}}
    body["args"] = {"plate": "y" * (MAX_BYTES + more - len(json.dumps(body)))}
    (answer,) = desk.arrive("open-up", payload=json.dumps(body).encode())

    assert answer.reason is reason


@pytest.mark.parametrize(("size", "answers"), [(256, CommandState.ACCEPTED), (257, CommandState.REJECTED)])
async def test_largest_correlation(desk: DispatcherFixture, size: int, answers: CommandState) -> None:
    assert MAX_CORRELATION_BYTES == 256
    (answer,) = desk.arrive("look", correlation=b"x" * size)

    assert answer.state is answers


async def test_urgent_commands_at_once(desk: DispatcherFixture) -> None:
    assert desk.arrive("open-up")[0].state is CommandState.ACCEPTED
    for _ in range(MAX_URGENT):
        assert desk.arrive("stop")[0].state is CommandState.ACCEPTED
    assert desk.arrive("stop")[0].reason is CommandReason.BUSY
    desk.end()
    assert desk.arrive("stop")[0].state is CommandState.ACCEPTED


async def test_running_command_is_remembered(desk: DispatcherFixture) -> None:
    (accepted,) = desk.arrive("open-up", cmd_id="running", command_seq=1)
    for number in range(2, MAX_CACHED_ANSWERS + 20):
        desk.arrive("fly", command_seq=number)
    desk.time.advance(1)  # refusals have used up the answers of this second

    assert desk.arrive("open-up", cmd_id="running", command_seq=1) == [accepted]
    assert desk.devices[BARRIER].verbs == ["open-up"]


@pytest.mark.parametrize(("later", "kept"), [(MAX_CACHED_ANSWERS - 1, True), (MAX_CACHED_ANSWERS, False)])
async def test_remembered_answers(desk: DispatcherFixture, later: int, kept: bool) -> None:
    desk.done("look", cmd_id="first", command_seq=1)
    for number in range(2, later + 2):
        desk.done("look", command_seq=number)
    (answer,) = desk.arrive("look", cmd_id="first", command_seq=1)

    assert answer.state is (CommandState.DONE if kept else CommandState.REJECTED)


async def test_last_number_is_told_when_not_new(desk: DispatcherFixture) -> None:
    desk.done("look", command_seq=8)

    assert desk.arrive("look", command_seq=8)[0].last_command_seq == 8
    assert desk.arrive("fly", command_seq=9)[0].last_command_seq is None


async def test_configured_rates(desk: DispatcherFixture) -> None:
    desk.path.configure(
        CommandsSection(min_move_interval_s=0.001, moves_per_min=1, max_other_commands_per_min=1),
        ROLES,
    )
    desk.done("open-up")
    desk.done("look")
    for verb in ("open-up", "look"):
        desk.time.advance(1)
        assert desk.arrive(verb)[0].reason is CommandReason.RATE_LIMITED

    desk.path.configure(CommandsSection(min_move_interval_s=0.001, moves_per_min=600), ROLES)
    desk.done("open-up")
    desk.done("look")


async def test_rates_are_per_device_and_station() -> None:
    desk = DispatcherFixture(min_move_interval_s=0.001, max_other_commands_per_min=1)
    desk.done("look")
    assert desk.arrive("look", "counter-2")[0].state is CommandState.ACCEPTED
    assert desk.arrive("look", position=OTHER)[0].state is CommandState.ACCEPTED
    desk.end()
    assert desk.arrive("look")[0].reason is CommandReason.RATE_LIMITED
    desk.path.stop()


def test_bucket_fills_to_its_capacity() -> None:
    bucket = TokenBucket.full(1, 2, 0)
    assert [bucket.take(0) for _ in range(3)] == [True, True, False]
    assert not bucket.take(0.999)
    assert bucket.take(1)
    assert [bucket.take(60) for _ in range(3)] == [True, True, False]
    assert not bucket.take(59)
    assert not bucket.take(60), "a clock that goes back adds nothing"


async def test_unknown_stations_share_answers(desk: DispatcherFixture) -> None:
    answers = [desk.arrive("look", f"unknown-{number}") for number in range(ANSWERS_PER_S + 10)]

    assert sum(len(one) for one in answers) == ANSWERS_PER_S
    assert len(desk.arrive("fly")) == 1, "a known station has its own"
    desk.time.advance(1)
    assert len(desk.arrive("look", "unknown-0")) == 1


async def test_repetitions_are_answered_so_often(desk: DispatcherFixture) -> None:
    desk.arrive("look", cmd_id="x", command_seq=1)
    answers = [desk.arrive("look", cmd_id="x", command_seq=1) for _ in range(ANSWERS_PER_S + 10)]

    assert sum(len(one) for one in answers) == ANSWERS_PER_S


async def test_renewals_become_one_record(desk: DispatcherFixture) -> None:
    desk.arrive("claim")
    for _ in range(3):
        assert desk.arrive("renew")[0].state is CommandState.DONE
    assert [decided.verb for decided in desk.decided] == ["claim", "renew"]
    desk.path.stop()

    assert [(one.verb, one.count) for one in desk.decided[1:]] == [("renew", 1), ("renew", 2)]


async def test_wrong_claims_become_one_record(desk: DispatcherFixture) -> None:
    for _ in range(3):
        desk.arrive("claim", args={"lease_s": 0})

    assert [decided.decision for decided in desk.decided] == [CommandState.REJECTED]


async def test_decisions_name_the_holder(desk: DispatcherFixture) -> None:
    desk.arrive("claim")
    desk.done("look")
    desk.arrive("look", "counter-2")

    claimed, accepted, rejected = desk.decided
    assert claimed.holder is None
    assert (accepted.holder, accepted.command_seq) == ("counter-1", 2)
    assert (rejected.holder, rejected.command_seq, rejected.remaining_ms) == ("counter-1", 3, None)


async def test_record_has_the_commands_transaction(desk: DispatcherFixture) -> None:
    desk.arrive("fly", transaction="t-1")
    desk.arrive("claim", transaction="t-2")
    desk.done("look", transaction="t-3")
    decided = [where[2] for where in desk.records if where[1] in desk.decided]

    assert decided == ["t-1", "t-2", "t-3"]


async def test_refusal_without_device_process(desk: DispatcherFixture) -> None:
    """A command that no process took is not running: the next one is not refused as busy."""
    desk.devices[BARRIER].is_present = False
    assert desk.arrive("look")[0].reason is CommandReason.NOT_ONLINE
    desk.devices[BARRIER].is_present = True
    desk.done("look")
