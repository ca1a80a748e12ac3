"""Records of the positions, one file each, that outlive workers, the gateway and power cuts."""

import asyncio
import contextlib
import os
from collections.abc import Callable
from pathlib import Path

import structlog

from drivers.links.link import Action
from gateway.common.atomic_file import make_folder, write_whole
from gateway.common.problems import Problems
from gateway.ipc.frames import FrameError
from gateway.supervision.refused_attempts import RefusedAttempts

log = structlog.get_logger()

MAX_RECORD_BYTES = 16 * 1024
RETRY_S = 5.0
"""Wait before a record that the disk refused is written again, in seconds."""
RECORD_NOT_WRITTEN = "device_record_not_written"
"""Cause of the problem that the disk refuses a record."""


def _do_nothing() -> None:
    pass


class DeviceRecords:
    """Records in a folder. None: in memory alone.

    A record is kept in memory at once, and flushed to the disk by a thread, the latest one of a position
    last. A record that the disk refuses is a problem, and is tried again until it is written. Its old content
    is destroyed then, which needs no free space: a later start must not trust it.
    """

    def __init__(self, folder: Path | None, problems: Problems | None = None) -> None:
        self._folder = folder
        self._problems = problems if problems is not None else Problems(lambda: None)
        self.refusals = RefusedAttempts()
        """Refused credentials, which outlive a worker as well, but not the gateway."""
        self._texts: dict[str, str] = {}
        self._unwritten: set[str] = set()
        self._on_stored: dict[str, Callable[[], None]] = {}
        """Function to be called once the newest record of a position is on the disk."""
        self._writing: asyncio.Task[None] | None = None

    async def read(self, position: str) -> str | None:
        """Return the record of a position; None: it has none. Unreadable ones are returned as empty text.

        So is the first one of this run that the disk does not accept again: an earlier run may have had a
        later one that the disk refused.
        """
        if position not in self._texts and self._folder is not None:
            try:
                text = self._file(position).read_text("utf-8")
            except FileNotFoundError:
                return None
            except (OSError, ValueError) as error:
                log.error("device_record_unreadable", device=position, exc_info=error)
                return ""
            try:
                await asyncio.to_thread(self._store, position, text)
            except OSError as error:
                self._report_refused(position, error)
                text = ""
            self._texts.setdefault(position, text)
        return self._texts.get(position)

    def write(self, position: str, text: str, on_stored: Callable[[], None] = _do_nothing) -> None:
        """Replace the record of a position; raises FrameError if it is too large.

        `on_stored` is called when it is on the disk, unless a newer one has replaced it before.
        """
        if len(text) > MAX_RECORD_BYTES:
            raise FrameError(f"a record of {len(text)} characters")
        self._texts[position] = text
        if self._folder is None:
            on_stored()
        else:
            self._unwritten.add(position)
            self._on_stored[position] = on_stored
            if self._writing is None or self._writing.done():
                self._writing = asyncio.create_task(self._write_all(), name="device records")

    async def stop(self) -> None:
        """Write what is not written yet, once more."""
        if self._writing is not None:
            self._writing.cancel()
            await asyncio.gather(self._writing, return_exceptions=True)
        for position in sorted(self._unwritten):
            await self._write_one(position)

    async def _write_all(self) -> None:
        while self._unwritten:
            for position in sorted(self._unwritten):
                await self._write_one(position)
            if self._unwritten:
                await asyncio.sleep(RETRY_S)

    async def _write_one(self, position: str) -> None:
        self._unwritten.discard(position)
        text, on_stored = self._texts[position], self._on_stored[position]
        try:
            await asyncio.to_thread(self._store, position, text)
        except OSError as error:
            self._report_refused(position, error)
            await asyncio.to_thread(self._destroy, position)
            self._unwritten.add(position)
        except asyncio.CancelledError:
            self._unwritten.add(position)
            raise
        else:
            self._problems.clear(RECORD_NOT_WRITTEN, about=position)
            on_stored()

    def _report_refused(self, position: str, error: OSError) -> None:
        log.error(RECORD_NOT_WRITTEN, device=position, exc_info=error)
        self._problems.add(
            RECORD_NOT_WRITTEN,
            f"The disk refuses the record of {position}: {error.strerror or error}. After a restart, its "
            "emergencies and maintenance leases are unknown, and no command moves it until a person has "
            "acknowledged that.",
            Action.CALL_SUPPORT,
            f"Make space, or repair the disk: df -h {self._folder}. The record is then written by itself. "
            "Do not restart the gateway before that.",
            about=position,
        )

    def _store(self, position: str, text: str) -> None:
        file = self._file(position)
        make_folder(file.parent, 0o700)
        write_whole(file, text.encode(), 0o600)

    def _destroy(self, position: str) -> None:
        """Empty the file of a record, if the disk lets us."""
        with contextlib.suppress(OSError):
            descriptor = os.open(self._file(position), os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)

    def _file(self, position: str) -> Path:
        assert self._folder is not None
        return self._folder / f"{position}.json"
