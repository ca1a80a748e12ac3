"""Definitions of the contract, each once: for the AsyncAPI document and for the schema of any message.

The files of single messages (`schemas.py`) repeat definitions, because validators and code generators take
one file at a time. Here each model has one definition, and an event is its envelope, narrowed to one type.

Two packages may give their models one name. So the definitions of a package begin with its namespace,
`AcmeWeighed`; those that it shares with this project, such as `Attachment`, do not.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from drivers.command import CommandType
from drivers.observation import Observation
from drivers.vocabulary import Vocabulary
from gateway.contract.commands import CommandAnswer, CommandMessage
from gateway.contract.documents.open_schemas import LOCAL, Schema, to_open_definitions, without_field_titles
from gateway.contract.documents.schemas import DIALECT, STATES, describe_model, schema_names, to_type_name
from gateway.contract.envelope import SCHEMA_BASE, Event
from gateway.contract.last_values import LastValueMessage
from gateway.contract.registry import OURS

EVENT_ENVELOPE, LAST_VALUE_ENVELOPE = "EventEnvelope", "LastValueEnvelope"
COMMAND_ENVELOPE, ANSWER_ENVELOPE = "CommandEnvelope", "AnswerEnvelope"
# Each without the field that its messages differ in: Modelina would make one type of all of them.
_ENVELOPES: dict[type[BaseModel], tuple[str, str]] = {
    Event[Any]: (EVENT_ENVELOPE, "data"),
    LastValueMessage[Any]: (LAST_VALUE_ENVELOPE, "data"),
    CommandAnswer: (ANSWER_ENVELOPE, "result"),
}
_MODULES = re.compile(r"drivers__(?P<family>[a-z]+)__\w+__(?P<name>[A-Za-z]+)")
"""Pydantic's name for one of two models with the same name: `drivers__camera__observations__Area`."""


@dataclass(frozen=True)
class Definitions:
    """Definitions of one vocabulary by their names, and the names of its messages."""

    schemas: Mapping[str, Schema]
    events: Mapping[type[Observation], str]
    """Name of the definition of a whole event: `DocumentReadEvent`."""
    last_values: Mapping[type[Observation], str]
    """Name of the definition of a retained event: `BarrierStateLastValue`."""
    commands: Mapping[CommandType[Any, Any], str]
    """Name of the definition of a command: `BarrierOpenCommand`."""
    answers: Mapping[CommandType[Any, Any], str]
    """Name of the definition of the answer to a command: `BarrierOpenAnswer`."""

    @property
    def messages(self) -> tuple[str, ...]:
        """Names of the definitions of all messages, in the order of the documents."""
        events = [name for names in (self.events, self.last_values) for name in names.values()]
        pairs = zip(self.commands.values(), self.answers.values(), strict=True)
        return (*events, *(name for pair in pairs for name in pair))


@cache
def definitions_of(vocabulary: Vocabulary) -> Definitions:
    """Return the definitions of a vocabulary; references begin with `LOCAL`."""
    prefix = vocabulary.namespace.capitalize()
    names = Definitions(
        {},
        {event: f"{prefix}{event.__name__}Event" for event in vocabulary.observations},
        {event: f"{prefix}{event.__name__}LastValue" for event in vocabulary.observations if event.is_state},
        {kind: f"{to_type_name(kind.name)}Command" for kind in vocabulary.commands},
        {kind: f"{to_type_name(kind.name)}Answer" for kind in vocabulary.commands},
    )
    sent, sent_names = _sent(vocabulary)
    received, received_names = _received(vocabulary)
    if vocabulary != OURS:
        shared = definitions_of(OURS).schemas
        changed = _own_names(sent | received, shared, prefix, names.messages)
        sent, received = _renamed(sent, changed), _renamed(received, changed)
        sent_names = {model: changed.get(name, name) for model, name in sent_names.items()}
        received_names = {model: changed.get(name, name) for model, name in received_names.items()}
    found = {**sent, **received}
    version = vocabulary.version
    for event, name in names.events.items():
        found[name] = _enveloped(event, name, version, EVENT_ENVELOPE, sent_names[event])
    for event, name in names.last_values.items():
        found[name] = _enveloped(event, name, version, LAST_VALUE_ENVELOPE, sent_names[event])
    for kind, name in names.commands.items():
        found[name] = _command(kind, name, received_names[kind.request])
    for kind, name in names.answers.items():
        found[name] = _answer(kind, name, sent_names[kind.done])
    return Definitions(found, names.events, names.last_values, names.commands, names.answers)


@cache
def definitions(vocabularies: tuple[Vocabulary, ...] = (OURS,)) -> Mapping[str, Schema]:
    """Return the definitions of vocabularies by their names, sorted, with those that they share with ours."""
    parts = [definitions_of(vocabulary) for vocabulary in vocabularies]
    found: dict[str, Schema] = {}
    for schemas in (definitions_of(OURS).schemas, *(part.schemas for part in parts)):
        if clash := sorted(name for name in schemas.keys() & found.keys() if schemas[name] != found[name]):
            raise ValueError(f"two definitions have the name {clash[0]}")
        found |= schemas
    if OURS not in vocabularies:
        used = _reachable({name for part in parts for name in part.messages}, found)
        found = {name: found[name] for name in used}
    return dict(sorted(found.items()))


def referring(schema: Any, prefix: str) -> Any:
    """Copy a schema whose references begin with `LOCAL`, with another prefix."""
    match schema:
        case {"$ref": str(reference), **rest}:
            return {"$ref": f"{prefix}{reference.removeprefix(LOCAL)}", **referring(rest, prefix)}
        case dict():
            return {key: referring(part, prefix) for key, part in schema.items()}
        case list():
            return [referring(part, prefix) for part in schema]
        case _:
            return schema


def message_schema(vocabularies: tuple[Vocabulary, ...] = (OURS,)) -> Schema:
    """Build the JSON Schema of any message of the contract, with every definition once."""
    is_whole = OURS in vocabularies
    states = [model.__name__ for model in STATES.values()] if is_whole else []
    messages = [name for vocabulary in vocabularies for name in definitions_of(vocabulary).messages]
    versions = [f"{one.namespace}:v{one.version}".removeprefix(":") for one in vocabularies]
    return {
        "$schema": DIALECT,
        "$id": f"{SCHEMA_BASE}message:{':'.join(versions)}",
        "title": "Message",
        "description": "Any JSON message between a gateway and its consumers."
        if is_whole
        else "Any event, last value, command or answer that these packages add.",
        "anyOf": [{"$ref": f"{LOCAL}{name}"} for name in (*states, *messages)],
        "$defs": dict(definitions(vocabularies)),
    }


def _sent(vocabulary: Vocabulary) -> tuple[dict[str, Schema], dict[type[BaseModel], str]]:
    """Return what a gateway sends: data of events, results; with ours, envelopes without data and states.

    Returns the definitions by their names, and the names of the models.
    """
    models: list[type[BaseModel]] = list(vocabulary.observations)
    if vocabulary == OURS:
        models = [*STATES.values(), *models, *_ENVELOPES]
    models += [kind.done for kind in vocabulary.commands]
    named, document = models_json_schema(
        [(model, "serialization") for model in dict.fromkeys(models)], ref_template=f"{LOCAL}{{model}}"
    )
    names = {model: named[model, "serialization"]["$ref"].removeprefix(LOCAL) for model in models}
    found: dict[str, Schema] = to_open_definitions(document.get("$defs", {}))
    if vocabulary == OURS:
        plain = {
            name: f"{match['family'].capitalize()}{match['name']}"
            for name in found
            if (match := _MODULES.fullmatch(name))
        }
        found = _with_envelopes(_renamed(found, plain), names)
        names = {model: plain.get(name, name) for model, name in names.items()}
    return found, names


def _with_envelopes(found: dict[str, Schema], names: Mapping[type[BaseModel], str]) -> dict[str, Schema]:
    for model, (name, field) in _ENVELOPES.items():
        found[name] = _without(found.pop(names[model]), field) | {"title": name}
    fixed = {"specversion": "1.0", "datacontenttype": "application/json"}
    for field, value in fixed.items():
        properties = found[EVENT_ENVELOPE]["properties"]
        kept = {key: part for key, part in properties[field].items() if key not in ("pattern", "examples")}
        properties[field] = kept | {"const": value}
    return found


def _without(schema: Schema, field: str) -> Schema:
    properties = {name: part for name, part in schema["properties"].items() if name != field}
    return schema | {
        "properties": properties,
        "required": [name for name in schema["required"] if name != field],
    }


def _received(vocabulary: Vocabulary) -> tuple[dict[str, Schema], dict[type[BaseModel], str]]:
    """Return what a gateway receives, as closed as the models, and the names of the models.

    The name of a part that a gateway also sends ends in `Args` here: the sent part is open.
    """
    models = dict.fromkeys(kind.request for kind in vocabulary.commands)
    named, document = models_json_schema(
        [(model, "validation") for model in models], ref_template=f"{LOCAL}{{model}}Args"
    )
    names: dict[type[BaseModel], str] = {
        model: named[model, "validation"]["$ref"].removeprefix(LOCAL) for model in models
    }
    found: dict[str, Schema] = {
        f"{name}Args": schema | {"title": f"{name}Args"} for name, schema in document.get("$defs", {}).items()
    }
    if vocabulary == OURS:
        # Open: each command adds its arguments. `schemas/command.v1.json` is closed, as the gateway is.
        envelope = _without(CommandMessage.model_json_schema(mode="validation"), "args")
        found[COMMAND_ENVELOPE] = envelope | {"title": COMMAND_ENVELOPE, "additionalProperties": True}
    return without_field_titles(found), names


def _own_names(
    found: Mapping[str, Schema], shared: Mapping[str, Schema], prefix: str, taken: Iterable[str]
) -> dict[str, str]:
    """Return the names of a package's definitions that are not equal to shared ones, with its prefix."""
    equal = {name for name in found if shared.get(name) == found[name]}
    while unlike := {name for name in equal if not _references(found[name]) <= equal}:
        equal -= unlike
    used, changed = {*shared, *taken}, {}
    for name in sorted(found.keys() - equal):
        own = f"{prefix}{''.join(part[:1].upper() + part[1:] for part in name.split('__'))}"
        while own in used:
            own = f"{own}Model"
        used.add(own)
        changed[name] = own
    return changed


def _renamed(schemas: Mapping[str, Schema], names: Mapping[str, str]) -> dict[str, Schema]:
    """Return definitions under other names, with their titles and the references to them."""

    def renamed(schema: Any) -> Any:
        match schema:
            case {"$ref": str(reference), **rest}:
                name = reference.removeprefix(LOCAL)
                return {"$ref": f"{LOCAL}{names.get(name, name)}", **renamed(rest)}
            case dict():
                return {key: renamed(part) for key, part in schema.items()}
            case list():
                return [renamed(part) for part in schema]
            case _:
                return schema

    return {
        names.get(name, name): renamed(schema) | ({"title": names[name]} if name in names else {})
        for name, schema in schemas.items()
    }


def _references(schema: Any) -> set[str]:
    """Return the names of the definitions to which a schema refers."""
    match schema:
        case {"$ref": str(reference), **rest}:
            return {reference.removeprefix(LOCAL)} | _references(rest)
        case dict():
            return {name for part in schema.values() for name in _references(part)}
        case list():
            return {name for part in schema for name in _references(part)}
        case _:
            return set()


def _reachable(names: set[str], found: Mapping[str, Schema]) -> set[str]:
    """Return the names, and those of all definitions to which they refer."""
    seen: set[str] = set()
    while names:
        seen |= names
        names = {name for one in names for name in _references(found[one])} - seen
    return seen


def _enveloped(event: type[Observation], title: str, version: int, envelope: str, data: str) -> Schema:
    """Narrow an envelope to one type of event; `data`: name of the definition of its data."""
    named = schema_names(event, version).items()
    narrowed: dict[str, Any] = {field: {"type": "string", "const": value} for field, value in named}
    properties = narrowed | {"data": {"$ref": f"{LOCAL}{data}"}}
    return _narrowed(
        title, describe_model(event), envelope, {"properties": properties, "required": [*properties]}
    )


def _command(kind: CommandType[Any, Any], title: str, args: str) -> Schema:
    properties = {"args": {"$ref": f"{LOCAL}{args}"}}
    return _narrowed(title, describe_model(kind.request), COMMAND_ENVELOPE, {"properties": properties})


def _answer(kind: CommandType[Any, Any], title: str, done: str) -> Schema:
    result = {"anyOf": [{"$ref": f"{LOCAL}{done}"}, {"type": "null"}]}
    return _narrowed(title, describe_model(kind.done), ANSWER_ENVELOPE, {"properties": {"result": result}})


def _narrowed(title: str, description: str, base: str, more: Schema) -> Schema:
    return {
        "title": title,
        "description": description,
        "allOf": [{"$ref": f"{LOCAL}{base}"}, {"type": "object", **more}],
    }
