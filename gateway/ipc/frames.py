"""The frames that a worker process and the daemon, or console and daemon, exchange over their socket pair.

A frame is `length u32 | kind u8 | head length u16 | head JSON | body`, big-endian; the length counts what
follows it. The body is raw bytes that the daemon passes on without looking at them.
"""

import asyncio
import json
import struct
from collections.abc import Callable
from enum import IntEnum
from typing import Any

_HEADER = struct.Struct(">IBH")
_HEADER_AFTER_LENGTH = _HEADER.size - 4
# Made once: json.dumps makes an encoder a call when it is given separators, json.loads guesses encodings.
_to_json = json.JSONEncoder(separators=(",", ":")).encode
_from_json = json.JSONDecoder().decode
MAX_FRAME_BYTES = 64 * 1024 * 1024
"""A frame above this is a broken worker, not an image."""
READ_BUFFER_BYTES = 32 * 1024
"""What a corridor reads into; more only while a larger frame is coming in."""


class FrameType(IntEnum):
    """What a frame is. STOP, COMMAND, CLAIM, ASK, ENOUGH go down to the worker, others up to the daemon.

    The console asks the daemon as the daemon asks a worker.
    """

    HEARTBEAT = 1
    """I am alive; head: counters."""
    STATE = 2
    """How the device is; head: the fields of DeviceState that the worker knows."""
    IDENTITY = 3
    """Who answered; head: the fields of Identity."""
    BLOB = 4
    """An image of the event that follows; head: role, media_type; body: its bytes."""
    EVENT = 5
    """An open event; head: type, class, boot_ns; body: see gateway.contract.envelope."""
    STOP = 6
    """Close the device and end."""
    LAST_VALUE = 7
    """What stands from now on; head: type; body: see gateway.contract.last_values. Empty: nothing any more."""
    COMMAND = 8
    """Do this; head: ticket, verb, and the fields of Call; body: its arguments, a JSON object."""
    COMMAND_RESULT = 9
    """How a command ended; head: ticket, state, reason, text, how; body: its result, a JSON object."""
    PREVIEW = 10
    """What a camera sees now; head: station; body: a JPEG, empty when it is over."""
    CLAIM = 11
    """Who has the device from now on; head: holder."""
    REQUEST = 12
    """A question; head: ticket, what, and whatever it needs. See gateway.ipc.rpc."""
    RESPONSE_CHUNK = 13
    """A piece of its answer; head: ticket, at the end `end` and perhaps `refused`: code, text, how."""
    CANCEL = 14
    """Nobody waits for the rest of an answer; head: ticket."""


def encode_frame(frame_type: FrameType, head: dict[str, Any] | None = None, body: bytes = b"") -> bytes:
    """Write one frame."""
    text = _to_json(head).encode() if head else b""
    return _HEADER.pack(_HEADER_AFTER_LENGTH + len(text) + len(body), frame_type, len(text)) + text + body


class FrameError(Exception):
    """The other end sent something that is no frame."""


class FrameConnection(asyncio.BufferedProtocol):
    """One end of the socket pair: reassembles frames, and says when the other end is gone.

    It has a buffer of its own to read into: asyncio would allocate 256 KiB for every kilobyte that comes, and
    a heap of so many holes grows for hours.
    """

    def __init__(
        self, on_frame: Callable[[FrameType, dict[str, Any], bytes], None], on_lost: Callable[[], None]
    ) -> None:
        self._on_frame = on_frame
        self._on_lost = on_lost
        self._buffer = bytearray(READ_BUFFER_BYTES)
        self._filled = 0
        self._transport: asyncio.Transport | None = None
        self._writable = asyncio.Event()
        self._writable.set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def connection_lost(self, _error: Exception | None) -> None:
        """The other process closed its end or died."""
        self._transport = None
        self._writable.set()
        self._on_lost()

    def pause_writing(self) -> None:
        """The other end does not keep up."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """The other end has caught up."""
        self._writable.set()

    def get_buffer(self, _sizehint: int) -> memoryview:
        """Where to put what has arrived."""
        return memoryview(self._buffer)[self._filled :]

    def buffer_updated(self, count: int) -> None:
        """Cut what has arrived into frames."""
        self._filled += count
        start, end = 0, self._filled
        wanted = READ_BUFFER_BYTES
        with memoryview(self._buffer) as view:  # so that an image is copied once
            while end - start >= _HEADER.size:
                length, kind, head_length = _HEADER.unpack_from(view, start)
                if length > MAX_FRAME_BYTES or head_length > length:
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

    def send(self, frame_type: FrameType, head: dict[str, Any] | None = None, body: bytes = b"") -> None:
        """Send one frame, or drop it when the other end is gone."""
        if self._transport is not None:
            self._transport.write(encode_frame(frame_type, head, body))

    @property
    def is_writable(self) -> bool:
        """Whether the other end does."""
        return self._writable.is_set()

    async def wait_writable(self) -> None:
        """Wait until the other end keeps up."""
        await self._writable.wait()

    def pause(self) -> None:
        """Take nothing more from the other end for now: it will have to wait, and so will its device."""
        if self._transport is not None:
            self._transport.pause_reading()

    def resume(self) -> None:
        """Take frames again."""
        if self._transport is not None:
            self._transport.resume_reading()

    def close(self) -> None:
        """Close this end."""
        if self._transport is not None:
            self._transport.close()
