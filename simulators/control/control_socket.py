"""The control socket of a simulated post: JSON lines over a Unix socket that only its owner may open.

A request names an action and a simulator; the response has `ok` and the result:

    {"do": "list"}
    {"do": "status"}                                   or of one: {"do": "status", "name": "lane-1/reader"}
    {"do": "insert", "name": "lane-1/reader", "format": "TD3", "fields": {"surname": "Zorbane"}}
    {"do": "insert", "name": "lane-1/reader", "lines": ["IDFRA...", "..."]}
    {"do": "fault", "name": "lane-1/reader", "fault": "unplug", "args": {"for_s": 2}}
"""

import asyncio
import contextlib
import json
import os
import socket
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, Self

from simulators.errors import SimulatorError

SOCKET_NAME = "simulators.sock"
PATH_MAX = 107
"""Maximum length of a path in `sun_path`, without its terminator (unix(7))."""

CommandHandler = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]


class ControlSocket:
    """The server of the control socket. An async context manager."""

    def __init__(self, path: Path, handle: CommandHandler) -> None:
        self.path = path
        self._handle = handle
        self._server: asyncio.Server | None = None
        self._closing = False
        self._open: dict[asyncio.StreamWriter, asyncio.Task[None] | None] = {}

    async def __aenter__(self) -> Self:
        listening = _bind(self.path)
        try:
            self._server = await asyncio.start_unix_server(self._converse, sock=listening)
        except BaseException:
            listening.close()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._closing = True
        self.path.unlink(missing_ok=True)
        self._server.close()
        # Feed EOF to the readers of closed connections, so that every conversation ends.
        conversations = [task for task in self._open.values() if task]
        for writer in list(self._open):
            writer.close()
        await asyncio.gather(*conversations, return_exceptions=True)
        await self._server.wait_closed()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open[writer] = asyncio.current_task()
        try:
            with contextlib.suppress(ConnectionError):
                # A connection accepted while the socket was being closed gets no answer.
                while not self._closing and (line := await reader.readline()):
                    writer.write(json.dumps(await self._answer(line)).encode() + b"\n")
                    await writer.drain()
        except ValueError:  # a line longer than the reader's limit is not a request
            pass
        finally:
            del self._open[writer]
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _answer(self, line: bytes) -> dict[str, Any]:
        try:
            request = json.loads(line)
            if not isinstance(request, dict):
                raise SimulatorError("a request is a JSON object")
            return await self._handle(request)
        except ValueError as error:
            return {"ok": False, "error": f"not JSON: {error}"}
        except SimulatorError as error:
            return {"ok": False, "error": str(error)}


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


async def send_command(socket_path: str | os.PathLike[str], request: Mapping[str, Any]) -> dict[str, Any]:
    """Send one request to a simulated post and return its answer, `ok` or not.

    Raises SimulatorError when no post answers there.
    """
    try:
        reader, writer = await asyncio.open_unix_connection(socket_path)
    except OSError as error:
        raise _no_post_error(socket_path) from error
    try:
        writer.write(json.dumps(request).encode() + b"\n")
        return _decoded(await reader.readline(), socket_path)
    except ConnectionError as error:
        raise _no_post_error(socket_path) from error
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


def send_command_blocking(
    socket_path: str | os.PathLike[str], request: Mapping[str, Any], *, timeout_s: float = 30.0
) -> dict[str, Any]:
    """Run `send_command` without an event loop; give up after `timeout_s` seconds."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(timeout_s)
        try:
            connection.connect(os.fspath(socket_path))
            connection.sendall(json.dumps(request).encode() + b"\n")
            with connection.makefile("rb") as answers:
                return _decoded(answers.readline(), socket_path)
        except OSError as error:
            raise _no_post_error(socket_path) from error


def _decoded(line: bytes, socket_path: str | os.PathLike[str]) -> dict[str, Any]:
    if not line.endswith(b"\n"):
        raise _no_post_error(socket_path)
    answer: dict[str, Any] = json.loads(line)
    return answer


def _no_post_error(socket_path: str | os.PathLike[str]) -> SimulatorError:
    return SimulatorError(
        f"{os.fspath(socket_path)}: no simulated post responds here: start one with borderpost simulate"
    )
