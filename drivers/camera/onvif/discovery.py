"""WS-Discovery of a camera by its endpoint or scopes, at any address.

Sources: WS-Discovery of April 2005, *Probe and Match*; ONVIF Core Specification, *Device discovery*: a camera
answers a probe for `dn:NetworkVideoTransmitter` with its scopes and the addresses of its device service.
"""

import uuid
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from ipaddress import IPv4Address
from urllib.parse import quote, unquote, urlsplit, urlunsplit
from xml.etree.ElementTree import ParseError

from defusedxml import ElementTree
from defusedxml.common import DefusedXmlException
from pydantic import Field, model_validator

from drivers.camera.onvif.soap import ENVELOPE, child, find_all, local_name, text
from drivers.links.link import Action, Cause, LinkError
from drivers.links.multicast import query_group
from drivers.links.settings import Settings

GROUP, PORT = "239.255.255.250", 3702
HARDWARE = "onvif://www.onvif.org/hardware/"
_ADDRESSING = "http://schemas.xmlsoap.org/ws/2004/08/addressing"
_DISCOVERY = "http://schemas.xmlsoap.org/ws/2005/04/discovery"


class DiscoveryTarget(Settings):
    """Selector of a camera whose address is not known.

    Any host that sends a matching response receives the password's digest, so use it only on a network that
    has nothing but cameras.
    """

    endpoint: str | None = Field(
        default=None,
        pattern=r"^[!-~]+$",
        description="Endpoint reference of the camera, constant over its life.",
        examples=["urn:uuid:4d454930-0000-1000-8000-b8a44f000001"],
    )
    scopes: tuple[str, ...] = Field(
        default=(),
        description="Required scopes: each the beginning, by whole levels, of a scope of the camera.",
        examples=[["onvif://www.onvif.org/location/lane-1"]],
    )
    hardware: str | None = Field(
        default=None, description="Model, as named by its scopes.", examples=["DS-2CD2143G2"]
    )
    interface: IPv4Address | None = Field(
        default=None,
        description="Address of the network interface for the search; default: the default one.",
        examples=["192.0.2.1"],
    )
    search_s: float = Field(
        default=2.0, gt=0, le=10, description="Duration of the search, in seconds.", examples=[2.0]
    )

    @model_validator(mode="after")
    def _of_somebody(self) -> "DiscoveryTarget":
        if self.endpoint is None and not self.scopes and self.hardware is None:
            raise ValueError("set its `endpoint`, or `scopes` or `hardware` that no other camera has")
        return self

    @property
    def description(self) -> str:
        """Description for sentences."""
        hardware = () if self.hardware is None else (f"hardware {self.hardware}",)
        return self.endpoint or ", ".join((*self.scopes, *hardware))

    @property
    def levels(self) -> tuple[str, ...]:
        """Required scopes, including that of its hardware."""
        return (*self.scopes, *(() if self.hardware is None else (HARDWARE + quote(self.hardware, safe=""),)))

    def matches(self, endpoint: str, scopes: Sequence[str]) -> bool:
        """Return True if a camera fits."""
        if self.endpoint is not None and _bare(endpoint) != _bare(self.endpoint):
            return False
        return all(any(_begins(mine, target) for mine in scopes) for target in self.levels)


@dataclass(frozen=True, slots=True)
class ProbeMatch:
    """A device that responded."""

    endpoint: str
    scopes: tuple[str, ...]
    addresses: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FoundCamera:
    """A camera that responded, at an address of its own host."""

    endpoint: str
    """Endpoint reference without its prefixes, in lower case."""
    scopes: tuple[str, ...]
    url: str
    """Address of its device service."""

    def scope(self, category: str) -> str | None:
        """Return the value of a scope such as `hardware` or `name`; None where it has none."""
        prefix = f"onvif://www.onvif.org/{category}/"
        return next(
            (unquote(scope.removeprefix(prefix)) for scope in self.scopes if scope.startswith(prefix)), None
        )


async def search(interface: str | None, search_s: float) -> AsyncGenerator[FoundCamera]:
    """Yield each camera once that responds within `search_s` seconds; raises LinkError.

    `interface`: address of the network interface to search through; None: the default one.
    """
    probe_ids = [f"urn:uuid:{uuid.uuid4()}" for _ in range(2)]
    # Some cameras respond only to a probe without types. UDP may lose one, too.
    probes = [probe_message(probe_ids[0], "dn:NetworkVideoTransmitter"), probe_message(probe_ids[1], "")]
    met: set[str] = set()
    async with aclosing(query_group(probes, GROUP, PORT, interface, search_s)) as responses:
        async for datagram, sender in responses:
            for match in parse_probe_matches(datagram, probe_ids):
                address, endpoint = reachable_address(match.addresses, sender), _bare(match.endpoint)
                if address is not None and endpoint not in met:
                    met.add(endpoint)
                    yield FoundCamera(endpoint, match.scopes, address)


async def find(target: DiscoveryTarget) -> str:
    """Return the address of its device service; raises LinkError for none, and for several."""
    met: dict[str, str] = {}
    host = None if target.interface is None else str(target.interface)
    async with aclosing(search(host, target.search_s)) as cameras:
        async for camera in cameras:
            if target.matches(camera.endpoint, camera.scopes):
                met[camera.endpoint] = camera.url
                if target.endpoint is not None:
                    break
    if not met:
        raise LinkError(
            Cause.NO_DEVICE,
            f"No camera responds as {target.description}.",
            Action.RESTART,
            "Start the camera; check that its WS-Discovery is on, and that it is in the same network as "
            "`interface`. Or write its address as `url`.",
        )
    if len(met) > 1:
        raise LinkError(
            Cause.ADDRESS_AMBIGUOUS,
            f"{len(met)} cameras are {target.description}.",
            Action.CONFIGURE,
            "Set the `endpoint` of one of them: " + ", ".join(sorted(met)[:4]) + ".",
        )
    return next(iter(met.values()))


def probe_message(message_id: str, types: str) -> bytes:
    """Return a probe."""
    return (
        f'<?xml version="1.0" encoding="UTF-8"?><s:Envelope xmlns:s="{ENVELOPE}" xmlns:a="{_ADDRESSING}" '
        f'xmlns:d="{_DISCOVERY}" xmlns:dn="http://www.onvif.org/ver10/network/wsdl"><s:Header>'
        f"<a:Action>{_DISCOVERY}/Probe</a:Action><a:MessageID>{message_id}</a:MessageID>"
        "<a:To>urn:schemas-xmlsoap-org:ws:2005:04:discovery</a:To></s:Header><s:Body><d:Probe>"
        + (f"<d:Types>{types}</d:Types>" if types else "")
        + "</d:Probe></s:Body></s:Envelope>"
    ).encode()


def parse_probe_matches(datagram: bytes, probe_ids: Sequence[str]) -> list[ProbeMatch]:
    """Parse the response to one of these probes; an empty list for anything else."""
    try:
        root = ElementTree.fromstring(datagram)
    except (ParseError, DefusedXmlException, ValueError, LookupError):
        return []
    if local_name(root) != "Envelope" or text(child(root, "Header", "RelatesTo")) not in probe_ids:
        return []
    return [
        ProbeMatch(
            text(child(each, "EndpointReference", "Address")),
            tuple(text(child(each, "Scopes")).split()),
            tuple(text(child(each, "XAddrs")).split()),
        )
        for each in find_all(root, "ProbeMatch")
    ]


def reachable_address(addresses: Sequence[str], sender: str) -> str | None:
    """Return the address of the device service at the sender's host, whatever host it states."""
    usable = []
    for address in addresses:
        try:
            parts = urlsplit(address)
            port = f":{parts.port}" if parts.port else ""
        except ValueError:
            continue
        if parts.scheme in ("http", "https") and parts.hostname and address.isascii():
            moved = urlunsplit((parts.scheme, sender + port, parts.path, "", ""))
            usable.append((parts.hostname != sender, parts.scheme != "https", moved))
    return min(usable)[2] if usable else None


def _bare(endpoint: str) -> str:
    return endpoint.strip().lower().removeprefix("urn:").removeprefix("uuid:")


def _begins(scope: str, target: str) -> bool:
    """Compare by whole levels of a path, case-insensitive before it (WS-Discovery, 5.1, rfc2396)."""
    return (scope.rstrip("/") + "/").startswith(target.rstrip("/") + "/")
