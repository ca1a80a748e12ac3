"""References in the source of tests: definitions that a test reaches, also through fixtures and helpers.

Nothing is imported or run. A name that is reached only by a computed attribute is not found.
"""

import ast
import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

PACKAGES = ("drivers", "simulators")
"""Packages whose definitions end a search."""
NAMED_DRIVER = re.compile(r'driver = "([\w-]+)"')
"""Driver of a device in a post's file."""


@dataclass(frozen=True, slots=True)
class Reached:
    """Names that one test, or one target of the fuzzer, reaches."""

    symbols: frozenset[str]
    """Definitions and modules of the packages, such as `drivers.passport.mrz_serial.MrzSerial`."""
    drivers: frozenset[str]
    """Names of drivers in texts."""


@dataclass(slots=True)
class Definition:
    """Names and texts of one statement at the top of a file: a function, a class, a value, or a call."""

    names: set[str] = field(default_factory=set)
    arguments: set[str] = field(default_factory=set)
    attributes: set[tuple[str, str]] = field(default_factory=set)
    """Names with an attribute of each."""
    texts: set[str] = field(default_factory=set)


@dataclass
class SourceFile:
    """One file below tests/: its definitions, and what its imported names mean."""

    definitions: dict[str, Definition] = field(default_factory=dict)
    imports: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Imported name to module and name; an empty name for a module itself."""

    @classmethod
    def read(cls, path: Path) -> "SourceFile":
        """Parse a file."""
        source = cls()
        for statement in ast.parse(path.read_text()).body:
            definition = Definition()
            source._collect(statement, definition)
            for name in _defined(statement):
                source.definitions[name] = definition
        return source

    def _collect(self, statement: ast.stmt, definition: Definition) -> None:
        """Note the names and texts of a statement, and its imports. Compares types: it sees every node."""
        for node in ast.walk(statement):
            kind = type(node)
            if kind is ast.Name:
                definition.names.add(node.id)  # type: ignore[attr-defined]
            elif kind is ast.Attribute and type(node.value) is ast.Name:  # type: ignore[attr-defined]
                definition.attributes.add((node.value.id, node.attr))  # type: ignore[attr-defined]
            elif kind is ast.Constant and type(node.value) is str:  # type: ignore[attr-defined]
                definition.texts.add(node.value)  # type: ignore[attr-defined]
            elif kind is ast.arg:
                definition.arguments.add(node.arg)  # type: ignore[attr-defined]
            elif isinstance(node, ast.ImportFrom) and node.module is not None:
                for one in node.names:
                    self.imports[one.asname or one.name] = (node.module, one.name)
            elif isinstance(node, ast.Import):
                for one in node.names:
                    origin = one.name if one.asname else one.name.partition(".")[0]
                    self.imports[one.asname or origin] = (origin, "")


def _defined(statement: ast.stmt) -> Iterator[str]:
    """Yield the names that a statement defines. A call may register something: its name is its line."""
    match statement:
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            yield name
        case ast.Assign(targets=targets):
            yield from (node.id for each in targets for node in ast.walk(each) if isinstance(node, ast.Name))
        case ast.AnnAssign(target=ast.Name(id=name)):
            yield name
        case ast.Expr(value=ast.Call()):
            yield f"line {statement.lineno}"


Place = tuple[Path, str]
"""A definition: its file and name."""


@dataclass(slots=True)
class _Uses:
    """Names in one definition itself."""

    places: set[Place] = field(default_factory=set)
    symbols: set[str] = field(default_factory=set)
    drivers: set[str] = field(default_factory=set)


class SourceTree:
    """The source below tests/. `drivers`: names that count where a text is one of them."""

    def __init__(self, tests: Path, drivers: Collection[str]) -> None:
        self.tests = tests
        self._drivers = frozenset(drivers)
        self._files: dict[Path, SourceFile] = {}
        self._uses: dict[Place, _Uses] = {}
        self._fixtures: dict[Path, list[Path]] = {}

    def file(self, path: Path) -> SourceFile:
        """Return one file, parsed once."""
        if path not in self._files:
            self._files[path] = SourceFile.read(path)
        return self._files[path]

    def reach(self, path: Path, name: str) -> Reached:
        """Return what a definition of a file reaches."""
        found = _Uses()
        waiting = [(path, name)]
        seen = {*waiting}
        while waiting:
            place = waiting.pop()
            if place not in self._uses:
                self._uses[place] = self._find_uses(*place)
            direct = self._uses[place]
            found.symbols |= direct.symbols
            found.drivers |= direct.drivers
            waiting += direct.places - seen
            seen |= direct.places
        return Reached(frozenset(found.symbols), frozenset(found.drivers))

    def _find_uses(self, path: Path, name: str) -> _Uses:
        source, uses = self.file(path), _Uses()
        definition = source.definitions[name]
        for used in definition.names | definition.arguments:
            if used in source.definitions:
                uses.places.add((path, used))
            elif used in source.imports:
                self._add(source.imports[used], "", path, uses)
            elif used in definition.arguments:  # a fixture
                uses.places |= {(file, used) for file in self._conftests(path) if self._has(file, used)}
        for base, attribute in definition.attributes:
            if base in source.imports:
                self._add(source.imports[base], attribute, path, uses)
        uses.drivers |= _named(definition.texts) & self._drivers
        for text in definition.texts:
            if text.endswith(".py") and "/" not in text and (program := path.parent / text).is_file():
                uses.places |= {(program, one) for one in self.file(program).definitions}
        return uses

    def _add(self, imported: tuple[str, str], attribute: str, user: Path, uses: _Uses) -> None:
        """Add an imported name, or an attribute of it."""
        origin, name = imported
        if origin.partition(".")[0] in PACKAGES:
            uses.symbols.add(".".join(filter(None, (origin, name, attribute))))
            return
        for module, inside in ((origin, name), (".".join(filter(None, (origin, name))), attribute)):
            file = self._file_of(module, user) if inside else None
            if file is not None and self._has(file, inside):
                uses.places.add((file, inside))

    def _has(self, path: Path, name: str) -> bool:
        return name in self.file(path).definitions

    def _file_of(self, module: str, user: Path) -> Path | None:
        """Return the file of a module below tests/: from there, beside its user, or by its name alone."""
        beside = (folder / f"{module.replace('.', '/')}.py" for folder in (self.tests, user.parent))
        return next((file for file in beside if file.is_file()), self._by_stem.get(module))

    @cached_property
    def _by_stem(self) -> dict[str, Path]:
        return {path.stem: path for path in self.tests.rglob("*.py")}

    def _conftests(self, path: Path) -> list[Path]:
        """Return the files with fixtures for a file, the nearest first."""
        folder = path.parent
        if folder not in self._fixtures:
            above = [one for one in (folder, *folder.parents) if one.is_relative_to(self.tests)]
            files = (one / "conftest.py" for one in above)
            self._fixtures[folder] = [file for file in files if file.is_file()]
        return self._fixtures[folder]


def _named(texts: Iterable[str]) -> set[str]:
    return {name for text in texts for name in (text, *NAMED_DRIVER.findall(text))}
