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
async def test_largest_command(
    dispatcher: DispatcherFixture, more: int, reason: CommandReason | None
) -> None:
    assert MAX_BYTES == 16_384
    body = {"cmd_id": "x", "session": SESSION, "command_seq": 1, "args": {"plate": ""}}
    body["args"] = {"plate": "y" * (MAX_BYTES + more - len(json.dumps(body)))}
    (answer,) = dispatcher.arrive("open-up", payload=json.dumps(body).encode())

    assert answer.reason is reason


@pytest.mark.parametrize(("size", "answers"), [(256, CommandState.ACCEPTED), (257, CommandState.REJECTED)])
async def test_largest_correlation(dispatcher: DispatcherFixture, size: int, answers: CommandState) -> None:
    assert MAX_CORRELATION_BYTES == 256
    (answer,) = dispatcher.arrive("look", correlation=b"x" * size)

    assert answer.state is answers


async def test_urgent_commands_at_once(dispatcher: DispatcherFixture) -> None:
    assert dispatcher.arrive("open-up")[0].state is CommandState.ACCEPTED
    for _ in range(MAX_URGENT):
        assert dispatcher.arrive("stop")[0].state is CommandState.ACCEPTED
    assert dispatcher.arrive("stop")[0].reason is CommandReason.BUSY
    dispatcher.end()
    assert dispatcher.arrive("stop")[0].state is CommandState.ACCEPTED


async def test_running_command_is_remembered(dispatcher: DispatcherFixture) -> None:
    (accepted,) = dispatcher.arrive("open-up", cmd_id="running", command_seq=1)
    for number in range(2, MAX_CACHED_ANSWERS + 20):
        dispatcher.arrive("fly", command_seq=number)
    dispatcher.time.advance(1)  # refusals have used up the answers of this second

    assert dispatcher.arrive("open-up", cmd_id="running", command_seq=1) == [accepted]
    assert dispatcher.devices[BARRIER].verbs == ["open-up"]


@pytest.mark.parametrize(("later", "kept"), [(MAX_CACHED_ANSWERS - 1, True), (MAX_CACHED_ANSWERS, False)])
async def test_remembered_answers(dispatcher: DispatcherFixture, later: int, kept: bool) -> None:
    dispatcher.done("look", cmd_id="first", command_seq=1)
    for number in range(2, later + 2):
        dispatcher.done("look", command_seq=number)
    (answer,) = dispatcher.arrive("look", cmd_id="first", command_seq=1)

    assert answer.state is (CommandState.DONE if kept else CommandState.REJECTED)


async def test_last_number_is_told_when_not_new(dispatcher: DispatcherFixture) -> None:
    dispatcher.done("look", command_seq=8)

    assert dispatcher.arrive("look", command_seq=8)[0].last_command_seq == 8
    assert dispatcher.arrive("fly", command_seq=9)[0].last_command_seq is None


async def test_configured_rates(dispatcher: DispatcherFixture) -> None:
    dispatcher.path.configure(
        CommandsSection(min_move_interval_s=0.001, moves_per_min=1, max_other_commands_per_min=1),
        ROLES,
    )
    dispatcher.done("open-up")
    dispatcher.done("look")
    for verb in ("open-up", "look"):
        dispatcher.time.advance(1)
        assert dispatcher.arrive(verb)[0].reason is CommandReason.RATE_LIMITED

    dispatcher.path.configure(CommandsSection(min_move_interval_s=0.001, moves_per_min=600), ROLES)
    dispatcher.done("open-up")
    dispatcher.done("look")


async def test_rates_are_per_device_and_station() -> None:
    dispatcher = DispatcherFixture(min_move_interval_s=0.001, max_other_commands_per_min=1)
    dispatcher.done("look")
    assert dispatcher.arrive("look", "counter-2")[0].state is CommandState.ACCEPTED
    assert dispatcher.arrive("look", position=OTHER)[0].state is CommandState.ACCEPTED
    dispatcher.end()
    assert dispatcher.arrive("look")[0].reason is CommandReason.RATE_LIMITED
    dispatcher.path.stop()


def test_bucket_fills_to_its_capacity() -> None:
    bucket = TokenBucket.full(1, 2, 0)
    assert [bucket.take(0) for _ in range(3)] == [True, True, False]
    assert not bucket.take(0.999)
    assert bucket.take(1)
    assert [bucket.take(60) for _ in range(3)] == [True, True, False]
    assert not bucket.take(59)
    assert not bucket.take(60), "a clock that goes back adds nothing"


async def test_unknown_stations_share_answers(dispatcher: DispatcherFixture) -> None:
    answers = [dispatcher.arrive("look", f"unknown-{number}") for number in range(ANSWERS_PER_S + 10)]

    assert sum(len(one) for one in answers) == ANSWERS_PER_S
    assert len(dispatcher.arrive("fly")) == 1, "a known station has its own"
    dispatcher.time.advance(0.1)
    answers = [dispatcher.arrive("look", f"unknown-{number}") for number in range(10)]
    assert sum(len(one) for one in answers) == ANSWERS_PER_S // 10
    dispatcher.time.advance(1)
    assert len(dispatcher.arrive("look", "unknown-0")) == 1


async def test_repetitions_are_answered_so_often(dispatcher: DispatcherFixture) -> None:
    dispatcher.arrive("look", cmd_id="x", command_seq=1)
    answers = [dispatcher.arrive("look", cmd_id="x", command_seq=1) for _ in range(ANSWERS_PER_S + 10)]

    assert sum(len(one) for one in answers) == ANSWERS_PER_S


async def test_renewals_become_one_record(dispatcher: DispatcherFixture) -> None:
    dispatcher.arrive("claim")
    for _ in range(3):
        assert dispatcher.arrive("renew")[0].state is CommandState.DONE
    assert [decided.verb for decided in dispatcher.decided] == ["claim", "renew"]
    dispatcher.path.stop()

    assert [(one.verb, one.count) for one in dispatcher.decided[1:]] == [("renew", 1), ("renew", 2)]


async def test_wrong_claims_become_one_record(dispatcher: DispatcherFixture) -> None:
    for _ in range(3):
        dispatcher.arrive("claim", args={"lease_s": 0})

    assert [decided.decision for decided in dispatcher.decided] == [CommandState.REJECTED]


async def test_decisions_name_the_holder(dispatcher: DispatcherFixture) -> None:
    dispatcher.arrive("claim")
    dispatcher.done("look")
    dispatcher.arrive("look", "counter-2")

    claimed, accepted, rejected = dispatcher.decided
    assert claimed.holder is None
    assert (accepted.holder, accepted.command_seq) == ("counter-1", 2)
    assert (rejected.holder, rejected.command_seq, rejected.remaining_ms) == ("counter-1", 3, None)


async def test_record_has_the_commands_transaction(dispatcher: DispatcherFixture) -> None:
    dispatcher.arrive("fly", transaction="t-1")
    dispatcher.arrive("claim", transaction="t-2")
    dispatcher.done("look", transaction="t-3")
    decided = [where[2] for where in dispatcher.records if where[1] in dispatcher.decided]

    assert decided == ["t-1", "t-2", "t-3"]


async def test_refusal_without_device_process(dispatcher: DispatcherFixture) -> None:
    """A command that no process took is not running: the next one is not refused as busy."""
    dispatcher.devices[BARRIER].is_present = False
    assert dispatcher.arrive("look")[0].reason is CommandReason.NOT_ONLINE
    dispatcher.devices[BARRIER].is_present = True
    dispatcher.done("look")
