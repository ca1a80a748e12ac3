"""Verification of an audit: the first invalid line, and the lines covered by signatures."""

import contextlib
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from gateway.audit.hash_chain import (
    AUDIT_FILE,
    CHAIN_HEAD_FILE,
    CHECKPOINT,
    GENESIS,
    PRUNED,
    RESUMED,
    AuditLine,
    ChainHead,
    RawLine,
    audit_files,
    line_hash,
    parse_line,
    read_lines,
    signed_part,
    split_lines,
)
from gateway.audit.tampering import TamperClassifier, TamperFinding
from gateway.pki.jws import InvalidSignatureError, UnknownSignerError, Verifier

READ_ATTEMPTS = 5


@dataclass(slots=True)
class VerificationResult:
    """Result of a verification."""

    lines: int = 0
    files: int = 0
    first: AuditLine | None = None
    last: AuditLine | None = None
    checkpoints: int = 0
    """Checkpoints with a valid signature."""
    unknown_keys: set[str] = field(default_factory=set)
    """Names of keys that signed checkpoints but were not given."""
    last_verified: AuditLine | None = None
    """Last checkpoint with a valid signature."""
    first_unverified: AuditLine | None = None
    """First line not covered by a checkpoint."""
    torn_lines: int = 0
    """Number of lines torn by power cuts."""
    torn_at_end: bool = False
    pruned: int = 0
    """Number of lines before the first that the gateway pruned, on record."""
    tampering: TamperFinding | None = None


def verify(
    folder: Path, verifier: Verifier | None = None, expected: Iterable[ChainHead] = ()
) -> VerificationResult:
    """Verify every line of the audit in a state directory; raises OSError.

    `expected` are lines known from other sources, such as `audit.checkpoint` events.

    Without `verifier` signatures are not verified: the result then proves only that the lines fit each other.
    """
    noted, files, found = _read(folder)
    walk = _ChainWalk(
        found, folder / AUDIT_FILE, verifier, [*expected, *([noted] if noted is not None else ())]
    )
    walk.verdict.files = len(files)
    walk.verdict.tampering = walk.run() or walk.check_end()
    return walk.verdict


def _read(folder: Path) -> tuple[ChainHead | None, list[Path], list[RawLine]]:
    """Read the chain head and all lines; a gateway may write, close and prune files meanwhile."""
    for _ in range(READ_ATTEMPTS - 1):
        with contextlib.suppress(FileNotFoundError):
            return _read_once(folder)
    return _read_once(folder)


def _read_once(folder: Path) -> tuple[ChainHead | None, list[Path], list[RawLine]]:
    """Read all files once; raises FileNotFoundError when one of them is removed meanwhile."""
    noted, newest = ChainHead.read(folder / CHAIN_HEAD_FILE), folder / AUDIT_FILE
    with contextlib.ExitStack() as stack:
        # An open file stays the same file, even if it is renamed.
        open_ones = [stack.enter_context(newest.open("rb"))] if newest.exists() else []
        closed = [file for file in audit_files(folder) if file != newest]
        for file in open_ones:
            there = os.fstat(file.fileno())
            same = [os.path.samestat(each.stat(), there) for each in closed]
            closed = closed[: same.index(True)] if True in same else closed  # it was renamed meanwhile
        found = [row for file in closed for row in read_lines(file)]
        for file in open_ones:
            found += split_lines(newest, file.read())
    return noted, [*closed, *([newest] if open_ones else [])], found


class _ChainWalk:
    """Walk over the lines; at most two parsed lines are in memory, beside the raw bytes."""

    def __init__(
        self, lines: list[RawLine], newest: Path, verifier: Verifier | None, known_heads: Iterable[ChainHead]
    ) -> None:
        self.verdict = VerificationResult()
        self._rows = lines
        self._classifier = TamperClassifier(lines, newest)
        self._verifier = verifier
        self._known_heads: dict[int, set[str]] = {}
        for head in known_heads:
            self._known_heads.setdefault(head.n, set()).add(head.digest)
        self._torn_lines: list[int] = []
        self._pruned_by = 0
        """Number of the line that records the pruning of lines before the first."""

    def run(self) -> TamperFinding | None:
        """Walk to the end, or to the first invalid line."""
        verdict, last = self.verdict, None
        for index, row in enumerate(self._rows):
            line = parse_line(row.raw)
            if line is None:
                self._torn_lines.append(index)
                continue
            if not row.is_terminated and index + 1 < len(self._rows):
                return self._classifier.finding(index, "changed", "its line end is missing")
            wrong = self._check_line(index, line, last) or self._contradicts_known(index, line, row)
            if wrong is not None:
                return wrong
            verdict.lines += 1
            verdict.first = verdict.first or line
            verdict.last = last = line
            verdict.first_unverified = verdict.first_unverified or line
            if line.type == CHECKPOINT and (wrong := self._checkpoint(index, line)) is not None:
                return wrong
        return None

    def check_end(self) -> TamperFinding | None:
        """Return a finding on the chain as a whole, after all lines were valid."""
        verdict, naming = self.verdict, self._classifier
        n = verdict.last.n if verdict.last is not None else 0
        if self._torn_lines:
            if len(self._torn_lines) > 1 or self._rows[self._torn_lines[0]].is_terminated:
                return naming.finding(self._torn_lines[0], "changed", "this is not a line of the audit")
            verdict.torn_at_end = True  # the next line, which records it, is not written yet
        if (most := max(self._known_heads, default=0)) > n:
            text = f"lines {n + 1} to {most} were written and are missing at the end"
            return naming.finding(len(self._rows) - 1, "cut_off", text)
        unsigned = verdict.last_verified is None or verdict.last_verified.n < self._pruned_by
        if self._verifier is not None and self._pruned_by and unsigned:
            text = f"lines 1 to {verdict.pruned} are missing, and no signature confirms that they were pruned"
            return naming.finding(0, "removed", text)
        return None

    def _check_line(self, index: int, line: AuditLine, last: AuditLine | None) -> TamperFinding | None:
        """Return a finding on a line in its place, or None."""
        missing = 0
        torn, self._torn_lines = self._torn_lines, []
        if line.type == RESUMED:
            found = line.data.get("missing")
            missing = found if type(found) is int else 0
            if line.data.get("torn_lines") == [line_hash(self._rows[half].raw) for half in torn]:
                self.verdict.torn_lines += len(torn)
                torn = []
        if torn:
            return self._classifier.classify_malformed(torn[0], last)
        if last is None:
            wrong = self._is_valid_start(index, line)
        elif line.prev == last.digest and line.n == last.n + 1 + missing:
            wrong = None
        else:
            wrong = self._classifier.classify_unlinked(index, line, last)
        if wrong is None and line.type == RESUMED and "expected" in line.data:
            n = last.n if last is not None else 0
            if missing:
                text = f"lines {n + 1} to {n + missing} were missing when the gateway started"
                return self._classifier.finding(index, "removed", text)
            return self._classifier.finding(
                index - 1, "changed", "it was changed while the gateway was not running"
            )
        return wrong

    def _is_valid_start(self, index: int, line: AuditLine) -> TamperFinding | None:
        """Check that the chain begins here, or that earlier lines were pruned on record."""
        if line.n == 1 and line.prev == GENESIS:
            return None
        for row in self._rows:
            pruning = parse_line(row.raw) if PRUNED.encode() in row.raw else None
            if pruning is None or pruning.type != PRUNED:
                continue
            if pruning.data.get("last") == line.n - 1 and pruning.data.get("sha256") == line.prev:
                self.verdict.pruned, self._pruned_by = line.n - 1, pruning.n
                return None
        return self._classifier.classify_first(index, line)

    def _contradicts_known(self, index: int, line: AuditLine, row: RawLine) -> TamperFinding | None:
        """Check a line against the known hash of its number, such as the chain head."""
        known = self._known_heads.get(line.n)
        if known is None or (row.is_terminated and known == {line.digest}):
            return None
        return self._classifier.finding(index, "changed", "it is not the line known by this number")

    def _checkpoint(self, index: int, line: AuditLine) -> TamperFinding | None:
        """Verify the signature of a checkpoint."""
        try:
            body, jws = signed_part(line.raw)
            if self._verifier is None:
                return None
            self._verifier.check(body, jws)
        except InvalidSignatureError as error:
            return self._classifier.finding(
                index, "forged", f"the signature of this checkpoint is invalid: {error}"
            )
        except UnknownSignerError as error:
            self.verdict.unknown_keys.add(error.kid)
            return None
        self.verdict.checkpoints += 1
        self.verdict.last_verified, self.verdict.first_unverified = line, None
        return None
