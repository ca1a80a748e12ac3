"""Datagrams of a confined worker's multicast search, through a socket to the daemon's relay.

A message to the relay is a query. One from it is the IPv4 address of a sender and its datagram, or the
address 0.0.0.0 and an error number.
"""

import asyncio
import os
import socket
import struct
from typing import Any

_ADDRESS_BYTES = 4
_NOWHERE = bytes(_ADDRESS_BYTES)
MAX_MESSAGE_BYTES = 65_535 + _ADDRESS_BYTES
MESSAGES_PER_TURN = 32


def response_message(datagram: bytes, sender: str) -> bytes:
    """Make the message of a response; `sender` is an IPv4 address."""
    return socket.inet_aton(sender) + datagram


def failure_message(number: int) -> bytes:
    """Make the message of a failure, with its error number."""
    return _NOWHERE + struct.pack("=i", number)


class SearchTransport(asyncio.DatagramTransport):
    """Transport whose datagrams go to the group of the device's search, whatever address is named."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, channel: socket.socket, protocol: asyncio.DatagramProtocol
    ) -> None:
        super().__init__()
        self._loop = loop
        self._channel = channel
        self._protocol = protocol
        channel.setblocking(False)
        loop.add_reader(channel, self._on_readable)
        protocol.connection_made(self)

    def sendto(self, data: Any, _addr: Any = None) -> None:
        """Send a query; failures go to the protocol."""
        try:
            self._channel.send(data)
        except OSError as error:
            self._protocol.error_received(error)

    def close(self) -> None:
        """Close the channel, which ends the search."""
        if not self.is_closing():
            self._loop.remove_reader(self._channel)
            self._channel.close()
            self._loop.call_soon(self._protocol.connection_lost, None)

    abort = close

    def is_closing(self) -> bool:
        """Return True once it is closed."""
        return self._channel.fileno() < 0

    def _on_readable(self) -> None:
        for _ in range(MESSAGES_PER_TURN):
            if self.is_closing():
                return
            try:
                message = self._channel.recv(MAX_MESSAGE_BYTES)
            except BlockingIOError:
                return
            except OSError:
                message = b""
            if not message:
                self.close()
                return
            address, content = message[:_ADDRESS_BYTES], message[_ADDRESS_BYTES:]
            if address != _NOWHERE:
                self._protocol.datagram_received(content, (socket.inet_ntoa(address), 0))
            elif len(content) == struct.calcsize("=i"):
                (number,) = struct.unpack("=i", content)
                self._protocol.error_received(OSError(number, os.strerror(number)))
