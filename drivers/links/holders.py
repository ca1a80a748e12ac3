"""Who else has a device node open: the first question when a port is held."""

import os
from pathlib import Path


def holders(path: str) -> str:
    """Name the other processes that have `path` open, as `name (pid 712)`; empty when none can be seen.

    Without privileges only processes of the same user can be looked into.
    """
    real = os.path.realpath(path)
    names = []
    for process in Path("/proc").glob("[0-9]*"):
        if process.name == str(os.getpid()):
            continue
        try:
            if any(str(fd.readlink()) == real for fd in (process / "fd").iterdir()):
                names.append(f"{(process / 'comm').read_text().strip()} (pid {process.name})")
        except OSError:
            continue  # it ended meanwhile, or belongs to somebody else
    return ", ".join(sorted(names))
