"""JSON Schema (2020-12) of the gateway's messages, generated from the models.

The models reject unknown fields, because they belong to the sender. The schemas are for readers, and a reader
of this version must accept messages of the next one: objects are open, and words of a vocabulary are listed
as `x-extensible-enum` (Zalando RESTful API guidelines, rule 112), so that a message with a new field or a new
word is valid against an old schema.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode

from drivers.command import CommandType
from drivers.observation import Observation
from gateway.contract.commands import (
    CommandAnswer,
    CommandMessage,
    DeviceClaim,
    args_schema_id,
    result_schema_id,
)
from gateway.contract.envelope import SCHEMA_BASE, Event, to_cloudevents_type, to_schema_id
from gateway.contract.last_values import LastValueMessage
from gateway.contract.registry import COMMANDS, EVENTS
from gateway.contract.states import DeviceDescription, DeviceState, FreshToken, GatewayState

Schema = dict[str, Any]

DIALECT = "https://json-schema.org/draft/2020-12/schema"
STATES: dict[str, type[BaseModel]] = {
    "device.state": DeviceState,
    "device.description": DeviceDescription,
    "device.claim": DeviceClaim,
    "gateway.state": GatewayState,
    "gateway.fresh": FreshToken,
}
"""Retained messages, by the name in their schema's `$id`."""
COMMAND, ANSWER = f"{SCHEMA_BASE}command:v1", f"{SCHEMA_BASE}command.answer:v1"


def data_schema(event: type[Observation]) -> Schema:
    """Return the schema of an event's `data`; `dataschema` names its `$id`."""
    return _document(event, to_schema_id(event.event_type))


def event_schema(event: type[Observation]) -> Schema:
    """Return the schema of a whole event, self-contained: generators follow no reference to other files."""
    schema = _document(Event[event], f"{to_schema_id(event.event_type)}:event")  # type: ignore[valid-type]
    return _pinned(event, schema, {"specversion": "1.0", "datacontenttype": "application/json"})


def last_value_schema(event: type[Observation]) -> Schema:
    """Return the schema of a last value, self-contained as in `event_schema`."""
    schema = _document(LastValueMessage[event], f"{to_schema_id(event.event_type)}:last-value")  # type: ignore[valid-type]
    return _pinned(event, schema, {})


def _pinned(event: type[Observation], schema: Schema, more: dict[str, str]) -> Schema:
    of_event = {"type": to_cloudevents_type(event.event_type), "dataschema": to_schema_id(event.event_type)}
    for name, value in (more | of_event).items():
        field = schema["properties"][name]
        schema["properties"][name] = {
            key: part for key, part in field.items() if key not in ("pattern", "examples")
        } | {"const": value}
    schema["title"] = to_cloudevents_type(event.event_type)
    schema["description"] = describe_model(event)
    return schema


def state_schema(name: str) -> Schema:
    """Return the schema of a retained message."""
    return _document(STATES[name], f"{SCHEMA_BASE}{name}:v1")


def args_schema(kind: CommandType) -> Schema:
    """Return the schema of a command's arguments, closed as the model: unknown fields are rejected."""
    return _closed_document(kind.request, args_schema_id(kind.name))


def result_schema(kind: CommandType) -> Schema:
    """Return the schema of a command's result."""
    return _document(kind.done, result_schema_id(kind.name))


@cache
def schemas() -> Mapping[str, Schema]:
    """Return every schema, by its file name."""
    found: dict[str, Schema] = {}
    for event in EVENTS:
        found[f"{event.event_type}.v1.data.json"] = data_schema(event)
        found[f"{event.event_type}.v1.event.json"] = event_schema(event)
        if event.is_state:
            found[f"{event.event_type}.v1.last-value.json"] = last_value_schema(event)
    for name in STATES:
        found[f"{name}.v1.json"] = state_schema(name)
    found["command.v1.json"] = _closed_document(CommandMessage, COMMAND)
    found["command.answer.v1.json"] = _document(CommandAnswer, ANSWER)
    for kind in COMMANDS:
        found[f"command.{kind.name}.v1.args.json"] = args_schema(kind)
        found[f"command.{kind.name}.v1.result.json"] = result_schema(kind)
    return found


def describe_model(model: type[BaseModel]) -> str:
    """Return the docstring of a model, one line for each paragraph."""
    paragraphs = (model.__doc__ or "").split("\n\n")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)


def example(model: type[BaseModel]) -> dict[str, Any]:
    """Make a message of the examples of its fields."""
    return {
        field.serialization_alias or field.alias or name: field.examples[0]
        for name, field in model.model_fields.items()
        if not field.exclude and field.examples
    }


def event_example(event: type[Observation]) -> dict[str, Any]:
    """Make an event of the examples of its fields."""
    return example(Event[Any]) | {
        "type": to_cloudevents_type(event.event_type),
        "dataschema": to_schema_id(event.event_type),
        "stream": f"lane-1/reader/{event.data_class}",
        "data": example(event),
    }


def last_value_example(event: type[Observation]) -> dict[str, Any]:
    """Make a last value of the examples of its fields."""
    return example(LastValueMessage[Any]) | {
        "type": to_cloudevents_type(event.event_type),
        "dataschema": to_schema_id(event.event_type),
        "data": example(event),
    }


def to_open_schema(schema: Any) -> Any:
    """Open a generated schema for readers: objects accept more fields, vocabularies more words."""
    match schema:
        case dict():
            changed = {
                key: to_open_schema(part)
                for key, part in schema.items()
                if key not in ("additionalProperties", "enum") or not _is_closing(key, part)
            }
            if isinstance(schema.get("enum"), list) and schema.get("type") == "string":
                changed["x-extensible-enum"] = schema["enum"]
            if isinstance(changed.get("description"), str):
                changed["description"] = " ".join(changed["description"].split())
            return changed
        case list():
            return [to_open_schema(part) for part in schema]
        case _:
            return schema


def _is_closing(key: str, part: Any) -> bool:
    return part is False if key == "additionalProperties" else isinstance(part, list)


def _document(model: type[BaseModel], identity: str) -> Schema:
    generated = to_open_schema(_generated(model, "serialization"))
    return {"$schema": DIALECT, "$id": identity, **generated}


def _closed_document(model: type[BaseModel], identity: str) -> Schema:
    return {"$schema": DIALECT, "$id": identity, **_generated(model, "validation")}


@cache
def _generated(model: type[BaseModel], mode: JsonSchemaMode) -> Schema:
    return model.model_json_schema(mode=mode)
