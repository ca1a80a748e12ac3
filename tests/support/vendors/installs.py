"""Environments with packages of other vendors, installed by an installer as on a vendor's machine."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from packaging.requirements import Requirement

from support.process.installs import OURS, ROOT, closure, distribution, environment, top_paths, variables

SAVANNA = ROOT / "tests/vendor/savanna-scale"
TOOLS = ("mypy", "pytest", "pytest-asyncio")
"""Checkers in Python that the extra `dev` of a made package has."""


def vendor_environment(
    folder: Path, extras: Iterable[str], packages: Iterable[Path], tools: Iterable[str] = ()
) -> Path:
    """Make an environment with our packages, extras of them and other packages; return its Python.

    Ours are links in its folder of libraries, where type checkers find them as installed ones.
    """
    first, *more = extras
    python = environment(folder, first)
    (site,) = (folder / "lib").glob("python*/site-packages")
    for editable in site.glob("__editable__*"):
        editable.unlink()
    for package in ("drivers", "gateway", "simulators"):
        (site / package).symlink_to(ROOT / package)
    wanted = _closure(("setuptools", *tools))
    for extra in more:
        wanted |= closure(extra) - {OURS}
    for name in sorted(wanted):
        for link in top_paths(distribution(name)):
            if not (site / link.name).exists():
                (site / link.name).symlink_to(link)
    script = "from gateway.borderpost import main\nmain()\n"
    _write_program(python.with_name("borderpost"), f"#!{python}\n{script}")
    install = (Path(sys.executable).with_name("uv"), "--quiet", "pip", "install", "--offline", "--no-deps")
    # Built in copies: setuptools writes into the folder that it builds from.
    copies = [shutil.copytree(package, folder / "src" / package.name) for package in packages]
    options = ("--no-build-isolation", "--python", python)
    subprocess.run([*install, *options, *copies], check=True, env=variables())
    return python


def program(python: Path, *command: str | Path, cwd: Path, **more: str) -> "subprocess.CompletedProcess[str]":
    """Run `borderpost`, or a module of an environment, to its end."""
    first, *arguments = command
    begin = [python.with_name("borderpost")] if first == "borderpost" else [python, "-m", first]
    line = [*begin, *arguments]
    return subprocess.run(
        line, cwd=cwd, env={**variables(), **more}, capture_output=True, text=True, check=False
    )


def _write_program(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)


def _closure(names: Iterable[str]) -> set[str]:
    """Return distributions and their requirements, as far as they are installed here."""
    found: set[str] = set()
    waiting = [*names]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found.add(name)
        for line in distribution(name).requires or []:
            requirement = Requirement(line)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                waiting.append(re.sub(r"[-_.]+", "-", requirement.name).lower())
    return found
