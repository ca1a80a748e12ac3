"""Programs that the virtual machine needs; run by `make` before the packages are built, with Python alone."""

import os
import shutil
import sys

QEMU = "qemu-system-x86_64"
PACKAGES = {QEMU: "qemu-system-x86", "mmdebstrap": "mmdebstrap", "mke2fs": "e2fsprogs"}
"""Each program with Debian's package that brings it."""


def missing() -> str | None:
    """Say what keeps this machine from running a virtual one, and what to do; None where nothing does."""
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    lacking = [package for program, package in PACKAGES.items() if shutil.which(program, path=path) is None]
    told = []
    if lacking:
        told.append(f"{', '.join(lacking)} not installed: sudo apt-get install {' '.join(lacking)}")
    if os.geteuid() != 0:
        told.append("not root, who alone can make the machine's image: sudo make vm-test")
    return f"make vm-test cannot run here: {'; '.join(told)}" if told else None


if __name__ == "__main__":
    sys.exit(missing())
