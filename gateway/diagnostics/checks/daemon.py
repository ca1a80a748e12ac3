"""Whether the gateway runs, without disturbing it."""

from collections.abc import Iterator
from pathlib import Path

from drivers.links.link import Action
from gateway.api.models import Finding
from gateway.diagnostics.findings import found, well
from gateway.diagnostics.host import Surroundings, text


def gateway_pid(state_dir: Path, around: Surroundings) -> int | None:
    """The process that runs on a state directory; raises PermissionError when we may not look into it.

    The kernel's list is read rather than the lock tried: a gateway that starts at this moment would find it
    taken.
    """
    try:
        inode = str((state_dir / "lock").stat().st_ino)
    except FileNotFoundError:
        return None
    for line in (text(around.proc / "locks") or "").splitlines():
        # proc(5): `1: FLOCK  ADVISORY  WRITE 4711 08:01:131077 0 EOF`; who waits has `->` before FLOCK.
        parts = line.split()
        if len(parts) > 5 and parts[1] == "FLOCK" and parts[5].rpartition(":")[2] == inode:
            return int(parts[4])
    return None


def look_at_gateway(state_dir: Path, config: Path, around: Surroundings) -> Iterator[Finding]:
    """Look whether it runs."""
    try:
        pid = gateway_pid(state_dir, around)
    except PermissionError:
        yield found(
            "gateway_unseen",
            "notice",
            "gateway",
            f"Whether the gateway runs cannot be seen: {state_dir} is closed to this user.",
            Action.NONE,
            "Run this as root or as the gateway's user.",
        )
        return
    if pid is None:
        yield found(
            "gateway_down",
            "error",
            "gateway",
            "The gateway is not running.",
            Action.RESTART,
            "sudo systemctl start borderpost; why it ended: sudo journalctl -u borderpost -n 50; "
            f"is its file right: borderpost config check {config}",
        )
    else:
        yield well("gateway_down", "gateway", f"The gateway is running (pid {pid}).")
