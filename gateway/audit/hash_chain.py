"""Hash chain of the audit: every line carries the SHA-256 of the line before it, and some lines are signed.

A line is a JSON object: `n` counts up by one, `prev` is the hash of the whole line before, without its line
end; 64 zeros before the first. `audit.checkpoint` has a detached JWS over the line without its last member,
so a holder of the public key can verify that all lines up to it are unchanged.

A torn line, left by a power cut, stays in the file: the next line is an `audit.resumed`, which has the hashes
of torn lines, and the number of lines that were written and are missing.
"""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

GENESIS = "0" * 64
CHECKPOINT, RESUMED, PRUNED, LINES_DROPPED = (
    "audit.checkpoint",
    "audit.resumed",
    "audit.pruned",
    "audit.lines_dropped",
)
STARTED, STOPPED = "gateway.started", "gateway.stopped"
_HASH = re.compile(r"[0-9a-f]{64}")
_MOMENT = re.compile(r"(19[7-9]|2\d\d)\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", re.ASCII)
_BLOCK = 64 * 1024
_SIGNATURE_FIELD = b',"jws":"'

Sign = Callable[[bytes], str]
"""Function that makes a detached JWS of bytes."""


@dataclass(frozen=True, slots=True)
class AuditLine:
    """One complete line."""

    n: int
    prev: str
    at: str
    position: str
    type: str
    transaction: str
    data: dict[str, Any]
    raw: bytes

    @property
    def digest(self) -> str:
        """Hash of the line, the `prev` of the next one."""
        return line_hash(self.raw)


@dataclass(frozen=True, slots=True)
class RawLine:
    """One line of a file, complete or not."""

    file: Path
    number: int
    raw: bytes
    is_terminated: bool
    """True if a line end follows."""


@dataclass(frozen=True, slots=True)
class ChainHead:
    """Number and hash of the last line written. Not in the chain, but in a file beside it."""

    n: int = 0
    digest: str = GENESIS

    def text(self) -> bytes:
        """Content of the file; its length is constant."""
        return f"{self.n:020d} {self.digest}\n".encode()

    @classmethod
    def read(cls, file: Path) -> "ChainHead | None":
        """Read the file; None if it is missing or invalid."""
        try:
            n, hexed = file.read_text("ascii").split()
        except (OSError, ValueError):
            return None
        return cls(int(n), hexed) if re.fullmatch(r"[0-9]{20}", n) and _HASH.fullmatch(hexed) else None


def line_hash(raw: bytes) -> str:
    """Return the hash of a line, without its line end."""
    return sha256(raw).hexdigest()


def parse_line(raw: bytes) -> AuditLine | None:
    """Parse a line; None if it is incomplete or not in the one canonical form that we write."""
    try:
        found = json.loads(raw)
        if not isinstance(found, dict) or _canonical_json(found) != raw:
            return None
    except (ValueError, RecursionError):
        return None
    n, prev, data = found.get("n"), found.get("prev"), found.get("data")
    at, position, kind, transaction = words = [
        found.get(name, "") for name in ("at", "position", "type", "transaction")
    ]
    if not (type(n) is int and n > 0 and isinstance(prev, str) and _HASH.fullmatch(prev)):
        return None
    if not isinstance(data, dict) or not all(isinstance(word, str) for word in words):
        return None
    if not _is_timestamp(at):
        return None
    return AuditLine(n, prev, at, position, kind, transaction, data, raw)


def format_line(
    head: ChainHead,
    at: str,
    position: str,
    kind: str,
    data: dict[str, Any],
    *,
    transaction: str = "",
    skipped: int = 0,
    sign: Sign | None = None,
) -> bytes:
    """Return the line that follows `head`, without its line end; `skipped` numbers are left out."""
    entry = {"n": head.n + 1 + skipped, "prev": head.digest, "at": at, "position": position, "type": kind}
    if transaction:
        entry["transaction"] = transaction
    raw = _canonical_json(entry | {"data": data})
    return raw if sign is None else raw[:-1] + _SIGNATURE_FIELD + sign(raw).encode() + b'"}'


def _is_timestamp(text: str) -> bool:
    try:
        return _MOMENT.fullmatch(text) is not None and datetime.fromisoformat(text) is not None
    except ValueError:
        return False


def _canonical_json(entry: dict[str, Any]) -> bytes:
    return json.dumps(entry, ensure_ascii=False, separators=(",", ":")).encode()


def signed_part(raw: bytes) -> tuple[bytes, str]:
    """Return the signed bytes of a checkpoint and its signature; empty if it has none."""
    body, found, rest = raw.rpartition(_SIGNATURE_FIELD)
    if not found or not rest.endswith(b'"}'):
        return raw, ""
    return body + b"}", rest[:-2].decode("ascii", "replace")


def read_lines(file: Path) -> Iterator[RawLine]:
    """Return every line of a file, torn ones too; raises OSError."""
    yield from split_lines(file, file.read_bytes())


def split_lines(file: Path, content: bytes) -> Iterator[RawLine]:
    """Split the content of a file into lines."""
    *lines, rest = content.split(b"\n")
    for number, raw in enumerate(lines, 1):
        yield RawLine(file, number, raw, is_terminated=True)
    if rest:
        yield RawLine(file, len(lines) + 1, rest, is_terminated=False)


def read_backwards(file: Path) -> Iterator[bytes]:
    """Yield the lines of a file, the last one first; none if the file is missing."""
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


AUDIT_FILE = "audit.jsonl"
"""File of the newest lines.

Earlier ones are in `audit-000000000001.jsonl`, by the number of their first line.
"""
CHAIN_HEAD_FILE = "audit.head"
"""File with number and hash of the last line written."""


def closed_file_path(folder: Path, first: int) -> Path:
    """Return the path of a closed file, by the number of its first line."""
    return folder / f"audit-{first:012d}.jsonl"


def audit_files(folder: Path) -> list[Path]:
    """Return all files of an audit, oldest first; raises OSError."""
    newest = folder / AUDIT_FILE
    return [*sorted(folder.glob("audit-*.jsonl")), *([newest] if newest.exists() else [])]
