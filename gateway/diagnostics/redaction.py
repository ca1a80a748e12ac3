"""The post's file without secrets and names of other machines, as it may be sent to support."""

from collections.abc import Mapping
from datetime import date
from typing import Any

from pydantic import BaseModel

from drivers.links.address import is_loopback
from gateway.config import Post
from gateway.config.errors import is_secret_name
from gateway.diagnostics.checks.addresses import Address, find_addresses

UNREDACTED_KEYS = frozenset(
    {
        "address", "bcc", "bias", "ca_file", "cert_file", "chip", "credential", "driver", "embedded",
        "encodings", "key_variable", "expected_firmware", "expected", "exposure_ms", "focus", "framing",
        "inputs_active", "key_file", "level", "model", "name", "parity", "password_file", "port",
        "positions", "profile", "quality", "reader", "roles_file", "signers", "site", "size",
        "state_dir", "trust",
    }
)  # fmt: skip
"""Keys whose text is included. Their values must never be a password, or the name of a person or of another

machine. `*_file` are paths, not the content of the files.
"""


def redacted_post(post: Post) -> dict[str, Any]:
    """Return the whole file: numbers and booleans unchanged, texts by allow-list, else type and length."""
    shown: dict[str, Any] = {
        name: _model(value) if (value := getattr(post, name)) is not None else None
        for name in ("gateway", "broker", "hq", "delivery", "encryption", "supervision", "log", "commands")
    }
    shown["broker"]["host"] = post.broker.host if is_loopback(post.broker.host) else "<host>"
    shown["device"] = {str(position): _model(device) for position, device in post.devices.items()}
    return shown


def foreign_host_names(post: Post) -> dict[str, str]:
    """Return names and addresses of other machines that may occur in a sentence, with their placeholders."""
    names = {}
    if post.hq is not None and not is_loopback(post.hq.host):
        names[post.hq.host] = "<hq>"
    if not is_loopback(post.broker.host):
        names[post.broker.host] = "<broker>"
    for position, device in post.devices.items():
        for address in find_addresses(device.settings):
            host = _host(address)
            if host is not None:
                names.setdefault(host, f"<host of {position}>")
    return names


def _host(address: Address) -> str | None:
    endpoint = address.endpoint if address.kind == "network" else None
    return endpoint[0] if endpoint is not None and not is_loopback(endpoint[0]) else None


def _model(model: BaseModel) -> dict[str, Any]:
    fields = {
        name: getattr(model, name) for name, field in type(model).model_fields.items() if not field.exclude
    }
    return {name: _value(name, value) for name, value in {**fields, **(model.model_extra or {})}.items()}


def _value(name: str, value: Any) -> Any:
    match value:
        case None | bool():
            return value
        case int() | float() if not is_secret_name(name):
            return value
        case date():
            return value.isoformat()
        case BaseModel():
            return _model(value)
        case Mapping():
            return {str(key): _value(str(key), inner) for key, inner in value.items()}
        case tuple() | list() | frozenset():
            return [_value(name, inner) for inner in value]
        case _ if name in UNREDACTED_KEYS and not _is_network_address(str(value)):
            return str(value)
        case _:
            return f"<{type(value).__name__} len={len(str(value))}>"


def _is_network_address(text: str) -> bool:
    """Return True for a network address."""
    return "://" in text
