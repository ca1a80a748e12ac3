"""Where the audit of a post lies: in the gateway's `state_dir`, an AuditEntry a line, the oldest first."""

from pathlib import Path

AUDIT_FILE = "audit.jsonl"
"""The newest lines; those before are in `audit-000000000001.jsonl`, by their first line's number."""
HEAD_FILE = "audit.head"
"""Number and hash of the line written last."""


def closed_file(folder: Path, first: int) -> Path:
    """What a full file is called, by the number of its first line."""
    return folder / f"audit-{first:012d}.jsonl"


def audit_files(folder: Path) -> list[Path]:
    """All files of an audit, the oldest first; raises OSError."""
    newest = folder / AUDIT_FILE
    return [*sorted(folder.glob("audit-*.jsonl")), *([newest] if newest.exists() else [])]
