"""Sources of drivers: the modules of each, and what they state. Nothing is imported."""

import ast
import inspect
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import get_args

from pydantic import BaseModel

from drivers.driver import Driver
from drivers.links.settings import Settings

_NAMES = r"import (\([^)]*\)|[^\n(]*)"
_SOURCE = re.compile(r"\bSources?: ")


@dataclass(frozen=True, slots=True)
class DriverSource:
    """A driver and its modules."""

    name: str
    driver: type[Driver[Settings]]
    own: frozenset[str]
    """Its module, and modules of its family that no other driver uses, imports or has settings of."""
    family: frozenset[str]
    """Modules of its family that it uses."""
    imported: frozenset[str]
    """Its own modules and their packages, and those that it imports itself."""


class DriverTree:
    """The source of a package with drivers, below a folder."""

    def __init__(self, root: Path, package: str = "drivers") -> None:
        self.root = root
        self.package = package
        self._import = re.compile(rf"^ *from ({package}[\w.]*|\.[\w.]*) {_NAMES}", re.MULTILINE)
        self._imports: dict[str, frozenset[str]] = {}
        self._errors: dict[str, list[str]] = {}

    def sources(self, drivers: Mapping[str, type[Driver[Settings]]]) -> list[DriverSource]:
        """Return the modules of every driver, by their imports."""
        used = {name: self.closure(driver.__module__) for name, driver in drivers.items()}
        # All barriers load all boards; each names those that it may have.
        named = {
            name: self.imports(driver.__module__) | settings_modules(driver) | {driver.__module__}
            for name, driver in drivers.items()
        }
        found = []
        for name, driver in drivers.items():
            module = driver.__module__
            alone = _of_one(used, name) | _of_one(named, name) | {module}
            top = ".".join(module.split(".")[:2])
            own = frozenset(one for one in alone if one.startswith(f"{top}."))
            family = own | {one for one in used[name] if one.startswith(f"{top}.")}
            packages = {one.rpartition(".")[0] for one in own} - {top}
            found.append(DriverSource(name, driver, own, family, own | packages | self.imports(module)))
        return found

    def imports(self, module: str) -> frozenset[str]:
        """Return the modules of drivers/ that a module imports, at its top or in a function."""
        if module not in self._imports:
            named = set()
            for origin, names in self._import.findall(self.text(module)):
                origin = self._absolute(origin, module)  # noqa: PLW2901 - the same module
                for name in re.findall(r"(\w+)(?: as \w+)?", names):
                    inner = f"{origin}.{name}"
                    named.add(inner if inner in self._paths else origin)
            self._imports[module] = frozenset(one for one in named if one in self._paths)
        return self._imports[module]

    def text(self, module: str) -> str:
        """Return the source of a module."""
        return self._paths[module].read_text()

    def names_source(self, module: str) -> bool:
        """Return True if the module names the source of what it implements."""
        return _SOURCE.search(self.text(module)) is not None

    def errors_without_remedy(self, module: str) -> list[str]:
        """Return the places of errors of a link that give no remedy, as `module:line`."""
        if module not in self._errors:
            text = self.text(module)
            self._errors[module] = _errors_without_remedy(module, text) if "Error(" in text else []
        return self._errors[module]

    def closure(self, module: str) -> frozenset[str]:
        """Return a module and those that it imports, directly or not."""
        seen = {module}
        waiting = [module]
        while waiting:
            new = self.imports(waiting.pop()) - seen
            seen |= new
            waiting += new
        return frozenset(seen)

    def _absolute(self, origin: str, module: str) -> str:
        """Return the module of an import; `origin` may be relative."""
        level = len(origin) - len(origin.lstrip("."))
        if not level:
            return origin
        is_package = self._paths[module].name == "__init__.py"
        parts = module.split(".")
        above = parts[: len(parts) - level + is_package]
        return ".".join([*above, *filter(None, [origin.lstrip(".")])])

    @cached_property
    def _paths(self) -> dict[str, Path]:
        found = {}
        single = self.root / f"{self.package}.py"
        for path in [*(self.root / self.package).rglob("*.py"), *([single] if single.exists() else [])]:
            parts = path.relative_to(self.root).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
        return found


def _errors_without_remedy(module: str, text: str) -> list[str]:
    return [
        f"{module}:{node.lineno}"
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in ("LinkError", "CredentialsRefusedError")
        and len(node.args) < 4
        and "how" not in {keyword.arg for keyword in node.keywords}
    ]


def settings_modules(driver: type[Driver[Settings]]) -> frozenset[str]:
    """Return the modules of the models that the driver's settings class itself declares."""
    model = driver.settings_model
    declared = inspect.get_annotations(model)
    return frozenset(
        inner.__module__
        for name in declared
        if name in model.model_fields
        for inner in models_in(model.model_fields[name].annotation)
    )


def models_in(annotation: object) -> Iterator[type[BaseModel]]:
    """Yield every model in an annotation, at any depth."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from models_in(inner)


def undescribed_settings(model: type[BaseModel]) -> list[str]:
    """Return the settings without a description, at any depth."""
    missing: list[str] = []
    waiting: list[tuple[str, type[BaseModel]]] = [("", model)]
    seen: set[type[BaseModel]] = set()
    while waiting:
        at, one = waiting.pop()
        if one in seen:
            continue
        seen.add(one)
        for name, field in one.model_fields.items():
            if not field.description:
                missing.append(f"{at}{name}")
            waiting += [(f"{at}{name}.", inner) for inner in models_in(field.annotation)]
    return sorted(missing)


def _of_one(sets: Mapping[str, frozenset[str]], name: str) -> frozenset[str]:
    """Return what is in the set of that name alone."""
    return sets[name].difference(*(each for other, each in sets.items() if other != name))
