"""Check that the gateway runs, without disturbing it."""

import contextlib
import os
import re
from collections.abc import Iterator
from pathlib import Path

from drivers.links.link import Action
from gateway.api.models import Finding
from gateway.diagnostics.findings import make_finding, make_ok_finding
from gateway.diagnostics.host import HostView, read_text


def gateway_pid(state_dir: Path, host: HostView) -> int | None:
    """Return the process that runs on a state directory, else None.

    Raises PermissionError for a closed directory. Reads the kernel's list of locks instead of trying the
    lock: a gateway that starts at this moment would find it locked.
    """
    try:
        names = _names_in_locks(state_dir / "lock", host)
    except FileNotFoundError:
        return None
    for line in (read_text(host.proc / "locks") or "").splitlines():
        # proc(5): `1: FLOCK  ADVISORY  WRITE 4711 08:01:131077 0 EOF`; a waiting process has `->` before
        # FLOCK.
        parts = line.split()
        if len(parts) > 5 and parts[1] == "FLOCK" and parts[5] in names:
            return int(parts[4])
    return None


def _names_in_locks(file: Path, host: HostView) -> set[str]:
    """Return the names of a file in /proc/locks: device in hexadecimal, and inode, which alone is not unique.

    On some file systems (btrfs) stat(2) has the number of a subvolume, the list that of the mount.
    """
    descriptor = os.open(file, os.O_PATH)
    try:
        status = os.fstat(descriptor)
        devices = {(os.major(status.st_dev), os.minor(status.st_dev))}
        with contextlib.suppress(OSError):
            mount = re.search(r"mnt_id:\s*(\d+)", Path(f"/proc/self/fdinfo/{descriptor}").read_text())
            table = read_text(host.proc / "self/mountinfo") or ""
            # proc(5): `36 35 98:0 /mnt1 /mnt2 rw,noatime ...`, beginning with the number of the mount
            found = mount and re.search(rf"^{mount[1]} \d+ (\d+):(\d+) ", table, re.MULTILINE)
            if found:
                devices.add((int(found[1]), int(found[2])))
    finally:
        os.close(descriptor)
    return {f"{major:02x}:{minor:02x}:{status.st_ino}" for major, minor in devices}


def check_daemon(state_dir: Path, config: Path, host: HostView) -> Iterator[Finding]:
    """Check that the gateway runs."""
    try:
        pid = gateway_pid(state_dir, host)
    except PermissionError:
        yield make_finding(
            "gateway_status_unknown",
            "notice",
            "gateway",
            f"The status of the gateway is unknown: this user may not read {state_dir}.",
            Action.NONE,
            "Run this as root or as the gateway's user.",
        )
        return
    if pid is None:
        yield make_finding(
            "gateway_down",
            "error",
            "gateway",
            "The gateway is not running: no device is read.",
            Action.RESTART,
            "sudo systemctl start borderpost; its last messages: sudo journalctl -u borderpost -n 50; "
            f"check its file: borderpost config check {config}",
        )
    else:
        yield make_ok_finding("gateway_down", "gateway", f"The gateway is running (pid {pid}).")
