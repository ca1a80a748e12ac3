"""Whether an audit is as it was written: the first line that is wrong, how far signatures vouch for it."""

import contextlib
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from gateway.audit.hash_chain import (
    AUDIT_FILE,
    CHECKPOINT,
    GENESIS,
    HEAD_FILE,
    REMOVED,
    RESUMED,
    Head,
    Line,
    Row,
    audit_files,
    digest,
    parse,
    rows,
    seal_of,
    split,
)
from gateway.audit.tampering import Naming, Wrong
from gateway.pki.jws import UnknownSignerError, Verifier, WrongSignatureError

TRIES = 5


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
    walk = _Walk(found, folder / AUDIT_FILE, verifier, [*expected, *([noted] if noted is not None else ())])
    walk.verdict.files = len(files)
    walk.verdict.wrong = walk.go() or walk.end()
    return walk.verdict


def _read(folder: Path) -> tuple[Head | None, list[Path], list[Row]]:
    """The note of the last line, and all lines; a gateway may write, close and remove files meanwhile."""
    for _ in range(TRIES - 1):
        with contextlib.suppress(FileNotFoundError):
            return _seen(folder)
    return _seen(folder)


def _seen(folder: Path) -> tuple[Head | None, list[Path], list[Row]]:
    """One look at all files; raises FileNotFoundError when one of them goes meanwhile."""
    noted, newest = Head.read(folder / HEAD_FILE), folder / AUDIT_FILE
    with contextlib.ExitStack() as stack:
        # Once it is open it stays the same file, whatever it is called by then.
        open_ones = [stack.enter_context(newest.open("rb"))] if newest.exists() else []
        closed = [file for file in audit_files(folder) if file != newest]
        for file in open_ones:
            there = os.fstat(file.fileno())
            same = [os.path.samestat(each.stat(), there) for each in closed]
            closed = closed[: same.index(True)] if True in same else closed  # it was closed meanwhile
        found = [row for file in closed for row in rows(file)]
        for file in open_ones:
            found += split(newest, file.read())
    return noted, [*closed, *([newest] if open_ones else [])], found


class _Walk:
    """From line to line; no more than two of them are held in memory, beside their bytes."""

    def __init__(
        self, found: list[Row], newest: Path, verifier: Verifier | None, known: Iterable[Head]
    ) -> None:
        self.verdict = Verdict()
        self._rows = found
        self._naming = Naming(found, newest)
        self._verifier = verifier
        self._known: dict[int, set[str]] = {}
        for head in known:
            self._known.setdefault(head.n, set()).add(head.digest)
        self._halves: list[int] = []
        self._let_go_by = 0
        """Number of the line that says that what was before the first was let go."""

    def go(self) -> Wrong | None:
        """Walk to the end, or to the first line that is wrong."""
        verdict, last = self.verdict, None
        for index, row in enumerate(self._rows):
            line = parse(row.raw)
            if line is None:
                self._halves.append(index)
                continue
            if not row.ended and index + 1 < len(self._rows):
                return self._naming.say(index, "changed", "its line end is gone")
            wrong = self._wrong(index, line, last) or self._unlike(index, line, row)
            if wrong is not None:
                return wrong
            verdict.lines += 1
            verdict.first = verdict.first or line
            verdict.last = last = line
            verdict.unproved = verdict.unproved or line
            if line.type == CHECKPOINT and (wrong := self._checkpoint(index, line)) is not None:
                return wrong
        return None

    def end(self) -> Wrong | None:
        """What is wrong with the whole, once every line is in its place."""
        verdict, naming = self.verdict, self._naming
        n = verdict.last.n if verdict.last is not None else 0
        if self._halves:
            if len(self._halves) > 1 or self._rows[self._halves[0]].ended:
                return naming.say(self._halves[0], "changed", "this is no line of the audit")
            verdict.half_at_end = True  # the next line, which tells of it, is not written yet
        if (most := max(self._known, default=0)) > n:
            text = f"lines {n + 1} to {most} were written and are gone from the end"
            return naming.say(len(self._rows) - 1, "cut_off", text)
        unsigned = verdict.proved is None or verdict.proved.n < self._let_go_by
        if self._verifier is not None and self._let_go_by and unsigned:
            text = f"lines 1 to {verdict.let_go} are gone, and no signature vouches that they were let go"
            return naming.say(0, "removed", text)
        return None

    def _wrong(self, index: int, line: Line, last: Line | None) -> Wrong | None:
        """What is wrong with a line in its place, if anything is."""
        missing = 0
        halves, self._halves = self._halves, []
        if line.type == RESUMED:
            found = line.data.get("missing")
            missing = found if type(found) is int else 0
            if line.data.get("halves") == [digest(self._rows[half].raw) for half in halves]:
                self.verdict.halves += len(halves)
                halves = []
        if halves:
            return self._naming.broken(halves[0], last)
        if last is None:
            wrong = self._beginning(index, line)
        elif line.prev == last.digest and line.n == last.n + 1 + missing:
            wrong = None
        else:
            wrong = self._naming.unlinked(index, line, last)
        if wrong is None and line.type == RESUMED and "expected" in line.data:
            n = last.n if last is not None else 0
            if missing:
                text = f"lines {n + 1} to {n + missing} were written and were gone when the gateway started"
                return self._naming.say(index, "removed", text)
            return self._naming.say(index - 1, "changed", "it was changed while the gateway did not run")
        return wrong

    def _beginning(self, index: int, line: Line) -> Wrong | None:
        """Whether the chain begins here, or what was before was let go on record."""
        if line.n == 1 and line.prev == GENESIS:
            return None
        for row in self._rows:
            told = parse(row.raw) if REMOVED.encode() in row.raw else None
            if told is None or told.type != REMOVED:
                continue
            if told.data.get("last") == line.n - 1 and told.data.get("sha256") == line.prev:
                self.verdict.let_go, self._let_go_by = line.n - 1, told.n
                return None
        return self._naming.beginning(index, line)

    def _unlike(self, index: int, line: Line, row: Row) -> Wrong | None:
        """Whether it is what is known of a line of its number, such as from the note of the last one."""
        known = self._known.get(line.n)
        if known is None or (row.ended and known == {line.digest}):
            return None
        return self._naming.say(index, "changed", "it is not the line that is known by this number")

    def _checkpoint(self, index: int, line: Line) -> Wrong | None:
        """Whether a checkpoint is signed, and by whom."""
        try:
            body, jws = seal_of(line.raw)
            if self._verifier is None:
                return None
            self._verifier.check(body, jws)
        except WrongSignatureError as error:
            return self._naming.say(index, "forged", f"the signature of this checkpoint is wrong: {error}")
        except UnknownSignerError as error:
            self.verdict.strangers.add(error.kid)
            return None
        self.verdict.checkpoints += 1
        self.verdict.proved, self.verdict.unproved = line, None
        return None
