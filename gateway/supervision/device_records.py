"""Records of the positions, one file each, that outlive workers, the gateway and power cuts."""

import asyncio
from pathlib import Path

import structlog

from gateway.common.atomic_file import make_folder, write_whole
from gateway.ipc.frames import FrameError

log = structlog.get_logger()

MAX_RECORD_BYTES = 16 * 1024
RETRY_S = 5.0
"""Wait before a record that the disk refused is written again, in seconds."""


class DeviceRecords:
    """Records in a folder. None: in memory alone.

    A record is kept in memory at once, and flushed to the disk by a thread, the latest one of a position
    last. A record that the disk refuses is tried again until it is written.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._texts: dict[str, str] = {}
        self._unwritten: set[str] = set()
        self._writing: asyncio.Task[None] | None = None

    def read(self, position: str) -> str | None:
        """Return the record of a position; None: it has none. Unreadable ones are returned as empty text."""
        if position not in self._texts and self._folder is not None:
            try:
                self._texts[position] = self._file(position).read_text("utf-8")
            except FileNotFoundError:
                return None
            except (OSError, ValueError) as error:
                log.error("device_record_unreadable", device=position, exc_info=error)
                return ""
        return self._texts.get(position)

    def write(self, position: str, text: str) -> None:
        """Replace the record of a position; raises FrameError if it is too large."""
        if len(text) > MAX_RECORD_BYTES:
            raise FrameError(f"a record of {len(text)} characters")
        self._texts[position] = text
        if self._folder is not None:
            self._unwritten.add(position)
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
        text = self._texts[position]
        try:
            await asyncio.to_thread(self._store, position, text)
        except OSError as error:
            log.error("device_record_not_written", device=position, exc_info=error)
            self._unwritten.add(position)
        except asyncio.CancelledError:
            self._unwritten.add(position)
            raise

    def _store(self, position: str, text: str) -> None:
        file = self._file(position)
        make_folder(file.parent, 0o700)
        write_whole(file, text.encode(), 0o600)

    def _file(self, position: str) -> Path:
        assert self._folder is not None
        return self._folder / f"{position}.json"
