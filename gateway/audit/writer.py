"""Writer of the audit's files: appends and syncs lines, closes full files, prunes old ones.

Blocking; belongs to one thread at a time. A line is on disk before `audit.head` names it, so after a power
cut that file never names a line that is missing: if it does, the line was removed.
"""

import contextlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.audit.hash_chain import (
    AUDIT_FILE,
    CHAIN_HEAD_FILE,
    CHECKPOINT,
    PRUNED,
    RESUMED,
    AuditLine,
    ChainHead,
    Sign,
    audit_files,
    closed_file_path,
    format_line,
    line_hash,
    parse_line,
    read_backwards,
    read_lines,
)

MAX_FILE_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """One record to write."""

    at: str
    position: str
    kind: str
    data: dict[str, Any]
    transaction: str = ""


class AuditWriter:
    """Writer of one gateway's chain."""

    def __init__(self, directory: Path, position: str, sign: Sign | None) -> None:
        """Create it; `position` is the gateway's own; without `sign` there are no checkpoints."""
        self._directory = directory
        self._position = position
        self._sign = sign
        self._newest = directory / AUDIT_FILE
        self._head: ChainHead | None = None
        """Present chain head; None: not known yet."""
        self._first = 0
        """Number of the first line in the newest file; 0: it is empty."""
        self._is_checkpointed = False
        """True if the last line is a checkpoint."""

    def write(self, records: Iterable[AuditRecord], at: str) -> None:
        """Append lines; raises OSError, after removing what can be removed of them."""
        self._append(records, at)
        with contextlib.suppress(OSError):  # the lines are written; closing the file is tried again next time
            if self._first and self._newest.stat().st_size >= MAX_FILE_BYTES:
                self.close_file("full", at)

    def write_checkpoint(self, trigger: str, at: str) -> ChainHead | None:
        """Sign all lines written, unless the last line has; return the checkpoint's line, or None."""
        if self._sign is None:
            return None
        head = self._head or self._open(at)
        if head.n and not self._is_checkpointed:
            self._put(
                [format_line(head, at, self._position, CHECKPOINT, {"trigger": trigger}, sign=self._sign)]
            )
            self._is_checkpointed = True
            return self._head
        return None

    def close_file(self, trigger: str, at: str) -> None:
        """Sign, and start another file; raises OSError."""
        self.write_checkpoint(trigger, at)
        if self._first:
            self._newest.rename(closed_file_path(self._directory, self._first))
            self._sync_folder()
            self._first = 0

    def prune(self, until: str | None, most_bytes: int, at: str) -> int:
        """Remove closed files that end before `until`, or exceed `most_bytes`; return how many.

        The removal is recorded and signed before it is done: the chain then begins with that record.
        """
        closed = audit_files(self._directory)
        closed = [file for file in closed if file != self._newest]
        sizes = [file.stat().st_size for file in closed]
        gone = []
        for index, file in enumerate(closed):
            span = _line_range(file)
            old = until is not None and span is not None and span[1].at < until
            if span is None or not (old or sum(sizes[index:]) + MAX_FILE_BYTES > most_bytes):
                break
            first, last = span
            data = {
                "first": first.n,
                "last": last.n,
                "from": first.at,
                "until": last.at,
                "sha256": last.digest,
                "trigger": "age" if old else "size",
            }
            gone.append((file, AuditRecord(at, self._position, PRUNED, data)))
        if gone:
            self._append([note for _, note in gone], at)
            self.write_checkpoint("removed", at)
            for file, _ in gone:
                file.unlink()
            self._sync_folder()
        return len(gone)

    def started_at(self) -> str | None:
        """Return the time of the first line of the newest file; None if there is none."""
        if not self._newest.exists():
            return None
        with self._newest.open("rb") as file:
            line = parse_line(file.readline().rstrip(b"\n"))
        return line.at if line is not None else None

    def _append(self, notes: Iterable[AuditRecord], at: str) -> None:
        head = self._head or self._open(at)
        lines = []
        for note in notes:
            raw = format_line(
                head, note.at, note.position, note.kind, note.data, transaction=note.transaction
            )
            lines.append(raw)
            head = ChainHead(head.n + 1, line_hash(raw))
        if lines:
            self._put(lines)
            self._is_checkpointed = False

    def _put(self, lines: list[bytes], *, before: bytes = b"", skipped: int = 0) -> None:
        """Append lines to the chain, and write the new chain head."""
        head = self._head or ChainHead()
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        fd = os.open(self._newest, flags, 0o600)
        try:
            size = os.fstat(fd).st_size
            try:
                _write_all(fd, before + b"\n".join(lines) + b"\n")
                os.fdatasync(fd)
                if not size:
                    self._sync_folder()  # otherwise a power cut may lose the file with all lines
            except OSError:
                with contextlib.suppress(OSError):
                    os.ftruncate(fd, size)
                self._head = None  # the content of the file is unknown now
                raise
        finally:
            os.close(fd)
        self._first = self._first or head.n + 1 + skipped
        self._head = ChainHead(head.n + skipped + len(lines), line_hash(lines[-1]))
        with contextlib.suppress(OSError):
            fd = os.open(self._directory / CHAIN_HEAD_FILE, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                os.pwrite(fd, self._head.text(), 0)
            finally:
                os.close(fd)

    def _open(self, at: str) -> ChainHead:
        """Find the end of the chain, and record torn lines there; raises OSError."""
        last, broken, ended = self._find_last_line()
        present = ChainHead(last.n, last.digest) if last is not None else ChainHead()
        self._head, self._is_checkpointed = present, last is not None and last.type == CHECKPOINT
        noted = ChainHead.read(self._directory / CHAIN_HEAD_FILE) or ChainHead()
        missing = max(0, noted.n - present.n)
        changed = noted.n == present.n and noted.digest != present.digest
        if broken or missing or changed:
            data: dict[str, Any] = {"torn_lines": [line_hash(raw) for raw in broken], "missing": missing}
            data |= {"half_bytes": sum(map(len, broken))}
            data |= {"expected": noted.digest} if missing or changed else {}
            line = format_line(present, at, self._position, RESUMED, data, skipped=missing)
            self._put([line], before=b"" if ended else b"\n", skipped=missing)
            self._is_checkpointed = False
        elif not ended:
            self._repair_line_end()
        return self._head

    def _find_last_line(self) -> tuple[AuditLine | None, list[bytes], bool]:
        """Return the last complete line, torn lines after it, and whether the file ends with a line end."""
        broken: list[bytes] = []
        ended, self._first = self._newest_file_start()
        for file in reversed(audit_files(self._directory)):
            for raw in read_backwards(file):
                if (line := parse_line(raw)) is not None:
                    return line, broken, ended
                broken.insert(0, raw)
        return None, broken, ended

    def _newest_file_start(self) -> tuple[bool, int]:
        """Return whether the newest file ends with a line end, and the number of its first line; 0: none."""
        try:
            with self._newest.open("rb") as file:
                first = next((line for raw in file if (line := parse_line(raw.rstrip(b"\n")))), None)
                size = file.seek(0, os.SEEK_END)
                ended = not size or os.pread(file.fileno(), 1, size - 1) == b"\n"
        except FileNotFoundError:
            return True, 0
        return ended, first.n if first is not None else 0

    def _repair_line_end(self) -> None:
        """Add the line end that a power cut has taken from the last line."""
        with self._newest.open("ab") as file:
            file.write(b"\n")
            file.flush()
            os.fdatasync(file.fileno())

    def _sync_folder(self) -> None:
        fd = os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)


def _write_all(fd: int, batch: bytes) -> None:
    left = memoryview(batch)
    while left:
        left = left[os.write(fd, left) :]


def _line_range(file: Path) -> tuple[AuditLine, AuditLine] | None:
    """Return first and last line of a closed file; None if they cannot be read."""
    found = [line for row in read_lines(file) if (line := parse_line(row.raw))]
    return (found[0], found[-1]) if found else None
