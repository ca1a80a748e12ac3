"""config/contract equals the models, and other tools can read it."""

import json
import re
from pathlib import Path

import pytest
import yaml

from gateway.contract.documents.answers import GUIDES, TRAVELLER_FIGURE
from gateway.contract.documents.asyncapi import asyncapi
from gateway.contract.documents.export import DocumentDifference, compare, render_documents, write
from gateway.contract.registry import EVENTS, GATEWAY_EVENTS
from gateway.contract.topics import DeviceTopic, Position, SiteTopics, to_event_type, to_level

ROOT = Path(__file__).parents[3]
TOKEN = "send gateway.fresh"
RETAINED = ("device.state", "gateway.state", ".description", ".last-value", "send device.claim", TOKEN)


def test_files_equal_models() -> None:
    assert [str(drift) for drift in compare(ROOT / "config/contract")] == []


def test_written_files_equal_models(tmp_path: Path) -> None:
    assert {drift.kind for drift in compare(tmp_path)} == {"missing"}
    assert len(write(tmp_path)) == len(render_documents())
    assert compare(tmp_path) == []
    assert write(tmp_path) == ()

    (tmp_path / "asyncapi.yaml").write_text("x")
    (tmp_path / "schemas/face.read.v1.data.json").write_text('{"$id": "urn:bgw:schema:face.read:v1"}')
    (tmp_path / "README.md").write_text("not ours")
    assert compare(tmp_path) == [
        DocumentDifference("asyncapi.yaml", "changed"),
        DocumentDifference("schemas/face.read.v1.data.json", "stray"),
    ]
    assert "borderpost contract" in str(compare(tmp_path)[0])

    write(tmp_path)
    assert compare(tmp_path) == []
    assert (tmp_path / "README.md").exists()


def test_every_topic_has_channel() -> None:
    channels = asyncapi()["channels"]
    topics = SiteTopics("{site}", "{gateway}")
    device = Position("{lane}", "{device}")

    assert {channel["address"] for channel in channels.values()} == {
        topics.gateway_state,
        topics.fresh,
        topics.description(device),
        topics.state(device),
        topics.claim(device),
        topics.command(device, "{verb}", "{station}"),
        topics.answer(device, "{station}"),
        topics.blob(device, "{event_id}", "{role}"),
        topics.preview(device, "{station}"),
        *(topics.event(device, event.event_type) for event in EVENTS if event not in GATEWAY_EVENTS),
        *(topics.event(topics.gateway_position, event.event_type) for event in GATEWAY_EVENTS),
        *(topics.last_value(device, event.event_type) for event in EVENTS if event.is_state),
    }


@pytest.mark.parametrize("event_type", [*(event.event_type for event in EVENTS), "acme.scale.over_load"])
def test_no_topic_has_a_dot(event_type: str) -> None:
    """RabbitMQ takes a dot for a level: `evt/+` would not match."""
    topics, device = SiteTopics("ke-busia", "gw-1"), Position("lane-1", "reader")
    for topic in (topics.event(device, event_type), topics.last_value(device, event_type)):
        assert "." not in topic
        assert to_event_type(topic.rpartition("/")[2]) == event_type


def test_catalogue_tells_what_to_do_about_every_event() -> None:
    page = render_documents()["EVENTS.md"]
    assert {event.event_type for event in EVENTS} == GUIDES.keys()
    for event in EVENTS:
        assert f"Topic: `evt/{to_level(event.event_type)}`." in page
    # The picture names events as topics do.
    named = set(re.findall(r"[a-z]+-[a-z_]+", TRAVELLER_FIGURE))
    assert named == {to_level(event.event_type) for event in EVENTS} & named
    assert len(named) > 10


def test_only_states_are_retained() -> None:
    for name, operation in asyncapi()["operations"].items():
        binding = operation["bindings"]["mqtt"]
        assert binding["qos"] == 1
        assert binding["retain"] == name.endswith(RETAINED)
        assert ("messageExpiryInterval" in binding) == (not binding["retain"] or name == TOKEN)


def test_address_examples_are_topics() -> None:
    document = asyncapi()
    for channel in document["channels"].values():
        address = channel["address"]
        for name, parameter in document["components"]["parameters"].items():
            address = address.replace(f"{{{name}}}", parameter["examples"][0])
        assert "{" not in address
        assert ("_gw" in address) == (DeviceTopic.parse(address) is None)


def test_the_yaml_is_the_document() -> None:
    assert yaml.safe_load(render_documents()["asyncapi.yaml"]) == json.loads(json.dumps(asyncapi()))
