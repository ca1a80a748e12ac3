"""Power cuts of a disk: files and names of a directory that were never flushed, and would be lost.

Records what reached fsync(2): of a file its content at that time, of a directory its names at that time.
"""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest


class Flushed:
    """Files and directories flushed since this was created."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._contents: dict[int, tuple[int, int]] = {}
        self._names: dict[int, dict[str, int]] = {}
        self._fsync = os.fsync
        monkeypatch.setattr(os, "fsync", self._flush)

    def _flush(self, descriptor: int) -> None:
        self._fsync(descriptor)
        found = os.fstat(descriptor)
        if stat.S_ISDIR(found.st_mode):
            with os.scandir(descriptor) as entries:
                self._names[found.st_ino] = {entry.name: entry.inode() for entry in entries}
        else:
            self._contents[found.st_ino] = found.st_size, found.st_mtime_ns

    def lost(self, folder: Path) -> Iterator[Path]:
        """Find the files and directories that a power cut now would empty or remove."""
        kept = self._names.get(folder.stat().st_ino, {})
        for path in sorted(folder.iterdir()):
            found = path.stat()
            if kept.get(path.name) != found.st_ino:
                yield path
            elif path.is_dir():
                yield from self.lost(path)
            elif self._contents.get(found.st_ino) != (found.st_size, found.st_mtime_ns):
                yield path


@pytest.fixture
def flushed(monkeypatch: pytest.MonkeyPatch) -> Flushed:
    return Flushed(monkeypatch)
