"""The audit that stays at the post: a line a record, because the outbox forgets what it has delivered.

It is there to be read; what must not be lost is in the outbox. So nothing waits for the disk here, and a disk
that refuses costs the line.
"""

import contextlib
import json
import os
from pathlib import Path

import structlog

from drivers.observation import Observation
from gateway.local.audit_files import AUDIT_FILE, AUDIT_FILES

log = structlog.get_logger()

LONGEST_BYTES = 1 << 20
"""Of one file; with those before it there are AUDIT_FILES."""


class Journal:
    """The audit of one gateway, in its state directory. Belongs to the event loop."""

    def __init__(self, folder: Path, longest_bytes: int = LONGEST_BYTES) -> None:
        self._file = folder / AUDIT_FILE
        self._longest_bytes = longest_bytes
        self._descriptor: int | None = None
        self._failing = False

    def write(self, at: str, position: str, observation: Observation) -> None:
        """Add what was said at a position; see `gateway.local.records.AuditEntry`."""
        line = (
            f'{{"at":"{at}","position":{json.dumps(position)},"type":"{observation.event_type}",'
            f'"data":{observation.model_dump_json()}}}\n'
        ).encode()
        try:
            descriptor = self._opened()
            os.write(descriptor, line)
            if os.fstat(descriptor).st_size >= self._longest_bytes:
                self._turn()
        except OSError as error:
            if not self._failing:
                log.error("audit_not_written", text=error.strerror)
            self._failing = True
            self.close()
        else:
            self._failing = False

    def close(self) -> None:
        """Write nothing more."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _opened(self) -> int:
        if self._descriptor is None:
            flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
            self._descriptor = os.open(self._file, flags, 0o600)
            size = os.fstat(self._descriptor).st_size
            if size and os.pread(self._descriptor, 1, size - 1) != b"\n":
                os.write(self._descriptor, b"\n")  # a power cut has left half a line
        return self._descriptor

    def _turn(self) -> None:
        """Begin a new file; the oldest goes."""
        self.close()
        files = [self._file, *(self._file.with_name(f"{AUDIT_FILE}.{n}") for n in range(1, AUDIT_FILES))]
        for older, newer in zip(files[:0:-1], files[-2::-1], strict=True):
            with contextlib.suppress(FileNotFoundError):
                newer.replace(older)
