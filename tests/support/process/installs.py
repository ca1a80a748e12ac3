"""Environments as `pip install '.[EXTRA]'` makes them, out of links into the one that tests run in.

Each is a virtual environment of its own, with the distributions of one extra, and of what those ask for, and
nothing else: what runs in it finds no other library, and neither does what it starts.
"""

import os
import re
import sys
import tomllib
from importlib.metadata import Distribution, PackageNotFoundError
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).parents[3]
OURS = "borderpost-gateway"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = tuple(extra for extra in PROJECT["optional-dependencies"] if extra != "dev")


def environment(folder: Path, extra: str = "") -> Path:
    """Make the environment of an extra, of none by default, in that new folder; returns its Python."""
    base = Path(sys._base_executable)
    site = folder / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
    site.mkdir(parents=True)
    python = folder / "bin" / "python3"
    python.parent.mkdir()
    python.symlink_to(base)
    (folder / "pyvenv.cfg").write_text(f"home = {base.parent}\ninclude-system-site-packages = false\n")
    for name in closure(extra):
        for link in _tops(_distribution(name)):
            (site / link.name).unlink(missing_ok=True)
            (site / link.name).symlink_to(link)
    return python


def closure(extra: str) -> set[str]:
    """Names of everything that is installed with an extra, as they are normalised (PEP 503)."""
    found: set[tuple[str, str]] = set()
    waiting = [(OURS, extra), (OURS, "")]
    while waiting:
        if (each := waiting.pop()) in found:
            continue
        name, of = each
        try:
            requires = _distribution(name).requires or []
        except PackageNotFoundError:
            continue  # of another Python or machine
        found.add(each)
        for line in requires:
            requirement = Requirement(line)
            if requirement.marker is None or requirement.marker.evaluate({"extra": of}):
                asked = re.sub(r"[-_.]+", "-", requirement.name).lower()
                waiting += [(asked, ""), *((asked, inner) for inner in requirement.extras)]
    return {name for name, _ in found}


def _distribution(name: str) -> Distribution:
    """A distribution that is installed, not the metadata that setuptools leaves in the clone."""
    path = [folder for folder in sys.path if Path(folder).resolve() != ROOT]
    for found in Distribution.discover(name=name, path=path):
        return found
    raise PackageNotFoundError(name)


def _tops(found: Distribution) -> set[Path]:
    """Files and folders directly in site-packages that belong to a distribution."""
    tops = {file.parts[0] for file in found.files or () if file.parts[0] not in ("..", "__pycache__")}
    return {path for top in tops if (path := Path(os.fspath(found.locate_file(top)))).exists()}
