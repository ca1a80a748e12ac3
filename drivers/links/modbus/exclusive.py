"""Exclusive use of a device on the network by one process of this machine.

A lock is a Unix socket bound to an abstract name: the kernel refuses the name to any second
socket, also of another user, and frees it when the process ends, however it ends.
"""

import errno
import hashlib
import socket
from typing import Self

from drivers.links.link import Action, Cause, LinkError


class ExclusiveUse:
    """A lock on one name, for example of a board: a context manager."""

    def __init__(self, name: str, description: str) -> None:
        """Create the lock; `description` is the device in the error, with a capital letter."""
        # The name of a socket has at most 108 bytes (unix(7)), and the path of a port may be longer.
        self._name = f"\0borderpost/{hashlib.sha256(name.encode()).hexdigest()}"
        self._description = description
        self._lock: socket.socket | None = None

    def __enter__(self) -> Self:
        """Take the lock; raises LinkError if another driver on this machine has it."""
        lock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            lock.bind(self._name)
        except OSError as error:
            lock.close()
            if error.errno != errno.EADDRINUSE:
                raise
            raise LinkError(
                Cause.PORT_HELD,
                f"{self._description} is already used by another device on this machine: two users of one "
                "board could move the same barrier.",
                Action.CONFIGURE,
                "Name each board and unit in one device only, of one post's file; stop the other gateway.",
            ) from None
        self._lock = lock
        return self

    def __exit__(self, *_: object) -> None:
        """Give the lock back."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None
