"""Audit records from the daemon's files, the newest first."""

from pathlib import Path

from pydantic import ValidationError

from gateway.api.models import AuditEntry
from gateway.audit.hash_chain import CHECKPOINT, audit_files, read_backwards


def newest(state_dir: Path, limit: int) -> list[AuditEntry]:
    """Return the newest records, at most `limit`; a line cut off by a power failure is skipped."""
    found: list[AuditEntry] = []
    for file in reversed(audit_files(state_dir)):
        for line in read_backwards(file):
            try:
                entry = AuditEntry.model_validate_json(line, extra="ignore")
            except ValidationError:
                continue
            if entry.type == CHECKPOINT:  # not informative for a person
                continue
            found.append(entry)
            if len(found) == limit:
                return found
    return found
