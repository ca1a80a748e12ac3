"""Installation of the peers: into one folder, once, and only on request."""

import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.candidates import Candidate, node_red, thingsboard

NODE_RED = ("node-red@4.1.15", "node-red-node-serialport@2.0.3")
THINGSBOARD = ("thingsboard-gateway==3.8.5", "pyserial")
LIMIT_S = 600


class NotInstallableError(Exception):
    """The reason why a peer is not measured."""


def _node_red(folder: Path) -> Candidate:
    if shutil.which("npm") is None:
        raise NotInstallableError("npm is not installed")
    if not (folder / "node_modules" / "node-red" / "red.js").exists():
        _run(["npm", "install", "--silent", "--no-fund", "--no-audit", "--prefix", str(folder), *NODE_RED])
    return node_red(folder)


def _thingsboard(folder: Path) -> Candidate:
    python = folder / "bin" / "python"
    if not any(folder.glob("lib/python*/site-packages/thingsboard_gateway")):
        _run([sys.executable, "-m", "venv", str(folder)])
        _run([str(python), "-m", "pip", "--disable-pip-version-check", "install", "-q", *THINGSBOARD])
    return thingsboard(folder)


PEERS: dict[str, Callable[[Path], Candidate]] = {"node-red": _node_red, "thingsboard": _thingsboard}


def peer(name: str, cache: Path) -> Candidate:
    """Install a peer if it is not installed yet; raise NotInstallableError if that fails."""
    folder = cache / name.replace("-", "")
    folder.mkdir(parents=True, exist_ok=True)
    return PEERS[name](folder)


def _run(argv: Sequence[str]) -> None:
    try:
        subprocess.run(argv, check=True, capture_output=True, timeout=LIMIT_S)
    except subprocess.CalledProcessError as error:
        last = (error.stderr or error.stdout or b"").decode("utf-8", "replace").strip().splitlines()[-1:]
        raise NotInstallableError(f"`{argv[0]}` failed: {' '.join(last) or error.returncode}") from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotInstallableError(str(error)) from error
