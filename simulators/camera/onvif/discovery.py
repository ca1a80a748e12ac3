"""WS-Discovery 1.0: a device that answers probes sent to 239.255.255.250:3702 on loopback."""

import asyncio
import contextlib
import socket
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Any
from xml.etree.ElementTree import Element
from xml.sax.saxutils import escape

from defusedxml import ElementTree
from defusedxml.common import DefusedXmlException

from simulators.errors import SimulatorError
from simulators.links.tcp_listener import HOST

GROUP, PORT = "239.255.255.250", 3702
TYPES = ("NetworkVideoTransmitter", "Device")
_S = "http://www.w3.org/2003/05/soap-envelope"
_A = "http://schemas.xmlsoap.org/ws/2004/08/addressing"
_D = "http://schemas.xmlsoap.org/ws/2005/04/discovery"
_ANYBODY = f"{_A}/role/anonymous"


@dataclass(frozen=True, slots=True)
class AdvertisedDevice:
    """The advertised data of a device."""

    endpoint: uuid.UUID
    scopes: Sequence[str]
    address: Callable[[], str | None]
    """Returns the address of its device service; None while it is stopped."""


def answer_to(probe: bytes, device: AdvertisedDevice) -> bytes | None:
    """Return the answer to a datagram; None if it needs none."""
    address = device.address()
    try:
        root: Element = ElementTree.fromstring(probe)
    except (ElementTree.ParseError, DefusedXmlException):
        return None
    request = root.find(f"{{{_S}}}Body/{{{_D}}}Probe")
    if request is None or address is None:
        return None
    probed_types = [name.rpartition(":")[2] for name in (request.findtext(f"{{{_D}}}Types") or "").split()]
    scopes = (request.findtext(f"{{{_D}}}Scopes") or "").split()
    if not set(probed_types) <= set(TYPES):
        return None
    if not all(any(mine.startswith(scope) for mine in device.scopes) for scope in scopes):
        return None
    relates = (root.findtext(f"{{{_S}}}Header/{{{_A}}}MessageID") or "").strip()
    return (
        f'<?xml version="1.0" encoding="UTF-8"?><s:Envelope xmlns:s="{_S}" xmlns:a="{_A}" xmlns:d="{_D}" '
        'xmlns:dn="http://www.onvif.org/ver10/network/wsdl" xmlns:tds="http://www.onvif.org/ver10/device/wsdl">'
        f"<s:Header><a:MessageID>urn:uuid:{uuid.uuid4()}</a:MessageID>"
        f"<a:RelatesTo>{escape(relates)}</a:RelatesTo><a:To>{_ANYBODY}</a:To>"
        f"<a:Action>{_D}/ProbeMatches</a:Action></s:Header><s:Body><d:ProbeMatches><d:ProbeMatch>"
        f"<a:EndpointReference><a:Address>urn:uuid:{device.endpoint}</a:Address></a:EndpointReference>"
        "<d:Types>dn:NetworkVideoTransmitter tds:Device</d:Types>"
        f"<d:Scopes>{' '.join(device.scopes)}</d:Scopes><d:XAddrs>{address}</d:XAddrs>"
        "<d:MetadataVersion>1</d:MetadataVersion></d:ProbeMatch></d:ProbeMatches></s:Body></s:Envelope>"
    ).encode()


class _Answering(asyncio.DatagramProtocol):
    def __init__(self, device: AdvertisedDevice) -> None:
        self.device = device
        self.transport: asyncio.DatagramTransport

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        if (answer := answer_to(data, self.device)) is not None:
            self.transport.sendto(answer, addr)


@contextlib.asynccontextmanager
async def advertise(device: AdvertisedDevice) -> AsyncIterator[None]:
    """Answer probes meanwhile, beside other devices; raise SimulatorError if the socket cannot be opened."""
    group = socket.inet_aton(GROUP) + socket.inet_aton(HOST)
    hearing = socket.socket(socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_UDP)
    try:
        hearing.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        hearing.setblocking(False)
        # Bound to the group, not to any address: other datagrams to port 3702 are not for this device.
        hearing.bind((GROUP, PORT))
        hearing.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, group)
        hearing.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(HOST))
    except OSError as error:
        hearing.close()
        raise SimulatorError(f"WS-Discovery at {GROUP}:{PORT}: {error.strerror}") from error
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(lambda: _Answering(device), sock=hearing)
    try:
        yield
    finally:
        transport.close()
        await asyncio.sleep(0)  # asyncio closes the socket in the next turn of the loop
