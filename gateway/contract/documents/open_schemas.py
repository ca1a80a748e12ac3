"""Generated schemas, changed for readers and for code generators.

The models reject unknown fields, because they belong to the sender. A reader of this version must accept
messages of the next one. So an object is open, and a vocabulary `Outcome` is a union: the words of this
version (`KnownOutcome`), or any other text. Generators make the known words a type of their own;
json-schema-to-typescript takes the text as `string & {}` (by its keyword `tsType`), so that an editor still
completes the known ones.

Every definition has a title, equal to its name. A field has none: generators would make a type of each. Where
a field has a description beside its reference, the reference is in an `anyOf`: draft 7 ignores what is beside
a reference, and generators make a second type of it, or of an `allOf`.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from gateway.contract.vocabularies.vocabularies import CHECK_IDS, CHECK_REASONS

Schema = dict[str, Any]

LOCAL = "#/$defs/"
"""Prefix of references to the definitions of a document."""
_WORDS = {
    "CheckId": ("Identifier of a check; drivers of other vendors may have more.", CHECK_IDS),
    "CheckReason": ("Reason of a check's outcome.", CHECK_REASONS),
}
"""Vocabularies that no model has: fields of plain text name them as `x-vocabulary`."""
_ANY_WORD: Schema = {"type": "string", "tsType": "string & {}"}


def to_open_schema(schema: Any) -> Any:
    """Open a generated schema: its objects accept more fields, its vocabularies more words."""
    opened = _open_objects(without_field_titles(schema))
    if isinstance(opened, dict) and "$defs" in opened:
        opened["$defs"] = _open_vocabularies(opened["$defs"])
    return opened


def to_open_definitions(found: Mapping[str, Schema]) -> dict[str, Schema]:
    """Open generated definitions; a vocabulary becomes two of them."""
    return _open_vocabularies(_open_objects(without_field_titles(dict(found))))


def without_field_titles(schema: Any) -> Any:
    """Copy a generated schema without the titles that pydantic makes of the names of fields."""
    match schema:
        case dict():
            changed = {key: without_field_titles(part) for key, part in schema.items()}
            if isinstance(changed.get("$ref"), str) and len(changed) > 1:
                changed["anyOf"] = [{"$ref": changed.pop("$ref")}]
            if isinstance(schema.get("properties"), dict) and isinstance(schema.get("type"), str):
                changed["properties"] = {
                    name: {key: part for key, part in field.items() if key != "title"}
                    for name, field in changed["properties"].items()
                }
            if isinstance(changed.get("description"), str):
                changed["description"] = " ".join(changed["description"].split())
            return changed
        case list():
            return [without_field_titles(part) for part in schema]
        case _:
            return schema


def _open_objects(schema: Any) -> Any:
    match schema:
        case dict():
            return {
                key: _open_objects(part)
                for key, part in schema.items()
                if key != "additionalProperties" or part is not False
            }
        case list():
            return [_open_objects(part) for part in schema]
        case _:
            return schema


def _open_vocabularies(found: Mapping[str, Schema]) -> dict[str, Schema]:
    opened: dict[str, Schema] = {}
    for name, schema in found.items():
        if schema.get("type") == "string" and isinstance(schema.get("enum"), list):
            opened |= _vocabulary(name, schema, schema["enum"])
        else:
            opened[name] = {"title": name, **_with_vocabularies(schema, opened)}
    return opened


def _vocabulary(name: str, schema: Schema, words: Iterable[str]) -> dict[str, Schema]:
    """Return a vocabulary as two definitions: its known words, and the union of them and any text."""
    module, dots, last = name.rpartition("__")
    known = f"{module}{dots}Known{last}"
    about = {key: part for key, part in schema.items() if key not in ("enum", "type")}
    return {
        known: {
            "description": f"Words of `{schema['title']}` in this version.",
            "enum": list(words),
            "title": f"Known{schema['title']}",
            "type": "string",
        },
        name: about | {"anyOf": [{"$ref": f"{LOCAL}{known}"}, dict(_ANY_WORD)]},
    }


def _with_vocabularies(schema: Schema, opened: dict[str, Schema]) -> Schema:
    """Return a definition whose fields refer to the vocabularies that they name; adds those to `opened`."""
    if not isinstance(schema.get("properties"), dict):
        return schema
    fields = {}
    for field, part in schema["properties"].items():
        name = part.get("x-vocabulary")
        if name in _WORDS:
            description, words = _WORDS[name]
            opened |= _vocabulary(name, {"description": description, "title": name}, sorted(words))
            null = [one for one in part.get("anyOf", ()) if one == {"type": "null"}]
            kept = {key: value for key, value in part.items() if key not in ("anyOf", "type", "x-vocabulary")}
            fields[field] = kept | {"anyOf": [{"$ref": f"{LOCAL}{name}"}, *null]}
        else:
            fields[field] = part
    return schema | {"properties": fields}
