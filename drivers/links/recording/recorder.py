"""Recorder of a driver's links, in memory: the latest entries up to a limit."""

import time
from collections import deque
from dataclasses import replace

from drivers.links.link import Direction
from drivers.links.recording.recording import Chunk, Entry
from drivers.links.recording.usb_trace import Transfer

LIMIT_BYTES = 64 * 1024 * 1024
"""Upper limit of a recording: an hour of a serial line is a megabyte."""
_ENTRY_BYTES = 256


class Recorder:
    """Latest entries since its creation. Personal data: it stays in this process.

    `tap` is the `Tap` of links, `transfer_tap` their `TransferTap`; a USB link calls both, and only its
    transfers are kept. Raises ValueError for more than `LIMIT_BYTES`.
    """

    def __init__(self, limit_bytes: int = LIMIT_BYTES) -> None:
        if not 0 < limit_bytes <= LIMIT_BYTES:
            raise ValueError(f"a recording holds up to {LIMIT_BYTES // 1024 // 1024} MiB")
        self.entries: deque[Entry] = deque()
        self.dropped_entries = 0
        """Number of entries dropped at the limit: the oldest."""
        self._limit_bytes = limit_bytes
        self._held_bytes = 0
        self._start_s = time.monotonic()
        self._start_ns: int | None = None
        self._on_usb = False

    def tap(self, direction: Direction, chunk: bytes) -> None:
        """Keep a chunk; the end of a connection is no chunk."""
        if chunk and not self._on_usb:
            self.append(Chunk(time.monotonic() - self._start_s, direction, bytes(chunk)))

    def transfer_tap(self, transfer: Transfer) -> None:
        """Keep a transfer; its time is counted from the first one."""
        self._on_usb = True
        if self._start_ns is None:
            self._start_ns = transfer.at_ns
        self.append(replace(transfer, at_ns=max(0, transfer.at_ns - self._start_ns)))

    def append(self, entry: Entry) -> None:
        """Keep an entry with its own time, and drop the oldest ones over the limit."""
        self.entries.append(entry)
        self._held_bytes += len(entry.data) + _ENTRY_BYTES
        while self._held_bytes > self._limit_bytes:
            self._held_bytes -= len(self.entries.popleft().data) + _ENTRY_BYTES
            self.dropped_entries += 1
