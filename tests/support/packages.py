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


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    modules: list[str] = []

    def _install(name: str, text: str, **groups: dict[str, str]) -> None:
        module = name.replace("-", "_")
        modules.append(module)
        site = tmp_path / name
        metadata = site / f"{module}-1.2.dist-info"
        metadata.mkdir(parents=True)
        (site / f"{module}.py").write_text(text)
        (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\n")
        lines = []
        for group, points in groups.items():
            lines.append(f"[borderpost.{group}]")
            lines += [f"{key} = {value}" for key, value in points.items()]
        (metadata / "entry_points.txt").write_text("\n".join(lines))
        monkeypatch.syspath_prepend(site)
        forget()

    def forget() -> None:
        importlib.invalidate_caches()
        entry_points.offers.cache_clear()
        vocabularies._read.cache_clear()
        registry._found.clear()
        registry.load_driver.cache_clear()
        probe.probe.cache_clear()

    yield _install
    for module in modules:
        sys.modules.pop(module, None)
    monkeypatch.undo()
    forget()
