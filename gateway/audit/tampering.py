"""What was done to an audit, told by the first line that does not follow the one before it."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

from gateway.audit.hash_chain import GENESIS, Line, Row, digest, parse

Kind = Literal["changed", "removed", "inserted", "reordered", "cut_off", "forged"]


@dataclass(frozen=True, slots=True)
class Wrong:
    """The first line that is not as it was written."""

    file: Path
    number: int
    """Which line of that file, from 1."""
    kind: Kind
    text: str


class Naming:
    """Looks before and behind a line that is wrong; only then are all lines read at once."""

    def __init__(self, found: list[Row], newest: Path) -> None:
        """`newest` is named where there is no line at all."""
        self._rows = found
        self._newest = newest

    @cached_property
    def _links(self) -> list[tuple[int, str] | None]:
        """Number and `prev` of every line."""
        lines = (parse(row.raw) for row in self._rows)
        return [(line.n, line.prev) if line is not None else None for line in lines]

    def say(self, index: int, kind: Kind, text: str) -> Wrong:
        """Name a line."""
        if not self._rows:
            return Wrong(self._newest, 1, kind, text)
        row = self._rows[max(index, 0)]
        return Wrong(row.file, row.number, kind, text)

    def beginning(self, index: int, line: Line) -> Wrong:
        """Why a line is not the first of the audit."""
        later = self._find(index, GENESIS, 1)
        if later is not None:
            return self._out_of_place(index, line, later)
        if line.n == 1:
            return self.say(index, "changed", "it says that it is the first, and that another is before it")
        if line.prev == GENESIS:
            return self.say(index, "changed", "it is the first of a chain, and has another number")
        text = f"lines 1 to {line.n - 1} are gone from before it, and nothing says that they were let go"
        return self.say(index, "removed", text)

    def unlinked(self, index: int, line: Line, last: Line) -> Wrong:
        """Why a line does not follow the one before it."""
        if line.prev == last.digest:
            return self.say(index, "changed", f"its number is {line.n} where {last.n + 1} follows")
        later = self._find(index, last.digest, None)
        if later is not None:
            return self._out_of_place(index, line, later)
        if line.n > last.n + 1:
            if self._find(index, None, last.n + 1) is not None:
                return self.say(index, "reordered", f"line {last.n + 1} belongs here and stands behind it")
            text = f"lines {last.n + 1} to {line.n - 1} are gone from before it"
            return self.say(index, "removed", text)
        if line.n <= last.n:
            text = f"number {line.n} was given before"
            return self._copy(index, line) or self.say(index, "inserted", text)
        follower = self._links[index + 1] if index + 1 < len(self._rows) else None
        if follower is not None and follower[1] != line.digest:
            return self.say(index, "changed", "neither the line before nor the one behind knows it")
        return self.say(index - 1, "changed", "the line behind it has another hash of it")

    def broken(self, index: int, last: Line | None) -> Wrong:
        """What is no line at all was put in, or made of one."""
        after = next((link for link in self._links[index:] if link is not None), None)
        if after == ((last.n + 1, last.digest) if last is not None else (1, GENESIS)):
            return self.say(index, "inserted", "this is no line of the audit")
        return self.say(index, "changed", "this is no line of the audit any more")

    def _out_of_place(self, index: int, line: Line, later: int) -> Wrong:
        """A line stands where another one belongs, which comes later."""
        if (copy := self._copy(index, line)) is not None:
            return copy
        if line.prev in {digest(row.raw) for row in self._rows[index + 1 :]}:
            belongs = self._links[later]
            n = belongs[0] if belongs is not None else line.n
            return self.say(index, "reordered", f"line {n} belongs here and stands behind it")
        return self.say(index, "inserted", "the line behind it follows the one before it")

    def _copy(self, index: int, line: Line) -> Wrong | None:
        if any(row.raw == line.raw for row in self._rows[:index]):
            return self.say(index, "inserted", f"it is a copy of line {line.n}")
        return None

    def _find(self, after: int, prev: str | None, n: int | None) -> int | None:
        """Where a line that follows `prev`, or has a number, stands behind an index."""
        for at in range(after + 1, len(self._rows)):
            link = self._links[at]
            if link is not None and n in (None, link[0]) and prev in (None, link[1]):
                return at
        return None
