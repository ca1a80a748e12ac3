"""Reading and parsing of TOML files, and the lines of mistakes."""

import re
import stat
import tomllib
from pathlib import Path
from typing import Any

from gateway.config.errors import ConfigError, ConfigIssue, UnlocatedIssue

MAX_BYTES = 1 << 20
"""Upper bound on the size of a file; a hundred devices need 20 kB."""
MAX_DEPTH = 50


def read_text(path: Path) -> str:
    """Read a text; raises ConfigError."""
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise _file_error(path, "this is a folder", "name the file in it, as in config/example.toml")
        if not stat.S_ISREG(status.st_mode):
            raise _file_error(path, "this is not a regular file", "name a file, not a pipe or a device")
        if status.st_size > MAX_BYTES:
            raise _file_error(path, "this is far too large for a configuration", "name the post's TOML file")
        content = path.read_bytes()
    except FileNotFoundError:
        raise _file_error(
            path,
            "there is no such file",
            "check the path; start from a copy of config/example.toml. Without a path, the post of a running "
            "`borderpost demo` is used",
        ) from None
    except PermissionError:
        raise _file_error(
            path, "this user may not read the file", "run as the service's user, or chown root:borderpost"
        ) from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "the path is unusable"
        raise _file_error(path, f"the file cannot be read: {reason}", "check the path") from None
    try:
        # Windows editors put a byte order mark before UTF-8; it has no meaning.
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise _file_error(
            path,
            f"byte 0x{content[error.start]:02x} is not UTF-8",
            "save the file as UTF-8, without UTF-16 and without Latin-1 letters",
            line,
        ) from None


def _file_error(
    path: Path, text: str, remedy: str, line: int | None = None, column: int | None = None
) -> ConfigError:
    return ConfigError((ConfigIssue(str(path), line, column, (), text, remedy),))


def parse(path: Path, text: str) -> dict[str, Any]:
    """Parse TOML; raises ConfigError."""
    try:
        table = tomllib.loads(text)
        if _too_deep(table):
            raise RecursionError
        return table
    except RecursionError:
        raise _file_error(path, "the nesting is too deep", "a post needs three levels at most", 1) from None
    except ValueError as error:  # TOMLDecodeError, and int()'s error for a number of 5,000 digits
        said, line, column = _syntax(str(error), text)
        raise _file_error(path, f"not TOML: {said}", _syntax_remedy(said), line, column) from None


def _too_deep(table: dict[str, Any]) -> bool:
    """Tell whether a table is nested too deep for recursion: `[a.a.a...]` is short in TOML."""
    level: list[Any] = [table]
    for _ in range(MAX_DEPTH):
        nested = (each.values() if isinstance(each, dict) else each for each in level)
        level = [each for inner in nested for each in inner if isinstance(each, dict | list)]
    return bool(level)


def _syntax(message: str, text: str) -> tuple[str, int, int | None]:
    """Separate the location from the parser's sentence: it is given only there."""
    if match := re.fullmatch(r"(?s)(.*) \(at line (\d+), column (\d+)\)", message):
        said, line, column = match.groups()
        return said, int(line), int(column)
    last_line = max(1, len(text.splitlines()))
    return message.removesuffix(" (at end of document)"), last_line, None


def _syntax_remedy(said: str) -> str:
    match said.lower():
        case words if "twice" in words or "overwrite" in words or "duplicate" in words:
            return "the same table or key is defined further up: keep one of the two"
        case words if "invalid value" in words:
            return 'text needs double quotes, as in name = "gw-1"; numbers, true and false need none'
        case words if (
            "after a key" in words or "at the end of a table" in words or "invalid statement" in words
        ):
            return 'write key = value, a line each; a device is [device."lane-1/reader"], its name in quotes'
        case words if "escape" in words:
            return "write each backslash twice, or put the text in single quotes"
        case _:
            return "correct the line; config/example.toml shows the form, https://toml.io the rules"


def locate(path: Path, text: str, faults: list[UnlocatedIssue]) -> tuple[ConfigIssue, ...]:
    """Find the line of every fault, and sort them by it."""
    if not faults:
        return ()
    # The parser that keeps positions takes 3 MB, which a gateway with a correct file does not need.
    from gateway.config.locations import SourceLocations

    places = SourceLocations(text)
    findings = [
        ConfigIssue(str(path), places.line_of(fault.key), None, fault.key, fault.text, fault.remedy)
        for fault in faults
    ]
    return tuple(sorted(findings, key=lambda finding: finding.line or 0))
