"""Environments like those of `pip install '.[EXTRA]'`, made of links into the environment of the tests.

Each is a separate virtual environment with the distributions of one extra and their requirements only;
programs in it, and programs that those start, find no other library.
"""

import os
import re
import subprocess
import sys
import tomllib
from importlib.metadata import Distribution, PackageNotFoundError
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).parents[3]
OURS = "borderpost-gateway"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = tuple(extra for extra in PROJECT["optional-dependencies"] if extra != "dev")


def environment(folder: Path, extra: str = "", wheel: Path | None = None) -> Path:
    """Make the environment of an extra (default: none) in a new folder; return its Python.

    `wheel`: our own distribution comes from it, instead of a link to this clone.
    """
    base = Path(sys._base_executable)
    site = folder / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
    site.mkdir(parents=True)
    python = folder / "bin" / "python3"
    python.parent.mkdir()
    python.symlink_to(base)
    (folder / "pyvenv.cfg").write_text(f"home = {base.parent}\ninclude-system-site-packages = false\n")
    for name in closure(extra) - ({OURS} if wheel else set()):
        for link in top_paths(distribution(name)):
            (site / link.name).unlink(missing_ok=True)
            (site / link.name).symlink_to(link)
    if wheel is not None:
        install = (
            Path(sys.executable).with_name("uv"),
            "--quiet",
            "pip",
            "install",
            "--offline",
            "--no-deps",
        )
        subprocess.run([*install, "--python", python, wheel], check=True)
    return python


def variables() -> dict[str, str]:
    """Return the variables of this process, without those that make a Python find other modules."""
    return {name: text for name, text in os.environ.items() if not name.startswith(("PYTHON", "COV_"))}


def closure(extra: str) -> set[str]:
    """Return the names of all distributions that are installed with an extra, normalised (PEP 503)."""
    found: set[tuple[str, str]] = set()
    waiting = [(OURS, extra), (OURS, "")]
    while waiting:
        if (each := waiting.pop()) in found:
            continue
        name, of = each
        try:
            requires = distribution(name).requires or []
        except PackageNotFoundError:
            continue  # of another Python or machine
        found.add(each)
        for line in requires:
            requirement = Requirement(line)
            if requirement.marker is None or requirement.marker.evaluate({"extra": of}):
                asked = re.sub(r"[-_.]+", "-", requirement.name).lower()
                waiting += [(asked, ""), *((asked, inner) for inner in requirement.extras)]
    return {name for name, _ in found}


def distribution(name: str) -> Distribution:
    """Return an installed distribution, not the metadata that setuptools leaves in the clone."""
    path = [folder for folder in sys.path if Path(folder).resolve() != ROOT]
    for found in Distribution.discover(name=name, path=path):
        return found
    raise PackageNotFoundError(name)


def top_paths(found: Distribution) -> set[Path]:
    """Return the files and folders directly in site-packages that belong to a distribution."""
    tops = {file.parts[0] for file in found.files or () if file.parts[0] not in ("..", "__pycache__")}
    return {path for top in tops if (path := Path(os.fspath(found.locate_file(top)))).exists()}
