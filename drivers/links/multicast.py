"""Multicast queries: datagrams to a group, and the responses within a time."""

import asyncio
import socket
from collections.abc import AsyncGenerator, Sequence
from typing import Any

from drivers.links.link import Action, Cause, LinkError

QUERY_INTERVAL_S = 0.1
LONGEST_BACKLOG = 1000


class _Heard(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.answers: asyncio.Queue[tuple[bytes, str]] = asyncio.Queue()

    def datagram_received(self, data: bytes, addr: Any) -> None:
        if self.answers.qsize() < LONGEST_BACKLOG:
            self.answers.put_nowait((data, addr[0]))


async def query_group(
    questions: Sequence[bytes], group: str, port: int, interface: str | None, within_s: float
) -> AsyncGenerator[tuple[bytes, str], None]:
    """Send queries to a group, one after the other; yield each response with the address of its sender.

    `interface`: address of the network interface to send through. Raises LinkError where there is none.
    """
    loop = asyncio.get_running_loop()
    asking = socket.socket(socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_UDP)
    try:
        asking.setblocking(False)
        if interface is not None:
            asking.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(interface))
        for question in questions[:1]:
            asking.sendto(question, (group, port))
    except OSError as error:
        asking.close()
        raise LinkError(
            Cause.LINK_FAILED,
            f"No query can be sent through {interface or 'the default network'} ({error.strerror}).",
            Action.CONFIGURE,
            "Correct `interface`: the address of this machine in the network of the devices.",
        ) from None
    transport, heard = await loop.create_datagram_endpoint(_Heard, sock=asking)
    later = [
        loop.call_later(number * QUERY_INTERVAL_S, transport.sendto, question, (group, port))
        for number, question in enumerate(questions[1:], start=1)
    ]
    until_s = loop.time() + within_s
    try:
        while True:
            async with asyncio.timeout_at(until_s):
                answer = await heard.answers.get()
            yield answer
    except TimeoutError:
        pass
    finally:
        for each in later:
            each.cancel()
        transport.close()
        await asyncio.sleep(0)  # the socket closes in the next iteration of the loop
