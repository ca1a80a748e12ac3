"""A minimal ONVIF client for the tests: envelopes, digests, probes."""

import base64
import hashlib
import secrets
import socket
from datetime import UTC, datetime, timedelta
from xml.etree.ElementTree import Element

import httpx
from defusedxml import ElementTree

SOAP = "http://www.w3.org/2003/05/soap-envelope"
SERVICES = {
    "tds": ("http://www.onvif.org/ver10/device/wsdl", "device_service"),
    "trt": ("http://www.onvif.org/ver10/media/wsdl", "media_service"),
    "tr2": ("http://www.onvif.org/ver20/media/wsdl", "media2_service"),
    "tev": ("http://www.onvif.org/ver10/events/wsdl", "event_service"),
    "wsnt": ("http://docs.oasis-open.org/wsn/b-2", ""),
}
OASIS = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-"


def security(user: str, password: str, off_s: float = 0.0) -> str:
    nonce = secrets.token_bytes(16)
    created = (datetime.now(UTC) + timedelta(seconds=off_s)).isoformat()
    digest = base64.b64encode(hashlib.sha1(nonce + created.encode() + password.encode()).digest()).decode()
    return (
        f'<w:Security xmlns:w="{OASIS}wssecurity-secext-1.0.xsd" xmlns:u="{OASIS}wssecurity-utility-1.0.xsd">'
        f"<w:UsernameToken><w:Username>{user}</w:Username>"
        f'<w:Password Type="{OASIS}username-token-profile-1.0#PasswordDigest">{digest}</w:Password>'
        f"<w:Nonce>{base64.b64encode(nonce).decode()}</w:Nonce><u:Created>{created}</u:Created>"
        "</w:UsernameToken></w:Security>"
    )


class RefusedError(Exception):
    """A SOAP fault with its ONVIF code."""


class Onvif:
    """Client of a camera's operations."""

    def __init__(self, client: httpx.AsyncClient, user: str = "", password: str = "") -> None:
        self.client = client
        self.user, self.password = user, password
        self.off_s = 0.0

    async def call(
        self, operation: str, arguments: str = "", *, at: str = "", header: str | None = None
    ) -> Element:
        prefix, _, name = operation.partition(":")
        namespace, place = SERVICES[prefix]
        if header is None:
            header = security(self.user, self.password, self.off_s) if self.user else ""
        answer = await self.client.post(
            at or f"/onvif/{place}",
            content=f'<s:Envelope xmlns:s="{SOAP}"><s:Header>{header}</s:Header><s:Body>'
            f'<o:{name} xmlns:o="{namespace}">{arguments}</o:{name}></s:Body></s:Envelope>',
        )
        root: Element = ElementTree.fromstring(answer.content)
        body = root.find(f"{{{SOAP}}}Body")
        assert body is not None
        codes = list(body.iter(f"{{{SOAP}}}Value"))
        if codes:
            assert answer.status_code >= 400
            raise RefusedError(codes[-1].text)
        assert body[0].tag == f"{{{namespace}}}{name}Response"
        return body[0]


def texts(element: Element, local: str) -> list[str]:
    """Return the texts of all elements of that local name."""
    return [each.text or "" for each in element.iter() if each.tag.rpartition("}")[2] == local]


def values(element: Element) -> list[str]:
    """Return the data values of all messages."""
    return [each.get("Value", "") for data in element.iter() if data.tag.endswith("}Data") for each in data]


def probed(types: str, scopes: str = "", wait_s: float = 0.5) -> list[Element]:
    """Return the answers to a probe on loopback, within a time."""
    probe = (
        f'<s:Envelope xmlns:s="{SOAP}" xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing" '
        'xmlns:d="http://schemas.xmlsoap.org/ws/2005/04/discovery" '
        'xmlns:dn="http://www.onvif.org/ver10/network/wsdl"><s:Header><a:MessageID>urn:uuid:me</a:MessageID>'
        "<a:Action>http://schemas.xmlsoap.org/ws/2005/04/discovery/Probe</a:Action></s:Header><s:Body>"
        f"<d:Probe><d:Types>{types}</d:Types><d:Scopes>{scopes}</d:Scopes></d:Probe></s:Body></s:Envelope>"
    )
    found = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton("127.0.0.1"))
        asking.settimeout(wait_s)
        asking.sendto(probe.encode(), ("239.255.255.250", 3702))
        try:
            while True:
                found.append(ElementTree.fromstring(asking.recv(65536)))
        except TimeoutError:
            return found
