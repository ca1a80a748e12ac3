"""The audit as the daemon wrote it down: read from its files, the newest first."""

from pathlib import Path

from pydantic import ValidationError

from gateway.api.models import AuditEntry
from gateway.audit.hash_chain import CHECKPOINT, audit_files, read_backwards


def newest(state_dir: Path, limit: int) -> list[AuditEntry]:
    """The last entries, at most so many; a line that a power cut left half is passed over."""
    found: list[AuditEntry] = []
    for file in reversed(audit_files(state_dir)):
        for line in read_backwards(file):
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
