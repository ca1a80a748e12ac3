"""Stalls of the disk, seen by a program that has nothing to do with the one under measurement."""

import os
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

STALL_S = 0.025
"""A longer write of one block is a stall: on an idle machine it takes 0.4 ms, and 16 ms at most."""
PAUSE_S = 0.02


@dataclass
class DiskStalls:
    """Writes and syncs a block of a file of its own again and again, and notes the times that were stalls."""

    folder: Path
    spans_s: list[tuple[float, float]] = field(default_factory=list)
    """Begin and end of each stall, by the monotonic clock."""

    def __enter__(self) -> "DiskStalls":
        self._ended = threading.Event()
        self._file = os.open(self.folder / "disk_stalls", os.O_CREAT | os.O_RDWR, 0o600)
        self._thread = threading.Thread(target=self._run, name="disk stalls")
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()
        os.close(self._file)

    def _run(self) -> None:
        while not self._ended.wait(PAUSE_S):
            began_s = time.monotonic()
            os.pwrite(self._file, bytes(512), 0)
            os.fdatasync(self._file)
            ended_s = time.monotonic()
            if ended_s - began_s > STALL_S:
                self.spans_s.append((began_s, ended_s))

    def overlap(self, began_s: float, ended_s: float) -> bool:
        """Return True if the disk was stalled at any moment of that time."""
        return any(began_s < end and start < ended_s for start, end in self.spans_s)
