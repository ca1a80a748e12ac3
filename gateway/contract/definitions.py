"""Definitions of the contract, each once: for the AsyncAPI document and for the schema of any message.

The files of single messages (`schemas.py`) repeat definitions, because validators and code generators take
one file at a time. Here each model has one definition, and an event is its envelope, narrowed to one type.
"""

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from drivers.command import CommandType
from drivers.observation import Observation
from gateway.contract.commands import CommandAnswer, CommandMessage
from gateway.contract.envelope import SCHEMA_BASE, Event, to_cloudevents_type, to_schema_id
from gateway.contract.last_values import LastValueMessage
from gateway.contract.registry import COMMANDS, EVENTS
from gateway.contract.schemas import DIALECT, STATES, Schema, describe_model, to_open_schema

LOCAL = "#/$defs/"
"""Prefix of references, as `definitions` returns them."""
EVENT_ENVELOPE, LAST_VALUE_ENVELOPE = "EventEnvelope", "LastValueEnvelope"
_MODULES = re.compile(r"drivers__(?P<family>[a-z]+)__\w+__(?P<name>[A-Za-z]+)")
"""Pydantic's name for one of two models with the same name: `drivers__camera__observations__Area`."""


@cache
def definitions() -> Mapping[str, Schema]:
    """Return every definition by its name, sorted; references begin with `LOCAL`."""
    found = {**_told(), **_asked()}
    for event in EVENTS:
        found[event_definition(event)] = _enveloped(event, EVENT_ENVELOPE)
        if event.is_state:
            found[last_value_definition(event)] = _enveloped(event, LAST_VALUE_ENVELOPE)
    for kind in COMMANDS:
        found[command_definition(kind)] = _command(kind)
        found[answer_definition(kind)] = _answer(kind)
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


def message_schema() -> Schema:
    """Build the JSON Schema of any message of the contract, with every definition once."""
    messages = [
        *(model.__name__ for model in STATES.values()),
        *(event_definition(event) for event in EVENTS),
        *(last_value_definition(event) for event in EVENTS if event.is_state),
        *(name(kind) for kind in COMMANDS for name in (command_definition, answer_definition)),
    ]
    return {
        "$schema": DIALECT,
        "$id": f"{SCHEMA_BASE}message:v1",
        "title": "Message",
        "description": "Any JSON message between a gateway and its consumers.",
        "anyOf": [{"$ref": f"{LOCAL}{name}"} for name in messages],
        "$defs": dict(definitions()),
    }


def event_definition(event: type[Observation]) -> str:
    """Name of the definition of a whole event: `DocumentReadEvent`."""
    return f"{event.__name__}Event"


def last_value_definition(event: type[Observation]) -> str:
    """Name of the definition of a retained event: `BarrierStateLastValue`."""
    return f"{event.__name__}LastValue"


def command_definition(kind: CommandType) -> str:
    """Name of the definition of a command: `BarrierOpenCommand`."""
    return f"{_camel(kind.name)}Command"


def answer_definition(kind: CommandType) -> str:
    """Name of the definition of the answer to a command: `BarrierOpenAnswer`."""
    return f"{_camel(kind.name)}Answer"


def _camel(name: str) -> str:
    return "".join(word.capitalize() for word in re.split(r"[._-]", name))


def _told() -> dict[str, Schema]:
    """Return what a gateway sends: data of events, envelopes without data, states, results."""
    envelopes: dict[type[BaseModel], str] = {
        Event[Any]: EVENT_ENVELOPE,
        LastValueMessage[Any]: LAST_VALUE_ENVELOPE,
    }
    models: list[type[BaseModel]] = [*STATES.values(), *EVENTS, *envelopes, CommandAnswer]
    models += [kind.done for kind in COMMANDS]
    named, document = models_json_schema(
        [(model, "serialization") for model in dict.fromkeys(models)], ref_template=f"{LOCAL}{{model}}"
    )
    found: dict[str, Schema] = _plainly_named(to_open_schema(document["$defs"]))
    for model, name in envelopes.items():
        schema = found.pop(named[model, "serialization"]["$ref"].removeprefix(LOCAL))
        del schema["properties"]["data"]
        schema["required"].remove("data")
        found[name] = {**schema, "title": name}
    fixed = {"specversion": "1.0", "datacontenttype": "application/json"}
    for field, value in fixed.items():
        properties = found[EVENT_ENVELOPE]["properties"]
        kept = {key: part for key, part in properties[field].items() if key not in ("pattern", "examples")}
        properties[field] = kept | {"const": value}
    return found


def _asked() -> dict[str, Schema]:
    """Return what a gateway receives, as closed as the models.

    The name of a part that a gateway also sends ends in `Args` here: the sent part is open.
    """
    _, document = models_json_schema(
        [(kind.request, "validation") for kind in COMMANDS], ref_template=f"{LOCAL}{{model}}Args"
    )
    found = {f"{name}Args": schema for name, schema in document["$defs"].items()}
    found["CommandMessage"] = CommandMessage.model_json_schema(mode="validation")
    return found


def _plainly_named(schemas: dict[str, Schema]) -> dict[str, Schema]:
    """Prefix equal names of models by their family, `CameraArea`: modules are not part of the contract."""
    names = {
        name: f"{found['family'].capitalize()}{found['name']}"
        for name in schemas
        if (found := _MODULES.fullmatch(name))
    }

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


def _enveloped(event: type[Observation], envelope: str) -> Schema:
    """Narrow an envelope to one type of event."""
    narrowed = {
        "type": {"type": "string", "const": to_cloudevents_type(event.event_type)},
        "dataschema": {"type": "string", "const": to_schema_id(event.event_type)},
        "data": {"$ref": f"{LOCAL}{event.__name__}"},
    }
    return {
        "title": to_cloudevents_type(event.event_type),
        "description": describe_model(event),
        "allOf": [
            {"$ref": f"{LOCAL}{envelope}"},
            {"type": "object", "properties": narrowed, "required": ["data"]},
        ],
    }


def _command(kind: CommandType) -> Schema:
    return {
        "title": command_definition(kind),
        "description": describe_model(kind.request),
        "allOf": [
            {"$ref": f"{LOCAL}CommandMessage"},
            {"type": "object", "properties": {"args": {"$ref": f"{LOCAL}{kind.request.__name__}Args"}}},
        ],
    }


def _answer(kind: CommandType) -> Schema:
    result = {"anyOf": [{"$ref": f"{LOCAL}{kind.done.__name__}"}, {"type": "null"}]}
    return {
        "title": answer_definition(kind),
        "description": describe_model(kind.done),
        "allOf": [{"$ref": f"{LOCAL}CommandAnswer"}, {"type": "object", "properties": {"result": result}}],
    }
