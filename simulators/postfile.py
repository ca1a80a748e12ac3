"""The file of a simulated post: TOML, one `[[simulator]]` table per device.

Strings may contain `${NAME}` or `${NAME:-default}`, which are replaced by that environment variable. All
errors of a file are reported together, each with its line, simulator and key.
"""

import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from simulators.errors import SimulatorError
from simulators.registry import parse_settings
from simulators.simulator import SimulatorSettings

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}")
_HEADER = re.compile(r"\s*\[\[\s*simulator\s*\]\]")
_ANY_HEADER = re.compile(r"\s*\[")


class PostFileError(SimulatorError):
    """The file does not describe a post; one line for each error."""


def load_post(
    path: str | os.PathLike[str], environment: Mapping[str, str] | None = None
) -> tuple[SimulatorSettings, ...]:
    """Read the simulators of the file at `path`; raise PostFileError with every error in it."""
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
        tables = _tables(tomllib.loads(text))
    except OSError as error:
        remedy = "name the TOML file of a simulated post; an example is config/demo-post.toml"
        raise PostFileError(f"{path}: {error.strerror}\n    {remedy}") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, SimulatorError) as error:
        raise PostFileError(f"{path}: {error}") from error

    where = _Places(path, text)
    variables = os.environ if environment is None else environment
    errors: list[str] = []
    extras: set[str] = set()
    found: list[SimulatorSettings] = []
    for index, table in enumerate(tables):
        named = f'simulator "{table["name"]}"' if "name" in table else f"simulator {index + 1}"
        try:
            found.append(parse_settings(_expanded(table, variables)))
        except SimulatorError as error:
            errors.append(f"{where.of(index, str(error).partition(':')[0])}: {named}: {error}")
            extras.update(error.extras)
        except ValidationError as error:
            errors += [f"{where.of(index, key)}: {named}: {message}" for key, message in _complaints(error)]
        else:
            errors += [
                f"{where.of(index, key)}: {named}: {message}"
                for key, message in _clashes(found[:-1], found[-1])
            ]
    if errors:
        failure = PostFileError("\n".join(errors))
        failure.extras = tuple(sorted(extras))
        raise failure
    return tuple(found)


def _tables(document: dict[str, Any]) -> list[dict[str, Any]]:
    if stray := document.keys() - {"simulator"}:
        raise SimulatorError(f"{', '.join(sorted(stray))}: a simulated post has only [[simulator]] tables")
    tables = document.get("simulator")
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise SimulatorError("no [[simulator]] table: add at least one")
    return tables


def _expanded(table: dict[str, Any], variables: Mapping[str, str]) -> dict[str, Any]:
    def expand(key: str, value: Any) -> Any:
        match value:
            case str():
                return _VARIABLE.sub(lambda found: look_up(key, found[1], found[2]), value)
            case dict():
                return {inner: expand(key, held) for inner, held in value.items()}
            case list():
                return [expand(key, held) for held in value]
        return value

    def look_up(key: str, name: str, otherwise: str | None) -> str:
        value = variables.get(name, otherwise)
        if value is None:
            raise SimulatorError(f"{key}: ${{{name}}} is not set in the environment")
        return value

    return {key: expand(key, value) for key, value in table.items()}


def _complaints(error: ValidationError) -> Iterator[tuple[str, str]]:
    """Yield key and sentence of each validation error."""
    for found in error.errors(include_url=False, include_input=False):
        # A scheduled fault keeps its fault in "fault"; in the file its arguments are in the same table as the
        # times.
        path = [str(part) for part in found["loc"] if part != "fault"]
        message = found["msg"].removeprefix("Value error, ")
        yield (path[0] if path else ""), (f"{'.'.join(path)}: {message}" if path else message)


def _clashes(earlier: list[SimulatorSettings], settings: SimulatorSettings) -> Iterator[tuple[str, str]]:
    for other in earlier:
        if other.name == settings.name:
            yield "name", "name: another simulator has this name"
        for address in set(other.addresses) & set(settings.addresses):
            yield "path", f"{address} is already used by {other.name}"


class _Places:
    """Line numbers of keys in the file."""

    def __init__(self, path: Path, text: str) -> None:
        self._path = path
        self._lines = text.splitlines()

    def of(self, index: int, key: str) -> str:
        """Return `file:line` of a key of the index-th simulator, or of its header if the key is absent."""
        starts = [number for number, line in enumerate(self._lines) if _HEADER.match(line)]
        if index >= len(starts):  # an inline array of tables: legal TOML, but unusual
            return str(self._path)
        start = starts[index]
        for number in range(start + 1, len(self._lines)):
            line = self._lines[number]
            if number in starts or (_ANY_HEADER.match(line) and not line.strip().startswith("[[simulator.")):
                break
            if key and re.match(rf"\s*(\[\[\s*simulator\.)?{re.escape(key)}\s*[=\].]", line):
                return f"{self._path}:{number + 1}"
        return f"{self._path}:{start + 1}"
