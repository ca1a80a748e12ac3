"""Packages with drivers: entry points, recordings and page of an installed distribution."""

import json
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import Distribution, EntryPoint, PackageNotFoundError, distribution
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import unquote, urlsplit

from drivers.packages.entry_points import DRIVERS
from drivers.registry import installed_drivers
from gateway.testing.expectations import recordings_in

FOLDER = "recordings"


class PackageError(Exception):
    """There is nothing to accept; the message has the reason and the remedy."""


@dataclass(frozen=True)
class DriverPackage:
    """An installed distribution that registers drivers."""

    distribution: Distribution
    folders: tuple[Path, ...] = ()
    """Further folders with recordings."""

    @property
    def name(self) -> str:
        """Its name."""
        return self.distribution.name

    @cached_property
    def drivers(self) -> dict[str, EntryPoint]:
        """Entry points of its drivers, by name."""
        points = self.distribution.entry_points.select(group=DRIVERS)
        return {point.name: point for point in points}

    @cached_property
    def roots(self) -> dict[str, Path]:
        """Folders in which its import packages and modules lie, by their name; nothing is imported."""
        found = {}
        for name in sorted({point.module.partition(".")[0] for point in self.drivers.values()}):
            spec = find_spec(name)
            if spec is not None and spec.submodule_search_locations:
                found[name] = Path(next(iter(spec.submodule_search_locations))).parent
            elif spec is not None and spec.origin is not None:
                found[name] = Path(spec.origin).parent
        return found

    @cached_property
    def recordings(self) -> list[Path]:
        """Its recordings, and those of the further folders."""
        folders = [root / name / FOLDER for name, root in self.roots.items()]
        if self._project is not None:
            folders += [self._project / FOLDER, self._project / "tests" / FOLDER]
        found = [path.resolve() for folder in (*folders, *self.folders) for path in recordings_in(folder)]
        return list(dict.fromkeys(found))

    @property
    def examples(self) -> str:
        """Its long description, as its README, and example posts of an editable installation."""
        page = str(self.distribution.metadata.json.get("description", ""))
        posts = [] if self._project is None else sorted((self._project / "config").glob("*.toml"))
        return "\n".join([page, *(path.read_text(encoding="utf-8") for path in posts)])

    @cached_property
    def _project(self) -> Path | None:
        """Folder of an editable installation (PEP 660, `direct_url.json` of PEP 610)."""
        text = self.distribution.read_text("direct_url.json")
        url = json.loads(text) if text else {}
        return Path(unquote(urlsplit(url["url"]).path)) if url.get("dir_info", {}).get("editable") else None


def find_package(name: str, folders: tuple[Path, ...] = ()) -> DriverPackage:
    """Return an installed package by its name; raises PackageError."""
    with_drivers = sorted({point.dist.name for point in installed_drivers().values() if point.dist})
    try:
        package = DriverPackage(distribution(name), folders)
    except (PackageNotFoundError, ValueError):
        raise PackageError(
            f"No package named {name} is installed here. Install it into this environment, as by "
            f"`pip install -e .` in its folder; packages with drivers: {', '.join(with_drivers)}."
        ) from None
    if not package.drivers:
        raise PackageError(
            f"{name} registers no driver. Name each of its drivers in its pyproject.toml: "
            f'[project.entry-points."{DRIVERS}"]; then install it again. '
            f"Packages with drivers: {', '.join(with_drivers)}."
        )
    return package
