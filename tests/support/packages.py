"""Packages of other vendors, installed as pip does: by a module and its metadata on the path."""

import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from drivers import probe, registry
from drivers.packages import entry_points, vocabularies

Install = Callable[..., None]
"""Function that installs a package: name, text of its module, and its entry points by group."""


def write_package(site: Path, name: str, text: str, **groups: dict[str, str]) -> None:
    """Write a package of one module into a folder of the path."""
    module = name.replace("-", "_")
    metadata = site / f"{module}-1.2.dist-info"
    metadata.mkdir(parents=True)
    (site / f"{module}.py").write_text(text)
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\n")
    lines = []
    for group, points in groups.items():
        lines.append(f"[borderpost.{group}]")
        lines += [f"{key} = {value}" for key, value in points.items()]
    (metadata / "entry_points.txt").write_text("\n".join(lines))


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    modules: list[str] = []

    def _install(name: str, text: str, **groups: dict[str, str]) -> None:
        modules.append(name.replace("-", "_"))
        site = tmp_path / name
        write_package(site, name, text, **groups)
        monkeypatch.syspath_prepend(site)
        _search_again()

    yield _install
    for module in modules:
        sys.modules.pop(module, None)
    monkeypatch.undo()
    _search_again()


def _search_again() -> None:
    importlib.invalidate_caches()
    entry_points.offers.cache_clear()
    vocabularies._read.cache_clear()
    registry._found.clear()
    registry.load_driver.cache_clear()
    probe.probe.cache_clear()
