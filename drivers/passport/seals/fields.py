"""Fields of decoded JSON and CBOR objects. A field of another type than the standard has is left out."""

from collections.abc import Mapping
from typing import Any

FieldNames = Mapping[str, str | tuple[str, ...]]
"""Names of text fields in an object, by the field of a model; of several names, the first that is there."""


def text_of(value: object, *names: str) -> str | None:
    """Return the first of these fields that is a text and not empty; None without one."""
    if not isinstance(value, dict):
        return None
    texts = (value.get(name) for name in names)
    return next((text for text in texts if isinstance(text, str) and text), None)


def texts_of(value: object, names: FieldNames) -> dict[str, Any]:
    """Return the text fields of an object by the fields of a model."""
    return {
        field: text_of(value, *((name,) if isinstance(name, str) else name)) for field, name in names.items()
    }


def count_of(value: dict[str, Any], name: str) -> int | None:
    """Return a field that is an integer and not negative; None without one."""
    found = value.get(name)
    return found if type(found) is int and found >= 0 else None


def objects_of(value: object) -> list[dict[str, Any]]:
    """Return the objects in a list; an object that stands alone counts as a list of one."""
    items = value if isinstance(value, list) else [value]
    return [item for item in items if isinstance(item, dict)]
