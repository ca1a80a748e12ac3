"""Devices that respond on a network: ONVIF cameras to WS-Discovery, Modbus boards to a read.

Nothing is written to any device. A board that is busy with another client may not respond.
"""

import asyncio
import ipaddress
from collections.abc import Iterable, Sequence
from contextlib import aclosing
from importlib.util import find_spec
from typing import TYPE_CHECKING

from pydantic import ValidationError

from drivers.installation import how_to_install
from drivers.links.factory import LinkFactory
from drivers.links.link import LinkError
from drivers.links.modbus.link import ModbusSettings
from drivers.links.modbus.pdu import Function, ModbusExceptionResponse, ReadBits
from drivers.links.request_queue import LineNotFree

if TYPE_CHECKING:
    from drivers.camera.onvif.discovery import FoundCamera

MODBUS_PORT = 502
MAX_INTERFACES = 8
"""Largest number of networks that are searched for cameras, one after the other."""
MAX_HOSTS = 256
"""Largest number of addresses that are searched for boards."""
AT_ONCE = 32
UNIT = 1
"""Unit that most boards have when they leave the factory; boards on TCP ignore it."""
RESPONSE_S = 1.0
"""Longest wait for a response, in seconds: some boards take more than half a second."""


async def find_cameras(
    interfaces: Sequence[str | None], search_s: float
) -> "tuple[list[FoundCamera], list[str]]":
    """Return the cameras that respond through these interfaces, and a sentence for each failed search."""
    if not interfaces:
        return [], []
    if find_spec("defusedxml") is None:
        return [], [f"Cameras in the network were not searched: {how_to_install('camera')}"]
    from drivers.camera.onvif.discovery import search

    found: dict[str, FoundCamera] = {}
    failures = []
    for interface in interfaces:
        try:
            async with aclosing(search(interface, search_s)) as cameras:
                async for camera in cameras:
                    found.setdefault(camera.endpoint, camera)
        except LinkError as error:
            failures.append(f"Cameras were not searched: {error.text}")
    return sorted(found.values(), key=lambda camera: camera.url), failures


def interface_addresses(given: Iterable[str]) -> tuple[str | None, ...]:
    """Return the interfaces for WS-Discovery; None: the default one. Raises ValueError."""
    addresses = tuple(str(ipaddress.IPv4Address(text)) for text in dict.fromkeys(given))
    if len(addresses) > MAX_INTERFACES:
        raise ValueError(f"these are more than {MAX_INTERFACES} addresses of this machine; name fewer")
    return addresses or (None,)


def address_fault(error: ValueError) -> str:
    """Return the sentence for a wrong address, without a full stop."""
    if isinstance(error, ValidationError):
        return "; ".join(detail["msg"].removeprefix("Value error, ") for detail in error.errors())
    return str(error)


def modbus_addresses(given: Iterable[str]) -> list[str]:
    """Return the addresses of hosts and networks, as `tcp://host:port`; raises ValueError.

    `given`: each `HOST`, `HOST:PORT` or an IPv4 network as in `192.0.2.0/24`.
    """
    addresses: list[str] = []
    for text in given:
        if "/" in text.removeprefix("tcp://"):
            network = ipaddress.IPv4Network(text.removeprefix("tcp://"), strict=False)
            if network.num_addresses > MAX_HOSTS:
                raise ValueError(f"{text} has more than {MAX_HOSTS} addresses; name a smaller network")
            addresses += [f"tcp://{host}:{MODBUS_PORT}" for host in network.hosts()]
        else:
            host, _, port = text.removeprefix("tcp://").partition(":")
            addresses.append(f"tcp://{host}:{port or MODBUS_PORT}")
    if len(addresses) > MAX_HOSTS:
        raise ValueError(f"these are more than {MAX_HOSTS} addresses; name fewer")
    return [ModbusSettings(port=address).port for address in dict.fromkeys(addresses)]


async def find_boards(addresses: Iterable[str]) -> list[str]:
    """Return the addresses at which a board responds to Modbus; it is read only."""
    limit = asyncio.Semaphore(AT_ONCE)

    async def responds(address: str) -> bool:
        async with limit:
            return await _responds(address)

    addresses = list(addresses)
    results = await asyncio.gather(*map(responds, addresses))
    return [address for address, is_board in zip(addresses, results, strict=True) if is_board]


async def _responds(address: str) -> bool:
    links = LinkFactory()
    try:
        async with asyncio.timeout(4 * RESPONSE_S):  # the connection has a limit of its own
            link = await links.modbus(ModbusSettings(port=address, unit=UNIT, response_timeout_s=RESPONSE_S))
            await link.request(ReadBits(Function.READ_COILS, 0, 1))
    except ModbusExceptionResponse:
        return True
    except (LinkError, LineNotFree, TimeoutError):
        return False
    finally:
        await links.close()
    return True
