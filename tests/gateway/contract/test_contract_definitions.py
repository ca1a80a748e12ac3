"""Definitions of the contract: once in each document, and references that code generators follow."""

import json
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator

from gateway.contract.documents.asyncapi_commands import answer_example, command_example
from gateway.contract.documents.schemas import STATES, event_example, example, last_value_example, schemas
from gateway.contract.registry import COMMANDS, EVENTS

CONTRACT = Path(__file__).parents[3] / "config/contract"
SMALL = 150
"""Length in characters up to which a repeated part is shorter than a reference to it."""


@cache
def document(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((CONTRACT / name).read_text())
    return found


def definitions(name: str) -> dict[str, Any]:
    found: dict[str, Any] = (
        document(name)["components"]["schemas"]
        if name == "asyncapi.yaml"
        else document(name).get("$defs", {})
    )
    return found


def parts(schema: Any) -> Iterator[dict[str, Any]]:
    """Yield every object of a document."""
    if isinstance(schema, dict):
        yield schema
    for part in schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ():
        yield from parts(part)


MESSAGES = {
    **{f"{event.__name__}Event": event_example(event) for event in EVENTS},
    **{f"{event.__name__}LastValue": last_value_example(event) for event in EVENTS if event.is_state},
    **{model.__name__: example(model) for model in STATES.values()},
}
EXCHANGES = {
    **{f"command.{kind.name}": command_example(kind) for kind in COMMANDS},
    **{f"answer.{kind.name}": answer_example(kind) for kind in COMMANDS},
}


@pytest.mark.parametrize("name", schemas())
def test_references_stay_in_file(name: str) -> None:
    """json-schema-to-typescript, quicktype and datamodel-codegen follow no `urn:` and no nested `$id`."""
    schema = schemas()[name]
    used = {part["$ref"] for part in parts(schema) if isinstance(part.get("$ref"), str)}

    assert used == {f"#/$defs/{each}" for each in schema.get("$defs", {})}
    assert sum("$id" in part for part in parts(schema) if not isinstance(part.get("$id"), dict)) == 1
    assert sum("$defs" in part for part in parts(schema)) <= 1


@pytest.mark.parametrize(
    "file", [*(f"schemas/{name}" for name in schemas()), "messages.json", "asyncapi.yaml"]
)
def test_types_have_the_names_of_their_definitions(file: str) -> None:
    """Generators name types by titles: one without a title becomes `AnonymousSchema_17`."""
    found = definitions(file)
    names = {name: part.get("title") for name, part in found.items()}
    assert {name: title for name, title in names.items() if title != name} == {}
    if file != "asyncapi.yaml":
        assert document(file)["title"] not in found
    root = found if file == "asyncapi.yaml" else document(file)
    for part in parts(root):
        for field in part.get("properties", {}).values():
            assert not {"title", "enum", "properties"} & field.keys(), "a type of its own is a definition"


@pytest.mark.parametrize("name", ["asyncapi.yaml", "messages.json"])
def test_definitions_are_written_once(name: str) -> None:
    """No two names for one definition, and no envelope fields in every event."""
    found = definitions(name)
    whole = Counter(json.dumps(part, sort_keys=True) for part in found.values())
    assert [part for part, count in whole.items() if count > 1] == []

    properties = Counter(
        json.dumps(field, sort_keys=True)
        for part in found.values()
        for inner in (part, *part.get("allOf", ()))
        for field in inner.get("properties", {}).values()
    )
    # `attachments` belongs to the data of every event, which is self-contained: `dataschema` names it.
    assert [
        field for field, n in properties.items() if n > 6 and len(field) > SMALL and "Attachment" not in field
    ] == []
    assert [each for each in found if "__" in each] == [], "names of modules are not part of the contract"


@pytest.mark.parametrize("name", ["asyncapi.yaml", "messages.json"])
def test_references_are_defined(name: str) -> None:
    prefix = "#/components/schemas/" if name == "asyncapi.yaml" else "#/$defs/"
    used = {part["$ref"] for part in parts(document(name)) if isinstance(part.get("$ref"), str)}
    inside = {one.removeprefix(prefix) for one in used if one.startswith(prefix)}

    assert inside == set(definitions(name))
    assert name == "asyncapi.yaml" or len(inside) == len(used)


@cache
def validator(name: str, definition: str) -> Draft7Validator:
    """Return a validator of one definition of a document."""
    if name == "messages.json":
        return Draft7Validator({"$ref": f"#/$defs/{definition}", "$defs": definitions(name)})
    return Draft7Validator(
        {"$ref": f"#/components/schemas/{definition}", "components": {"schemas": definitions(name)}}
    )


@pytest.mark.parametrize("name", ["asyncapi.yaml", "messages.json"])
@pytest.mark.parametrize("definition", MESSAGES)
def test_messages_fit_definition(name: str, definition: str) -> None:
    """Valid as written, invalid without any required field."""
    message = MESSAGES[definition]
    valid = validator(name, definition)
    valid.validate(message)

    required = next(
        schema["required"] for schema in schemas().values() if Draft7Validator(schema).is_valid(message)
    )
    for field in required:
        assert not valid.is_valid({key: value for key, value in message.items() if key != field}), field
    if "data" in message:
        assert not valid.is_valid(message | {"type": "bgw.other.v1"})
        assert not valid.is_valid(message | {"data": message["data"] | {"attachments": [{}]}})


@pytest.mark.parametrize("name", EXCHANGES)
def test_payload_of_command_fits(name: str) -> None:
    payload = document("asyncapi.yaml")["components"]["messages"][name]["payload"]
    valid = validator("asyncapi.yaml", payload["$ref"].rpartition("/")[2])
    valid.validate(EXCHANGES[name])
    assert not valid.is_valid(EXCHANGES[name] | {"cmd_id": 7})


def test_all_messages_are_told_apart() -> None:
    """The root accepts every message and nothing else: generators start there."""
    whole = Draft7Validator(document("messages.json"))
    for message in (*MESSAGES.values(), *EXCHANGES.values()):
        whole.validate(message)
    assert not whole.is_valid(event_example(EVENTS[0]) | {"type": "bgw.other.v1"})
    assert not whole.is_valid({})
