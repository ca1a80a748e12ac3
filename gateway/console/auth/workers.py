"""Recognition of driver workers among the clients of the local socket: none may manage the gateway."""

import os
from pathlib import Path

from gateway.common.process import FORK_SERVER


def is_worker(pid: int, uid: int, proc: Path = Path("/proc")) -> bool:
    """Return True for a process of this user whose parent is the daemon's fork server.

    The daemon started this process as well. A process of this user that cannot be seen is a worker too:
    workers are not dumpable, and the unit hides such processes (ProtectProc=invisible).
    """
    if uid != os.getuid():
        return False
    own = _name_and_parent(pid, proc)
    if own is None:
        return True
    return _name_and_parent(own[1], proc) == (FORK_SERVER, os.getppid())


def _name_and_parent(pid: int, proc: Path) -> tuple[str, int] | None:
    """Return the name of a process and its parent, or None where it cannot be seen (proc_pid_stat(5))."""
    try:
        head, _, rest = (proc / str(pid) / "stat").read_text().rpartition(")")
        return head.partition("(")[2], int(rest.split()[1])
    except (OSError, IndexError, ValueError):
        return None
