"""Requests and responses over a frame connection; a response is one piece or an endless stream.

A slow requester cannot block others: its unread pieces are bounded, and the oldest are dropped.
"""

import asyncio
import itertools
from collections import deque
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any, Literal, NamedTuple, Self, get_args

import structlog

from gateway.ipc.frames import FrameConnection, FrameType

log = structlog.get_logger()

MAX_QUEUED_BYTES = 4 * 1024 * 1024
MAX_QUEUED_CHUNKS = 1024
"""Upper bound on unread pieces of a response; beyond it the oldest are dropped."""
MAX_OPEN_REQUESTS = 64
"""Upper bound on requests that one end serves at a time."""

ErrorCode = Literal["unknown", "not_permitted", "conflict", "unavailable"]


class RpcError(Exception):
    """A refused or failed request; nothing has changed."""

    def __init__(self, code: ErrorCode, text: str, how: str = "") -> None:
        super().__init__(text)
        self.code = code
        self.text = text
        self.how = how


class ResponseChunk(NamedTuple):
    """A piece of a response."""

    body: bytes
    dropped: int
    """Number of pieces before this one that were dropped because they were not read in time."""


class BoundedStream:
    """Bounded queue of unread pieces; the oldest are dropped."""

    def __init__(self) -> None:
        self._queue: deque[bytes] = deque()
        self._size = 0
        self._dropped = 0
        self._changed = asyncio.Event()
        self._end: RpcError | Literal[True] | None = None

    def append(self, body: bytes) -> None:
        """Add a piece."""
        self._queue.append(body)
        self._size += len(body)
        while len(self._queue) > MAX_QUEUED_CHUNKS or (
            self._size > MAX_QUEUED_BYTES and len(self._queue) > 1
        ):
            self._size -= len(self._queue.popleft())
            self._dropped += 1
        self._changed.set()

    def close(self, refusal: RpcError | None = None) -> None:
        """End the stream; `refusal`: with this error."""
        self._end = refusal or True
        self._changed.set()

    def __aiter__(self) -> Self:
        """Return the iterator over all pieces."""
        return self

    async def __anext__(self) -> ResponseChunk:
        """Wait for a piece; raises the error that the stream ended with."""
        while not self._queue:
            if isinstance(self._end, RpcError):
                raise self._end
            if self._end:
                raise StopAsyncIteration
            self._changed.clear()
            await self._changed.wait()
        body = self._queue.popleft()
        self._size -= len(body)
        lost, self._dropped = self._dropped, 0
        return ResponseChunk(body, lost)


class RpcClient:
    """Requesting end. `send_frame` sends a frame over the connection."""

    def __init__(self, send_frame: Callable[[FrameType, dict[str, Any], bytes], None]) -> None:
        self._send_frame = send_frame
        self._request_ids = itertools.count(1)
        self._open_streams: dict[int, BoundedStream] = {}

    async def stream(self, method: str, body: bytes = b"", **head: Any) -> AsyncGenerator[ResponseChunk]:
        """Send a request, and yield the response piece by piece; raises RpcError. Closing cancels it."""
        request_id = next(self._request_ids)
        answer = self._open_streams[request_id] = BoundedStream()
        self._send_frame(FrameType.REQUEST, {"request_id": request_id, "method": method, **head}, body)
        try:
            async for piece in answer:
                yield piece
        finally:
            if self._open_streams.pop(request_id, None) is not None:
                self._send_frame(FrameType.CANCEL, {"request_id": request_id}, b"")

    async def call(self, method: str, body: bytes = b"", **head: Any) -> bytes:
        """Send a request with a response of one piece, and return it; raises RpcError."""
        async with aclosing(self.stream(method, body, **head)) as pieces:
            async for piece in pieces:
                return piece.body
        raise RpcError("unavailable", "There was no answer.")

    def on_chunk(self, head: dict[str, Any], body: bytes) -> None:
        """Handle a RESPONSE_CHUNK frame; ignore one of a cancelled request."""
        if not head.get("end"):
            if (answer := self._open_streams.get(head["request_id"])) is not None:
                answer.append(body)
        elif (answer := self._open_streams.pop(head["request_id"], None)) is not None:
            refused = head.get("error")
            answer.close(RpcError(_error_code(refused[0]), *refused[1:]) if refused else None)

    def connection_lost(self, text: str) -> None:
        """End all open requests with an error: the other end has closed."""
        while self._open_streams:
            _, answer = self._open_streams.popitem()
            answer.close(RpcError("unavailable", text))


def _error_code(word: str) -> ErrorCode:
    return next((code for code in get_args(ErrorCode) if code == word), "unavailable")


RpcMethod = Callable[[dict[str, Any], bytes], AsyncGenerator[bytes]]
"""Serves a request: head and body to pieces of the response; raises RpcError."""


class RpcServer:
    """Serving end; requests are served concurrently."""

    def __init__(self, connection: FrameConnection, method: RpcMethod) -> None:
        self._connection = connection
        self._method = method
        self._running: dict[int, asyncio.Task[None]] = {}

    def on_request(self, head: dict[str, Any], body: bytes) -> None:
        """Handle a REQUEST frame."""
        request_id = head["request_id"]
        if len(self._running) >= MAX_OPEN_REQUESTS:
            self._send_end(
                request_id, ["unavailable", "Too many requests are open at once.", "Close some pages."]
            )
            return
        task = asyncio.create_task(self._respond(request_id, head, body), name=f"answer {head['method']}")
        self._running[request_id] = task

    def on_cancel(self, head: dict[str, Any]) -> None:
        """Handle a CANCEL frame."""
        if (task := self._running.get(head["request_id"])) is not None:
            task.cancel()

    async def close(self) -> None:
        """Cancel all requests."""
        running = list(self._running.values())
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    async def _respond(self, request_id: int, head: dict[str, Any], body: bytes) -> None:
        refused: list[str] | None = None
        try:
            async with aclosing(self._method(head, body)) as pieces:
                async for piece in pieces:
                    await self._connection.wait_writable()
                    self._connection.send(FrameType.RESPONSE_CHUNK, {"request_id": request_id}, piece)
        except RpcError as refusal:
            refused = [refusal.code, refusal.text, refusal.how]
        except Exception as error:
            log.error("rpc_method_failed", text=head["method"], exc_info=error)
            refused = [
                "unavailable",
                "An internal error ended the request.",
                "Look for rpc_method_failed in the gateway's journal.",
            ]
        finally:
            del self._running[request_id]
        self._send_end(request_id, refused)

    def _send_end(self, request_id: int, refused: list[str] | None) -> None:
        self._connection.send(
            FrameType.RESPONSE_CHUNK, {"request_id": request_id, "end": True, "error": refused}
        )
