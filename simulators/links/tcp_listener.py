"""A listening TCP port of this machine that can be closed at once."""

import asyncio
import socket
from collections.abc import Callable

from simulators.errors import SimulatorError

HOST = "127.0.0.1"


class TcpListener:
    """A port that listens from the start; with `port` 0 a free one is chosen and stored in `port`."""

    def __init__(self, port: int, accepted: Callable[[socket.socket], None]) -> None:
        """Listen; `accepted` gets each connection, non-blocking.

        Raises SimulatorError if the port is not free.
        """
        self._accepted = accepted
        # The protocol is named because asyncio sets TCP_NODELAY only where it sees TCP.
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._socket.bind((HOST, port))
            self._socket.listen()
        except OSError as error:
            self._socket.close()
            raise SimulatorError(f"port {port}: {error.strerror}") from error
        self._socket.setblocking(False)
        self.port: int = self._socket.getsockname()[1]
        # Not asyncio.start_server or sock_accept: both can lose a connection accepted while they are ended,
        # which then stays open without answers.
        asyncio.get_running_loop().add_reader(self._socket, self._accept)

    def close(self) -> None:
        """Stop listening."""
        asyncio.get_running_loop().remove_reader(self._socket)
        self._socket.close()

    def _accept(self) -> None:
        try:
            connection, _ = self._socket.accept()
        except OSError:  # the client has disconnected again
            return
        connection.setblocking(False)
        self._accepted(connection)
