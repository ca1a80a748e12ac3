"""SOAP 1.2 envelopes of ONVIF, and the UsernameToken of WS-Security that authenticates them.

An own implementation: onvif-zeep-async brings zeep and lxml, which are 0.3 s to import and 29 MB in each
worker, and 47 MB once the service descriptions of ONVIF are read; this is 0.1 s and 10.6 MB, of which HTTP,
needed by cameras anyway, is 9.9 (CPython 3.11, PSS). It also accepts any namespace in a camera's responses:
elements are found by their local names.

Sources: ONVIF Core Specification, *Error handling* and *Security*; OASIS Web Services Security UsernameToken
Profile 1.0, section 3.1: digest = base64(SHA-1(nonce + created + password)).
"""

import base64
import hashlib
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from xml.etree.ElementTree import Element, ParseError, tostring
from xml.sax.saxutils import escape

from defusedxml import ElementTree
from defusedxml.common import DefusedXmlException

MEDIA_TYPE = "application/soap+xml; charset=utf-8"
ENVELOPE = "http://www.w3.org/2003/05/soap-envelope"
ADDRESSING = "http://www.w3.org/2005/08/addressing"
NAMESPACES = {
    "tds": "http://www.onvif.org/ver10/device/wsdl",
    "trt": "http://www.onvif.org/ver10/media/wsdl",
    "tr2": "http://www.onvif.org/ver20/media/wsdl",
    "tev": "http://www.onvif.org/ver10/events/wsdl",
    "wsnt": "http://docs.oasis-open.org/wsn/b-2",
    "tt": "http://www.onvif.org/ver10/schema",
}
_DECLARED = " ".join(f'xmlns:{prefix}="{name}"' for prefix, name in NAMESPACES.items())
_WSS = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-"
UNAUTHORIZED_CODES = frozenset(
    {
        "NotAuthorized",
        "FailedAuthentication",
        "InvalidSecurity",
        "InvalidSecurityToken",
        "OperationProhibited",
    }
)
"""Subcodes of faults for missing authorization."""


class NotSoapError(Exception):
    """The response is not a SOAP envelope."""


class FaultError(Exception):
    """A fault returned by the camera. Its text is untrusted, so it is not part of the error."""

    def __init__(self, codes: frozenset[str]) -> None:
        super().__init__("SOAP fault")
        self.codes = codes
        """Local names of its code and subcodes."""

    @property
    def is_unauthorized(self) -> bool:
        """True if the fault is that these credentials are refused."""
        return bool(self.codes & UNAUTHORIZED_CODES)


@dataclass(frozen=True, slots=True)
class Credentials:
    """A user of the camera."""

    username: str
    password: str

    def __repr__(self) -> str:
        return "Credentials()"


def digest(nonce: bytes, created: str, password: str) -> str:
    """Return the password digest for a nonce and a time, in base64."""
    proof = nonce + created.encode() + password.encode()
    return base64.b64encode(hashlib.sha1(proof, usedforsecurity=False).digest()).decode()


def token(who: Credentials, created: datetime) -> str:
    """Return the header with the UsernameToken; `created` is the time of the camera's clock, in UTC."""
    nonce = secrets.token_bytes(16)
    at = f"{created:%Y-%m-%dT%H:%M:%S}.{created.microsecond // 1000:03}Z"
    return (
        f'<wsse:Security xmlns:wsse="{_WSS}wssecurity-secext-1.0.xsd" '
        f'xmlns:wsu="{_WSS}wssecurity-utility-1.0.xsd"><wsse:UsernameToken>'
        f"<wsse:Username>{escape(who.username)}</wsse:Username>"
        f'<wsse:Password Type="{_WSS}username-token-profile-1.0#PasswordDigest">'
        f"{digest(nonce, at, who.password)}</wsse:Password>"
        f'<wsse:Nonce EncodingType="{_WSS}soap-message-security-1.0#Base64Binary">'
        f"{base64.b64encode(nonce).decode()}</wsse:Nonce><wsu:Created>{at}</wsu:Created>"
        "</wsse:UsernameToken></wsse:Security>"
    )


def request_envelope(operation: str, arguments: str = "", header: str = "") -> bytes:
    """Return the envelope of an operation, such as `tds:GetServices`, with its arguments as XML."""
    return (
        f'<?xml version="1.0" encoding="UTF-8"?><s:Envelope xmlns:s="{ENVELOPE}" xmlns:a="{ADDRESSING}" '
        f"{_DECLARED}><s:Header>{header}</s:Header><s:Body><{operation}>{arguments}</{operation}></s:Body>"
        "</s:Envelope>"
    ).encode()


def parse_response(content: bytes, operation: str) -> Element:
    """Return the response to an operation; raises FaultError, or NotSoapError where there is none."""
    try:
        root: Element = ElementTree.fromstring(content)
    except (ParseError, DefusedXmlException, ValueError, LookupError) as error:
        raise NotSoapError from error
    body = child(root, "Body") if local_name(root) == "Envelope" else None
    said = body[0] if body is not None and len(body) else None
    if said is not None and local_name(said) == "Fault":
        code = child(said, "Code")
        values = () if code is None else find_all(code, "Value")
        raise FaultError(frozenset(text(value).rpartition(":")[2] for value in values))
    if said is None or local_name(said) != operation.rpartition(":")[2] + "Response":
        raise NotSoapError
    return said


def local_name(element: Element) -> str:
    """Return the name of an element without its namespace."""
    return element.tag.rpartition("}")[2]


def text(element: Element | None) -> str:
    """Return the text of an element, without surrounding space; "" for no element."""
    return "" if element is None else (element.text or "").strip()


def find_all(element: Element, name: str) -> Iterator[Element]:
    """Yield all elements of that local name, at any depth."""
    return (each for each in element.iter() if local_name(each) == name)


def child(element: Element | None, *path: str) -> Element | None:
    """Return the first child of that local name, its first child of the next name, and so on."""
    for name in path:
        if element is None:
            return None
        element = next((each for each in element if local_name(each) == name), None)
    return element


def serialise(element: Element) -> str:
    """Serialise an element, to return it to the camera unchanged; raises FaultError where that fails."""
    try:
        return tostring(element, encoding="unicode")
    except RecursionError:
        raise FaultError(frozenset()) from None
