"""Framing of byte streams, common to all serial protocols. Pure except for `frames`."""

import asyncio
import re
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass
from typing import Protocol

from drivers.links.serial import SerialLink


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
NOISE = "noise"
"""Bytes outside any frame."""
OTHER_CONTENT = "other"
"""A valid frame with content that this driver does not read."""


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


async def frames(link: SerialLink, framing: Framing, gap_s: float) -> AsyncGenerator[Frame]:
    """Yield the frames of a link; after `gap_s` seconds of silence a partial frame is discarded."""
    while True:
        try:
            async with asyncio.timeout(gap_s if framing.has_pending else None):
                chunk = await link.read()
        except TimeoutError:
            found = framing.on_silence()
        else:
            found = framing.feed(chunk)
        for frame in found:
            yield frame


class Delimited(ABC):
    """Frames between a start pattern and an end, with an optional trailer such as a check byte.

    A start inside a frame means that the earlier frame was cut: the text of these devices never contains one.
    """

    def __init__(self, start: re.Pattern[bytes], start_bytes: int, limit_bytes: int = 512) -> None:
        self._start = start
        self._start_bytes = start_bytes
        self._limit_bytes = limit_bytes
        self._buffer = b""

    @property
    def has_pending(self) -> bool:
        """True while bytes wait for the rest of their frame."""
        return bool(self._buffer)

    @abstractmethod
    def frame_end(self, begun: re.Match[bytes], buffer: bytes) -> int:
        """Return the end (one past it) of the frame that begins at `begun`, or -1 while it is incomplete."""

    @abstractmethod
    def check_frame(self, begun: re.Match[bytes], wire: bytes) -> Frame:
        """Validate a complete frame; `begun` matches at its start."""

    def feed(self, chunk: bytes) -> Iterator[Frame]:
        """Take a chunk and yield complete frames."""
        self._buffer += chunk
        while begun := self._start.search(self._buffer):
            if begun.start():
                yield self._give_up(NOISE, begun.start())
                continue
            end = self.frame_end(begun, self._buffer)
            again = self._start.search(self._buffer, begun.end(), end if end > 0 else len(self._buffer))
            if again:
                yield self._give_up(INCOMPLETE, again.start())
            elif end > 0:
                wire, self._buffer = self._buffer[:end], self._buffer[end:]
                yield self.check_frame(begun, wire)
            elif len(self._buffer) > self._limit_bytes:
                yield self._give_up(TOO_LONG, len(self._buffer))
            else:
                return
        # No start found: only the last bytes can still be part of one.
        if (surplus := len(self._buffer) - self._start_bytes + 1) > self._limit_bytes:
            yield self._give_up(NOISE, surplus)

    def on_silence(self) -> Iterator[Frame]:
        """Discard pending bytes."""
        if self._buffer:
            fault = INCOMPLETE if self._start.match(self._buffer) else NOISE
            yield self._give_up(fault, len(self._buffer))

    def _give_up(self, fault: str, count: int) -> DamagedFrame:
        wire, self._buffer = self._buffer[:count], self._buffer[count:]
        return DamagedFrame(fault, wire)
