"""Programs required by the virtual machine; `make` runs this with Python alone, before the build."""

import os
import shutil
import sys

QEMU = "qemu-system-x86_64"
PACKAGES = {QEMU: "qemu-system-x86", "mmdebstrap": "mmdebstrap", "mke2fs": "e2fsprogs"}
"""Each program with its Debian package."""


def missing() -> str | None:
    """Return the reason why this machine cannot run a virtual one, with the remedy; None if it can."""
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    lacking = [package for program, package in PACKAGES.items() if shutil.which(program, path=path) is None]
    reasons = []
    if lacking:
        reasons.append(f"{', '.join(lacking)} not installed: sudo apt-get install {' '.join(lacking)}")
    if os.geteuid() != 0:
        reasons.append("not root, which is required to make the machine's image: sudo make vm-test")
    return f"make vm-test cannot run here: {'; '.join(reasons)}" if reasons else None


if __name__ == "__main__":
    sys.exit(missing())
