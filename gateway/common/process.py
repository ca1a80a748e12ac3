"""Protection of a process's memory: closed to programs of the same user, and free of unneeded variables."""

import ctypes
import os
import sys
from collections.abc import Mapping
from pathlib import Path

PR_SET_DUMPABLE = 4  # prctl(2)
KEPT_VARIABLES = frozenset({"PATH", "LANG", "LANGUAGE", "TZ", "TZDIR"})
KEPT_PREFIXES = (
    "LC_", "PYTHON", "SSL_CERT_",
    "PCSCLITE_", "LD_PRELOAD", "LD_LIBRARY_PATH", "FAKETIME", "UMOCKDEV_",  # test beds
)  # fmt: skip
"""Variables that a worker may have. All others may hold passwords (`${NAME}` in the configuration)."""
FORK_SERVER = "forkserver"
"""Name of the fork server's process, by which its children, the workers, are recognised."""
_ENV_START, _ENV_END = 47, 48
"""Fields 50 and 51 of /proc/PID/stat (proc_pid_stat(5)), counted after the name."""


def forbid_dumps() -> None:
    """Make this process undumpable: its memory is closed to all programs but root's (prctl(2)).

    A program that is started by exec(2) has to do it again; a forked process inherits it.
    """
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)


def kept_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that a worker may have."""
    return {
        name: value
        for name, value in environ.items()
        if name in KEPT_VARIABLES or name.startswith(KEPT_PREFIXES)
    }


def scrub_environment() -> None:
    """Remove all other variables from this process, and overwrite them in its memory."""
    kept = kept_environment(os.environ)
    # Freed memory keeps its content: Python's own copies are overwritten before they are freed.
    for name, value in os.environ._data.items():  # type: ignore[attr-defined] # noqa: SLF001
        if len(value) > 1 and name.decode(errors="replace") not in kept:  # Python shares shorter ones
            ctypes.memset(id(value) + sys.getsizeof(value) - len(value) - 1, 0, len(value))
    os.environ.clear()
    start, end = _initial_environment()
    if start < end:
        ctypes.memset(start, 0, end - start)
    os.environ.update(kept)


def _initial_environment() -> tuple[int, int]:
    """Return start and end address of the environment that exec(2) left on the stack."""
    try:
        fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
        return int(fields[_ENV_START]), int(fields[_ENV_END])
    except (OSError, IndexError, ValueError):
        return 0, 0
