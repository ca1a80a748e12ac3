"""Errors of a configuration, for the person who wrote it."""

import os
import re
from dataclasses import dataclass
from typing import ClassVar

from gateway.common.printable import printable

Key = tuple[str | int, ...]
"""Location of a value: the names of tables and keys from the top, list entries by their index from 0."""

_BARE = re.compile(r"[A-Za-z0-9_-]+")
# `key_switch` is a lock at a barrier: its input is no secret.
_SECRET = re.compile(r"pass(word|phrase|wd)|key(?!_switch)|secret|token", re.IGNORECASE)


def quote(text: str) -> str:
    """Put text in double quotes, as TOML writes it; a control character cannot disturb a terminal."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{printable(escaped)}"'


def format_key(key: Key) -> str:
    """Write a key as TOML does: `device."lane-2/reader".baud`; a list entry as `ports[0]`."""
    text = ""
    for part in key:
        match part:
            case int():
                text += f"[{part}]"
            case str():
                text += ("." if text else "") + (part if _BARE.fullmatch(part) else quote(part))
    return text


def is_secret_name(name: str) -> bool:
    """Tell whether a key or a variable of that name may hold a secret, whose value is never shown."""
    return _SECRET.search(name) is not None


@dataclass(frozen=True, slots=True)
class UnlocatedIssue:
    """One mistake of a key, before its line is known."""

    key: Key
    text: str
    remedy: str
    is_tolerable: bool = False
    """True if a gateway can run without the part: it starts, and reports the mistake."""


@dataclass(frozen=True, slots=True)
class ConfigIssue:
    """One mistake: location, text and remedy."""

    file: str
    """The file, as it was named to `load`."""
    line: int | None
    """Line from 1; None when the file could not be read at all."""
    column: int | None
    """Column from 1, in characters; only where the file is not TOML."""
    key: Key
    """Key that is wrong; empty when it concerns the whole file."""
    text: str
    remedy: str

    @property
    def key_path(self) -> str:
        """The key in TOML's notation, `device."lane-2/reader".baud`."""
        return format_key(self.key)

    @property
    def subject(self) -> str:
        """The key in a sentence, `device "lane-2/reader": baud`."""
        match self.key:
            case ("device" | "role" | "station" as what, str(name), *rest):
                return ": ".join([f"{what} {quote(name)}", *([format_key(tuple(rest))] if rest else [])])
            case (section, *rest) if rest:
                return f"{format_key((section,))}: {format_key(tuple(rest))}"
            case key:
                return format_key(key)

    def __str__(self) -> str:
        place = ":".join(str(part) for part in (self.file, self.line, self.column) if part is not None)
        subject = f"{self.subject}: " if self.key else ""
        return f"{place}: {subject}{self.text}\n    {self.remedy}"


class ConfigError(Exception):
    """The configuration cannot be used; holds every mistake, in the order of the file."""

    exit_code: ClassVar[int] = os.EX_CONFIG
    """Exit code of a command that prints this error: 78, of sysexits."""

    def __init__(self, findings: tuple[ConfigIssue, ...]) -> None:
        super().__init__(findings)
        self.issues = findings

    def __str__(self) -> str:
        return "\n".join(str(finding) for finding in self.issues)
