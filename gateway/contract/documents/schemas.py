"""JSON Schema (draft 7) of the gateway's messages, generated from the models.

A message with a new field or a new word is valid against an old schema: see `open_schemas`. Draft 7, because
validators (Ajv) take it by default, and generators (Modelina) refuse later ones; nothing here needs those.
"""

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode

from drivers.command import CommandType
from drivers.observation import Observation
from drivers.vocabulary import Vocabulary
from gateway.contract.commands import (
    CommandAnswer,
    CommandMessage,
    DeviceClaim,
    args_schema_id,
    result_schema_id,
)
from gateway.contract.documents.open_schemas import Schema, to_open_schema, without_field_titles
from gateway.contract.envelope import SCHEMA_BASE, Event, to_cloudevents_type, to_schema_id
from gateway.contract.last_values import LastValueMessage
from gateway.contract.registry import OURS
from gateway.contract.states import DeviceDescription, DeviceState, FreshToken, GatewayState

DIALECT = "http://json-schema.org/draft-07/schema#"
STATES: dict[str, type[BaseModel]] = {
    "device.state": DeviceState,
    "device.description": DeviceDescription,
    "device.claim": DeviceClaim,
    "gateway.state": GatewayState,
    "gateway.fresh": FreshToken,
}
"""Retained messages, by the name in their schema's `$id`."""
COMMAND, ANSWER = f"{SCHEMA_BASE}command:v1", f"{SCHEMA_BASE}command.answer:v1"


def data_schema(event: type[Observation], version: int = 1) -> Schema:
    """Return the schema of an event's `data`; `dataschema` names its `$id`."""
    return _document(event, to_schema_id(event.event_type, version))


def event_schema(event: type[Observation], version: int = 1) -> Schema:
    """Return the schema of a whole event, self-contained: generators follow no reference to other files."""
    schema = _document(Event[event], f"{to_schema_id(event.event_type, version)}:event")  # type: ignore[valid-type]
    schema["title"] = f"{event.__name__}Event"
    return _pinned(event, version, schema, {"specversion": "1.0", "datacontenttype": "application/json"})


def last_value_schema(event: type[Observation], version: int = 1) -> Schema:
    """Return the schema of a last value, self-contained as in `event_schema`."""
    schema = _document(LastValueMessage[event], f"{to_schema_id(event.event_type, version)}:last-value")  # type: ignore[valid-type]
    schema["title"] = f"{event.__name__}LastValue"
    return _pinned(event, version, schema, {})


def _pinned(event: type[Observation], version: int, schema: Schema, more: dict[str, str]) -> Schema:
    for name, value in (more | schema_names(event, version)).items():
        field = schema["properties"][name]
        schema["properties"][name] = {
            key: part for key, part in field.items() if key not in ("pattern", "examples")
        } | {"const": value}
    schema["description"] = describe_model(event)
    return schema


def state_schema(name: str) -> Schema:
    """Return the schema of a retained message."""
    return _document(STATES[name], f"{SCHEMA_BASE}{name}:v1")


def args_schema(kind: CommandType[Any, Any], version: int = 1) -> Schema:
    """Return the schema of a command's arguments, closed as the model: unknown fields are rejected."""
    schema = _closed_document(kind.request, args_schema_id(kind.name, version))
    return schema | {"title": f"{to_type_name(kind.name)}Args"}


def result_schema(kind: CommandType[Any, Any], version: int = 1) -> Schema:
    """Return the schema of a command's result."""
    schema = _document(kind.done, result_schema_id(kind.name, version))
    return schema | {"title": f"{to_type_name(kind.name)}Result"}


def to_type_name(name: str) -> str:
    """Return the name of a command's types: `BarrierOpen` for `barrier.open`."""
    return "".join(word.capitalize() for word in re.split(r"[._-]", name))


@cache
def schemas(vocabulary: Vocabulary = OURS) -> Mapping[str, Schema]:
    """Return every schema of a vocabulary, by its file name."""
    found: dict[str, Schema] = {}
    version = vocabulary.version
    for event in vocabulary.observations:
        name = f"{event.event_type}.v{version}"
        found[f"{name}.data.json"] = data_schema(event, version)
        found[f"{name}.event.json"] = event_schema(event, version)
        if event.is_state:
            found[f"{name}.last-value.json"] = last_value_schema(event, version)
    if vocabulary == OURS:
        for name in STATES:
            found[f"{name}.v1.json"] = state_schema(name)
        found["command.v1.json"] = _closed_document(CommandMessage, COMMAND)
        found["command.answer.v1.json"] = _document(CommandAnswer, ANSWER)
    for kind in vocabulary.commands:
        name = f"command.{kind.name}.v{version}"
        found[f"{name}.args.json"] = args_schema(kind, version)
        found[f"{name}.result.json"] = result_schema(kind, version)
    return found


def schema_names(event: type[Observation], version: int) -> dict[str, str]:
    """Return the fields of an event or a last value that name its type and its schema."""
    return {
        "type": to_cloudevents_type(event.event_type, version),
        "dataschema": to_schema_id(event.event_type, version),
    }


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


def event_example(event: type[Observation], version: int = 1) -> dict[str, Any]:
    """Make an event of the examples of its fields."""
    named = schema_names(event, version)
    stream = f"lane-1/reader/{event.data_class}"
    return example(Event[Any]) | named | {"stream": stream, "data": example(event)}


def last_value_example(event: type[Observation], version: int = 1) -> dict[str, Any]:
    """Make a last value of the examples of its fields."""
    return example(LastValueMessage[Any]) | schema_names(event, version) | {"data": example(event)}


def _document(model: type[BaseModel], identity: str) -> Schema:
    generated = to_open_schema(_generated(model, "serialization"))
    return {"$schema": DIALECT, "$id": identity, **generated}


def _closed_document(model: type[BaseModel], identity: str) -> Schema:
    return {"$schema": DIALECT, "$id": identity, **without_field_titles(_generated(model, "validation"))}


@cache
def _generated(model: type[BaseModel], mode: JsonSchemaMode) -> Schema:
    return model.model_json_schema(mode=mode)
