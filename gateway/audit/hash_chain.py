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
CHECKPOINT, RESUMED, REMOVED, LOST = "audit.checkpoint", "audit.resumed", "audit.removed", "audit.lost"
STARTED, STOPPED = "gateway.started", "gateway.stopped"
_HASH = re.compile(r"[0-9a-f]{64}")
_MOMENT = re.compile(r"(19[7-9]|2\d\d)\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", re.ASCII)
_BLOCK = 64 * 1024
_SEAL = b',"jws":"'

Sign = Callable[[bytes], str]
"""Makes a detached JWS of some bytes."""


@dataclass(frozen=True, slots=True)
class Line:
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
        return digest(self.raw)


@dataclass(frozen=True, slots=True)
class Row:
    """One line as it stands in a file, whatever it is."""

    file: Path
    number: int
    raw: bytes
    ended: bool
    """Whether a line end follows."""


@dataclass(frozen=True, slots=True)
class Head:
    """Number and hash of the line that was written last. Not in the chain: a note beside it."""

    n: int = 0
    digest: str = GENESIS

    def text(self) -> bytes:
        """As it is noted down; always of one length."""
        return f"{self.n:020d} {self.digest}\n".encode()

    @classmethod
    def read(cls, file: Path) -> "Head | None":
        """Read the note; None where there is none, or none that makes sense."""
        try:
            n, hexed = file.read_text("ascii").split()
        except (OSError, ValueError):
            return None
        return cls(int(n), hexed) if re.fullmatch(r"[0-9]{20}", n) and _HASH.fullmatch(hexed) else None


def digest(raw: bytes) -> str:
    """The hash of a line, without its line end."""
    return sha256(raw).hexdigest()


def parse(raw: bytes) -> Line | None:
    """Read a line; None when it is not whole, or not as we write lines: each has one spelling."""
    try:
        found = json.loads(raw)
        if not isinstance(found, dict) or _spelled(found) != raw:
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
    if not _is_moment(at):
        return None
    return Line(n, prev, at, position, kind, transaction, data, raw)


def written(
    head: Head,
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
    raw = _spelled(entry | {"data": data})
    return raw if sign is None else raw[:-1] + _SEAL + sign(raw).encode() + b'"}'


def _is_moment(text: str) -> bool:
    try:
        return _MOMENT.fullmatch(text) is not None and datetime.fromisoformat(text) is not None
    except ValueError:
        return False


def _spelled(entry: dict[str, Any]) -> bytes:
    return json.dumps(entry, ensure_ascii=False, separators=(",", ":")).encode()


def seal_of(raw: bytes) -> tuple[bytes, str]:
    """What the signature of a checkpoint is over, and the signature; empty where there is none."""
    body, found, rest = raw.rpartition(_SEAL)
    if not found or not rest.endswith(b'"}'):
        return raw, ""
    return body + b"}", rest[:-2].decode("ascii", "replace")


def rows(file: Path) -> Iterator[Row]:
    """Every line of a file, broken ones too; raises OSError."""
    yield from split(file, file.read_bytes())


def split(file: Path, content: bytes) -> Iterator[Row]:
    """Every line of what stands in a file."""
    *lines, rest = content.split(b"\n")
    for number, raw in enumerate(lines, 1):
        yield Row(file, number, raw, ended=True)
    if rest:
        yield Row(file, len(lines) + 1, rest, ended=False)


def backwards(file: Path) -> Iterator[bytes]:
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
HEAD_FILE = "audit.head"
"""Number and hash of the line written last."""


def closed_file(folder: Path, first: int) -> Path:
    """What a full file is called, by the number of its first line."""
    return folder / f"audit-{first:012d}.jsonl"


def audit_files(folder: Path) -> list[Path]:
    """All files of an audit, the oldest first; raises OSError."""
    newest = folder / AUDIT_FILE
    return [*sorted(folder.glob("audit-*.jsonl")), *([newest] if newest.exists() else [])]
