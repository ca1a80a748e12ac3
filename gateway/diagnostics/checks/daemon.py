"""Check that the gateway runs, without disturbing it."""

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
        inode = str((state_dir / "lock").stat().st_ino)
    except FileNotFoundError:
        return None
    for line in (read_text(host.proc / "locks") or "").splitlines():
        # proc(5): `1: FLOCK  ADVISORY  WRITE 4711 08:01:131077 0 EOF`; a waiting process has `->` before
        # FLOCK.
        parts = line.split()
        if len(parts) > 5 and parts[1] == "FLOCK" and parts[5].rpartition(":")[2] == inode:
            return int(parts[4])
    return None


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
