"""A pcscd with a virtual reader, in its own network namespace and /run: vpcd listens on every address."""

import os
import shutil
import subprocess
from pathlib import Path

CCID_DRIVER = Path("/usr/lib/pcsc/drivers/ifd-ccid.bundle/Contents/Linux/libccid.so")
VPCD_DRIVER = Path("/usr/lib/pcsc/drivers/serial/libifdvpcd.so")
PCSCD = shutil.which("pcscd") or "/usr/sbin/pcscd"
ROOT = Path(__file__).parents[3]
_SCRIPT = """
set -e
ip link set lo up
mount -t tmpfs none /run
mkdir -p /run/pcscd
"""
_DAEMON = """
{pcscd} --foreground --disable-polkit --config {folder}/reader.conf > {folder}/pcscd.log 2>&1 &
daemon=$!
trap 'kill $daemon; wait $daemon || true' EXIT
"""
_READER_CONF = f"""FRIENDLYNAME "Virtual PCD"
DEVICENAME /dev/null:0x8C7B
LIBPATH {VPCD_DRIVER}
CHANNELID 0x8C7B
"""


def why_no_pcscd() -> str | None:
    """Return the reason why there can be none here, or None."""
    if not VPCD_DRIVER.exists() or not Path(PCSCD).exists():
        return "pcscd with vsmartcard's vpcd is not installed (apt install pcscd vsmartcard-vpcd)"
    unshare, ip = shutil.which("unshare"), shutil.which("ip", path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
    if unshare is None or ip is None:
        return "no unshare or no ip on the path"
    tried = subprocess.run([unshare, "-rnm", "true"], capture_output=True, check=False)
    return "namespaces of its own are not permitted here" if tried.returncode else None


def why_no_ccid() -> str | None:
    """Return the reason why there can be no USB reader here, or None."""
    if not CCID_DRIVER.exists() or shutil.which("umockdev-wrapper") is None:
        return "libccid or umockdev is not installed (apt install libccid umockdev)"
    return why_no_pcscd()


def in_namespace(
    folder: Path, *command: str | Path, timeout_s: float, before: str = "", **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run a command where a pcscd of its own can be."""
    script = f'{_SCRIPT}{before}"$@"\n'
    return subprocess.run(
        ["unshare", "-rnm", "bash", "-c", script, "pcscd", *map(str, command)],
        capture_output=True,
        text=True,
        check=False,
        timeout=timeout_s,
        cwd=ROOT,
        env={**os.environ, "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin", **environment},
    )


def with_pcscd(
    folder: Path, *command: str | Path, timeout_s: float, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run a command with a private pcscd and its virtual reader."""
    (folder / "reader.conf").write_text(_READER_CONF)
    daemon = _DAEMON.format(pcscd=PCSCD, folder=folder)
    return in_namespace(folder, *command, timeout_s=timeout_s, before=daemon, **environment)
