"""Frames between a worker process and the daemon, or console and daemon, over a socket pair.

A frame is `length u32 | kind u8 | head length u16 | head JSON | body`, big-endian; the length counts the
bytes after it. The body is raw bytes that the daemon passes on unread.
"""

import asyncio
import json
import socket
import struct
from collections.abc import Callable, Mapping
from enum import IntEnum
from typing import Any

_HEADER = struct.Struct(">IBH")
_HEADER_AFTER_LENGTH = _HEADER.size - 4
# Made once: json.dumps with separators makes an encoder per call, json.loads guesses encodings.
_to_json = json.JSONEncoder(separators=(",", ":")).encode
_from_json = json.JSONDecoder().decode
MAX_FRAME_BYTES = 64 * 1024 * 1024
"""Upper bound on a frame; a larger one is a fault of the worker."""
MAX_HEAD_BYTES = 0xFFFF
"""Upper bound on a head, by its length field."""
READ_BUFFER_BYTES = 32 * 1024
"""Size of the receive buffer; larger only while a larger frame arrives."""


class FrameType(IntEnum):
    """Type of a frame.

    SPEC, STOP, COMMAND, CLAIM, REQUEST, CANCEL, RECORD_STORED and DECISION_RECORDED go to the worker, others
    to the daemon. Between console and daemon, REQUEST and CANCEL go to the daemon.
    """

    HEARTBEAT = 1
    """Sign of life; head: counters."""
    STATE = 2
    """State of the device; head: the fields of DeviceState that the worker has."""
    IDENTITY = 3
    """Identity of the device; head: the fields of Identity."""
    BLOB = 4
    """An image of the event that follows; head: role, media_type; body: its bytes."""
    EVENT = 5
    """An observation; head: type, transaction, provenance, boot_ns (its receipt); body: its data as JSON."""
    STOP = 6
    """Close the device and end."""
    LAST_VALUE = 7
    """The last values of the device are no longer valid."""
    COMMAND = 8
    """A command; head: command_ref, verb, and the fields of Call; body: arguments, a JSON object."""
    COMMAND_RESULT = 9
    """Result of a command; head: command_ref, state, reason, text, how; body: a JSON object."""
    PREVIEW = 10
    """Preview image of a camera; head: station; body: a JPEG, empty when the preview has ended."""
    CLAIM = 11
    """Holder of the device from now on; head: holder."""
    REQUEST = 12
    """A request; head: request_id, method and its parameters. See gateway.ipc.rpc."""
    RESPONSE_CHUNK = 13
    """A piece of the response; head: request_id, in the last one `end` and `error` (code, text, how)."""
    CANCEL = 14
    """Cancel a request; head: request_id."""
    SPEC = 15
    """Specification of the worker, its first frame; head: the fields of WorkerSpec."""
    REPLACE = 16
    """The worker ends, to be replaced: a node of its device is new, and out of its reach."""
    RECORD = 17
    """Record of the position from now on, kept over restarts; head: number; body: text."""
    RECORD_STORED = 18
    """The record of this number is on the disk; head: number."""
    DECISION_RECORDED = 19
    """The decision on a command is on the disk, or refused by it; head: command_ref, recorded."""
    REFUSED = 20
    """Ages of the last attempts with refused credentials, in seconds, for the next worker; head: ages_s."""


def encode_frame(frame_type: FrameType, head: dict[str, Any] | None = None, body: bytes = b"") -> bytes:
    """Encode one frame."""
    text = _to_json(head).encode() if head else b""
    return _HEADER.pack(_HEADER_AFTER_LENGTH + len(text) + len(body), frame_type, len(text)) + text + body


def receive_frame(channel: socket.socket) -> tuple[FrameType, dict[str, Any]] | None:
    """Wait for one frame without a body, and read no byte after it; None: the other end is closed.

    Raises FrameError.
    """
    start = _receive_exactly(channel, _HEADER.size)
    if start is None:
        return None
    length, kind, head_length = _HEADER.unpack(start)
    if head_length != length - _HEADER_AFTER_LENGTH:
        raise FrameError(f"a frame of {length} bytes with a head of {head_length}")
    text = _receive_exactly(channel, head_length)
    if text is None:
        return None
    head = _from_json(text.decode()) if text else {}
    if not isinstance(head, dict):
        raise FrameError("a frame whose head is no object")
    return FrameType(kind), head


def _receive_exactly(channel: socket.socket, size: int) -> bytes | None:
    received = b""
    while len(received) < size:
        try:
            chunk = channel.recv(size - len(received))
        except ConnectionResetError:
            return None
        if not chunk:
            return None
        received += chunk
    return received


class FrameError(Exception):
    """The other end sent malformed bytes."""


class FrameConnection(asyncio.BufferedProtocol):
    """One end of the socket pair: reassembles frames, and reports that the other end has closed.

    It has its own receive buffer: asyncio would allocate 256 KiB for every kilobyte that arrives, and the
    heap would fragment and grow for hours.
    """

    def __init__(
        self,
        on_frame: Callable[[FrameType, dict[str, Any], bytes], None],
        on_lost: Callable[[], None],
        max_bytes: Mapping[int, int] | None = None,
        on_violation: Callable[[Exception], None] | None = None,
    ) -> None:
        """`max_bytes`: types of frame that may arrive, and their largest size; by default all types.

        `on_violation` is called with the error of a malformed frame, also one raised by `on_frame`, and the
        connection is closed. By default the error is raised into the event loop, which closes it as well.
        """
        self._on_frame = on_frame
        self._on_lost = on_lost
        self._max_bytes = max_bytes
        self._on_violation = on_violation
        self._buffer = bytearray(READ_BUFFER_BYTES)
        self._filled = 0
        self._transport: asyncio.Transport | None = None
        self.is_writable = True
        """True: the other end keeps up."""
        self._writable = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Store the transport."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def connection_lost(self, _error: Exception | None) -> None:
        """Report that the other process closed its end or died."""
        self._transport = None
        self.resume_writing()
        self._on_lost()

    def pause_writing(self) -> None:
        """Record that the other end does not keep up."""
        self.is_writable = False
        self._writable.clear()

    def resume_writing(self) -> None:
        """Record that the other end has caught up."""
        self.is_writable = True
        self._writable.set()

    def get_buffer(self, _sizehint: int) -> memoryview:
        """Return the free part of the receive buffer."""
        return memoryview(self._buffer)[self._filled :]

    def buffer_updated(self, count: int) -> None:
        """Cut received bytes into frames."""
        try:
            self._cut_frames(count)
        except Exception as error:
            if self._on_violation is None:
                raise
            self._buffer, self._filled = bytearray(READ_BUFFER_BYTES), 0
            if self._transport is not None:
                self._transport.abort()
            self._on_violation(error)

    def _cut_frames(self, count: int) -> None:
        self._filled += count
        start, end = 0, self._filled
        wanted = READ_BUFFER_BYTES
        with memoryview(self._buffer) as view:  # A view, so that an image is copied once.
            while end - start >= _HEADER.size:
                length, kind, head_length = _HEADER.unpack_from(view, start)
                if length > self._max_length(kind) or head_length > length:
                    raise FrameError(f"a frame of {length} bytes with a head of {head_length}")
                if end - start - 4 < length:
                    wanted = max(READ_BUFFER_BYTES, 4 + length)
                    break
                head_start = start + _HEADER.size
                body_start = head_start + head_length
                start += 4 + length
                head = _from_json(str(view[head_start:body_start], "utf-8")) if head_length else {}
                if not isinstance(head, dict):
                    raise FrameError("a frame whose head is no object")
                self._on_frame(FrameType(kind), head, bytes(view[body_start:start]))
            self._filled = end - start
            if wanted != len(view):
                fresh = bytearray(wanted)
                fresh[: self._filled] = view[start:end]
                self._buffer = fresh
            elif start:
                view[: self._filled] = view[start:end]

    def _max_length(self, kind: int) -> int:
        if self._max_bytes is None:
            return MAX_FRAME_BYTES
        if kind not in self._max_bytes:
            raise FrameError(f"a frame of the type {kind}, which may not arrive here")
        return self._max_bytes[kind] + _HEADER_AFTER_LENGTH

    def send(self, frame_type: FrameType, head: dict[str, Any] | None = None, body: bytes = b"") -> None:
        """Send one frame; it is dropped if the other end has closed."""
        if self._transport is not None:
            self._transport.write(encode_frame(frame_type, head, body))

    async def wait_writable(self) -> None:
        """Wait until the other end keeps up."""
        if not self.is_writable:
            await self._writable.wait()

    def pause(self) -> None:
        """Stop reading: the other end will have to wait, and so will its device."""
        if self._transport is not None:
            self._transport.pause_reading()

    def resume(self) -> None:
        """Read again."""
        if self._transport is not None:
            self._transport.resume_reading()

    def close(self) -> None:
        """Close this end."""
        if self._transport is not None:
            self._transport.close()
