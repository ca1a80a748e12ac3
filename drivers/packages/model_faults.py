"""Faults of the models of a vocabulary, each as a clause with its remedy. Pure."""

import re
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel

from drivers.command import CommandArguments, CommandOutput
from drivers.observation import DataClass, DataModel, Observation

EVENT_TYPE = re.compile(r"[a-z][a-z0-9_]{0,31}(\.[a-z][a-z0-9_]{0,31}){0,3}")
"""An event type is a level of a topic, without its wildcards."""


def observation_fault(observation: object) -> str | None:
    """Return the first fault of an observation class itself: event type and data class."""
    if not (isinstance(observation, type) and issubclass(observation, Observation)):
        return f"{class_name(observation)} is no subclass of drivers.observation.Observation"
    event_type: object = getattr(observation, "event_type", None)
    if not isinstance(event_type, str) or not EVENT_TYPE.fullmatch(event_type):
        return f"the event_type of {observation.__name__} is not like `document.read`"
    data_class: object = getattr(observation, "data_class", None)
    if not isinstance(data_class, DataClass) or data_class is DataClass.UNKNOWN:
        return f"the data_class of {observation.__name__} is no DataClass"
    if observation.is_state and data_class is DataClass.TRAVELLER:
        return f"{observation.__name__} is about a person and must not be a state"
    return None


def model_faults(model: type[BaseModel]) -> Iterator[str]:
    """Yield what the contract's documents lack: they have a description and an example of each field."""
    if not (model.__dict__.get("__doc__") or "").strip():
        yield f"{model.__name__} has no docstring, which describes it in the contract"
    if model.model_config != DataModel.model_config:
        yield f"{model.__name__} changes the model_config of its base, which forbids other fields and changes"
    own = (Observation, CommandArguments, CommandOutput)
    inherited = {name for base in own if issubclass(model, base) for name in base.model_fields}
    for name, field in model.model_fields.items():
        if name in inherited:
            continue
        if not field.description:
            yield f"the field {name} of {model.__name__} has no description"
        if not field.examples:
            yield f"the field {name} of {model.__name__} has no examples"
    if runs_code(model.__pydantic_core_schema__):
        yield (
            f"{model.__name__} has a validator, a serializer or a constructor, which the gateway itself "
            "would run; use types and the limits of Field, and compute values in the driver"
        )
    for name, field in model_fields_schema(model).items():
        if name not in inherited and allows_naive_time(field):
            yield (
                f"the field {name} of {model.__name__} allows a time without an offset, which each country "
                "would read in its own zone; use pydantic.AwareDatetime"
            )
    try:
        model.model_json_schema(mode="serialization")
        model.model_json_schema(mode="validation")
    except Exception as error:  # noqa: BLE001 - code of another package may fail in any way
        yield f"{model.__name__} has no JSON Schema ({type(error).__name__})"


def runs_code(schema: Any) -> bool:
    """Return True if reading or writing a model runs functions of its package, which could fail or block."""
    match schema:
        case dict():
            kind = schema.get("type")
            if isinstance(kind, str) and kind.startswith("function-"):
                return True
            if any(schema.get(key) for key in ("custom_init", "post_init", "default_factory")):
                return True
            return any(runs_code(part) for key, part in schema.items() if key != "metadata")
        case list() | tuple():
            return any(runs_code(part) for part in schema)
        case _:
            return False


def model_fields_schema(model: type[BaseModel]) -> dict[str, Any]:
    """Return the core schema of each field of a model, by the field's name."""
    schema: Any = model.__pydantic_core_schema__
    while schema["type"] != "model-fields":
        schema = schema["schema"]
    fields: dict[str, Any] = schema["fields"]
    return fields


def allows_naive_time(schema: Any) -> bool:
    """Return True if a value may have a date and time, or a time of day, without its offset from UTC."""
    match schema:
        case {"type": "datetime" | "time"} if schema.get("tz_constraint") is None:
            return True
        case dict():
            return any(allows_naive_time(part) for key, part in schema.items() if key != "metadata")
        case list() | tuple():
            return any(allows_naive_time(part) for part in schema)
        case _:
            return False


def class_name(found: object) -> str:
    """Return the name of a class, or of the class of another object."""
    return found.__name__ if isinstance(found, type) else f"a {type(found).__name__}"
