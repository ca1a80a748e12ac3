"""Recordings of what crossed a wire: one text file, readable and editable by a person.

    # borderpost recording 1
    # driver: mrz-serial
    # settings: {"framing": "accessis"}
    # provenance: written by hand from the vendor's sample
    # people: synthetic
    0.000 out 80                 host to device, in hexadecimal
    0.310 in  1c 02 50 3c        device to host

Times are seconds since the start, and whatever follows the bytes after two spaces is a remark. `people` says
whether the people in it are `synthetic`, `scrubbed` or `real`; a real one never leaves the post. A device
that does nothing unasked has a line more, `# asked: capture {"position": "left_thumb"}`: its command.
"""

import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Self, cast

from drivers.links.link import Direction

HEAD = "# borderpost recording 1"
_ENTRY = re.compile(r"(?P<at>\d+\.\d+) (?P<direction>in |out) (?P<hex>[0-9a-f]{2}(?: [0-9a-f]{2})*)(?:  .*)?")


class RecordingError(ValueError):
    """A file is no recording; says which line and why."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """Bytes that crossed the wire together."""

    at_s: float
    direction: Direction
    data: bytes


@dataclass
class Recording:
    """What crossed the wire, and with which driver and settings."""

    driver: str
    settings: dict[str, Any]
    provenance: str
    people: str = "real"
    chunks: list[Chunk] = field(default_factory=list)
    asked: tuple[str, dict[str, Any]] | None = None
    """The command that the device was given when it was open: verb and request."""
    _start_s: float = field(default_factory=time.monotonic, repr=False)

    def tap(self, direction: Direction, chunk: bytes) -> None:
        """Record what crosses a link now; the `Tap` of a link."""
        self.chunks.append(Chunk(time.monotonic() - self._start_s, direction, chunk))

    def text(self) -> str:
        """The file's content."""
        return "\n".join(
            [
                HEAD,
                f"# driver: {self.driver}",
                f"# settings: {json.dumps(self.settings)}",
                f"# provenance: {self.provenance}",
                f"# people: {self.people}",
                *([] if self.asked is None else [f"# asked: {self.asked[0]} {json.dumps(self.asked[1])}"]),
                *(f"{c.at_s:.3f} {c.direction:<3} {c.data.hex(' ')}" for c in self.chunks),
                "",
            ]
        )

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a file's content; raises RecordingError."""
        lines = text.splitlines()
        if not lines or lines[0].rstrip() != HEAD:
            raise RecordingError(f"line 1: a recording begins with {HEAD!r}")
        facts: dict[str, str] = {}
        chunks = list(_entries(lines, facts))
        try:
            return cls(
                driver=facts["driver"],
                settings=json.loads(facts["settings"]),
                provenance=facts["provenance"],
                people=facts["people"],
                asked=_asked(facts.get("asked")),
                chunks=chunks,
            )
        except KeyError as missing:
            raise RecordingError(f"the head does not say `# {missing.args[0]}: ...`") from missing
        except json.JSONDecodeError as error:
            raise RecordingError("the head's settings, or its request, are no JSON object") from error


def _asked(line: str | None) -> tuple[str, dict[str, Any]] | None:
    if line is None:
        return None
    verb, _, request = line.partition(" ")
    return verb, json.loads(request)


def _entries(lines: list[str], facts: dict[str, str]) -> Iterator[Chunk]:
    """Yield the chunks of a file and collect its facts."""
    for number, line in enumerate(lines[1:], start=2):
        if not line.strip():
            continue
        if line.startswith("#"):
            name, _, value = line[1:].partition(":")
            facts[name.strip()] = value.strip()
            continue
        entry = _ENTRY.fullmatch(line.rstrip())
        if entry is None:
            raise RecordingError(f"line {number}: not `seconds in|out bytes in hexadecimal`")
        yield Chunk(
            float(entry["at"]), cast("Direction", entry["direction"].strip()), bytes.fromhex(entry["hex"])
        )
