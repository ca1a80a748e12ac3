"""The audit, kept at the post: what was commanded, claimed and done by technicians, a line each.

The same goes to headquarters as events; these files are for who stands at the post when that is out of reach.
They are bounded, and written beside everything else: a disk that hangs holds nobody up.
"""

import asyncio
import json
import os
from collections import deque
from pathlib import Path

import structlog

from drivers.observation import Observation
from gateway.contract.envelope import timestamp
from gateway.contract.gateway_events import ClaimChanged, CommandDecided, CommandEnded, TechnicianActed

log = structlog.get_logger()

AUDITED = (ClaimChanged, CommandDecided, CommandEnded, TechnicianActed)
FILE_BYTES = 1024 * 1024
WAITING_LINES = 10_000


class Journal:
    """The files of one gateway: the newest, and those before it with a number behind. Belongs to the loop."""

    def __init__(self, newest: Path, files: int) -> None:
        self._newest = newest
        self._files = files
        self._lines: deque[bytes] = deque(maxlen=WAITING_LINES)
        self._writing: asyncio.Task[None] | None = None
        self._unwritten = False
        """Whether the last attempt to write failed."""

    def note(self, position: str, observation: Observation, unix_ns: int) -> None:
        """Write a record down, if it is one of the audit's."""
        if not isinstance(observation, AUDITED):
            return
        data = observation.model_dump(mode="json", exclude={"attachments"})
        entry = {"at": timestamp(unix_ns), "position": position, "type": observation.event_type, "data": data}
        self._lines.append(json.dumps(entry, ensure_ascii=False).encode() + b"\n")
        if self._writing is None:
            self._writing = asyncio.create_task(self._write(), name="journal")

    async def stop(self) -> None:
        """Bring to its end what is being written."""
        if self._writing is not None:
            await self._writing

    async def _write(self) -> None:
        try:
            while self._lines:
                batch = b"".join(self._lines)
                self._lines.clear()
                await asyncio.to_thread(self._append, batch)
            self._unwritten = False
        except OSError as error:
            if not self._unwritten:
                log.error("journal_not_written", file=self._newest.name, exc_info=error)
            self._unwritten = True
        finally:
            self._writing = None

    def _append(self, batch: bytes) -> None:
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        with os.fdopen(os.open(self._newest, flags, 0o600), "a+b") as file:
            if file.tell() and os.pread(file.fileno(), 1, file.tell() - 1) != b"\n":
                file.write(b"\n")  # a power cut has left half a line
            file.write(batch)
            full = file.tell() >= FILE_BYTES
        if full:
            self._turn()

    def _turn(self) -> None:
        """Begin another file, and let the oldest go."""
        for number in range(self._files - 2, 0, -1):
            older = self._newest.with_name(f"{self._newest.name}.{number}")
            if older.exists():
                older.replace(self._newest.with_name(f"{self._newest.name}.{number + 1}"))
        self._newest.replace(self._newest.with_name(f"{self._newest.name}.1"))
