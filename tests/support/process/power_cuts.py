"""A disk whose power fails: which files and names of a folder were never flushed to it, and would be lost.

Counts what reached fsync(2): of a file its content as it was then, of a folder the names that it had then.
"""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest


class Flushed:
    """What was flushed since this was made."""

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
        """Find the files and folders below a folder that a power cut now would empty or take."""
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
