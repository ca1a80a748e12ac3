"""Multicast queries: datagrams to a group, and the responses within a time."""

import asyncio
import socket
from collections.abc import AsyncGenerator, Sequence
from ipaddress import IPv4Address
from typing import Any

from drivers.links.link import Action, Cause, LinkError

QUERY_INTERVAL_S = 0.1
LONGEST_BACKLOG = 1000
ANY_PORT = (str(IPv4Address(0)), 0)


class _ResponseQueue(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.answers: asyncio.Queue[tuple[bytes, str] | Exception] = asyncio.Queue()

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self._put((data, addr[0]))

    def error_received(self, exc: Exception) -> None:
        self._put(exc)

    def _put(self, answer: tuple[bytes, str] | Exception) -> None:
        if self.answers.qsize() < LONGEST_BACKLOG:
            self.answers.put_nowait(answer)


async def query_group(
    queries: Sequence[bytes], group: str, port: int, interface: str | None, within_s: float
) -> AsyncGenerator[tuple[bytes, str], None]:
    """Send queries to a group, one after the other; yield each response with the address of its sender.

    `interface`: address of the network interface to send through. Raises LinkError where there is none. In a
    confined worker the event loop makes the search that the rights of the device name.
    """
    loop = asyncio.get_running_loop()
    try:
        transport, responses = await loop.create_datagram_endpoint(_ResponseQueue, local_addr=ANY_PORT)
    except OSError as error:
        raise _unsent(interface, error) from None
    later: list[asyncio.TimerHandle] = []
    until_s = loop.time() + within_s
    try:
        own: socket.socket | None = transport.get_extra_info("socket")
        if own is not None and interface is not None:
            own.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(interface))
        for number, query in enumerate(queries):
            delay_s = number * QUERY_INTERVAL_S
            later.append(loop.call_later(delay_s, transport.sendto, query, (group, port)))
        while True:
            async with asyncio.timeout_at(until_s):
                answer = await responses.answers.get()
                # A flood of responses never lets `get` wait: neither the time limit nor other tasks would
                # have their turn.
                await asyncio.sleep(0)
            if isinstance(answer, Exception):
                raise answer
            yield answer
    except TimeoutError:
        pass
    except OSError as error:
        raise _unsent(interface, error) from None
    finally:
        for each in later:
            each.cancel()
        transport.close()
        await asyncio.sleep(0)  # the socket closes in the next iteration of the loop


def _unsent(interface: str | None, error: OSError) -> LinkError:
    return LinkError(
        Cause.LINK_FAILED,
        f"No query can be sent through {interface or 'the default network'} ({error.strerror}).",
        Action.CONFIGURE,
        "Correct `interface`: the address of this machine in the network of the devices.",
    )
