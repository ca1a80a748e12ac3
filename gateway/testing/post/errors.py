"""Errors of a simulated post that cannot be started or used."""

import os
from typing import ClassVar


class PostError(Exception):
    """The simulated post cannot be started or used; the message says why, and the remedy."""

    exit_code: ClassVar[int] = os.EX_UNAVAILABLE
    """Exit code of a command that reports it, as in sysexits(3)."""


class BrokerError(PostError):
    """No broker could be started."""


class FolderTooLongError(PostError):
    """The sockets of a post cannot be created in its folder."""

    exit_code: ClassVar[int] = os.EX_CANTCREAT
