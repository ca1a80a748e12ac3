"""Debian packages that the tests need.

Lists missing ones with their size, then installs them by root or sudo. Run by `make` before there is a
virtual environment: only the standard library is imported. Exit codes: 0 all are installed, 69 some are
missing and cannot be installed by this user, otherwise apt-get's.
"""

import os
import platform
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterable, Sequence
from pathlib import Path

# Tests use the broker and the smart card service of a real post, and replay libfprint's recordings of
# scanners to libusb; pyscard and evdev are built locally.
COMMANDS = {
    "mosquitto": "mosquitto",
    "mosquitto-clients": "mosquitto_sub",
    "faketime": "faketime",
    "pcscd": "pcscd",
    "umockdev": "umockdev-run",
    "swig": "swig",
    "gcc": "gcc",
    "iproute2": "ip",
    "nftables": "nft",
}
"""Command of each package."""
FILES = {
    "vsmartcard-vpcd": "usr/lib/pcsc/drivers/serial/libifdvpcd.so",
    "libpcsclite-dev": "usr/include/PCSC/winscard.h",
    "linux-libc-dev": "usr/include/linux/input.h",
    "libc6-dev": "usr/include/stdlib.h",
    "python3-dev": sysconfig.get_path("include").lstrip("/") + "/Python.h",
    "libusb-1.0-0": "usr/lib/*/libusb-1.0.so.0",
    "libfprint-2-tests": "usr/share/installed-tests/libfprint-2/prints/arch.png",
}
"""File of each package, relative to the root of the file system."""
CHROMIUM = ("chromium-headless-shell", "fonts-dejavu-core")
"""Browser for tests of the console's pages. Ubuntu has no such package, and skips that test."""
FOLDERS = ("/usr/sbin", "/sbin")
"""Directories of programs that only root has in PATH."""
SIZES = ("Need to get", "After this operation")
INSTALL = ("apt-get", "install", "-y", "--no-install-recommends")


def found(command: str) -> bool:
    """Return True if a command is installed."""
    return shutil.which(command, path=":".join((os.environ.get("PATH", ""), *FOLDERS))) is not None


def missing(root: Path = Path("/")) -> list[str]:
    """Return the packages that are missing."""
    lacking = [package for package, command in COMMANDS.items() if not found(command)]
    lacking += [package for package, file in FILES.items() if not any(root.glob(file))]
    if not (found("chromium-headless-shell") or found("chromium")) and chromium_offered():
        lacking += CHROMIUM
    return lacking


def chromium_offered() -> bool:
    """Return True if apt offers the browser: on Debian it does, even before apt's first update."""
    return _known(CHROMIUM[0]) or (os_release().get("ID") == "debian" and not _known("gcc"))


def os_release() -> dict[str, str]:
    """Return the values of os-release(5); empty if there is none."""
    try:
        return platform.freedesktop_os_release()
    except OSError:
        return {}


def _known(package: str) -> bool:
    """Return True if apt offers a package."""
    asked = _quietly(["apt-cache", "show", package])
    return asked is not None and asked.returncode == 0


def size(packages: Iterable[str]) -> str:
    """Return download and disk size in apt's words; empty if apt does not report them."""
    # A simulation needs no lock, which only root could take.
    order = [*INSTALL[:2], "--assume-no", "--no-install-recommends", "-o", "Debug::NoLocking=1", *packages]
    asked = _quietly(order)
    lines = () if asked is None else asked.stdout.splitlines()
    return " ".join(line for line in lines if line.startswith(SIZES))


def privilege() -> tuple[str, ...] | None:
    """Return the command that becomes root: none, sudo (may ask for a password), or None: impossible."""
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
    """Format the missing packages for a person."""
    folded = "\n".join("  " + " ".join(packages[at : at + 5]) for at in range(0, len(packages), 5))
    return f"The tests need {len(packages)} packages that are missing here:\n{folded}\n{sizes}".rstrip()


def main() -> int:
    """List the missing packages and install them."""
    lacking = missing()
    if not lacking:
        return os.EX_OK
    if not found("apt-get"):
        print(said(lacking, ""))
        print("There is no apt-get here: install them with this system's package manager.")
        return os.EX_UNAVAILABLE
    sizes = size(lacking)
    print(said(lacking, sizes or "Their size is not known before `apt-get update`."), flush=True)
    root = privilege()
    if root is None:
        update, install = "sudo apt-get update", f"sudo {' '.join((*INSTALL, *lacking))}"
        print(f"Only root can install them. Ask an administrator to run:\n  {update} && \\\n  {install}")
        print("Nothing was installed, and no test was run.")
        return os.EX_UNAVAILABLE
    updated = subprocess.run([*root, "apt-get", "update", "-qq"], check=False).returncode
    if updated != 0:
        return updated
    if not sizes:  # now apt has its lists, and may offer a browser
        lacking = missing()
        print(said(lacking, size(lacking)), flush=True)
    # sudo passes no environment on.
    order = [*root, "env", "DEBIAN_FRONTEND=noninteractive", *INSTALL, "-qq", *lacking]
    return subprocess.run(order, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
