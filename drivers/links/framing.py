"""Framing of byte streams, common to all serial protocols. Pure except for `frames`."""

import asyncio
import re
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class CompleteFrame:
    """A complete frame: its payload and its device bytes."""

    payload: bytes
    wire: bytes


@dataclass(frozen=True, slots=True)
class DamagedFrame:
    """Discarded bytes, and the fault that was found in them."""

    fault: str
    wire: bytes


Frame = CompleteFrame | DamagedFrame

CHECK_BYTE, INCOMPLETE, TOO_LONG, MALFORMED = "check_byte", "cut", "too_long", "malformed"
END_BYTES = 4
"""Upper bound on an end mark with its trailer, in bytes."""
NOISE = "noise"
"""Bytes outside any frame."""
OTHER_CONTENT = "other"
"""A valid frame with content that this driver does not read."""
LOOK_S = 0.01
"""Time of a look for waiting bytes, in seconds: links read them before they wait."""


class Framing(Protocol):
    """Splits chunks into frames; every byte is part of one frame or one damaged frame."""

    @property
    def has_pending(self) -> bool:
        """True while bytes wait for the rest of their frame."""
        ...

    def feed(self, chunk: bytes) -> Iterator[Frame]:
        """Take a chunk and yield complete frames."""
        ...

    def on_silence(self) -> Iterator[Frame]:
        """Yield frames that are still readable after the gap time, and discard the rest."""
        ...


class ChunkSource(Protocol):
    """A link that is read chunk by chunk."""

    async def read(self) -> bytes:
        """Wait for a chunk and return it; raises LinkError when disconnected."""
        ...


async def frames(link: ChunkSource, framing: Framing, gap_s: float) -> AsyncGenerator[Frame]:
    """Yield the frames of a link; after `gap_s` seconds of silence a partial frame is discarded."""
    while True:
        try:
            async with asyncio.timeout(gap_s if framing.has_pending else None):
                chunk = await link.read()
        except TimeoutError:
            # A process that was stalled finds the time over and bytes waiting: they were no silence.
            found = framing.feed(late) if (late := await _waiting(link)) else framing.on_silence()
        else:
            found = framing.feed(chunk)
        for frame in found:
            yield frame


async def _waiting(link: ChunkSource) -> bytes:
    """Return bytes that have already come; empty without any."""
    try:
        async with asyncio.timeout(LOOK_S):
            return await link.read()
    except TimeoutError:
        return b""


class Delimited(ABC):
    """Frames between a start pattern and an end, with an optional trailer such as a check byte.

    A start inside a frame means that the earlier frame was cut: the text of these devices never contains one.
    No byte is searched twice, however small the chunks: a frame of 512 KiB may come in pieces of 64 bytes.
    """

    def __init__(self, start: re.Pattern[bytes], start_bytes: int, limit_bytes: int = 512) -> None:
        self._start = start
        self._start_bytes = start_bytes
        self._limit_bytes = limit_bytes
        self._buffer = bytearray()
        self._begun = b""
        """What a frame begins with in the buffer; empty outside of a frame."""
        self._searched = 0
        """Neither a start nor an end begins before this offset."""

    @property
    def has_pending(self) -> bool:
        """True while bytes wait for the rest of their frame."""
        return bool(self._buffer)

    @abstractmethod
    def frame_end(self, start: bytes, buffer: bytearray, search_from: int, stop: int) -> int:
        """Return the end (one past it) of the frame that begins with `start`, or -1 while it is incomplete.

        The end mark is between `search_from` and `stop`. It and its trailer have at most END_BYTES.
        """

    @abstractmethod
    def check_frame(self, start: bytes, wire: bytes) -> Frame:
        """Validate a complete frame; `wire` begins with `start`."""

    def feed(self, chunk: bytes) -> Iterator[Frame]:
        """Take a chunk and yield complete frames."""
        self._buffer += chunk
        while True:
            if self._begun:
                frame = self._end_frame()
                if frame is None:
                    return
                yield frame
            elif (begun := self._start.search(self._buffer, self._searched)) is not None:
                start = begun.start()
                if start:
                    yield self._give_up(NOISE, start)
                self._begun = bytes(self._buffer[: begun.end() - start])
                self._searched = len(self._begun)
            else:
                # Only the last bytes can still be part of a start.
                surplus = len(self._buffer) - self._start_bytes + 1
                self._searched = max(0, surplus)
                if surplus > self._limit_bytes:
                    yield self._give_up(NOISE, surplus)
                return

    def _end_frame(self) -> Frame | None:
        """Take the frame that has begun out of the buffer; None while it is incomplete."""
        again_from = max(len(self._begun), self._searched - self._start_bytes + 1)
        again = self._start.search(self._buffer, again_from)
        stop = len(self._buffer) if again is None else again.end() - 1
        end = self.frame_end(self._begun, self._buffer, self._searched, stop)
        if end > 0:
            start, wire = self._begun, self._take(end)
            return self.check_frame(start, wire)
        if again is not None:
            return self._give_up(INCOMPLETE, again.start())
        if len(self._buffer) > self._limit_bytes:
            return self._give_up(TOO_LONG, len(self._buffer))
        self._searched = max(len(self._begun), len(self._buffer) - END_BYTES + 1)
        return None

    def on_silence(self) -> Iterator[Frame]:
        """Discard pending bytes."""
        if self._buffer:
            yield self._give_up(INCOMPLETE if self._begun else NOISE, len(self._buffer))

    def _give_up(self, fault: str, count: int) -> DamagedFrame:
        return DamagedFrame(fault, self._take(count))

    def _take(self, count: int) -> bytes:
        """Remove bytes from the front of the buffer."""
        taken = bytes(self._buffer[:count])
        del self._buffer[:count]
        self._begun, self._searched = b"", 0
        return taken


LINE_END = re.compile(rb"[\r\n]")


class LineFraming:
    """Lines of text, each ended by CR, LF or both; empty lines are left out.

    A line without its end is damaged, also after a silence: its begin may look like a line ("2" of "23.4").
    """

    def __init__(self, limit_bytes: int = 512) -> None:
        """`limit_bytes`: upper bound on a line."""
        self._limit_bytes = limit_bytes
        self._buffer = bytearray()
        self._searched = 0

    @property
    def has_pending(self) -> bool:
        """True while a line is incomplete."""
        return bool(self._buffer)

    def feed(self, chunk: bytes) -> Iterator[Frame]:
        """Take a chunk and yield complete lines, without their ends."""
        self._buffer += chunk
        while (end := LINE_END.search(self._buffer, self._searched)) is not None:
            if end.start() > self._limit_bytes:
                yield DamagedFrame(TOO_LONG, self._take(end.end()))
            elif line := (wire := self._take(end.end()))[:-1]:
                yield CompleteFrame(line, wire)
        self._searched = len(self._buffer)
        if len(self._buffer) > self._limit_bytes:
            yield DamagedFrame(TOO_LONG, self._take(len(self._buffer)))

    def on_silence(self) -> Iterator[Frame]:
        """Discard an incomplete line."""
        if self._buffer:
            yield DamagedFrame(INCOMPLETE, self._take(len(self._buffer)))

    def _take(self, count: int) -> bytes:
        """Remove bytes from the front of the buffer."""
        taken = bytes(self._buffer[:count])
        del self._buffer[:count]
        self._searched = 0
        return taken


class LengthPrefixed(ABC):
    """Frames with a start mark and a length: ``mark ... length ... content ... check``. Nothing is escaped.

    The content may contain the mark, so only the length determines the end of a frame. What fails its check
    may be no frame at all: a valid one may begin inside it, and is found.
    """

    def __init__(self, mark: bytes, header_bytes: int) -> None:
        """`mark`: first bytes of every frame; `header_bytes`: number of bytes up to and with the length."""
        self._mark = mark
        self._header_bytes = header_bytes
        self._buffer = bytearray()

    @property
    def has_pending(self) -> bool:
        """True while bytes wait for the rest of their frame."""
        return bool(self._buffer)

    @abstractmethod
    def frame_bytes(self, header: bytes) -> int | None:
        """Return the number of bytes of the whole frame with that header; None: no frame begins so.

        A length that the device never sends is None too: otherwise a damaged one makes the driver wait.
        """

    @abstractmethod
    def check_frame(self, wire: bytes) -> Frame:
        """Validate a whole frame; a DamagedFrame with the fault CHECK_BYTE if its check is wrong."""

    def feed(self, chunk: bytes) -> Iterator[Frame]:
        """Take a chunk and yield complete frames."""
        self._buffer += chunk
        yield from self._complete()

    def on_silence(self) -> Iterator[Frame]:
        """Discard an incomplete frame; one may begin after its mark."""
        while self._buffer:
            yield self._give_up(INCOMPLETE if self._buffer.startswith(self._mark) else NOISE)
            yield from self._complete()

    def _complete(self) -> Iterator[Frame]:
        while self._buffer:
            if not self._mark.startswith(self._buffer[: len(self._mark)]):
                yield self._give_up(NOISE)
                continue
            if len(self._buffer) < self._header_bytes:
                return
            size = self.frame_bytes(bytes(self._buffer[: self._header_bytes]))
            if size is None or size < self._header_bytes:
                yield self._give_up(NOISE)
                continue
            if len(self._buffer) < size:
                return
            frame = self.check_frame(bytes(self._buffer[:size]))
            if isinstance(frame, DamagedFrame) and frame.fault == CHECK_BYTE:
                yield self._give_up(CHECK_BYTE, size)
                continue
            del self._buffer[:size]
            yield frame

    def _give_up(self, fault: str, within: int | None = None) -> DamagedFrame:
        """Discard bytes up to the next possible mark; all of the first `within` bytes if they have none."""
        end = len(self._buffer) if within is None else within
        at = self._buffer.find(self._mark, 1, end)
        if at < 0:
            # The last bytes may be the begin of a mark.
            possible = (end - kept for kept in range(min(len(self._mark), end) - 1, 0, -1))
            at = next((one for one in possible if self._mark.startswith(self._buffer[one:end])), end)
        taken = bytes(self._buffer[:at])
        del self._buffer[:at]
        return DamagedFrame(fault, taken)
