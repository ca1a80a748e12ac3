"""Violations of safety rules by settings that are valid one by one, reported at their keys."""

from collections.abc import Iterable
from dataclasses import dataclass

from pydantic import BaseModel, ValidationError
from pydantic_core import InitErrorDetails


@dataclass(frozen=True, slots=True)
class Violation:
    """One violation."""

    key: tuple[str | int, ...]
    """Key inside the table of the device, such as ("doors", 0, "stop")."""
    text: str
    """Consequence and remedy, separated by a semicolon."""


def raise_violations(settings: BaseModel, violations: Iterable[Violation]) -> None:
    """Raise ValidationError with every violation at its own key, if there is one."""
    details = [
        InitErrorDetails(type="value_error", loc=each.key, input=None, ctx={"error": ValueError(each.text)})
        for each in violations
    ]
    if details:
        raise ValidationError.from_exception_data(type(settings).__name__, details, hide_input=True)
