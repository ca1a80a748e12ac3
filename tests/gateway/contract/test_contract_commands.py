"""Commands and answers are what the contract says; drivers speak its vocabulary."""

from typing import Any

import pytest
from jsonschema import Draft202012Validator
from pydantic import ValidationError

from drivers.command import RESERVED_VERBS, RefusalReason
from drivers.registry import installed_drivers
from gateway.contract.asyncapi import asyncapi
from gateway.contract.asyncapi_commands import answer_example, command_example
from gateway.contract.commands import (
    CLAIM_COMMAND_TYPES,
    CommandAnswer,
    CommandMessage,
    CommandOutcome,
    CommandState,
    CommandType,
    args_schema_id,
    command_name,
    describe_command,
    result_schema_id,
)
from gateway.contract.export import CONTRACT_VERSION
from gateway.contract.reason_codes import REASON_TEXTS, CommandReason
from gateway.contract.registry import COMMANDS
from gateway.contract.schemas import schemas

KINDS = {kind.name: kind for kind in COMMANDS}


def test_drivers_reasons_are_reasons_of_the_contract() -> None:
    assert {str(reason) for reason in RefusalReason} <= {str(reason) for reason in CommandReason}
    assert all(CommandReason(reason) == reason for reason in RefusalReason)


@pytest.mark.parametrize("reason", CommandReason)
def test_every_reason_has_a_sentence_and_a_remedy(reason: CommandReason) -> None:
    text, how = REASON_TEXTS[reason]
    for said in (text, how):
        assert said[0].isupper()
        assert said.endswith(".")
        assert len(said) < 160


def test_the_vocabulary_is_in_the_schema_with_its_sentences() -> None:
    about = schemas()["command.answer.v1.json"]["properties"]["reason"]
    assert set(about["x-sentences"]) == {str(reason) for reason in CommandReason}


@pytest.mark.parametrize("reason", CommandReason)
def test_what_came_too_late_is_expired_and_every_other_refusal_rejected(reason: CommandReason) -> None:
    wanted = CommandState.EXPIRED if reason is CommandReason.EXPIRED else CommandState.REJECTED
    assert CommandAnswer.rejected("x", reason).state is wanted
    assert CommandOutcome.refused(reason).state is wanted
    assert CommandOutcome.failed(reason).state is CommandState.FAILED


def test_the_gateways_own_verbs_are_no_drivers() -> None:
    assert {kind.verb for kind in CLAIM_COMMAND_TYPES} == RESERVED_VERBS


@pytest.mark.parametrize("name", sorted(installed_drivers()))
def test_every_command_of_our_drivers_is_in_the_catalogue(name: str) -> None:
    """Another package's commands name schemas that it publishes itself; ours are in config/contract."""
    point = installed_drivers()[name]
    if point.dist is None or point.dist.name != "borderpost-gateway":
        pytest.skip("a driver of another package")
    driver = point.load()
    for verb, command in driver.commands.items():
        kind = KINDS[command_name(driver.family, verb)]
        assert (command.arguments_type, command.result_type) == (kind.request, kind.done)


def test_an_offer_names_the_schemas_of_its_command() -> None:
    from support.plugins.scripted_drivers import ScriptedDriver

    offered = describe_command("barrier", ScriptedDriver.commands["open-up"])
    assert (offered.verb, offered.moves, offered.urgent) == ("open-up", True, False)
    assert (offered.args, offered.result) == (
        "urn:bgw:schema:command.barrier.open-up:v1:args",
        "urn:bgw:schema:command.barrier.open-up:v1:result",
    )


@pytest.mark.parametrize("kind", COMMANDS, ids=lambda kind: kind.name)
def test_the_examples_of_a_command_are_valid(kind: CommandType) -> None:
    asked, answered = command_example(kind), answer_example(kind)

    Draft202012Validator(schemas()["command.v1.json"]).validate(asked)
    Draft202012Validator(schemas()["command.answer.v1.json"]).validate(answered)
    args = schemas()[f"command.{kind.name}.v1.args.json"]
    result = schemas()[f"command.{kind.name}.v1.result.json"]
    assert (args["$id"], result["$id"]) == (args_schema_id(kind.name), result_schema_id(kind.name))
    Draft202012Validator(args).validate(asked["args"])
    Draft202012Validator(result).validate(answered["result"])


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
def test_what_is_sent_to_us_is_taken_at_its_word(spoil: dict[str, Any]) -> None:
    message = command_example(COMMANDS[0]) | spoil

    assert not Draft202012Validator(schemas()["command.v1.json"]).is_valid(message)
    with pytest.raises(ValidationError):
        CommandMessage.model_validate(message)


def test_a_reader_of_answers_can_read_the_next_version() -> None:
    message = answer_example(COMMANDS[0]) | {"new_field": 1, "state": "postponed", "reason": "bad_weather"}

    Draft202012Validator(schemas()["command.answer.v1.json"]).validate(message)
    read = CommandAnswer.model_validate(message, extra="ignore")
    assert (read.state, read.reason) == (CommandState.UNKNOWN, CommandReason.UNKNOWN)


def test_every_command_is_received_and_answered_in_the_asyncapi_document() -> None:
    document = asyncapi(CONTRACT_VERSION)
    for kind in COMMANDS:
        operation = document["operations"][f"receive {kind.name}"]
        assert operation["action"] == "receive"
        assert operation["reply"]["channel"] == {"$ref": "#/channels/answer"}
        for name in (f"command.{kind.name}", f"answer.{kind.name}"):
            assert name in document["components"]["messages"]
