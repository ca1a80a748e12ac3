"""Kind of this installation, and the command that installs a missing extra into it.

Three kinds: Debian packages under /opt/borderpost, a clone (an editable installation), and any other
environment, made from a wheel or a folder. No command looks a distribution of ours up in a package index,
where anyone could have registered its name.

Source: PEP 610 (`direct_url.json`), PEP 660, systemd/deb/build.py.
"""

import json
import shlex
import sys
from enum import StrEnum
from importlib.metadata import PackageNotFoundError, distribution
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

OURS = "borderpost-gateway"
PACKAGED = Path("/opt/borderpost")
LOCAL = "/usr/local/lib/borderpost"
"""Folder from which a packaged post loads additional wheels."""
PACKAGES = {
    "camera": "borderpost-cameras",
    "uvc": "borderpost-cameras",
    "demo": "borderpost-training",
    "simulators": "borderpost-training",
}
"""Debian packages with extras that the gateway's own package lacks."""
WHEELS = {"hints": "opencv-python-headless", "nfiq2": "nbis-python"}
"""Distributions of extras that are in no Debian package: a packaged post uses their wheels."""


class Installation(StrEnum):
    """One of the ways to install the gateway."""

    PACKAGES = "packages"
    CLONE = "clone"
    ENVIRONMENT = "environment"


def installation(name: str = OURS) -> Installation:
    """Return how the distribution of that name was installed.

    Drivers of other vendors have a distribution too.
    """
    if Path(sys.prefix) == PACKAGED:
        return Installation.PACKAGES
    if _origin(name).get("dir_info", {}).get("editable"):
        return Installation.CLONE
    return Installation.ENVIRONMENT


def how_to_install(extra: str, name: str = OURS) -> str:
    """Return the command that installs an extra of a distribution here, introduced where needed."""
    match installation(name):
        case Installation.PACKAGES:
            return _packages(extra, name)
        case Installation.CLONE:
            return f"cd {shlex.quote(_source(name))} && {_pip(_source(name))} -e '.[{extra}]'"
        case Installation.ENVIRONMENT:
            return f"{_pip()} {shlex.quote(f'{_source(name)}[{extra}]')}"


def how_to_mend(extra: str, name: str = OURS) -> str:
    """Return the remedy for a running gateway: `how_to_install` and a restart."""
    if installation(name) is Installation.PACKAGES:
        return f"{how_to_install(extra, name)}; then: sudo systemctl restart borderpost"
    return f"{how_to_install(extra, name)}; then restart the gateway"


def _packages(extra: str, name: str) -> str:
    if name == OURS and extra not in WHEELS:
        package = PACKAGES.get(extra, OURS)
        again = "--reinstall " if package == OURS else ""
        return f"with the package of the same version: sudo apt install {again}./{package}_*.deb"
    wheels = f"the wheel of {WHEELS[extra]}" if name == OURS else f"each wheel that {name}[{extra}] requires"
    return f"with {wheels}: sudo python3 -m zipfile -e FILE.whl {LOCAL}"


def _origin(name: str) -> dict[str, Any]:
    """Return the source that a distribution was installed from; {} if it was not recorded."""
    try:
        found = distribution(name)
        said = json.loads(found.read_text("direct_url.json") or "{}")
    except (PackageNotFoundError, ValueError):
        return {}
    # Started in the clone's folder, Python finds the metadata that setuptools leaves there first.
    folder = Path(str(found.locate_file(""))).absolute()
    if not said and (folder / "pyproject.toml").is_file():
        return {"url": folder.as_uri(), "dir_info": {"editable": True}}
    return said if isinstance(said, dict) else {}


def _source(name: str) -> str:
    """Return the folder or file that it was installed from, else the name of its wheel, to be supplied."""
    url = urlsplit(str(_origin(name).get("url", "")))
    if url.scheme == "file" and (path := Path(unquote(url.path))).exists():
        return str(path)
    try:
        version = distribution(name).version
    except PackageNotFoundError:
        version = "VERSION"
    return f"./{name.replace('-', '_')}-{version}-py3-none-any.whl"


def _pip(clone: str = "") -> str:
    """Return `... install` for this environment, relative to a clone around it. uv installs no pip."""
    python = Path(sys.executable)
    pip = python.with_name("pip")
    program = pip if pip.exists() else python
    shown = shlex.quote(
        str(program.relative_to(clone) if clone and program.is_relative_to(clone) else program)
    )
    if pip.exists():
        return f"{shown} install"
    return f"{shown} -m pip install" if find_spec("pip") else f"uv pip install --python {shown}"
