"""The audit's chain: every line carries the SHA-256 of the line before it, and some lines are signed.

A line is a JSON object: `n` counts up by one, `prev` is the hash of the whole line before, without its line
end; 64 zeros before the first. `audit.checkpoint` has a detached JWS over itself as it would stand without
its last member, so who holds the public key can tell that all up to there is as it was written.

What a power cut leaves of a line stays where it is: the next line is an `audit.resumed`, which has the hashes
of such halves, and the number of lines that were written and are not there.
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
"""Makes a detached JWS of some bytes."""


@dataclass(frozen=True, slots=True)
class AuditLine:
    """One line that is whole."""

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
        """What the next line has as its `prev`."""
        return line_hash(self.raw)


@dataclass(frozen=True, slots=True)
class RawLine:
    """One line as it stands in a file, whatever it is."""

    file: Path
    number: int
    raw: bytes
    is_terminated: bool
    """Whether a line end follows."""


@dataclass(frozen=True, slots=True)
class ChainHead:
    """Number and hash of the line that was written last. Not in the chain: a note beside it."""

    n: int = 0
    digest: str = GENESIS

    def text(self) -> bytes:
        """As it is noted down; always of one length."""
        return f"{self.n:020d} {self.digest}\n".encode()

    @classmethod
    def read(cls, file: Path) -> "ChainHead | None":
        """Read the note; None where there is none, or none that makes sense."""
        try:
            n, hexed = file.read_text("ascii").split()
        except (OSError, ValueError):
            return None
        return cls(int(n), hexed) if re.fullmatch(r"[0-9]{20}", n) and _HASH.fullmatch(hexed) else None


def line_hash(raw: bytes) -> str:
    """The hash of a line, without its line end."""
    return sha256(raw).hexdigest()


def parse_line(raw: bytes) -> AuditLine | None:
    """Read a line; None when it is not whole, or not as we write lines: each has one spelling."""
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
    """Write the line that follows `head`, without its line end; `skipped` numbers are passed over."""
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
    """What the signature of a checkpoint is over, and the signature; empty where there is none."""
    body, found, rest = raw.rpartition(_SIGNATURE_FIELD)
    if not found or not rest.endswith(b'"}'):
        return raw, ""
    return body + b"}", rest[:-2].decode("ascii", "replace")


def read_lines(file: Path) -> Iterator[RawLine]:
    """Every line of a file, broken ones too; raises OSError."""
    yield from split_lines(file, file.read_bytes())


def split_lines(file: Path, content: bytes) -> Iterator[RawLine]:
    """Every line of what stands in a file."""
    *lines, rest = content.split(b"\n")
    for number, raw in enumerate(lines, 1):
        yield RawLine(file, number, raw, is_terminated=True)
    if rest:
        yield RawLine(file, len(lines) + 1, rest, is_terminated=False)


def read_backwards(file: Path) -> Iterator[bytes]:
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


AUDIT_FILE = "audit.jsonl"
"""The newest lines; those before are in `audit-000000000001.jsonl`, by their first line's number."""
CHAIN_HEAD_FILE = "audit.head"
"""Number and hash of the line written last."""


def closed_file_path(folder: Path, first: int) -> Path:
    """What a full file is called, by the number of its first line."""
    return folder / f"audit-{first:012d}.jsonl"


def audit_files(folder: Path) -> list[Path]:
    """All files of an audit, the oldest first; raises OSError."""
    newest = folder / AUDIT_FILE
    return [*sorted(folder.glob("audit-*.jsonl")), *([newest] if newest.exists() else [])]
