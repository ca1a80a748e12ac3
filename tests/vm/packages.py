"""The packages that are tried: what `make deb` built, and the same as an older version, to upgrade from."""

import os
import subprocess
from pathlib import Path

from vm.image import CACHE, ROOT

OLDER = "0.0.1~before"


def built(name: str) -> Path:
    """The newest package of that name in dist/, or where BORDERPOST_DEBS says."""
    folder = Path(os.environ.get("BORDERPOST_DEBS", ROOT / "dist"))
    found = sorted(folder.glob(f"{name}_*.deb"), key=lambda path: path.stat().st_mtime)
    assert found, f"no {name} in {folder}: make deb"
    return found[-1]


def older(package: Path, folder: Path) -> Path:
    """The same content under an older version; unpacked faster, too."""
    tree = CACHE / "older"
    subprocess.run(["rm", "-rf", tree], check=True)
    subprocess.run(["dpkg-deb", "--raw-extract", package, tree], check=True)
    control = tree / "DEBIAN" / "control"
    version = package.name.split("_")[1]
    # Both the package's own version and that which its companion asks for.
    control.write_text(control.read_text().replace(version, OLDER))
    target = folder / f"{package.name.partition('_')[0]}_{OLDER}.deb"
    subprocess.run(["dpkg-deb", "-Znone", "--root-owner-group", "--build", tree, target], check=True)
    subprocess.run(["rm", "-rf", tree], check=True)
    return target
