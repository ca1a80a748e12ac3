"""Schemas of the AsyncAPI document: every definition, and what only this document has.

That is bytes, and MQTT's user properties.
"""

from collections.abc import Iterable
from typing import Any

from drivers.vocabulary import Vocabulary
from gateway.contract.documents.definitions import definitions, referring
from gateway.contract.documents.open_schemas import Schema

_JWS: dict[str, Any] = {"type": "string", "pattern": r"^[A-Za-z0-9_-]+\.\.[A-Za-z0-9_-]{86}$"}


def document_schemas(
    vocabularies: tuple[Vocabulary, ...], messages: Iterable[dict[str, Any]]
) -> dict[str, Schema]:
    """Return every definition, and those of this document that its messages use."""
    found: dict[str, Schema] = {}
    found["Blob"] = {"type": "string", "format": "binary", "description": "Raw bytes.", "title": "Blob"}
    found["UserProperties"] = {
        "title": "UserProperties",
        "type": "object",
        "description": "MQTT user properties: added when the event is sent; the body never changes.",
        "properties": {
            "durable": {
                "const": "no",
                "description": (
                    "The post could not write this event to its disk: it was sent from memory, and is lost "
                    "if the gateway ends now. Absent on every other event."
                ),
            },
            "jws": _JWS
            | {
                "description": (
                    "Detached JWS (RFC 7515, appendix F) over the payload's bytes, unchanged: Ed25519, with "
                    "the gateway's key, which `kid` names by its thumbprint (RFC 7638). Made once, so every "
                    "repetition has the same. Absent where the gateway has no key."
                ),
            },
        },
    }
    found["SignatureProperties"] = {
        "title": "SignatureProperties",
        "type": "object",
        "description": "MQTT user properties of signed commands, answers, states and tokens.",
        "properties": {
            "jws": _JWS
            | {
                "description": (
                    "Detached JWS (RFC 7515, appendix F) with the sender's key, which `kid` names by its "
                    "thumbprint (RFC 7638); Ed25519, or ES256 for a station, as the key is. It covers topic, "
                    "line feed and payload; of a retained message topic, line feed, `revision`, line feed "
                    "and payload. Absent where the sender has no key."
                ),
            },
            "revision": {
                "type": "string",
                "pattern": r"^[A-Za-z0-9_-]{1,64}/[1-9][0-9]{0,15}$",
                "description": (
                    "Only of signed retained messages: session of the gateway, a slash, and a number that "
                    "increases with each retained message of the session. An empty payload has one as well."
                ),
            },
        },
    }
    parts = (one.get(part, {}) for one in messages for part in ("payload", "headers"))
    used = {part["$ref"].rpartition("/")[2] for part in parts if part}
    shared: dict[str, Schema] = referring(dict(definitions(vocabularies)), "#/components/schemas/")
    shared |= {name: schema for name, schema in found.items() if name in used}
    return dict(sorted(shared.items()))
