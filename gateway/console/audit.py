"""The audit as the daemon wrote it down: read from its files, the newest first."""

from collections.abc import Iterator
from pathlib import Path

from pydantic import ValidationError

from gateway.local.audit_files import audit_files
from gateway.local.records import AuditEntry
from gateway.records.chain import CHECKPOINT

_BLOCK = 64 * 1024


def newest(state_dir: Path, limit: int) -> list[AuditEntry]:
    """The last entries, at most so many; a line that a power cut left half is passed over."""
    found: list[AuditEntry] = []
    for file in reversed(audit_files(state_dir)):
        for line in _backwards(file):
            try:
                entry = AuditEntry.model_validate_json(line, extra="ignore")
            except ValidationError:
                continue
            if entry.type == CHECKPOINT:  # says nothing to a person
                continue
            found.append(entry)
            if len(found) == limit:
                return found
    return found


def _backwards(file: Path) -> Iterator[bytes]:
    """The lines of a file, the last one first; none where there is no such file."""
    try:
        with file.open("rb") as lines:
            at = lines.seek(0, 2)
            rest = b""
            while at > 0:
                size = min(_BLOCK, at)
                at -= size
                lines.seek(at)
                first, *whole = (lines.read(size) + rest).split(b"\n")
                yield from filter(None, reversed(whole))
                rest = first
            if rest:
                yield rest
    except FileNotFoundError:
        return
