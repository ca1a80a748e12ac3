"""Schemas agree with the models, and with written events."""

import json
from collections.abc import Iterator
from functools import cache
from typing import Any, get_args

import pytest
from cloudevents.core.bindings.http import HTTPMessage, from_structured_event
from cloudevents.v1.http import from_json
from jsonschema import Draft7Validator
from pydantic import BaseModel, TypeAdapter

from drivers.observation import Attachment, Observation
from drivers.passport.observations import DocumentRead
from gateway.config import DeviceSettings, Post
from gateway.contract.commands import CommandAnswer, CommandMessage
from gateway.contract.documents.schemas import (
    STATES,
    event_example,
    event_schema,
    example,
    schemas,
    state_schema,
)
from gateway.contract.envelope import (
    MEDIA_TYPE,
    ClockStatus,
    EnvelopeWriter,
    Event,
    Moment,
    Provenance,
    complete_event,
    read_event,
)
from gateway.contract.last_values import LastValueMessage
from gateway.contract.registry import COMMANDS, EVENTS
from gateway.contract.states import DeviceState

WRITER = EnvelopeWriter("ke-busia", "gw-1", "lane-1/reader")
MOMENT = Moment(
    1_795_422_930_123_456_789, "7d0c9c1b6a3f4a1e8f0b2c3d4e5f6071", 4711000123456, ClockStatus.SYNCED
)
EVENT_ID = "01938f3e-7c1a-7b5e-9d55-0242ac120002"


def written(event: type[Observation], **changes: Any) -> bytes:
    """Write an event as a worker and the outbox do."""
    observation = event.model_validate(example(event) | changes)
    opened = WRITER.write_partial_event(observation, MOMENT, Provenance.SIMULATED, "t-1")
    return complete_event(opened, EVENT_ID, "5f0c2a6e9b7d4c33", "lane-1/reader/traveller", 42)


@cache
def valid(event: type[Observation]) -> Draft7Validator:
    return Draft7Validator(event_schema(event))


def an_image() -> Attachment:
    return Attachment.from_bytes("page_ir", "image/jpeg", b"\xff\xd8")


def test_every_schema_is_valid() -> None:
    for name, schema in schemas().items():
        Draft7Validator.check_schema(schema)
        assert schema["$id"].startswith("urn:bgw:schema:"), name


def test_no_two_schemas_have_one_id() -> None:
    identities = [schema["$id"] for schema in schemas().values()]
    assert len(set(identities)) == len(identities)


@pytest.mark.parametrize("event", EVENTS)
def test_written_event_is_valid(event: type[Observation]) -> None:
    message = json.loads(written(event, attachments=(an_image(),)))

    valid(event).validate(message)
    data = schemas()[f"{event.event_type}.v1.data.json"]
    assert message["dataschema"] == data["$id"]
    Draft7Validator(data).validate(message["data"])


@pytest.mark.parametrize("event", EVENTS)
def test_data_parse_unchanged(event: type[Observation]) -> None:
    """The daemon parses what a worker sends, and writes it again."""
    sent = event.model_validate(example(event) | {"attachments": (an_image(),)}).model_dump_json()

    assert event.model_validate_json(sent).model_dump_json() == sent


@pytest.mark.parametrize("event", EVENTS)
@pytest.mark.parametrize(
    "spoil",
    [
        lambda m: m | {"id": "1"},
        lambda m: m | {"type": "bgw.other.v1"},
        lambda m: m | {"seq": 0},
        lambda m: {k: v for k, v in m.items() if k != "epoch"},
        lambda m: m | {"data": {}},
        lambda m: m | {"data": m["data"] | {"attachments": [{"role": "x"}]}},
    ],
)
def test_a_spoilt_event_is_not_valid(event: type[Observation], spoil: Any) -> None:
    message = spoil(json.loads(written(event)))

    assert not valid(event).is_valid(message)


@pytest.mark.parametrize("event", EVENTS)
def test_newer_event_is_readable(event: type[Observation]) -> None:
    message = json.loads(written(event))
    message |= {"newattribute": "x", "clock": "atomic", "data": message["data"] | {"new_field": 1}}

    valid(event).validate(message)
    assert read_event(json.dumps(message).encode()).clock is ClockStatus.UNKNOWN
    event.model_validate(message["data"], extra="ignore")


@pytest.mark.parametrize("event", EVENTS)
def test_cloudevents_sdk_reads_event(event: type[Observation]) -> None:
    body = written(event)

    old = from_json(body)
    new = from_structured_event(HTTPMessage({"content-type": MEDIA_TYPE}, body))
    assert (old["id"], old["type"], old["seq"]) == (EVENT_ID, f"bgw.{event.event_type}.v1", 42)
    assert (new.get_id(), new.get_type()) == (EVENT_ID, f"bgw.{event.event_type}.v1")
    assert old.data == new.get_data() == json.loads(body)["data"]


@pytest.mark.parametrize(
    ("code", "usable"),
    [("online", True), ("busy", True), ("degraded", True), ("maintenance", False), ("offline", False)],
)
def test_state_tells_whether_a_device_obeys(code: str, usable: bool) -> None:
    """A screen that disables its button for a degraded scanner would lock it for good."""
    state = DeviceState.model_validate({"state": code, "since": "2026-11-23T08:15:30Z", "session": "s"})

    assert json.loads(state.model_dump_json())["usable"] is usable


@pytest.mark.parametrize("name", STATES)
def test_state_examples_are_valid(name: str) -> None:
    message = example(STATES[name])

    Draft7Validator(state_schema(name)).validate(message)
    STATES[name].model_validate(message)


@pytest.mark.parametrize("event", EVENTS)
def test_event_examples_are_valid(event: type[Observation]) -> None:
    message = event_example(event)

    valid(event).validate(message)
    Event[event].model_validate(message)


def test_document_with_mrz_is_valid() -> None:
    mrz: Any = DocumentRead.model_fields["mrz"].annotation
    message = json.loads(written(DocumentRead, mrz=example(get_args(mrz)[0])))

    assert message["data"]["mrz"]["lines"]
    valid(DocumentRead).validate(message)


def models(found: Any, seen: set[type[BaseModel]]) -> Iterator[type[BaseModel]]:
    """Yield a model and all models of its fields."""
    if isinstance(found, type) and issubclass(found, BaseModel) and found not in seen:
        seen.add(found)
        yield found
        for field in found.model_fields.values():
            yield from models(field.annotation, seen)
    for part in get_args(found):
        yield from models(part, seen)


ENVELOPES = [Event[event] for event in EVENTS]  # type: ignore[valid-type]
ASKED = (CommandMessage, CommandAnswer, *(part for kind in COMMANDS for part in (kind.request, kind.done)))
MODELS = [
    model
    for seen in [set[type[BaseModel]]()]
    for root in (*ENVELOPES, *STATES.values(), *ASKED, LastValueMessage[Any], Post, DeviceSettings)
    for model in models(root, seen)
]


@pytest.mark.parametrize("model", MODELS)
def test_every_field_has_description_and_example(model: type[BaseModel]) -> None:
    schema = TypeAdapter(model).json_schema(mode="serialization")
    for name, field in model.model_fields.items():
        # Excluded fields have no example; the data of an event is a model itself.
        if field.exclude or (model in (*ENVELOPES, LastValueMessage[Any]) and name == "data"):
            continue
        assert field.description, f"{name}: say what it is, and in which unit"
        assert field.description.endswith("."), name
        assert field.examples, f"{name}: give an example"
        assert not name.endswith("_s") or "second" in field.description, f"{name}: name the unit"
        if model not in (Post, DeviceSettings):  # their examples are parts of TOML
            part = schema["properties"][field.alias or name]
            fits = Draft7Validator({**part, "$defs": schema.get("$defs", {})})
            for each in field.examples:
                fits.validate(each)
