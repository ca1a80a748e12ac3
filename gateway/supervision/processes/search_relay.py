"""Relay of a multicast search: the daemon's datagram socket, and a worker's end that reaches the group only.

A worker may not have a datagram socket: one can send to any address, and no filter of the kernel that is used
here sees it. Responses are not parsed; the worker gets each with the address of its sender.
"""

import asyncio
import errno
import socket
import time
from collections.abc import Callable

from drivers.links.settings import MulticastGroup
from gateway.common.token_bucket import TokenBucket
from gateway.ipc.frames import FrameError
from gateway.worker.search_client import failure_message, response_message

MAX_QUERY_BYTES = 4096
QUERIES_PER_S, QUERIES_BURST = 10, 20
RESPONSES_PER_S, RESPONSES_BURST = 1000, 1000
"""Rate of responses that are relayed; above it they wait in the kernel, which drops what is too much."""
RESPONSES_PER_TURN = 32
PAUSE_S = 0.05
MAX_DATAGRAM_BYTES = 65_535


class SearchViolationError(FrameError):
    """A query that the worker may not send. The text completes "it sent"."""


class SearchRelay:
    """One search of a worker."""

    def __init__(self, group: MulticastGroup, on_violation: Callable[[Exception], None]) -> None:
        """Open the socket; raises OSError. `on_violation` must end the worker."""
        self._group = group
        self._on_violation = on_violation
        self._loop = asyncio.get_running_loop()
        self._queries = TokenBucket.full(QUERIES_PER_S, QUERIES_BURST, time.monotonic())
        self._responses = TokenBucket.full(RESPONSES_PER_S, RESPONSES_BURST, time.monotonic())
        self._pausing: asyncio.TimerHandle | None = None
        self.is_open = True
        self._outside = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        try:
            if group.interface is not None:
                interface = socket.inet_aton(group.interface)
                self._outside.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, interface)
            self._inside, self.worker_end = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        except BaseException:
            self._outside.close()
            raise
        self._inside.setblocking(False)
        self._loop.add_reader(self._inside, self._on_queries)
        self._loop.add_reader(self._outside, self._on_responses)

    def close(self) -> None:
        """Close the socket and the worker's end, if it is still here."""
        if not self.is_open:
            return
        self.is_open = False
        if self._pausing is not None:
            self._pausing.cancel()
        for each in (self._inside, self._outside):
            self._loop.remove_reader(each)
            each.close()
        self.worker_end.close()

    def _on_queries(self) -> None:
        try:
            query = self._inside.recv(MAX_QUERY_BYTES + 1)
        except BlockingIOError:
            return
        except OSError:
            query = b""
        if not query:
            self.close()
        elif len(query) > MAX_QUERY_BYTES or not self._queries.take(time.monotonic()):
            self.close()
            self._on_violation(SearchViolationError("too many or too long queries for a search"))
        else:
            try:
                self._outside.sendto(query, (self._group.address, self._group.port))
            except OSError as error:
                self._tell(failure_message(error.errno or errno.EIO))

    def _on_responses(self) -> None:
        for _ in range(RESPONSES_PER_TURN):
            if not self._responses.take(time.monotonic()):
                self._loop.remove_reader(self._outside)
                self._pausing = self._loop.call_later(PAUSE_S, self._resume)
                return
            try:
                datagram, (sender, _) = self._outside.recvfrom(MAX_DATAGRAM_BYTES)
            except BlockingIOError:
                return
            except OSError as error:
                self._tell(failure_message(error.errno or errno.EIO))
                return
            self._tell(response_message(datagram, sender))

    def _resume(self) -> None:
        self._loop.add_reader(self._outside, self._on_responses)

    def _tell(self, message: bytes) -> None:
        """Send a message to the worker; one that does not read in time gets no others."""
        try:
            self._inside.send(message)
        except OSError:
            return
