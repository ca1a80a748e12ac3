"""State directory, locked by one gateway."""

import fcntl
import os
import tomllib
from pathlib import Path
from typing import IO

EX_CANTCREAT, EX_TEMPFAIL, EX_CONFIG = 73, 75, 78  # sysexits(3)
SERVICE_SOCKET_DIR = Path("/run/borderpost")
"""Folder of the console's socket where systemd opens it (borderpost.socket); technicians may open it."""


class CannotStartError(Exception):
    """Failure to start, with a sentence, a remedy and the exit code."""

    def __init__(self, text: str, how: str, exit_code: int) -> None:
        super().__init__(f"{text}\n    {how}")
        self.exit_code = exit_code


def lock_state_dir(state_dir: Path) -> IO[str]:
    """Create the state directory and lock it for this process; raises CannotStartError."""
    try:
        # Members of our group may traverse the directory, to the console's socket; its other contents are
        # private.
        state_dir.mkdir(mode=0o710, parents=True, exist_ok=True)
        # Opened for reading: after a boot with a read-only disk the post must still run, and flock needs no
        # more.
        lock = os.fdopen(os.open(state_dir / "lock", os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise CannotStartError(
            f"The state directory {state_dir} cannot be used: {error.strerror}.",
            "Create it for the gateway's user, or correct `state_dir` in the configuration.",
            EX_CANTCREAT,
        ) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock.close()
        raise CannotStartError(
            f"Another gateway runs on {state_dir}.",
            "Stop it first; two gateways never share a state directory.",
            EX_TEMPFAIL,
        ) from error
    return lock


def is_forbidden(config: Path) -> bool:
    """Return True if this user may not read the file: technicians have the socket alone."""
    try:
        config.stat()
        return not os.access(config, os.R_OK)
    except PermissionError:
        return True
    except OSError:
        return False


def read_state_dir(config: Path) -> Path | None:
    """Return the state directory from a configuration that may be invalid elsewhere; None: use `load`."""
    try:
        found = tomllib.loads(config.read_text("utf-8"))["gateway"]["state_dir"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    plain = isinstance(found, str) and "$" not in found  # otherwise it needs the environment to be filled in
    return config.absolute().parent / found if plain else None
