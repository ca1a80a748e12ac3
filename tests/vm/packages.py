"""The packages under test: those of `make deb`, and the same as an older version, to upgrade from."""

import os
import subprocess
from pathlib import Path

from vm.image import CACHE, ROOT

OLDER = "0.0.1~before"


def built(name: str) -> Path:
    """Return the newest package of that name in dist/, or in BORDERPOST_DEBS."""
    folder = Path(os.environ.get("BORDERPOST_DEBS", ROOT / "dist"))
    found = sorted(folder.glob(f"{name}_*.deb"), key=lambda path: path.stat().st_mtime)
    assert found, f"no {name} in {folder}: run make deb"
    return found[-1]


def older(package: Path, folder: Path) -> Path:
    """Return the same content under an older version, which also unpacks faster."""
    tree = CACHE / "older"
    subprocess.run(["rm", "-rf", tree], check=True)
    subprocess.run(["dpkg-deb", "--raw-extract", package, tree], check=True)
    control = tree / "DEBIAN" / "control"
    version = package.name.split("_")[1]
    # Both the package's own version and the one that its companion depends on.
    control.write_text(control.read_text().replace(version, OLDER))
    target = folder / f"{package.name.partition('_')[0]}_{OLDER}.deb"
    subprocess.run(["dpkg-deb", "-Znone", "--root-owner-group", "--build", tree, target], check=True)
    subprocess.run(["rm", "-rf", tree], check=True)
    return target
