"""Base model of device settings."""

import hashlib
import json
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel, ConfigDict

from drivers.links.address import canonical_address

_ANY_WORD = "\0any word"


class Settings(BaseModel):
    """Settings of one device: a table of the configuration file, without `driver` itself."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    def exclusive_addresses(self) -> Iterator[tuple[tuple[str, ...], str]]:
        """Yield what only one device of a machine may use, as its key and a comparable address.

        Compared by `drivers.links.address.is_same_address`.
        """
        key = next((key for key in ("port", "url", "listen") if hasattr(self, key)), "port")
        port = getattr(self, key, None)
        if isinstance(port, str):
            yield (key,), canonical_address(getattr(self, "exclusive_key", port))

    def fingerprint(self) -> str:
        """Return a short digest of all values, defaults included, as 16 hexadecimal digits."""
        content = json.dumps(self.model_dump(mode="json"), sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()[:16]

    def public_values(self) -> dict[str, Any]:
        """Return configured values that cannot name a host, secret or person.

        Numbers, and words of a closed list.
        """
        return _public_values(self)


def _public_values(table: BaseModel) -> dict[str, Any]:
    fields = type(table).model_fields
    values: dict[str, Any] = {}
    for name in sorted(table.model_fields_set & fields.keys(), key=list(fields).index):
        value = getattr(table, name)
        match value:
            case BaseModel():
                values[name] = _public_values(value)
            case tuple() | list() if value and all(isinstance(item, BaseModel) for item in value):
                values[name] = [_public_values(item) for item in value]
            case bool() | int() | float() | None:
                values[name] = value
            case str() if _is_listed(fields[name].annotation, value, _ANY_WORD):
                values[name] = str(value)
            case tuple() | list() if all(_is_public_item(fields[name].annotation, item) for item in value):
                values[name] = list(value)
    return values


def _is_public_item(annotation: Any, item: object) -> bool:
    """Return True for a number, or a word of a closed list."""
    if isinstance(item, str):
        return _is_listed(annotation, [item], [_ANY_WORD])
    return isinstance(item, bool | int | float)


def _is_listed(annotation: Any, value: object, any_value: object) -> bool:
    """Return True if the annotation accepts the value, but not any value."""
    return _accepted(annotation, value) and not _accepted(annotation, any_value)


def _accepted(annotation: Any, value: object) -> bool:
    from pydantic import TypeAdapter, ValidationError  # only for recorders: not in every worker

    try:
        TypeAdapter(annotation).validate_python(value)
    except ValidationError:
        return False
    return True
