"""Limits of observations, and redaction."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, ClassVar

import pytest
from pydantic import BaseModel
from pydantic_core import to_json

from drivers.observation import DataClass, DataModel, Observation, redact


def test_personal_observation_is_no_state() -> None:
    with pytest.raises(TypeError, match="Weight is about a person and must not be a state"):

        class Weight(Observation):
            event_type: ClassVar[str] = "test.weight"
            data_class: ClassVar[DataClass] = DataClass.TRAVELLER
            is_state: ClassVar[bool] = True


class Person(BaseModel):
    """A model without an allow-list."""

    name: str


class Parcel(DataModel):
    """A part of which every field may be shown, whatever is in it."""

    unredacted_fields = frozenset({"content"})

    content: Any


NAME = "WANJIKU"


@pytest.mark.parametrize(
    "content",
    [
        {"name": NAME},
        {NAME: 1},
        NAME.encode(),
        {NAME},
        frozenset({NAME}),
        Person(name=NAME),
        [Person(name=NAME)],
    ],
    ids=lambda content: type(content).__name__,
)
def test_unredacted_field_with_unlisted_content_is_redacted(content: object) -> None:
    shown = to_json(redact(Parcel(content=content))).decode()
    assert NAME not in shown
    assert type(content).__name__ in shown or "Person" in shown


def test_unredacted_values_are_kept() -> None:
    at = datetime(2026, 11, 23, tzinfo=UTC)
    values = [
        True,
        3,
        2.5,
        "text",
        None,
        at,
        at.date(),
        Decimal("1.50"),
        DataClass.RECORD,
        Parcel(content=(1, 2)),
    ]
    shown = json.loads(to_json(redact(Parcel(content=values))))["content"]
    texts = ["2026-11-23T00:00:00Z", "2026-11-23", "1.50", "record"]
    assert shown == [True, 3, 2.5, "text", None, *texts, {"content": [1, 2]}]
