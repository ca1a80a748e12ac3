"""Texts for pydantic's errors, for the person who wrote the file. Imported only for a mistake.

A validator, ours or a driver's, raises ``ValueError("what is wrong; what to do about it")``; a sentence that
begins with "is" is put after the value. For all other errors both halves are made from the field: its limits,
description and example.
"""

import difflib
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from gateway.config.errors import Key, UnlocatedIssue, format_key, is_secret_name, quote
from gateway.config.interpolation import referenced_variables
from gateway.contract.topics import SLUG

SECRET_PLACEHOLDER = "the value"  # noqa: S105 - stands for a secret, and is none
"""Placeholder for a value that may be a secret."""
_KINDS: Mapping[str, str] = {
    "int": "a whole number",
    "float": "a number",
    "finite": "a finite number",
    "bool": "true or false",
    "string": "text in quotes",
    "path": "a path in quotes",
    "list": "a list",
    "tuple": "a list",
    "datetime": "a date and time",
    "date": "a date",
    "time": "a time",
}


def closest_match(word: str, words: Iterable[str]) -> str | None:
    """Return the known word that is closest to a wrong one; None if none is close."""
    return next(iter(difflib.get_close_matches(word.lower(), list(words), n=1, cutoff=0.6)), None)


def suggest_name(word: str, words: Iterable[str], kind: str) -> str:
    """Make the remedy for an unknown name."""
    known = sorted(words)
    meant = closest_match(word, known)
    listed = f"{kind}: {', '.join(known)}" if known else f"there are no {kind}"
    return f"did you mean {meant}? {listed}" if meant else listed


def redact_value(key: Key, value: object, origins: Mapping[Key, str]) -> str:
    """Format a value for a message, unless it may be a secret; tables and lists are shortened."""
    if any(is_secret_name(part) for part in key if isinstance(part, str)):
        return SECRET_PLACEHOLDER
    origin = origins.get(key)
    if origin is not None and any(is_secret_name(name) for name in referenced_variables(origin)):
        return SECRET_PLACEHOLDER
    match value:
        case bool():
            text = str(value).lower()
        case str():
            text = quote(value if len(value) <= 80 else f"{value[:77]}...")
        case int() | float():
            text = str(value)
        case dict():
            text = "a table"
        case list():
            text = "a list"
        case _:
            text = f"a {type(value).__name__}"
    return f"{text} (from {quote(origin)})" if origin is not None else text


def to_issues(
    error: ValidationError, model: type[BaseModel], top: Key, table: object, origins: Mapping[Key, str]
) -> Iterator[UnlocatedIssue]:
    """Convert every error of one table; `top` is the key of that table."""
    details = error.errors(include_url=False)
    strays = [str(detail["loc"][-1]) for detail in details if detail["type"] == "extra_forbidden"]
    told: set[tuple[Key, str]] = set()
    inner = [detail["loc"] for detail in details]
    for detail in details:
        # Pydantic drops wrong entries, and then calls the list too short: only the entries are wrong.
        if detail["type"] == "too_short" and any(
            loc[: len(detail["loc"])] == detail["loc"] != loc for loc in inner
        ):
            continue
        # A default that depends on a wrong key: that key has its own mistake.
        if detail["type"] == "default_factory_not_called":
            continue
        # A misspelt key is both unknown and missing: report it once.
        if detail["type"] == "missing" and closest_match(str(detail["loc"][-1]), strays):
            continue
        fault = _to_issue(detail, model, top, table, origins)
        if (fault.key, fault.text) not in told:
            told.add((fault.key, fault.text))
            yield fault


def _to_issue(
    detail: ErrorDetails, model: type[BaseModel], top: Key, table: object, origins: Mapping[Key, str]
) -> UnlocatedIssue:
    inner = _strip_location(detail["loc"], table, missing=detail["type"] == "missing")
    key = (*top, *inner)
    field = _field(model, inner)
    context: dict[str, Any] = detail.get("ctx", {})
    value = redact_value(key, detail["input"], origins)
    remedy = _advice_for(inner, field)
    match detail["type"]:
        case "missing":
            return UnlocatedIssue(key, "is missing", _addition(inner, field))
        case "extra_forbidden":
            name = str(inner[-1])
            return UnlocatedIssue(
                key, "there is no such key", suggest_name(name, _names(model, inner[:-1]), "known keys")
            )
        case "union_tag_not_found":
            name = str(context["discriminator"]).strip("'")
            return UnlocatedIssue(
                (*key, name), "is missing", _addition((*inner, name), _field(model, (*inner, name)))
            )
        case "union_tag_invalid":
            name = str(context["discriminator"]).strip("'")
            words = str(context["expected_tags"]).replace("'", "")
            meant = closest_match(str(context["tag"]), words.split(", "))
            hint = f"did you mean {meant}? " if meant else ""
            given = redact_value((*key, name), context["tag"], origins)
            return UnlocatedIssue(
                (*key, name), f"{given} is not one of the permitted words", f"{hint}choose one of {words}"
            )
        case "literal_error" | "enum":
            words = str(context["expected"]).replace("'", "")
            meant = closest_match(str(detail["input"]), words.replace(" or ", ", ").split(", "))
            hint = f"did you mean {meant}? " if meant else ""
            return UnlocatedIssue(
                key, f"{value} is not one of the permitted words", f"{hint}choose one of {words}"
            )
        case "greater_than_equal" | "greater_than" | "less_than_equal" | "less_than" if isinstance(
            detail["input"], bool
        ):
            return UnlocatedIssue(key, f"{value} is not a number", remedy)
        case "greater_than_equal" | "greater_than":
            bound = _number(context.get("ge", context.get("gt")))
            least = "at least" if "ge" in context else "more than"
            return UnlocatedIssue(
                key, f"{value} is too small", f"write {least} {bound}: {_field_description(field)}"
            )
        case "less_than_equal" | "less_than":
            bound = _number(context.get("le", context.get("lt")))
            most = "at most" if "le" in context else "less than"
            return UnlocatedIssue(
                key, f"{value} is too large", f"write {most} {bound}: {_field_description(field)}"
            )
        case "string_too_short":
            return UnlocatedIssue(key, f"{value} is too short", remedy)
        case "string_too_long":
            return UnlocatedIssue(
                key, f"{value} is too long", f"at most {context['max_length']} characters: {remedy}"
            )
        case "string_pattern_mismatch" if context["pattern"] == f"^{SLUG}$":
            return UnlocatedIssue(
                key,
                f"{value} cannot be a level of a topic",
                f"lower-case letters, digits and inner hyphens, at most 32 characters; {remedy}",
            )
        case "string_pattern_mismatch":
            return UnlocatedIssue(key, f"{value} does not have the required form", remedy)
        case "value_error" | "assertion_error":
            said, _, own_remedy = str(context["error"]).partition("; ")
            if value == SECRET_PLACEHOLDER:  # a validator's own sentence may quote the value
                return UnlocatedIssue(key, f"{value} cannot be used", remedy)
            text = f"{value} {said}" if said.startswith("is ") else said or f"{value} cannot be used"
            return UnlocatedIssue(key, text, own_remedy or remedy)
        case "int_from_float":
            return UnlocatedIssue(key, f"{value} is not a whole number", remedy)
        case "model_type" | "model_attributes_type" | "dict_type":
            keys = ", ".join(sorted(_names(model, inner)))
            return UnlocatedIssue(
                key, f"{value} is not a table", f"write [{format_key(key)}] and below it the keys: {keys}"
            )
        case kind if kind.rpartition("_")[0] in _KINDS and kind.endswith(("_type", "_parsing")):
            return UnlocatedIssue(key, f"{value} is not {_KINDS[kind.rpartition('_')[0]]}", remedy)
        case "finite_number":
            return UnlocatedIssue(key, f"{value} is not a finite number", remedy)
        case _:
            return UnlocatedIssue(
                key, f"{value} cannot be used" if value == SECRET_PLACEHOLDER else detail["msg"], remedy
            )


def _strip_location(loc: tuple[int | str, ...], table: object, *, missing: bool) -> Key:
    """Reduce pydantic's location to keys of the file: it also names members of a union and the like."""
    key: Key = ()
    for part in loc[:-1] if missing else loc:
        match table:
            case dict() if part in table:
                table = table[part]
            case list() if isinstance(part, int) and part < len(table):
                table = table[part]
            case _:
                continue
        key = (*key, part)
    return (*key, loc[-1]) if missing else key


def _number(bound: object) -> str:
    """Format a limit: 5, not 5.0; 1000000, not 1e+06."""
    return f"{bound:g}" if isinstance(bound, float) else str(bound)


def _models(annotation: object) -> Iterator[type[BaseModel]]:
    """Yield every model in an annotation, at any depth."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _models(inner)


def _models_at(model: type[BaseModel], key: Key) -> list[type[BaseModel]]:
    """Return the models of the table at a key."""
    models = [model]
    for part in key:
        if isinstance(part, str):
            fields = [each for outer in models for each in (_named(outer, part),) if each]
            models = [found for field in fields for found in _models(field.annotation)]
    return models


def _named(model: type[BaseModel], name: str) -> FieldInfo | None:
    return next(
        (field for own, field in model.model_fields.items() if name in (own, field.alias)),
        None,
    )


def _names(model: type[BaseModel], key: Key) -> set[str]:
    """Return the keys that the table at a key may have."""
    return {
        field.alias or name for inner in _models_at(model, key) for name, field in inner.model_fields.items()
    }


def _field(model: type[BaseModel], key: Key) -> FieldInfo | None:
    """Return the field at a key; for a list entry the field of the list."""
    names = [part for part in key if isinstance(part, str)]
    if not names:
        return None
    return next(
        (field for m in _models_at(model, tuple(names[:-1])) if (field := _named(m, names[-1]))), None
    )


def _field_description(field: FieldInfo | None) -> str:
    """Describe a field, as the end of a sentence."""
    text = ((field and field.description) or "see the driver's description").rstrip(".")
    # "TCP port" and "MQTT user" keep their capitals, "The port" and "A port" do not.
    return text if text[1:2].isupper() else text[:1].lower() + text[1:]


def _example(key: Key, field: FieldInfo | None) -> str | None:
    """Make a line for the file, from the field's example or its default."""
    if field is None or not key:
        return None
    value = field.examples[0] if field.examples else field.get_default()
    name = format_key((str(key[-1]),))
    match value:
        case str() | bool() | int() | float():
            return f"{name} = {json.dumps(value, ensure_ascii=False)}"
        case list() | tuple() if all(isinstance(each, str | int | float) for each in value):
            return f"{name} = {json.dumps(list(value), ensure_ascii=False)}"
        case _:
            return None


def _advice_for(key: Key, field: FieldInfo | None) -> str:
    example = _example(key, field)
    return f"{_field_description(field)}; for example {example}" if example else _field_description(field)


def _addition(key: Key, field: FieldInfo | None) -> str:
    example = _example(key, field)
    return f"add {example or f'{key[-1]} = ...'}: {_field_description(field)}"
