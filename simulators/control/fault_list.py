"""Faults of a kind of simulators as a list: name, meaning and arguments of each, from their models."""

from typing import Any

from pydantic import TypeAdapter


def list_faults(adapter: TypeAdapter[Any] | None) -> list[dict[str, Any]]:
    """Return the faults of a union of models by name; `args` has the JSON Schema of each argument."""
    if adapter is None:
        return []
    schema = adapter.json_schema()
    definitions = schema.get("$defs", {})
    found = [_described(one, definitions) for one in (schema, *definitions.values()) if _is_fault(one)]
    return sorted(found, key=lambda one: str(one["fault"]))


def _is_fault(definition: dict[str, Any]) -> bool:
    return "const" in definition.get("properties", {}).get("fault", {})


def _described(definition: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    properties = definition["properties"]
    return {
        "fault": properties["fault"]["const"],
        "description": " ".join(definition.get("description", "").split()),
        "args": {name: _inlined(each, definitions) for name, each in properties.items() if name != "fault"},
        "required": [name for name in definition.get("required", ()) if name != "fault"],
    }


def _inlined(schema: Any, definitions: dict[str, Any]) -> Any:
    """Replace references by what they refer to."""
    match schema:
        case {"$ref": str(reference), **more}:
            return _inlined({**definitions[reference.rpartition("/")[2]], **more}, definitions)
        case dict():
            return {key: _inlined(value, definitions) for key, value in schema.items() if key != "title"}
        case list():
            return [_inlined(each, definitions) for each in schema]
    return schema
