"""Classification of tampering, from the first line that does not follow the one before it."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

from gateway.audit.hash_chain import GENESIS, AuditLine, RawLine, line_hash, parse_line

TamperKind = Literal["changed", "removed", "inserted", "reordered", "cut_off", "forged"]


@dataclass(frozen=True, slots=True)
class TamperFinding:
    """The first line that is not as it was written."""

    file: Path
    number: int
    """Line number in that file, from 1."""
    kind: TamperKind
    text: str


class TamperClassifier:
    """Compares an invalid line with all lines before and after it; only this needs all lines in memory."""

    def __init__(self, lines: list[RawLine], newest: Path) -> None:
        """Create it; `newest` is the file named if there is no line at all."""
        self._rows = lines
        self._newest = newest

    @cached_property
    def _links(self) -> list[tuple[int, str] | None]:
        """Number and `prev` of every line."""
        lines = (parse_line(row.raw) for row in self._rows)
        return [(line.n, line.prev) if line is not None else None for line in lines]

    def finding(self, index: int, kind: TamperKind, text: str) -> TamperFinding:
        """Return a finding at a line."""
        if not self._rows:
            return TamperFinding(self._newest, 1, kind, text)
        row = self._rows[max(index, 0)]
        return TamperFinding(row.file, row.number, kind, text)

    def classify_first(self, index: int, line: AuditLine) -> TamperFinding:
        """Classify a line that cannot be the first of the audit."""
        later = self._find(index, GENESIS, 1)
        if later is not None:
            return self._out_of_place(index, line, later)
        if line.n == 1:
            return self.finding(index, "changed", "it claims to be the first line, but has a predecessor")
        if line.prev == GENESIS:
            return self.finding(index, "changed", "it is the first line of a chain, but has another number")
        text = f"lines 1 to {line.n - 1} before it are missing, and no record says that they were pruned"
        return self.finding(index, "removed", text)

    def classify_unlinked(self, index: int, line: AuditLine, last: AuditLine) -> TamperFinding:
        """Classify a line that does not follow the one before it."""
        if line.prev == last.digest:
            return self.finding(index, "changed", f"its number is {line.n}; {last.n + 1} is expected")
        later = self._find(index, last.digest, None)
        if later is not None:
            return self._out_of_place(index, line, later)
        if line.n > last.n + 1:
            if self._find(index, None, last.n + 1) is not None:
                return self.finding(index, "reordered", f"line {last.n + 1} belongs here and is found later")
            text = f"lines {last.n + 1} to {line.n - 1} before it are missing"
            return self.finding(index, "removed", text)
        if line.n <= last.n:
            text = f"number {line.n} was used before"
            return self._find_copy(index, line) or self.finding(index, "inserted", text)
        follower = self._links[index + 1] if index + 1 < len(self._rows) else None
        if follower is not None and follower[1] != line.digest:
            return self.finding(index, "changed", "it fits neither the line before nor the line after")
        return self.finding(index - 1, "changed", "the line after it has another hash for it")

    def classify_malformed(self, index: int, last: AuditLine | None) -> TamperFinding:
        """Classify a malformed line: inserted, or a valid line that was corrupted."""
        after = next((link for link in self._links[index:] if link is not None), None)
        if after == ((last.n + 1, last.digest) if last is not None else (1, GENESIS)):
            return self.finding(index, "inserted", "this is not a line of the audit")
        return self.finding(index, "changed", "this line of the audit was corrupted")

    def _out_of_place(self, index: int, line: AuditLine, later: int) -> TamperFinding:
        """Classify a line in the place of another one, which comes later."""
        if (copy := self._find_copy(index, line)) is not None:
            return copy
        if line.prev in {line_hash(row.raw) for row in self._rows[index + 1 :]}:
            belongs = self._links[later]
            n = belongs[0] if belongs is not None else line.n
            return self.finding(index, "reordered", f"line {n} belongs here and is found later")
        return self.finding(index, "inserted", "the line after it follows the one before it")

    def _find_copy(self, index: int, line: AuditLine) -> TamperFinding | None:
        if any(row.raw == line.raw for row in self._rows[:index]):
            return self.finding(index, "inserted", f"it is a copy of line {line.n}")
        return None

    def _find(self, after: int, prev: str | None, n: int | None) -> int | None:
        """Return the index after `after` of a line with this `prev` or number."""
        for at in range(after + 1, len(self._rows)):
            link = self._links[at]
            if link is not None and n in (None, link[0]) and prev in (None, link[1]):
                return at
        return None
