"""The control API over TCP: the requests of the Unix socket, each with the post's token.

    {"do": "list", "token": "..."}

A request without the token is answered by an error, and ends its connection.
"""

import asyncio
import hmac
import os
import secrets
from pathlib import Path
from typing import Any, Self

from simulators.control.conversations import CommandHandler, Conversations, RefusedConnectionError
from simulators.errors import SimulatorError

TOKEN_MIN = 16
"""Shortest token, in characters."""


class ControlPort:
    """The server of the control port. An async context manager."""

    def __init__(self, host: str, port: int, token: str, handle: CommandHandler) -> None:
        """`port` 0: any free port."""
        self._host = host
        self._port = port
        self._token = token
        self._handle = handle
        self._conversations = Conversations(self._handle_with_token)
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        try:
            self._server = await asyncio.start_server(self._conversations.serve, self._host, self._port)
        except OSError as error:
            raise SimulatorError(f"{self._host}:{self._port}: {error.strerror or error}") from error
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        await self._conversations.close()
        await self._server.wait_closed()

    @property
    def address(self) -> str:
        """Address for `send_command`, while it listens."""
        assert self._server is not None
        port = self._server.sockets[0].getsockname()[1]
        return f"tcp://{self._host}:{port}"

    async def _handle_with_token(self, request: dict[str, Any]) -> dict[str, Any]:
        given = request.pop("token", None)
        if not isinstance(given, str) or not hmac.compare_digest(given.encode(), self._token.encode()):
            raise RefusedConnectionError("token: missing or wrong; it is in the post's token file")
        return await self._handle(request)


def read_or_make_token(file: Path) -> str:
    """Return the token in a file, which is made with a random one where it is absent.

    Raises SimulatorError.
    """
    try:
        if not file.exists():
            descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w") as writing:
                writing.write(f"{secrets.token_urlsafe(24)}\n")
        token = file.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SimulatorError(f"{file}: {getattr(error, 'strerror', None) or error}") from error
    if len(token) < TOKEN_MIN:
        raise SimulatorError(f"{file}: the token is shorter than {TOKEN_MIN} characters")
    return token


def parse_listen(text: str) -> tuple[str, int]:
    """Return host and port of `HOST:PORT`; raise SimulatorError for another text."""
    host, separator, port = text.rpartition(":")
    if not separator or not host or not port.isdigit() or int(port) > 65535:
        raise SimulatorError(f"{text}: write HOST:PORT, such as 127.0.0.1:7400; port 0 is any free one")
    return host.strip("[]"), int(port)
