"""Debian packages that the tests need: names what is missing with its size, then installs it by root or sudo.

Run by `make` before there is a virtual environment: only the standard library is imported. Exit codes: 0 all
is there, 69 something is missing and nobody here may install it, otherwise apt-get's.
"""

import os
import platform
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterable, Sequence
from pathlib import Path

# Tests speak to the broker and the smart card service that posts run, and play libfprint's recordings of
# scanners into libusb; pyscard and evdev are built on the spot.
COMMANDS = {
    "mosquitto": "mosquitto",
    "mosquitto-clients": "mosquitto_sub",
    "faketime": "faketime",
    "pcscd": "pcscd",
    "umockdev": "umockdev-run",
    "swig": "swig",
    "gcc": "gcc",
    "iproute2": "ip",
}
"""A command that each package brings."""
FILES = {
    "vsmartcard-vpcd": "usr/lib/pcsc/drivers/serial/libifdvpcd.so",
    "libpcsclite-dev": "usr/include/PCSC/winscard.h",
    "linux-libc-dev": "usr/include/linux/input.h",
    "libc6-dev": "usr/include/stdlib.h",
    "python3-dev": sysconfig.get_path("include").lstrip("/") + "/Python.h",
    "libusb-1.0-0": "usr/lib/*/libusb-1.0.so.0",
    "libfprint-2-tests": "usr/share/installed-tests/libfprint-2/prints/arch.png",
}
"""A file that each package brings, below the root of the file system."""
CHROMIUM = ("chromium-headless-shell", "fonts-dejavu-core")
"""In which the console's pages are tried. Ubuntu has none as a package, and skips that test."""
FOLDERS = ("/usr/sbin", "/sbin")
"""Where programs are that only root has in PATH."""
SIZES = ("Need to get", "After this operation")
INSTALL = ("apt-get", "install", "-y", "--no-install-recommends")


def found(command: str) -> bool:
    """Tell whether a command is installed."""
    return shutil.which(command, path=":".join((os.environ.get("PATH", ""), *FOLDERS))) is not None


def missing(root: Path = Path("/")) -> list[str]:
    """Name the packages of which nothing is there."""
    lacking = [package for package, command in COMMANDS.items() if not found(command)]
    lacking += [package for package, file in FILES.items() if not any(root.glob(file))]
    if not (found("chromium-headless-shell") or found("chromium")) and chromium_offered():
        lacking += CHROMIUM
    return lacking


def chromium_offered() -> bool:
    """Tell whether apt has the browser: Debian has, though apt knows no package before its first update."""
    return _known(CHROMIUM[0]) or (os_release().get("ID") == "debian" and not _known("gcc"))


def os_release() -> dict[str, str]:
    """Name the system, as os-release(5) does; empty where it does not."""
    try:
        return platform.freedesktop_os_release()
    except OSError:
        return {}


def _known(package: str) -> bool:
    asked = _quietly(["apt-cache", "show", package])
    return asked is not None and asked.returncode == 0


def size(packages: Iterable[str]) -> str:
    """Say how much is downloaded and how much disk it takes, in apt's words; empty where apt cannot tell."""
    # Nothing is done, so no lock is needed, which only root could take.
    order = [*INSTALL[:2], "--assume-no", "--no-install-recommends", "-o", "Debug::NoLocking=1", *packages]
    asked = _quietly(order)
    lines = () if asked is None else asked.stdout.splitlines()
    return " ".join(line for line in lines if line.startswith(SIZES))


def privilege() -> tuple[str, ...] | None:
    """Find how to become root: by nothing, by sudo, which may ask for a password, or None: not at all."""
    if os.geteuid() == 0:
        return ()
    if not found("sudo"):
        return None
    asked = _quietly(["sudo", "-n", "true"])
    if asked is not None and asked.returncode == 0:
        return ("sudo",)
    if sys.stdin is None or not sys.stdin.isatty():  # None where it was closed
        return None
    return ("sudo",) if subprocess.run(["sudo", "-v"], check=False).returncode == 0 else None


def _quietly(command: Sequence[str]) -> subprocess.CompletedProcess[str] | None:
    try:
        environment = os.environ | {"LC_ALL": "C"}
        return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    except OSError:
        return None  # there is no such program


def said(packages: Sequence[str], sizes: str) -> str:
    """Lay out what is missing, for a person."""
    folded = "\n".join("  " + " ".join(packages[at : at + 5]) for at in range(0, len(packages), 5))
    return f"The tests need {len(packages)} packages that are missing here:\n{folded}\n{sizes}".rstrip()


def main() -> int:
    """Name what is missing, and install it."""
    lacking = missing()
    if not lacking:
        return os.EX_OK
    if not found("apt-get"):
        print(said(lacking, ""), "There is no apt-get here: install them as this system does.", sep="\n")
        return os.EX_UNAVAILABLE
    sizes = size(lacking)
    print(said(lacking, sizes or "Their size is not known before `apt-get update`."), flush=True)
    root = privilege()
    if root is None:
        update, install = "sudo apt-get update", f"sudo {' '.join((*INSTALL, *lacking))}"
        print(f"Only root may install them. Have an administrator run:\n  {update} && \\\n  {install}")
        print("Nothing was installed, and no test was run.")
        return os.EX_UNAVAILABLE
    updated = subprocess.run([*root, "apt-get", "update", "-qq"], check=False).returncode
    if updated != 0:
        return updated
    if not sizes:  # now apt knows, and it may know a browser
        lacking = missing()
        print(said(lacking, size(lacking)), flush=True)
    # sudo passes no environment on.
    order = [*root, "env", "DEBIAN_FRONTEND=noninteractive", *INSTALL, "-qq", *lacking]
    return subprocess.run(order, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
