"""`${NAME}` and `${NAME:-default}` in the strings of a configuration, replaced before validation."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from gateway.config.errors import Key, UnlocatedIssue

# The alternatives in order: a doubled dollar, a variable, and any other dollar, which is a mistake.
_DOLLAR = re.compile(r"\$(?:(?P<dollar>\$)|\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>[^}]*))?\}|)")


@dataclass(slots=True)
class InterpolatedTable:
    """A configuration with its variables replaced."""

    table: dict[str, Any]
    faults: list[UnlocatedIssue] = field(default_factory=list)
    origins: dict[Key, str] = field(default_factory=dict)
    """Original text of every value that contains a variable."""


def referenced_variables(text: str) -> Iterator[str]:
    """Yield the variables that a text refers to."""
    return (match["name"] for match in _DOLLAR.finditer(text) if match["name"])


def interpolate(table: Mapping[str, Any], environ: Mapping[str, str]) -> InterpolatedTable:
    """Replace the variables of all strings; a value with a mistake stays as the file has it."""
    filled = InterpolatedTable({})
    filled.table = {
        name: _interpolate_value(value, (name,), environ, filled) for name, value in table.items()
    }
    return filled


def _interpolate_value(value: Any, key: Key, environ: Mapping[str, str], filled: InterpolatedTable) -> Any:
    match value:
        case str() if "$" in value:
            return _text(value, key, environ, filled)
        case dict():
            return {
                name: _interpolate_value(inner, (*key, name), environ, filled)
                for name, inner in value.items()
            }
        case list():
            return [_interpolate_value(inner, (*key, at), environ, filled) for at, inner in enumerate(value)]
        case _:
            return value


def _text(text: str, key: Key, environ: Mapping[str, str], filled: InterpolatedTable) -> str:
    wrong: list[UnlocatedIssue] = []

    def replacement(match: re.Match[str]) -> str:
        name, default = match["name"], match["default"]
        if match["dollar"]:
            return "$"
        if name is None:
            wrong.append(
                UnlocatedIssue(
                    key,
                    "a single `$` has no meaning",
                    "write `$$` for the sign itself, ${NAME} for a variable",
                )
            )
            return "$"
        # As in a shell, `:-` also stands in for a variable that is set but empty.
        value = environ.get(name) if default is None else environ.get(name) or default
        if value is None:
            wrong.append(
                UnlocatedIssue(
                    key,
                    f"the environment has no variable {name}",
                    f"set {name} for the service, or write ${{{name}:-a value}} to go on without it",
                )
            )
            return match[0]
        return value

    result = _DOLLAR.sub(replacement, text)
    if wrong:
        filled.faults += wrong
        return text
    if any(referenced_variables(text)):
        filled.origins[key] = text
    return result
