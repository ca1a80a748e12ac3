"""Conversations of a control server: JSON lines, each with one answer, over any stream."""

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable
from typing import Any

from simulators.errors import SimulatorError

CommandHandler = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]


class RefusedConnectionError(SimulatorError):
    """The request is refused, and so is the rest of its connection."""


class Conversations:
    """All open connections of one server."""

    def __init__(self, handle: CommandHandler) -> None:
        self._handle = handle
        self._closing = False
        self._open: dict[asyncio.StreamWriter, asyncio.Task[None] | None] = {}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection until its end."""
        self._open[writer] = asyncio.current_task()
        try:
            with contextlib.suppress(ConnectionError, RefusedConnectionError):
                # A connection accepted while the server was being closed gets no answer.
                while not self._closing and (line := await reader.readline()):
                    await self._answer(line, writer)
        except ValueError:  # a line longer than the reader's limit is not a request
            pass
        finally:
            del self._open[writer]
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def close(self) -> None:
        """End all of them."""
        self._closing = True
        # Feed EOF to the readers of closed connections, so that every conversation ends.
        conversations = [task for task in self._open.values() if task]
        for writer in list(self._open):
            writer.close()
        await asyncio.gather(*conversations, return_exceptions=True)

    async def _answer(self, line: bytes, writer: asyncio.StreamWriter) -> None:
        refused: RefusedConnectionError | None = None
        try:
            request = json.loads(line)
            if not isinstance(request, dict):
                raise SimulatorError("a request is a JSON object")
            answer = await self._handle(request)
        except ValueError as error:
            answer = {"ok": False, "error": f"not JSON: {error}"}
        except SimulatorError as error:
            answer = {"ok": False, "error": str(error)}
            refused = error if isinstance(error, RefusedConnectionError) else None
        writer.write(json.dumps(answer).encode() + b"\n")
        await writer.drain()
        if refused is not None:
            raise refused
