"""SOAP 1.2 envelopes and their authentication: WS-Security's UsernameToken Profile 1.0, with digests."""

import base64
import hashlib
import hmac
from collections import deque
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from xml.etree.ElementTree import Element

from defusedxml import ElementTree

from simulators.http.access import AccessControl
from simulators.http.server import Response

ENVELOPE = "http://www.w3.org/2003/05/soap-envelope"
ADDRESSING = "http://www.w3.org/2005/08/addressing"
NAMESPACES = {
    "s": ENVELOPE,
    "a": ADDRESSING,
    "tds": "http://www.onvif.org/ver10/device/wsdl",
    "trt": "http://www.onvif.org/ver10/media/wsdl",
    "tr2": "http://www.onvif.org/ver20/media/wsdl",
    "tev": "http://www.onvif.org/ver10/events/wsdl",
    "tt": "http://www.onvif.org/ver10/schema",
    "ter": "http://www.onvif.org/ver10/error",
    "wsnt": "http://docs.oasis-open.org/wsn/b-2",
    "tns1": "http://www.onvif.org/ver10/topics",
}
_DECLARED = " ".join(f'xmlns:{prefix}="{name}"' for prefix, name in NAMESPACES.items())
_WSSE = "{http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd}"
_WSU = "{http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd}"


class FaultError(Exception):
    """The request is answered with a SOAP fault."""

    def __init__(self, code: str, text: str, *, status: int = 400) -> None:
        super().__init__(text)
        self.code = code
        """Code of ONVIF, as ter:NotAuthorized."""
        self.text = text
        self.status = status

    def response(self) -> Response:
        """Return it as an answer."""
        blame = "s:Receiver" if self.status >= 500 else "s:Sender"
        return envelope(
            f"<s:Fault><s:Code><s:Value>{blame}</s:Value><s:Subcode><s:Value>{self.code}</s:Value></s:Subcode>"
            f'</s:Code><s:Reason><s:Text xml:lang="en">{self.text}</s:Text></s:Reason></s:Fault>',
            status=self.status,
        )


@dataclass(frozen=True, slots=True)
class Call:
    """One request: an operation with its arguments and its sender."""

    operation: Element
    security: Element | None
    header: Element | None = None

    @property
    def name(self) -> tuple[str, str]:
        """Prefix, of NAMESPACES, and local name of the operation."""
        namespace, _, local = self.operation.tag.lstrip("{").rpartition("}")
        prefix = next((prefix for prefix, name in NAMESPACES.items() if name == namespace), "")
        return prefix, local

    def text(self, local: str) -> str | None:
        """Return the text of the first argument of that local name, at any depth."""
        for element in self.operation.iter():
            if element.tag.rpartition("}")[2] == local:
                return (element.text or "").strip()
        return None


def call_of(body: bytes) -> Call:
    """Parse the request in an envelope; raise FaultError if it is invalid."""
    try:
        root: Element = ElementTree.fromstring(body)
    except ElementTree.ParseError as error:
        raise FaultError("ter:WellFormed", "not well-formed") from error
    content = root.find(f"{{{ENVELOPE}}}Body")
    if content is None or not len(content):
        raise FaultError("ter:TagMismatch", "no SOAP 1.2 envelope with an operation in it")
    header = root.find(f"{{{ENVELOPE}}}Header")
    return Call(content[0], None if header is None else header.find(f"{_WSSE}Security"), header)


def envelope(body: str, *, header: str = "", status: int = 200) -> Response:
    """Return an answer."""
    head = f"<s:Header>{header}</s:Header>" if header else ""
    declared = '<?xml version="1.0" encoding="UTF-8"?>'
    text = f"{declared}<s:Envelope {_DECLARED}>{head}<s:Body>{body}</s:Body></s:Envelope>"
    return Response(status, text.encode(), "application/soap+xml; charset=utf-8")


@dataclass
class WsSecurity:
    """Authentication by a digest of the password, with about the right time, not used before."""

    access: AccessControl
    tolerance_s: float = 10.0
    _seen: deque[str] = field(default_factory=lambda: deque(maxlen=1000), repr=False)

    def authenticate(self, security: Element | None, now: datetime) -> None:
        """Accept the sender or raise a FaultError; `now` is the camera's clock, in UTC."""
        if self.access.scheme == "none":
            return
        refusal = FaultError("ter:NotAuthorized", "Sender not authorized")
        token = None if security is None else security.find(f"{_WSSE}UsernameToken")
        if token is None:
            raise refusal
        claims = {
            name: (token.findtext(tag) or "").strip()
            for name, tag in (
                ("user", f"{_WSSE}Username"),
                ("digest", f"{_WSSE}Password"),
                ("nonce", f"{_WSSE}Nonce"),
                ("created", f"{_WSU}Created"),
            )
        }
        try:
            nonce = base64.b64decode(claims["nonce"], validate=True)
            created = datetime.fromisoformat(claims["created"])
            off = abs(created - now)
        except (ValueError, TypeError) as error:
            raise refusal from error
        proof = nonce + claims["created"].encode() + self.access.password.encode()
        expected = base64.b64encode(hashlib.sha1(proof, usedforsecurity=False).digest())
        is_right = claims["user"] == self.access.username and hmac.compare_digest(
            claims["digest"].encode(), expected
        )
        if (
            not self.access.admits(is_right=is_right)
            or off > timedelta(seconds=self.tolerance_s)
            or claims["digest"] in self._seen
        ):
            raise refusal
        self._seen.append(claims["digest"])
