"""Where the audit of a post lies: in the gateway's `state_dir`, an AuditEntry a line, the oldest first."""

AUDIT_FILE = "audit.jsonl"
"""The newest lines; those before are in `audit.jsonl.1`, and so on."""
AUDIT_FILES = 4
"""So many files in all."""
