"""Images on disk: small ones are rows of the outbox, large ones encrypted files beside it.

A file is written and synced before the commit that refers to it, and removed after the commit that drops the
reference. A file without a reference is left from a crash and removed at the next start.
"""

import contextlib
import os
import secrets
from collections.abc import Iterable
from pathlib import Path


class BlobFiles:
    """Directory of encrypted image files. All methods except `remove` raise OSError."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._made = False

    def write(self, sealed: Iterable[bytes]) -> list[str]:
        """Write files that survive a power cut; all of them, or none. Return their names."""
        names: list[str] = []
        try:
            if not self._made:
                self._directory.mkdir(mode=0o700, exist_ok=True)
                self._made = True
            for content in sealed:
                name = secrets.token_hex(16)
                names.append(name)
                fd = os.open(self._directory / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
                try:
                    view = memoryview(content)
                    while view:
                        view = view[os.write(fd, view) :]
                    os.fsync(fd)
                finally:
                    os.close(fd)
            if names:
                self._sync_directory()
        except BaseException:
            self.remove(names)
            raise
        return names

    def _sync_directory(self) -> None:
        fd = os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)

    def read(self, name: str) -> bytes | None:
        """Read a file; None when it is missing or unreadable."""
        try:
            return (self._directory / name).read_bytes()
        except OSError:
            return None

    def remove(self, names: Iterable[str]) -> None:
        """Remove files; one that cannot be removed now becomes an orphan of the next start."""
        for name in names:
            with contextlib.suppress(OSError):
                (self._directory / name).unlink(missing_ok=True)

    def remove_orphans(self, referenced: frozenset[str]) -> int:
        """Remove files that no row refers to; return their number."""
        if not self._directory.exists():
            return 0
        orphans = [path.name for path in self._directory.iterdir() if path.name not in referenced]
        self.remove(orphans)
        return len(orphans)
