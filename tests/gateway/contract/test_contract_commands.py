"""Commands and answers follow the contract; drivers use its vocabulary."""

from typing import Any

import pytest
from jsonschema import Draft7Validator
from pydantic import ValidationError

from drivers.command import RESERVED_VERBS, CommandType, RefusalReason
from drivers.registry import installed_drivers
from gateway.contract.commands import (
    CLAIM_COMMAND_TYPES,
    CommandAnswer,
    CommandMessage,
    CommandOutcome,
    CommandState,
    args_schema_id,
    describe_command,
    result_schema_id,
)
from gateway.contract.documents.asyncapi import asyncapi
from gateway.contract.documents.asyncapi_commands import answer_example, command_example
from gateway.contract.documents.schemas import schemas
from gateway.contract.reason_codes import REASON_TEXTS, CommandReason
from gateway.contract.registry import COMMANDS

KINDS = {kind.name: kind for kind in COMMANDS}


def test_driver_reasons_are_in_contract() -> None:
    assert {str(reason) for reason in RefusalReason} <= {str(reason) for reason in CommandReason}
    assert all(CommandReason(reason) == reason for reason in RefusalReason)


@pytest.mark.parametrize("reason", CommandReason)
def test_every_reason_has_text_and_remedy(reason: CommandReason) -> None:
    text, how = REASON_TEXTS[reason]
    for said in (text, how):
        assert said[0].isupper()
        assert said.endswith(".")
        assert len(said) < 160


@pytest.mark.parametrize("reason", CommandReason)
def test_late_command_is_expired_others_rejected(reason: CommandReason) -> None:
    wanted = CommandState.EXPIRED if reason is CommandReason.EXPIRED else CommandState.REJECTED
    assert CommandAnswer.rejected("x", reason).state is wanted
    assert CommandOutcome.refused(reason).state is wanted
    assert CommandOutcome.failed(reason).state is CommandState.FAILED


def test_claim_verbs_are_reserved() -> None:
    assert {kind.verb for kind in CLAIM_COMMAND_TYPES} == RESERVED_VERBS


@pytest.mark.parametrize("name", sorted(installed_drivers()))
def test_driver_commands_are_registered(name: str) -> None:
    """Commands of another package have schemas of their own; ours are in config/contract."""
    point = installed_drivers()[name]
    if point.dist is None or point.dist.name != "borderpost-gateway":
        pytest.skip("a driver of another package")
    driver = point.load()
    for verb, command in driver.commands.items():
        kind = KINDS[driver.command_name(verb)]
        assert (command.arguments_type, command.result_type) == (kind.request, kind.done)


def test_description_names_command_schemas() -> None:
    from support.plugins.scripted_drivers import ScriptedDriver

    offered = describe_command("barrier.open-up", ScriptedDriver.commands["open-up"])
    assert (offered.verb, offered.moves, offered.urgent) == ("open-up", True, False)
    assert (offered.args, offered.result) == (
        "urn:bgw:schema:command.barrier.open-up:v1:args",
        "urn:bgw:schema:command.barrier.open-up:v1:result",
    )


@pytest.mark.parametrize("kind", COMMANDS, ids=lambda kind: kind.name)
def test_command_examples_are_valid(kind: CommandType) -> None:
    asked, answered = command_example(kind), answer_example(kind)

    Draft7Validator(schemas()["command.v1.json"]).validate(asked)
    Draft7Validator(schemas()["command.answer.v1.json"]).validate(answered)
    args = schemas()[f"command.{kind.name}.v1.args.json"]
    result = schemas()[f"command.{kind.name}.v1.result.json"]
    assert (args["$id"], result["$id"]) == (args_schema_id(kind.name), result_schema_id(kind.name))
    Draft7Validator(args).validate(asked["args"])
    Draft7Validator(result).validate(answered["result"])


@pytest.mark.parametrize(
    "spoil",
    [
        {"command_seq": "7"},
        {"command_seq": 7.5},
        {"command_seq": 0},
        {"cmd_id": ""},
        {"cmd_id": "a/b"},
        {"cmd_id": "x" * 65},
        {"args": None},
        {"not_after": "noon"},
        {"session": None},
    ],
)
def test_wrong_command_field_is_rejected(spoil: dict[str, Any]) -> None:
    message = command_example(COMMANDS[0]) | spoil

    assert not Draft7Validator(schemas()["command.v1.json"]).is_valid(message)
    with pytest.raises(ValidationError):
        CommandMessage.model_validate(message)


def test_newer_answer_is_readable() -> None:
    message = answer_example(COMMANDS[0]) | {"new_field": 1, "state": "postponed", "reason": "bad_weather"}

    Draft7Validator(schemas()["command.answer.v1.json"]).validate(message)
    read = CommandAnswer.model_validate(message, extra="ignore")
    assert (read.state, read.reason) == (CommandState.UNKNOWN, CommandReason.UNKNOWN)


def test_partial_result_is_not_answered() -> None:
    """It is recorded; the contract gives a result only to a command that was done."""
    failed = CommandOutcome.failed(CommandReason.TIMED_OUT, result=b'{"images":1}')
    assert failed.to_answer("1", None).result is None
    done = CommandOutcome(CommandState.DONE, result=b'{"images":1}')
    assert done.to_answer("1", None).result == {"images": 1}


def test_every_command_is_in_asyncapi() -> None:
    document = asyncapi()
    for kind in COMMANDS:
        operation = document["operations"][f"receive {kind.name}"]
        assert operation["action"] == "receive"
        assert operation["reply"]["channel"] == {"$ref": "#/channels/answer"}
        for name in (f"command.{kind.name}", f"answer.{kind.name}"):
            assert name in document["components"]["messages"]
