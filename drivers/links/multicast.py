"""Multicast queries: datagrams to a group, and the responses within a time."""

import asyncio
import socket
from collections.abc import AsyncGenerator, Sequence
from typing import Any

from drivers.links.link import Action, Cause, LinkError

QUERY_INTERVAL_S = 0.1
LONGEST_BACKLOG = 1000


class _ResponseQueue(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.answers: asyncio.Queue[tuple[bytes, str]] = asyncio.Queue()

    def datagram_received(self, data: bytes, addr: Any) -> None:
        if self.answers.qsize() < LONGEST_BACKLOG:
            self.answers.put_nowait((data, addr[0]))


async def query_group(
    queries: Sequence[bytes], group: str, port: int, interface: str | None, within_s: float
) -> AsyncGenerator[tuple[bytes, str], None]:
    """Send queries to a group, one after the other; yield each response with the address of its sender.

    `interface`: address of the network interface to send through. Raises LinkError where there is none.
    """
    loop = asyncio.get_running_loop()
    query_socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_UDP)
    try:
        query_socket.setblocking(False)
        if interface is not None:
            query_socket.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(interface))
        for query in queries[:1]:
            query_socket.sendto(query, (group, port))
    except OSError as error:
        query_socket.close()
        raise LinkError(
            Cause.LINK_FAILED,
            f"No query can be sent through {interface or 'the default network'} ({error.strerror}).",
            Action.CONFIGURE,
            "Correct `interface`: the address of this machine in the network of the devices.",
        ) from None
    transport, responses = await loop.create_datagram_endpoint(_ResponseQueue, sock=query_socket)
    later = [
        loop.call_later(number * QUERY_INTERVAL_S, transport.sendto, query, (group, port))
        for number, query in enumerate(queries[1:], start=1)
    ]
    until_s = loop.time() + within_s
    try:
        while True:
            async with asyncio.timeout_at(until_s):
                answer = await responses.answers.get()
                # A flood of responses never lets `get` wait: neither the time limit nor other tasks would
                # have their turn.
                await asyncio.sleep(0)
            yield answer
    except TimeoutError:
        pass
    finally:
        for each in later:
            each.cancel()
        transport.close()
        await asyncio.sleep(0)  # the socket closes in the next iteration of the loop
