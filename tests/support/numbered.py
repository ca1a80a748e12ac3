"""Numbers in the events of the tests' own driver, whether this process knows its vocabulary or not."""

from typing import Any


def number_of(data: Any) -> int:
    """Return the number; -1 for an event without one."""
    return int(data.get("number", -1) if isinstance(data, dict) else getattr(data, "number", -1))
