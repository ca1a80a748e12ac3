"""Whether an audit is as it was written: the first line that is wrong, how far signatures vouch for it."""

import contextlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from gateway.local.audit_files import HEAD_FILE, audit_files
from gateway.records.chain import (
    CHECKPOINT,
    GENESIS,
    REMOVED,
    RESUMED,
    Head,
    Line,
    Row,
    digest,
    parse,
    rows,
    seal_of,
)
from gateway.records.signing import UnknownSignerError, Verifier, WrongSignatureError

TRIES = 5
Kind = Literal["changed", "removed", "inserted", "reordered", "cut_off", "forged"]


@dataclass(frozen=True, slots=True)
class Wrong:
    """The first line that is not as it was written."""

    file: Path
    number: int
    """Which line of that file, from 1."""
    kind: Kind
    text: str


@dataclass(slots=True)
class Verdict:
    """What was found out about an audit."""

    lines: int = 0
    files: int = 0
    first: Line | None = None
    last: Line | None = None
    checkpoints: int = 0
    """Those whose signature was checked and is right."""
    strangers: set[str] = field(default_factory=set)
    """Names of keys that signed checkpoints and were not given."""
    proved: Line | None = None
    """The last checkpoint that is vouched for."""
    unproved: Line | None = None
    """The first line that no checkpoint vouches for."""
    halves: int = 0
    """Lines that a power cut left half."""
    half_at_end: bool = False
    let_go: int = 0
    """So many lines before the first were removed by the gateway, on record."""
    wrong: Wrong | None = None


def verify(folder: Path, verifier: Verifier | None = None, expected: Iterable[Head] = ()) -> Verdict:
    """Look at every line of the audit in a state folder; raises OSError.

    `expected` are lines that are known from elsewhere, such as from `audit.sealed` events.

    Without `verifier` signatures are not looked at: then it is proved only that the lines fit each other.
    """
    noted, files, found = _read(folder)
    walk = _Walk(found, verifier)
    walk.verdict.files = len(files)
    walk.go()
    for head in (*([noted] if noted is not None else ()), *expected):
        if walk.verdict.wrong is None:
            walk.compare(head)
    return walk.verdict


def _read(folder: Path) -> tuple[Head | None, list[Path], list[Row]]:
    """The note of the last line, and all lines; a gateway may be writing, and closing a file, meanwhile."""
    for _ in range(TRIES - 1):
        noted, files = Head.read(folder / HEAD_FILE), audit_files(folder)
        with contextlib.suppress(FileNotFoundError):
            found = [row for file in files for row in rows(file)]
            if audit_files(folder) == files:
                return noted, files, found
    noted, files = Head.read(folder / HEAD_FILE), audit_files(folder)
    return noted, files, [row for file in files for row in rows(file)]


class _Walk:
    """From line to line."""

    def __init__(self, found: list[Row], verifier: Verifier | None) -> None:
        self.verdict = Verdict()
        self._rows = found
        self._verifier = verifier
        self._lines = [parse(row.raw) for row in found]
        self._at: dict[int, int] = {}
        """Where the line of a number stands, once it was found in its place."""

    def go(self) -> None:
        """Walk to the end, or to the first line that is wrong."""
        verdict, last = self.verdict, None
        halves: list[int] = []
        for index, line in enumerate(self._lines):
            if line is None:
                halves.append(index)
                continue
            if not self._rows[index].ended and index + 1 < len(self._rows):
                verdict.wrong = self._say(index, "changed", "its line end is gone")
                return
            if (wrong := self._wrong(index, line, last, halves)) is not None:
                verdict.wrong = wrong
                return
            verdict.halves += len(halves)
            halves = []
            verdict.lines += 1
            verdict.first = verdict.first or line
            verdict.last = last = line
            self._at[line.n] = index
            verdict.unproved = verdict.unproved or line
            if line.type == CHECKPOINT and (wrong := self._checkpoint(index, line)) is not None:
                verdict.wrong = wrong
                return
        if not halves:
            return
        if len(halves) == 1 and not self._rows[halves[0]].ended:
            verdict.half_at_end = True  # the next line, which tells of it, is not written yet
        else:
            verdict.wrong = self._say(halves[0], "changed", "this is no line of the audit")

    def compare(self, noted: Head) -> None:
        """Compare with what is known of a line from elsewhere, such as from the note of the last one."""
        verdict, last = self.verdict, self.verdict.last
        n = last.n if last is not None else 0
        if noted.n > n:
            at = len(self._rows) - 1
            text = f"lines {n + 1} to {noted.n} were written and are gone from the end"
            verdict.wrong = self._say(at, "cut_off", text)
        elif noted.n in self._at:
            at = self._at[noted.n]
            if digest(self._rows[at].raw) != noted.digest or not self._rows[at].ended:
                verdict.wrong = self._say(at, "changed", "it is not the line that is known by this number")

    def _wrong(self, index: int, line: Line, last: Line | None, halves: list[int]) -> Wrong | None:
        """What is wrong with a line in its place, if anything is."""
        missing = 0
        if line.type == RESUMED:
            found = line.data.get("missing")
            missing = found if type(found) is int else 0
            told = line.data.get("halves")
            if told == [digest(self._rows[half].raw) for half in halves]:
                halves = []
        if halves:
            return self._broken(halves[0], last)
        if last is None:
            wrong = self._beginning(index, line)
        elif line.prev == last.digest and line.n == last.n + 1 + missing:
            wrong = None
        else:
            wrong = self._unlinked(index, line, last)
        if wrong is None and line.type == RESUMED and "expected" in line.data:
            n = last.n if last is not None else 0
            if missing:
                text = f"lines {n + 1} to {n + missing} were written and were gone when the gateway started"
                return self._say(index, "removed", text)
            return self._say(index - 1, "changed", "it was changed while the gateway did not run")
        return wrong

    def _beginning(self, index: int, line: Line) -> Wrong | None:
        """Whether the chain begins here, or what was before was let go on record."""
        if line.n == 1 and line.prev == GENESIS:
            return None
        if any(
            other is not None
            and other.type == REMOVED
            and other.data.get("last") == line.n - 1
            and other.data.get("sha256") == line.prev
            for other in self._lines
        ):
            self.verdict.let_go = line.n - 1
            return None
        later = self._find(index, GENESIS, 1)
        if later is not None:
            return self._out_of_place(index, line, later)
        if line.n == 1:
            return self._say(index, "changed", "it says that it is the first, and that another is before it")
        if line.prev == GENESIS:
            return self._say(index, "changed", "it is the first of a chain, and has another number")
        text = f"lines 1 to {line.n - 1} are gone from before it, and nothing says that they were let go"
        return self._say(index, "removed", text)

    def _unlinked(self, index: int, line: Line, last: Line) -> Wrong:
        """Why a line does not follow the one before it."""
        if line.prev == last.digest:
            return self._say(index, "changed", f"its number is {line.n} where {last.n + 1} follows")
        later = self._find(index, last.digest, None)
        if later is not None:
            return self._out_of_place(index, line, later)
        if line.n > last.n + 1:
            number = self._number(last.n + 1, index)
            if number is not None:
                return self._say(index, "reordered", f"line {last.n + 1} belongs here and stands behind it")
            text = f"lines {last.n + 1} to {line.n - 1} are gone from before it"
            return self._say(index, "removed", text)
        if line.n <= last.n:
            copied = line.n in self._at and self._rows[self._at[line.n]].raw == line.raw
            text = f"it is a copy of line {line.n}" if copied else f"number {line.n} was given before"
            return self._say(index, "inserted", text)
        follower = self._lines[index + 1] if index + 1 < len(self._lines) else None
        if follower is not None and follower.prev != line.digest:
            return self._say(index, "changed", "neither the line before nor the one behind knows it")
        return self._say(index - 1, "changed", "the line behind it has another hash of it")

    def _out_of_place(self, index: int, line: Line, later: int) -> Wrong:
        """A line stands where another one belongs, which comes later."""
        elsewhere = {digest(self._rows[at].raw) for at in range(index + 1, len(self._rows))}
        if line.n in self._at and self._rows[self._at[line.n]].raw == line.raw:
            return self._say(index, "inserted", f"it is a copy of line {line.n}")
        if line.prev in elsewhere:
            belongs = self._lines[later]
            n = belongs.n if belongs is not None else line.n
            return self._say(index, "reordered", f"line {n} belongs here and stands behind it")
        return self._say(index, "inserted", "the line behind it follows the one before it")

    def _broken(self, index: int, last: Line | None) -> Wrong:
        """What is no line at all was put in, or made of one."""
        after = next((line for line in self._lines[index:] if line is not None), None)
        prev, n = (last.digest, last.n + 1) if last is not None else (GENESIS, 1)
        if after is not None and after.prev == prev and after.n == n:
            return self._say(index, "inserted", "this is no line of the audit")
        return self._say(index, "changed", "this is no line of the audit any more")

    def _checkpoint(self, index: int, line: Line) -> Wrong | None:
        """Whether a checkpoint is signed, and by whom."""
        try:
            body, jws = seal_of(line.raw)
            if self._verifier is None:
                return None
            self._verifier.check(body, jws)
        except WrongSignatureError as error:
            return self._say(index, "forged", f"the signature of this checkpoint is wrong: {error}")
        except UnknownSignerError as error:
            self.verdict.strangers.add(error.kid)
            return None
        self.verdict.checkpoints += 1
        self.verdict.proved, self.verdict.unproved = line, None
        return None

    def _find(self, after: int, prev: str, n: int | None) -> int | None:
        """Where a line that follows `prev` stands behind an index."""
        for at in range(after + 1, len(self._lines)):
            line = self._lines[at]
            if line is not None and line.prev == prev and n in (None, line.n):
                return at
        return None

    def _number(self, n: int, after: int) -> int | None:
        for at in range(after + 1, len(self._lines)):
            line = self._lines[at]
            if line is not None and line.n == n:
                return at
        return None

    def _say(self, index: int, kind: Kind, text: str) -> Wrong:
        if not self._rows:
            return Wrong(Path(), 0, kind, text)
        row = self._rows[max(index, 0)]
        return Wrong(row.file, row.number, kind, text)
