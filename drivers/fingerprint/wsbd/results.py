"""Results of a WS-BD service, and the configuration sent to it, as XML. Pure.

Source: NIST SP 500-288 and OASIS WS-BD 1.0, XML schema of `Result` and `Dictionary`. The two differ in their
namespace alone, so elements are identified by their local names.
"""

import base64
import binascii
import html
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

Edition = Literal["nist", "oasis"]
NAMESPACES: dict[Edition, str] = {
    "nist": "urn:oid:2.16.840.1.101.3.9.3.1",
    "oasis": "http://docs.oasis-open.org/bioserv/ns/wsbd-1.0",
}
Value = str | int | float | bool
_UUID = re.compile(r"[\da-fA-F]{8}(-[\da-fA-F]{4}){3}-[\da-fA-F]{12}")
_SCHEMA = "http://www.w3.org/2001/XMLSchema"
_INSTANCE = "http://www.w3.org/2001/XMLSchema-instance"


class ResultError(ValueError):
    """The bytes are not a WS-BD result; names the fault, not the content."""


@dataclass(frozen=True, slots=True)
class DictionaryItem:
    """One value of a dictionary: its text, and the texts of its parts, if it has any."""

    text: str = ""
    parts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class WsBdResult:
    """One result."""

    status: str
    bad_fields: tuple[str, ...] = ()
    capture_ids: tuple[str, ...] = ()
    metadata: Mapping[str, DictionaryItem] = field(default_factory=dict)
    message: str = ""
    sensor_data: bytes = field(default=b"", repr=False)
    session_id: str | None = None


def parse_result(body: bytes) -> WsBdResult:
    """Parse a response; raises ResultError, and nothing else, for other bytes."""
    try:
        root = fromstring(body)
    except (ParseError, DefusedXmlException, ValueError, LookupError) as error:
        raise ResultError(f"is not XML that is safe to read ({type(error).__name__})") from None
    if _name(root) != "result":
        raise ResultError("is not a result")
    parts = {_name(part): part for part in root}
    if "status" not in parts:
        raise ResultError("has no status")
    return WsBdResult(
        _text(parts["status"]),
        tuple(_elements(parts.get("badFields"))),
        tuple(_identifier(text) for text in _elements(parts.get("captureIds"))),
        _dictionary(parts.get("metadata")),
        _text(parts.get("message")),
        _bytes(_text(parts.get("sensorData"))),
        _identifier(_text(parts["sessionId"])) if _text(parts.get("sessionId")) else None,
    )


def configuration_body(edition: Edition, parameters: Mapping[str, Value]) -> bytes:
    """Build the request body that sets parameters."""
    items = "".join(
        f"<item><key>{html.escape(key, quote=False)}</key>"
        f'<value i:type="xs:{kind}">{html.escape(text, quote=False)}</value></item>'
        for key, value in parameters.items()
        for kind, text in (_typed(value),)
    )
    return (
        f'<configuration xmlns="{NAMESPACES[edition]}" xmlns:i="{_INSTANCE}" xmlns:xs="{_SCHEMA}">'
        f"{items}</configuration>"
    ).encode()


def _typed(value: Value) -> tuple[str, str]:
    match value:
        case bool():
            return "boolean", str(value).lower()
        case int():
            return "int", str(value)
        case float():
            return "decimal", f"{value:f}"
        case _:
            return "string", value


def _name(element: Element) -> str:
    return element.tag.rpartition("}")[2]


def _text(element: Element | None) -> str:
    return "" if element is None or element.text is None else element.text.strip()


def _elements(array: Iterable[Element] | None) -> Iterable[str]:
    return () if array is None else (_text(element) for element in array)


def _dictionary(element: Element | None) -> Mapping[str, DictionaryItem]:
    found = {}
    for item in () if element is None else element:
        parts = {_name(part): part for part in item}
        if (value := parts.get("value")) is not None:
            found[_text(parts.get("key"))] = DictionaryItem(_text(value), {_name(p): _text(p) for p in value})
    return found


def _identifier(text: str) -> str:
    """Check an identifier, which becomes a part of a URL."""
    if not _UUID.fullmatch(text):
        raise ResultError("has an invalid identifier")
    return text


def _bytes(text: str) -> bytes:
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        raise ResultError("has sensor data that are not base64") from None
