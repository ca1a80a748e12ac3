"""Content of an event in one line, for rows of tables and terminals."""

import json
from collections.abc import Mapping
from typing import Any


def to_one_line(data: Mapping[str, Any]) -> str:
    """Return fields with their values, without the empty ones."""
    return ", ".join(f"{name}: {_value(value)}" for name, value in data.items() if _is_shown(value))


def _is_shown(value: object) -> bool:
    return value is not None and value not in ([], (), "")


def _value(value: object) -> str:
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, default=str)
