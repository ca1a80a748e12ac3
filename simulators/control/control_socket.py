"""The control socket of a simulated post: JSON lines over a Unix socket that only its owner may open.

A request names an action and a simulator; the response has `ok` and the result:

    {"do": "list"}
    {"do": "status"}                                   or of one: {"do": "status", "name": "lane-1/reader"}
    {"do": "insert", "name": "lane-1/reader", "format": "TD3", "fields": {"surname": "Zorbane"}}
    {"do": "insert", "name": "lane-1/reader", "lines": ["IDFRA...", "..."]}
    {"do": "fault", "name": "lane-1/reader", "fault": "unplug", "args": {"for_s": 2}}
"""

import asyncio
import os
import socket
from pathlib import Path
from typing import Self

from simulators.control.conversations import CommandHandler, Conversations
from simulators.errors import SimulatorError

SOCKET_NAME = "simulators.sock"
PATH_MAX = 107
"""Maximum length of a path in `sun_path`, without its terminator (unix(7))."""


class ControlSocket:
    """The server of the control socket. An async context manager."""

    def __init__(self, path: Path, handle: CommandHandler) -> None:
        self.path = path
        self._conversations = Conversations(handle)
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        listening = _bind(self.path)
        try:
            self._server = await asyncio.start_unix_server(self._conversations.serve, sock=listening)
        except BaseException:
            listening.close()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self.path.unlink(missing_ok=True)
        self._server.close()
        await self._conversations.close()
        await self._server.wait_closed()


def _bind(path: Path) -> socket.socket:
    if len(os.fsencode(path)) > PATH_MAX:
        raise SimulatorError(
            f"{path}: too long for a socket (at most {PATH_MAX} bytes): choose a shorter run directory"
        )
    listening = socket.socket(socket.AF_UNIX)
    try:
        # Set before bind, so that the file never exists with any other mode.
        os.fchmod(listening.fileno(), 0o600)
        if path.is_socket():
            if _is_in_use(path):
                raise SimulatorError(f"{path}: a simulated post is running here already")
            path.unlink()
        listening.bind(str(path))
    except OSError as error:
        listening.close()
        raise SimulatorError(f"{path}: {error.strerror}") from error
    except SimulatorError:
        listening.close()
        raise
    return listening


def _is_in_use(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            return False
        return True
