"""Validation of one table by its model."""

from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from gateway.config.errors import Key, UnlocatedIssue
from gateway.config.interpolation import InterpolatedTable

ModelT = TypeVar("ModelT", bound=BaseModel)


def validate_table(
    model: type[ModelT], filled: InterpolatedTable, key: Key, table: object, folder: Path
) -> ModelT | None:
    """Validate one table; returns None, and adds faults, when it is wrong."""
    try:
        valid = model.model_validate(table, context={"folder": folder})
    except ValidationError as error:
        from gateway.config.messages import to_issues

        # A value that could not be interpolated has its mistake already.
        unfilled = {fault.key for fault in filled.faults}
        filled.faults += [
            fault
            for fault in to_issues(error, model, key, table, filled.origins)
            if fault.key not in unfilled
        ]
        return None
    confused = list(_find_booleans(valid, table, key)) if isinstance(table, dict) else []
    filled.faults += confused
    return None if confused else valid


def _find_booleans(valid: BaseModel, table: Mapping[str, object], key: Key) -> list[UnlocatedIssue]:
    """Find `true` in place of a number: to Python, and so to pydantic, it is a 1."""
    found: list[UnlocatedIssue] = []
    for name, raw in table.items():
        value = getattr(valid, name, None)
        if isinstance(raw, bool) and isinstance(value, int | float) and not isinstance(value, bool):
            text = f"{str(raw).lower()} is not a number"
            found.append(
                UnlocatedIssue((*key, name), text, "write the number; true and false are for switches")
            )
        elif isinstance(raw, dict) and isinstance(value, BaseModel):
            found += _find_booleans(value, raw, (*key, name))
    return found


class ConfigSection(BaseModel):
    """One table of a file."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, allow_inf_nan=False)
