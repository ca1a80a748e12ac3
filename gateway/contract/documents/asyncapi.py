"""AsyncAPI 3.0 document: every topic, its messages, and their MQTT bindings.

Source: AsyncAPI 3.0.0, and its MQTT bindings, version 0.2.0. Addresses come from `topics`, payloads from the
models; this file adds only what is in neither of them.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from drivers.observation import DataClass, Observation
from drivers.vocabulary import Vocabulary
from gateway.contract.commands import PREVIEW_EXPIRY_S, TOKEN_INTERVAL_S, TOKEN_LIFE_S
from gateway.contract.documents.asyncapi_commands import commands
from gateway.contract.documents.asyncapi_schemas import document_schemas
from gateway.contract.documents.definitions import definitions_of
from gateway.contract.documents.open_schemas import Schema
from gateway.contract.documents.schemas import (
    STATES,
    describe_model,
    event_example,
    example,
    last_value_example,
)
from gateway.contract.envelope import MEDIA_TYPE
from gateway.contract.registry import GATEWAY_EVENTS, OURS
from gateway.contract.topics import Position, SiteTopics

BINDING = "0.2.0"
PREVIEW = "preview"
"""Topic kind that is published at the post's own broker only."""
# Topics with the parameters of the document in place of names.
_TOPICS = SiteTopics("{site}", "{gateway}")
_DEVICE = Position("{lane}", "{device}")

_PARAMETERS: dict[str, dict[str, Any]] = {
    "site": {"description": "One state's trust domain, a slug.", "examples": ["ke-busia"]},
    "gateway": {"description": "Name of the gateway at that site, a slug.", "examples": ["gw-1"]},
    "lane": {"description": "The lane, a slug; an access list separates lanes.", "examples": ["lane-1"]},
    "device": {"description": "The device's name in its lane, a slug.", "examples": ["reader"]},
    "event_id": {
        "description": "The `id` of the event that lists the image, a UUIDv7.",
        "examples": ["01938f3e-7c1a-7b5e-9d55-0242ac120002"],
    },
    "role": {
        "description": "What the image shows: `role` in the event's attachments.",
        "examples": ["page_ir"],
    },
    "verb": {"description": "Verb of the command, from the device's description.", "examples": ["claim"]},
    "station": {
        "description": "The sender: the broker lets a station use its own user name only.",
        "examples": ["counter-1"],
    },
}


@dataclass(frozen=True, slots=True)
class DocumentHead:
    """Id, title, version, description and licence of a document."""

    id: str
    title: str
    version: str
    description: str
    license: str | None = None


_LICENSES = {"Apache-2.0": "https://www.apache.org/licenses/LICENSE-2.0"}
CONTRACT_VERSION = "1.0.0"
"""Major: the `v1` of topics and types. Minor: incremented when a field, a word or a topic is added."""
HEAD = DocumentHead(
    "urn:bgw:contract:v1",
    "Border post device gateway",
    CONTRACT_VERSION,
    "Events and states of the devices of a border post, and commands to them, over MQTT 5. "
    "Within v1, fields, words "
    "and topics are only added: ignore those that are unknown. Recognise repetitions by `id`, "
    "order by (`epoch`, `stream`, `seq`), never by time. "
    "A training post publishes the same under `bgw-training/v1`, and nothing under `bgw/v1`.",
    "Apache-2.0",
)


def asyncapi(vocabularies: tuple[Vocabulary, ...] = (OURS,), head: DocumentHead = HEAD) -> dict[str, Any]:
    """Build the document of vocabularies. Channels of every device, such as `state`, belong to ours."""
    channels: dict[str, Any] = {}
    operations: dict[str, Any] = {}
    messages: dict[str, Any] = {}
    for name, address, text, binding, message in _channels(vocabularies):
        servers = ["local"] if name in (PREVIEW, "gateway.fresh") else ["local", "hq"]
        channels[name] = {
            "address": address,
            "title": message["title"],
            "description": text,
            "servers": [{"$ref": f"#/servers/{server}"} for server in servers],
            "parameters": {
                parameter: {"$ref": f"#/components/parameters/{parameter}"}
                for parameter in _PARAMETERS
                if f"{{{parameter}}}" in address
            },
            "messages": {name: {"$ref": f"#/components/messages/{name}"}},
        }
        operations[f"send {name}"] = {
            "action": "send",
            "channel": {"$ref": f"#/channels/{name}"},
            "title": f"Send {message['title']}",
            "summary": message["summary"],
            "description": text,
            "tags": [_tag(name)],
            "messages": [{"$ref": f"#/channels/{name}/messages/{name}"}],
            "bindings": {"mqtt": {**binding, "bindingVersion": BINDING}},
        }
        messages[name] = message
    told = commands(vocabularies)
    channels |= told.channels
    operations |= told.operations
    return {
        "asyncapi": "3.0.0",
        "id": head.id,
        "info": {
            "title": head.title,
            "version": head.version,
            "description": head.description,
            "contact": {"name": "The border-post gateway maintainers"},
            **_license(head.license),
            "tags": _tags(operations),
        },
        "defaultContentType": "application/json",
        "servers": _servers(),
        "channels": channels,
        "operations": operations,
        "components": {
            "parameters": {
                name: parameter
                for name, parameter in _PARAMETERS.items()
                if any(name in channel["parameters"] for channel in channels.values())
            },
            "messages": messages | told.messages,
            "schemas": document_schemas(vocabularies, [*messages.values(), *told.messages.values()]),
        },
    }


def _tag(name: str) -> dict[str, str]:
    """Return the tag of a channel: kind of device, or part of the contract."""
    return {"name": name.partition(".")[0]}


def _tags(operations: dict[str, Any]) -> list[dict[str, str]]:
    names = {tag["name"] for operation in operations.values() for tag in operation["tags"]}
    return [{"name": name, "description": f"Messages of `{name}`."} for name in sorted(names)]


def _license(name: str | None) -> dict[str, Any]:
    return {} if name is None else {"license": {"name": name, "url": _LICENSES[name]}}


_Channel = tuple[str, str, str, dict[str, Any], dict[str, Any]]
"""Name, address, purpose, MQTT operation binding, message."""
_RETAINED = {"qos": 1, "retain": True}


def _channels(vocabularies: tuple[Vocabulary, ...]) -> Iterator[_Channel]:
    """Yield every channel but those of commands."""
    is_whole = OURS in vocabularies
    if is_whole:
        yield from _state_channels()
    for vocabulary in vocabularies:
        for event in vocabulary.observations:
            yield from _event_channels(event, vocabulary)
    if is_whole:
        yield from _picture_channels()


def _state_channels() -> list[_Channel]:
    return [
        (
            "gateway.state",
            _TOPICS.gateway_state,
            "Birth and death of a gateway: retained, and its last will, sent 5 s after a connection is lost.",
            _RETAINED,
            _state_message("gateway.state"),
        ),
        (
            "gateway.fresh",
            _TOPICS.fresh,
            f"Token of a gateway for signed commands: every {TOKEN_INTERVAL_S} s at the post's own broker.",
            _RETAINED | {"messageExpiryInterval": TOKEN_LIFE_S},
            _state_message("gateway.fresh"),
        ),
        (
            "device.description",
            _TOPICS.description(_DEVICE),
            "Description of the device at a position: retained, cleared when it leaves the configuration.",
            _RETAINED,
            _state_message("device.description"),
        ),
        (
            "device.claim",
            _TOPICS.claim(_DEVICE),
            "Claim of a device: retained, cleared as soon as it ends.",
            _RETAINED,
            _state_message("device.claim"),
        ),
        (
            "device.state",
            _TOPICS.state(_DEVICE),
            "State of a device: retained, sent at every transition and every connect.",
            _RETAINED,
            _state_message("device.state"),
        ),
    ]


def _event_channels(event: type[Observation], vocabulary: Vocabulary) -> Iterator[_Channel]:
    position = _TOPICS.gateway_position if event in GATEWAY_EVENTS else _DEVICE
    text = f"{describe_model(event)} Delivery class `{event.data_class}`; never retained."
    yield (
        event.event_type,
        _TOPICS.event(position, event.event_type),
        text,
        _transient_binding(event),
        _event_message(event, vocabulary),
    )
    if event.is_state:
        text = (
            f"The newest `{event.event_type}`: retained as long as the device is available, and removed "
            "by an empty message at once when it is not."
        )
        now = _TOPICS.last_value(_DEVICE, event.event_type)
        message = _last_value_message(event, vocabulary)
        yield f"{event.event_type}.last-value", now, text, _RETAINED, message


def _picture_channels() -> Iterator[_Channel]:
    text = "One image of an event, sent before the event that lists it; never retained."
    blob = _TOPICS.blob(_DEVICE, "{event_id}", "{role}")
    yield "blob", blob, text, _transient_binding(None), _blob_message()
    text = "Small pictures of a camera for the station that has claimed it: never retained, never stored."
    binding = {"qos": 1, "retain": False, "messageExpiryInterval": PREVIEW_EXPIRY_S}
    yield PREVIEW, _TOPICS.preview(_DEVICE, "{station}"), text, binding, _preview_message()


def _transient_binding(event: type[Observation] | None) -> dict[str, Any]:
    """Return the binding of messages that expire and are never retained; images are about a traveller."""
    # The defaults of `delivery.traveller_expires_s` and `delivery.record_expires_days`, less the time that
    # passed before the event is sent.
    record = event is not None and event.data_class is DataClass.RECORD
    return {"qos": 1, "retain": False, "messageExpiryInterval": 30 * 86_400 if record else 60}


def _message(name: str, title: str, summary: str, content_type: str, payload: Schema) -> dict[str, Any]:
    return {
        "name": name,
        "title": title,
        "summary": summary,
        "contentType": content_type,
        "payload": payload,
    }


def _state_message(name: str) -> dict[str, Any]:
    model = STATES[name]
    return _json_message(name, model.__name__, describe_model(model), example(model))


def _last_value_message(event: type[Observation], vocabulary: Vocabulary) -> dict[str, Any]:
    name, definition = f"{event.event_type}.last-value", definitions_of(vocabulary).last_values[event]
    payload = last_value_example(event, vocabulary.version)
    return _json_message(name, definition, describe_model(event), payload)


def _json_message(name: str, schema: str, summary: str, payload: dict[str, Any]) -> dict[str, Any]:
    reference = {"$ref": f"#/components/schemas/{schema}"}
    return _message(name, schema, summary, "application/json", reference) | {
        "bindings": {
            "mqtt": {
                "payloadFormatIndicator": 1,
                "contentType": "application/json",
                "bindingVersion": BINDING,
            }
        },
        "headers": {"$ref": "#/components/schemas/SignatureProperties"},
        "examples": [{"name": name, "payload": payload}],
    }


def _event_message(event: type[Observation], vocabulary: Vocabulary) -> dict[str, Any]:
    payload = {"$ref": f"#/components/schemas/{definitions_of(vocabulary).events[event]}"}
    return _message(event.event_type, event.__name__, describe_model(event), MEDIA_TYPE, payload) | {
        "bindings": {
            "mqtt": {"payloadFormatIndicator": 1, "contentType": MEDIA_TYPE, "bindingVersion": BINDING}
        },
        "headers": {"$ref": "#/components/schemas/UserProperties"},
        "examples": [{"name": event.event_type, "payload": event_example(event, vocabulary.version)}],
    }


def _preview_message() -> dict[str, Any]:
    summary = "A JPEG; empty when the preview is over: then remove the picture from the screen."
    message = _message(PREVIEW, "Preview", summary, "image/jpeg", {"$ref": "#/components/schemas/Blob"})
    return message | {"bindings": {"mqtt": {"payloadFormatIndicator": 0, "bindingVersion": BINDING}}}


def _blob_message() -> dict[str, Any]:
    summary = (
        "The bytes from the device, unchanged. The MQTT content type is the image's own, such as image/jpeg; "
        "type, size and digest are in the event's attachments."
    )
    payload = {"$ref": "#/components/schemas/Blob"}
    return _message("blob", "Blob", summary, "application/octet-stream", payload) | {
        "bindings": {
            "mqtt": {
                "payloadFormatIndicator": 0,
                "bindingVersion": BINDING,
            }
        }
    }


def _servers() -> dict[str, Any]:
    port = {"description": "TCP port: 1883, 8883 with TLS.", "default": "1883"}
    host = {"description": "Host name or IP address.", "default": "127.0.0.1"}
    death = json.dumps({"online": False, "session": "..."})
    will = {"topic": _TOPICS.gateway_state, "qos": 1, "retain": True, "message": death}
    session = {"cleanSession": True, "sessionExpiryInterval": 0, "lastWill": will, "keepAlive": 15}

    def server(text: str) -> dict[str, Any]:
        return {
            "host": "{host}:{port}",
            "protocol": "mqtt",
            "protocolVersion": "5",
            "description": text,
            "variables": {"host": host, "port": port},
            "bindings": {"mqtt": {**session, "bindingVersion": BINDING}},
        }

    return {
        "local": server("The post's own broker, for the workstations of its lanes. Stores nothing on disk."),
        "hq": server("The broker at headquarters; data about persons only if the post is configured so."),
    }
