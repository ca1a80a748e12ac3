"""Commands in the AsyncAPI document: one channel in, one out, a message for each command."""

from collections.abc import Iterable
from typing import Any, NamedTuple

from drivers.command import CommandType
from drivers.vocabulary import Vocabulary
from gateway.contract.commands import (
    ANSWER_EXPIRY_S,
    EXPIRY_LIMIT_S,
    CommandAnswer,
    CommandMessage,
)
from gateway.contract.documents.definitions import definitions_of
from gateway.contract.documents.schemas import describe_model, example, to_type_name
from gateway.contract.topics import Position, SiteTopics

BINDING = "0.2.0"
_TOPICS = SiteTopics("{site}", "{gateway}")
_DEVICE = Position("{lane}", "{device}")
_PASSING = {"qos": 1, "retain": False, "bindingVersion": BINDING}
_JSON = {"payloadFormatIndicator": 1, "contentType": "application/json", "bindingVersion": BINDING}


class Parts(NamedTuple):
    """Entries of `channels`, of `operations`, and of the components `messages`."""

    channels: dict[str, Any]
    operations: dict[str, Any]
    messages: dict[str, Any]


def commands(vocabularies: Iterable[Vocabulary]) -> Parts:
    """Describe commands and their answers; no channels without commands."""
    kinds = {
        kind: (found.commands[kind], found.answers[kind])
        for vocabulary in vocabularies
        for found in (definitions_of(vocabulary),)
        for kind in vocabulary.commands
    }
    if not kinds:
        return Parts({}, {}, {})
    channels = {
        "command": _channel(
            "Command",
            _TOPICS.command(_DEVICE, "{verb}", "{station}"),
            f"Command of a station to a device: never retained, expires within {EXPIRY_LIMIT_S} s. A post "
            "may require a signature. The response topic is ignored; correlation data is copied.",
            ["site", "lane", "device", "verb", "station"],
            [f"command.{kind.name}" for kind in kinds],
        ),
        "answer": _channel(
            "Answer",
            _TOPICS.answer(_DEVICE, "{station}"),
            "Answers to a station's commands: `accepted`, then the final state; or the final state at once.",
            ["site", "lane", "device", "station"],
            [f"answer.{kind.name}" for kind in kinds],
        ),
    }
    operations = {f"receive {kind.name}": _operation(kind) for kind in kinds}
    messages: dict[str, Any] = {}
    for kind, (command, answer) in kinds.items():
        messages |= {
            f"command.{kind.name}": _command(kind, command),
            f"answer.{kind.name}": _answer(kind, answer),
        }
    return Parts(channels, operations, messages)


def _channel(
    title: str, address: str, text: str, parameters: list[str], messages: list[str]
) -> dict[str, Any]:
    return {
        "address": address,
        "title": title,
        "description": text,
        "servers": [{"$ref": "#/servers/local"}],
        "parameters": {name: {"$ref": f"#/components/parameters/{name}"} for name in parameters},
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in messages},
    }


def _operation(kind: CommandType[Any, Any]) -> dict[str, Any]:
    return {
        "action": "receive",
        "channel": {"$ref": "#/channels/command"},
        "title": f"Receive {to_type_name(kind.name)}",
        "summary": describe_model(kind.request),
        "description": f"Sent by a station to `cmd/{kind.verb}`; answered at `rsp`.",
        "tags": [{"name": kind.name.partition(".")[0]}],
        "messages": [{"$ref": f"#/channels/command/messages/command.{kind.name}"}],
        "bindings": {"mqtt": {**_PASSING, "messageExpiryInterval": EXPIRY_LIMIT_S}},
        "reply": {
            "channel": {"$ref": "#/channels/answer"},
            "messages": [{"$ref": f"#/channels/answer/messages/answer.{kind.name}"}],
        },
    }


def _command(kind: CommandType[Any, Any], definition: str) -> dict[str, Any]:
    return {
        "name": f"command.{kind.name}",
        "title": definition,
        "summary": describe_model(kind.request),
        "contentType": "application/json",
        "headers": {"$ref": "#/components/schemas/SignatureProperties"},
        "payload": {"$ref": f"#/components/schemas/{definition}"},
        "correlationId": _CORRELATION,
        "bindings": {"mqtt": _JSON},
        "examples": [{"name": kind.name, "payload": command_example(kind)}],
    }


def _answer(kind: CommandType[Any, Any], definition: str) -> dict[str, Any]:
    return {
        "name": f"answer.{kind.name}",
        "title": definition,
        "summary": f"{describe_model(kind.done)} Expires after {ANSWER_EXPIRY_S} s.",
        "contentType": "application/json",
        "headers": {"$ref": "#/components/schemas/SignatureProperties"},
        "payload": {"$ref": f"#/components/schemas/{definition}"},
        "correlationId": _CORRELATION,
        "bindings": {"mqtt": _JSON},
        "examples": [{"name": kind.name, "payload": answer_example(kind)}],
    }


_CORRELATION = {
    "description": "MQTT correlation data, chosen by the station, at most 256 bytes.",
    "location": "$message.header#/correlationData",
}


def command_example(kind: CommandType[Any, Any]) -> dict[str, Any]:
    """Make a command of the examples of its fields."""
    return example(CommandMessage) | {"args": example(kind.request)}


def answer_example(kind: CommandType[Any, Any]) -> dict[str, Any]:
    """Make the answer to a command that was done."""
    said = {"reason": None, "text": "", "how": "", "result": example(kind.done)}
    return example(CommandAnswer) | said
