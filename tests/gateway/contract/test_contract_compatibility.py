"""Compatibility within v1: schemas and payloads of every released version still hold.

`golden/` has a directory for each released version of the contract: its schemas, and one payload for each
message. These files never change; a release adds a directory.
"""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator
from pydantic import BaseModel

from gateway.contract.commands import CommandAnswer, CommandMessage
from gateway.contract.documents.asyncapi import CONTRACT_VERSION
from gateway.contract.documents.compatibility import find_narrowings
from gateway.contract.documents.schemas import STATES, schemas
from gateway.contract.envelope import Event
from gateway.contract.last_values import LastValueMessage
from gateway.contract.registry import COMMANDS, EVENTS

GOLDEN = Path(__file__).parent / "golden"
PROMISES = sorted(GOLDEN.glob("*/schemas/*.json"))
PAYLOADS = sorted(GOLDEN.glob("*/payloads/*.json"))
COMMAND_MESSAGES: dict[str, tuple[str, type[BaseModel]]] = {
    "command": ("command.v1.json", CommandMessage),
    "command.answer": ("command.answer.v1.json", CommandAnswer),
    **{f"command.{kind.name}.args": (f"command.{kind.name}.v1.args.json", kind.request) for kind in COMMANDS},
    **{
        f"command.{kind.name}.result": (f"command.{kind.name}.v1.result.json", kind.done) for kind in COMMANDS
    },
}


def name_of(file: Path) -> str:
    return f"{file.parent.parent.name}-{file.name}"


def test_golden_files_of_this_version_are_complete() -> None:
    here = GOLDEN / CONTRACT_VERSION

    assert {file.name for file in (here / "schemas").iterdir()} == schemas().keys()
    assert {file.stem for file in (here / "payloads").iterdir()} == {
        *STATES,
        *(event.event_type for event in EVENTS),
        *(f"{event.event_type}.last-value" for event in EVENTS if event.is_state),
        "command",
        "command.answer",
        *(f"command.{kind.name}.{part}" for kind in COMMANDS for part in ("args", "result")),
    }


@pytest.mark.parametrize("promise", PROMISES, ids=name_of)
def test_no_schema_has_narrowed(promise: Path) -> None:
    assert promise.name in schemas(), "the message was removed"

    sent_to_us = promise.name == "command.v1.json" or promise.name.endswith(".args.json")
    old, new = json.loads(promise.read_text()), schemas()[promise.name]
    assert find_narrowings(old, new, "consumer" if sent_to_us else "gateway") == []


@pytest.mark.parametrize("payload", PAYLOADS, ids=name_of)
def test_golden_payload_is_valid_and_readable(payload: Path) -> None:
    message = json.loads(payload.read_text())
    events = {event.event_type: event for event in EVENTS}

    if (event := events.get(payload.stem.removesuffix(".last-value"))) and payload.stem.endswith(
        ".last-value"
    ):
        Draft7Validator(schemas()[f"{event.event_type}.v1.last-value.json"]).validate(message)
        assert (
            LastValueMessage[event].model_validate(message).data.model_dump(mode="json", exclude_unset=True)
        )
    elif payload.stem in events:
        event = events[payload.stem]
        Draft7Validator(schemas()[f"{payload.stem}.v1.event.json"]).validate(message)
        assert Event[event].model_validate(message).data.model_dump(mode="json", exclude_unset=True)
    elif payload.stem in STATES:
        Draft7Validator(schemas()[f"{payload.stem}.v1.json"]).validate(message)
        STATES[payload.stem].model_validate(message)
    else:
        schema, model = COMMAND_MESSAGES[payload.stem]
        Draft7Validator(schemas()[schema]).validate(message)
        model.model_validate_json(payload.read_text(), strict=True)


EVENT = "document.read.v1.event.json"
DATA = ("$defs", "DocumentRead")


def changed(*path: str, **changes: Any) -> Callable[[], dict[str, Any]]:
    """Return a function that makes the schema of a document read with a part replaced; None removes it.

    It is made on the call: each of pytest's workers collects every test.
    """

    def schema() -> dict[str, Any]:
        whole = copy.deepcopy(schemas()[EVENT])
        part = whole
        for name in path:
            part = part[name]
        for name, value in changes.items():
            if value is None:
                del part[name]
            else:
                part[name] = value(part[name]) if callable(value) else value
        return whole

    return schema


@pytest.mark.parametrize(
    ("schema", "told"),
    [
        (changed("properties", seq=None), "seq: the field was removed"),
        (changed(*DATA, "properties", lines=None), "data.lines: the field was removed"),
        (
            changed("$defs", "MrzDate", "properties", year=None),
            "data.mrz.birth_date.year: the field was removed",
        ),
        (changed("properties", "seq", type="string"), "seq: type was 'integer', is 'string'"),
        (changed("properties", "seq", minimum=2), "seq: minimum was 1, is 2"),
        (changed("properties", "id", pattern="x"), "id: pattern was"),
        (changed("properties", "type", const="bgw.document.read.v2"), "type: const was"),
        (
            changed("$defs", "KnownClockStatus", enum=["synced", "unknown"]),
            "clock: the word 'unsynced' was removed",
        ),
        (changed(*DATA, "properties", "lines", items={"type": "integer"}), "data.lines[]: type was"),
        (
            changed(*DATA, "properties", mrz={"$ref": "#/$defs/Mrz"}),
            "data.mrz: it had 2 alternatives, it has 0",
        ),
        (changed(required=["id"]), "seq: was required, may now be missing"),
    ],
)
def test_narrowing_names_its_field(schema: Callable[[], dict[str, Any]], told: str) -> None:
    assert any(one.startswith(told) for one in find_narrowings(schemas()[EVENT], schema()))


@pytest.mark.parametrize(
    "schema",
    [
        changed("properties", signed_by={"type": "string"}),
        changed(*DATA, "properties", page={"type": "integer"}),
        changed("$defs", "KnownClockStatus", enum=["synced", "unsynced", "atomic", "unknown"]),
        changed(required=lambda names: [*names, "signed_by"]),
        changed("properties", "seq", description="Another sentence."),
    ],
)
def test_an_addition_is_none(schema: Callable[[], dict[str, Any]]) -> None:
    assert find_narrowings(schemas()[EVENT], schema()) == []


def test_required_field_is_narrowing_for_consumers() -> None:
    old = {"type": "object", "properties": {"n": {"type": "integer"}, "m": {}}, "required": ["n"]}

    assert find_narrowings(old, {**old, "required": ["n", "m"]}, "consumer") == ["m: is now required"]
    assert find_narrowings(old, {**old, "required": []}, "consumer") == []
