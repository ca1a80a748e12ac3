"""The folder of what must survive a restart, kept for one gateway alone."""

import fcntl
import os
import tomllib
from pathlib import Path
from typing import IO

EX_CANTCREAT, EX_TEMPFAIL, EX_CONFIG = 73, 75, 78  # sysexits(3)


class CannotStartError(Exception):
    """The gateway cannot run here; carries a sentence, a remedy and the exit code."""

    def __init__(self, text: str, how: str, exit_code: int) -> None:
        super().__init__(f"{text}\n    {how}")
        self.exit_code = exit_code


def lock_state_dir(state_dir: Path) -> IO[str]:
    """Make the state directory and keep it for this process alone; raises CannotStartError."""
    try:
        # Others of our group may pass through, to the console's socket; what else is in it is ours alone.
        state_dir.mkdir(mode=0o710, parents=True, exist_ok=True)
        # Opened for reading: at a boot with a read-only disk the post must go on, and flock asks for no more.
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


def read_state_dir(config: Path) -> Path | None:
    """Where the state directory is, of a post's file that may have mistakes elsewhere; None: ask `load`."""
    try:
        found = tomllib.loads(config.read_text("utf-8"))["gateway"]["state_dir"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    plain = isinstance(found, str) and "$" not in found  # else it takes what fills in the environment
    return config.absolute().parent / found if plain else None
